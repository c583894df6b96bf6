//! A token is taken back by an edit.

use std::time::{Duration, Instant};

use super::*;
use crate::support;

/// Asks until the answer is this one, and says how long that took.
async fn until(served: &Served, token: &str, wanted: StatusCode) -> Duration {
    let start = Instant::now();
    while served.ask(Method::GET, "/api/v1/health", Some(token)).await != wanted {
        assert!(start.elapsed() < Duration::from_secs(30), "`{token}` never got {wanted}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_of_no_use_two_seconds_after_its_table_is_gone() {
    let instance = Instance::new("");
    instance.write("sha.toml", &table("sha", &sha256("sha"), &["status"]));
    instance.write("crypt.toml", &table("crypt", &bcrypt("crypt"), &["status"]));
    instance.write("other.toml", &table("other", &bcrypt("other"), &["status"]));
    let served = Served::start(&instance).await;
    for token in ["sha", "crypt", "other"] {
        until(&served, token, StatusCode::OK).await;
    }
    for token in ["sha", "crypt"] {
        let edit = Instant::now();
        std::fs::remove_file(instance.path(&format!("etc/{token}.toml"))).unwrap();
        until(&served, token, StatusCode::UNAUTHORIZED).await;
        let took = edit.elapsed();
        // Busy with other tests, a machine takes longer to notice an edit.
        let bound = Duration::from_secs(if support::full() { 2 } else { 10 });
        assert!(took < bound, "`{token}` was good for {took:?}");
    }
    // Those that stay need no bcrypt after an edit.
    let start = Instant::now();
    until(&served, "other", StatusCode::OK).await;
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_changes_scopes_and_lets_new_tokens_in_that_were_wrong_before() {
    let instance = Instance::new("");
    instance.write("one.toml", &table("one", &sha256("one"), &["status", "list"]));
    instance.write("any.toml", &table("any", &bcrypt("any"), &["status"]));
    let served = Served::start(&instance).await;
    let list = || served.ask(Method::GET, "/api/v1/archives", Some("one"));
    assert_eq!(list().await, StatusCode::OK);
    until(&served, "new", StatusCode::UNAUTHORIZED).await;
    instance.write("one.toml", &table("one", &sha256("one"), &["status"]));
    instance.write("new.toml", &table("new", &bcrypt("new"), &["status"]));
    served.handle.reloaded().await.unwrap();
    assert_eq!(list().await, StatusCode::FORBIDDEN);
    until(&served, "new", StatusCode::OK).await;
    served.handle.shutdown().await;
}
