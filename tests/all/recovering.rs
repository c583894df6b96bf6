//! A burned server comes back from a folder of archives.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod databases;
mod disaster;
mod homecoming;

use std::fs;
use std::process::Command;

use crate::walk::instance::{Instance, sh};

const NOTES: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n";

/// An instance that keeps its configuration too, with archives of everything.
fn burned(recovery: &str, jobs: &str) -> Instance {
    let instance = Instance::new(jobs);
    instance.write("recovery.toml", recovery);
    fs::create_dir_all(instance.path("etc/secrets")).unwrap();
    fs::write(instance.path("etc/secrets/token"), "s3cret").unwrap();
    instance.source("notes/a.txt", b"alpha");
    instance.source("notes/sub/b.bin", &vec![7; 100_000]);
    sh(
        "ln -s a.txt notes/link; chmod 640 notes/a.txt; touch -d '2001-02-03 04:05:06.7' notes/sub",
        &instance.path(""),
    );
    instance.ok(&["apply"]);
    sh(
        "cp -a notes before; mv etc etc-before; rm -rf state public notes control.sock",
        &instance.path(""),
    );
    instance
}

/// Content, modes and times of a tree.
fn tree(instance: &Instance, name: &str) -> String {
    sh(
        &format!(
            "cd {name} && find . -printf '%p %y %m %u %T@ %l\\n' | sort && find . -type f -exec sha256sum {{}} + | sort"
        ),
        &instance.path(""),
    )
}

#[test]
fn configuration_and_data_come_back_from_a_bare_folder() {
    let instance = burned("", NOTES);
    let plan = instance.ok(&[
        "recover",
        "../archives".replace("..", &instance.path("").display().to_string()).as_str(),
        "--dry-run",
    ]);
    assert!(plan.contains("files       notes: "), "{plan}");
    assert!(!instance.path("etc").exists() && !instance.path("notes").exists(), "a look wrote");
    let archives = instance.path("archives").display().to_string();
    let said = instance.fails(2, &["recover", &archives]);
    assert!(said.contains("--yes"), "{said}");
    assert!(!instance.path("etc").exists(), "nobody agreed");

    instance.ok(&["recover", &archives, "--yes"]);
    assert_eq!(tree(&instance, "notes"), tree(&instance, "before"));
    // Without recipients no secret left the server; everything else of its configuration is back.
    let differs = sh("diff -r etc-before etc || true", &instance.path(""));
    assert_eq!(differs.trim(), "Only in etc-before: secrets");
    // Nothing rests, and nothing is made twice.
    instance.ok(&["apply"]);
    assert_eq!(instance.tars().len(), 2);
    assert!(sh("find . -name '.larder-recovered-*'", &instance.path("")).is_empty());
}

#[test]
fn what_is_in_the_way_is_set_aside_and_it_may_be_run_again() {
    let instance = burned("", NOTES);
    let archives = instance.path("archives").display().to_string();
    instance.source("notes/a.txt", b"made on the new machine");
    let run = instance.larder(&["recover", &archives, "--yes"]);
    assert!(run.status.success());
    assert_eq!(tree(&instance, "notes"), tree(&instance, "before"));
    let aside = sh("cat $(find .larder-aside-* -name a.txt)", &instance.path(""));
    assert_eq!(aside.trim(), "made on the new machine");
    instance.ok(&["recover", &archives, "--yes", "--job", "notes"]);
    assert_eq!(tree(&instance, "notes"), tree(&instance, "before"));
}

#[test]
fn a_configuration_that_was_not_archived_is_made_of_what_the_archives_say() {
    let instance = burned("[recovery]\nconfiguration = false\n", NOTES);
    let archives = instance.path("archives").display().to_string();
    // Its paths were relative to a directory that nobody knows any more; the tables have them whole.
    let output = instance.larder(&["recover", &archives, "--dry-run"]);
    let said = crate::walk::instance::text(&output.stderr);
    assert!(said.contains("made of what the archives say"), "{said}");
    assert!(output.status.success(), "{said}");
    // The usual state belongs to this machine, not to a test: the jobs' tables are enough to see.
    let found = larder::recover::look(&instance.path("archives")).unwrap().0;
    let toml = larder::recover::from_tables(&found[0], &instance.path("archives"));
    let files = larder::config::Files::default().with("recovered.toml", toml.as_str());
    let parsed = larder::config::parse(&files, std::path::Path::new("/etc/larder"));
    let desired = parsed.desired.unwrap_or_else(|| panic!("{toml}\n{:?}", parsed.diagnostics));
    assert_eq!(desired.instance.name.as_str(), "jerry");
    assert!(desired.jobs.keys().any(|name| name.as_str() == "notes"), "{toml}");
}

