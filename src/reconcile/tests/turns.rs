//! A lane, minute by minute: backups that are due, and an archive that is to be read back.

use jiff::{SignedDuration, Timestamp};

use crate::model::run::{Cause, Run, RunId, RunStatus, Work};
use crate::reconcile::turns::{Reading, gives_way, rank};
use crate::reconcile::world::{World, backup};

/// What a simulated lane has to do.
struct Load {
    /// A backup is due every so many minutes, and takes so many.
    every: u64,
    takes: u64,
    /// Minutes that reading the archive takes.
    reading: u64,
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    /// When the archive was read to its end, in days since the last time.
    read_after: Option<f64>,
    /// The longest time that a backup waited for the verification, in minutes.
    waited: u64,
    /// How often the verification gave way.
    gave_way: u32,
}

fn run(id: u64, work: Work, cause: Cause, at: Timestamp) -> Run {
    Run {
        id: RunId(id),
        work,
        cause,
        status: RunStatus::Queued,
        queued_at: at,
        started_at: None,
        finished_at: None,
        summary: String::new(),
        hint: None,
        archive: None,
        size_bytes: None,
        config_hash: None,
    }
}

/// Moves a lane for 31 days as the engine moves it.
fn simulate(load: &Load) -> Outcome {
    let mut world =
        World::at("2026-05-08T12:00").archive("web", "main", "2026-05-08T11:00", |_| {});
    let start = world.now.timestamp();
    world.observed.archives[0].verified_at = Some(start);
    let mut outcome = Outcome { read_after: None, waited: 0, gave_way: 0 };
    let (mut queue, mut under_way): (Vec<Run>, Option<(Run, u64)>) = (Vec::new(), None);
    let (mut left, mut gave_way_at) = (load.reading, None);
    let mut waited = 0;
    for minute in 0..31 * 24 * 60 {
        let now = start + SignedDuration::from_mins(i64::try_from(minute).unwrap());
        world.now = now.to_zoned(world.now.time_zone().clone());
        let mut open = queue.iter().chain(under_way.as_ref().map(|(run, _)| run));
        let is_open = open.any(|run| run.work == backup("web"));
        if minute % load.every == 0 && !is_open {
            queue.push(run(minute + 1, backup("web"), Cause::Due { due: now, attempt: 0 }, now));
        }
        let open = queue.iter().chain(under_way.as_ref().map(|(run, _)| run));
        world.observed.open_runs = open.cloned().collect();
        for action in world.plan().actions {
            queue.push(run(minute + 1, action.work, action.cause, now));
        }
        let reading = Reading { last: world.observed.archives[0].verified_at, gave_way_at };
        if let Some((running, _)) = &under_way
            && queue.iter().any(|waiting| gives_way(running, reading, waiting, now))
        {
            queue.extend(under_way.take().map(|(run, _)| Run { started_at: None, ..run }));
            gave_way_at = Some(now);
            outcome.gave_way += 1;
        }
        let reading = Reading { gave_way_at, ..reading };
        if under_way.is_none() {
            queue.sort_by_key(|run| rank(run, reading, now));
            if !queue.is_empty() {
                let next = Run { started_at: Some(now), ..queue.remove(0) };
                under_way = Some((next, load.takes));
            }
        }
        let verifies = |run: &Run| matches!(run.work, Work::Verify { .. });
        let is_held_up = under_way.as_ref().is_some_and(|(run, _)| verifies(run))
            && queue.iter().any(|run| !verifies(run));
        waited = if is_held_up { waited + 1 } else { 0 };
        outcome.waited = outcome.waited.max(waited);
        let Some((running, rest)) = &mut under_way else { continue };
        if verifies(running) {
            left -= 1;
            if left == 0 {
                let end = now + SignedDuration::from_mins(1);
                let age = end.duration_since(start).as_secs_f64() / 86_400.0;
                outcome.read_after = Some(age);
                return outcome;
            }
        } else {
            *rest -= 1;
            if *rest > 0 {
                continue;
            }
            under_way = None;
        }
    }
    outcome
}

#[test]
fn with_backups_every_five_minutes_an_archive_is_read_in_the_gaps_and_none_waits() {
    let outcome = simulate(&Load { every: 5, takes: 2, reading: 120 });
    assert_eq!(outcome.waited, 0, "{outcome:?}");
    assert!(outcome.read_after.is_some_and(|days| days < 29.0), "{outcome:?}");
    assert!(outcome.gave_way > 20, "{outcome:?}");
}

#[test]
fn on_an_instance_that_is_never_idle_an_archive_is_read_within_30_days_all_the_same() {
    // Each backup takes longer than the time to the next: one always waits.
    let outcome = simulate(&Load { every: 5, takes: 5, reading: 120 });
    assert!(outcome.read_after.is_some_and(|days| days > 28.9 && days < 30.0), "{outcome:?}");
    assert!(outcome.waited <= 1, "{outcome:?}");
}

#[test]
fn what_is_long_to_read_is_read_at_one_go_while_nothing_waits() {
    let outcome = simulate(&Load { every: 24 * 60, takes: 10, reading: 600 });
    assert!(outcome.read_after.is_some_and(|days| days < 29.0), "{outcome:?}");
    assert_eq!((outcome.waited, outcome.gave_way), (0, 0), "{outcome:?}");
}
