//! Runs that hang, as over a disk or a network file system that does not answer.

use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::engine::core::Running;
use crate::stop::Stopped;

/// Long enough for the thread of a run that reacts, and short enough to wait for.
const PATIENCE: Duration = Duration::from_millis(100);

/// A bench whose backups hang between `before` and the reading of their source until the sender is
/// dropped, with a good archive of before that. Its commands `after` write a line into `after`.
fn hanging() -> (Bench, Archive, Sender<()>) {
    let mut bench = Bench::new("");
    let after = bench.path("after");
    bench.write("jobs.toml", &format!("{JOB}after = [\"echo x >> {}\"]\n", after.display()));
    bench.start(Autonomy::Daemon);
    bench.look();
    let archive = bench.back_up();
    std::fs::remove_file(&after).unwrap();
    bench.start(Autonomy::Daemon);
    let (held, released) = channel::<()>();
    let (ready, is_ready) = channel();
    let core = Arc::clone(bench.core());
    // A backup asks for the version of YunoHost before it reads, and gets no answer now.
    std::thread::spawn(move || {
        core.yunohost.get_or_init(|| {
            ready.send(()).unwrap();
            let _ = released.recv();
            None
        });
    });
    is_ready.recv().unwrap();
    (bench, archive, held)
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(1), "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Runs a backup that hangs, cancels it when it does, and lets it be given up.
fn give_up(bench: &Bench) -> Run {
    let run = bench.enqueue(backup(), Cause::Manual);
    let running = Running::new(bench.core(), &run);
    bench.core().running().insert(running.lane, running.clone());
    let (core, stop, id) = (Arc::clone(bench.core()), running.stop.clone(), run.id);
    let canceller = std::thread::spawn(move || {
        wait_for("its commands `after` are owed", || core.after_pending().contains_key(&id));
        stop.request(Stopped::TimedOut);
    });
    let running = Running { patience: PATIENCE, ..running };
    let executed = executor::execute(Arc::clone(bench.core()), running);
    bench.runtime.block_on(executed);
    canceller.join().unwrap();
    bench.run(run.id)
}

fn log(bench: &Bench, run: &Run) -> String {
    let path = bench.path(&format!("state/logs/{}.log", run.id));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_before_stopped_is_started_again_when_a_run_that_hangs_is_given_up() {
    let (bench, archive, held) = hanging();
    let after = bench.path("after");
    let run = give_up(&bench);
    assert_eq!(run.status, RunStatus::Error, "{run:?}");
    assert!(run.summary.contains("given up") && run.summary.contains("`after`"), "{run:?}");
    assert_eq!(std::fs::read_to_string(&after).unwrap(), "x\n");
    assert!(bench.core().after_pending().is_empty());
    assert!(log(&bench, &run).contains("the commands `after` have run"), "{}", log(&bench, &run));

    // The lane goes on while the thread hangs; the job itself waits for it.
    assert!(bench.core().running().is_empty());
    let Archive { id, location, .. } = archive;
    let other = bench.enqueue(Work::Verify { archive: id, location }, Cause::Manual);
    assert_eq!(bench.execute(&other).status, RunStatus::Success);
    let again = bench.enqueue(backup(), Cause::Manual);
    let again = bench.execute(&again);
    assert!(again.summary.contains("hangs still"), "{again:?}");

    // It comes back, and does not run them a second time.
    drop(held);
    bench.runtime.block_on(async {
        while bench.core().given_up().contains_key(&run.id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(std::fs::read_to_string(&after).unwrap(), "x\n");
    assert_eq!(bench.archives().len(), 1, "a run that was given up left an archive");
    bench.back_up();
    assert_eq!(std::fs::read_to_string(&after).unwrap(), "x\nx\n");
}

#[test]
fn a_run_that_hangs_when_the_daemon_ends_leaves_its_commands_after_to_the_next_start() {
    let (bench, _, held) = hanging();
    let after = bench.path("after");
    let run = bench.enqueue(backup(), Cause::Manual);
    let running = Running::new(bench.core(), &run);
    let (failure, commands) = bench.runtime.block_on(async {
        bench.core().owe_after(run.id, &"notes".parse().unwrap()).unwrap();
        bench.core().stop.request(Stopped::Shutdown);
        let worker = tokio::task::spawn_blocking(move || {
            drop(held);
            Err(crate::engine::context::Failure::new("late"))
        });
        let desired = bench.core().desired();
        crate::engine::given_up::give_up(bench.core(), &desired, &run, worker, &running.stop)
    });
    assert!(commands.is_none() && !failure.summary.contains("after"), "{failure:?}");
    assert!(!after.exists());
    assert!(bench.core().after_pending().contains_key(&run.id));
}
