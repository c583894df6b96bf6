//! Whatever breaks on the way, the archive arrives whole, and little is sent twice.

use serde_json::json;

use super::http::{Body, Request};
use super::member::Member;
use super::pushing::{archive_of, arrived, hash, presence, sends, sent, transfer};
use super::wire::{Way, Wire};
use super::world::{Terms, World};
use crate::support;

/// What TLS, the heads of requests and what is asked in between add.
const OVERHEAD: u64 = 2 << 20;

/// Bytes of an archive that is sent in sixteen chunks; a gibibyte where there is time.
fn size() -> usize {
    if support::full() { 1 << 30 } else { 24 << 20 }
}

fn times() -> u64 {
    if support::full() { 100 } else { 4 }
}

fn chunk(size: u64) -> u64 {
    (size / 16).min(50 << 20) + (64 << 10)
}

/// Two instances with a wire between them, and an archive that nobody sends yet.
fn world(more: &str) -> (World, Wire) {
    let world = World::of(&["jerry", "tom"]);
    let wire = Wire::to(world.instance("tom"));
    let over = Terms::peer(format!("url = '{}'\n{more}", wire.url()));
    world.pair_with(("jerry", over), ("tom", Terms::default()));
    let jerry = world.instance("jerry");
    jerry.tree("src/web", 4, size() / 4);
    jerry.job("web", "");
    jerry.settled();
    (world, wire)
}

#[track_caller]
fn is_whole(jerry: &Member, tom: &Member) {
    let there = arrived(jerry, tom, "web");
    assert_eq!(there["sha256"], archive_of(jerry, "web")["sha256"]);
    let file = there["file_name"].as_str().unwrap();
    assert_eq!(hash(tom, &format!("received/jerry/{file}")), there["sha256"].as_str().unwrap());
    // Nothing half is left.
    let incoming = std::fs::read_dir(tom.path("received/jerry/.incoming"));
    assert_eq!(incoming.map_or(0, Iterator::count), 0);
}

fn file_size(jerry: &Member) -> u64 {
    archive_of(jerry, "web")["file_size"].as_u64().unwrap()
}

#[test]
fn a_line_that_is_cut_costs_one_chunk_each_time() {
    let (world, wire) = world("");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let size = file_size(jerry);
    let before = wire.passed(Way::There);
    // Each time a chunk gets through: where none does five times, the peer counts as away.
    let cuts = times().min(12);
    let step = size / (cuts + 1);
    wire.cut_after(Way::There, step / 2);
    transfer(jerry, "web", &json!({ "peer": "tom" })).ok(202);
    for cut in 1..=cuts {
        jerry.wait("it is cut", || wire.cuts() >= cut);
        if cut < cuts {
            wire.cut_after(Way::There, step.min(chunk(size) * 3 / 2));
        }
    }
    is_whole(jerry, tom);
    assert_eq!(sent(jerry)["status"], "success");
    let passed = wire.passed(Way::There) - before;
    assert!(passed <= size + cuts * chunk(size) + OVERHEAD, "{passed} of {size}");
}

/// Kills one side when so much has passed, starts it again, and lets it go on.
fn killed_again_and_again(victim: &str) {
    let (world, wire) = world("");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let size = file_size(jerry);
    let before = wire.passed(Way::There);
    transfer(jerry, "web", &json!({ "peer": "tom" })).ok(202);
    let mut seed = size;
    let mut kills = 0;
    let is_there = || !tom.keeps_for("jerry").is_empty();
    while kills < times() && !is_there() {
        // No two kills meet the same moment.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = wire.passed(Way::There) + (seed >> 33) % chunk(size);
        // Slow enough to be met on its way.
        wire.limit(Some(size / 2));
        world.instance(victim).wait("something passes", || {
            wire.passed(Way::There) >= at || is_there() || !is_under_way(jerry)
        });
        world.instance(victim).kill();
        kills += 1;
        world.instance(victim).start();
        jerry.wait("tom answers", || {
            jerry.control(&Request::post("/api/v1/peers/tom/check", Body::Empty));
            presence(jerry) == "online"
        });
        if !is_under_way(jerry) {
            // 409 where the loop was faster.
            transfer(jerry, "web", &json!({ "peer": "tom" }));
        }
    }
    wire.limit(None);
    is_whole(jerry, tom);
    let passed = wire.passed(Way::There) - before;
    let most = size + kills * chunk(size) + OVERHEAD * (kills + 1);
    assert!(passed <= most, "{passed} of {size} after {kills} kills");
}

fn is_under_way(jerry: &Member) -> bool {
    sends(jerry).iter().any(|run| run["finished_at"].is_null())
}

#[test]
fn a_sender_that_is_killed_goes_on_where_it_stopped() {
    killed_again_and_again("jerry");
}

#[test]
fn a_receiver_that_is_killed_has_what_it_acknowledged() {
    killed_again_and_again("tom");
}

#[test]
fn a_run_that_is_cancelled_stops_at_once_and_the_next_goes_on() {
    let (world, wire) = world("");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let size = file_size(jerry);
    let before = wire.passed(Way::There);
    wire.limit(Some(size));
    transfer(jerry, "web", &json!({ "peer": "tom" })).ok(202);
    jerry.wait("half has passed", || wire.passed(Way::There) - before > size / 2);
    wire.stall();
    let id = sends(jerry)[0]["id"].to_string();
    jerry.ok(&["cancel", &id]);
    assert_eq!(sent(jerry)["status"], "cancelled");
    wire.resume();
    wire.limit(None);
    jerry.ok(&["archive", "send", "web@latest", "tom"]);
    assert!(sent(jerry).to_string().contains("sent from main to tom"), "{}", sent(jerry));
    is_whole(jerry, tom);
    let log = jerry.ok(&["log", &sends(jerry)[0]["id"].to_string()]);
    assert!(log.contains("goes on"), "{log}");
    let passed = wire.passed(Way::There) - before;
    // Two: the one that was stopped, and what was on its way in the buffers.
    assert!(passed <= size + 2 * chunk(size) + OVERHEAD, "{passed} of {size}");
}

#[test]
fn a_file_that_was_damaged_here_is_noticed_and_nothing_of_it_is_published() {
    let (world, _wire) = world("");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let file = format!("archives/{}", archive_of(jerry, "web")["file_name"].as_str().unwrap());
    let path = jerry.path(&file);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    transfer(jerry, "web", &json!({ "peer": "tom" })).ok(202);
    let run = sent(jerry);
    assert_eq!(run["status"], "error");
    assert!(run.to_string().contains("is corrupt"), "{run}");
    assert_eq!(archive_of(jerry, "web")["condition"], "corrupt");
    assert!(tom.archives().is_empty());
}

#[test]
fn a_transfer_is_no_faster_than_it_may_be() {
    let rate = 4 << 20;
    let (world, wire) = world("bandwidth = '4 MiB'");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    if support::full() {
        return;
    }
    let before = wire.passed(Way::There);
    let begun = std::time::Instant::now();
    transfer(jerry, "web", &json!({ "peer": "tom" })).ok(202);
    is_whole(jerry, tom);
    let passed = wire.passed(Way::There) - before;
    let most = begun.elapsed().as_secs_f64().mul_add(f64::from(rate), f64::from(rate));
    let passed = f64::from(u32::try_from(passed).unwrap());
    assert!(passed <= most + f64::from(u32::try_from(OVERHEAD).unwrap()), "{passed} > {most}");
}
