//! A copy that is encrypted for one destination alone.

use std::process::Command;

use serde_json::json;

use super::pushing::{archive_of, arrived, hash, presence, sends, sent, transfer};
use super::wire::{Way, Wire};
use super::world::{Terms, World};
use crate::support::{sample, skipped};
use crate::walk::instance::{Instance, TmpFs};

/// A new identity in a file of an instance, and its recipient.
fn identity(files: &Instance) -> Option<String> {
    let made = Command::new("age-keygen").arg("-o").arg(files.path("key.txt")).output();
    if !cfg!(feature = "encrypt") || made.is_err() {
        return None;
    }
    let text = std::fs::read_to_string(files.path("key.txt")).unwrap();
    text.lines().find_map(|line| Some(line.strip_prefix("# public key: ")?.to_owned()))
}

/// The SHA-256 of what `age` finds in a file.
fn opened(key: &Instance, at: &Instance, path: &str) -> String {
    let mut age = Command::new("age");
    age.arg("-d").arg("-i").arg(key.path("key.txt")).arg(at.path(path));
    let output = age.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    sample::sha256(&output.stdout).to_string()
}

#[test]
fn a_peer_holds_what_it_cannot_read_and_a_resume_sends_the_same_bytes() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let Some(recipient) = identity(jerry) else { skipped!("age is not installed") };
    let wire = Wire::to(tom);
    world.pair_with(
        ("jerry", Terms::peer(format!("url = '{}'", wire.url()))),
        ("tom", Terms::default()),
    );
    jerry.tree("src/web", 4, 4 << 20);
    jerry.wait("tom answers", || presence(jerry) == "online");
    wire.limit(Some(8 << 20));
    let before = wire.passed(Way::There);
    let job = format!("[[job.web.send_to]]\nto = \"tom\"\nencrypt_to = [\"{recipient}\"]");
    jerry.job("web", &job);
    jerry.wait("half has passed", || wire.passed(Way::There) - before > 8 << 20);
    jerry.kill();
    let spool = jerry.path("archives/.larder-spool");
    let waiting = || std::fs::read_dir(&spool).map_or(0, Iterator::count);
    assert_eq!(waiting(), 2);
    // Another instance keeps its archives at the same place.
    let anothers = spool.join(format!("ann@{}.tom.age", uuid::Uuid::new_v4()));
    std::fs::write(&anothers, "ciphertext").unwrap();
    wire.limit(None);
    jerry.start();
    transfer(jerry, "web", &json!({ "peer": "tom" }));
    let there = arrived(jerry, tom, "web");
    let here = archive_of(jerry, "web");
    assert_eq!(sent(jerry)["status"], "success");
    // The same archive, in bytes of its own.
    assert_eq!((&there["id"], &there["stream_sha256"]), (&here["id"], &here["stream_sha256"]));
    assert_ne!(there["sha256"], here["sha256"]);
    assert_eq!((&there["encrypted"], &here["encrypted"]), (&true.into(), &false.into()));
    let file = format!("received/jerry/{}", there["file_name"].as_str().unwrap());
    assert!(file.ends_with(".tar.age"), "{file}");
    assert_eq!(hash(tom, &file), there["sha256"].as_str().unwrap());
    assert_eq!(opened(jerry, tom, &file), here["sha256"].as_str().unwrap());
    let passed = wire.passed(Way::There) - before;
    assert!(passed < (16 << 20) + (4 << 20), "{passed}");
    let log = jerry.ok(&["log", &sends(jerry)[0]["id"].to_string()]);
    assert!(log.contains("an earlier attempt made") && log.contains("goes on"), "{log}");
    assert!(anothers.exists() && waiting() == 1);
    jerry.settled();
    assert!(jerry.runs().iter().all(|run| run["status"] != "queued"));
}

#[test]
fn what_was_spooled_and_got_lost_is_encrypted_anew_and_sent_whole() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let Some(recipient) = identity(jerry) else { skipped!("age is not installed") };
    let wire = Wire::to(tom);
    world.pair_with(
        ("jerry", Terms::peer(format!("url = '{}'", wire.url()))),
        ("tom", Terms::default()),
    );
    jerry.tree("src/web", 4, 4 << 20);
    jerry.wait("tom answers", || presence(jerry) == "online");
    wire.limit(Some(8 << 20));
    let before = wire.passed(Way::There);
    let job = format!("[[job.web.send_to]]\nto = \"tom\"\nencrypt_to = [\"{recipient}\"]");
    jerry.job("web", &job);
    jerry.wait("half has passed", || wire.passed(Way::There) - before > 8 << 20);
    jerry.kill();
    std::fs::remove_dir_all(jerry.path("archives/.larder-spool")).unwrap();
    wire.limit(None);
    jerry.start();
    transfer(jerry, "web", &json!({ "peer": "tom" }));
    let there = arrived(jerry, tom, "web");
    let file = format!("received/jerry/{}", there["file_name"].as_str().unwrap());
    assert_eq!(opened(jerry, tom, &file), archive_of(jerry, "web")["sha256"].as_str().unwrap());
    assert_eq!(tom.archives().len(), 1);
}

#[test]
fn a_copy_at_another_location_is_encrypted_for_it_alone() {
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let Some(recipient) = identity(jerry) else { skipped!("age is not installed") };
    jerry.write("usb.toml", "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n");
    let job = format!("[[job.web.send_to]]\nto = \"usb\"\nencrypt_to = [\"{recipient}\"]");
    jerry.job("web", &job);
    jerry.settled();
    let archives = jerry.archives();
    let at = |place: &str| archives.iter().find(|archive| archive["location"] == place).unwrap();
    let (main, usb) = (at("main"), at("usb"));
    assert_eq!((&main["encrypted"], &usb["encrypted"]), (&false.into(), &true.into()));
    let file = format!("usb/{}", usb["file_name"].as_str().unwrap());
    assert_eq!(opened(jerry, jerry, &file), main["sha256"].as_str().unwrap());
}

#[test]
fn without_room_for_the_ciphertext_nothing_is_sent_and_the_reason_names_both_places() {
    let world = World::cold(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let Some(recipient) = identity(jerry) else { skipped!("age is not installed") };
    for place in ["archives", "state"] {
        std::fs::create_dir_all(jerry.path(place)).unwrap();
    }
    // Neither has room: beside the state, a gigabyte is to stay free.
    let Some(_archives) = TmpFs::mount(&jerry.path("archives")) else {
        skipped!("no file system can be mounted here");
    };
    let Some(_state) = TmpFs::mount_of(&jerry.path("state"), "64m") else {
        skipped!("no file system can be mounted here");
    };
    for member in [jerry, tom] {
        member.start();
    }
    world.pair("jerry", "tom");
    jerry.wait("tom answers", || presence(jerry) == "online");
    jerry.tree("src/web", 2, 1 << 20);
    let job = format!("[[job.web.send_to]]\nto = \"tom\"\nencrypt_to = [\"{recipient}\"]");
    jerry.job("web", &job);
    jerry.wait("a run failed", || sent(jerry)["status"] == "error");
    let run = sent(jerry);
    let log = jerry.ok(&["log", &run["id"].to_string()]);
    assert!(log.contains("not enough space to encrypt"), "{log}");
    assert!(log.contains("at `main`") && log.contains("beside the state"), "{log}");
    assert_eq!(archive_of(jerry, "web")["condition"], "present");
    for place in ["archives/.larder-spool", "state/spool"] {
        let left = std::fs::read_dir(jerry.path(place)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{place}");
    }
    assert_eq!(tom.keeps_for("jerry"), Vec::<String>::new());
    jerry.stop();
}
