//! What tokens and peers are let in to, and what they see.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::api::access::{Caller, Gate, KEY_HEADER};
use crate::api::{App, Source, behind};
use crate::model::desired::{Desired, Place, Token};
use crate::model::location::Location;
use crate::model::name::PlaceName;
use crate::model::observed::{LocationState, Observed};
use crate::model::peer::{Accept, Peer, PeerKind};
use crate::model::retention::{Mode, Policy};
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};
use crate::model::size::Bytes;
use crate::model::token::Scope;
use crate::model::token::TokenHash;

const SCOPES: [&str; 7] = ["status", "list", "send", "fetch", "run", "delete", "restore"];

fn hash(token: &str) -> String {
    TokenHash::Sha256(Sha256::digest(token).into()).to_string()
}

/// A peer whose token is its name, with its name space in `received`.
fn with_peer(desired: &mut Desired, name: &str, scopes: &[&str]) {
    let name: PlaceName = name.parse().unwrap();
    let received: PlaceName = "received".parse().unwrap();
    let space = PlaceName::name_space(&received, &name);
    let main = desired.locations[&"main".parse().unwrap()].clone();
    let path = PathBuf::from("/srv").join(space.as_str());
    let location = Location { name: space.clone(), path, owner: Some(name.clone()), ..main };
    desired.locations.insert(space, location);
    let accept = Accept {
        token_hash: hash(name.as_str()),
        location: received,
        quota: None,
        retention: Policy { mode: Mode::Count(7), min_days: 3 },
        scopes: scopes.iter().filter_map(|word| Scope::from_word(word)).collect(),
        immutable_for: SignedDuration::from_hours(30 * 24),
        read_only: false,
        max_open_uploads: 4,
        trust_restore: false,
    };
    let kind = PeerKind::BackupChannel { hostname: name.to_string(), location: None };
    let peer = Peer {
        name: name.clone(),
        kind,
        accept: Some(accept),
        rsync_above: Bytes(0),
        bandwidth: None,
        offsite: true,
        fetch_from: Vec::new(),
        prune: false,
        place: Place::default(),
    };
    desired.peers.insert(name, peer);
}

fn with_token(desired: &mut Desired, name: &str, scopes: &[&str]) {
    let token = Token {
        name: name.parse().unwrap(),
        hash: hash(name),
        scopes: scopes.iter().filter_map(|word| Scope::from_word(word)).collect(),
        place: Place::default(),
    };
    desired.tokens.insert(token.name.clone(), token);
}

/// An archive that a peer sent, and that arrived so many days ago.
fn received(number: u128, name: &str, peer: &str, days: i64) -> Archive {
    let arrived = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    Archive {
        origin: peer.parse().unwrap(),
        location: format!("received/{peer}").parse().unwrap(),
        how: How::Received { from: peer.parse().unwrap() },
        received_at: Some(arrived),
        ..archive(number, name, 8)
    }
}

/// A view with the peers `to`, `tom` and `tomcat`, who may do everything that peers may.
fn scene(archives: Vec<Archive>) -> View {
    let mut view = view(archives);
    let mut desired = Desired::clone(&view.desired);
    for peer in ["to", "tom", "tomcat"] {
        with_peer(&mut desired, peer, &SCOPES);
    }
    with_token(&mut desired, "root", &["admin"]);
    with_token(&mut desired, "viewer", &["status"]);
    // All but `tomcat` have sent something, and have a folder.
    let mut observed = Observed::clone(&view.observed);
    for own in ["received/to", "received/tom"] {
        let there = LocationState::Available { free: 1 << 30, total: 1 << 40 };
        observed.locations.insert(own.parse().unwrap(), there);
    }
    view.observed = Arc::new(observed);
    view.desired = Arc::new(desired);
    let plan = crate::reconcile::plan(&view.desired, &view.observed, &view.at);
    view.plan = Arc::new(plan);
    view
}

fn gated(view: View) -> Router {
    behind(Arc::new(Gate::new()), App(Arc::new(Source::Still(Arc::new(view)))))
}

