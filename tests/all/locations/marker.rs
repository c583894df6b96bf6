//! A location is recognised by its marker, and its absence is told, never made up for.

use std::{fs, io};

use insta::assert_snapshot;
use larder::durable::fault::{self, Verdict};
use larder::location::folder::Folder;
use larder::location::{ArchiveStore, LocationError};
use larder::model::location::Location;
use larder::model::observed::LocationState;
use larder::model::run::RunId;

use crate::support;
use crate::support::disk::Disk;
use crate::support::sample;
use crate::support::skipped;

fn why(folder: &Folder, location: &Location) -> String {
    let LocationState::Unavailable(reason) = folder.state() else {
        panic!("{:?}", folder.state());
    };
    let error = folder.begin(RunId(1)).unwrap_err();
    assert!(matches!(error, LocationError::Unavailable { .. }), "{error}");
    assert!(error.hint().is_some());
    reason.replace(location.path.to_str().unwrap(), "DIR")
}

#[test]
fn a_folder_is_made_and_marked_once_and_its_absence_is_never_made_up_for() {
    let dir = support::dir();
    let location = sample::location(&dir.path().join("below/archives"));
    let folder = Folder::open(&location, None);
    assert_snapshot!(why(&folder, &location), @"the directory `DIR` is not there");
    let id = folder.ensure().unwrap();
    assert_eq!(folder.ensure().unwrap(), id);
    assert!(matches!(folder.state(), LocationState::Available { .. }));

    let known = Folder::open(&location, Some(&id));
    assert_eq!(known.ensure().unwrap(), id);
    fs::rename(&location.path, dir.path().join("away")).unwrap();
    assert_snapshot!(why(&known, &location), @"the directory `DIR` is not there");
    assert!(known.ensure().is_err());
    assert!(!location.path.exists(), "an absent location was made anew");

    fs::create_dir(&location.path).unwrap();
    assert_snapshot!(why(&known, &location), @"`DIR` has lost its marker, or is another directory");
    assert!(known.ensure().is_err());
    assert_eq!(sample::tree(&location.path).len(), 0, "something was written into another folder");

    fs::remove_dir(&location.path).unwrap();
    fs::rename(dir.path().join("away"), &location.path).unwrap();
    assert!(matches!(known.state(), LocationState::Available { .. }));
    let other = Folder::open(&location, Some("another id"));
    assert_snapshot!(why(&other, &location), @"`DIR` has the marker of another location");
}

#[test]
fn a_marker_from_before_is_taken_over_when_the_state_was_lost() {
    let dir = support::dir();
    let location = sample::location(dir.path());
    let id = Folder::open(&location, None).ensure().unwrap();
    assert_eq!(Folder::open(&location, None).ensure().unwrap(), id);
    fs::write(dir.path().join(".larder-location"), "").unwrap();
    let ruined = Folder::open(&location, Some(&id));
    assert!(why(&ruined, &location).starts_with("the marker of `DIR` cannot be read"));
}

#[test]
fn a_marker_is_whole_or_absent_whatever_fails_while_it_is_made() {
    for failing in 1.. {
        let dir = support::dir();
        let location = sample::location(&dir.path().join("below/archives"));
        let mut calls = 0;
        let guard = fault::install(move |_| {
            calls += 1;
            if calls == failing {
                Verdict::Fail(io::ErrorKind::Other.into())
            } else {
                Verdict::Proceed
            }
        });
        let first = Folder::open(&location, None).ensure();
        drop(guard);
        let id = Folder::open(&location, None).ensure().unwrap();
        let known = Folder::open(&location, Some(&id));
        assert!(matches!(known.state(), LocationState::Available { .. }));
        if let Ok(first) = first {
            assert_eq!(first, id);
            assert!(failing > 8, "only {failing} calls were made");
            return;
        }
    }
}

#[test]
fn a_folder_that_must_be_a_mount_is_not_made_on_the_root_file_system() {
    // Beside the test program, which lies on a real disk; where that is not the root's, there
    // is nothing to show.
    let Ok(dir) = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")) else {
        skipped!("the build directory is not writable");
    };
    if rustix::fs::stat(dir.path()).unwrap().st_dev != rustix::fs::stat("/").unwrap().st_dev {
        skipped!("the build directory is on another file system than `/`");
    }
    let path = dir.path().join("usb/larder");
    let location = Location { require_mount: true, ..sample::location(&path) };
    let folder = Folder::open(&location, None);
    let error = folder.ensure().unwrap_err();
    assert!(matches!(error, LocationError::Unavailable { .. }), "{error}");
    assert!(!dir.path().join("usb").exists());

    // Marked before, and now the mount is gone: the marker alone does not make it right.
    let relaxed = Location { require_mount: false, ..location.clone() };
    let id = Folder::open(&relaxed, None).ensure().unwrap();
    let folder = Folder::open(&location, Some(&id));
    assert_snapshot!(why(&folder, &location), @"nothing is mounted at `DIR`");
}

#[test]
fn a_folder_on_a_mount_is_a_mount() {
    let disk = match Disk::tmpfs(256) {
        Ok(disk) => disk,
        Err(why) => skipped!("{why}"),
    };
    let path = disk.path().join("larder");
    let location = Location { require_mount: true, ..sample::location(&path) };
    let folder = Folder::open(&location, None);
    folder.ensure().unwrap();
    assert!(matches!(folder.state(), LocationState::Available { .. }));
}
