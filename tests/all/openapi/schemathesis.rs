//! schemathesis against a real engine, where it is installed: what others think of when they read
//! the document.

use std::path::Path;
use std::process::Command;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::exercised::engine;
use crate::support::{self, skipped};
use crate::walk::instance::text;

/// What it must not ask for: what is restored or adopted by chance would be restored, looking at the
/// whole host takes its time, events have no end, and what is asked of a peer that nobody can reach is
/// answered with 503, rightly.
const EXCLUDED: [&str; 7] = [
    "restore_start",
    "restore_undo",
    "coverage_list",
    "events_follow",
    "peers_run",
    "peers_verify",
    "peers_restore",
];

/// What is not judged: everybody may do everything here, and a value that no pattern can tell from
/// a good one (`web@2026-02-31`) is refused all the same.
const UNJUDGED: &str = "ignored_auth,unsupported_method,positive_data_acceptance";

/// Serves a router on a loopback address of its own.
async fn serve(listener: TcpListener, router: axum::Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            // A client that hangs up is none of our concern.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Its program: on the PATH, or named by `LARDER_SCHEMATHESIS`.
fn program() -> Option<std::ffi::OsString> {
    let chosen = std::env::var_os("LARDER_SCHEMATHESIS");
    let names = chosen.into_iter().chain(["schemathesis".into(), "st".into()]);
    let mut there = names.filter(|name| {
        let version = Command::new(name).arg("--version").output();
        let said = version.map(|output| text(&output.stdout));
        said.is_ok_and(|said| said.contains("version"))
    });
    there.next()
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let Some(program) = program() else { skipped!("`schemathesis` is not here") };
    let dir = support::dir();
    let handle = engine(dir.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener, larder::api::router(handle.clone())));
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/openapi.json");
    let examples = if support::full() { "50" } else { "8" };
    let mut command = Command::new(program);
    command.arg("run").arg(&document).args(["--url", &url, "--max-examples", examples]);
    command.args(["--checks", "all", "--exclude-checks", UNJUDGED]);
    command.args(["--request-timeout", "60", "--no-color", "--workers", "2"]);
    for id in EXCLUDED {
        command.args(["--exclude-operation-id", id]);
    }
    let output = tokio::task::spawn_blocking(move || command.current_dir("/").output());
    let output = output.await.unwrap().unwrap();
    server.abort();
    handle.shutdown().await;
    let said = text(&output.stdout) + &text(&output.stderr);
    // Its own mistakes, which it calls errors, are none of ours.
    assert!(said.contains("Test cases:") && !said.contains("= FAILURES ="), "{said}");
}
