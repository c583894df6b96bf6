//! Retention, the brake, the trash, and a state that was lost.

use std::path::Path;

use super::instance::{Instance, sh, text};

const JOB: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\nretention = { mode = \"count\", value = 2 }\n";

/// An instance with `count` archives of the job `notes`, one a day, made elsewhere and found here:
/// the first is real, the others are copies of it with an id and a date of their own.
pub(crate) fn with_old_archives(count: usize) -> Instance {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    let script = r#"
import json, glob, shutil, uuid, sys, datetime
count = int(sys.argv[1])
base = glob.glob("archives/*.larder.json")[0][:-len(".larder.json")]
side = json.load(open(base + ".larder.json"))
made = datetime.datetime.fromisoformat(side["created_at"].replace("Z", "+00:00"))
for n in range(1, count):
    then = made - datetime.timedelta(days=n)
    name = "jerry_notes_" + then.strftime("%Y%m%d")
    copy = dict(side, id=str(uuid.uuid4()), name=name, created_at=then.isoformat(), day=then.strftime("%Y-%m-%d"))
    shutil.copy(base + ".tar", f"archives/{name}.tar")
    shutil.copy(base + ".info.json", f"archives/{name}.info.json")
    json.dump(copy, open(f"archives/{name}.larder.json", "w"))
"#;
    std::fs::write(instance.path("copies.py"), script).unwrap();
    sh(&format!("python3 copies.py {count}"), &instance.path("."));
    instance
}

#[test]
fn a_lost_state_is_rebuilt_from_the_sidecars_alone() {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    let before = instance.archives();
    sh("rm -r state", &instance.path("."));
    let after = instance.archives();
    assert_eq!(before.len(), 1);
    for key in ["id", "name", "job", "created_at", "sha256", "outcome", "how"] {
        assert_eq!(before[0][key], after[0][key], "{key}");
    }
    // The archive counts as the job's first run: nothing is made twice.
    instance.ok(&["recover", "--done"]);
    instance.ok(&["apply"]);
    assert_eq!(instance.tars().len(), 1);
}

#[test]
fn a_new_machine_in_an_old_name_makes_and_deletes_nothing_until_somebody_says_so() {
    let instance = with_old_archives(8);
    // The machine burned: the state is gone, and what the application has now is empty.
    sh("rm -r state && rm notes/*", &instance.path("."));
    let said = instance.fails(4, &["apply"]);
    assert!(said.contains("larder recover"), "{said}");
    assert!(instance.fails(1, &["run", "notes"]).contains("larder recover"));
    assert!(
        instance.json(&["plan"])["actions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|action| { action["kind"] == "verify" })
    );
    assert_eq!(instance.tars().len(), 8);
    // It rests over restarts, however often somebody looks.
    let daemon = instance.daemon();
    assert!(instance.ok(&["plan"]).contains("larder recover"));
    instance.ok(&["recover", "--done"]);
    drop(daemon);
    // It runs again, and what the first pass over found archives would delete waits still.
    instance.fails(4, &["run", "notes"]);
    assert_eq!(instance.tars().len(), 9);
}

#[test]
fn a_corrupt_state_is_set_aside_and_rebuilt() {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    let path = instance.path("state/state.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in &mut bytes {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(instance.archives().len(), 1);
    let aside = sh("ls state", &instance.path("."));
    assert!(aside.contains("corrupt"), "{aside}");
    // Whoever looks next hears of it, until somebody says that it is known.
    let status = || text(&instance.larder(&["status"]).stderr);
    let told = status();
    assert!(told.contains("the state was found damaged at "), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    assert!(instance.fails(1, &["status", "--check"]).contains("found damaged"));
    let plan = instance.ok(&["plan"]);
    let hash = plan.split("`larder approve ").nth(1).and_then(|rest| rest.get(..12)).unwrap();
    instance.ok(&["approve", hash]);
    assert!(!status().contains("damaged"));
}

#[test]
fn one_disk_that_has_everything_is_told_and_changes_no_verdict() {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    let status = || text(&instance.larder(&["status"]).stderr);
    assert!(!status().contains("every copy"), "there is none yet");
    instance.ok(&["apply"]);
    let told = status();
    assert!(told.contains("every copy of `notes` lies on the disk of what it saves"), "{told}");
    assert_eq!(instance.json(&["status"])[0]["verdict"], "protected");
    let check = instance.ok(&["status", "--check"]);
    assert!(!check.contains("every copy"), "{check}");
}

#[test]
fn the_first_pass_over_found_archives_deletes_nothing_until_exactly_that_is_approved() {
    let instance = with_old_archives(8);
    assert_eq!(instance.tars().len(), 8);
    sh("rm -r state", &instance.path("."));
    instance.ok(&["recover", "--done"]);
    instance.fails(4, &["apply"]);
    assert_eq!(instance.tars().len(), 8);
    let plan = instance.json(&["plan"]);
    let blocked = plan["blocked"].as_array().unwrap();
    assert_eq!(blocked.len(), 1, "{plan}");
    assert_eq!(blocked[0]["archives"].as_array().unwrap().len(), 6, "{plan}");
    instance.fails(1, &["approve", "000000000000"]);
    let hash = blocked[0]["hash"].as_str().unwrap();
    instance.ok(&["approve", hash]);
    instance.ok(&["apply"]);
    assert_eq!(instance.tars().len(), 2);

    // Every deletion can be taken back.
    let trashed: Vec<String> = instance
        .json(&["archive", "list", "--condition", "trashed"])
        .as_array()
        .unwrap()
        .iter()
        .map(|archive| archive["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(trashed.len(), 6, "{trashed:?}");
    instance.ok(&["archive", "undelete", &trashed[0]]);
    assert!(instance.tars().contains(&format!("{}.tar", trashed[0])));
    instance.ok(&["apply"]);
    assert!(instance.tars().contains(&format!("{}.tar", trashed[0])), "it was deleted again");
}

#[test]
fn the_last_good_archive_and_a_pinned_one_cannot_be_deleted() {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    assert!(instance.fails(1, &["archive", "delete", &name, "--yes"]).contains("last good"));
    instance.ok(&["run", "notes"]);
    instance.ok(&["archive", "pin", &name]);
    assert!(instance.fails(1, &["archive", "delete", &name, "--yes"]).contains("pinned"));
    instance.ok(&["archive", "unpin", &name]);
    instance.ok(&["archive", "delete", &name, "--yes"]);
    assert_eq!(instance.tars().len(), 1);
    instance.ok(&["archive", "undelete", &name]);
    assert_eq!(instance.tars().len(), 2);
}

#[test]
fn every_copy_of_an_archive_is_meant_where_no_location_is_named() {
    let instance = Instance::new(&format!(
        "{JOB}send_to = [\"usb\"]\n[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n"
    ));
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    let runs = instance.json(&["verify", "notes@latest"]);
    let mut places: Vec<&str> =
        runs.as_array().unwrap().iter().map(|run| run["location"].as_str().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, ["main", "usb"], "{runs}");
    assert_eq!(
        instance.json(&["verify", "notes@latest", "--location", "usb"]).as_array().unwrap().len(),
        1
    );

    let pinned = || -> Vec<bool> {
        let list = instance.json(&["archive", "list"]);
        list.as_array().unwrap().iter().map(|one| one["pinned"].as_bool().unwrap()).collect()
    };
    instance.ok(&["archive", "pin", "notes@latest"]);
    assert_eq!(pinned(), [true, true]);
    instance.ok(&["archive", "unpin", "notes@latest"]);
    assert_eq!(pinned(), [false, false]);
    let said = instance.fails(1, &["archive", "delete", "notes@latest", "--yes"]);
    assert!(said.contains("more than one location"), "{said}");
}

#[test]
fn a_job_that_vanishes_leaves_its_archives_alone() {
    let instance = with_old_archives(5);
    instance.ok(&["recover", "--done"]);
    instance.write("jobs.toml", "");
    instance.ok(&["apply"]);
    assert_eq!(instance.tars().len(), 5);
    let name = &instance.archives()[0]["name"];
    let why = instance.ok(&["why", name.as_str().unwrap()]);
    assert!(why.contains("orphaned") || why.contains("no longer"), "{why}");
    let list = instance.ok(&["archive", "list"]);
    let line = list.lines().nth(1).unwrap();
    assert_eq!(line.matches("orphaned").count(), 1, "{list}");
    // What anybody may read is written also where no daemon runs.
    let public = std::fs::read_to_string(instance.path("public/archives.json")).unwrap();
    assert!(public.contains(name.as_str().unwrap()), "{public}");
    // The log has the times of the instance, as the list of runs has.
    let run = instance.json(&["runs"])[0]["id"].to_string();
    let log = instance.ok(&["log", &run]);
    assert!(log.lines().all(|line| line.contains("+01:00 ") || line.contains("+02:00 ")), "{log}");
}

#[test]
fn a_renamed_job_keeps_its_archives() {
    let instance = with_old_archives(2);
    instance.ok(&["recover", "--done"]);
    instance.ok(&["apply"]);
    instance.write(
        "jobs.toml",
        &JOB.replace("[job.notes]", "[job.diary]")
            .replace("value = 2 }", "value = 5 }\nformerly = [\"notes\"]"),
    );
    instance.ok(&["apply"]);
    assert_eq!(instance.tars().len(), 2, "the renamed job ran although its series has an archive");
}

#[test]
fn a_corrupt_archive_is_found_and_fills_no_slot() {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", &vec![b'a'; 200_000]);
    instance.ok(&["apply"]);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let tar = instance.path(&format!("archives/{name}.tar"));
    sh(
        &format!("printf X | dd of={} bs=1 seek=100000 conv=notrunc status=none", tar.display()),
        Path::new("/"),
    );
    let said = instance.fails(1, &["archive", "verify", &name]);
    assert!(said.contains("corrupt"), "{said}");
    assert_eq!(instance.archives()[0]["condition"], "corrupt");
    let list = instance.ok(&["archive", "list"]);
    assert!(list.contains("corrupt") && !list.contains("good"), "{list}");
    assert_ne!(instance.json(&["status"])[0]["verdict"], "protected");
    assert!(!instance.fails(2, &["status", "--check"]).is_empty());
}

#[test]
fn a_foreign_tar_is_listed_adopted_on_request_and_never_deleted() {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    sh("tar -cf archives/20250101-120000.tar notes", &instance.path("."));
    let listed = instance.ok(&["archive", "list", "--foreign"]);
    assert!(listed.contains("20250101-120000"), "{listed}");
    instance.ok(&["apply"]);
    assert!(instance.tars().contains(&"20250101-120000.tar".to_owned()));
    instance.ok(&["archive", "adopt", "main", "20250101-120000.tar", "--job", "notes"]);
    assert_eq!(instance.archives().len(), 2);
}

#[test]
fn what_lies_at_a_location_is_seen_by_whoever_asks_and_not_ten_minutes_later() {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    let _daemon = instance.daemon();
    assert!(!instance.ok(&["location", "check"]).contains("foreign"));
    sh("tar -cf archives/one.tar notes", &instance.path("."));
    let listed = instance.ok(&["archive", "list", "--foreign"]);
    assert!(listed.contains("one.tar"), "{listed}");
    sh("tar -cf archives/two.tar notes", &instance.path("."));
    let checked = instance.ok(&["location", "check"]);
    assert!(checked.contains("2 foreign"), "{checked}");
    sh("tar -cf archives/three.tar notes", &instance.path("."));
    instance.ok(&["archive", "adopt", "main", "three.tar", "--job", "notes"]);
    assert_eq!(instance.archives().len(), 2);
}

#[test]
fn an_archive_deleted_by_others_is_told_and_nothing_else_follows() {
    let instance = with_old_archives(2);
    assert_eq!(instance.archives().len(), 2);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    sh(&format!("rm archives/{name}.tar"), &instance.path("."));
    let archives = instance.archives();
    let lost: Vec<_> = archives.iter().filter(|a| a["condition"] == "lost").collect();
    assert_eq!(lost.len(), 1, "{archives:?}");
    assert_eq!(instance.tars().len(), 1);
}
