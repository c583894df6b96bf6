//! Changes of the configuration directory are noticed, whatever way they are made.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use larder::config::read_dir;
use larder::config::watch::{Change, Patience, Watcher};
use tokio::sync::mpsc::Receiver;

/// Impatient, so that tests are quick; events alone must do, unless a test says otherwise.
fn quick() -> Patience {
    Patience {
        quiet: Duration::from_millis(40),
        at_most: Duration::from_millis(200),
        rescan: Duration::from_hours(1),
        lock: Duration::from_secs(30),
    }
}

/// No event is needed: for what the kernel does not tell.
fn rescanning() -> Patience {
    Patience { rescan: Duration::from_millis(50), ..quick() }
}

const LIMIT: Duration = Duration::from_mins(1);

/// The next change; far too late counts as never.
fn next(changes: &mut Receiver<Change>) -> Option<Change> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, changes.recv()).await.ok().flatten() })
}

/// What had been told when the watcher ended.
fn rest(watcher: Watcher, mut changes: Receiver<Change>) -> Vec<Change> {
    drop(watcher);
    std::iter::from_fn(|| changes.try_recv().ok()).collect()
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// In one step, as git and careful editors do.
fn replace(dir: &Path, name: &str, text: &str) {
    write(dir, ".new", text);
    fs::rename(dir.join(".new"), dir.join(name)).unwrap();
}

fn text(dir: &Path, name: &str) -> Option<String> {
    read_dir(dir).ok()?.0.files.get(name).cloned()
}

/// Whether `name` is read as `wanted` after some change.
fn arrives(changes: &mut Receiver<Change>, dir: &Path, name: &str, wanted: &str) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if next(changes).is_none() {
            return false;
        }
        if text(dir, name).as_deref() == Some(wanted) {
            return true;
        }
    }
    false
}

#[test]
fn an_edit_is_noticed_by_its_event() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 1");
    let (watcher, mut changes) = Watcher::start_with(dir.path(), quick());
    write(dir.path(), "a.toml", "a = 2");
    assert!(arrives(&mut changes, dir.path(), "a.toml", "a = 2"));
    drop(watcher);
}

#[test]
fn a_file_that_an_editor_renames_into_place_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 1");
    let (_watcher, mut changes) = Watcher::start_with(dir.path(), quick());
    replace(dir.path(), "a.toml", "a = 2");
    assert!(arrives(&mut changes, dir.path(), "a.toml", "a = 2"));
}

#[test]
fn a_removed_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 1");
    write(dir.path(), "b.toml", "b = 1");
    let (_watcher, mut changes) = Watcher::start_with(dir.path(), quick());
    fs::remove_file(dir.path().join("b.toml")).unwrap();
    assert_eq!(next(&mut changes), Some(Change::Edited));
    assert_eq!(text(dir.path(), "b.toml"), None);
}

#[test]
fn a_new_directory_and_what_is_edited_in_it_later_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 1");
    let (_watcher, mut changes) = Watcher::start_with(dir.path(), quick());
    write(dir.path(), "jobs/new/web.toml", "w = 1");
    assert!(arrives(&mut changes, dir.path(), "jobs/new/web.toml", "w = 1"));
    write(dir.path(), "jobs/new/web.toml", "w = 2");
    assert!(arrives(&mut changes, dir.path(), "jobs/new/web.toml", "w = 2"));
}

#[test]
fn reading_and_what_is_no_configuration_tell_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 1");
    let (watcher, mut changes) = Watcher::start_with(dir.path(), quick());
    write(dir.path(), "notes.md", "x");
    write(dir.path(), ".hidden.toml", "x");
    write(dir.path(), "a.toml~", "x");
    assert!(text(dir.path(), "a.toml").is_some());
    replace(dir.path(), "a.toml", "a = 2");
    assert_eq!(next(&mut changes), Some(Change::Edited));
    assert_eq!(text(dir.path(), "a.toml").as_deref(), Some("a = 2"), "told before the edit");
    assert_eq!(rest(watcher, changes), []);
}

