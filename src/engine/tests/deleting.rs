//! Deletions: asked for twice, overtaken by events, stopped half-way, taken back.

use super::*;
use crate::state::Tombstone;

/// Two good archives of a job that keeps seven; nothing else is open.
fn two() -> (Bench, Archive, Archive) {
    let bench = Bench::with_job("");
    bench.look();
    let older = bench.back_up();
    let newer = bench.back_up();
    (bench, older, newer)
}

fn tombstone(bench: &Bench, archive: &Archive) {
    bench
        .core()
        .state
        .put_tombstone(&Tombstone {
            archive: archive.id,
            location: archive.location.clone(),
            name: archive.name.clone(),
            to_trash: Some(ago(bench.core().now(), -24)),
            at: bench.core().now(),
        })
        .unwrap();
}

fn tar(bench: &Bench, archive: &Archive) -> PathBuf {
    bench.path(&format!("archives/{}.tar", archive.name))
}

#[test]
fn two_requests_cannot_delete_the_last_good_archives_together() {
    let (bench, older, newer) = two();
    let first = bench.queue(expire(&[&older])).unwrap();
    let refused = bench.queue(expire(&[&newer])).unwrap_err();
    assert!(refused.to_string().contains("last good"), "{refused}");
    let first = bench.execute(&bench.run(first));
    assert_eq!(first.status, RunStatus::Success);
    assert_eq!(bench.condition(&newer), Condition::Present);
}

#[test]
fn a_deletion_by_hand_is_not_carried_out_when_the_other_archive_was_lost_meanwhile() {
    let (bench, older, newer) = two();
    let run = bench.queue(expire(&[&older])).unwrap();
    bench.set_condition(&newer, Condition::Corrupt);
    bench.execute(&bench.run(run));
    assert_eq!(bench.condition(&older), Condition::Present);
}

#[test]
fn an_expiry_is_not_carried_out_when_the_archive_it_made_way_for_was_lost_meanwhile() {
    let mut bench = Bench::new(&format!("{JOB}retention = {{ mode = \"count\", value = 1 }}\n"));
    bench.start(Autonomy::Daemon);
    bench.look();
    let older = bench.back_up();
    let newer = bench.back_up();
    bench.look();
    let run = bench.open().into_iter().find(|run| run.work.word() == "expire").unwrap();
    bench.set_condition(&newer, Condition::Corrupt);
    bench.execute(&run);
    assert_eq!(bench.condition(&older), Condition::Present);
    bench.look();
    assert!(!bench.opens("expire"));
}

#[test]
fn a_deletion_begun_before_a_pin_does_not_go_on_after_it() {
    let (mut bench, older, _) = two();
    let pin = bench.ask(|reply| Request::SetPinned(older.key(), true, reply));
    pin.unwrap();
    tombstone(&bench, &older);
    bench.start(Autonomy::Daemon);
    bench.look();
    assert_eq!(bench.condition(&older), Condition::Present);
    assert!(bench.core().state.tombstones().unwrap().is_empty());
}

#[test]
fn a_deletion_of_what_others_deleted_ends_and_keeps_nobody_from_looking() {
    let (mut bench, older, newer) = two();
    tombstone(&bench, &older);
    std::fs::remove_file(tar(&bench, &older)).unwrap();
    std::fs::write(bench.path("archives/foreign.tar"), b"x").unwrap();
    bench.start(Autonomy::Daemon);
    bench.look();
    assert!(bench.core().state.tombstones().unwrap().is_empty());
    assert_eq!(bench.core().catalogue.foreign().len(), 1);
    assert_eq!(bench.condition(&newer), Condition::Present);
}

#[test]
fn a_deletion_is_finished_when_its_location_comes_back() {
    let (mut bench, older, newer) = two();
    tombstone(&bench, &older);
    // It was to leave the trash while it was out of reach.
    let store = bench.core().store(&older.location).unwrap();
    store.trash(&older, ago(bench.core().now(), 1)).unwrap();
    std::fs::rename(bench.path("archives"), bench.path("away")).unwrap();
    bench.start(Autonomy::Daemon);
    bench.look();
    assert_eq!(bench.condition(&newer), Condition::Unavailable);
    std::fs::rename(bench.path("away"), bench.path("archives")).unwrap();
    bench.look();
    let Condition::Trashed { until } = bench.condition(&older) else { panic!("it is here") };
    assert!(until > ago(bench.core().now(), -23), "{until}");
    assert_eq!(bench.condition(&newer), Condition::Present);
}

#[test]
fn a_deletion_that_never_began_is_not_made_up_for_later() {
    let (mut bench, older, _) = two();
    tombstone(&bench, &older);
    bench.start(Autonomy::Daemon);
    bench.look();
    assert_eq!(bench.condition(&older), Condition::Present);
    assert!(tar(&bench, &older).exists());
    assert!(bench.core().state.tombstones().unwrap().is_empty());
}

#[test]
fn verifying_an_archive_in_the_trash_leaves_it_there() {
    let (bench, older, _) = two();
    let run = bench.queue(expire(&[&older])).unwrap();
    bench.execute(&bench.run(run));
    let verify = Work::Verify { archive: older.id, location: older.location.clone() };
    let run = bench.queue(verify).unwrap();
    assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Success);
    assert!(is_trashed(&bench.condition(&older)));
    let path = bench.path(&format!("archives/.larder-trash/{}.tar", older.name));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let verify = Work::Verify { archive: older.id, location: older.location.clone() };
    let run = bench.queue(verify).unwrap();
    assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Error);
    assert!(is_trashed(&bench.condition(&older)));
}

