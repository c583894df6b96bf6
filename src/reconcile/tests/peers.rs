//! Peers: who is missed, what they miss, and what waits for them.

use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{MORNING, check};
use crate::model::archive::Archive;
use crate::model::contact::{Contact, Expected, Presence, Told};
use crate::model::peer::{Accept, Peer};
use crate::model::retention::{Mode, Policy};
use crate::reconcile::watch::waiting;
use crate::reconcile::world::{World, place, time, to};
use crate::reconcile::{Weight, simulate_days};

fn told(contact: &mut Contact, by: &str) {
    contact.told = Some(Told {
        at: time("2026-05-07T08:00"),
        version: "1.0".to_owned(),
        member_json: "{}".to_owned(),
        expected: vec![Expected {
            job: "db".parse().unwrap(),
            by: time(by),
            max_age: Some(SignedDuration::from_hours(30)),
        }],
    });
}

fn accepts(peer: &mut Peer) {
    peer.accept = Some(Accept {
        token_hash: String::new(),
        location: place("received"),
        quota: None,
        retention: Policy { mode: Mode::Count(7), min_days: 3 },
        scopes: Vec::new(),
        immutable_for: SignedDuration::from_hours(24),
        max_open_uploads: 4,
        trust_restore: false,
        read_only: false,
    });
}

fn received(at: &'static str) -> impl FnOnce(&mut Archive) {
    move |archive| {
        archive.origin = "tom".parse().unwrap();
        archive.received_at = Some(time(at));
    }
}

/// What the plan says of `tom`.
fn said(world: &World) -> Vec<String> {
    let notes = world.plan().notes.into_iter();
    let notes = notes.filter(|note| note.weight == Weight::Problem);
    notes.map(|note| note.text).filter(|text| text.contains("`tom`")).collect()
}

#[test]
fn a_peer_that_is_dead_is_told_to_be_overdue_by_those_that_it_told() {
    let world = |by: &str| {
        World::at(MORNING).peer(
            "tom",
            |_| {},
            |known| {
                told(known, by);
                known.presence = Presence::Offline;
                known.last_seen = Some(time("2026-05-07T13:00"));
            },
        )
    };
    assert!(said(&world("2026-05-08T12:01")).is_empty());
    assert_snapshot!(said(&world("2026-05-08T11:00")).join("\n"), @"archives of peer `tom` are overdue: `db` since 11:00 (it last told of them 2026-05-07 08:00)");
    assert!(check(&world("2026-05-08T12:01")).contains("wake at 2026-05-08T12:01:01"));
}

#[test]
fn what_arrived_here_puts_off_what_a_peer_told() {
    let world = |at| {
        World::at(MORNING)
            .location("received", |_| {})
            .peer("tom", accepts, |known| told(known, "2026-05-08T11:00"))
            .archive("db", "received/tom", "2026-05-08T03:00", received(at))
    };
    assert!(said(&world("2026-05-07T08:00")).iter().all(|text| !text.contains("overdue")));
    assert_eq!(said(&world("2026-05-07T05:59")).len(), 1);
}

#[test]
fn a_peer_that_tells_nothing_is_missed_by_what_it_used_to_send() {
    let world = |now: &str| {
        let mut world = World::at(now).location("received", |_| {}).peer("tom", accepts, |_| {});
        for day in ["2026-05-01T03:00", "2026-05-03T03:00", "2026-05-04T03:00"] {
            world = world.archive("db", "received/tom", day, |archive| {
                archive.origin = "tom".parse().unwrap();
                archive.received_at = Some(archive.created_at);
            });
        }
        said(&world)
    };
    // Twice the longest of the gaps, two days.
    assert!(world("2026-05-08T03:00").is_empty());
    assert_snapshot!(world("2026-05-08T03:01").join("\n"), @"archives of peer `tom` are overdue: `db` since 03:00 (as often as they came until then)");
}

#[test]
fn a_peer_of_which_nothing_is_heard_for_a_day_is_a_problem() {
    let world = |seen: &str| {
        World::at(MORNING).peer(
            "tom",
            |_| {},
            |known| {
                (known.presence, known.last_seen) = (Presence::Offline, Some(time(seen)));
                known.why = Some("connection refused".to_owned());
            },
        )
    };
    assert!(said(&world("2026-05-07T12:01")).is_empty());
    assert_snapshot!(said(&world("2026-05-07T12:00")).join("\n"), @"peer `tom` was last seen 2026-05-07 12:00: connection refused");
}

/// A job that wants two copies, and a peer that has the one of `held`.
fn sending(held: Option<&str>) -> World {
    World::at(MORNING)
        .job("web", "0 3 * * *", |job| {
            job.send_to = vec![to("tom")];
            job.protect.copies = 2;
            job.retention.min_days = 0;
            job.retention.mode = Mode::Count(1);
        })
        .ran("web", "2026-05-05T03:00")
        .ran("web", "2026-05-06T03:00")
        .ran("web", "2026-05-07T03:00")
        .ran("web", "2026-05-08T03:00")
        .peer(
            "tom",
            |_| {},
            |known| {
                let copies = held.map(|created| World::copy("web", created));
                known.holdings.as_mut().unwrap().copies.extend(copies);
                known.presence = Presence::Offline;
            },
        )
}

#[test]
fn archives_that_a_peer_is_to_get_wait_for_it() {
    let kept = |world: &World| {
        let passes = world.plan().passes;
        let verdicts = passes.into_iter().flat_map(|pass| pass.verdicts);
        verdicts.filter(|verdict| verdict.keep).count()
    };
    let count = |world: &World| waiting(&world.desired, &world.observed, &world.now)[&place("tom")];
    let all = sending(Some("2026-05-08T03:00"));
    assert_eq!(count(&all), 0);
    // One that has nothing gets the newest alone, which fills no slot while it waits; one that has
    // the first gets what came after it.
    assert_eq!((kept(&sending(None)), count(&sending(None))), (kept(&all) + 1, 1));
    let behind = sending(Some("2026-05-05T03:00"));
    assert_eq!((kept(&behind), count(&behind)), (kept(&all) + 3, 3));
    assert!(kept(&all) < 3);
}

#[test]
fn the_coming_days_bring_each_archive_to_a_peer_once() {
    let world = sending(Some("2026-05-08T03:00"));
    let days = simulate_days(&world.desired, &world.observed, &world.now, 3);
    let copied: Vec<usize> = days.iter().map(|day| day.copied.len()).collect();
    assert_eq!(copied, [0, 1, 1], "{days:?}");
    assert!(days[1].copied.iter().all(|(_, to)| *to == place("tom")));
}
