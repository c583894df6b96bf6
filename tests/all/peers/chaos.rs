//! Whatever breaks, and however often: what is sent arrives whole, and hardly anything is sent
//! twice.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{Body, Request};
use super::member::Member;
use super::wire::{Way, Wire};
use super::world::{Terms, World};
use crate::support::full;
use crate::walk::instance::sh;

/// What is sent at once.
const CHUNK: u64 = larder::model::upload::CHUNK;

/// How long nothing may happen before somebody asks for it.
const QUIET: Duration = Duration::from_secs(5);

/// A number that somebody gave to look at one case again.
fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A little chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = told("LARDER_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
        eprintln!("LARDER_SEED={seed}");
        Self(seed | 1)
    }

    /// Less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A source of so many MiB, no two of which are the same.
fn fill(member: &Member, mib: u64) {
    let mut block = vec![0x5a; 1 << 20];
    let path = member.source("src/big/content", b"");
    let mut file = std::fs::File::create(path).unwrap();
    for number in 0..mib {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).unwrap();
    }
}

/// What `tom` has of `jerry` that everybody sees.
fn kept(tom: &Member) -> Vec<Value> {
    let listed = tom.control_get("/api/v1/archives?location=received%2Fjerry");
    let mut archives = listed.as_array().unwrap().clone();
    archives.retain(|archive| archive["condition"] == "present");
    archives
}

/// No archive has its name before it is whole.
#[track_caller]
fn nothing_half_is_seen(jerry: &Member, tom: &Member) {
    for name in tom.keeps_for("jerry").iter().filter(|name| name.contains(".tar")) {
        let there = std::fs::metadata(tom.path("received/jerry").join(name)).unwrap();
        let here = std::fs::metadata(jerry.path("archives").join(name)).unwrap();
        assert_eq!((there.len(), there.blocks()), (here.len(), here.blocks()), "{name}");
    }
}

/// Somebody who asks for it when nothing happens: the pauses after many failures are long.
struct Pushes {
    passed: u64,
    since: Instant,
    count: u64,
}

impl Pushes {
    fn watch(&mut self, jerry: &Member, tom: &Member, wire: &Wire) {
        let passed = wire.passed(Way::There);
        if passed > self.passed + 100_000 {
            (self.passed, self.since) = (passed, Instant::now());
        } else if self.since.elapsed() > QUIET {
            self.since = Instant::now();
            self.count += 1;
            go_on(jerry, tom);
        }
    }
}

/// Sends what is missing now: what was under way when its sender was killed would wait a minute.
fn go_on(jerry: &Member, tom: &Member) {
    let there = kept(tom);
    for tar in jerry.tars() {
        let name = tar.strip_suffix(".tar").unwrap();
        if !there.iter().any(|archive| archive["name"] == name) {
            let path = format!("/api/v1/archives/{name}/transfer");
            let how = serde_json::json!({ "peer": "tom" });
            let status = jerry.control(&Request::post(&path, Body::Json(&how))).status;
            assert!(matches!(status, 202 | 409), "{status}");
        }
    }
}

fn sha256(path: &std::path::Path) -> String {
    let (dir, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
    sh(&format!("sha256sum {name}"), dir)[..64].to_owned()
}

#[test]
fn an_archive_arrives_whole_however_often_the_wire_is_cut_and_either_side_is_killed() {
    let (mib, interruptions, rate) =
        if full() { (1024, 300, 400 << 20) } else { (51, 4, 150 << 20) };
    let interruptions = told("LARDER_ROUNDS").unwrap_or(interruptions);
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let wire = Wire::to(tom);
    let over = Terms::peer(format!("url = '{}'", wire.url()));
    world.pair_with(("jerry", over), ("tom", Terms::default()));
    fill(jerry, mib);
    wire.limit(Some(rate));
    let mut chance = Chance::new();
    let begun = Instant::now();
    jerry.job("big", "send_to = ['tom']");

    let mut pushes = Pushes { passed: 0, since: Instant::now(), count: 0 };
    let mut done = 0;
    let mut archives = 1;
    let mut by_kind = [0; 3];
    while done < interruptions {
        let goal = wire.passed(Way::There) + chance.below(CHUNK * 11 / 10);
        let mut has_arrived = false;
        tom.wait("more of it is sent", || {
            pushes.watch(jerry, tom, &wire);
            has_arrived = wire.passed(Way::There) < goal && kept(tom).len() == archives;
            has_arrived || wire.passed(Way::There) >= goal
        });
        if has_arrived {
            // Sooner than it was interrupted often enough: another one.
            jerry.settled();
            jerry.ok(&["run", "big"]);
            archives += 1;
            continue;
        }
        let kind = usize::try_from(chance.below(3)).unwrap();
        match kind {
            0 => wire.cut(),
            1 => {
                tom.kill();
                nothing_half_is_seen(jerry, tom);
                tom.start();
            }
            _ => {
                jerry.kill();
                jerry.start();
                go_on(jerry, tom);
            }
        }
        nothing_half_is_seen(jerry, tom);
        by_kind[kind] += 1;
        done += 1;
        if done % 10 == 0 {
            eprintln!("{done} interruptions, {archives} archives, {:.0?}", begun.elapsed());
        }
    }
    // A gibibyte takes its time; that nothing happens is what must not last.
    while kept(tom).len() < archives {
        let before = wire.passed(Way::There);
        tom.wait("the rest is sent", || {
            pushes.watch(jerry, tom, &wire);
            wire.passed(Way::There) > before + CHUNK / 10 || kept(tom).len() == archives
        });
    }
    let took = begun.elapsed();
    jerry.settled();
    tom.settled();

    let mut size = 0;
    for archive in kept(tom) {
        let name = format!("{}.tar", archive["name"].as_str().unwrap());
        let (here, there) =
            (jerry.path("archives").join(&name), tom.path("received/jerry").join(&name));
        let hash = sha256(&here);
        assert_eq!(sha256(&there), hash, "{name}");
        assert_eq!(archive["sha256"], hash, "{name}");
        size += here.metadata().unwrap().len();
    }
    assert_eq!(kept(tom).len(), archives);
    assert_eq!(jerry.tars().len(), archives);
    let plan = jerry.ok(&["plan"]);
    assert!(!plan.contains("send"), "{plan}");
    let parts = sh("ls -A .incoming | wc -l", &tom.path("received/jerry"));
    assert_eq!(parts.trim(), "0");
    let passed = wire.passed(Way::There);
    // TLS, HTTP, and the questions of all the while.
    let around = passed / 50 + (1 << 20);
    assert!(
        passed < size + done * CHUNK + around,
        "{passed} bytes for {size}, with {done} interruptions"
    );
    let again = passed.saturating_sub(size);
    eprintln!(
        "{archives} archives, {size} bytes; cut, receiver and sender killed: {by_kind:?}; {again} \
         bytes sent again, {} of a hundred of a chunk each time; asked for {} times; {took:.1?}",
        again * 100 / (done.max(1) * CHUNK),
        pushes.count,
    );
}
