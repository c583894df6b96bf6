//! No room: what is unlinked early, and what people are told would help.

use super::*;
use crate::engine::runs::context::{Context, Failure};
use crate::engine::runs::room::make_room;
use crate::model::job::Job;

/// What making room comes to where one byte more is needed than is free.
fn short_of_one_byte(bench: &Bench) -> Result<(), Failure> {
    let core = bench.core();
    let run = bench.enqueue(backup(), Cause::Due { due: core.now(), attempt: 0 });
    let running = Running::new(core, &run);
    let cx = Context {
        core: Arc::clone(core),
        desired: core.desired(),
        run: run.clone(),
        stop: running.stop.clone(),
        give_way: running.give_way.clone(),
        progress: running.progress.clone(),
    };
    let job: &Job = &cx.desired.jobs[&"notes".parse().unwrap()];
    let location = &cx.desired.locations[&job.location];
    let last = core.series_archives(&cx.desired, job).into_iter().max_by_key(|one| one.created_at);
    let needed = last.unwrap().file_size + location.min_free.0;
    let store = core.store(&location.name).unwrap();
    let made = make_room(&cx, job, location, store.as_ref(), needed - 1);
    bench.cancel(run.id).unwrap();
    made
}

/// Another instance, `jim`, whose archives rest in the same folder.
fn beside(bench: &Bench) -> Bench {
    let mut jim = Bench::new(JOB);
    let base = std::fs::read_to_string(jim.path("etc/base.toml")).unwrap();
    let shared = bench.path("archives").display().to_string();
    jim.write("base.toml", &base.replace("\"jerry\"", "\"jim\"").replace("../archives", &shared));
    jim.start(Autonomy::Daemon);
    jim.look();
    jim
}

fn trash(bench: &Bench, archive: &Archive) {
    let run = bench.queue(expire(&[archive])).unwrap();
    assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Success);
    assert!(is_trashed(&bench.condition(archive)));
}

#[test]
fn what_another_instance_put_into_the_trash_of_a_shared_folder_stays_its_time() {
    let jerry = Bench::with_job("");
    jerry.look();
    let ours = jerry.back_up();
    jerry.back_up();
    let jim = beside(&jerry);
    let theirs = jim.back_up();
    jim.back_up();
    trash(&jim, &theirs);
    jerry.look();
    assert!(is_trashed(&jerry.condition(&theirs)), "jerry does not see it: this shows nothing");
    let failure = short_of_one_byte(&jerry).unwrap_err();
    assert!(failure.summary.starts_with("not enough space"), "{failure:?}");
    jim.look();
    assert!(is_trashed(&jim.condition(&theirs)), "it can be taken back");

    // Our own goes, and is enough.
    trash(&jerry, &ours);
    short_of_one_byte(&jerry).unwrap();
    assert!(jerry.get(&ours).is_none());
    assert!(is_trashed(&jerry.condition(&theirs)));
}

fn hint(bench: &Bench) -> String {
    short_of_one_byte(bench).unwrap_err().hint.unwrap()
}

#[test]
fn without_room_it_is_said_what_a_success_or_an_approval_would_release() {
    let keeping = |count: u32| {
        let mut bench =
            Bench::new(&format!("{JOB}retention = {{ mode = \"count\", value = {count} }}\n"));
        bench.start(Autonomy::Daemon);
        bench.look();
        bench
    };
    let bench = keeping(2);
    let oldest = bench.back_up();
    assert!(hint(&bench).ends_with("no archive was deleted"), "{}", hint(&bench));
    bench.back_up();
    bench.look();
    let would = format!("no archive was deleted. A success would release: {}", oldest.name);
    assert!(hint(&bench).ends_with(&would), "{}", hint(&bench));

    let bench = keeping(1);
    let archives: Vec<Archive> = (0..6).map(|_| bench.back_up()).collect();
    bench.look();
    let hash = bench.core().view.load_full().plan.blocked[0].hash.clone();
    let said = hint(&bench);
    let waits = format!(". `larder approve {hash}` would release: {}, ", archives[0].name);
    assert!(said.contains(&waits), "{said}");
    let then = format!(
        ". A success would ask for approval (`larder plan`) to release: {}",
        archives[5].name
    );
    assert!(said.ends_with(&then), "{said}");
}
