//! Runs that hang, as over a disk or a network file system that does not answer.

use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::engine::configuration;
use crate::engine::core::Running;
use crate::engine::locations::doors::Visitor;
use crate::location::ArchiveStore as _;
use crate::model::observed::LocationState;
use crate::model::restore::RestoreRequest;
use crate::state::Tombstone;
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
            Err(crate::engine::runs::context::Failure::new("late"))
        });
        let desired = bench.core().desired();
        crate::engine::runs::abandoned::give_up(bench.core(), &desired, &run, worker, &running.stop)
    });
    assert!(commands.is_none() && !failure.summary.contains("after"), "{failure:?}");
    assert!(!after.exists());
    assert!(bench.core().after_pending().contains_key(&run.id));
}

/// A bench whose job keeps `count` archives, and those that were made.
fn with_archives(count: u32, made: usize) -> (Bench, Vec<Archive>) {
    let toml = format!("{JOB}retention = {{ mode = \"count\", value = {count} }}\n");
    let mut bench = Bench::new(&toml);
    bench.start(Autonomy::Daemon);
    bench.look();
    let archives = (0..made).map(|_| bench.back_up()).collect();
    (bench, archives)
}

/// Executes a run while somebody else is at the door of `main`: once it waits there, something
/// happens, and the door is free.
fn execute_behind_a_door(bench: &Bench, run: &Run, meanwhile: impl FnOnce(&Running) + Send) -> Run {
    let (core, main) = (bench.core(), "main".parse().unwrap());
    let store = core.store(&main).unwrap();
    let running = Running::new(core, run);
    let door = core.moving(&main, store.as_ref(), Visitor::Peer).unwrap();
    std::thread::scope(|scope| {
        let running = &running;
        let main = &main;
        scope.spawn(move || {
            wait_for("it waits at the door", || core.moving.waiting(main) == 1);
            meanwhile(running);
            drop(door);
        });
        bench.execute_with(running)
    })
}

#[test]
fn whoever_hangs_at_a_location_does_not_keep_the_loop_from_everything_else() {
    let (bench, archives) = with_archives(7, 2);
    let (core, archive) = (bench.core(), &archives[0]);
    let folder = core.folder(&archive.location).unwrap();
    let hangs = core.moving(&archive.location, folder.as_ref(), Visitor::Peer).unwrap();
    let start = std::time::Instant::now();
    let pin = || bench.ask(|reply| Request::SetPinned(archive.key(), true, reply));
    let refused = pin().unwrap_err().to_string();
    assert!(refused.contains("something else is under way at location `main`"), "{refused}");
    // What waited in vain once is not waited for again.
    let again = std::time::Instant::now();
    pin().unwrap_err();
    assert!(again.elapsed() < start.elapsed() / 2 + Duration::from_millis(500));
    // Nor is a deletion that was begun: it is carried through when the door is free.
    let until = Some(ago(core.now(), -24));
    let (id, location, name) = (archive.id, archive.location.clone(), archive.name.clone());
    let stone = Tombstone { archive: id, location, name, to_trash: until, at: core.now() };
    core.state.put_tombstone(&stone).unwrap();
    bench.look();
    assert!(core.stock_taken.lock().get(&archive.location).is_none(), "it is looked at again");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    // To wait is not to be silent.
    assert!(matches!(folder.state(), LocationState::Available { .. }));
    assert!(core.beat.age().is_some_and(|age| age <= Duration::from_secs(10)));
    drop(hangs);
    bench.look();
    assert!(core.stock_taken.lock().contains_key(&archive.location));
    assert!(core.state.tombstones().unwrap().is_empty());
    pin().unwrap();
}

#[test]
fn a_peer_whose_upload_hangs_does_not_keep_the_loop_from_everything_else() {
    let (bench, archives) = with_archives(7, 1);
    let (core, main) = (bench.core(), &archives[0].location);
    let hangs = core.hold_still(main, Visitor::Peer).unwrap();
    let start = std::time::Instant::now();
    bench.look();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(core.stock_taken.lock().get(main).is_none(), "it is looked at again");
    assert_eq!(bench.condition(&archives[0]), Condition::Present);
    bench.back_up();
    drop(hangs);
    bench.look();
    assert!(core.stock_taken.lock().contains_key(main));
}

