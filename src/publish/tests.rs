//! When the generated JSON is written, and what it must not say.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::api::tests::{archive, view};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_are_written_once_and_again_only_when_they_say_something_new_or_after_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("public");
    let mut last = Published::default();
    let mut view = view(vec![archive(1, "jerry_web_20260508", 8)]);
    assert_eq!(publish(&view, &[], &dir, &mut last).unwrap().len(), 6);
    assert_eq!(
        names(&dir),
        ["archives.json", "jobs.json", "network.json", "peers.json", "runs.json", "status.json"]
    );

    view.at = view.at.checked_add(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(publish(&view, &[], &dir, &mut last).unwrap(), [""; 0]);

    let mut observed = view.observed.as_ref().clone();
    observed.archives[0].pinned = true;
    view.observed = observed.into();
    assert_eq!(publish(&view, &[], &dir, &mut last).unwrap(), ["archives"]);

    view.at = view.at.checked_add(SignedDuration::from_hours(1)).unwrap();
    assert_eq!(publish(&view, &[], &dir, &mut last).unwrap().len(), 6);
}

#[test]
fn every_file_has_the_envelope_and_anybody_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("public");
    let view = view(vec![archive(1, "jerry_web_20260508", 8)]);
    let written = publish(&view, &[], &dir, &mut Published::default()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&dir), 0o755);
    for name in written {
        let path = dir.join(format!("{name}.json"));
        assert_eq!(mode(&path), 0o644, "{name}");
        let json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(json["generated_at"], "2026-05-08T12:00:00+02:00", "{name}");
        assert_eq!(json["instance"], "jerry", "{name}");
        assert_eq!(json["schema"], 1, "{name}");
        assert!(json[name].is_array(), "{name}");
        let validator = jsonschema::validator_for(&schemas()[name]).unwrap();
        let mistakes: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        assert_eq!(mistakes, [""; 0], "{name}");
    }
}

#[test]
fn no_file_tells_the_table_of_a_job() {
    let dir = tempfile::tempdir().unwrap();
    publish(&view(Vec::new()), &[], dir.path(), &mut Published::default()).unwrap();
    for name in names(dir.path()) {
        let text = fs::read_to_string(dir.path().join(&name)).unwrap();
        assert!(!text.contains("/var/www"), "{name} tells a path of this host");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("public");
    fs::write(&dir, "a file").unwrap();
    let mut last = Published::default();
    let view = view(Vec::new());
    assert!(publish(&view, &[], &dir, &mut last).is_err());
    fs::remove_file(&dir).unwrap();
    assert_eq!(publish(&view, &[], &dir, &mut last).unwrap().len(), 6);
}

#[test]
fn what_was_under_way_when_a_process_was_killed_is_swept_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let left = format!(".status.json.{:032x}{}", 7, durable::TEMPORARY);
    let others = [".status.json.7.larder-tmp", ".hidden", "page.html", "a.larder-tmp"];
    for name in others.iter().copied().chain([left.as_str()]) {
        fs::write(dir.path().join(name), "").unwrap();
    }
    publish(&view(Vec::new()), &[], dir.path(), &mut Published::default()).unwrap();
    let names = names(dir.path());
    assert!(!names.contains(&left), "{names:?}");
    assert_eq!(names.len(), 6 + others.len(), "{names:?}");
}

#[test]
fn a_file_that_somebody_deleted_and_another_directory_are_written_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let view = view(Vec::new());
    let mut last = Published::default();
    publish(&view, &[], dir.path(), &mut last).unwrap();
    fs::remove_file(dir.path().join("jobs.json")).unwrap();
    assert_eq!(publish(&view, &[], dir.path(), &mut last).unwrap(), ["jobs"]);
    let other = dir.path().join("other");
    assert_eq!(publish(&view, &[], &other, &mut last).unwrap().len(), 6);
    assert_eq!(publish(&view, &[], &other, &mut last).unwrap(), [""; 0]);
}
