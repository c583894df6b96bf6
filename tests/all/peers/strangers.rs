//! Peers that are not quite what they should be: of another version, with the name of this
//! instance, with a clock of their own.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::impostor::Impostor;
use super::member::{Member, write_secret};
use super::world::World;
use crate::support::sample;

/// Writes a peer `tom` that is at this address, and waits until it was asked.
#[track_caller]
fn introduce(member: &Member, url: &str) {
    write_secret(&member.path("etc/secrets/tom"), "a token");
    member.write(
        "peers/tom.toml",
        &format!(
            "[peer.tom]\nkind = \"instance\"\nurl = \"{url}\"\nca = \"../ca.pem\"\n\
             token = {{ file = \"../secrets/tom\" }}\n"
        ),
    );
}

/// What `member` says of its peer `tom` once it says that.
#[track_caller]
fn becomes(member: &Member, status: &str) -> Value {
    let mut seen = Value::Null;
    member.wait(&format!("tom is {status}"), || {
        seen = member.control_get("/api/v1/peers/tom");
        seen["status"] == status
    });
    seen
}

fn health(min: u32, max: u32) -> Value {
    json!({ "status": "ok", "instance": "tom", "version": "9.9.9", "api_min": min, "api_max": max })
}

#[test]
fn a_peer_that_speaks_only_what_we_do_not_is_an_error_in_plain_words_and_gets_nothing() {
    for (min, max, word) in [(2, 3, "newer"), (0, 0, "older")] {
        let world = World::of(&["jerry"]);
        let tom =
            Impostor::telling(&world.authority, vec![("GET /api/v1/health", health(min, max))]);
        let jerry = world.instance("jerry");
        introduce(jerry, &tom.url());
        jerry.job("web", "send_to = ['tom']");
        let seen = becomes(jerry, "error");
        assert!(seen.to_string().contains(word), "{seen}");
        assert!(tom.asked().iter().all(|line| line == "GET /api/v1/health"), "{:?}", tom.asked());
        // The archive is here, and somebody is told that the copy is not there.
        assert_eq!(jerry.tars().len(), 1);
        let plan = jerry.ok(&["plan"]);
        assert!(plan.contains("1 copy waits for peer `tom`") && plan.contains(word), "{plan}");
    }
}

#[test]
fn fields_that_nobody_knows_and_fields_that_are_missing_are_no_obstacle() {
    let world = World::of(&["jerry"]);
    let much = json!({
        "status": "splendid", "instance": "tom", "version": "2.0.0", "api_min": 1, "api_max": 7,
        "moon": { "phase": [1, 2, 3] }, "config": 5,
    });
    let answers = [
        vec![
            ("GET /api/v1/health", much),
            ("GET /api/v1/archives", json!([{ "name": "x", "colour": "blue" }, {}])),
            (
                "GET /api/v1/network",
                json!([{ "self": true, "name": "tom", "jobs": [{ "smell": 1 }] }]),
            ),
        ],
        vec![
            ("GET /api/v1/health", json!({})),
            ("GET /api/v1/archives", json!([])),
            ("GET /api/v1/network", json!([{ "self": true }])),
        ],
    ];
    for answers in answers {
        let tom = Impostor::telling(&world.authority, answers);
        introduce(world.instance("jerry"), &tom.url());
        let jerry = world.instance("jerry");
        jerry.wait("tom was asked all", || tom.asked().len() >= 3);
        let seen = becomes(jerry, "online");
        assert!(seen["last_seen"].is_string(), "{seen}");
        jerry.remove("peers/tom.toml");
    }
}

#[test]
fn a_newer_instance_is_sent_archives_although_it_says_more_than_we_know() {
    let world = World::of(&["jerry"]);
    let received = Arc::new(Mutex::new(Vec::new()));
    let begun = Arc::new(Mutex::new(Value::Null));
    let (bytes, offer) = (Arc::clone(&received), Arc::clone(&begun));
    let tom = Impostor::new(&world.authority, move |line, body| {
        let answer = match line {
            "GET /api/v1/health" => health(1, 5),
            "GET /api/v1/archives" => json!([]),
            "GET /api/v1/network" => json!([{ "self": true, "name": "tom", "orbit": 3 }]),
            "POST /api/v1/archives/upload/start" => {
                let asked: Value = serde_json::from_slice(body).unwrap();
                let answer = json!({
                    "upload_id": "u-1", "filename": asked["filename"], "checksum": asked["checksum"],
                    "total_size": asked["total_size"], "chunk_size": asked["chunk_size"],
                    "chunks_total": 1, "chunks_received": [], "status": "in_progress",
                    "zebra": { "stripes": 40 },
                });
                *offer.lock().unwrap() = asked;
                answer
            }
            "POST /api/v1/archives/upload/u-1/chunk/0" => {
                *bytes.lock().unwrap() = body.to_vec();
                json!({ "upload_id": "u-1", "chunk": 0, "mood": "fine" })
            }
            "POST /api/v1/archives/upload/u-1/finish" => json!({
                "upload_id": "u-1", "archive": "anything", "id": "x", "moon": "full",
            }),
            _ => return (404, b"{}".to_vec()),
        };
        (200, answer.to_string().into_bytes())
    });
    let jerry = world.instance("jerry");
    introduce(jerry, &tom.url());
    jerry.job("web", "send_to = ['tom']");
    jerry.wait("it is sent", || {
        jerry.runs().iter().any(|run| run["kind"] == "send" && run["status"] == "success")
    });
    let archive = std::fs::read(jerry.path("archives").join(&jerry.tars()[0])).unwrap();
    assert!(*received.lock().unwrap() == archive);
    let offer = begun.lock().unwrap().clone();
    assert_eq!(offer["checksum"], sample::sha256(&archive).to_string());
    assert_eq!(offer["filename"], jerry.tars()[0]);
}

#[test]
fn a_peer_that_answers_nonsense_without_end_is_an_error_and_harms_nobody() {
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let deep = "[".repeat(100_000).into_bytes();
    let long = format!("{{\"instance\":\"{}\"}}", "x".repeat(8 << 20)).into_bytes();
    let wrong = br#"{"api_min":"one","api_max":-4,"instance":["tom"]}"#.to_vec();
    for (status, body) in [
        (200, deep),
        (200, long),
        (200, wrong),
        (200, b"<html>".to_vec()),
        (200, vec![0xff; 100]),
        (302, b"{}".to_vec()),
        (401, br#"{"detail":"no \u001b[31mtoken"}"#.to_vec()),
        (418, Vec::new()),
    ] {
        let tom = Impostor::new(&world.authority, move |_, _| (status, body.clone()));
        introduce(jerry, &tom.url());
        jerry.wait("tom was asked", || !tom.asked().is_empty());
        let seen = becomes(jerry, "error");
        assert!(!seen.to_string().contains("\\u001b"), "{seen}");
        jerry.remove("peers/tom.toml");
    }
    assert_eq!(jerry.health()["status"], "ok");
}

#[test]
fn a_peer_that_bears_our_own_name_is_an_error_that_says_so() {
    let mut world = World::of(&["jerry"]);
    world.add("jerry").start();
    let [jerry, other] = world.members() else { panic!() };
    let token = other.token("jerry", &["status", "list"]);
    introduce(jerry, &other.url());
    write_secret(&jerry.path("etc/secrets/tom"), &token);
    jerry.restart();
    let seen = becomes(jerry, "error");
    assert!(seen.to_string().contains("calls itself `jerry`"), "{seen}");
}
