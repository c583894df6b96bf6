//! What is in an archive, as the API and the command line list it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use axum::response::IntoResponse as _;
use larder::api;
use larder::api::access::Caller;
use larder::api::problem::Problem;
use larder::archive::{Place, Question};
use larder::engine::{Autonomy, Engine, Handle, OpenWith, Options, Reading, RequestError};
use larder::model::archive::CopyKey;
use larder::model::token::Scope;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::answers::{Exchange, is_foreseen};
use crate::support::root_or_skip;
use crate::walk::instance::{Instance, sh};

const JOB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../data\"\nenabled = false\n";

/// An engine over an instance, asked in this process.
struct Served(Handle);

impl Served {
    async fn start(instance: &Instance) -> Self {
        let config_dir = instance.path("etc");
        let options = Options { config_dir, autonomy: Autonomy::OnRequest, only: Vec::new() };
        Self(Engine::start(options).await.unwrap())
    }

    /// Asks about `web@latest`; the status, the answer, and the query of the next page.
    async fn ask(&self, query: &str) -> (u16, Value, Option<String>) {
        answer(api::router(self.0.clone()), query).await
    }

    /// The same as somebody whose token has one scope.
    async fn ask_with(&self, scope: Scope, query: &str) -> (u16, Value, Option<String>) {
        let caller = Caller::Token { name: "it".parse().unwrap(), scopes: [scope].into() };
        answer(api::router_for(self.0.clone(), caller), query).await
    }

    /// The entries, of which there is one page.
    #[track_caller]
    fn list(&self, query: &str) -> impl Future<Output = Vec<Value>> {
        let caller = std::panic::Location::caller();
        let query = query.to_owned();
        async move {
            let (status, entries, next) = self.ask(&query).await;
            assert_eq!((status, next), (200, None), "{caller}: {query}: {entries}");
            entries.as_array().unwrap().clone()
        }
    }
}

async fn answer(router: Router, query: &str) -> (u16, Value, Option<String>) {
    let path = format!("/api/v1/archives/web@latest/contents?{query}");
    let request = Request::get(&path).body(Body::empty()).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (status, headers) = (parts.status.as_u16(), &parts.headers);
    is_foreseen(&Exchange { method: "GET", path: &path, status, headers, body: &body });
    (status, serde_json::from_slice(&body).unwrap(), next(headers))
}

fn next(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(header::LINK)?.to_str().unwrap();
    Some(link.strip_prefix("<?").unwrap().split_once('>').unwrap().0.to_owned())
}

