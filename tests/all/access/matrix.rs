//! Every route × everybody who may ask.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::*;

/// What a peer that has the scope is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// Something: a summary, or its own part of it.
    Told,
    /// What it names must be its own; else it is not there.
    OwnOnly,
    /// What it names must be its own, or this instance's.
    Ours,
    /// It is not there, whatever it names.
    Nothing,
    /// No peer can have the scope.
    Never,
}
use Peer::{Never, Nothing, Ours, OwnOnly, Told};

/// A row for every route: whoever adds one says here who may ask.
const TABLE: &[(&str, &str, &str, Peer)] = &[
    ("GET", "/healthz", OPEN, Told),
    ("GET", "/metrics", "status", Told),
    ("GET", "/api/v1/metrics", "status", Told),
    ("GET", "/api/v1/openapi.json", "status", Told),
    ("GET", "/api/v1/events", "status", Told),
    ("GET", "/api/v1/network", "status", Told),
    ("GET", "/api/v1/peers", "status", Told),
    ("GET", "/api/v1/peers/{name}", "status", OwnOnly),
    ("POST", "/api/v1/peers/{name}/check", "run", Nothing),
    ("POST", "/api/v1/peers/{name}/jobs/{job}/run", "run", Nothing),
    ("POST", "/api/v1/peers/{name}/archives/{archive}/verify", "run", Nothing),
    ("POST", "/api/v1/peers/{name}/archives/{archive}/restore", "restore", Nothing),
    ("GET", "/api/v1/peer-kinds", "admin", Never),
    ("POST", "/api/v1/peers", "admin", Never),
    ("DELETE", "/api/v1/peers/{name}", "admin", Never),
    ("GET", "/api/v1/invitations", "admin", Never),
    ("POST", "/api/v1/invitations", "admin", Never),
    ("DELETE", "/api/v1/invitations/{name}", "admin", Never),
    ("POST", "/api/v1/pairing", OPEN, Told),
    ("POST", "/api/v1/notify/test", "admin", Never),
    ("POST", "/api/v1/config/check", "admin", Never),
    ("GET", "/api/v1/health", "status", Told),
    ("GET", "/api/v1/status", "status", Told),
    ("GET", "/api/v1/settled", "admin", Never),
    ("GET", "/api/v1/plan", "admin", Never),
    ("GET", "/api/v1/simulate", "status", Told),
    ("POST", "/api/v1/plan/approve", "admin", Never),
    ("POST", "/api/v1/recovery/done", "admin", Never),
    ("GET", "/api/v1/config", "admin", Never),
    ("POST", "/api/v1/config/reload", "admin", Never),
    ("GET", "/api/v1/jobs", "status", Told),
    ("GET", "/api/v1/jobs/{id}", "status", Told),
    ("GET", "/api/v1/jobs/{id}/runs", "status", Told),
    ("GET", "/api/v1/jobs/{id}/days", "status", Nothing),
    ("POST", "/api/v1/jobs/{id}/run", "run", Ours),
    ("POST", "/api/v1/jobs/{id}/drill", "run", Nothing),
    ("GET", "/api/v1/runs", "status", Told),
    ("GET", "/api/v1/runs/{id}", "status", OwnOnly),
    ("GET", "/api/v1/runs/{id}/log", "admin", Never),
    ("POST", "/api/v1/runs/{id}/cancel", "run", OwnOnly),
    ("POST", "/api/v1/runs/{id}/undo", "restore", OwnOnly),
    ("GET", "/api/v1/coverage", "admin", Never),
    ("GET", "/api/v1/locations", "status", Told),
    ("GET", "/api/v1/locations/{name}/space", "status", Nothing),
    ("GET", "/api/v1/archives", "list", Told),
    ("POST", "/api/v1/archives/adopt", "admin", Never),
    ("DELETE", "/api/v1/archives/{name}", "delete", OwnOnly),
    ("GET", "/api/v1/archives/{name}/deletion", "delete", OwnOnly),
    ("GET", "/api/v1/archives/{name}/info", "list", OwnOnly),
    ("GET", "/api/v1/archives/{name}/why", "list", OwnOnly),
    ("GET", "/api/v1/archives/{name}/contents", "list", OwnOnly),
    ("GET", "/api/v1/archives/{name}/download", "fetch", OwnOnly),
    ("POST", "/api/v1/archives/{name}/restore", "restore", Ours),
    ("POST", "/api/v1/archives/{name}/restore/plan", "restore", Ours),
    ("GET", "/api/v1/archives/{name}/restore/status", "restore", Ours),
    ("POST", "/api/v1/archives/{name}/verify", "run", Ours),
    ("GET", "/api/v1/archives/{name}/description", "fetch", OwnOnly),
    ("POST", "/api/v1/archives/{name}/held", "fetch", OwnOnly),
    ("POST", "/api/v1/archives/{name}/transfer", "run", OwnOnly),
    ("POST", "/api/v1/archives/{name}/fetch", "admin", Never),
    ("POST", "/api/v1/archives/{name}/pin", "admin", Never),
    ("POST", "/api/v1/archives/{name}/unpin", "admin", Never),
    ("POST", "/api/v1/archives/{name}/undelete", "delete", OwnOnly),
    ("POST", "/api/v1/archives/upload/start", "send", Told),
    ("GET", "/api/v1/archives/upload/{id}", "send", OwnOnly),
    ("POST", "/api/v1/archives/upload/{id}/chunk/{n}", "send", OwnOnly),
    ("POST", "/api/v1/archives/upload/{id}/finish", "send", OwnOnly),
    ("DELETE", "/api/v1/archives/upload/{id}", "send", OwnOnly),
    ("POST", "/api/v1/archives/upload/{id}/landing", "admin", Never),
];