#[test]
fn secrets_come_back_only_with_the_identity_that_was_kept_off_the_server() {
    let key = Command::new("age-keygen").output().unwrap();
    let key = crate::walk::instance::text(&key.stdout);
    let recipient = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let instance = burned(&format!("[recovery]\nrecipients = [\"{recipient}\"]\n"), NOTES);
    fs::write(instance.path("key.txt"), &key).unwrap();
    let archives = instance.path("archives").display().to_string();
    let plain = sh("cat archives/*", &instance.path(""));
    assert!(!plain.contains("s3cret"), "a secret left in the clear");
    let said = instance.fails(1, &["recover", &archives, "--yes"]);
    assert!(said.contains(recipient) && said.contains("--identity"), "{said}");
    assert!(!instance.path("etc").exists());
    let key_file = instance.path("key.txt").display().to_string();
    instance.ok(&["recover", &archives, "--yes", "--identity", &key_file]);
    assert_eq!(sh("diff -r etc-before etc", &instance.path("")), "");
    assert_eq!(tree(&instance, "notes"), tree(&instance, "before"));
}

#[test]
fn of_several_instances_one_is_chosen_by_name() {
    let instance = burned("", NOTES);
    let other = Instance::new(NOTES);
    other.source("notes/x", b"of tom");
    let base = fs::read_to_string(other.path("etc/base.toml")).unwrap();
    other.write("base.toml", &base.replace("jerry", "tom"));
    other.ok(&["apply"]);
    sh(&format!("cp -a {} archives/tom", other.path("archives").display()), &instance.path(""));
    let archives = instance.path("archives").display().to_string();
    let said = instance.fails(2, &["recover", &archives, "--yes"]);
    assert!(
        said.contains("jerry") && said.contains("tom") && said.contains("--instance"),
        "{said}"
    );
    let said = instance.fails(1, &["recover", &archives, "--yes", "--instance", "nobody"]);
    assert!(said.contains("jerry"), "{said}");
    instance.ok(&["recover", &archives, "--yes", "--instance", "jerry"]);
    assert_eq!(tree(&instance, "notes"), tree(&instance, "before"));
}

#[test]
fn a_damaged_archive_gives_way_to_an_older_good_one_only_when_that_is_known() {
    let instance = burned("", NOTES);
    let archives = instance.path("archives").display().to_string();
    sh(
        "printf X | dd of=$(ls archives/jerry_notes_*.tar) bs=1 seek=5000 conv=notrunc status=none",
        &instance.path(""),
    );
    let said = instance.fails(1, &["recover", &archives, "--yes"]);
    assert!(said.contains("damaged") || said.contains("corrupt"), "{said}");
    assert!(!instance.path("notes").exists(), "something of a damaged archive was written");
}

#[test]
fn a_folder_without_archives_is_told() {
    let instance = Instance::new(NOTES);
    fs::create_dir(instance.path("empty")).unwrap();
    let empty = instance.path("empty").display().to_string();
    assert!(instance.fails(1, &["recover", &empty]).contains("RESTORE.txt"));
    // Archives that were copied without the hidden file beside them.
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["run", "notes"]);
    sh("mkdir found; cp archives/* found; rm -rf etc state", &instance.path(""));
    let found = instance.path("found").display().to_string();
    let said = instance.fails(1, &["recover", &found, "--dry-run"]);
    assert!(said.contains("holds 1 archive that larder described"), "{said}");
    let mark = said.split("mark the folder: ").nth(1).unwrap().lines().next().unwrap();
    sh(mark, &instance.path(""));
    instance.ok(&["recover", &found, "--dry-run"]);
    let missing = instance.path("missing").display().to_string();
    assert!(instance.fails(1, &["recover", &missing]).contains("mounted"));
}
