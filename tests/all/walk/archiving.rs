//! From TOML to archives.

use std::fmt::Write as _;
use std::path::Path;

use super::instance::{Instance, TmpFs, sh, text};
use crate::support::full;

const NOTES: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n";

fn with_notes(toml: &str) -> Instance {
    let instance = Instance::new(&format!("{NOTES}{toml}"));
    instance.source("notes/a.txt", b"alpha");
    instance.source("notes/deep/b.txt", &vec![b'b'; 70_000]);
    instance
}

#[test]
fn apply_archives_what_is_due_and_ends_with_a_table_of_what_was_made() {
    let instance = with_notes("");
    let output = instance.ok(&["apply"]);
    let archives = instance.archives();
    assert_eq!(archives.len(), 1);
    let name = archives[0]["name"].as_str().unwrap();
    assert!(output.contains(name), "{output}");
    assert_eq!(instance.tars(), [format!("{name}.tar")]);
    assert!(instance.files().contains(&format!("{name}.info.json")));
    assert!(instance.files().contains(&format!("{name}.larder.json")));

    let out = instance.path("out");
    std::fs::create_dir(&out).unwrap();
    sh(&format!("tar -xpf ../archives/{name}.tar"), &out);
    let unpacked = out.join("data/custom").join(instance.path("notes").strip_prefix("/").unwrap());
    sh(&format!("diff -r {} {}", unpacked.display(), instance.path("notes").display()), &out);
}

#[test]
fn a_second_apply_changes_nothing() {
    let instance = with_notes("");
    instance.ok(&["apply"]);
    let before = instance.files();
    instance.ok(&["apply"]);
    assert_eq!(instance.files(), before);
    assert!(instance.ok(&["plan", "--exit-code"]).contains("wake at"));
}

#[test]
fn a_plan_says_what_will_happen_and_why_before_anything_happens() {
    let instance = with_notes("");
    let plan = instance.fails(5, &["plan", "--exit-code"]);
    assert!(
        plan.contains("backup") && plan.contains("notes") && plan.contains("jobs.toml:1"),
        "{plan}"
    );
    assert!(instance.files().is_empty());
}

#[test]
fn archives_of_one_day_get_names_of_their_own_and_none_is_replaced() {
    let instance = with_notes("");
    for _ in 0..3 {
        instance.ok(&["run", "notes"]);
    }
    let tars = instance.tars();
    assert_eq!(tars.len(), 3);
    assert!(tars.iter().any(|name| name.ends_with("-2.tar")));
    assert!(tars.iter().any(|name| name.ends_with("-3.tar")));
}

#[test]
fn an_encrypted_archive_opens_with_the_age_tool_alone() {
    let instance = with_notes("");
    let new_identity = |file: &str| {
        let identity = instance.ok(&["identity", "new"]);
        std::fs::write(instance.path(file), &identity).unwrap();
        let mut words = identity.split_whitespace();
        words.find(|word| word.starts_with("age1")).expect("it names the recipient").to_owned()
    };
    let (daily, paper) = (new_identity("daily.txt"), new_identity("paper.txt"));
    instance.write(
        "recovery.toml",
        &format!("[recovery]\nconfiguration = false\nrecipients = [\"{paper}\"]\n"),
    );
    instance.write(
        "zstd.toml",
        &format!("[location.cold]\npath = \"../cold\"\ncompress = \"zstd\"\nmin_free = \"1 MiB\"\nencrypt_to = [\"{daily}\"]\n"),
    );
    instance.write("jobs.toml", &format!("{NOTES}location = \"cold\"\n"));
    instance.ok(&["apply"]);
    // The recovery recipients open everything that is encrypted.
    for key in ["daily", "paper"] {
        let out = instance.path(key);
        std::fs::create_dir(&out).unwrap();
        sh(&format!("age -d -i ../{key}.txt ../cold/*.tar.zst.age | zstd -d | tar -x"), &out);
        let unpacked =
            out.join("data/custom").join(instance.path("notes").strip_prefix("/").unwrap());
        sh(&format!("diff -r {} ../notes", unpacked.display()), &out);
        assert!(out.join("RESTORE.txt").exists());
    }
}

#[test]
fn copies_go_to_another_location_and_count_when_it_is_another_disk() {
    let instance = with_notes("send_to = [\"second\"]\nprotect = { copies = 2 }\n");
    std::fs::create_dir(instance.path("second")).unwrap();
    let mounted = TmpFs::mount(&instance.path("second"));
    instance.write(
        "second.toml",
        "[location.second]\npath = \"../second\"\ncompress = \"gzip\"\nmin_free = \"1 MiB\"\n",
    );
    instance.ok(&["apply"]);
    let archives = instance.archives();
    assert_eq!(archives.len(), 2, "{archives:?}");
    assert_eq!(archives[0]["id"], archives[1]["id"]);
    sh("tar -tzf *.tar.gz | grep -q RESTORE.txt", &instance.path("second"));
    let status = instance.json(&["status"]);
    if mounted.is_some() {
        assert_eq!(status[0]["verdict"], "protected", "{status}");
    } else {
        println!("skipped: no second file system; one disk is one copy");
        assert_eq!(status[0]["verdict"], "at risk", "{status}");
    }
}