/// In the place of a scope: everybody may ask.
const OPEN: &str = "";

/// What a token may do; only peers send.
const SCOPES: [&str; 7] = ["status", "list", "fetch", "run", "delete", "restore", "admin"];
/// All that a peer may be let do.
static MOST: [&str; 7] = ["status", "list", "fetch", "send", "run", "delete", "restore"];
/// What a peer may do when nobody says.
static USUAL: [&str; 4] = ["status", "list", "send", "fetch"];

/// The routes of the document, each with its scopes.
fn routes() -> BTreeMap<(String, String), Vec<String>> {
    let document: Value = serde_json::from_str(&api::openapi().to_json().unwrap()).unwrap();
    let mut routes = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !["get", "post", "put", "delete", "patch", "head", "options"].contains(&&**method) {
                continue;
            }
            let security = operation["security"].as_array();
            let scopes = security.into_iter().flatten().flat_map(|one| {
                let lists = one.as_object().unwrap().values();
                lists.flat_map(|list| list.as_array().unwrap().clone())
            });
            let mut scopes: Vec<String> =
                scopes.map(|scope| scope.as_str().unwrap().to_owned()).collect();
            scopes.dedup();
            routes.insert((method.to_uppercase(), path.clone()), scopes);
        }
    }
    routes
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let routes = routes();
    let row = |method: &str, path: &str| {
        TABLE.iter().find(|row| (row.0, row.1) == (method, path)).map(|row| row.2)
    };
    for ((method, path), scopes) in &routes {
        let Some(scope) = row(method, path) else {
            panic!("`{method} {path}` has no row: who may ask?");
        };
        let described = scopes.first().map_or(OPEN, String::as_str);
        assert!(
            described == scope && scopes.len() <= 1,
            "`{method} {path}` is described otherwise"
        );
    }
    for (method, path, ..) in TABLE {
        let route = ((*method).to_owned(), (*path).to_owned());
        assert!(routes.contains_key(&route), "the row `{method} {path}` has no route");
    }
    assert_eq!(TABLE.len(), routes.len());
}

/// Who asks.
struct Asker {
    name: String,
    token: Option<&'static str>,
    is: Is,
}

