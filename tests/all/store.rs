//! The state: what was acknowledged is there, whatever happened to the process or the file.

#![expect(clippy::unwrap_used, reason = "a test may end by panicking")]

use jiff::Timestamp;
use larder::model::archive::{ArchiveId, CopyKey};
use larder::model::run::{Cause, RunId, RunStatus, Work};
use larder::state::{LOG_CAP, Opened, RunFilter, State, StateError, Tombstone};

mod crash;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn backup(job: &str) -> Work {
    Work::Backup { job: job.parse().unwrap() }
}

#[test]
fn what_was_queued_is_there_after_a_restart_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let now = at("2026-05-08T03:00:00Z");
    let first = {
        let (state, opened) = State::open(dir.path()).unwrap();
        assert!(opened.fresh && opened.set_aside.is_none());
        state.enqueue(backup("web"), Cause::Manual, now, Some("abc".to_owned())).unwrap()
    };
    let (state, opened) = State::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::default());
    assert_eq!(state.open_runs().unwrap(), vec![first.clone()]);
    let second = state.enqueue(backup("db"), Cause::First, now, None).unwrap();
    assert!(second.id > first.id);
}

#[test]
fn a_second_opener_is_told_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let began = std::time::Instant::now();
    let error = State::open(dir.path()).unwrap_err();
    assert!(began.elapsed().as_millis() < 1_000);
    let StateError::InUse { holder, .. } = error else { panic!("{error}") };
    assert_eq!(holder, Some(std::process::id()));
    drop(state);
    State::open(dir.path()).unwrap();
}

#[test]
fn a_run_that_was_under_way_is_interrupted_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let now = at("2026-05-08T03:00:00Z");
    let mut run = state.enqueue(backup("web"), Cause::First, now, None).unwrap();
    let waiting = state.enqueue(backup("db"), Cause::First, now, None).unwrap();
    run.status = RunStatus::Running;
    run.started_at = Some(now);
    state.put_run(&run).unwrap();
    let later = at("2026-05-08T04:00:00Z");
    let interrupted = state.interrupt_running(later).unwrap();
    assert_eq!(interrupted.len(), 1);
    assert_eq!(interrupted[0].finished_at, Some(later));
    assert_eq!(state.run(run.id).unwrap().unwrap().status, RunStatus::Interrupted);
    assert_eq!(state.open_runs().unwrap(), vec![waiting]);
    let filter = RunFilter { status: Some(RunStatus::Interrupted), ..RunFilter::default() };
    assert_eq!(state.runs(&filter, None, 10).unwrap(), interrupted);
    assert_eq!(state.interrupt_running(later).unwrap(), vec![]);
}

#[test]
fn several_records_arrive_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let now = at("2026-05-08T03:00:00Z");
    let refused = state.commit(|txn| {
        txn.enqueue(backup("web"), Cause::Manual, now, None)?;
        txn.approve("0123456789ab", now)?;
        Err::<(), _>(StateError::InUse { dir: "for a reason".into(), holder: None })
    });
    assert!(matches!(refused, Err(StateError::InUse { .. })));
    assert_eq!(state.open_runs().unwrap(), vec![]);
    assert!(state.approvals().unwrap().is_empty());
}

#[test]
fn small_facts_are_kept_replaced_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let (early, late) = (at("2026-05-08T03:00:00Z"), at("2026-05-09T03:00:00Z"));
    let main = "main".parse().unwrap();

    assert_eq!(state.record_marker(&main, "first").unwrap(), "first");
    assert_eq!(state.record_marker(&main, "second").unwrap(), "first");
    assert_eq!(state.markers().unwrap()[&main], "first");
    state.forget_marker(&main).unwrap();
    assert_eq!(state.record_marker(&main, "second").unwrap(), "second");

    assert_eq!(state.advance_clock(late).unwrap(), late);
    assert_eq!(state.advance_clock(early).unwrap(), late);
    assert_eq!(state.clock().unwrap(), Some(late));
    state.reset_clock(early).unwrap();
    assert_eq!(state.clock().unwrap(), Some(early));

    assert_eq!(state.put_config("{}", "a").unwrap(), 1);
    assert_eq!(state.put_config("{}", "a").unwrap(), 1);
    assert_eq!(state.put_config("{1}", "b").unwrap(), 2);
    assert_eq!(state.config().unwrap().unwrap().last_good, "{1}");

    let archive = ArchiveId(uuid::Uuid::from_u128(7));
    let tombstone = Tombstone {
        archive,
        location: main.clone(),
        name: "jerry_web_20260508".parse().unwrap(),
        to_trash: Some(late),
        at: early,
    };
    state.put_tombstone(&tombstone).unwrap();
    assert_eq!(state.tombstones().unwrap(), vec![tombstone]);
    state.drop_tombstone(archive, &main).unwrap();
    assert_eq!(state.tombstones().unwrap(), vec![]);

    state.put_not_before(archive, &main, late).unwrap();
    assert_eq!(state.not_before().unwrap()[&CopyKey::new(archive, &main)], late);
    state.drop_not_before(archive, &main).unwrap();
    assert!(state.not_before().unwrap().is_empty());

    state.put_value("page", "3").unwrap();
    assert_eq!(state.value("page").unwrap().as_deref(), Some("3"));
    state.drop_value("page").unwrap();
    assert_eq!(state.value("page").unwrap(), None);
    assert!(state.check().unwrap());
}

#[test]
fn a_log_ends_at_its_cap_with_a_note_and_can_be_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let run = RunId(3);
    assert_eq!(state.log_since(run, 0).unwrap(), (String::new(), 0));
    state.append_log(run, "one\n").unwrap();
    let (text, next) = state.log_since(run, 0).unwrap();
    assert_eq!((text.as_str(), next), ("one\n", 4));
    state.append_log(run, "two\n").unwrap();
    assert_eq!(state.log_since(run, next).unwrap(), ("two\n".to_owned(), 8));
    let line = format!("{}\n", "é".repeat(50_000));
    for _ in 0..20 {
        state.append_log(run, &line).unwrap();
    }
    let log = state.log(run).unwrap();
    assert!(log.len() as u64 <= LOG_CAP + 100, "{}", log.len());
    assert!(log.ends_with("[the log is cut here: it reached 1 MiB]\n"));
    assert_eq!(log.matches("cut here").count(), 1);
}
