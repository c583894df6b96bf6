//! The configuration of a running daemon is swapped, torn, overrun and littered: no archive goes,
//! what was last good stays, and what is right again is in force soon.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::skipped;
use crate::walk::instance::{Daemon, Instance, sh};

/// What the user is promised, and what a busy machine may take on top of it.
const EDIT: Duration = Duration::from_secs(2);
const SWAP: Duration = Duration::from_secs(30);
const ALLOWANCE: Duration = Duration::from_secs(15);

fn job(name: &str) -> String {
    format!("[job.{name}]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n")
}

/// A job that is there and does nothing.
fn idle(name: &str) -> String {
    format!("{}enabled = false\n", job(name))
}

/// Two jobs that have run.
fn instance() -> Instance {
    let instance = Instance::new(&(job("one") + &job("two")));
    instance.source("src/file", b"content");
    instance.ok(&["apply"]);
    assert_eq!(instance.tars().len(), 2);
    instance
}

/// What a running daemon answers.
fn ask(instance: &Instance, path: &str) -> Value {
    let mut stream = UnixStream::connect(instance.path("control.sock")).unwrap();
    let request =
        format!("GET /api/v1/{path} HTTP/1.1\r\nHost: larder\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}

fn is_valid(instance: &Instance) -> bool {
    ask(instance, "health")["config"]["valid"] == true
}

fn generation(instance: &Instance) -> u64 {
    ask(instance, "health")["config"]["generation"].as_u64().unwrap()
}

fn jobs(instance: &Instance) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let after = names.last().map(|last| format!("?cursor={last}")).unwrap_or_default();
        let page = ask(instance, &format!("jobs{after}"));
        let page = page.as_array().unwrap();
        names.extend(page.iter().map(|job| job["name"].as_str().unwrap().to_owned()));
        if page.len() < 1_000 {
            return names;
        }
    }
}

fn has_job(instance: &Instance, name: &str) -> bool {
    jobs(instance).iter().any(|job| job == name)
}

/// Does something, and measures until it shows.
fn measure(
    instance: &Instance,
    what: &str,
    promised: Duration,
    act: impl FnOnce(),
    shows: impl Fn() -> bool,
) {
    act();
    let start = Instant::now();
    instance.wait(what, shows);
    let took = start.elapsed();
    println!("{what}: visible after {took:.1?}");
    assert!(took < promised + ALLOWANCE, "{what}: {took:?}");
}

/// An edit beside everything else, which shows that the directory is watched as it is now.
fn edits_still_show(instance: &Instance, name: &str) {
    let what = format!("an edit that adds `{name}`");
    let edit = || instance.write(&format!("{name}.toml"), &idle(name));
    measure(instance, &what, EDIT, edit, || has_job(instance, name));
}

/// The daemon is asked to look at everything again, and has looked: whatever it would delete
/// because of the configuration is gone then.
fn settle(instance: &Instance, daemon: &Daemon<'_>) {
    let before = ask(instance, "health")["at"].clone();
    daemon.signal("HUP");
    instance.wait("another look", || ask(instance, "health")["at"] != before);
}

#[test]
fn a_directory_that_is_removed_and_made_again_is_in_force_again() {
    let instance = instance();
    let before = instance.files();
    let daemon = instance.daemon();
    let base = fs::read(instance.path("etc/base.toml")).unwrap();
    let gone = || fs::remove_dir_all(instance.path("etc")).unwrap();
    measure(&instance, "rm -rf", SWAP, gone, || !is_valid(&instance));
    assert_eq!(jobs(&instance), ["one", "two"]);
    settle(&instance, &daemon);
    assert_eq!(instance.files(), before);
    let again = || {
        fs::create_dir(instance.path("etc")).unwrap();
        fs::write(instance.path("etc/base.toml"), &base).unwrap();
        instance.write("recovery.toml", "[recovery]\nconfiguration = false\n");
        instance.write("jobs.toml", &(job("one") + &job("two") + &idle("three")));
    };
    measure(&instance, "the directory made again", SWAP, again, || has_job(&instance, "three"));
    assert!(is_valid(&instance));
    edits_still_show(&instance, "four");
    settle(&instance, &daemon);
    assert_eq!(instance.files(), before);
}

#[test]
fn a_directory_that_is_swapped_for_another_one_is_in_force() {
    let instance = instance();
    let before = instance.files();
    let daemon = instance.daemon();
    sh("cp -a etc next", &instance.path(""));
    fs::write(instance.path("next/three.toml"), idle("three")).unwrap();
    let swap = || {
        sh("mv etc last && mv next etc", &instance.path(""));
    };
    measure(&instance, "mv", SWAP, swap, || has_job(&instance, "three"));
    edits_still_show(&instance, "four");
    settle(&instance, &daemon);
    assert_eq!(instance.files(), before);
}

