//! One engine that is asked everything: each operation of the document answers as it says.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use larder::engine::{Autonomy, Engine, Handle, Options};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::answers::{self, Conformance, Exchange};

/// What larder is asked, one after the other; `{…}` stands for what earlier answers named.
/// Method, path, body, the status that is expected. `WAIT` is for the end of a run.
const TABLE: &[(&str, &str, Option<&str>, u16)] = &[
    ("GET", "/healthz", None, 200),
    ("GET", "/api/v1/openapi.json", None, 200),
    ("GET", "/api/v1/health", None, 200),
    ("GET", "/api/v1/config", None, 200),
    ("POST", "/api/v1/config/check", Some("[job.x]\ntype = 'odd'\n"), 200),
    ("POST", "/api/v1/config/check?as=x.toml&instead=true", Some("[job.x]\ntype = 'odd'\n"), 200),
    ("POST", "/api/v1/config/reload", None, 202),
    ("POST", "/api/v1/jobs/web/run", None, 202),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("GET", "/api/v1/settled", None, 204),
    ("POST", "/api/v1/jobs/web/run", None, 202),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("GET", "/api/v1/status", None, 200),
    ("GET", "/api/v1/status?at=2040-05-08T03:00:00Z", None, 200),
    ("GET", "/api/v1/jobs", None, 200),
    ("GET", "/api/v1/jobs?limit=1", None, 200),
    ("GET", "/api/v1/jobs/web", None, 200),
    ("GET", "/api/v1/jobs/web/runs", None, 200),
    ("GET", "/api/v1/jobs/web/days?days=30", None, 200),
    ("GET", "/api/v1/jobs/nope/days", None, 404),
    ("GET", "/api/v1/jobs/nope", None, 404),
    ("GET", "/api/v1/runs?kind=backup&status=success", None, 200),
    ("GET", "/api/v1/runs/1", None, 200),
    ("GET", "/api/v1/runs/1/log?offset=3", None, 200),
    ("POST", "/api/v1/runs/1/cancel", None, 409),
    ("GET", "/api/v1/locations", None, 200),
    ("GET", "/api/v1/locations/main/space", None, 200),
    ("GET", "/api/v1/locations/nowhere/space", None, 404),
    ("GET", "/api/v1/archives?foreign=true", None, 200),
    ("GET", "/api/v1/archives?limit=1", None, 200),
    ("GET", "/api/v1/archives?search=WEB&leaves=true", None, 200),
    ("GET", "/api/v1/archives?leaves=true&limit=201", None, 400),
    ("GET", "/api/v1/archives/web@latest/info", None, 200),
    ("GET", "/api/v1/archives/web@latest/why", None, 200),
    ("GET", "/api/v1/archives/web@latest/contents", None, 200),
    ("GET", "/api/v1/archives/web@latest/contents?path=data&limit=1", None, 200),
    ("GET", "/api/v1/archives/web@latest/contents?search=A.TXT", None, 200),
    ("GET", "/api/v1/archives/web@latest/contents?path=nope", None, 404),
    ("GET", "/api/v1/archives/web@latest/contents?path_hex=0", None, 400),
    ("GET", "/api/v1/archives/web@latest/download", None, 200),
    ("GET", "/api/v1/archives/web@latest/description", None, 200),
    ("POST", "/api/v1/archives/web@latest/held", Some(HELD), 409),
    ("POST", "/api/v1/archives/web@latest/verify", None, 202),
    ("POST", "/api/v1/archives/web@latest/transfer", Some(r#"{"peer":"usb"}"#), 202),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("POST", "/api/v1/archives/web@latest/fetch", Some(r#"{"from":"tom"}"#), 404),
    ("POST", "/api/v1/archives/web@latest/fetch", Some(r#"{"from":"tam"}"#), 404),
    ("POST", "/api/v1/jobs/web/drill", None, 202),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("POST", "/api/v1/archives/web@latest/pin?location=main", None, 200),
    ("POST", "/api/v1/archives/web@latest/unpin?location=main", None, 200),
    ("POST", "/api/v1/archives/web@latest/restore/plan", Some(r#"{"target":"{dir}/back"}"#), 200),
    ("GET", "/api/v1/archives/web@latest/restore/status", None, 404),
    ("POST", "/api/v1/archives/web@latest/restore", Some(r#"{"confirmation":"{archive}"}"#), 202),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("GET", "/api/v1/archives/web@latest/restore/status", None, 200),
    ("POST", "/api/v1/runs/{run}/undo", None, 202),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("GET", "/api/v1/archives/{older}/deletion?location=main", None, 204),
    ("DELETE", "/api/v1/archives/{older}?location=main", None, 202),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("GET", "/api/v1/settled", None, 204),
    ("POST", "/api/v1/archives/{older}/undelete?location=main", None, 204),
    (
        "POST",
        "/api/v1/archives/adopt",
        Some(r#"{"location":"main","file_name":"old.tar","job":"web"}"#),
        202,
    ),
    ("WAIT", "/api/v1/runs/{run}", None, 200),
    ("GET", "/api/v1/plan?days=2", None, 200),
    ("GET", "/api/v1/simulate?policy=mode=count,value=2&days=3", None, 200),
    ("GET", "/api/v1/simulate?policy=mode=often", None, 400),
    ("POST", "/api/v1/plan/approve", Some(r#"{"hash":"nothing"}"#), 404),
    ("POST", "/api/v1/recovery/done", None, 200),
    ("GET", "/api/v1/coverage", None, 200),
    ("GET", "/api/v1/peers", None, 200),
    ("GET", "/api/v1/peers/tom", None, 200),
    ("GET", "/api/v1/peers/tam", None, 404),
    ("POST", "/api/v1/peers/tom/check", None, 200),
    ("POST", "/api/v1/peers/tam/check", None, 404),
    ("POST", "/api/v1/peers/tam/jobs/web/run", None, 404),
    ("POST", "/api/v1/peers/tam/archives/web@latest/verify", None, 404),
    ("POST", "/api/v1/peers/tam/archives/web@latest/restore", None, 404),
    ("GET", "/api/v1/peers?host=tom.example.org", None, 200),
    (
        "POST",
        "/api/v1/peers",
        Some(r#"{"name":"nas","kind":"backup-channel","config":{"hostname":"nas"}}"#),
        201,
    ),
    ("POST", "/api/v1/peers", Some(r#"{"name":"nas","kind":"backup-chanel"}"#), 400),
    ("GET", "/api/v1/peer-kinds", None, 200),
    ("POST", "/api/v1/peers?dry_run=true", Some(r#"{"name":"n s","kind":"instance"}"#), 200),
    ("DELETE", "/api/v1/peers/nas?dry_run=true", None, 200),
    ("DELETE", "/api/v1/peers/nas", None, 204),
    ("DELETE", "/api/v1/peers/nas", None, 404),
    ("POST", "/api/v1/invitations", Some(r#"{"name":"ann","location":"received"}"#), 201),
    ("POST", "/api/v1/invitations", Some(r#"{"name":"tom"}"#), 409),
    ("GET", "/api/v1/invitations", None, 200),
    ("POST", "/api/v1/pairing", Some(r#"{"secret":"00","instance":"ann"}"#), 401),
    ("DELETE", "/api/v1/invitations/ann", None, 204),
    ("DELETE", "/api/v1/invitations/ann", None, 404),
    ("GET", "/api/v1/network", None, 200),
    ("GET", "/api/v1/events", None, 200),
    ("GET", "/api/v1/metrics", None, 200),
    ("GET", "/metrics", None, 200),
    ("POST", "/api/v1/notify/test", Some("{}"), 200),
    ("POST", "/api/v1/notify/test", Some(r#"{"name":"nobody"}"#), 404),
    ("POST", "/api/v1/archives/upload/start", Some(UPLOAD), 400),
    ("POST", "/api/v1/archives/upload/start?peer=tom", Some(UPLOAD), 201),
    ("POST", "/api/v1/archives/upload/start?peer=tom", Some(UPLOAD), 200),
    ("GET", "/api/v1/archives/upload/{upload}", None, 200),
    ("POST", "/api/v1/archives/upload/{upload}/finish", None, 409),
    ("POST", "/api/v1/archives/upload/{upload}/landing", None, 200),
    ("POST", "/api/v1/archives/upload/{upload}/chunk/0", Some("too short"), 422),
    ("POST", "/api/v1/archives/upload/{upload}/chunk/1", Some("0123456789"), 404),
    ("POST", "/api/v1/archives/upload/{upload}/chunk/0", Some("0123456789"), 200),
    ("POST", "/api/v1/archives/upload/{upload}/finish", None, 200),
    ("POST", "/api/v1/archives/upload/start?peer=tom", Some(UPLOAD), 409),
    ("POST", "/api/v1/archives/upload/start?peer=tom", Some(ANOTHER), 201),
    ("DELETE", "/api/v1/archives/upload/{upload}", None, 204),
    ("DELETE", "/api/v1/archives/upload/{upload}", None, 404),
];

/// What only a peer tells.
const HELD: &str =
    r#"{"sha256":"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"}"#;
/// An archive of ten bytes, and another one.
const UPLOAD: &str = r#"{"filename":"tom_web_1.tar","total_size":10,"checksum":"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"}"#;
const ANOTHER: &str = r#"{"filename":"tom_web_2.tar","total_size":10,"checksum":"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"}"#;

/// Operations of which no good answer is seen here: what they need does not come about by itself.
const REFUSED_ONLY: &[&str] = &[
    "POST /api/v1/runs/{id}/cancel",
    "POST /api/v1/plan/approve",
    "POST /api/v1/peers/{name}/jobs/{job}/run",
    "POST /api/v1/peers/{name}/archives/{archive}/verify",
    "POST /api/v1/peers/{name}/archives/{archive}/restore",
    "POST /api/v1/archives/{name}/held",
    "POST /api/v1/archives/{name}/fetch",
    "POST /api/v1/pairing",
];

/// Waits until a run is over.
async fn over(router: &Router, document: &Conformance, path: &str) {
    loop {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (_, run) = ask(router, document, request).await;
        if run["finished_at"].is_string() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// An engine over a configuration of its own.
pub(super) async fn engine(dir: &Path) -> Handle {
    for (name, text) in [("src/a.txt", "alpha\n"), ("archives/old.tar", ""), ("etc/x", "")] {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::write(
        dir.join("etc/larder.toml"),
        "[instance]\nname = \"jerry\"\nurl = \"https://jerry.example.org\"\npage_edits_peers = true\ntimezone = \"Europe/Paris\"\nstate_dir = \"../state\"\n\
         publish_dir = \"../public\"\ncontrol_socket = \"../control.sock\"\n\
         [recovery]\nconfiguration = false\n\
         [defaults]\nschedule = \"0 2 * * *\"\nretention = { mode = \"count\", value = 7 }\n\
         location = \"main\"\n\
         [location.main]\npath = \"../archives\"\nmin_free = \"1 MiB\"\n\
         [location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n\
         [location.received]\npath = \"../received\"\nmin_free = \"1 MiB\"\n\
         [peer.tom]\nkind = \"instance\"\nurl = \"https://tom.example.org/larder\"\n\
         [peer.tom.accept]\ntoken_hash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\nlocation = \"received\"\n\
         [notify.ops]\nurl = { command = [\"echo\", \"http://127.0.0.1:1/\"] }\n\
         [job.web]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n\
         [job.notes]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n",
    )
    .unwrap();
    // An empty tar, as somebody may have left it there.
    std::fs::write(dir.join("archives/old.tar"), vec![0_u8; 10_240]).unwrap();
    let options =
        Options { config_dir: dir.join("etc"), autonomy: Autonomy::OnRequest, only: Vec::new() };
    Engine::start(options).await.unwrap()
}

/// Asks, and has the answer compared with the document.
pub(super) async fn ask(
    router: &Router,
    document: &Conformance,
    request: Request<Body>,
) -> (u16, Value) {
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    // Events have no end.
    let is_endless =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "text/event-stream");
    let body = if is_endless { Body::empty() } else { body };
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let status = parts.status.as_u16();
    let exchange =
        Exchange { method: &method, path: &path, status, headers: &parts.headers, body: &body };
    document.check(&exchange).unwrap_or_else(|why| panic!("{why}"));
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_exercised_and_answers_as_it_says() {
    let dir = crate::support::dir();
    let handle = engine(dir.path()).await;
    let router = larder::api::router(handle.clone());
    let document = answers::document();
    let mut known: Vec<(&str, String)> = vec![("{dir}", dir.path().display().to_string())];
    for (method, path, body, expected) in TABLE {
        let filled = |text: &str| {
            known.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value))
        };
        let path = filled(path);
        if *method == "WAIT" {
            over(&router, &document, &path).await;
            continue;
        }
        let mut request = Request::builder().method(*method).uri(&path);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(filled).map_or_else(Body::empty, Body::from);
        let (status, answer) = ask(&router, &document, request.body(body).unwrap()).await;
        assert_eq!(status, *expected, "{method} {path}: {answer}");
        // What later requests name.
        if path.ends_with("/info") {
            known.push(("{archive}", answer["name"].as_str().unwrap().to_owned()));
        }
        if path == "/api/v1/archives?foreign=true" {
            let older = answer.as_array().unwrap().iter().rfind(|one| one["good"] == true);
            known.push(("{older}", older.unwrap()["id"].as_str().unwrap().to_owned()));
        }
        if let Some(upload) = answer["upload_id"].as_str().filter(|_| path.contains("/start")) {
            known.retain(|(key, _)| *key != "{upload}");
            known.push(("{upload}", upload.to_owned()));
        }
        if status == 202 && answer["run_id"].is_u64() {
            known.retain(|(key, _)| *key != "{run}");
            known.push(("{run}", answer["run_id"].to_string()));
        }
    }
    handle.shutdown().await;

    let seen = document.seen();
    let never: Vec<String> =
        document.operations().into_iter().filter(|name| !seen.contains_key(name)).collect();
    assert_eq!(never, [""; 0], "give these a line in the table");
    let refused: BTreeSet<&str> = seen
        .iter()
        .filter(|(_, statuses)| statuses.iter().all(|status| *status >= 400))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(refused, REFUSED_ONLY.iter().copied().collect(), "no good answer was seen of these");
}
