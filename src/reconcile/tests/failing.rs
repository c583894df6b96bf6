//! What fails for ever is told for ever, and nothing is told that has another voice.

use insta::assert_snapshot;
use jiff::SignedDuration;

use super::fetching::{contact, copy, offering};
use super::pruning::{self, held};
use super::{check, copied, daily};
use crate::model::archive::{ArchiveId, Condition, CopyKey, Series};
use crate::model::contact::Presence;
use crate::model::job::Via;
use crate::model::observed::Freeze;
use crate::model::retention::{Mode, Policy};
use crate::model::run::{RunStatus, Work};
use crate::reconcile::Weight;
use crate::reconcile::world::{World, place, time, to};

const FULL: &str = "not enough space at `usb`: needs 1.0 GiB";

/// What the plan says of last attempts.
fn said(world: &World) -> String {
    let notes = world.plan().notes.into_iter().filter(|note| note.text.contains("last attempt"));
    let lines = notes.map(|note| {
        assert_eq!((note.weight, note.job), (Weight::Problem, None));
        note.text
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn newest(world: &World) -> ArchiveId {
    let newest = world.observed.archives.iter().max_by_key(|archive| archive.created_at);
    newest.unwrap().id
}

fn sending(archive: ArchiveId, to: &str) -> Work {
    Work::Send { archive, from: place("main"), to: place(to), via: Via::Auto }
}

/// A copy to `usb` that fails; it rests, or may be tried again.
fn full(rests_until: &str) -> World {
    let world = copied().archive("web", "usb", "2026-05-06T03:00", |_| {});
    let (archive, until) = (newest(&world), time(rests_until));
    world.fails(sending(archive, "usb"), "2026-05-08T11:55", FULL).with(|observed| {
        let resting: Vec<_> = observed.archives.iter().map(|archive| archive.id).collect();
        observed
            .not_before
            .extend(resting.into_iter().map(|id| (CopyKey::new(id, &place("usb")), until)));
    })
}

#[test]
fn copies_that_fail_for_ever_are_a_problem_while_they_rest_wait_or_are_tried_again() {
    assert_snapshot!(check(&full("2026-05-08T12:10")), @"
    nothing to do now
    problem     2 copies are missing at `usb`, and the last attempt failed: not enough space at `usb`: needs 1.0 GiB; `larder log 11` says more
    wake at 2026-05-08T12:10:00+02:00[Europe/Paris]
    ");
    let told = said(&full("2026-05-08T12:10"));
    assert_eq!(said(&full("2026-05-08T12:00")), told, "it may be tried again");
    let again = full("2026-05-08T12:00");
    let archive = newest(&again);
    assert_eq!(said(&again.open(sending(archive, "usb"), RunStatus::Running)), told);
}

#[test]
fn what_is_copied_by_now_or_wanted_no_more_is_told_no_more() {
    let there = full("2026-05-08T12:10").archive("web", "usb", "2026-05-08T03:00", |_| {});
    assert_eq!(said(&there), "");
    let mut unwanted = full("2026-05-08T12:10");
    unwanted.desired.jobs.values_mut().for_each(|job| job.send_to.clear());
    assert_eq!(said(&unwanted), "");
    let cancelled = full("2026-05-08T12:10").with(|observed| observed.failed.clear());
    assert_eq!(said(&cancelled), "");
}

#[test]
fn a_place_that_is_away_is_told_as_such_and_not_twice() {
    assert_eq!(said(&full("2026-05-08T12:10").gone("usb")), "");
    let peer = |presence| {
        let world = World::at("2026-05-08T12:00")
            .peer("tom", |_| {}, |known| known.presence = presence)
            .job("web", "0 3 * * *", |job| job.send_to = vec![to("tom")])
            .ran("web", "2026-05-08T03:00");
        let archive = newest(&world);
        world.fails(sending(archive, "tom"), "2026-05-08T11:55", "it has no room left")
    };
    assert_eq!(said(&peer(Presence::Offline)), "");
    assert_snapshot!(said(&peer(Presence::Online)), @"1 copy is missing at `tom`, and the last attempt failed: it has no room left; `larder log 11` says more");
}

#[test]
fn of_many_that_fail_at_one_place_the_last_is_told() {
    let world = full("2026-05-08T12:10");
    let archive = world.observed.archives[0].id;
    let later = world.fails(sending(archive, "usb"), "2026-05-08T11:58", "it cannot be written");
    assert_snapshot!(said(&later), @"2 copies are missing at `usb`, and the last attempt failed: it cannot be written; `larder log 12` says more");
}

#[test]
fn a_whole_copy_that_cannot_be_brought_back_is_a_problem() {
    let world = copied()
        .archive("web", "usb", "2026-05-08T03:00", |_| {})
        .with(|observed| observed.archives[2].condition = Condition::Corrupt);
    let back = sending(newest(&world), "main");
    let world = world.fails(back, "2026-05-08T11:55", "the disk is full");
    assert_snapshot!(said(&world), @"1 copy is missing at `main`, and the last attempt failed: the disk is full; `larder log 11` says more");
}

#[test]
fn fetches_that_fail_for_ever_are_a_problem_while_the_peer_offers_and_answers() {
    let failing = || {
        let world = offering(vec![copy("web", "2026-05-08T03:00")]);
        let (peer, to) = (place("tom"), place("received/tom"));
        let work = Work::Fetch { archive: copy("web", "2026-05-08T03:00").id, peer, to };
        world.fails(work, "2026-05-08T11:55", "the bytes are not those that it told").with(|all| {
            let id = copy("web", "2026-05-08T03:00").id;
            all.not_before
                .insert(CopyKey::new(id, &place("received/tom")), time("2026-05-08T12:10"));
        })
    };
    assert_snapshot!(said(&failing()), @"1 archive is still to be fetched from `tom`, and the last attempt failed: the bytes are not those that it told; `larder log 11` says more");
    let away = contact(failing(), |contact| contact.presence = Presence::Offline);
    assert_eq!(said(&away), "");
    assert_eq!(said(&contact(failing(), |contact| contact.offered.clear())), "");
}

#[test]
fn deletions_at_a_host_that_fail_for_ever_are_a_problem_while_they_are_wanted() {
    let failing = |keeps| {
        let world = held(true, keeps, (0..6).map(pruning::copy).collect());
        let archives = vec![pruning::copy(0).id, pruning::copy(1).id];
        let work = Work::Prune { peer: place("vps"), archives: archives.clone() };
        world.fails(work, "2026-05-08T11:55", "permission denied").with(|observed| {
            let until = time("2026-05-08T12:10");
            observed
                .not_before
                .extend(archives.into_iter().map(|id| (CopyKey::new(id, &place("vps")), until)));
        })
    };
    assert_snapshot!(said(&failing(4)), @"2 expired archives are still to be deleted at `vps`, and the last attempt failed: permission denied; `larder log 11` says more");
    assert_eq!(said(&failing(6)), "", "the policy keeps them by now");
}

#[test]
fn expiries_and_the_trash_that_fail_for_ever_are_problems_until_something_is_odd() {
    let world = |keeps| {
        let mut world = daily()
            .ran("nocodb", "2026-05-06T03:00")
            .ran("nocodb", "2026-05-07T03:00")
            .ran("nocodb", "2026-05-08T03:00");
        let policy = Policy { mode: Mode::Count(keeps), min_days: 0 };
        world.desired.jobs.values_mut().for_each(|job| job.retention = policy);
        let oldest = world.observed.archives[0].clone();
        let series = Series { ..oldest.written_series() };
        let work = Work::Expire { series, archives: vec![oldest.id] };
        let until = time("2026-05-08T12:10");
        let world = world.fails(work, "2026-05-08T11:55", "read-only file system");
        world.with(|all| all.not_before.extend([(CopyKey::new(oldest.id, &place("main")), until)]))
    };
    assert_snapshot!(said(&world(2)), @"1 expired archive is still to be deleted at `main`, and the last attempt failed: read-only file system; `larder log 11` says more");
    assert_eq!(said(&world(3)), "", "the policy keeps it by now");
    let trashed = |hours| {
        let mut world = world(2);
        let until = world.now.timestamp() + SignedDuration::from_hours(hours);
        world.observed.archives[0].condition = Condition::Trashed { until };
        let (location, archives) = (place("main"), vec![world.observed.archives[0].id]);
        let work = Work::EmptyTrash { location, archives };
        world.fails(work, "2026-05-08T11:56", "read-only file system")
    };
    assert_snapshot!(said(&trashed(-1)), @"1 archive is still to leave the trash of `main`, and the last attempt failed: read-only file system; `larder log 12` says more");
    assert_eq!(said(&trashed(1)), "", "it was taken back and trashed again");
    for odd in [world(2), trashed(-1)] {
        let freeze = Freeze::Clock("it went back".to_owned());
        assert_eq!(said(&odd.with(|observed| observed.freezes.push(freeze))), "");
    }
}

#[test]
fn an_archive_that_cannot_be_read_back_is_a_problem_while_it_counts_as_good() {
    let failing = |condition| {
        let world = daily()
            .ran("nocodb", "2026-05-08T03:00")
            .with(|observed| observed.archives[0].condition = condition);
        let (archive, location) = (newest(&world), place("main"));
        let work = Work::Verify { archive, location };
        world.fails(work, "2026-05-08T11:55", "permission denied")
    };
    assert_snapshot!(said(&failing(Condition::Present)), @"1 archive is still to be read back at `main`, and the last attempt failed: permission denied; `larder log 11` says more");
    // That it is damaged is told by itself.
    assert_eq!(said(&failing(Condition::Corrupt)), "");
}