async fn ask_as(router: &Router, token: &str, method: Method, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).header(KEY_HEADER, token);
    let request = if path.ends_with("/transfer") {
        let request = request.header(header::CONTENT_TYPE, "application/json");
        request.body(Body::from(r#"{"peer":"main"}"#))
    } else {
        request.body(Body::empty())
    };
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn json_as(router: &Router, token: &str, path: &str) -> Value {
    let (status, body) = ask_as(router, token, Method::GET, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Every way to ask for an archive by a word.
fn ways(word: &str) -> Vec<(Method, String)> {
    let word = word.replace('/', "%2F");
    let path = |rest: &str| format!("/api/v1/archives/{word}{rest}");
    vec![
        (Method::GET, path("/info")),
        (Method::GET, path("/why")),
        (Method::GET, path("/download")),
        (Method::GET, path("/restore/status")),
        (Method::DELETE, path("")),
        (Method::GET, path("/deletion")),
        (Method::POST, path("/verify")),
        (Method::POST, path("/transfer")),
        (Method::POST, path("/undelete")),
        (Method::POST, path("/restore")),
        (Method::POST, path("/restore/plan")),
        (Method::GET, format!("/api/v1/archives/{word}/info?location=main")),
        (Method::GET, format!("/api/v1/archives/{word}/info?location=received%2Ftomcat")),
    ]
}

#[tokio::test]
async fn what_is_not_a_peers_own_is_answered_as_if_it_had_never_been() {
    let own = received(1, "tom_web_20260508", "tom", 40);
    let foreign = vec![
        archive(2, "jerry_web_20260508", 8),
        received(3, "to_web_20260508", "to", 40),
        received(4, "tomcat_web_20260508", "tomcat", 40),
        // One that calls itself ours, and lies elsewhere.
        Archive { origin: "tom".parse().unwrap(), ..archive(5, "tom_mail_20260508", 8) },
    ];
    let mut all = foreign.clone();
    all.push(own.clone());
    let (with, without) = (gated(scene(all)), gated(scene(vec![own])));
    for other in &foreign {
        let id = other.id.to_string();
        let named = format!("{}/{}", other.origin, other.name);
        for word in [id.as_str(), other.name.as_str(), &named, "web@latest", "tomcat/web@latest"] {
            // What a peer with the scope may order: of what this instance made and keeps itself.
            let is_ours = other.origin.as_str() == "jerry" || word == "web@latest";
            let orders = ["/verify", "/restore", "/restore/plan", "/restore/status"];
            for (method, path) in ways(word) {
                if is_ours && orders.iter().any(|order| path.ends_with(order)) {
                    continue;
                }
                let there = ask_as(&with, "tom", method.clone(), &path).await;
                let never = ask_as(&without, "tom", method.clone(), &path).await;
                assert_eq!(there, never, "{method} {path}");
                assert_eq!(there.0, StatusCode::NOT_FOUND, "{method} {path}: {}", there.1);
            }
        }
    }
    for path in ["/api/v1/archives?foreign=true", "/api/v1/locations"] {
        let (status, there) = ask_as(&with, "tom", Method::GET, path).await;
        let never = ask_as(&without, "tom", Method::GET, path).await;
        assert_eq!((status, there), never, "{path}");
    }
    // Its own is there, by whatever name; what needs the state says that it is not open.
    for word in ["tom_web_20260508", "00000000-0000-0000-0000-000000000001", "tom/web@latest"] {
        for (method, path) in ways(word).into_iter().filter(|(_, path)| !path.contains('?')) {
            let (status, body) = ask_as(&with, "tom", method.clone(), &path).await;
            let right = match path.rsplit('/').next().unwrap() {
                "info" | "why" => status == StatusCode::OK,
                // It goes to no place but its own; it is not in the trash; nobody confirmed it.
                "transfer" | "undelete" => status == StatusCode::NOT_FOUND,
                // What it sent is not restored here for it, without `trust`.
                "restore" | "plan" => status == StatusCode::FORBIDDEN,
                _ => status == StatusCode::SERVICE_UNAVAILABLE,
            };
            assert!(right, "{method} {path}: {status} {body}");
        }
    }
}

#[tokio::test]
async fn a_peer_with_the_scope_runs_jobs_and_drills_none() {
    let router = gated(scene(Vec::new()));
    let path = |job: &str, what: &str| format!("/api/v1/jobs/{job}/{what}");
    let (status, there) = ask_as(&router, "tom", Method::POST, &path("web", "drill")).await;
    let (_, never) = ask_as(&router, "tom", Method::POST, &path("wob", "drill")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(there.replace("web", "wob"), never);
    // It is found; what needs the state says that it is not open.
    let (status, _) = ask_as(&router, "tom", Method::POST, &path("web", "run")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (status, _) = ask_as(&router, "tom", Method::POST, &path("wob", "run")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_peer_is_told_a_summary_of_the_rest_without_paths_and_tables() {
    let archives =
        vec![archive(2, "jerry_web_20260508", 8), received(1, "tom_web_20260508", "tom", 1)];
    let router = gated(scene(archives));
    let keys = |value: &Value| {
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.join(" ")
    };
    let health = json_as(&router, "tom", "/api/v1/health").await;
    insta::assert_snapshot!(keys(&health), @"api_max api_min instance status version");
    let status = json_as(&router, "tom", "/api/v1/status").await;
    insta::assert_snapshot!(keys(&status[0]), @"job last_success next_run verdict");
    let jobs = json_as(&router, "tom", "/api/v1/jobs").await;
    insta::assert_snapshot!(keys(&jobs[0]), @"config enabled id last_run name next_run type");
    assert_eq!(jobs[0]["config"], Value::Null);
    let notes = json_as(&router, "tom", "/api/v1/jobs/notes").await;
    assert!(jobs.as_array().unwrap().contains(&notes), "{jobs}");
    let locations = json_as(&router, "tom", "/api/v1/locations").await;
    insta::assert_snapshot!(locations.to_string(), @r#"[{"archives":1,"name":"received/tom","size":10240,"state":"available","trashed":0}]"#);
    let archives = json_as(&router, "tom", "/api/v1/archives").await;
    assert_eq!(archives.as_array().unwrap().len(), 1);
    assert_eq!(archives[0]["location"], "received/tom");
    // Others are told everything.
    let whole = json_as(&router, "viewer", "/api/v1/jobs/notes").await;
    assert_eq!(whole["config"]["source_path"], "/srv/notes");
    for path in ["/api/v1/health", "/api/v1/status", "/api/v1/jobs", "/api/v1/locations"] {
        let (_, body) = ask_as(&router, "tom", Method::GET, path).await;
        for word in ["/srv", "/var", "/etc", "/media", "received/to\"", "tomcat", "usb"] {
            assert!(!body.contains(word), "{path} tells a peer of {word}: {body}");
        }
    }
}

#[test]
fn nothing_that_a_peer_sent_is_deleted_before_its_time_by_our_clock() {
    let view = scene(Vec::new());
    let until = |archive: &Archive| view.desired.immutable_until(archive, Timestamp::now());
    assert!(until(&received(1, "tom_a_20260508", "tom", 29)).is_some());
    assert_eq!(until(&received(2, "tom_b_20260508", "tom", 31)), None);
    // Nobody knows when it came.
    let mut unknown = received(3, "tom_c_20260508", "tom", 31);
    unknown.received_at = None;
    assert!(until(&unknown).is_some());
    assert_eq!(until(&archive(4, "jerry_web_20260508", 8)), None);
}

#[test]
fn a_peer_follows_runs_about_its_own_archives_only() {
    let mut view = scene(Vec::new());
    let at = view.at.timestamp();
    let verify = |id: u64, place: &str| Run {
        id: RunId(id),
        work: Work::Verify {
            archive: ArchiveId(uuid::Uuid::from_u128(1)),
            location: place.parse().unwrap(),
        },
        cause: Cause::Manual,
        status: RunStatus::Running,
        queued_at: at,
        started_at: Some(at),
        finished_at: None,
        summary: String::new(),
        hint: None,
        archive: None,
        size_bytes: None,
        config_hash: None,
    };
    let runs: Vec<Run> = ["received/tom", "received/tomcat", "received/to", "received", "main"]
        .iter()
        .zip(1..)
        .map(|(place, id)| verify(id, place))
        .collect();
    let mut observed = Observed::clone(&view.observed);
    observed.open_runs.clone_from(&runs);
    view.observed = Arc::new(observed);
    let tom = Caller::Peer { name: "tom".parse().unwrap(), scopes: [Scope::Status].into() };
    for run in runs {
        let own = run.id == RunId(1);
        assert_eq!(tom.sees_run(&run, &view.desired), own, "{run:?}");
        assert!(Caller::Local.sees_run(&run, &view.desired));
    }
    // Once nothing is accepted from it any more, nothing is its own.
    let mut desired = Desired::clone(&view.desired);
    desired.peers.get_mut(&"tom".parse().unwrap()).unwrap().accept = None;
    assert!(!tom.sees_run(&view.observed.open_runs[0], &desired));
}

#[tokio::test]
async fn no_scope_makes_a_peer_an_administrator() {
    let mut view = scene(Vec::new());
    let mut desired = Desired::clone(&view.desired);
    with_peer(&mut desired, "eve", &["admin", "status"]);
    view.desired = Arc::new(desired);
    let router = gated(view);
    let config = "/api/v1/config";
    assert_eq!(ask_as(&router, "eve", Method::GET, config).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask_as(&router, "root", Method::GET, config).await.0, StatusCode::OK);
    assert_eq!(ask_as(&router, "eve", Method::GET, "/api/v1/health").await.0, StatusCode::OK);
}

#[tokio::test]
async fn everybody_who_is_not_known_is_answered_the_same() {
    let router = gated(scene(Vec::new()));
    let answer = |request: Request<Body>| {
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            (parts.status, parts.headers, body)
        }
    };
    let get = || Request::get("/api/v1/health");
    let nobody = answer(get().body(Body::empty()).unwrap()).await;
    assert_eq!(nobody.0, StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.1[header::WWW_AUTHENTICATE], "Bearer realm=\"larder\"");
    for request in [
        get().header(KEY_HEADER, "wrong"),
        get().header(KEY_HEADER, "root").header(header::AUTHORIZATION, "Bearer viewer"),
        get().header(header::AUTHORIZATION, "Basic cm9vdA=="),
        get().header(KEY_HEADER, "x".repeat(8000)),
        Request::get("/api/v1/health?token=root&X-BackupManager-Key=root&key=root"),
        Request::get("/nothing"),
        Request::post("/api/v1/health"),
        Request::get("/healthz/"),
        Request::get("//healthz"),
    ] {
        let request = request.body(Body::empty()).unwrap();
        let what = format!("{} {}", request.method(), request.uri());
        assert_eq!(answer(request).await, nobody, "{what}");
    }
    let both = get().header(KEY_HEADER, "root").header(header::AUTHORIZATION, "bearer root");
    assert_eq!(answer(both.body(Body::empty()).unwrap()).await.0, StatusCode::OK);
    let open = Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(answer(open).await.2.as_ref(), b"ok");
}
