//! Copies at peers, and how old the word is that they are there.

use super::*;
use crate::model::contact::{Contact, Presence};

/// A job that wants two copies, one of them off-site, and a peer that holds the newest archive.
fn sent(contact: impl FnOnce(&mut Contact)) -> World {
    World::at(MORNING)
        .job("web", "0 3 * * *", |job| {
            job.protect.copies = 2;
            job.protect.offsite = 1;
        })
        .ran("web", "2026-05-08T03:00")
        .peer(
            "tom",
            |_| {},
            |known| {
                let copy = World::copy("web", "2026-05-08T03:00");
                known.holdings.as_mut().unwrap().copies.push(copy);
                contact(known);
            },
        )
}

fn hours_ago(world_now: &str, hours: i64) -> Timestamp {
    time(world_now) - SignedDuration::from_hours(hours)
}

#[test]
fn a_copy_that_a_peer_said_it_holds_counts() {
    let world = sent(|_| {});
    let verdict = judge(&world.desired, &world.observed, &world.now).remove(0);
    assert_eq!(verdict.verdict, Verdict::Protected, "{}", check(&world));
    assert_eq!(verdict.copies, [place("main"), place("tom")]);
    assert_eq!(verdict.offsite, [place("tom")]);
    assert_eq!(verdict.heard[0].age, SignedDuration::from_hours(1));
    // 25 hours and 6 after the newest archive.
    assert_eq!(verdict.expected_by, Some(time("2026-05-09T10:00")));
}

#[test]
fn what_is_damaged_there_or_another_stream_is_no_copy() {
    let damaged = sent(|known| known.holdings.as_mut().unwrap().copies[0].is_good = false);
    assert!(check(&damaged).contains("1 of 2 copies (main)"), "{}", check(&damaged));
    let other = sent(|known| {
        let copy = &mut known.holdings.as_mut().unwrap().copies[0];
        copy.stream_sha256 = Some(crate::model::archive::Sha256([9; 32]));
    });
    assert!(check(&other).contains("0 of 1 off-site copies"), "{}", check(&other));
    let unknown = sent(|known| known.holdings = None);
    assert!(check(&unknown).contains("1 of 2 copies (main)"));
}

#[test]
fn the_word_of_a_peer_counts_for_two_days_and_then_the_reason_says_since_when() {
    let heard =
        |hours| sent(|known| known.holdings.as_mut().unwrap().at = hours_ago(MORNING, hours));
    assert!(check(&heard(48)).contains("web: protected"), "{}", check(&heard(48)));
    assert_snapshot!(check(&heard(49)), @r"
    web: at risk (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      1 of 2 copies (main); nothing was heard of `tom` for 2 d 1 h: its copies do not count
      0 of 1 off-site copies; nothing was heard of `tom` for 2 d 1 h: its copies do not count
    ");
    // As long as the goal is longer, that is the measure.
    let mut patient = heard(49);
    let job = patient.desired.jobs.get_mut(&"web".parse().unwrap()).unwrap();
    job.protect.max_age = MaxAge::Fixed(SignedDuration::from_hours(72));
    assert!(check(&patient).contains("web: protected"));
}

#[test]
fn a_goal_that_is_missed_says_how_old_the_word_is_that_counts() {
    let mut world = sent(|known| known.presence = Presence::Offline);
    world.desired.jobs.get_mut(&"web".parse().unwrap()).unwrap().protect.copies = 3;
    assert_snapshot!(check(&world), @r"
    web: at risk (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main, tom)
      2 of 3 copies (main, tom); what `tom` holds was heard 1 h ago
    ");
}

#[test]
fn copies_that_the_sender_can_delete_count_and_are_remarked_on() {
    assert_snapshot!(check(&sent(|known| known.sender_can_delete = Some(true))), @r"
    web: protected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main, tom)
      the sender can delete these: the copies at `tom`
    ");
}