enum Is {
    Unknown,
    Token(&'static str),
    Peer(&'static [&'static str]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Status(u16),
    /// Anything but 401 and 403.
    LetIn,
}

impl Expected {
    fn is(self, status: u16) -> bool {
        match self {
            Self::Status(expected) => status == expected,
            Self::LetIn => status != 401 && status != 403,
        }
    }
}

impl Asker {
    /// What a row means for it. What is named is this instance's own: foreign to every peer.
    fn expects(&self, scope: &str, peer: Peer) -> Expected {
        match self.is {
            _ if scope == OPEN => Expected::LetIn,
            Is::Unknown => Expected::Status(401),
            Is::Token(own) if own == scope || own == "admin" => Expected::LetIn,
            Is::Token(_) => Expected::Status(403),
            Is::Peer(own) if peer == Never || !own.contains(&scope) => Expected::Status(403),
            Is::Peer(_) if matches!(peer, Told | Ours) => Expected::LetIn,
            Is::Peer(_) => Expected::Status(404),
        }
    }
}

fn askers() -> Vec<Asker> {
    let unknown = [("nobody", None), ("garbage", Some("garbage")), ("revoked", Some("revoked"))];
    let unknown =
        unknown.map(|(name, token)| Asker { name: name.to_owned(), token, is: Is::Unknown });
    let tokens = SCOPES.iter().map(|scope| Asker {
        name: format!("a token with {scope}"),
        token: Some(scope),
        is: Is::Token(scope),
    });
    let peers = [("tom", &MOST[..]), ("eve", &USUAL[..])];
    let peers = peers.map(|(name, scopes)| Asker {
        name: format!("peer {name}"),
        token: Some(name),
        is: Is::Peer(scopes),
    });
    unknown.into_iter().chain(tokens).chain(peers).collect()
}

fn peer(name: &str, scopes: &[&str]) -> String {
    format!(
        "[peer.{name}]\nkind = \"instance\"\nurl = \"https://{name}.example.org/larder\"\n\
         [peer.{name}.accept]\ntoken_hash = \"{}\"\nlocation = \"received\"\nscopes = {scopes:?}\n",
        sha256(name)
    )
}

/// A served instance with a token for each scope, two peers, an archive and its run.
async fn scene() -> (Instance, Served) {
    let instance =
        Instance::new("[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n");
    instance.source("notes/a.txt", b"alpha");
    instance.write("received.toml", "[location.received]\npath = \"../received\"\n");
    let tokens: Vec<String> =
        SCOPES.iter().map(|scope| table(scope, &sha256(scope), &[*scope])).collect();
    instance.write("tokens.toml", &tokens.concat());
    instance.write("revoked.toml", &table("revoked", &sha256("revoked"), &["admin"]));
    instance.write("tom.toml", &peer("tom", &MOST));
    instance.write("eve.toml", &peer("eve", &USUAL));
    instance.write("tim.toml", &peer("tim", &USUAL));
    let served = Served::start(&instance).await;
    tokio::time::timeout(Duration::from_secs(30), served.handle.settled()).await.unwrap();
    assert_eq!(served.ask(Method::GET, "/api/v1/config", Some("revoked")).await, 200);
    std::fs::remove_file(instance.path("etc/revoked.toml")).unwrap();
    served.handle.reloaded().await.unwrap();
    (instance, served)
}

/// What requests name.
struct Things {
    archive: String,
    run: String,
    upload: String,
    job: &'static str,
    peer: &'static str,
}

impl Things {
    /// Things of this instance, and of the peer `tim`: foreign to the peers that ask.
    async fn of(served: &Served) -> Self {
        let run = served.handle.runs(larder::engine::RunFilter { limit: 1, ..Default::default() });
        let run = run.await.unwrap()[0].id.to_string();
        let hash = "0".repeat(64);
        let start =
            format!(r#"{{"filename":"tim_web_1.tar","total_size":10,"checksum":"{hash}"}}"#);
        let path = "/api/v1/archives/upload/start";
        let started = served.ask_as(peer_caller("tim"), Method::POST, path, &start).await;
        let started: Value = serde_json::from_str(&started.body).unwrap();
        let upload = started["upload_id"].as_str().unwrap().to_owned();
        let archive = served.handle.view().observed.archives[0].name.to_string();
        Self { archive, run, upload, job: "notes", peer: "tim" }
    }

    /// What nobody ever had.
    fn never() -> Self {
        let upload = uuid::Uuid::from_u128(7).to_string();
        let (archive, run) = ("no-such-name".to_owned(), "987654".to_owned());
        Self { archive, run, upload, job: "nutes", peer: "tam" }
    }

    fn words(&self) -> [&str; 5] {
        [&self.archive, &self.run, &self.upload, self.job, self.peer]
    }
}

/// Somebody who is known as this peer, and may do all that a peer can ever be let do.
fn peer_caller(name: &str) -> Caller {
    let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect();
    Caller::Peer { name: name.parse().unwrap(), scopes }
}

/// The path of a row, about these things.
fn filled(path: &str, things: &Things) -> String {
    let id = if path.contains("/jobs/") {
        things.job
    } else if path.contains("/runs/") {
        &things.run
    } else {
        &things.upload
    };
    let is_archive = path.contains("/archives/") && !path.contains("/peers/");
    let name = if is_archive { &things.archive } else { things.peer };
    let path = path.replace("{archive}", &things.archive).replace("{job}", things.job);
    path.replace("{id}", id).replace("{name}", name).replace("{n}", "0")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_to_more_than_the_table_says() {
    let (_instance, served) = scene().await;
    let things = Things::of(&served).await;
    let mut wrong = Vec::new();
    // What deletes comes last.
    let mut rows = TABLE.to_vec();
    rows.sort_by_key(|row| row.0 == "DELETE");
    for (method, path, scope, peer) in rows {
        for asker in askers() {
            let expected = asker.expects(scope, peer);
            let path = filled(path, &things);
            let request = served.ask(method.parse().unwrap(), &path, asker.token);
            // One that waits was let in.
            let status = tokio::time::timeout(Duration::from_secs(5), request).await;
            let status = status.map_or(202, |status| status.as_u16());
            if !expected.is(status) {
                wrong
                    .push(format!("{method} {path} as {}: {status}, not {expected:?}", asker.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foreign_to_a_peer_is_answered_as_what_never_was() {
    let (_instance, served) = scene().await;
    let by_name = Things::of(&served).await;
    let archive = served.handle.view().observed.archives[0].id.to_string();
    let (upload, run) = (by_name.upload.clone(), by_name.run.clone());
    let by_id = Things { archive, run, upload, ..by_name };
    let never = Things::never();
    let never_id = Things { archive: uuid::Uuid::from_u128(7).to_string(), ..Things::never() };
    for (method, path, _, peer) in TABLE {
        if !matches!(peer, OwnOnly | Nothing) {
            continue;
        }
        for (there, absent) in [(&by_name, &never), (&by_id, &never_id)] {
            let method: Method = method.parse().unwrap();
            let ask = |things| {
                let path = filled(path, things);
                let body = body(&path).unwrap_or_default();
                let (served, method) = (&served, method.clone());
                async move { served.ask_as(peer_caller("tom"), method, &path, body).await }
            };
            let (foreign, nothing) = (ask(there).await, ask(absent).await);
            let plain = |answer: &Answer| {
                let words = [there.words(), absent.words()].concat();
                words.iter().fold(answer.body.clone(), |body, word| {
                    body.replace(&format!("`{word}`"), "`_`")
                        .replace(&format!("run {word}"), "run _")
                })
            };
            assert_eq!(foreign.status, 404, "{method} {path}: {}", foreign.body);
            assert_eq!(foreign.status, nothing.status, "{method} {path}");
            assert_eq!(plain(&foreign), plain(&nothing), "{method} {path}");
        }
    }
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_read_logs() {
    let (_instance, served) = scene().await;
    let run = served.handle.runs(larder::engine::RunFilter { limit: 1, ..Default::default() });
    let path = format!("/api/v1/runs/{}", run.await.unwrap()[0].id);
    for (token, sees) in [("status", false), ("admin", true)] {
        let answer = served.ask_from(elsewhere(), Method::GET, &path, Some(token)).await;
        let run: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(run["log_text"].is_string(), sees, "{token}: {run}");
    }
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_sockets_rights_are_not_to_be_had_over_the_network() {
    let (_instance, served) = scene().await;
    for header in ["x-forwarded-user", "remote-user", "x-remote-user", "ynh-user", "host"] {
        let request = Request::get("/api/v1/config")
            .header(header, "root")
            .header("x-forwarded-for", "127.0.0.1")
            .extension(Remote::Direct(Ipv4Addr::LOCALHOST.into()));
        let request = request.body(Body::empty()).unwrap();
        let response = served.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 401, "{header}");
    }
    assert_eq!(served.ask(Method::GET, "/healthz", None).await, 200);
    served.handle.shutdown().await;
}
