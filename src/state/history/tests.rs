use std::time::Instant;

use super::*;
use crate::model::archive::ArchiveId;
use crate::model::job::Via;
use crate::model::run::{Cause, Work};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Run `number` of a history that has everything in it.
fn run(number: u64) -> Run {
    let job = |index: u64| format!("job-{}", index % 7).parse().unwrap();
    let archive = ArchiveId(uuid::Uuid::from_u128(u128::from(number)));
    let location = || "main".parse().unwrap();
    let work = match number % 5 {
        0 => Work::Verify { archive, location: location() },
        1 => Work::Send { archive, from: location(), to: "usb".parse().unwrap(), via: Via::Auto },
        _ => Work::Backup { job: job(number) },
    };
    let status = match number % 11 {
        0 => RunStatus::Error,
        1 => RunStatus::Warning,
        _ => RunStatus::Success,
    };
    let at = start() + SignedDuration::from_mins(i64::try_from(number).unwrap());
    Run {
        id: RunId(number),
        work,
        cause: Cause::Reconcile,
        status,
        queued_at: at,
        started_at: Some(at),
        finished_at: Some(at),
        summary: "archived 3 files".to_owned(),
        hint: None,
        archive: None,
        size_bytes: Some(1),
        config_hash: None,
    }
}

fn fill(state: &State, runs: &[Run]) {
    for part in runs.chunks(20_000) {
        state.commit(|txn| part.iter().try_for_each(|run| txn.put_run(run))).unwrap();
    }
}

fn fits(run: &Run, filter: &RunFilter) -> bool {
    filter.job.as_ref().is_none_or(|job| run.work.job() == Some(job))
        && filter.kind.as_ref().is_none_or(|kind| run.work.word() == kind)
        && filter.status.is_none_or(|status| run.status == status)
}

#[test]
fn pages_are_what_a_walk_over_everything_would_find() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let mut runs: Vec<Run> = (1..=400).map(run).collect();
    fill(&state, &runs);
    // Some change their status, as runs do.
    for run in runs.iter_mut().step_by(9) {
        run.status = RunStatus::Cancelled;
        state.put_run(run).unwrap();
    }
    let jobs = [None, Some("job-3".parse().unwrap()), Some("no-such-job".parse().unwrap())];
    let kinds = [None, Some("backup".to_owned()), Some("send".to_owned())];
    let statuses = [None, Some(RunStatus::Error), Some(RunStatus::Cancelled)];
    for job in &jobs {
        for kind in &kinds {
            for status in statuses {
                let filter = RunFilter { job: job.clone(), kind: kind.clone(), status };
                let expected: Vec<Run> =
                    runs.iter().rev().filter(|run| fits(run, &filter)).cloned().collect();
                let mut found = Vec::new();
                let mut before = None;
                loop {
                    let page = state.runs(&filter, before, 13).unwrap();
                    let Some(last) = page.last() else { break };
                    before = Some(last.id);
                    found.extend(page);
                }
                assert_eq!(found, expected, "{filter:?}");
            }
        }
    }
}

#[test]
fn a_page_is_quick_however_long_the_history_is() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let runs: Vec<Run> = (1..=110_000).map(run).collect();
    fill(&state, &runs);
    drop(state);
    let began = Instant::now();
    let (state, opened) = State::open(dir.path()).unwrap();
    let opening = began.elapsed();
    assert_eq!(opened, crate::state::Opened::default());
    let rare = RunFilter { status: Some(RunStatus::Error), ..RunFilter::default() };
    let of_job = RunFilter { job: Some("job-3".parse().unwrap()), ..RunFilter::default() };
    let began = Instant::now();
    for filter in [RunFilter::default(), rare, of_job] {
        for before in [None, Some(RunId(55_000)), Some(RunId(1_000))] {
            assert_eq!(state.runs(&filter, before, 50).unwrap().len(), 50);
        }
    }
    assert_eq!(state.open_runs().unwrap(), vec![]);
    let paging = began.elapsed();
    println!("110 000 runs: opened in {opening:?}, ten pages in {paging:?}");
    // A walk over everything takes seconds in this build; a page takes about a millisecond.
    assert!(paging.as_millis() < 500, "ten pages took {paging:?}");
}

#[test]
fn old_runs_leave_with_their_logs_but_never_the_newest_of_a_job_nor_open_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let mut runs: Vec<Run> = (1..=60).map(run).collect();
    runs[4].status = RunStatus::Running;
    runs[4].finished_at = None;
    for (number, run) in runs.iter_mut().enumerate() {
        run.work = Work::Backup { job: if number < 10 { "old" } else { "web" }.parse().unwrap() };
        if run.finished_at.is_some() {
            run.finished_at = Some(start() + DAY * i32::try_from(number).unwrap());
        }
        state.append_log(run.id, "said\n").unwrap();
    }
    fill(&state, &runs);
    let keep = HistoryKeep { newest: 3, age: DAY * 20 };
    let gone = state.prune_history(start() + DAY * 60, &keep).unwrap();
    // Of `old` (10, one of them open) the newest 3 that are over stay; of `web` all of 20 days.
    let left: Vec<u64> =
        state.runs(&RunFilter::default(), None, 100).unwrap().iter().map(|run| run.id.0).collect();
    let expected: Vec<u64> = (41..=60).rev().chain([10, 9, 8, 5]).collect();
    assert_eq!(left, expected);
    assert_eq!(gone, 60 - expected.len());
    assert_eq!(state.log(RunId(1)).unwrap(), "");
    assert_eq!(state.log(RunId(8)).unwrap(), "said\n");
    let of_job = RunFilter { job: Some("old".parse().unwrap()), ..RunFilter::default() };
    assert_eq!(state.runs(&of_job, None, 100).unwrap().len(), 4);
    assert_eq!(state.prune_history(start() + DAY * 60, &keep).unwrap(), 0);
}