#[test]
fn a_change_under_a_stream_of_changes_is_not_put_off_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 0");
    let patience = Patience { quiet: Duration::from_hours(1), ..quick() };
    let (_watcher, mut changes) = Watcher::start_with(dir.path(), patience);
    write(dir.path(), "a.toml", "a = 1");
    assert_eq!(next(&mut changes), Some(Change::Edited));
}

#[test]
fn the_times_promised_to_the_user_are_the_defaults() {
    let patience = Patience::default();
    assert_eq!(patience.quiet, Duration::from_secs(1));
    assert!(patience.at_most < Duration::from_secs(2));
    assert!(patience.rescan + patience.at_most <= Duration::from_secs(30));
    assert_eq!(patience.lock, Duration::from_secs(30));
}

#[test]
fn a_checkout_of_a_thousand_files_is_one_change() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 1");
    let lock = dir.path().join(".git/index.lock");
    fs::create_dir(dir.path().join(".git")).unwrap();
    let (watcher, mut changes) = Watcher::start_with(dir.path(), quick());
    fs::write(&lock, "").unwrap();
    for number in 0..1_000 {
        write(dir.path(), &format!("jobs/{number}.toml"), "x = 1");
    }
    fs::remove_file(&lock).unwrap();
    assert_eq!(next(&mut changes), Some(Change::Edited));
    assert_eq!(read_dir(dir.path()).unwrap().0.files.len(), 1_001);
    assert_eq!(rest(watcher, changes), []);
}

#[test]
fn a_lock_that_git_left_behind_does_not_hold_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.toml", "a = 1");
    write(dir.path(), ".git/index.lock", "");
    let patience = Patience { lock: Duration::from_millis(300), ..quick() };
    let (_watcher, mut changes) = Watcher::start_with(dir.path(), patience);
    write(dir.path(), "a.toml", "a = 2");
    assert_eq!(next(&mut changes), Some(Change::Edited));
}

#[test]
fn a_directory_that_is_swapped_is_noticed_and_watched() {
    let base = tempfile::tempdir().unwrap();
    let (dir, other) = (base.path().join("etc"), base.path().join("new"));
    write(&dir, "a.toml", "a = 1");
    write(&other, "a.toml", "a = 2");
    let (_watcher, mut changes) = Watcher::start_with(&dir, quick());
    fs::rename(&dir, base.path().join("old")).unwrap();
    fs::rename(&other, &dir).unwrap();
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 2"));
    write(&dir, "a.toml", "a = 3");
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 3"));
}

#[test]
fn a_directory_that_vanishes_is_told_once_and_its_return_is_a_change() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("etc");
    write(&dir, "a.toml", "a = 1");
    let (watcher, mut changes) = Watcher::start_with(&dir, rescanning());
    fs::remove_dir_all(&dir).unwrap();
    let mut told = Vec::new();
    while told.last() != Some(&Change::Vanished) {
        told.push(next(&mut changes).expect("the loss is told"));
    }
    write(&dir, "a.toml", "a = 2");
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 2"));
    write(&dir, "a.toml", "a = 3");
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 3"));
    assert!(!rest(watcher, changes).contains(&Change::Vanished));
}

#[test]
fn a_link_that_is_switched_is_noticed() {
    let base = tempfile::tempdir().unwrap();
    write(&base.path().join("v1"), "a.toml", "a = 1");
    write(&base.path().join("v2"), "a.toml", "a = 2");
    let dir = base.path().join("etc");
    std::os::unix::fs::symlink("v1", &dir).unwrap();
    let (_watcher, mut changes) = Watcher::start_with(&dir, quick());
    std::os::unix::fs::symlink("v2", base.path().join("next")).unwrap();
    fs::rename(base.path().join("next"), &dir).unwrap();
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 2"));
    write(&dir, "a.toml", "a = 3");
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 3"));
}

