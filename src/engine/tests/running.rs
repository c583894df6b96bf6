//! Cancelled, failed, given up, not recorded.

use tokio::task::JoinSet;

use super::*;
use crate::engine::runs::record;
use crate::engine::{Handle, configuration, cycle};

#[test]
fn a_run_cancelled_between_its_turn_and_its_beginning_never_begins() {
    let bench = Bench::with_job("");
    let run = bench.enqueue(backup(), Cause::Manual);
    bench.runtime.block_on(async {
        let mut workers = JoinSet::new();
        cycle::start_runs(bench.core(), &mut workers, &bench.open());
        assert_eq!(workers.len(), 1);
        bench.cancel(run.id).unwrap();
        while workers.join_next().await.is_some() {}
    });
    assert_eq!(bench.run(run.id).status, RunStatus::Cancelled);
    assert!(bench.archives().is_empty());
    assert!(bench.core().running().is_empty());
}

#[test]
fn a_cancelled_verification_or_copy_is_not_begun_again_at_once() {
    let bench = Bench::with_job("");
    bench.look();
    let archive = bench.back_up();
    for queued in bench.open() {
        if let Work::Backup { .. } = queued.work {
            bench.cancel(queued.id).unwrap();
        }
    }
    bench.look();
    let verify = bench.open().into_iter().find(|run| run.work.word() == "verify").unwrap();
    bench.cancel(verify.id).unwrap();
    bench.look();
    assert!(!bench.opens("verify"), "{:?}", bench.open());
    assert!(bench.queue(Work::Verify { archive: archive.id, location: archive.location }).is_ok());
}

#[test]
fn an_end_that_cannot_be_recorded_is_recorded_later_and_nothing_begins_before() {
    let bench = Bench::with_job("");
    bench.look();
    let run = bench.open().remove(0);
    let failed = Run {
        status: RunStatus::Error,
        finished_at: Some(bench.core().now()),
        summary: "no space".to_owned(),
        ..run.clone()
    };
    bench.core().state.put_run(&Run { status: RunStatus::Running, ..run }).unwrap();
    bench.core().unrecorded().push(failed);
    let next = bench.enqueue(backup(), Cause::Manual);
    bench.runtime.block_on(async {
        let mut workers = JoinSet::new();
        cycle::start_runs(bench.core(), &mut workers, &bench.open());
        assert!(workers.is_empty());
    });
    record::catch_up(bench.core()).unwrap();
    assert_eq!(bench.open(), [next]);
    assert_eq!(bench.facts().last_failure.as_deref(), Some("no space"));
    assert_eq!(bench.facts().last_attempt.map(|attempt| attempt.number), Some(0));
}

#[test]
fn whoever_reads_that_a_run_is_over_finds_its_archive() {
    let mut bench = Bench::new(JOB);
    let (sender, mut incoming) = mpsc::unbounded_channel();
    let options =
        Options { config_dir: bench.path("etc"), autonomy: Autonomy::Daemon, only: Vec::new() };
    bench.core = Some(start::start(options, sender).unwrap());
    bench.look();
    let run = bench.execute(&bench.open().remove(0));
    assert!(run.status.is_success());
    let core = Arc::clone(bench.core());
    assert!(core.view.load().observed.archives.is_empty(), "nobody looked since");
    let (_end, ended) = tokio::sync::watch::channel(false);
    let handle = Handle::new(Arc::clone(&core), ended);
    let archives = bench.runtime.block_on(async {
        let reader = tokio::spawn(async move {
            assert_eq!(handle.run(run.id).await.unwrap().status, run.status);
            handle.view().observed.archives.len()
        });
        let asked = tokio::time::timeout(Duration::from_secs(10), incoming.recv()).await;
        let Some(Request::Look(reply)) = asked.expect("nobody waits for the view") else {
            panic!("something else is asked for");
        };
        look::look(&core, core.now()).unwrap();
        reply.send(Ok(())).unwrap();
        reader.await.unwrap()
    });
    assert_eq!(archives, 1);
    assert!(bench.core().unseen.lock().is_empty());
}