#[test]
fn commands_run_around_the_reading_and_after_runs_even_when_before_fails() {
    let instance = with_notes(
        "before = [[\"sh\", \"-c\", \"echo stopped >> ../notes.log; exit 3\"]]\n\
         after = [\"echo started >> $LARDER_TEST_LOG\"]\ncatch_up = \"now\"\nretries = 0\n",
    );
    let log = instance.path("commands.log");
    let output = instance.command(&["apply"]).env("LARDER_TEST_LOG", &log).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "started\n");
    assert!(instance.tars().is_empty());
    let runs = instance.runs();
    assert_eq!(runs[0]["status"], "error");
}

#[test]
fn a_source_that_cannot_be_read_whole_gives_a_partial_archive_that_says_so() {
    if is_root() {
        crate::support::skipped!("root can read everything");
    }
    let instance = with_notes("");
    let path = instance.source("notes/closed", b"x");
    sh(&format!("chmod 000 {}", path.display()), Path::new("/"));
    instance.ok(&["apply"]);
    assert_eq!(instance.archives()[0]["outcome"], "partial");
}

fn is_root() -> bool {
    sh("id -u", Path::new("/")).trim() == "0"
}

#[test]
fn an_empty_source_makes_a_suspect_archive_that_displaces_nothing() {
    let instance = Instance::new(NOTES);
    std::fs::create_dir(instance.path("notes")).unwrap();
    instance.ok(&["apply"]);
    let archives = instance.archives();
    assert_eq!(archives[0]["outcome"], "suspect");
    let status = instance.json(&["status"]);
    assert_ne!(status[0]["verdict"], "protected");
}

#[test]
fn a_source_that_shrinks_under_its_alarm_makes_a_suspect_archive_and_a_smaller_one_does_not() {
    let of = |name: &str, more: &str| {
        format!("[job.{name}]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n{more}\n")
    };
    let instance =
        Instance::new(&format!("{}{}", of("usual", ""), of("loose", "shrink_alarm = \"10%\"")));
    let outcomes = |size: usize| {
        instance.source("notes/data", &vec![b'x'; size]);
        instance.ok(&["run", "usual", "loose"]);
        let archives = instance.archives();
        ["usual", "loose"].map(|job| {
            let of_job = archives.iter().filter(|archive| archive["job"] == job);
            let newest = of_job.max_by_key(|archive| archive["created_at"].to_string()).unwrap();
            (newest["outcome"].as_str().unwrap().to_owned(), newest["reasons"].to_string())
        })
    };
    let good = ("good".to_owned(), "[]".to_owned());
    assert_eq!(outcomes(100_000), [good.clone(), good.clone()]);
    assert_eq!(outcomes(60_000), [good.clone(), good.clone()]);
    // The usual is the upper one of two middles: 100 000.
    let [usual, loose] = outcomes(49_999);
    assert_eq!(usual.0, "suspect");
    assert!(usual.1.contains("under 50% of the usual"), "{}", usual.1);
    assert_eq!(loose, good);
    // What is suspect does not make less the usual.
    assert_eq!(outcomes(49_999)[0].0, "suspect");
    assert_eq!(outcomes(5_000).map(|outcome| outcome.0), ["suspect", "suspect"]);
}

#[test]
fn many_jobs_due_at_one_minute_all_run_and_none_overlaps() {
    // Each run is followed by a plan over all of them: the time grows with the square.
    let count = if crate::support::full() { 200 } else { 40 };
    let mut toml = String::new();
    for number in 0..count {
        let _ = writeln!(
            toml,
            "[job.j{number}]\ntype = \"custom_dir\"\nsource_path = \"../src/{number}\""
        );
    }
    let instance = Instance::new(&toml);
    for number in 0..count {
        instance.source(&format!("src/{number}/file"), format!("{number}").as_bytes());
    }
    instance.ok(&["apply"]);
    let runs = instance.json(&["runs", "--limit", "2000"]);
    let mut spans: Vec<(String, String)> = runs
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["kind"] == "backup")
        .map(|run| {
            assert_eq!(run["status"], "success", "{run}");
            let time = |key: &str| run[key].as_str().unwrap().to_owned();
            (time("started_at"), time("finished_at"))
        })
        .collect();
    assert_eq!(spans.len(), count);
    spans.sort();
    for pair in spans.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two runs overlap: {pair:?}");
    }
    assert_eq!(instance.tars().len(), count);
}

#[test]
fn a_million_small_files_in_one_job_cost_no_more_memory_than_a_few() {
    let files: u32 = if full() { 1_000_000 } else { 20_000 };
    // On a disk: each of them takes a page of it.
    let dir = tempfile::Builder::new().prefix("larder-many-").tempdir_in("/var/tmp").unwrap();
    let instance =
        Instance::below(dir, "[job.many]\ntype = \"custom_dir\"\nsource_path = \"../many\"\n");
    for number in 0..files {
        let dir = instance.path(&format!("many/{:05}", number / 500));
        if number % 500 == 0 {
            std::fs::create_dir_all(&dir).unwrap();
        }
        std::fs::write(dir.join(format!("file-{number:09}")), number.to_string()).unwrap();
    }
    let daemon = instance.daemon();
    instance.ok(&["run", "many"]);
    // Reading it back is part of it.
    instance.wait("the archive was read back", || {
        let archives = instance.archives();
        !archives.is_empty() && archives.iter().all(|archive| !archive["verified_at"].is_null())
    });
    assert_eq!(instance.archives()[0]["counts"]["files"], files);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{files} files: {peak} KiB");
    assert!(peak < 100 * 1024, "{files} files: {peak} KiB");
}