#[test]
fn what_is_taken_back_is_pinned_even_if_the_machine_stops_in_between() {
    let (mut bench, older, _) = two();
    let run = bench.queue(expire(&[&older])).unwrap();
    bench.execute(&bench.run(run));
    // The files have moved; neither the second writing of the description nor the record came.
    let trashed = bench.get(&older).unwrap();
    let store = bench.core().store(&older.location).unwrap();
    store.untrash(&Archive { pinned: true, ..trashed }).unwrap();
    bench.start(Autonomy::Daemon);
    bench.look();
    let back = bench.get(&older).unwrap();
    assert!(back.pinned && back.condition == Condition::Present, "{back:?}");
}

#[test]
fn an_archive_taken_back_is_pinned_and_read_back_again() {
    let (bench, older, _) = two();
    let run = bench.queue(expire(&[&older])).unwrap();
    bench.execute(&bench.run(run));
    bench.ask(|reply| Request::Undelete(older.key(), reply)).unwrap();
    let back = bench.get(&older).unwrap();
    assert!(back.pinned && back.verified_at.is_none() && tar(&bench, &older).exists());
}

#[test]
fn a_location_without_trash_unlinks_at_once() {
    let (bench, older, _) = two();
    let base = std::fs::read_to_string(bench.path("etc/base.toml")).unwrap();
    bench.write("base.toml", &format!("{base}trash = \"0s\"\n"));
    crate::engine::configuration::reload(bench.core()).unwrap();
    let run = bench.queue(expire(&[&older])).unwrap();
    assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Success);
    assert!(bench.get(&older).is_none() && !tar(&bench, &older).exists());
}

#[test]
fn deletions_by_hand_add_up_also_when_the_run_is_stopped_half_way() {
    let bench = Bench::with_job("");
    bench.look();
    let archives: Vec<Archive> = (0..5).map(|_| bench.back_up()).collect();
    let run = bench.queue(expire(&[&archives[0]])).unwrap();
    bench.execute(&bench.run(run));
    let queued = bench.queue(expire(&[&archives[1]])).unwrap();
    bench.queue(expire(&[&archives[2]])).unwrap();
    // What is queued counts along.
    let refused = bench.queue(expire(&[&archives[3]])).unwrap_err();
    assert!(refused.to_string().contains("7 days"), "{refused}");
    bench.execute(&bench.run(queued));
    let facts = bench.core().state.series_facts().unwrap();
    let left: u32 =
        facts[&archives[0].written_series()].recent_deletions.iter().map(|(_, n)| n).sum();
    assert_eq!(left, 2);
}

#[test]
fn an_approval_is_used_once() {
    let mut bench = Bench::new(&format!("{JOB}retention = {{ mode = \"count\", value = 1 }}\n"));
    bench.start(Autonomy::Daemon);
    bench.look();
    let archives: Vec<Archive> = (0..6).map(|_| bench.back_up()).collect();
    bench.look();
    let view = bench.core().view.load_full();
    let hash = view.plan.blocked[0].hash.clone();
    bench.ask(|reply| Request::Approve(hash.clone(), reply)).unwrap();
    bench.look();
    let run = bench.open().into_iter().find(|run| run.work.word() == "expire").unwrap();
    assert_eq!(bench.execute(&run).status, RunStatus::Success);
    assert!(archives[..5].iter().all(|archive| is_trashed(&bench.condition(archive))));
    assert!(bench.core().state.approvals().unwrap().is_empty());
}

#[test]
fn the_only_archive_of_an_earlier_name_may_go_once_there_are_others() {
    let (mut bench, older, _) = two();
    bench.write(
        "jobs.toml",
        "[job.letters]\nformerly = [\"notes\"]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n",
    );
    bench.start(Autonomy::Daemon);
    bench.look();
    let newer = bench.archives().into_iter().find(|one| one.id != older.id).unwrap();
    let run = bench.queue(expire(&[&older])).unwrap();
    assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Success);
    let refused = bench.queue(expire(&[&newer])).unwrap_err().to_string();
    assert!(refused.contains("the last good archive of jerry/letters"), "{refused}");
    let due = bench.core().now();
    let work = Work::Backup { job: "letters".parse().unwrap() };
    let run = bench.enqueue(work, Cause::Due { due, attempt: 0 });
    assert!(bench.execute(&run).status.is_success());
    let run = bench.queue(expire(&[&newer])).unwrap();
    let ended = bench.execute(&bench.run(run));
    assert_eq!(ended.status, RunStatus::Success, "{ended:?}");
    assert!(is_trashed(&bench.condition(&newer)));
}

#[test]
fn what_somebody_wants_back_meanwhile_stays_and_whoever_wanted_it_deleted_is_told() {
    let (bench, older, _) = two();
    let run = bench.queue(expire(&[&older])).unwrap();
    let request = Box::new(crate::model::restore::RestoreRequest::whole());
    let (archive, location) = (older.id, older.location.clone());
    bench.enqueue(Work::Restore { archive, location, request }, Cause::Manual);
    let ended = bench.execute(&bench.run(run));
    assert_eq!(ended.status, RunStatus::Warning);
    assert!(ended.summary.contains("is in use by run"), "{}", ended.summary);
    assert_eq!(bench.condition(&older), Condition::Present);
}