fn names(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

fn encoded(text: &[u8]) -> String {
    text.iter().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"))
}

/// The directory of the source, as members are named.
fn root(instance: &Instance) -> String {
    format!("data/custom{}", instance.path("data").display())
}

fn saved() -> Instance {
    let instance = Instance::new(JOB);
    instance.source("data/etc/app.toml", b"port = 1");
    instance.source("data/etc/nginx/site.conf", b"server {}");
    instance.source("data/index.html", b"hello");
    std::os::unix::fs::symlink("index.html", instance.path("data/link")).unwrap();
    sh(
        "chmod 640 data/index.html; touch -d '2001-02-03 04:05:06 UTC' data/index.html; ln data/index.html data/second",
        &instance.path("."),
    );
    instance.ok(&["run", "web"]);
    instance
}

#[tokio::test(flavor = "multi_thread")]
async fn one_directory_is_told_at_a_time_with_what_there_is_to_know() {
    let instance = saved();
    let served = Served::start(&instance).await;
    let top = served.list("").await;
    let data = top.iter().find(|one| one["name"] == "data").unwrap();
    assert_eq!((&data["kind"], &data["leads_to"]), (&"directory".into(), &root(&instance).into()));
    assert_eq!(data["size"], 8 + 9 + 5);
    for own in ["backup.csv", "info.json", "manifest.jsonl.zst"] {
        assert!(names(&top).contains(&own), "{own}: {top:?}");
    }
    let info = top.iter().find(|one| one["name"] == "info.json").unwrap();
    assert_eq!(info["restore_path"], Value::Null);

    let below = served.list(&format!("path={}", encoded(root(&instance).as_bytes()))).await;
    assert_eq!(names(&below), ["etc", "index.html", "link", "second"]);
    let [etc, index, link, second] = &below[..] else { unreachable!() };
    assert_eq!((&etc["members"], &etc["size"]), (&3.into(), &17.into()));
    assert_eq!(
        (&index["kind"], &index["size"], &index["mode"]),
        (&"file".into(), &5.into(), &"0640".into())
    );
    let modified: jiff::Timestamp = index["modified_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(modified.to_string(), "2001-02-03T04:05:06Z");
    assert_eq!((&link["kind"], &link["link"]), (&"symlink".into(), &"index.html".into()));
    assert_eq!(second["kind"], "hardlink");
    let restore = instance.path("data/index.html").display().to_string();
    assert_eq!(index["restore_path"], restore);

    // As it was on the host, and with what does not matter.
    let host = instance.path("data").display().to_string();
    for path in [
        host.clone(),
        format!("{host}//"),
        format!("/{}/./", root(&instance)).replacen("/data/custom", "", 1),
    ] {
        let same = served.list(&format!("path={}", encoded(path.as_bytes()))).await;
        assert_eq!(names(&same), names(&below), "{path}");
    }
    served.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_and_a_search_goes_below() {
    let instance = Instance::new(JOB);
    for number in 0..23 {
        instance.source(&format!("data/{number:02}/Photo.jpg"), b"x");
    }
    instance.source("data/07/notes/photo list.txt", b"x");
    instance.ok(&["run", "web"]);
    let served = Served::start(&instance).await;
    let path = format!("path={}", encoded(root(&instance).as_bytes()));
    for (query, limit, count) in [
        (path.clone(), 5, 23),
        ("search=PHOTO".to_owned(), 7, 24),
        (format!("{path}&search=photo"), 24, 24),
    ] {
        let mut seen = Vec::new();
        let mut query = Some(format!("{query}&limit={limit}"));
        while let Some(asked) = query {
            let (status, page, next) = served.ask(&asked).await;
            assert_eq!(status, 200, "{page}");
            let page = page.as_array().unwrap();
            assert!(page.len() == limit || (next.is_none() && page.len() <= limit), "{asked}");
            seen.extend(page.iter().map(|one| one["path"].as_str().unwrap().to_owned()));
            query = next;
        }
        let sorted: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(seen, sorted.into_iter().collect::<Vec<_>>());
        assert_eq!(seen.len(), count);
    }
    let found = served.list(&format!("{path}&search=notes/photo")).await;
    assert_eq!(names(&found), ["07/notes/photo list.txt"]);
    for (query, status) in [
        ("limit=0", 400),
        ("limit=1001", 400),
        ("cursor=zz", 400),
        ("path_hex=f", 400),
        ("path=a&path_hex=ff", 400),
        ("path=nope", 404),
        ("path=info.json", 404),
        ("location=nowhere", 404),
        ("from=nobody", 404),
    ] {
        assert_eq!(served.ask(query).await.0, status, "{query}");
    }
    served.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_kind_are_told_and_never_followed() {
    let instance = Instance::new(JOB);
    let odd: [&[u8]; 5] =
        [b"a\nb", b"\xff\xfe", "gpj\u{202e}exe".as_bytes(), b"<script>", b"\x1b[31m"];
    for name in odd {
        let name = std::ffi::OsStr::from_bytes(name);
        let dir = instance.path("data").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("in it"), b"x").unwrap();
    }
    instance.ok(&["run", "web"]);
    let served = Served::start(&instance).await;
    let path = format!("path={}", encoded(root(&instance).as_bytes()));
    let entries = served.list(&path).await;
    assert_eq!(
        names(&entries),
        ["\\u{1b}[31m", "<script>", "a\\nb", "gpj\\u{202e}exe", "\\xff\\xfe"]
    );
    for entry in &entries {
        // Each can be gone into, whatever it is called.
        let query = match entry["path_hex"].as_str() {
            Some(hex) => format!("path_hex={hex}"),
            None => format!("path={}", encoded(entry["path"].as_str().unwrap().as_bytes())),
        };
        assert_eq!(names(&served.list(&query).await), ["in it"], "{entry}");
        assert_eq!(entry["restore_path"].is_null(), entry["path_hex"].is_string());
    }
    for up in ["..", "data/..", "../../../etc", "data/custom/../../info.json", "%00", "\n"] {
        let (status, said, _) = served.ask(&format!("path={}", encoded(up.as_bytes()))).await;
        assert_eq!(status, 404, "{up:?}: {said}");
        assert!(said["detail"].as_str().unwrap().chars().all(|c| !c.is_control()));
    }
    let long = "x".repeat(5000);
    assert_eq!(served.ask(&format!("path={long}")).await.0, 400);
    assert_eq!(served.ask(&format!("search={long}")).await.0, 400);
    served.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_made_to_harm_is_listed_as_it_stands() {
    let instance = Instance::new(JOB);
    std::fs::create_dir_all(instance.path("archives")).unwrap();
    instance.source("data/a", b"x");
    instance.ok(&["apply"]);
    // It became harmful only after it was adopted.
    sh("mkdir x; echo y > x/f; tar -cf archives/bad.tar x/f", &instance.path("."));
    instance.ok(&["apply"]);
    instance.ok(&["archive", "adopt", "main", "bad.tar", "--job", "web"]);
    sh(
        "tar --transform 's,^x/f,../../etc/cron.d/f,' -P -cf archives/bad.tar x/f; \
         tar -P --transform 's,^x/f,/etc/shadow,' -rf archives/bad.tar x/f",
        &instance.path("."),
    );
    let served = Served::start(&instance).await;
    let entries = served.list("").await;
    assert_eq!(names(&entries), ["..", "etc"]);
    assert_eq!(names(&served.list("path=..").await), [".."]);
    assert_eq!(names(&served.list("path=../../etc/cron.d").await), ["f"]);
    assert_eq!(served.list("search=shadow").await[0]["restore_path"], Value::Null);
    served.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_archive_is_listed_with_an_identity_only_and_for_administrators_only() {
    let instance = Instance::new("");
    let identity = instance.ok(&["identity", "new"]);
    let recipient = identity.lines().find_map(|line| line.split("age1").nth(1)).unwrap();
    let recipient = format!("age1{}", recipient.split(['"', ' ', '\'']).next().unwrap().trim());
    let key = instance.path("key.txt");
    std::fs::write(&key, identity).unwrap();
    sh("chmod 600 key.txt", &instance.path("."));
    let other = instance.path("other.txt");
    std::fs::write(&other, instance.ok(&["identity", "new"])).unwrap();
    let toml = format!(
        "{JOB}location = \"safe\"\n[location.safe]\npath = \"../safe\"\nmin_free = \"1 MiB\"\n\
         encrypt_to = [\"{recipient}\"]\ncompress = \"zstd\"\n"
    );
    instance.write("jobs.toml", &toml);
    instance.source("data/index.html", b"hello");
    instance.ok(&["run", "web"]);
    let served = Served::start(&instance).await;
    let (status, said, _) = served.ask("search=index").await;
    assert_eq!(status, 409, "{said}");
    let said = said.to_string();
    assert!(said.contains("what is in it cannot be listed"), "{said}");
    assert!(
        said.contains("larder archive contents jerry_web_") && said.contains("--identity"),
        "{said}"
    );
    let with = |file: &std::path::Path| format!("search=index&identity={}", file.display());
    assert_eq!(names(&served.list(&with(&key)).await).len(), 1);
    let (status, said, _) = served.ask(&with(&other)).await;
    assert!(status == 409 && said.to_string().contains(&recipient), "{said}");
    for (file, status) in [("/nowhere", 409), ("key.txt", 400), ("/dev/zero", 409)] {
        assert_eq!(served.ask(&with(file.as_ref())).await.0, status, "{file}");
    }
    served.0.shutdown().await;
    drop(served);
    // The command does the same, and says the same.
    let said = instance.fails(1, &["archive", "contents", "web@latest", "/"]);
    assert!(said.contains("--identity FILE"), "{said}");
    let out = instance.ok(&[
        "archive",
        "contents",
        "web@latest",
        "--search",
        "index.html",
        "--identity",
        key.to_str().unwrap(),
    ]);
    assert!(out.contains("index.html"), "{out}");

    // The identity of the location is for those who may do everything.
    instance.write("jobs.toml", &format!("{toml}identity = {{ file = \"{}\" }}\n", key.display()));
    let served = Served::start(&instance).await;
    assert_eq!(names(&served.list("search=index").await).len(), 1);
    assert_eq!(served.ask_with(Scope::Admin, "search=index").await.0, 200);
    assert_eq!(served.ask_with(Scope::List, "search=index").await.0, 409);
    assert_eq!(served.ask_with(Scope::List, &with(&key)).await.0, 403);
    assert_eq!(served.ask_with(Scope::Status, "").await.0, 403);
    served.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_yunohost_made_is_listed_from_its_tar() {
    root_or_skip!();
    let (instance, _host) =
        crate::yunohost::host::server("[job.web]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\n");
    instance.ok(&["apply"]);
    let served = Served::start(&instance).await;
    let top = served.list("").await;
    assert!(names(&top).contains(&"apps"), "{top:?}");
    let found = served.list("path=apps&search=photo.raw").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["size"], 300_000);
    let path = found[0]["restore_path"].as_str().unwrap();
    assert!(path.starts_with("nextcloud/backup/"), "{path}");
    served.0.shutdown().await;
    drop(served);
    // That is how a restore takes it.
    let to = instance.path("back").display().to_string();
    instance.ok(&["restore", "web@latest", "--to", &to, "--path", path, "--yes"]);
    assert_eq!(std::fs::read(instance.path("back").join(path)).unwrap().len(), 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_says_where_it_ends() {
    let instance = Instance::new(JOB);
    instance.source("data/big", &crate::support::sample::content(3, 100_000));
    instance.source("data/second", b"x");
    instance.ok(&["run", "web"]);
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let served = Served::start(&instance).await;
    let whole = served.ask("").await.0;
    assert_eq!(whole, 200);
    let file = std::fs::File::options().write(true).open(&tar).unwrap();
    file.set_len(50_000).unwrap();
    let (status, said, _) = served.ask("").await;
    assert_eq!(status, 409, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("cannot be listed"), "{said}");
    served.0.shutdown().await;
}

#[test]
fn the_command_lists_a_directory_or_what_is_found() {
    let instance = saved();
    let data = instance.path("data").display().to_string();
    let out = instance.ok(&["archive", "contents", "web@latest", &data]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[0].ends_with(" etc/") && lines[2].ends_with(" link -> index.html"), "{out}");
    assert!(lines[1].starts_with("0640 ") && lines[1].contains(" 5 2001-02-03T"), "{out}");
    let out = instance.ok(&["archive", "contents", "web@latest", &data, "--search", "toml"]);
    assert!(out.trim_end().ends_with(" etc/app.toml") && out.lines().count() == 1, "{out}");
}

#[test]
fn a_search_of_the_command_goes_through_everything() {
    let instance = saved();
    let out = instance.ok(&["archive", "contents", "web@latest", "--search", "SITE.conf"]);
    assert!(out.trim_end().ends_with("data/etc/nginx/site.conf"), "{out}");
    let json = instance.json(&["archive", "contents", "web@latest", "/"]);
    assert!(json.as_array().unwrap().iter().any(|entry| entry["name"] == "data"), "{json}");
    let said = instance.fails(1, &["archive", "contents", "web@latest", "nope"]);
    assert!(said.contains("`nope` is not in `jerry_web_"), "{said}");
    // Without either, it is every member, as before.
    let all = instance.ok(&["archive", "contents", "web@latest"]);
    assert!(all.contains("manifest.jsonl.zst") && all.contains("etc/nginx/site.conf"), "{all}");
    // In JSON a member looks the same, however it was asked for.
    let all = instance.json(&["archive", "contents", "web@latest"]);
    let of = |list: &serde_json::Value| {
        let list = list.as_array().unwrap();
        let is =
            |one: &&serde_json::Value| one["path"].as_str().unwrap().ends_with("data/etc/app.toml");
        list.iter().find(is).unwrap().clone()
    };
    let found = instance.json(&["archive", "contents", "web@latest", "--search", "app.toml"]);
    assert_eq!(of(&all), of(&found));
    assert!(of(&all)["restore_path"].as_str().unwrap().starts_with('/'), "{all:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_lists_contents_keeps_nobody_else_waiting() {
    let instance = saved();
    let served = Served::start(&instance).await;
    let archive = served.0.view().observed.archives[0].clone();
    let key = CopyKey { id: archive.id, location: archive.location };
    let question = Question { limit: 10, ..Question::default() };
    let list = |reading| served.0.contents(&key, question.clone(), OpenWith::Nothing, reading);
    // All begin before the first can end.
    let (first, second, other, another) = tokio::join!(
        list(Reading::Peer),
        list(Reading::Peer),
        list(Reading::Others),
        list(Reading::Others)
    );
    assert!(matches!(second, Err(RequestError::Occupied)), "{second:?}");
    for listed in [first, other, another, list(Reading::Peer).await] {
        assert_eq!(listed.unwrap().place, Place::Directory);
    }
    let told = Problem::from(RequestError::Occupied).into_response();
    assert_eq!(
        (told.status().as_u16(), &told.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    served.0.shutdown().await;
}
