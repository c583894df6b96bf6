//! Reading back gives way, goes on, and is not lost.

use tokio::task::JoinSet;

use super::*;
use crate::engine::cycle;
use crate::model::observed::LocationState;

fn verify(archive: &Archive) -> Work {
    Work::Verify { archive: archive.id, location: archive.location.clone() }
}

/// A verification of an archive that gave way as soon as it began.
fn gave_way(bench: &Bench, archive: &Archive) -> Run {
    let run = bench.enqueue(verify(archive), Cause::Reconcile);
    let running = Running::new(bench.core(), &run);
    running.give_way.request(Stopped::Cancelled);
    bench.execute_with(&running)
}

/// Starts what is next, and lets it come to its end. Returns which it was.
fn next(bench: &Bench) -> RunId {
    bench.runtime.block_on(async {
        let mut workers = JoinSet::new();
        cycle::start_runs(bench.core(), &mut workers, &bench.open());
        let id = bench.core().running().values().next().unwrap().run.id;
        while workers.join_next().await.is_some() {}
        id
    })
}

#[test]
fn a_verification_that_gives_way_waits_again_and_goes_on_behind_what_was_due() {
    let bench = Bench::with_job("");
    let archive = bench.back_up();
    let run = gave_way(&bench, &archive);
    assert_eq!((run.status, run.started_at, run.finished_at), (RunStatus::Queued, None, None));
    assert!(run.summary.contains("gave way after 0 B of"), "{}", run.summary);
    assert!(bench.core().running().is_empty());
    assert_eq!(bench.core().half_read().len(), 1);
    let due = bench.enqueue(backup(), Cause::Due { due: bench.core().now(), attempt: 0 });
    assert_eq!(next(&bench), due.id);
    assert_eq!(next(&bench), run.id);
    assert_eq!(bench.run(run.id).status, RunStatus::Success);
    assert!(bench.get(&archive).unwrap().verified_at.is_some());
    assert!(bench.core().half_read().is_empty());
}

#[test]
fn a_verification_is_asked_to_leave_its_lane_when_something_waits_and_nobody_waits_for_it() {
    let bench = Bench::with_job("");
    let archive = bench.back_up();
    let is_asked = |cause: Cause, waiting: &[Run]| {
        let run = bench.enqueue(verify(&archive), cause);
        let running = Running::new(bench.core(), &run);
        bench.core().running().insert(running.lane, running.clone());
        cycle::start_runs(bench.core(), &mut JoinSet::new(), waiting);
        bench.core().running().clear();
        running.give_way.reason().is_some() && running.stop.reason().is_none()
    };
    let due = bench.enqueue(backup(), Cause::Due { due: bench.core().now(), attempt: 0 });
    let asked_for = bench.enqueue(backup(), Cause::Manual);
    let another = bench.enqueue(verify(&archive), Cause::Reconcile);
    for waiting in [&due, &asked_for] {
        assert!(is_asked(Cause::Reconcile, std::slice::from_ref(waiting)));
        assert!(!is_asked(Cause::Manual, std::slice::from_ref(waiting)));
    }
    assert!(!is_asked(Cause::Reconcile, &[another]));
}

#[test]
fn a_verification_that_somebody_asks_for_while_it_is_under_way_does_not_give_way() {
    let bench = Bench::with_job("");
    let archive = bench.back_up();
    let run = bench.enqueue(verify(&archive), Cause::Reconcile);
    let running = Running::new(bench.core(), &run);
    bench.core().running().insert(running.lane, running.clone());
    let asked = bench.queue(verify(&archive));
    assert!(matches!(asked, Err(RequestError::Busy(id)) if id == run.id), "{asked:?}");
    let due = bench.enqueue(backup(), Cause::Due { due: bench.core().now(), attempt: 0 });
    cycle::start_runs(bench.core(), &mut JoinSet::new(), &[due]);
    assert_eq!(running.give_way.reason(), None);
}

#[test]
fn a_verification_that_is_cancelled_while_it_gives_way_is_over() {
    let bench = Bench::with_job("");
    let archive = bench.back_up();
    let run = bench.enqueue(verify(&archive), Cause::Reconcile);
    let running = Running::new(bench.core(), &run);
    running.give_way.request(Stopped::Cancelled);
    running.stop.request(Stopped::Cancelled);
    assert_eq!(bench.execute_with(&running).status, RunStatus::Cancelled);
}

#[test]
fn an_archive_that_left_while_its_verification_waited_is_no_failure() {
    let bench = Bench::with_job("");
    let archive = bench.back_up();
    let gone = Work::Verify {
        archive: crate::model::archive::ArchiveId(uuid::Uuid::from_u128(7)),
        location: archive.location,
    };
    let run = bench.enqueue(gone.clone(), Cause::Reconcile);
    assert_eq!(bench.execute(&run).status, RunStatus::Success);
    let run = bench.enqueue(gone, Cause::Manual);
    assert_eq!(bench.execute(&run).status, RunStatus::Error);
}

#[test]
fn an_archive_that_the_disk_cannot_give_back_counts_as_damaged_until_it_is_read_well() {
    let bench = Bench::with_job("");
    let archive = bench.back_up();
    let store = bench.core().store(&archive.location).unwrap();
    let fails_with = |errno: rustix::io::Errno| {
        crate::engine::runs::verify::unreadable(
            bench.core(),
            store.as_ref(),
            &archive,
            errno.into(),
        )
        .unwrap()
    };
    fails_with(rustix::io::Errno::PERM);
    assert!(bench.get(&archive).unwrap().is_good());
    let failure = fails_with(rustix::io::Errno::IO);
    assert!(failure.summary.contains("counts as damaged"), "{}", failure.summary);
    assert_eq!(failure.rest, Some(SignedDuration::ZERO), "a whole copy may come at once");
    assert_eq!(bench.condition(&archive), Condition::Corrupt);
    let state = |bench: &Bench| bench.core().location_states().remove(&archive.location).unwrap();
    assert!(matches!(state(&bench), LocationState::Suspect(_)));
    let run = bench.queue(verify(&archive)).unwrap();
    assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Success);
    assert!(bench.get(&archive).unwrap().is_good());
    assert!(matches!(state(&bench), LocationState::Available { .. }));
}

#[test]
fn what_cannot_be_read_at_a_place_that_went_away_is_not_damaged() {
    let bench = Bench::with_job("");
    let archive = bench.back_up();
    let store = bench.core().store(&archive.location).unwrap();
    std::fs::rename(bench.path("archives"), bench.path("away")).unwrap();
    let error = rustix::io::Errno::IO.into();
    crate::engine::runs::verify::unreadable(bench.core(), store.as_ref(), &archive, error).unwrap();
    assert_eq!(bench.condition(&archive), Condition::Present);
}
