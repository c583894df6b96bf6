//! Lists of a large instance. The long figures are asked for with `LARDER_FULL=1`.

use std::time::{Duration, Instant};

use super::*;

/// An instance with so many archives, copies among them.
fn large(archives: u32) -> Router {
    let number_of = |nth: u32| {
        let day = i8::try_from(nth % 7 + 1).unwrap();
        let original = archive(u128::from(nth) + 1, &format!("jerry_web_{nth:08}"), day);
        if nth.is_multiple_of(10) { copied(&original) } else { original }
    };
    still(view((0..archives).map(number_of).collect()))
}

#[tokio::test]
async fn the_pages_of_a_large_catalogue_show_every_archive_once() {
    let router = large(2500);
    let (mut query, mut seen, mut last) = ("?job=web".to_owned(), Vec::new(), String::new());
    loop {
        let answer = get(&router, &format!("/api/v1/archives{query}")).await;
        for one in answer.body.as_array().unwrap() {
            seen.push(one["id"].as_str().unwrap().to_owned());
            let made = one["created_at"].as_str().unwrap().to_owned();
            assert!(last.is_empty() || made <= last, "not newest first");
            last = made;
        }
        let Some(link) = answer.link else { break };
        query = link.split(['<', '>']).nth(1).unwrap().to_owned();
        assert!(query.contains("job=web"), "the filter is lost: {query}");
    }
    let number = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((number, seen.len()), (2500, 2500));
}

#[tokio::test]
async fn lists_of_ten_thousand_archives_answer_at_once() {
    if std::env::var_os("LARDER_FULL").is_none() {
        return;
    }
    let router = large(10_000);
    for path in ["archives", "archives?limit=100", "locations", "jobs", "status", "network"] {
        let path = format!("/api/v1/{path}");
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..40 {
            let start = Instant::now();
            let request = Request::get(&path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            times.push(start.elapsed());
        }
        times.sort();
        let p95 = times[times.len() * 95 / 100];
        eprintln!("{path}: p95 {p95:?}");
        // What is not optimised is five times slower and more.
        let most = if cfg!(debug_assertions) { 1000 } else { 100 };
        assert!(p95 < Duration::from_millis(most), "{path}: p95 {p95:?}");
    }
}
