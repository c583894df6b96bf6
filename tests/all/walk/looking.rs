//! Who only looks changes nothing on any disk.

use std::os::unix::fs::MetadataExt as _;

use super::instance::{Instance, sh};

const JOB: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n";

fn fresh() -> Instance {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance
}

fn marker(instance: &Instance) -> Option<String> {
    std::fs::read_to_string(instance.path("archives/.larder-location")).ok()
}

#[test]
fn who_plans_before_the_disk_is_mounted_finds_it_accepted_afterwards() {
    let instance = fresh();
    let elsewhere = fresh();
    elsewhere.ok(&["apply"]);
    let plan = instance.ok(&["plan"]);
    assert!(plan.contains("location `main` is yet to be made"), "{plan}");
    assert!(plan.contains("backup"), "{plan}");
    for command in
        ["status", "jobs", "location list", "location check", "archive list", "why notes"]
    {
        instance.larder(&command.split(' ').collect::<Vec<_>>());
        assert!(!instance.path("archives").exists(), "`larder {command}` made the location");
    }
    // The disk comes: it is the location, with the marker that it has.
    std::fs::rename(elsewhere.path("archives"), instance.path("archives")).unwrap();
    let disk = marker(&instance).unwrap();
    sh("rm archives/*", &instance.path("."));
    assert!(!instance.ok(&["plan"]).contains("yet to be made"));
    instance.ok(&["run", "notes"]);
    assert_eq!(marker(&instance).unwrap(), disk);
    assert_eq!(instance.archives().len(), 1);
}

#[test]
fn an_empty_mount_point_stays_empty_as_long_as_somebody_only_looks() {
    let instance = fresh();
    std::fs::create_dir(instance.path("archives")).unwrap();
    assert!(instance.ok(&["plan"]).contains("is yet to be made"));
    instance.ok(&["location", "check"]);
    assert_eq!(std::fs::read_dir(instance.path("archives")).unwrap().count(), 0);
}

#[test]
fn a_location_that_must_be_a_mount_is_not_promised_where_nothing_is_mounted() {
    let instance = fresh();
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    instance.write("base.toml", &format!("{base}require_mount = true\n"));
    let plan = instance.ok(&["plan"]);
    let is_mounted = std::fs::metadata(instance.path(".")).unwrap();
    let root = std::fs::metadata("/").unwrap();
    if is_mounted.dev() == root.dev() {
        assert!(plan.contains("nothing is mounted"), "{plan}");
        assert!(!plan.contains("yet to be made"), "{plan}");
    }
    assert!(!instance.path("archives").exists());
}

#[test]
fn the_first_run_that_writes_makes_the_location_whichever_it_is() {
    let instance = fresh();
    instance.ok(&["run", "notes"]);
    assert!(marker(&instance).is_some());

    let instance = fresh();
    instance.ok(&["apply"]);
    assert!(marker(&instance).is_some());

    let instance = fresh();
    std::fs::create_dir(instance.path("archives")).unwrap();
    sh("tar -cf archives/old.tar notes", &instance.path("."));
    assert!(instance.ok(&["archive", "list", "--foreign"]).contains("old.tar"));
    assert!(marker(&instance).is_none());
    instance.ok(&["archive", "adopt", "main", "old.tar", "--job", "notes"]);
    assert!(marker(&instance).is_some());
    assert_eq!(instance.archives().len(), 1);
}

#[test]
fn a_restore_from_a_location_that_nobody_marked_needs_no_marker() {
    let instance = fresh();
    instance.ok(&["apply"]);
    sh("rm -r state archives/.larder-location", &instance.path("."));
    instance.source("notes/a.txt", b"changed");
    instance.ok(&["restore", "notes@latest", "--yes"]);
    assert_eq!(sh("cat a.txt", &instance.path("notes")), "alpha");
    assert!(marker(&instance).is_none());
    // What is there is of an earlier machine, also to whoever wrote nothing yet.
    assert!(instance.fails(1, &["run", "notes"]).contains("larder recover"));
}