#[test]
fn a_link_that_is_switched_is_in_force() {
    let instance = instance();
    let before = instance.files();
    // Both sides of the link are at the same depth, so that relative paths mean the same.
    sh("mv etc v1 && cp -a v1 v2 && ln -s v1 etc", &instance.path(""));
    fs::write(instance.path("v2/three.toml"), idle("three")).unwrap();
    let daemon = instance.daemon();
    let switch = || {
        sh("ln -s v2 next && mv -T next etc", &instance.path(""));
    };
    measure(&instance, "a switched link", SWAP, switch, || has_job(&instance, "three"));
    edits_still_show(&instance, "four");
    settle(&instance, &daemon);
    assert_eq!(instance.files(), before);
}

#[test]
fn a_checkout_of_a_thousand_files_is_one_reload() {
    let instance = instance();
    let before = instance.files();
    let etc = instance.path("etc");
    let git = "git -c user.name=jerry -c user.email=jerry@example.org";
    sh(&format!("{git} init -q -b main && {git} add . && {git} commit -qm base"), &etc);
    sh(&format!("{git} checkout -q -b many && mkdir jobs"), &etc);
    for number in 0..1_000 {
        let name = format!("j{number}");
        fs::write(etc.join(format!("jobs/{name}.toml")), idle(&name)).unwrap();
    }
    sh(&format!("{git} add . && {git} commit -qm many && {git} checkout -q main"), &etc);
    let daemon = instance.daemon();
    let first = generation(&instance);
    let checkout = || {
        sh(&format!("{git} checkout -q many"), &etc);
    };
    measure(&instance, "1 000 files", EDIT, checkout, || jobs(&instance).len() == 1_002);
    settle(&instance, &daemon);
    assert_eq!(generation(&instance), first + 1, "reloads of one checkout");
    // The way back takes most jobs away at once, which is no reason to delete anything.
    let back = || {
        sh(&format!("{git} checkout -q main"), &etc);
    };
    measure(&instance, "1 000 files less", EDIT, back, || jobs(&instance).len() == 2);
    settle(&instance, &daemon);
    assert_eq!(generation(&instance), first + 2);
    assert_eq!(instance.files(), before);
}

#[test]
fn torn_marked_and_huge_files_keep_what_was_last_good() {
    let instance = instance();
    let before = instance.files();
    let daemon = instance.daemon();
    let good = job("one") + &job("two");
    let half = good.split_at(good.len() - 12).0.to_owned();
    let marked = format!("<<<<<<< HEAD\n{good}=======\n{}>>>>>>> many\n", job("one"));
    let huge = "# not a configuration\n".repeat((100 << 20) / 22);
    for (what, torn) in [("half a file", half), ("merge markers", marked), ("100 MiB", huge)] {
        let tear = || instance.write("jobs.toml", &torn);
        measure(&instance, what, EDIT, tear, || !is_valid(&instance));
        assert_eq!(jobs(&instance), ["one", "two"], "{what}");
        settle(&instance, &daemon);
        assert_eq!(instance.files(), before, "{what}");
        let repair = || instance.write("jobs.toml", &good);
        measure(&instance, "the repair", EDIT, repair, || is_valid(&instance));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    println!("peak memory of the daemon: {peak}");
    let kilobytes: u64 = peak.split(' ').next().unwrap().parse().unwrap();
    assert!(kilobytes < 150 << 10, "{peak}");
}

#[test]
fn an_empty_configuration_deletes_nothing() {
    let instance = instance();
    let before = instance.files();
    let daemon = instance.daemon();
    let empty = || {
        fs::remove_file(instance.path("etc/jobs.toml")).unwrap();
    };
    measure(&instance, "every job gone", EDIT, empty, || jobs(&instance).is_empty());
    settle(&instance, &daemon);
    assert_eq!(instance.files(), before);
    let again = || instance.write("jobs.toml", &(job("one") + &job("two")));
    measure(&instance, "every job back", EDIT, again, || jobs(&instance).len() == 2);
    settle(&instance, &daemon);
    assert_eq!(instance.files(), before);
}

#[test]
fn a_command_whose_configuration_is_torn_touches_no_other_instance() {
    if let Some(why) = super::strace::missing() {
        skipped!("{why}");
    }
    let instance = instance();
    let before = instance.files();
    let base = fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    let refused = |what: &str, may_ask: bool| {
        let command = instance.command(&["run", "one"]);
        let struck = super::strace::watch(&command, "%file,connect", &instance.path("calls"));
        assert_eq!(struck.code, Some(1), "{}", struck.said);
        assert!(struck.said.contains(what), "{}", struck.said);
        let calls = fs::read_to_string(instance.path("calls")).unwrap();
        let usual = ["\"/var/lib/larder", "\"/run/larder"];
        let strays: Vec<&str> =
            calls.lines().filter(|line| usual.iter().any(|path| line.contains(path))).collect();
        // Whoever listens at the usual socket is only asked whose daemon it is.
        let asks = |line: &&str| may_ask && line.contains("connect(");
        let strays: Vec<&str> = strays.into_iter().filter(|line| !asks(line)).collect();
        assert!(strays.is_empty(), "{}", strays.join("\n"));
        assert_eq!(instance.files(), before);
    };
    for torn in [format!("<<<<<<< HEAD\n{base}=======\n"), "[instance".to_owned()] {
        instance.write("base.toml", &torn);
        refused("base.toml", false);
    }
    fs::remove_dir_all(instance.path("etc")).unwrap();
    refused("etc", true);
}