#[test]
fn a_job_whose_run_was_given_up_does_not_begin_beside_it() {
    let bench = Bench::with_job("");
    bench.look();
    bench.core().given_up().insert(RunId(77), backup());
    let run = bench.enqueue(backup(), Cause::Manual);
    let run = bench.execute(&run);
    assert_eq!(run.status, RunStatus::Error);
    assert!(run.summary.contains("run 77"), "{}", run.summary);
    bench.core().given_up().clear();
    bench.back_up();
}

#[test]
fn an_idle_turn_makes_no_plan_and_keeps_the_view_fresh() {
    let bench = Bench::with_job("enabled = false\n");
    bench.look();
    let core = bench.core();
    let before = core.view.load_full();
    let mut clock = clock::Clock::start();
    let mut turn =
        |changed| look::look_if_needed(core, &mut clock, changed, None, Duration::ZERO).unwrap();
    turn(false); // takes the stock of the location again, which was told to be forgotten
    let made = core.view.load_full();
    assert!(matches!(turn(false), Looked::Nothing));
    let after = core.view.load_full();
    assert!(Arc::ptr_eq(&made.plan, &after.plan) && after.at > before.at);
    assert!(matches!(turn(true), Looked::Anew { .. }));
}

#[test]
fn a_reload_while_a_run_publishes_loses_nothing() {
    let bench = Bench::with_job("");
    bench.look();
    let archive = bench.back_up();
    let run = bench.enqueue(backup(), Cause::Manual);
    let running = Running::new(bench.core(), &run);
    bench.core().running().insert(running.lane, running);
    // Recorded, and not at its place yet.
    let coming = Archive { id: crate::model::archive::ArchiveId(uuid::Uuid::new_v4()), ..archive };
    bench.core().catalogue.put(&bench.core().state, coming.clone()).unwrap();
    bench.write("more.toml", "[location.second]\npath = \"../second\"\n");
    assert!(configuration::reload(bench.core()).unwrap());
    look::look_if_needed(bench.core(), &mut clock::Clock::start(), true, None, Duration::ZERO)
        .unwrap();
    assert_eq!(bench.condition(&coming), Condition::Present);
}

#[test]
fn a_run_that_was_asked_to_stop_is_put_off_and_not_lost() {
    let bench = Bench::with_job("");
    bench.look();
    let run = bench.open().remove(0);
    bench.core().stop.request(Stopped::Shutdown);
    let run = bench.execute(&run);
    assert_eq!(run.status, RunStatus::Interrupted);
    assert_eq!(
        bench.facts().last_attempt.map(|attempt| attempt.status),
        Some(RunStatus::Interrupted)
    );
}

#[test]
fn a_run_that_hangs_is_given_up_and_told_and_its_lane_goes_on() {
    let bench = Bench::with_job("");
    bench.look();
    let archive = bench.back_up();
    let core = bench.core();
    let (id, location) = (archive.id, archive.location.clone());
    let run = bench.enqueue(Work::Verify { archive: id, location }, Cause::Reconcile);
    let running = Running { patience: Duration::from_millis(50), ..Running::new(core, &run) };
    let (stop, progress) = (running.stop.clone(), running.progress.clone());
    // Where it left off is what it asks for next, and does not get.
    let hangs = core.half_read();
    let given_up = std::thread::scope(|scope| {
        scope.spawn(|| {
            while progress.snapshot().phase != "verifying" {
                std::thread::yield_now();
            }
            stop.request(Stopped::TimedOut);
        });
        bench.execute_with(&running)
    });
    assert_eq!(given_up.status, RunStatus::Error);
    assert!(given_up.summary.contains("was given up"), "{}", given_up.summary);
    assert!(core.running().is_empty(), "its lane is free");
    bench.back_up();
    bench.look();
    let told = format!("run {} (verify) was given up and hangs still", run.id);
    let notes = || core.view.load().plan.notes.clone();
    assert!(notes().iter().any(|note| note.text.starts_with(&told)), "{:?}", notes());
    drop(hangs);
    bench.runtime.block_on(async {
        while !core.given_up().is_empty() {
            tokio::task::yield_now().await;
        }
    });
    bench.look();
    assert!(!notes().iter().any(|note| note.text.starts_with(&told)), "{:?}", notes());
}
