//! Sources on disks of their own, and what is there when the disk is not.

use super::instance::{Instance, TmpFs};
use crate::support::{root_or_skip, skipped};

const JOB: &str =
    "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../disk/notes\"\nretries = 0\n";

/// An instance whose source is to be on a disk; without, the mount point has an old copy of it.
fn with_an_old_copy(toml: &str) -> Instance {
    let instance = Instance::new(toml);
    instance.source("disk/notes/a.txt", b"as it was a year ago");
    instance
}

/// Mounts the disk of the source, with its data on it. `None` where that is not allowed.
fn mount(instance: &Instance) -> Option<TmpFs> {
    let disk = TmpFs::mount(&instance.path("disk"))?;
    instance.source("disk/notes/a.txt", b"as it is now, today");
    Some(disk)
}

fn good(instance: &Instance) -> usize {
    instance.archives().iter().filter(|archive| archive["outcome"] == "good").count()
}

fn last_run(instance: &Instance) -> serde_json::Value {
    instance.runs().into_iter().find(|run| run["kind"] == "backup").unwrap()
}

#[test]
fn a_source_whose_disk_is_not_mounted_any_more_fails_and_makes_no_archive() {
    root_or_skip!();
    let instance = with_an_old_copy(JOB);
    let Some(disk) = mount(&instance) else { skipped!("tmpfs cannot be mounted here") };
    instance.ok(&["apply"]);
    assert_eq!(good(&instance), 1);
    drop(disk);

    let said = instance.fails(1, &["run", "notes"]);
    let at = instance.path("disk").canonicalize().unwrap();
    let expected = format!("nothing is mounted at `{}`", at.display());
    assert!(said.contains(&expected) && said.contains("source_mount"), "{said}");
    assert_eq!(last_run(&instance)["status"], "error");
    assert_eq!(instance.archives().len(), 1);

    // An empty mount point is the same.
    std::fs::remove_file(instance.path("disk/notes/a.txt")).unwrap();
    let said = instance.fails(1, &["run", "notes"]);
    assert!(said.contains(&expected), "{said}");
    assert_eq!(instance.archives().len(), 1);

    let Some(_disk) = mount(&instance) else { skipped!("tmpfs cannot be mounted here") };
    instance.ok(&["run", "notes"]);
    assert_eq!(good(&instance), 2);
}

#[test]
fn a_disk_that_is_not_to_be_mounted_any_more_is_forgotten_once_the_job_says_so() {
    root_or_skip!();
    let instance = with_an_old_copy(JOB);
    let Some(disk) = mount(&instance) else { skipped!("tmpfs cannot be mounted here") };
    instance.ok(&["apply"]);
    drop(disk);
    // Another change of its table says nothing about the disk.
    instance.write("jobs.toml", &format!("{JOB}timeout = \"1h\"\n"));
    instance.fails(1, &["run", "notes"]);
    instance.write("jobs.toml", &format!("{JOB}source_mount = \"any\"\n"));
    instance.ok(&["run", "notes"]);
    instance.write("jobs.toml", JOB);
    instance.ok(&["run", "notes"]);
    assert_eq!(good(&instance), 3);
}

#[test]
fn a_job_that_names_another_source_asks_for_no_disk_of_the_one_before() {
    root_or_skip!();
    let instance = with_an_old_copy(JOB);
    let Some(disk) = mount(&instance) else { skipped!("tmpfs cannot be mounted here") };
    instance.ok(&["apply"]);
    drop(disk);
    instance.source("elsewhere/a.txt", b"as it is now, elsewhere");
    instance.write("jobs.toml", &JOB.replace("../disk/notes", "../elsewhere"));
    instance.ok(&["run", "notes"]);
    assert_eq!(good(&instance), 2);
}

#[test]
fn a_source_that_must_be_mounted_is_not_read_without_from_the_first_run_on() {
    // On the disk of the system: what lies in memory is on a mount.
    let dir = tempfile::tempdir().unwrap();
    if larder::source::mount::point_of(dir.path()).unwrap().is_some() {
        skipped!("temporary files are on a mount here");
    }
    let instance = Instance::below(dir, &format!("{JOB}source_mount = \"required\"\n"));
    instance.source("disk/notes/a.txt", b"as it was a year ago");
    let said = instance.fails(1, &["apply"]);
    assert!(said.contains("nothing is mounted"), "{said}");
    assert!(instance.tars().is_empty());
}
