//! Wrong tokens: what they cost, and whom they do not hold up.

use std::time::{Duration, Instant};

use super::*;

const HEALTH: &str = "/api/v1/health";

async fn health(served: &Served, from: impl Into<Option<IpAddr>>, token: &str) -> Answer {
    served.ask_from(from, Method::GET, HEALTH, Some(token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_ends_in_429_and_right_tokens_go_on() {
    let instance = Instance::new("");
    instance.write("known.toml", &table("known", &sha256("known"), &["status"]));
    instance.write("late.toml", &table("late", &sha256("late"), &["status"]));
    let served = Served::start(&instance).await;
    for from in [Some(elsewhere()), None] {
        assert_eq!(health(&served, from, "known").await.status, StatusCode::OK);
        let mut answers = Vec::new();
        for number in 0..40 {
            answers.push(health(&served, from, &format!("guess {number}")).await);
        }
        let first = answers.iter().position(|a| a.status == StatusCode::TOO_MANY_REQUESTS);
        let first = first.expect("guessing goes on for ever");
        assert!((10..=30).contains(&first), "{first} guesses were answered");
        assert!(answers[..first].iter().all(|a| a.status == StatusCode::UNAUTHORIZED));
        let refused = &answers[first];
        let wait: u64 = refused.retry_after.as_ref().unwrap().parse().unwrap();
        assert!((1..=10).contains(&wait), "{wait}");
        // A right one is let in, be it that it was never seen.
        assert_eq!(health(&served, from, "late").await.status, StatusCode::OK);
        let wrong = health(&served, from, "one more").await;
        assert_eq!(wrong.status, StatusCode::TOO_MANY_REQUESTS, "{}", wrong.body);
        assert_eq!(health(&served, from, "known").await.status, StatusCode::OK);
        // Elsewhere nobody is held up.
        assert_eq!(health(&served, elsewhere(), "wrong").await.status, StatusCode::UNAUTHORIZED);
        // Who brings no token guesses nothing.
        let nobody = served.ask_from(from, Method::GET, HEALTH, None).await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    }
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_two_bcrypts_a_second_and_none_for_a_token_that_is_known() {
    let instance = Instance::new("");
    instance.write("one.toml", &table("one", &bcrypt("one"), &["status"]));
    instance.write("two.toml", &table("two", &bcrypt("two"), &["status"]));
    let served = Arc::new(Served::start(&instance).await);
    assert_eq!(health(&served, elsewhere(), "one").await.status, StatusCode::OK);
    // Five addresses guess: each guess costs two of them.
    let start = Instant::now();
    let guesses: Vec<_> = (0..5)
        .map(|number| {
            let served = Arc::clone(&served);
            tokio::spawn(async move {
                health(&served, elsewhere(), &format!("guess {number}")).await.status
            })
        })
        .collect();
    // Meanwhile the known one waits for nobody.
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let asked = Instant::now();
        assert_eq!(health(&served, elsewhere(), "one").await.status, StatusCode::OK);
        slowest = slowest.max(asked.elapsed());
        tokio::task::yield_now().await;
    }
    for guess in guesses {
        assert_eq!(guess.await.unwrap(), StatusCode::UNAUTHORIZED);
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(9 * 500), "10 bcrypts took {took:?}");
    assert!(slowest < Duration::from_millis(400), "a known token waited {slowest:?}");
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_in_many_requests_at_once_is_compared_once() {
    let instance = Instance::new("");
    instance.write("one.toml", &table("one", &bcrypt("one"), &["status"]));
    let served = Arc::new(Served::start(&instance).await);
    let from = elsewhere();
    for (token, status) in [("one", StatusCode::OK), ("wrong", StatusCode::UNAUTHORIZED)] {
        let start = Instant::now();
        let requests: Vec<_> = (0..12)
            .map(|_| {
                let served = Arc::clone(&served);
                tokio::spawn(async move { health(&served, from, token).await.status })
            })
            .collect();
        for request in requests {
            assert_eq!(request.await.unwrap(), status, "{token}");
        }
        // Twelve of them would take six seconds.
        assert!(start.elapsed() < Duration::from_secs(4), "{token}: {:?}", start.elapsed());
    }
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_fill_the_line_for_others() {
    let instance = Instance::new("");
    instance.write("one.toml", &table("one", &bcrypt("one"), &["status"]));
    let served = Arc::new(Served::start(&instance).await);
    let (from, start) = (elsewhere(), Instant::now());
    let guesses: Vec<_> = (0..15)
        .map(|number| {
            let served = Arc::clone(&served);
            tokio::spawn(
                async move { health(&served, from, &format!("guess {number}")).await.status },
            )
        })
        .collect();
    let mut told = Vec::new();
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(health(&served, elsewhere(), "one").await.status, StatusCode::OK);
    let waited = start.elapsed();
    for guess in guesses {
        told.push(guess.await.unwrap());
    }
    let refused = told.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert!(refused >= 11, "{told:?}");
    // At most four stood before it.
    assert!(waited < Duration::from_secs(6), "{waited:?}");
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_bcrypt_would_cut_off_is_nobodys() {
    let instance = Instance::new("");
    let long = "x".repeat(80);
    instance.write("long.toml", &table("long", &bcrypt(&long[..72]), &["status"]));
    let served = Served::start(&instance).await;
    let start = Instant::now();
    assert_eq!(health(&served, elsewhere(), &long).await.status, StatusCode::UNAUTHORIZED);
    assert!(start.elapsed() < Duration::from_millis(400), "it was compared all the same");
    assert_eq!(health(&served, elsewhere(), &long[..72]).await.status, StatusCode::OK);
    assert_eq!(health(&served, elsewhere(), &long[..71]).await.status, StatusCode::UNAUTHORIZED);
    served.handle.shutdown().await;
}