#[test]
fn a_link_further_up_that_is_switched_in_silence_is_found_by_looking() {
    let base = tempfile::tempdir().unwrap();
    write(&base.path().join("v1/etc"), "a.toml", "a = 1");
    write(&base.path().join("v2/etc"), "a.toml", "a = 2");
    let current = base.path().join("current");
    std::os::unix::fs::symlink("v1", &current).unwrap();
    let dir = current.join("etc");
    let (_watcher, mut changes) = Watcher::start_with(&dir, rescanning());
    std::os::unix::fs::symlink("v2", base.path().join("next")).unwrap();
    fs::rename(base.path().join("next"), &current).unwrap();
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 2"));
    write(&dir, "a.toml", "a = 3");
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 3"));
}

#[test]
fn a_directory_that_is_not_there_yet_is_awaited() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("etc");
    let (_watcher, mut changes) = Watcher::start_with(&dir, quick());
    write(&dir, "a.toml", "a = 1");
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 1"));
}

fn link(target: impl AsRef<Path>, at: impl AsRef<Path>) {
    std::os::unix::fs::symlink(target, at).unwrap();
}

#[test]
fn a_linked_file_that_is_edited_at_its_target_is_noticed_by_its_event() {
    let base = tempfile::tempdir().unwrap();
    let (dir, store) = (base.path().join("etc"), base.path().join("srv/store"));
    write(&dir, "a.toml", "a = 1");
    write(&store, "web.conf", "w = 1");
    write(&store, "late.conf", "l = 1");
    link("../srv/store/web.conf", dir.join("web.toml"));
    let (_watcher, mut changes) = Watcher::start_with(&dir, quick());
    write(&store, "web.conf", "w = 2");
    assert!(arrives(&mut changes, &dir, "web.toml", "w = 2"));
    replace(&store, "web.conf", "w = 3");
    assert!(arrives(&mut changes, &dir, "web.toml", "w = 3"));
    // A link that came later, and one that led nowhere.
    link(store.join("late.conf"), dir.join("late.toml"));
    link(store.join("awaited.conf"), dir.join("awaited.toml"));
    assert!(arrives(&mut changes, &dir, "late.toml", "l = 1"));
    write(&store, "late.conf", "l = 2");
    assert!(arrives(&mut changes, &dir, "late.toml", "l = 2"));
    write(&store, "awaited.conf", "w = 4");
    assert!(arrives(&mut changes, &dir, "awaited.toml", "w = 4"));
}

#[test]
fn a_link_on_the_way_of_a_linked_file_that_is_switched_is_noticed() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("etc");
    // As containers are given their configuration.
    write(&dir, "..v1/a.toml", "a = 1");
    write(&dir, "..v2/a.toml", "a = 2");
    link("..v1", dir.join("..data"));
    link("..data/a.toml", dir.join("a.toml"));
    let (_watcher, mut changes) = Watcher::start_with(&dir, quick());
    link("..v2", dir.join("..next"));
    fs::rename(dir.join("..next"), dir.join("..data")).unwrap();
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 2"));
    write(&dir, "..v2/a.toml", "a = 3");
    assert!(arrives(&mut changes, &dir, "a.toml", "a = 3"));
}

#[test]
fn links_into_a_watched_directory_hide_nothing_of_it() {
    let base = tempfile::tempdir().unwrap();
    let (dir, way) = (base.path().join("etc"), base.path().join("way"));
    write(&dir, "a.toml", "a = 1");
    write(&dir, ".own", "o = 1");
    write(base.path(), "beside", "b = 1");
    link(".own", dir.join("own.toml"));
    link("../beside", dir.join("beside.toml"));
    // The directory has another name by which links know it.
    link("etc", &way);
    let (_watcher, mut changes) = Watcher::start_with(&way, quick());
    write(&dir, "a.toml", "a = 2");
    assert!(arrives(&mut changes, &way, "a.toml", "a = 2"));
    write(&dir, ".own", "o = 2");
    assert!(arrives(&mut changes, &way, "own.toml", "o = 2"));
    write(base.path(), "beside", "b = 2");
    assert!(arrives(&mut changes, &way, "beside.toml", "b = 2"));
    write(&dir, "new.toml", "n = 1");
    assert!(arrives(&mut changes, &way, "new.toml", "n = 1"));
}
