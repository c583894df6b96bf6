//! A new machine in an old name, whose archives turn up late.

use tokio::task::JoinSet;

use super::*;
use crate::engine::cycle;
use crate::model::observed::Freeze;

fn recovery(bench: &Bench) -> Option<String> {
    let freezes = bench.core().state.freezes().unwrap().into_iter();
    freezes.into_iter().find_map(|freeze| match freeze {
        Freeze::Recovery(reason) => Some(reason),
        Freeze::Clock(_) | Freeze::JobsVanished(_) => None,
    })
}

/// Moves the files of an archive from one folder to another.
fn carry(bench: &Bench, archive: &Archive, from: &str, to: &str) {
    std::fs::create_dir_all(bench.path(to)).unwrap();
    for extension in ["info.json", "larder.json", "tar"] {
        let file = format!("{}.{extension}", archive.name);
        let (from, to) = (bench.path(from).join(&file), bench.path(to).join(&file));
        std::fs::rename(from, to).unwrap();
    }
}

/// A machine that began anew, one second after it made an archive, which is out of reach.
fn reinstalled() -> (Bench, Archive) {
    let mut bench = Bench::with_job("");
    bench.look();
    let archive = bench.back_up();
    carry(&bench, &archive, "archives", "unplugged");
    bench.core = None;
    std::fs::remove_dir_all(bench.path("state")).unwrap();
    bench.start(Autonomy::Daemon);
    let second_later = archive.created_at.as_second() + 1;
    bench.core().state.put_value("born-at", &second_later.to_string()).unwrap();
    bench.look();
    (bench, archive)
}

#[test]
fn archives_of_an_earlier_machine_that_turn_up_later_stop_everything() {
    let (mut bench, archive) = reinstalled();
    assert_eq!(recovery(&bench), None);
    bench.start(Autonomy::Daemon);
    carry(&bench, &archive, "unplugged", "archives");
    bench.look();
    let reason = recovery(&bench).unwrap();
    assert!(reason.contains(archive.name.as_str()) && reason.contains("`main`"), "{reason}");
    bench.queue(backup()).unwrap_err();
    // What was queued before rests as well.
    let due = bench.enqueue(backup(), Cause::Due { due: bench.core().now(), attempt: 0 });
    cycle::start_runs(bench.core(), &mut JoinSet::new(), &[due]);
    assert!(bench.core().running().is_empty());
}

#[test]
fn somebody_said_that_there_is_nothing_to_take_back_and_is_asked_no_more() {
    let (bench, archive) = reinstalled();
    assert!(!bench.ask(Request::EndRecovery).unwrap());
    carry(&bench, &archive, "unplugged", "archives");
    bench.look();
    assert_eq!(recovery(&bench), None);
    assert_eq!(bench.condition(&archive), Condition::Present);
}

#[test]
fn a_look_that_failed_is_no_first_look() {
    let (mut bench, archive) = reinstalled();
    bench.core = None;
    std::fs::remove_dir_all(bench.path("state")).unwrap();
    bench.start(Autonomy::Daemon);
    // What cannot be listed is not there for anybody.
    std::fs::create_dir_all(bench.path("archives")).unwrap();
    let trash = bench.path("archives/.larder-trash");
    let _ = std::fs::remove_dir_all(&trash);
    std::fs::write(&trash, "in the way").unwrap();
    bench.look();
    assert!(bench.core().state.value("never-looked").unwrap().is_some());
    std::fs::remove_file(&trash).unwrap();
    carry(&bench, &archive, "unplugged", "archives");
    // As if the clock of the earlier machine had been ahead: at a first look no date matters.
    bench.core().state.put_value("born-at", "0").unwrap();
    bench.look();
    assert!(recovery(&bench).is_some());
}

#[test]
fn what_this_state_made_itself_is_no_earlier_machine() {
    let mut bench = Bench::with_job("");
    bench.look();
    let archives = [bench.back_up(), bench.back_up()];
    for archive in &archives {
        bench.core().state.drop_archive(archive.id, &archive.location).unwrap();
    }
    bench.start(Autonomy::Daemon);
    bench.look();
    assert_eq!(recovery(&bench), None);
    assert_eq!(bench.condition(&archives[0]), Condition::Present);
}
