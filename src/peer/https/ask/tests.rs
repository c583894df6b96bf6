//! A peer that is made up, on a port of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use serde_json::json;

use super::*;
use crate::model::desired::Place;
use crate::model::peer::{Peer, PeerKind};
use crate::model::size::Bytes;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

async fn peer(router: Router) -> Https {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let peer = Peer {
        name: "tom".parse().unwrap(),
        kind: PeerKind::Instance { url: Some(url), token: None, ssh: None, ca: None, pin: None },
        accept: None,
        rsync_above: Bytes(0),
        bandwidth: None,
        offsite: true,
        fetch_from: Vec::new(),
        prune: false,
        place: Place::default(),
    };
    Https::open(&peer).unwrap()
}

async fn saying(path: &str, text: impl Into<String>) -> Https {
    let text: String = text.into();
    let answer = move || async move { text.clone() };
    peer(Router::new().route(&format!("/api/v1/{path}"), get(answer))).await
}

fn why<T: std::fmt::Debug>(answer: Result<T, PeerError>) -> String {
    let error = answer.unwrap_err();
    assert!(!error.is_offline(), "{error}");
    error.why()
}

fn archive(id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut archive = json!({
        "id": id, "name": "jerry_web_20260508", "origin": "jerry", "job": "web",
        "location": "received/jerry", "created_at": "2026-05-08T03:00:00+02:00", "file_size": 7,
        "stream_sha256": "11".repeat(32), "sha256": null, "good": true, "condition": "present",
        "of a later version": {"x": [1]},
    });
    change(&mut archive);
    archive
}

#[tokio::test]
async fn an_instance_of_this_api_says_who_it_is_and_unknown_fields_are_ignored() {
    let health = json!({
        "instance": "tom", "version": "0.9", "api_min": 1, "api_max": 3,
        "at": "2027-01-01T00:00:00Z", "mood": {"x": []},
    });
    let about = saying("health", health.to_string()).await.about().await.unwrap();
    assert_eq!((&*about.instance, &*about.version), ("tom", "0.9"));
    assert_eq!(about.at.unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(saying("health", "{}").await.about().await.unwrap().version, "unknown");
}

#[tokio::test]
async fn one_that_speaks_only_a_later_or_an_earlier_api_is_not_understood() {
    let of = |min: u32, max: u32| {
        json!({"version": "9\n\u{1b}[31m", "api_min": min, "api_max": max}).to_string()
    };
    let later = why(saying("health", of(2, 3)).await.about().await);
    assert_eq!(
        later,
        "its version 9  [31m is too much newer: it speaks API 2 to 3, this one API 1"
    );
    let earlier = why(saying("health", of(0, 0)).await.about().await);
    assert_eq!(earlier, "its version 9  [31m is too much older: it speaks API 0, this one API 1");
}

#[tokio::test]
async fn json_that_is_too_long_too_deep_or_of_another_kind_is_not_read() {
    let long = format!("{{\"version\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(why(saying("health", long).await.about().await), "it says more than 1048576 bytes");
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    assert_eq!(why(saying("health", deep).await.about().await), "it nests deeper than 16");
    for text in ["", "<html>", "7", "{\"version\":7}", "{\"api_min\":-1}", "{\"api_max\":\"1\"}"] {
        assert!(saying("health", text).await.about().await.is_err(), "{text}");
    }
    for text in ["{}", "[7]", "[{\"id\":7}]", "[{\"file_size\":-7}]", "[{\"good\":\"yes\"}]"] {
        assert!(saying("archives", text).await.archives().await.is_err(), "{text}");
    }
    for text in ["{}", "[]", "[{\"self\":false}]", "[{\"self\":true,\"jobs\":{}}]"] {
        assert!(saying("network", text).await.itself().await.is_err(), "{text}");
    }
    // Braces in a text are no depth.
    let flat = json!({"version": "[{\"".repeat(60)});
    assert!(saying("health", flat.to_string()).await.about().await.is_ok());
}

#[tokio::test]
async fn no_redirect_is_followed_and_refusals_are_told_in_the_peers_words() {
    let elsewhere = peer(
        Router::new()
            .route("/api/v1/health", get(|| async { Redirect::temporary("/api/v1/other") }))
            .route("/api/v1/other", get(|| async { "{}" })),
    )
    .await;
    assert_eq!(elsewhere.about().await.unwrap_err().status(), Some(307));
    let refusing =
        || async { (StatusCode::UNAUTHORIZED, json!({"detail": "no\u{7}\nway"}).to_string()) };
    let refusing = peer(Router::new().route("/api/v1/health", get(refusing))).await;
    assert_eq!(why(refusing.about().await), "it answered 401: no  way");
    let busy = || async { StatusCode::SERVICE_UNAVAILABLE };
    let busy = peer(Router::new().route("/api/v1/health", get(busy))).await;
    assert!(busy.about().await.unwrap_err().is_offline());
}

#[tokio::test]
async fn holdings_are_read_page_after_page_and_only_what_rests_there() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let page = move |Query(query): Query<Vec<(String, String)>>| {
        let seen = Arc::clone(&seen);
        async move {
            seen.fetch_add(1, Ordering::Relaxed);
            let cursor = query.into_iter().find(|(key, _)| key == "cursor").map(|(_, at)| at);
            let id = |last: u8| format!("0198c0de-0000-7000-8000-0000000000{last:02x}");
            let mut headers = HeaderMap::new();
            let entries = if cursor.is_none() {
                let next = "<?limit=250&cursor=a%2Fb+c>; rel=\"next\"";
                headers.insert(header::LINK, next.parse().unwrap());
                vec![
                    archive(&id(1), |_| {}),
                    archive(&id(2), |one| one["condition"] = "corrupt".into()),
                    archive(&id(3), |one| one["condition"] = "trashed".into()),
                    archive(&id(4), |one| one["location"] = "main".into()),
                ]
            } else {
                assert_eq!(cursor.as_deref(), Some("a/b c"));
                vec![
                    archive(&id(5), |one| one["good"] = false.into()),
                    archive("not an id", |_| {}),
                    archive(&id(6), |one| one["job"] = "../etc".into()),
                    json!({"foreign": true, "name": "x", "location": "received/jerry"}),
                ]
            };
            (headers, json!(entries).to_string())
        }
    };
    let peer = peer(Router::new().route("/api/v1/archives", get(page))).await;
    let listed = peer.archives().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let good: Vec<bool> = listed.held.iter().map(|copy| copy.is_good).collect();
    assert_eq!(good, [true, false, false], "{listed:?}");
    assert_eq!(listed.offered.len(), 1);
    assert_eq!(listed.held[0].file_size, 7);
    assert!(listed.held[0].stream_sha256.is_some() && listed.held[0].file_sha256.is_none());
}

#[tokio::test]
async fn a_list_without_an_end_is_not_read_for_ever() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let page = move || {
        let page = seen.fetch_add(1, Ordering::Relaxed);
        async move {
            let next = format!("<?cursor={page}>; rel=\"next\"");
            Response::builder().header(header::LINK, next).body("[]".into()).unwrap_or_else(
                |_: axum::http::Error| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            )
        }
    };
    let peer = peer(Router::new().route("/api/v1/archives", get(page))).await;
    assert_eq!(why(peer.archives().await), "it lists more than 25000 archives");
    assert_eq!(asked.load(Ordering::Relaxed), PAGES_MAX);
}

