//! Killed, cancelled, timed out, started twice: what is there afterwards.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use larder::model::archive::Sha256;
use serde_json::Value;
use sha2::Digest as _;

use super::instance::{Instance, sh};
use crate::support::{full, patience};

const SLOW: &str = "[job.slow]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n\
     before = [[\"sh\", \"-c\", \"echo $$ > $OUT/before.pid; exec sleep 600\"]]\n\
     after = [\"echo after >> $OUT/after.log\"]\ncatch_up = \"now\"\nretries = 0\n";

pub(crate) fn slow(more: &str) -> Instance {
    let instance = Instance::new("");
    let out = instance.path("out");
    std::fs::create_dir_all(&out).unwrap();
    instance.source("src/file", b"content");
    instance
        .write("jobs.toml", &format!("{}{more}", SLOW.replace("$OUT", &out.display().to_string())));
    instance
}

pub(crate) fn is_alive(instance: &Instance) -> bool {
    let pid = std::fs::read_to_string(instance.path("out/before.pid")).unwrap_or_default();
    !pid.trim().is_empty() && std::path::Path::new("/proc").join(pid.trim()).exists()
}

pub(crate) fn after_ran(instance: &Instance) -> usize {
    std::fs::read_to_string(instance.path("out/after.log")).unwrap_or_default().lines().count()
}

#[test]
fn a_second_daemon_on_the_same_state_ends_with_code_75_within_a_second() {
    let instance = Instance::new("");
    let _first = instance.daemon();
    let start = Instant::now();
    let mut second = instance.spawn_daemon();
    assert_eq!(second.wait_for_exit(), Some(75));
    let took = start.elapsed();
    // The promise is for a machine that is not busy with all other tests.
    assert!(took < patience(Duration::from_secs(5)), "{took:?}");
    println!("second daemon ended after {took:?}");
}

#[test]
fn a_daemon_that_met_a_command_comes_up_when_that_is_done() {
    let instance = slow("");
    let mut command = instance.command(&["run", "slow"]);
    let mut command = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    instance.wait("the command before runs", || is_alive(&instance));
    assert_eq!(instance.spawn_daemon().wait_for_exit(), Some(75));
    let log = std::fs::read_to_string(instance.path("daemon.log")).unwrap();
    let holder = format!("another larder (process {}) has the state", command.id());
    assert!(log.contains(&holder), "{log}");
    // What the service manager does with such an end is up to the unit.
    let unit = include_str!("../../../systemd/larder.service");
    let has = |line: &str| unit.lines().any(|other| other == line);
    assert!(has("Restart=on-failure") && has("StartLimitIntervalSec=0") && has("RestartSec=5"));
    assert!(!unit.contains("RestartPreventExitStatus"));
    sh(&format!("kill -INT {}", command.id()), &instance.path("."));
    assert_eq!(command.wait().unwrap().code(), Some(1));
    instance.daemon().terminate();
}

#[test]
fn a_cancelled_run_stops_its_children_runs_after_and_leaves_nothing() {
    let instance = slow("");
    let _daemon = instance.daemon();
    instance.wait("the command before runs", || is_alive(&instance));
    let run = instance.json(&["runs", "--job", "slow"])[0]["id"].to_string();
    instance.ok(&["cancel", run.trim_matches('"')]);
    instance.wait("the run is over", || {
        instance.json(&["runs", "--job", "slow"])[0]["status"] == "cancelled"
    });
    assert!(!is_alive(&instance));
    assert_eq!(after_ran(&instance), 1);
    assert!(instance.tars().is_empty());
}

#[test]
fn a_hung_run_times_out_and_its_children_are_gone() {
    let instance = slow("timeout = \"2s\"\n");
    instance.fails(1, &["apply"]);
    assert!(!is_alive(&instance));
    assert_eq!(after_ran(&instance), 1);
    let runs = instance.runs();
    assert_eq!(runs[0]["status"], "error", "{runs:?}");
    assert!(runs[0]["summary"].as_str().unwrap().contains("time-out"), "{runs:?}");
}

#[test]
fn sigterm_ends_the_daemon_in_under_ten_seconds_and_the_run_is_interrupted() {
    let instance = slow("");
    let daemon = instance.daemon();
    instance.wait("the command before runs", || is_alive(&instance));
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(after_ran(&instance), 1);
    let runs = instance.json(&["runs", "--job", "slow"]);
    assert_eq!(runs[0]["status"], "interrupted", "{runs}");
}