#[test]
fn a_run_cancelled_while_it_waits_for_others_at_a_location_deletes_nothing() {
    let (bench, archives) = with_archives(7, 2);
    let id = bench.queue(expire(&[&archives[0]])).unwrap();
    let cancelled = execute_behind_a_door(&bench, &bench.run(id), |running| {
        running.stop.request(Stopped::Cancelled);
    });
    assert_eq!(cancelled.status, RunStatus::Cancelled, "{cancelled:?}");
    assert_eq!(bench.condition(&archives[0]), Condition::Present);
    assert!(bench.core().given_up().is_empty());
    assert!(bench.core().state.tombstones().unwrap().is_empty());
}

#[test]
fn a_run_that_waits_for_others_at_a_location_leaves_its_lane_and_is_tried_again_later() {
    let (bench, archives) = with_archives(7, 2);
    let (core, archive) = (bench.core(), &archives[0]);
    let store = core.store(&archive.location).unwrap();
    let hangs = core.moving(&archive.location, store.as_ref(), Visitor::Peer).unwrap();
    let until = core.now();
    bench.set_condition(archive, Condition::Trashed { until });
    let location = archive.location.clone();
    let work = Work::EmptyTrash { location, archives: vec![archive.id] };
    let run = bench.enqueue(work, Cause::Reconcile);
    let over = bench.execute(&run);
    assert_eq!(over.status, RunStatus::Error, "{over:?}");
    assert!(over.summary.contains("something else is under way"), "{}", over.summary);
    let rests = core.state.not_before().unwrap();
    assert!(rests.get(&archive.key()).is_some_and(|until| *until > core.now()), "{rests:?}");
    bench.back_up();
    drop(hangs);
}

#[test]
fn an_expiry_that_waits_at_a_location_keeps_what_is_to_stay_by_then() {
    type Event = fn(&Bench, &[Archive]);
    let events: [(&str, Event); 3] = [
        ("the policy is raised", |bench, _| {
            bench.write(
                "jobs.toml",
                &format!("{JOB}retention = {{ mode = \"count\", value = 5 }}\n"),
            );
            assert!(configuration::reload(bench.core()).unwrap());
        }),
        ("somebody wants it back", |bench, archives| {
            let Archive { id: archive, location, .. } = archives[0].clone();
            let request = Box::new(RestoreRequest::whole());
            bench.enqueue(Work::Restore { archive, location, request }, Cause::Manual);
        }),
        ("the newest one is found damaged", |bench, archives| {
            bench.set_condition(&archives[1], Condition::Corrupt);
        }),
    ];
    for (what, happens) in events {
        let (bench, archives) = with_archives(1, 2);
        bench.look();
        let run = bench.open().into_iter().find(|run| run.work.word() == "expire").unwrap();
        let (main, core) = (archives[0].location.clone(), Arc::clone(bench.core()));
        let store = core.store(&main).unwrap();
        let door = core.moving(&main, store.as_ref(), Visitor::Peer).unwrap();
        let running = Running::new(&core, &run);
        let id = run.id;
        core.running().insert(running.lane, running.clone());
        bench.runtime.block_on(async {
            let run = tokio::spawn(executor::execute(Arc::clone(&core), running));
            while core.moving.waiting(&main) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            happens(&bench, &archives);
            drop(door);
            run.await.unwrap();
        });
        assert!(bench.run(id).status.is_success(), "{what}: {:?}", bench.run(id));
        assert_eq!(bench.condition(&archives[0]), Condition::Present, "{what}");
    }
}

#[test]
fn what_a_look_that_was_left_behind_saw_does_not_count() {
    let (bench, archives) = with_archives(7, 1);
    let (core, main) = (bench.core(), &archives[0].location);
    let before = core.folder(main).unwrap();
    std::fs::write(bench.path("archives/foreign.tar"), b"x").unwrap();
    std::fs::remove_file(bench.path(&format!("archives/{}.tar", archives[0].name))).unwrap();
    // The location is another one by now.
    let base = std::fs::read_to_string(bench.path("etc/base.toml")).unwrap();
    bench.write("base.toml", &base.replace("../archives", "../elsewhere"));
    configuration::reload(bench.core()).unwrap();
    assert!(!Arc::ptr_eq(&before, &core.folder(main).unwrap()));
    crate::engine::observe::inventory::take(core, main, &before, &mut Vec::new()).unwrap();
    assert!(core.catalogue.foreign_at(main).is_empty());
    assert_eq!(bench.condition(&archives[0]), Condition::Present);
}
