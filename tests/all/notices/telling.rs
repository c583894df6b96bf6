//! The daemon tells a webhook what is so.

use super::receiver::{Mood, Receiver, heal, secret, with_hook, with_jobs};
use crate::walk::instance::Instance;

#[test]
fn a_failure_is_told_once_and_its_end_too() {
    let receiver = Receiver::new(Mood::Says(200));
    let instance = with_hook(receiver.address, &["web"]);
    let daemon = instance.daemon();
    let first = receiver.wait_for(&instance, 1)[0].clone();
    assert!(first.head.starts_with("POST /canary-7f3a9?token=canary-51c0d HTTP/1.1"));
    assert!(first.head.to_lowercase().contains("content-type: application/json"));
    let message = first.json();
    assert_eq!(message["event"], "failure");
    assert_eq!(message["instance"], "jerry");
    assert_eq!(message["job"], "web");
    assert_eq!(message["verdict"], "unprotected");
    assert_eq!(message["title"], "larder on jerry: failure: `web`");
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("the backup of `web` failed") && text.contains("tried again"), "{text}");
    assert_eq!(message["items"].as_array().unwrap().len(), 1);
    assert!(message["run_id"].is_u64() && message["items"][0]["since"].is_string());

    // It fails again: the same episode.
    let _ = instance.larder(&["run", "web"]);
    // A restart knows what was told.
    daemon.terminate();
    let _daemon = instance.daemon();
    heal(&instance, "web");
    instance.ok(&["run", "web"]);
    receiver.wait_for(&instance, 2);
    assert_eq!(receiver.events(), ["failure", "recovery"]);
}

#[test]
fn a_receiver_that_is_down_hears_it_later_and_no_run_waits_for_it() {
    let address = Receiver::nobody();
    let instance = with_hook(address, &["web"]);
    let _daemon = instance.daemon();
    let remark = || {
        let health = health(&instance);
        health["notices"]["remarks"].as_array()?.first().cloned()
    };
    instance.wait("the status says that nobody hears", || remark().is_some());
    let remark = remark().unwrap();
    let remark = remark.as_str().unwrap();
    assert!(remark.starts_with("`[notify.ops]` could not be told since"), "{remark}");
    assert!(remark.contains(&address.to_string()) && !remark.contains("canary"), "{remark}");
    assert_eq!(health(&instance)["notices"]["targets"][0]["pending"], 1);
    let status = instance.larder(&["status"]);
    assert!(String::from_utf8_lossy(&status.stderr).contains("could not be told"));

    // Runs go on meanwhile.
    with_jobs(&instance, &["web", "other"]);
    heal(&instance, "other");
    instance.wait("the other job ran", || instance.tars().len() == 1);
    let Ok(receiver) = Receiver::at(address, Mood::Says(204)) else {
        crate::support::skipped!("another test took the address");
    };
    // News are a reason to try again at once.
    heal(&instance, "web");
    instance.ok(&["run", "web"]);
    receiver.wait_for(&instance, 2);
    assert_eq!(receiver.events(), ["failure", "recovery"]);
    instance.wait("nothing waits any more", || {
        let notices = health(&instance)["notices"].clone();
        notices["targets"][0]["pending"] == 0
            && notices["remarks"].as_array().is_some_and(Vec::is_empty)
    });
}

#[test]
fn what_could_not_be_delivered_survives_a_restart() {
    let receiver = Receiver::new(Mood::Says(503));
    let instance = with_hook(receiver.address, &["web"]);
    let daemon = instance.daemon();
    receiver.wait_for(&instance, 1);
    instance.wait("the attempt is noted", || {
        !health(&instance)["notices"]["targets"][0]["failing_since"].is_null()
    });
    daemon.kill();
    receiver.set(Mood::Says(200));
    let _daemon = instance.daemon();
    let both = receiver.wait_for(&instance, 2);
    assert_eq!(both[0].json()["at"], both[1].json()["at"], "the same message");
}

#[test]
fn a_receiver_that_never_answers_holds_up_nothing() {
    let silent = Receiver::new(Mood::Silent);
    let other = Receiver::new(Mood::Says(200));
    let instance = with_hook(silent.address, &["web"]);
    secret(&instance, "other", &format!("http://{}/", other.address));
    instance.write("other.toml", "[notify.other]\nurl = { file = \"../other\" }\n");
    let daemon = instance.daemon();
    silent.wait_for(&instance, 1);
    other.wait_for(&instance, 1);
    heal(&instance, "web");
    instance.ok(&["run", "web"]);
    other.wait_for(&instance, 2);
    assert_eq!(silent.received().len(), 1, "it still waits for its first answer");
    assert!(daemon.terminate().as_secs() < 10);
}

