//! `/events`, followed with curl: what happens, what was missed, and the end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::skipped;
use crate::walk::instance::Instance;

/// Bounds a test that failed.
const PATIENCE: Duration = Duration::from_mins(1);

const WEB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\n\
                   [job.other]\ntype = \"custom_dir\"\nsource_path = \"../www\"\n";

/// One event.
#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// A client that follows; gone when it is dropped.
struct Follower {
    curl: Child,
    lines: Receiver<String>,
    /// The last id that was said.
    last: String,
}

impl Follower {
    fn new(instance: &Instance, query: &str, last: Option<&str>) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--no-buffer", "--unix-socket"]).arg(instance.path("control.sock"));
        if let Some(last) = last {
            curl.arg("--header").arg(format!("Last-Event-ID: {last}"));
        }
        curl.arg(format!("http://larder/api/v1/events{query}")).stdout(Stdio::piped());
        let mut curl = curl.spawn().unwrap();
        let lines = read(curl.stdout.take().unwrap());
        let mut follower = Self { curl, lines, last: String::new() };
        // The first lines say that it is there.
        assert_eq!(follower.line().unwrap(), "retry: 3000");
        let rest = follower.line().unwrap();
        if let Some(id) = rest.strip_prefix("id: ") {
            id.clone_into(&mut follower.last);
            assert_eq!(follower.line().unwrap(), "");
        }
        follower
    }

    /// The next line; `None` at the end.
    fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing happens"),
        }
    }

    /// The next event; `None` at the end.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), id: String::new(), data: Value::Null };
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("id", id)) => id.clone_into(&mut event.id),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                Some(other) => panic!("{other:?}"),
                None if line == ":" => {}
                None if event.name.is_empty() => {}
                None => break,
            }
        }
        self.last.clone_from(&event.id);
        Some(event)
    }

    /// Events up to the one that is waited for, that one included.
    fn until(&mut self, what: &str, is_it: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut all = Vec::new();
        loop {
            let event = self.next().unwrap_or_else(|| panic!("ended before {what}: {all:#?}"));
            all.push(event.clone());
            if is_it(&event) {
                return all;
            }
        }
    }

    fn until_finished(&mut self, job: &str) -> Vec<Event> {
        self.until("the end of a run", |event| {
            event.name == "finished"
                && event.data["job_id"] == job
                && event.data["kind"] == "backup"
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

fn read(from: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn instance() -> Instance {
    let instance = Instance::new(WEB);
    instance.source("www/index.html", b"<h1>hello</h1>");
    // What a new job does at once is over before anybody follows.
    instance.ok(&["run", "web", "other"]);
    instance
}

fn of_runs(events: &[Event], job: &str) -> Vec<String> {
    let of = |event: &&Event| event.data["job_id"] == job && event.data["kind"] == "backup";
    events.iter().filter(of).map(|event| event.name.clone()).filter(|n| n != "progress").collect()
}

macro_rules! curl_or_skip {
    () => {
        if Command::new("curl").arg("--version").output().is_err() {
            skipped!("curl is not installed");
        }
    };
}

#[test]
fn a_run_is_told_from_its_place_in_the_queue_to_its_end_and_again_to_who_was_away() {
    curl_or_skip!();
    let instance = instance();
    let daemon = instance.daemon();
    let mut follower = Follower::new(&instance, "", None);
    let start = follower.last.clone();
    instance.ok(&["run", "web"]);
    let events = follower.until_finished("web");
    assert_eq!(of_runs(&events, "web"), ["queued", "started", "finished"], "{events:#?}");
    let end = events.last().unwrap().clone();
    assert_eq!(end.data["status"], "success");
    assert_eq!(end.data["log_text"], Value::Null);
    let shown = instance.json(&["runs", "--limit", "100"]);
    let listed = shown.as_array().unwrap().iter().find(|run| run["id"] == end.data["id"]).unwrap();
    assert_eq!(listed, &end.data);

    // Away while another run begins and ends.
    let seen = follower.last.clone();
    drop(follower);
    instance.ok(&["run", "other"]);
    let mut again = Follower::new(&instance, "", Some(&seen));
    let missed = again.until_finished("other");
    assert_eq!(of_runs(&missed, "other"), ["queued", "started", "finished"], "{missed:#?}");
    assert!(of_runs(&missed, "web").is_empty());
    let numbers: Vec<u64> = missed
        .iter()
        .filter(|event| event.name != "progress")
        .map(|event| event.id.rsplit_once('-').unwrap().1.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");

    // From the start, of one job only.
    let mut filtered = Follower::new(&instance, "?job=other&kind=backup", Some(&start));
    let events = filtered.until_finished("other");
    assert!(events.iter().all(|event| event.data["job_id"] == "other"), "{events:#?}");

    let mut stranger = Follower::new(&instance, "", Some("000000000000-5"));
    assert_eq!(stranger.next().unwrap().name, "reset");

    // The streams end with the daemon, and do not hold it up.
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");
    for mut follower in [again, filtered, stranger] {
        while follower.next().is_some() {}
        assert_eq!(follower.curl.wait().unwrap().code(), Some(0), "the stream was torn off");
    }
}

#[test]
fn an_edit_is_told_and_what_it_does_to_the_verdicts() {
    curl_or_skip!();
    let instance = instance();
    let _daemon = instance.daemon();
    let mut follower = Follower::new(&instance, "", None);
    instance.write("broken.toml", "[job.");
    let broken = follower.until("the mistake", |event| event.name == "config");
    assert_eq!(broken.last().unwrap().data["valid"], false);
    std::fs::remove_file(instance.path("etc/broken.toml")).unwrap();
    follower.until("the correction", |event| event.name == "config" && event.data["valid"] == true);
    instance.write("new.toml", "[job.new]\ntype = \"custom_dir\"\nsource_path = \"../nothing\"\n");
    let added = follower
        .until("the new job", |event| event.name == "view" && event.data["unprotected"] == 1);
    assert_eq!(added.last().unwrap().data["protected"], 2, "{added:#?}");
}

#[test]
fn what_is_no_filter_is_refused_and_there_is_room_for_so_many() {
    curl_or_skip!();
    let instance = instance();
    let _daemon = instance.daemon();
    let ask = |query: &str| {
        let line = format!(
            "curl -s -m 5 -o /dev/null -w '%{{http_code}}' --unix-socket control.sock 'http://larder/api/v1/events{query}' || true"
        );
        crate::walk::instance::sh(&line, &instance.path(""))
    };
    assert_eq!(ask("?kind=odd"), "400");
    assert_eq!(ask("?job=../etc"), "400");
    let mut followers: Vec<_> = (0..64).map(|_| Follower::new(&instance, "", None)).collect();
    assert_eq!(ask(""), "503");
    followers.pop();
    instance.wait("the one that left is forgotten", || ask("?kind=drill") == "200");
}
