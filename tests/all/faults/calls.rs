//! Errors and death at the n-th system call: an error is told, a success is true, what was there
//! before is untouched, and the next run is as if nothing had happened.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::strace::{self, Fault, Point, Struck};
use crate::support::sample::{sha256, tree};
use crate::support::{full, skipped};
use crate::walk::instance::Instance;

const JOBS: &str = "[location.second]\npath = \"../second\"\ncompress = \"zstd\"\nmin_free = \"1 MiB\"\n\
     [job.one]\ntype = \"custom_dir\"\nsource_path = \"../src/one\"\nsend_to = [\"second\"]\nretries = 0\n\
     [job.two]\ntype = \"custom_dir\"\nsource_path = \"../src/two\"\nretries = 0\n";

/// Where archives are.
const PLACES: [&str; 2] = ["archives", "second"];

type Tree = BTreeMap<String, Vec<u8>>;

fn empty() -> Instance {
    Instance::below(crate::support::dir(), "")
}

/// An instance with archives of one job; the other one is due.
fn template() -> Instance {
    let instance = Instance::below(crate::support::dir(), JOBS);
    instance.source("src/one/a", &[b'a'; 5_000]);
    instance.source("src/one/deep/b", &vec![b'b'; 90_000]);
    instance.source("src/two/c", b"content of c");
    instance.ok(&["apply", "--job", "one"]);
    instance.ok(&["run", "one"]);
    instance
}

fn copy_of(template: &Instance) -> Instance {
    let copy = empty();
    let status = Command::new("cp")
        .args(["-a", "--sparse=always"])
        .arg(template.path("."))
        .arg(copy.path("."))
        .status();
    assert!(status.unwrap().success());
    copy
}

fn places(instance: &Instance) -> Vec<(&'static str, Tree)> {
    let there = PLACES.into_iter().filter(|place| instance.path(place).exists());
    there.map(|place| (place, tree(&instance.path(place)))).collect()
}

fn is_tar(name: &str) -> bool {
    !name.starts_with('.') && name.contains(".tar")
}

fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn sidecar(files: &Tree, name: &str) -> Option<serde_json::Value> {
    serde_json::from_slice(files.get(&format!("{}.larder.json", stem(name)))?).ok()
}

/// What holds at any moment: nothing that was there has changed, and what has a final name is
/// whole.
fn whole(instance: &Instance, before: &[(&str, Tree)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, old) in before {
        let now = tree(&instance.path(place));
        // Our description of an archive also says when it was last read back.
        let kept = |name: &str| is_tar(name) || name.ends_with(".info.json");
        for (name, content) in old.iter().filter(|(name, _)| kept(name)) {
            if now.get(name) != Some(content) {
                wrong.push(format!("{place}/{name} has changed"));
            }
        }
        for (name, content) in now.iter().filter(|(name, _)| is_tar(name)) {
            let recorded = sidecar(&now, name).map(|sidecar| sidecar["file_sha256"].clone());
            if recorded != Some(sha256(content).to_string().into()) {
                wrong.push(format!("{place}/{name} is not what is recorded: {recorded:?}"));
            }
        }
    }
    wrong
}

/// The names of the archives that were made since, at the first place.
fn made<'a>(now: &'a Tree, before: &[(&str, Tree)]) -> Vec<&'a String> {
    now.keys().filter(|name| is_tar(name) && !before[0].1.contains_key(*name)).collect()
}