#[test]
fn a_redirect_is_not_followed() {
    let receiver = Receiver::new(Mood::Redirects);
    let instance = with_hook(receiver.address, &["web"]);
    let _daemon = instance.daemon();
    receiver.wait_for(&instance, 1);
    instance.wait("the attempt is noted", || {
        !health(&instance)["notices"]["targets"][0]["failing_since"].is_null()
    });
    let remark = health(&instance)["notices"]["remarks"][0].clone();
    assert!(remark.as_str().unwrap().contains("302, a redirect"), "{remark}");
    assert!(receiver.received().iter().all(|one| !one.path.contains("elsewhere")));
}

#[test]
fn several_things_of_one_look_are_one_message() {
    let receiver = Receiver::new(Mood::Says(200));
    let instance = with_hook(receiver.address, &["web", "db", "mail"]);
    // They fail while nobody tells; what tells them then finds all of them.
    for job in ["web", "db", "mail"] {
        let _ = instance.larder(&["run", job]);
    }
    let _daemon = instance.daemon();
    let message = receiver.wait_for(&instance, 1)[0].json();
    assert_eq!(message["title"], "larder on jerry: 3 × failure");
    assert_eq!(message["job"], serde_json::Value::Null);
    assert_eq!(message["items"].as_array().unwrap().len(), 3);
}

#[test]
fn apply_tells_at_its_end() {
    let receiver = Receiver::new(Mood::Says(200));
    let instance = with_hook(receiver.address, &["web", "db"]);
    instance.fails(1, &["apply"]);
    assert_eq!(receiver.events(), ["failure"]);
    assert_eq!(receiver.received()[0].json()["items"].as_array().unwrap().len(), 2);
    heal(&instance, "web");
    instance.ok(&["run", "web"]);
    assert_eq!(receiver.events(), ["failure"], "who asks for one run sees what comes of it");
    instance.larder(&["apply"]);
    assert_eq!(receiver.events(), ["failure", "recovery"]);
    instance.larder(&["apply"]);
    assert_eq!(receiver.events().len(), 2);
}

#[test]
fn no_log_answer_or_state_holds_the_address() {
    let receiver = Receiver::new(Mood::Says(500));
    let instance = with_hook(receiver.address, &["web"]);
    let daemon = instance.command(&["-vvv", "daemon"]);
    let mut daemon = { daemon }
        .stderr(std::fs::File::create(instance.path("daemon.log")).unwrap())
        .spawn()
        .unwrap();
    receiver.wait_for(&instance, 1);
    instance.wait("the attempt is noted", || {
        !health(&instance)["notices"]["targets"][0]["failing_since"].is_null()
    });
    let mut said = instance.fails(1, &["notify", "test", "--format", "json"]);
    said += &instance.fails(1, &["notify", "test"]);
    secret(&instance, "hook", "https://canary-7f3a9:nonsense:address/canary-51c0d");
    said += &instance.fails(1, &["notify", "test"]);
    for arguments in [&["status"][..], &["config", "show"], &["plan"], &["check", "--live"]] {
        let output = instance.larder(arguments);
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    said += &health(&instance).to_string();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    said += &std::fs::read_to_string(instance.path("daemon.log")).unwrap();
    let state = std::fs::read(instance.path("state/state.redb")).unwrap();
    said += &String::from_utf8_lossy(&state);
    for entry in std::fs::read_dir(instance.path("public")).unwrap() {
        said += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert!(said.contains("could not be told"), "{said}");
    assert!(!said.contains("canary"), "the address leaked");
}

#[test]
fn the_status_says_when_nobody_is_told() {
    let instance = Instance::new("");
    with_jobs(&instance, &["web"]);
    let said = |instance: &Instance| {
        String::from_utf8_lossy(&instance.larder(&["status"]).stderr).into_owned()
    };
    assert!(said(&instance).contains("nobody is told about failures: write a `[notify.NAME]`"));
    let code = instance.larder(&["status", "--check"]).status.code();
    instance
        .write("notify.toml", "[notify.ops]\nmail_to = \"a@example.org\"\non = [\"blocked\"]\n");
    assert!(said(&instance).contains("has `failure` in its `on`"));
    instance.write("notify.toml", "[notify.ops]\nmail_to = \"a@example.org\"\n");
    assert!(!said(&instance).contains("nobody is told"));
    assert_eq!(instance.larder(&["status", "--check"]).status.code(), code);
}

/// `GET /health` of the daemon, or of an engine of our own.
pub(super) fn health(instance: &Instance) -> serde_json::Value {
    use std::io::{Read as _, Write as _};
    // A daemon may tell of something before it listens.
    let Ok(mut socket) = std::os::unix::net::UnixStream::connect(instance.path("control.sock"))
    else {
        return serde_json::Value::Null;
    };
    socket
        .write_all(b"GET /api/v1/health HTTP/1.1\r\nhost: larder\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or(serde_json::Value::Null)
}
