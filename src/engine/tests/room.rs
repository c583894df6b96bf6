//! Little space at a location: what makes room for the next archive, and what never does.

use super::*;
use crate::engine::runs::context::{Context, Failure};
use crate::engine::runs::room;
use crate::model::observed::Freeze;
use crate::progress::Progress;

/// Three archives at their place, and two in the trash, the one first that is to leave it first.
fn two_in_the_trash() -> (Bench, [Archive; 2]) {
    let bench = Bench::with_job("");
    bench.look();
    let archives: Vec<Archive> = (0..5).map(|_| bench.back_up()).collect();
    let trashed = [&archives[0], &archives[1]].map(|archive| {
        let run = bench.queue(expire(&[archive])).unwrap();
        assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Success);
        bench.get(archive).unwrap()
    });
    assert!(trashed.iter().all(|archive| is_trashed(&archive.condition)), "{trashed:?}");
    (bench, trashed)
}

/// Makes room for the next archive where so many bytes are `missing`.
fn make_room(bench: &Bench, missing: u64) -> Result<(), Failure> {
    let core = bench.core();
    let desired = core.desired();
    let job = &desired.jobs[&"notes".parse().unwrap()];
    let location = &desired.locations[&job.location];
    let last = core.series_archives(&desired, job).into_iter().max_by_key(|one| one.created_at);
    let free = last.unwrap().file_size + location.min_free.0 - missing;
    let stop = core.stop.child();
    let cx = Context {
        core: Arc::clone(core),
        desired: Arc::clone(&desired),
        run: bench.enqueue(backup(), Cause::Manual),
        give_way: stop.child(),
        stop,
        progress: Progress::new(),
    };
    let store = core.store(&job.location).unwrap();
    room::make_room(&cx, job, location, store.as_ref(), free)
}

/// Which of them rest in the trash, by the catalogue and on the disk.
fn left(bench: &Bench, trashed: &[Archive]) -> Vec<bool> {
    let folder = bench.core().folder(&trashed[0].location).unwrap();
    let rests = |archive: &Archive| {
        let is_known = bench.get(archive).is_some_and(|known| is_trashed(&known.condition));
        assert_eq!(folder.path_of(archive).exists(), is_known, "{}", archive.name);
        is_known
    };
    trashed.iter().map(rests).collect()
}

fn present(bench: &Bench) -> usize {
    bench.archives().iter().filter(|archive| archive.condition == Condition::Present).count()
}

#[test]
fn nothing_leaves_the_trash_early_while_there_is_room() {
    let (bench, trashed) = two_in_the_trash();
    make_room(&bench, 0).unwrap();
    assert_eq!(left(&bench, &trashed), [true, true]);
}

#[test]
fn the_trash_is_emptied_early_when_space_is_short_and_no_more_of_it_than_is_needed() {
    let (bench, trashed) = two_in_the_trash();
    make_room(&bench, 1).unwrap();
    assert_eq!(left(&bench, &trashed), [false, true]);
    make_room(&bench, trashed[1].file_size).unwrap();
    assert_eq!(left(&bench, &trashed), [false, false]);
    assert_eq!(present(&bench), 3);
}

#[test]
fn the_trash_stays_when_all_of_it_would_not_be_enough_and_no_archive_is_deleted_to_make_room() {
    let (bench, trashed) = two_in_the_trash();
    let in_trash: u64 = trashed.iter().map(|archive| archive.file_size).sum();
    let failure = make_room(&bench, in_trash + 1).unwrap_err();
    assert!(failure.summary.contains("not enough space at `main`"), "{failure:?}");
    assert!(failure.hint.unwrap().contains("no archive was deleted"));
    assert_eq!(left(&bench, &trashed), [true, true]);
    assert_eq!(present(&bench), 3);
}

#[test]
fn the_trash_stays_while_retention_rests_however_short_space_is() {
    let (bench, trashed) = two_in_the_trash();
    let state = &bench.core().state;
    for freeze in [
        Freeze::Clock("it went back".to_owned()),
        Freeze::JobsVanished("they went".to_owned()),
        Freeze::Recovery("a new machine".to_owned()),
    ] {
        state.put_freeze(&freeze).unwrap();
        make_room(&bench, 1).unwrap_err();
        assert_eq!(left(&bench, &trashed), [true, true], "{freeze:?}");
        state.drop_freeze(&freeze).unwrap();
    }
    make_room(&bench, 1).unwrap();
    assert_eq!(left(&bench, &trashed), [false, true]);
}