/// A success is one: the archive is there, what it calls good has every file whole, and what it
/// calls otherwise was told so.
fn honest(instance: &Instance, struck: &Struck, before: &[(&str, Tree)], job: &str) -> Vec<String> {
    let now = tree(&instance.path("archives"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for name in made(&now, before) {
        let Some(sidecar) = sidecar(&now, name) else { continue };
        if sidecar["outcome"] == "good" {
            let source = tree(&instance.path("src").join(sidecar["job"].as_str().unwrap_or("?")));
            wrong.extend(missing(&now[name], &source).map(|what| format!("{name} lacks {what}")));
        } else if !struck.said.contains(sidecar["outcome"].as_str().unwrap_or("?")) {
            wrong.push(format!("nobody said that {name} is {}", sidecar["outcome"]));
        }
        seen += usize::from(sidecar["job"] == job);
    }
    if struck.code == Some(0) && seen == 0 {
        wrong.push("success without an archive".to_owned());
    }
    wrong
}

/// The first file of a source that an archive does not hold as it is.
fn missing(archive: &[u8], source: &Tree) -> Option<String> {
    let mut held = Tree::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        held.insert(path, content);
    }
    let files = source.iter().filter(|(name, _)| !name.ends_with('/'));
    let mut lacking = files.filter(|(name, content)| {
        !held.iter().any(|(path, held)| path.ends_with(*name) && held == *content)
    });
    lacking.next().map(|(name, _)| name.clone())
}

/// The next run is as if nothing had happened, and nothing is left over.
fn recovers(instance: &Instance) -> Vec<String> {
    let mut wrong = Vec::new();
    let output = instance.larder(&["run", "one"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        wrong.push(format!("the next run ended with {}: {said}", output.status));
    }
    for (place, files) in places(instance) {
        for name in files.keys().filter(|name| !name.starts_with('.')) {
            let tars = files.keys().filter(|tar| is_tar(tar) && stem(tar) == stem(name)).count();
            let sidecars = [".info.json", ".larder.json"]
                .map(|ending| files.contains_key(&format!("{}{ending}", stem(name))));
            if tars != 1 || sidecars != [true, true] {
                wrong.push(format!("{place}/{name} is left alone"));
            }
        }
        let hidden = files.keys().filter(|name| name.starts_with('.'));
        let parts = hidden
            .filter(|name| ![".incoming/", ".trash/", ".larder-location"].contains(&name.as_str()));
        wrong.extend(parts.map(|name| format!("{place}/{name} is left over")));
    }
    for entry in std::fs::read_dir(instance.path("state")).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "logs" && name != "state.redb" && name != "holder" {
            wrong.push(format!("state/{} is there", name.display()));
        }
    }
    wrong
}

/// What is wrong at a point; `None` when the point was not reached.
fn violations(template: &Instance, work: Work, point: &Point, log: &Path) -> Option<Vec<String>> {
    let instance = copy_of(template);
    let before = places(&instance);
    let struck = strace::strike(&instance.command(work.arguments), point, log);
    if !struck.counts() {
        return None;
    }
    let mut wrong = Vec::new();
    if struck.said.contains("panicked") {
        wrong.push("it panicked".to_owned());
    }
    if struck.code.is_none() && point.fault != Fault::Kill {
        wrong.push("it did not end".to_owned());
    }
    if point.fault == Fault::Once("EINTR") && struck.code != Some(0) {
        wrong.push("an interrupted call was taken for an error".to_owned());
    }
    if struck.code.is_some_and(|code| code != 0) && !struck.said.contains("error") {
        wrong.push("it failed without a word".to_owned());
    }
    wrong.extend(whole(&instance, &before));
    wrong.extend(honest(&instance, &struck, &before, work.job));
    wrong.extend(recovers(&instance));
    wrong.extend(whole(&instance, &before));
    if !wrong.is_empty() {
        wrong.push(format!(
            "exit {:?}\n{}\n{}",
            struck.code,
            struck.said,
            struck.failed.join("\n")
        ));
    }
    Some(wrong)
}

/// A command and the job that it backs up.
#[derive(Debug, Clone, Copy)]
struct Work {
    arguments: &'static [&'static str],
    job: &'static str,
}

const WORKS: [Work; 2] =
    [Work { arguments: &["run", "one"], job: "one" }, Work { arguments: &["apply"], job: "two" }];

/// Strikes about so many of the points, spread over all of them.
fn strike(kind: &str, wanted: usize, chosen: impl Fn(&Point) -> bool) {
    if let Some(why) = strace::missing() {
        skipped!("{why}");
    }
    let template = template();
    let logs = crate::support::dir();
    let mut all = Vec::new();
    for work in WORKS {
        let instance = copy_of(&template);
        let command = instance.command(work.arguments);
        let points = strace::points(&command, &instance.path(""), &logs.path().join("points"));
        all.extend(points.into_iter().filter(&chosen).map(|point| (work, point)));
    }
    let possible = all.len();
    let picked: Vec<_> =
        (0..wanted.min(possible)).map(|n| &all[n * possible / wanted.min(possible)]).collect();
    let (next, struck) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let log = logs.path().join(worker.to_string());
            let (picked, next, struck, wrong, template) =
                (&picked, &next, &struck, &wrong, &template);
            scope.spawn(move || {
                while let Some((work, point)) = picked.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(found) = violations(template, *work, point, &log) else { continue };
                    struck.fetch_add(1, Ordering::Relaxed);
                    if !found.is_empty() {
                        let text =
                            format!("{:?} {point}:\n  {}", work.arguments, found.join("\n  "));
                        println!("{text}");
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let (struck, wrong) = (struck.into_inner(), wrong.into_inner().unwrap());
    println!("{kind}: {struck} of {possible} points, {} violations", wrong.len());
    assert!(struck * 2 >= picked.len(), "only {struck} of {} points were reached", picked.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Only the state is read and written by place.
fn is_of_state(point: &Point) -> bool {
    matches!(point.call.as_str(), "pread64" | "pwrite64" | "fdatasync" | "ftruncate")
}

fn is_error(point: &Point) -> bool {
    !matches!(point.fault, Fault::Kill | Fault::Once("EINTR"))
}

#[test]
fn a_system_call_that_fails_is_told_and_harms_nothing() {
    let wanted = if full() { 600 } else { 24 };
    strike("failing system calls", wanted, |point| is_error(point) && !is_of_state(point));
}

#[test]
fn a_state_that_fails_is_told_and_harms_nothing() {
    let wanted = if full() { 300 } else { 8 };
    strike("failing calls of the state", wanted, |point| is_error(point) && is_of_state(point));
}

#[test]
fn an_interrupted_system_call_is_made_again() {
    let wanted = if full() { 300 } else { 8 };
    strike("interrupted system calls", wanted, |point| point.fault == Fault::Once("EINTR"));
}

#[test]
fn death_before_a_system_call_harms_nothing() {
    let wanted = if full() { 200 } else { 8 };
    strike("deaths before system calls", wanted, |point| point.fault == Fault::Kill);
}
