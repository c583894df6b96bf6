//! Restores that are killed, in a process of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use larder::progress::Progress;
use larder::restore::files::{FilesError, Owners, extract, undo};
use larder::stop::{Stop, Stopped};

use super::{Packed, back, back_twice, everything, same};
use crate::archives::{scratch, sh};
use crate::support::full;

const CHILD: &str = "restoring::files::killed::a_restore_that_another_test_starts";

pub(super) fn child(archive: &Path, prefix: &Path, target: &Path, aside: Option<&Path>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--ignored", "--nocapture", "--quiet"]);
    command.env("LARDER_TEST_ARCHIVE", archive).env("LARDER_TEST_PREFIX", prefix);
    command.env("LARDER_TEST_TARGET", target);
    if let Some(aside) = aside {
        command.env("LARDER_TEST_ASIDE", aside);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

#[test]
#[ignore = "a part of other tests"]
fn a_restore_that_another_test_starts() {
    use std::os::unix::ffi::OsStrExt as _;
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let archive = path("LARDER_TEST_ARCHIVE").expect("another test starts this");
    let prefix = path("LARDER_TEST_PREFIX").unwrap();
    let bytes = prefix.as_os_str().as_bytes();
    let packed = crate::restoring::malicious::packed_file(&archive, bytes);
    let (target, aside) = (path("LARDER_TEST_TARGET").unwrap(), path("LARDER_TEST_ASIDE"));
    let mut extraction = packed.to(&target);
    extraction.aside = aside.as_deref();
    if std::env::var_os("LARDER_TEST_OWNERS").is_some() {
        extraction.owners = Owners::Caller;
    }
    let mut say = |text: &str| println!("{text}");
    packed.with(|original| {
        extract(original, &extraction, &Stop::new(), &Progress::new(), &mut say).unwrap();
    });
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak {}", peak.trim().trim_end_matches(" kB"));
}

/// The most memory that a restore took, in KiB.
pub(super) fn peak(archive: &Path, target: &Path) -> u64 {
    let output = child(archive, Path::new("data/custom/app"), target, None).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let peak = text.lines().find_map(|line| line.split("peak ").nth(1));
    peak.and_then(|peak| peak.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn a_restore_that_is_killed_is_undone_exactly_or_run_again() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(
        &root,
        "for d in 1 2 3 4 5 6 7 8 9; do mkdir -p $d/a/b; for f in 1 2 3 4 5 6 7 8 9; do
        echo $d $f > $d/$f; echo $d $f > $d/a/$f; ln $d/$f $d/a/b/$f; ln -s $f $d/a/link$f
        done; done",
    );
    let good = everything(&root);
    let packed = Packed::new(&root, scratch.path());
    sh(
        &root,
        "rm -rf 2/a 3 4/a/b; for f in 1 2 3 4; do rm 5/$f; echo changed > 5/$f; done
        rm 7/1; mkdir 7/1; : > 7/1/x; rm -r 8/a; ln -s /etc 8/a; chmod 700 9; : > 9/own
        touch -d 2010-10-10 . 9 8 7 5/a",
    );
    let before = everything(&root);
    let prefix = String::from_utf8(packed.prefix.clone()).unwrap();
    let (mut killed, mut interrupted) = (0, 0);
    let rounds: u64 = if full() { 300 } else { 24 };
    for round in 0..rounds {
        let aside = scratch.path().join(format!("aside-{round}"));
        let mut child =
            child(&packed.path, Path::new(&prefix), &root, Some(&aside)).spawn().unwrap();
        // From before the first write to after the last one; where it hits is left to chance.
        let moment = Duration::from_micros(getrandom::u64().unwrap() % 60_000);
        crate::support::wait_for("the first write", || {
            aside.join(".larder-undo.jsonl").metadata().is_ok_and(|file| file.len() > 0)
                || child.try_wait().unwrap().is_some()
        });
        std::thread::park_timeout(moment);
        let _ = child.kill();
        killed += u64::from(!child.wait().unwrap().success());
        if !aside.exists() {
            continue;
        }
        if round % 4 == 3 {
            // Run again, then both undone, the later one first.
            let second = scratch.path().join("second");
            let mut extraction = packed.to(&root);
            extraction.aside = Some(&second);
            packed.extract(&extraction).unwrap();
            let after = everything(&root);
            for (name, facts) in &good {
                if !name.starts_with(b"\0") {
                    assert_eq!(after.get(name), Some(facts), "{}", String::from_utf8_lossy(name));
                }
            }
            assert!(back(&second).remarks.is_empty());
        }
        // Twice the undoing is interrupted, anywhere; then it goes to its end, and once more.
        for _ in 0..2 {
            interrupted += u64::from(back_for_a_while(&aside));
        }
        if aside.exists() {
            for undone in back_twice(&aside) {
                assert_eq!(undone.remarks, Vec::<String>::new(), "round {round}");
            }
        }
        same(&before, &everything(&root));
        assert!(!aside.exists(), "round {round}");
    }
    assert!(killed > 0, "none of {rounds} was killed in time");
    assert!(interrupted > 0, "no undoing of {rounds} was interrupted in time");
}

/// Undoes until a moment that is left to chance. Whether that was before the end.
fn back_for_a_while(aside: &Path) -> bool {
    if !aside.exists() {
        return false;
    }
    let stop = Stop::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let moment = Duration::from_micros(getrandom::u64().unwrap() % 6_000);
            std::thread::park_timeout(moment);
            stop.request(Stopped::Shutdown);
        });
        match undo(aside, &stop, &mut |_| {}) {
            Ok(undone) => {
                assert_eq!(undone.remarks, Vec::<String>::new());
                false
            }
            Err(FilesError::Stopped(Stopped::Shutdown)) => true,
            Err(error) => panic!("{error}"),
        }
    })
}