#[test]
fn after_a_kill_the_run_is_interrupted_and_its_commands_after_are_made_up_for() {
    let instance = slow("");
    let daemon = instance.daemon();
    instance.wait("the command before runs", || is_alive(&instance));
    daemon.kill();
    sh("pkill -F out/before.pid || true", &instance.path("."));
    assert_eq!(after_ran(&instance), 0);
    instance.write(
        "jobs.toml",
        &std::fs::read_to_string(instance.path("etc/jobs.toml"))
            .unwrap()
            .replace("retries = 0", "retries = 0\nenabled = false"),
    );
    let _daemon = instance.daemon();
    instance.wait("the commands after run", || after_ran(&instance) == 1);
    let runs = instance.json(&["runs", "--job", "slow"]);
    assert!(runs.as_array().unwrap().iter().any(|run| run["status"] == "interrupted"), "{runs}");
}

/// A job whose command `after` hangs.
fn hanging_after() -> Instance {
    let instance = slow("");
    let toml = std::fs::read_to_string(instance.path("etc/jobs.toml")).unwrap();
    let hanging = toml.replace("after.log\"]", "after.log; exec sleep 600\"]");
    instance.write("jobs.toml", &hanging);
    instance
}

#[test]
fn a_command_after_that_hangs_keeps_the_daemon_neither_from_ending_nor_from_starting() {
    let instance = hanging_after();
    let daemon = instance.daemon();
    instance.wait("the command before runs", || is_alive(&instance));
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(after_ran(&instance), 1);
    let runs = instance.json(&["runs", "--job", "slow"]);
    assert_eq!(runs[0]["status"], "interrupted", "{runs}");
    assert_eq!(after_ran(&instance), 1, "a command that only asks ran it again");

    let daemon = instance.daemon();
    instance.wait("it is made up for", || after_ran(&instance) == 2);
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Kills the daemon at moments spread over its work, again and again, on one state.
#[test]
fn killed_at_any_moment_it_never_loses_or_half_makes_an_archive() {
    let kills: u64 = if full() { 1000 } else { 12 };
    let mut toml = String::new();
    for number in 0..20 {
        let _ = writeln!(
            toml,
            "[job.j{number}]\ntype = \"custom_dir\"\nsource_path = \"../src/{number}\"\nretries = 0"
        );
    }
    let instance = Instance::new(&toml);
    for number in 0..20 {
        instance.source(&format!("src/{number}/file"), &vec![7; 300_000]);
    }
    // What was acknowledged by a listing, and what was hashed and found right.
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let mut right: BTreeSet<String> = BTreeSet::new();
    let mut violations = Vec::new();
    for kill in 0..kills {
        let daemon = instance.daemon();
        for number in 0..3 {
            let job = format!("j{}", (kill + number) % 20);
            // Refused when it is queued already; whatever comes of it is looked at below.
            let asked = instance.larder(&["run", "--detach", &job]);
            assert!(matches!(asked.status.code(), Some(0 | 1)), "{asked:?}");
        }
        // Spread over the first tenth of a second of work: no promise, only a place to die.
        std::thread::park_timeout(Duration::from_millis(kill * 37 % 120));
        let listed =
            instance.larder(&["archive", "list", "--limit", "50", "--format", "json"]).stdout;
        daemon.kill();
        if let Ok(Value::Array(listed)) = serde_json::from_slice(&listed) {
            acknowledged.extend(listed.iter().map(|a| a["name"].as_str().unwrap().to_owned()));
        }
        for name in &acknowledged {
            if !instance.path(&format!("archives/{name}.tar")).exists() {
                violations.push(format!("kill {kill}: {name} is gone"));
            }
        }
        for tar in instance.tars() {
            let path = instance.path(&format!("archives/{tar}"));
            if right.contains(&tar) {
                continue;
            }
            let sidecar = std::fs::read(path.with_extension("larder.json"));
            let recorded = sidecar.ok().and_then(|text| serde_json::from_slice(&text).ok());
            let recorded = recorded.map(|json: Value| json["file_sha256"].clone());
            let real = Sha256(sha2::Sha256::digest(std::fs::read(&path).unwrap()).into());
            if recorded == Some(Value::String(real.to_string())) {
                right.insert(tar);
            } else {
                violations.push(format!("kill {kill}: {tar} is not what was recorded"));
            }
        }
    }
    println!("{kills} kills, {} archives, {} violations", right.len(), violations.len());
    assert!(violations.is_empty(), "{violations:#?}");
    let made = u64::try_from(right.len()).unwrap();
    assert!(made > kills / 4, "only {made} archives: the kills hit nothing");
    instance.ok(&["archive", "verify", "--all"]);
    let parts = std::fs::read_dir(instance.path("archives/.incoming")).map_or(0, Iterator::count);
    assert_eq!(parts, 0, "parts of killed runs were not swept");
}