#[tokio::test]
async fn what_a_peer_tells_of_itself_is_bounded_and_its_expectations_are_read() {
    let members = json!([
        {"name": "ann", "self": false},
        {
            "name": "tom\u{1b}[2J", "self": true, "problems": ["x".repeat(5000)],
            "jobs": [
                {"name": "db", "enabled": true, "expected_by": "2026-05-09T04:00:00Z", "max_age_s": 90000},
                {"name": "web", "enabled": true, "expected_by": "2026-05-09T05:00:00Z"},
                {"name": "off", "enabled": false, "expected_by": "2026-05-09T04:00:00Z"},
                {"name": "older", "enabled": true},
                {"name": "..", "enabled": true, "expected_by": "2026-05-09T04:00:00Z"},
                {"name": "odd", "enabled": true, "expected_by": "soon"},
            ],
        },
    ]);
    let known = saying("network", members.to_string()).await.itself().await.unwrap();
    assert!(known.member_json.len() < 2000 && !known.member_json.contains("u001b"));
    let expected: Vec<String> = known
        .expected
        .iter()
        .map(|one| format!("{} {} {:?}", one.job, one.by, one.max_age.map(|age| age.as_hours())))
        .collect();
    assert_eq!(expected, ["db 2026-05-09T04:00:00Z Some(25)", "web 2026-05-09T05:00:00Z None"]);
}

#[test]
fn an_id_is_what_makes_an_entry_an_archive() {
    assert!(ID.parse::<uuid::Uuid>().is_ok());
    let entry = |value: Value| serde_json::from_value::<Entry>(value).unwrap();
    assert!(copy(entry(archive(ID, |_| {}))).is_some());
    assert!(copy(entry(json!({"name": "x"}))).is_none());
}
