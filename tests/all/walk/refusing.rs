//! Bad input: a clear message, and nothing lost.

use std::path::Path;

use super::instance::{Instance, TmpFs, sh, text};

const JOB: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\nretries = 0\n";

fn with_notes() -> Instance {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance
}

fn is_root() -> bool {
    sh("id -u", Path::new("/")).trim() == "0"
}

#[test]
fn check_tells_every_mistake_of_every_file_with_its_place() {
    let instance = with_notes();
    instance.write(
        "a.toml",
        "[job.a]\ntype = \"custom_dir\"\nsource_path = \"/srv\"\nscheduel = \"0 3 * * *\"\n",
    );
    instance.write(
        "b.toml",
        "[job.b]\ntype = \"custom_dir\"\nsource_path = \"/srv\"\nschedule = \"0 3 31 2 *\"\n",
    );
    let said = instance.fails(1, &["check"]);
    for part in ["a.toml:4:1", "did you mean `schedule`", "b.toml:4:"] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    let json = instance.larder(&["check", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json.as_array().unwrap().len() >= 2);
}

#[test]
fn check_warns_of_patterns_that_say_a_path_of_the_host_or_everything() {
    let instance = with_notes();
    let source = instance.path("notes").canonicalize().unwrap().display().to_string();
    let job =
        |excludes: &str| JOB.replace("../notes", &source) + &format!("excludes = [{excludes}]\n");
    let check = |excludes: &str| {
        instance.write("jobs.toml", &job(excludes));
        let output = instance.larder(&["check"]);
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    let said = check(&format!("\"{source}/cache/\""));
    let warned = format!("warning: the pattern `{source}/cache/` begins with `source_path`");
    assert!(said.contains(&warned), "{said}");
    assert!(said.contains("rooted at the source: write `/cache/`"), "{said}");
    let said = check(&format!("\"*.tmp\", \"!{source}/keep.tmp\""));
    assert!(said.contains("write `!/keep.tmp`"), "{said}");
    let said = check("\"*\"");
    assert!(said.contains("the pattern `*` leaves out everything in the source"), "{said}");
    for fine in ["\"/*\", \"!/keep/\"", "\"/cache/\"", "\"*.tmp\"", "\"srv/\""] {
        assert!(!check(fine).contains("warning: the pattern"), "{fine}");
    }
}

#[test]
fn a_missing_source_fails_the_run_and_deletes_nothing() {
    let instance = with_notes();
    instance.ok(&["apply"]);
    let before = instance.files();
    sh("mv notes gone", &instance.path("."));
    let said = instance.fails(1, &["run", "notes"]);
    assert!(said.contains("notes"), "{said}");
    assert_eq!(instance.files(), before);
}

#[test]
fn a_location_that_vanished_is_unavailable_and_never_made_again() {
    let instance = with_notes();
    instance.ok(&["apply"]);
    sh("mv archives elsewhere", &instance.path("."));
    let said = instance.fails(1, &["run", "notes"]);
    assert!(said.contains("not available"), "{said}");
    assert!(!instance.path("archives").exists());
    assert_eq!(instance.archives()[0]["condition"], "unavailable");
    sh("mkdir archives", &instance.path("."));
    let said = instance.fails(1, &["run", "notes"]);
    assert!(said.contains("not available"), "an empty folder was taken for the location\n{said}");
    sh("rmdir archives && mv elsewhere archives", &instance.path("."));
    instance.ok(&["run", "notes"]);
    assert_eq!(instance.archives().len(), 2);
}

#[test]
fn one_folder_under_two_names_is_one_location_and_loses_nothing_to_the_other() {
    let instance = with_notes();
    sh("mkdir archives && ln -s archives alias", &instance.path("."));
    instance.write("alias.toml", "[location.alias]\npath = \"../alias\"\ntrash = \"0s\"\n");
    let copies = "send_to = [{ to = \"alias\", retention = { mode = \"count\", value = 1 } }]\n";
    instance.write("jobs.toml", &format!("{JOB}{copies}protect = {{ copies = 2 }}\n"));
    for count in 1..=3 {
        instance.larder(&["run", "notes"]);
        instance.larder(&["apply"]);
        assert!(instance.tars().len() >= count, "{:?}", instance.tars());
    }
    assert_eq!(instance.archives().len(), instance.tars().len(), "each is known once");
    let said = instance.ok(&["location", "list", "--format", "json"]);
    assert!(said.contains("is the folder of location `main`, or a copy of it"), "{said}");
    let said = text(&instance.larder(&["status"]).stdout);
    assert!(said.contains("1 of 2 copies"), "{said}");

    // A folder of its own is taken as soon as it is one.
    sh("rm alias && mkdir alias", &instance.path("."));
    instance.ok(&["apply"]);
    assert_eq!(sh("ls alias/*.tar | wc -l", &instance.path(".")).trim(), "1");
}

#[test]
fn a_location_that_must_be_mounted_and_is_not_is_refused() {
    // On the disk of the system: what lies in memory is on a mount.
    let instance = Instance::below(tempfile::tempdir().unwrap(), "");
    instance.source("notes/a.txt", b"alpha");
    instance.write("base2.toml", "[location.disk]\npath = \"../disk\"\nrequire_mount = true\n");
    instance.write("jobs.toml", &format!("{JOB}location = \"disk\"\n"));
    let said = instance.fails(1, &["apply"]);
    assert!(said.contains("mount"), "{said}");
    assert!(!instance.path("disk").exists());
}

#[test]
fn a_plan_without_space_fails_early_and_says_what_it_needs() {
    let instance = with_notes();
    instance.ok(&["apply"]);
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    instance.write("base.toml", &base.replace("min_free = \"1 MiB\"", "min_free = \"900 TiB\""));
    let said = instance.fails(1, &["run", "notes"]);
    assert!(said.contains("not enough space") && said.contains("min_free"), "{said}");
    assert_eq!(instance.tars().len(), 1);
}

#[test]
fn a_copy_that_finds_no_room_is_in_the_status_in_the_check_and_in_the_plan() {
    let instance = with_notes();
    instance.write("usb.toml", "[location.usb]\npath = \"../usb\"\nmin_free = \"900 TiB\"\n");
    instance.write("jobs.toml", &format!("{JOB}send_to = [\"usb\"]\n"));
    assert!(instance.fails(1, &["apply"]).contains("not enough space"));
    // It rests by now, and every goal of the job is met.
    assert_eq!(instance.json(&["status"])[0]["verdict"], "protected");
    let told = "1 copy is missing at `usb`, and the last attempt failed: not enough space at `usb`";
    let status = instance.larder(&["status"]);
    assert!(text(&status.stderr).contains(told), "{}", text(&status.stderr));
    let check = instance.fails(1, &["status", "--check"]);
    assert!(check.starts_with("LARDER WARNING") && check.contains(told), "{check}");
    let plan = instance.ok(&["plan"]);
    assert!(plan.contains(&format!("problem     {told}")), "{plan}");
}

#[test]
fn a_full_disk_fails_the_run_removes_its_part_and_the_next_run_is_normal() {
    if !is_root() {
        crate::support::skipped!("mounting a small file system needs root");
    }
    let instance = with_notes();
    let small = instance.path("small");
    std::fs::create_dir(&small).unwrap();
    let Some(mounted) = TmpFs::mount(&small) else {
        crate::support::skipped!("tmpfs cannot be mounted here");
    };
    instance.write(
        "small.toml",
        "[location.small]\npath = \"../small/archives\"\nmin_free = \"1 MiB\"\n",
    );
    instance.write("jobs.toml", &format!("{JOB}location = \"small\"\n"));
    instance.ok(&["apply"]);
    let before = sh("ls -A small/archives | grep -v '^\\.'", &instance.path("."));
    let big = instance.source("notes/big", &vec![1; 6 << 20]);
    let said = instance.fails(1, &["run", "notes"]);
    assert!(said.contains("space"), "{said}");
    assert_eq!(sh("ls -A small/archives | grep -v '^\\.'", &instance.path(".")), before);
    assert_eq!(
        sh("find small/archives/.incoming -type f | wc -l", &instance.path(".")).trim(),
        "0"
    );
    std::fs::remove_file(big).unwrap();
    instance.ok(&["run", "notes"]);
    drop(mounted);
}

#[test]
fn a_configuration_that_others_can_write_is_refused_when_run_as_root() {
    if !is_root() {
        crate::support::skipped!("only root is told");
    }
    let instance = with_notes();
    sh("chmod 666 etc/jobs.toml", &instance.path("."));
    let said = instance.fails(1, &["apply"]);
    assert!(said.contains("jobs.toml") && said.contains("chmod"), "{said}");
    assert!(instance.tars().is_empty());
}

#[test]
fn unknown_names_are_told_with_what_there_is() {
    let instance = with_notes();
    assert!(instance.fails(1, &["run", "nots"]).contains("notes"));
    assert!(instance.fails(1, &["archive", "show", "nothing"]).contains("nothing"));
    instance.fails(2, &["no-such-command"]);
}
