//! The history of a large instance, read page by page.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use jiff::{SignedDuration, Timestamp};
use larder::model::archive::ArchiveId;
use larder::model::run::{Cause, Run, RunId, RunStatus, Work};
use larder::state::State;
use serde_json::Value;
use tower::ServiceExt as _;

use super::exercised::engine;
use crate::support::{self, skipped};

const RUNS: u64 = 110_000;

/// A history of backups and verifications, one a minute.
fn write_history(state_dir: &Path) {
    let (state, _) = State::open(state_dir).unwrap();
    let now = Timestamp::now();
    let run = |number: u64| {
        let minutes = i64::try_from(RUNS - number).unwrap();
        let at = now.checked_sub(SignedDuration::from_mins(minutes)).unwrap();
        let work = if number.is_multiple_of(3) {
            let archive = ArchiveId(uuid::Uuid::from_u128(u128::from(number)));
            Work::Verify { archive, location: "main".parse().unwrap() }
        } else {
            Work::Backup {
                job: if number.is_multiple_of(2) { "web" } else { "notes" }.parse().unwrap(),
            }
        };
        Run {
            id: RunId(number),
            work,
            cause: Cause::Manual,
            status: RunStatus::Success,
            queued_at: at,
            started_at: Some(at),
            finished_at: Some(at),
            summary: "jerry_web: 3 files, 12 KiB".to_owned(),
            hint: None,
            archive: None,
            size_bytes: Some(10_240),
            config_hash: None,
        }
    };
    for batch in (1..=RUNS).collect::<Vec<_>>().chunks(10_000) {
        state.commit(|txn| batch.iter().try_for_each(|number| txn.put_run(&run(*number)))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_a_hundred_thousand_runs_answer_at_once() {
    if !support::full() {
        skipped!("takes long: set LARDER_FULL=1");
    }
    let dir = support::dir();
    write_history(&dir.path().join("state"));
    let handle = engine(dir.path()).await;
    let router = larder::api::router(handle.clone());
    let paths = [
        "/api/v1/runs",
        "/api/v1/runs?limit=1000",
        "/api/v1/runs?kind=verify&status=success&limit=100&cursor=50000",
        "/api/v1/jobs/web/runs",
        "/api/v1/jobs",
        "/api/v1/network",
    ];
    for path in paths {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..40 {
            let start = Instant::now();
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            times.push(start.elapsed());
            let list: Value = serde_json::from_slice(&body).unwrap();
            assert!(!list.as_array().unwrap().is_empty(), "{path}");
        }
        times.sort();
        let p95 = times[times.len() * 95 / 100];
        eprintln!("{path}: p95 {p95:?}");
        // What is not optimised is five times slower and more.
        let most = if cfg!(debug_assertions) { 1000 } else { 100 };
        assert!(p95 < Duration::from_millis(most), "{path}: p95 {p95:?}");
    }
    handle.shutdown().await;
}
