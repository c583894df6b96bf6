//! A byte that flips on the disk: found, flagged, told, and no slot for what has it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{root_or_skip, say_skipped};
use crate::walk::instance::{Instance, sh, text};

#[test]
fn a_flipped_byte_is_found_fills_no_slot_and_is_told() {
    let instance = Instance::new(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../web\"\nretention = { mode = \"count\", value = 1 }\n",
    );
    instance.source("web/a", b"alpha");
    instance.ok(&["apply"]);
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let mut bytes = fs::read(&tar).unwrap();
    let at = bytes.windows(5).position(|window| window == b"alpha").unwrap();
    bytes[at] ^= 1;
    fs::write(&tar, bytes).unwrap();
    // It was read back 40 days ago, says the sidecar: an idle pass reads it again.
    let sidecar = sh("ls archives/*.larder.json", &instance.path(""));
    let sidecar = instance.path(sidecar.trim());
    let mut record: serde_json::Value =
        serde_json::from_slice(&fs::read(&sidecar).unwrap()).unwrap();
    record["verified_at"] = json!("2026-01-01T00:00:00Z");
    fs::write(&sidecar, record.to_string()).unwrap();
    fs::remove_dir_all(instance.path("state")).unwrap();
    let told = instance.fails(1, &["apply"]);
    assert!(told.contains("is corrupt"), "{told}");
    let archive = instance.archives()[0].clone();
    assert_eq!((&archive["condition"], &archive["good"]), (&json!("corrupt"), &json!(false)));
    let why = instance.ok(&["why", archive["name"].as_str().unwrap()]);
    assert!(why.contains("damaged"), "{why}");
    let status = instance.json(&["status"])[0].clone();
    assert_eq!(status["verdict"], "unprotected", "{status}");
    assert!(status["reasons"].to_string().contains("is damaged"), "{status}");
}

/// Bytes of a file in the page cache.
fn cached(path: &Path) -> Option<u64> {
    let output = Command::new("fincore").args(["-bnr", "-o", "RES"]).arg(path).output().ok()?;
    text(&output.stdout).trim().parse().ok()
}

/// The niceness and the class of input and output of every thread of a process.
fn threads(pid: u32) -> Vec<(i32, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let of = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        // Behind the name, which may have spaces: the state is the third field, niceness the 19th.
        let nice = stat.rsplit(')').next()?.split_whitespace().nth(16)?.parse().ok()?;
        let mut ionice = Command::new("ionice");
        let class = ionice.arg("-p").arg(task.file_name()).output().ok()?;
        Some((nice, text(&class.stdout).trim().to_owned()))
    };
    tasks.filter_map(of).collect()
}

/// An instance with an archive that takes longer to be read back than any test.
fn huge() -> Instance {
    // On a disk: what lies in memory cannot leave the page cache.
    let home = tempfile::Builder::new().prefix("larder-verify-").tempdir_in("/var/tmp").unwrap();
    let instance = Instance::below(
        home,
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../web\"\nschedule = \"0 0 1 1 *\"\n\
         catch_up = \"next\"\n[job.other]\ntype = \"custom_dir\"\nsource_path = \"../web\"\n\
         schedule = \"0 0 1 1 *\"\ncatch_up = \"next\"\n",
    );
    instance.source("web/a", b"alpha");
    instance.ok(&["run", "web"]);
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let size = 2_u64 << 40;
    fs::File::options().write(true).open(&tar).unwrap().set_len(size).unwrap();
    let sidecar = sh("ls archives/*.larder.json", &instance.path(""));
    let sidecar = instance.path(sidecar.trim());
    let mut record: Value = serde_json::from_slice(&fs::read(&sidecar).unwrap()).unwrap();
    record["verified_at"] = Value::Null;
    record["file_size"] = json!(size);
    fs::write(&sidecar, record.to_string()).unwrap();
    fs::remove_dir_all(instance.path("state")).unwrap();
    // It is the same machine.
    instance.ok(&["recover", "--done"]);
    instance
}

fn verification(instance: &Instance) -> Value {
    let mut runs = instance.runs().into_iter().filter(|run| run["kind"] == "verify");
    runs.next_back().unwrap_or_default()
}

#[test]
fn reading_back_leaves_the_disk_the_processor_and_the_lane_to_others() {
    root_or_skip!();
    let instance = huge();
    let warm = instance.source("warm", &vec![7; 20 << 20]);
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let daemon = instance.daemon();
    instance.wait("the verification runs", || verification(&instance)["status"] == "running");
    let first = verification(&instance)["id"].clone();
    // Two threads are as nice as can be, and the one that reads waits for everybody else's reads.
    instance.wait("nice threads", || {
        let nice = threads(daemon.pid()).into_iter().filter(|(nice, _)| *nice == 19);
        let classes: Vec<String> = nice.map(|(_, class)| class).collect();
        classes.len() == 2 && classes.iter().any(|class| class == "idle")
    });
    let others = threads(daemon.pid()).into_iter().filter(|(nice, _)| *nice == 0);
    assert!(others.clone().count() > 1 && others.into_iter().all(|(_, class)| class != "idle"));
    // Much of it was read, little of it stays; what somebody works with stays.
    instance.wait("much is read", || {
        let path = format!("/proc/{}/io", daemon.pid());
        let io = fs::read_to_string(path).unwrap();
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        read.unwrap().parse::<u64>().unwrap() > 256 << 20
    });
    match (cached(&tar), cached(&warm)) {
        (Some(of_archive), Some(of_warm)) => {
            assert!(of_archive < 64 << 20, "{of_archive} bytes of the archive are cached");
            assert_eq!(of_warm, 20 << 20);
        }
        _ => say_skipped("there is no fincore"),
    }
    // A backup does not wait for it, and it goes on behind the backup.
    let began = Instant::now();
    instance.ok(&["run", "other"]);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "the backup waited {took:?}");
    instance.wait("it goes on", || verification(&instance)["status"] == "running");
    assert_eq!(verification(&instance)["id"], first);
    let log = instance.ok(&["log", &first.to_string()]);
    assert!(log.contains("gives way to run") && log.contains("(backup)"), "{log}");
    assert!(log.contains("goes on behind"), "{log}");
    let failed = |run: &Value| run["status"] != "success" && run["status"] != "running";
    let runs = instance.runs();
    let failed: Vec<&Value> = runs.iter().filter(|run| failed(run)).collect();
    assert!(failed.iter().all(|run| run["status"] == "queued"), "{failed:?}");
    // How long it took in truth, without the start of a program: from the asking to its beginning.
    let backup = runs.iter().find(|run| run["kind"] == "backup").unwrap();
    let at = |key: &str| backup[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let waited = at("started_at").duration_since(at("queued_at"));
    println!("the backup waited {waited:#} for its lane, {took:?} in all");
    assert!(waited < jiff::SignedDuration::from_secs(10), "{waited:#}");
    // Cancelled, it is over.
    instance.ok(&["cancel", &first.to_string()]);
    instance.wait("the end", || verification(&instance)["status"] == "cancelled");
    daemon.terminate();
}
