//! Power cuts at every change of the file system: an archive is absent or complete, what was
//! acknowledged is there, and deletions are repaired from their intent.
//!
//! A child process works on an ext4 in an image and is killed before its n-th change; then the
//! file system is shut down under it and mounted again. Four sabotages show that the harness
//! would notice.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod child;
mod verdict;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::support::disk::{self, Cut, Disk};
use crate::support::{full, root_or_skip, skipped};

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    Nothing,
    NoFsync,
    NoDirectoryFsync,
    RecordFirst,
    CreatedInPlace,
}

impl Sabotage {
    const ALL: [Sabotage; 5] = [
        Sabotage::Nothing,
        Sabotage::NoFsync,
        Sabotage::NoDirectoryFsync,
        Sabotage::RecordFirst,
        Sabotage::CreatedInPlace,
    ];
}

/// Where the records of what was done are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    /// On the same file system: each record flushes the journal of all.
    Same,
    /// On another one.
    Other,
}

/// One power cut.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// The first change that is not made any more.
    before: u32,
    cut: Cut,
    record: Record,
    sabotage: Sabotage,
}

/// The file system as it is before the child starts.
struct Stage {
    image: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let disk = Disk::ext4().unwrap();
        child::prepare(&disk.path());
        let (image, dir) = disk.into_image();
        Self { image, _dir: dir }
    }

    /// Cuts the power at a point; returns what is wrong afterwards.
    fn strike(&self, point: Point) -> Vec<String> {
        let mut disk = Disk::of_image(&self.image).unwrap();
        let outside = crate::support::dir();
        let record = child::record_path(point.record, &disk.path(), outside.path());
        run_child(&disk.path(), &record, point);
        disk.lose_power(point.cut);
        verdict::violations(&disk.path(), &record)
    }

    /// How many changes the child makes when nothing stops it.
    fn changes(&self, record: Record) -> u32 {
        let disk = Disk::of_image(&self.image).unwrap();
        let outside = crate::support::dir();
        let path = child::record_path(record, &disk.path(), outside.path());
        let (cut, sabotage) = (Cut::Process, Sabotage::Nothing);
        let printed =
            run_child(&disk.path(), &path, Point { before: u32::MAX, cut, record, sabotage });
        printed.expect("the child came to its end")
    }
}

/// Runs the child; returns the number of its changes when it came to its end.
fn run_child(mount: &Path, record: &Path, point: Point) -> Option<u32> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "power_loss::child::works_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(child::MOUNT, mount)
        .env(child::RECORD, record)
        .env(child::BEFORE, point.before.to_string())
        .env(child::SABOTAGE, format!("{:?}", point.sabotage))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = text.split_once(child::CHANGES)?;
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    rest.split_whitespace().next()?.parse().ok()
}

/// Every way to cut the power, in every record's order.
fn all_points(stage: &Stage) -> Vec<Point> {
    let sabotage = Sabotage::Nothing;
    let mut points = Vec::new();
    for record in [Record::Other, Record::Same] {
        let changes = stage.changes(record);
        for before in 1..=changes + 1 {
            points.extend(Cut::ALL.map(|cut| Point { before, cut, record, sabotage }));
        }
    }
    points
}

#[test]
fn after_a_power_cut_every_archive_is_absent_or_complete() {
    root_or_skip!();
    if let Err(why) = disk::can_lose_power() {
        skipped!("{why}");
    }
    let start = Instant::now();
    let stage = Stage::new();
    let mut points = all_points(&stage);
    let all = points.len();
    assert!(all >= 600, "only {all} points");
    if !full() {
        // A step that is prime to the number of cuts visits all of them.
        let step = (all / 40) | 1;
        let step = if step.is_multiple_of(3) { step + 2 } else { step };
        points = points.into_iter().step_by(step).collect();
    }
    let next = AtomicUsize::new(0);
    let violations: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut found = Vec::new();
            while let Some(&point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                let wrong = stage.strike(point);
                found.extend(wrong.iter().map(|wrong| format!("{point:?}: {wrong}")));
            }
            found
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    println!(
        "power loss: {} of {all} points, {} violations, {:?}",
        points.len(),
        violations.len(),
        start.elapsed()
    );
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Cuts the power at all points in turn until something is wrong.
fn harness_notices(sabotage: Sabotage, cut: Cut) {
    if let Err(why) = disk::can_lose_power() {
        skipped!("{why}");
    }
    let stage = Stage::new();
    let (record, changes) = (Record::Other, stage.changes(Record::Other));
    for before in 1..=changes {
        let wrong = stage.strike(Point { before, cut, record, sabotage });
        if let Some(first) = wrong.first() {
            println!("power loss: {sabotage:?} is noticed at point {before}: {first}");
            return;
        }
    }
    panic!("{sabotage:?} went unnoticed at {changes} points");
}

#[test]
fn the_harness_notices_a_file_that_is_not_flushed() {
    harness_notices(Sabotage::NoFsync, Cut::Journal);
}

#[test]
fn the_harness_notices_a_directory_that_is_not_flushed() {
    harness_notices(Sabotage::NoDirectoryFsync, Cut::Bare);
}

#[test]
fn the_harness_notices_a_success_that_is_recorded_first() {
    harness_notices(Sabotage::RecordFirst, Cut::Process);
}

#[test]
fn the_harness_notices_an_archive_that_is_created_in_place() {
    harness_notices(Sabotage::CreatedInPlace, Cut::Process);
}
