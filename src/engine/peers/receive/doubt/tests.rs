use proptest::prelude::*;

use super::*;
use crate::model::archive::{Condition, How, MemberCounts};
use crate::model::location::Codec;
use crate::reconcile::world::World;

const DAY: i64 = 86_400;

/// An archive of so many bytes, dated and received on these days.
fn archive(size: u64, dated: i64, received: i64) -> Archive {
    let world = World::at("2026-05-08T12:00").archive("web", "main", "2026-05-08T03:00", |_| {});
    Archive {
        id: crate::model::archive::ArchiveId(uuid::Uuid::new_v4()),
        content_size: size,
        stream_size: size,
        file_size: size,
        created_at: at(dated),
        received_at: Some(at(received)),
        how: How::Received { from: "tom".parse().unwrap() },
        counts: MemberCounts { files: 3, ..MemberCounts::default() },
        ..world.observed.archives[0].clone()
    }
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(day * DAY).unwrap()
}

fn zoned(day: i64) -> Zoned {
    at(day).to_zoned(jiff::tz::TimeZone::UTC)
}

fn check(newcomer: &Archive, before: &[Archive]) -> Option<String> {
    match outcome(newcomer, before, &zoned(100)) {
        Outcome::Suspect(reason) => Some(reason),
        Outcome::Good | Outcome::Partial => None,
    }
}

fn five() -> Vec<Archive> {
    (90..95).map(|day| archive(1000, day, day)).collect()
}

#[test]
fn an_archive_under_half_of_what_is_usual_is_suspect() {
    assert_eq!(check(&archive(500, 99, 100), &five()), None);
    assert!(check(&archive(499, 99, 100), &five()).unwrap().contains("499 B of content"));
    assert_eq!(check(&archive(1, 99, 100), &[]), None);
}

#[test]
fn a_date_that_runs_backwards_or_ahead_is_suspect() {
    assert!(check(&archive(1000, 93, 100), &five()).unwrap().contains("came earlier"));
    assert!(check(&archive(1000, 101, 100), &five()).unwrap().contains("and came at"));
    let mut soon = archive(1000, 100, 100);
    soon.created_at = at(100) + FUTURE_TOLERANCE;
    assert_eq!(check(&soon, &five()), None);
}

#[test]
fn an_archive_dated_ahead_makes_none_behind_it_suspect() {
    let mut before = five();
    let mut ahead = archive(1000, 400, 96);
    ahead.outcome = outcome(&ahead, &before, &zoned(96));
    before.push(ahead);
    assert_eq!(check(&archive(1000, 99, 100), &before), None);
}

#[test]
fn what_a_sender_says_of_its_content_counts_as_far_as_the_file_bears_it_out() {
    let mut tiny = archive(10, 99, 100);
    tiny.content_size = u64::MAX;
    assert!(check(&tiny, &five()).is_some());
    // The same lie about a file of the usual size casts no doubt on the next one.
    let mut before = five();
    for (day, archive) in (90..).zip(&mut before) {
        archive.content_size = 1 << (day % 60);
    }
    assert_eq!(check(&archive(1000, 99, 100), &before), None);
}

#[test]
fn encrypted_files_are_compared_with_those_of_their_encoding_only() {
    let encrypted = |size: u64, codec: Codec| {
        let mut archive = archive(size, 99, 100);
        archive.recipients = vec!["age1x".to_owned()];
        (archive.codec, archive.content_size, archive.stream_size) = (codec, 1 << 40, 1 << 40);
        archive
    };
    assert_eq!(check(&encrypted(10, Codec::Zstd(3)), &five()), None);
    let before: Vec<Archive> = (90..95)
        .map(|day| Archive { created_at: at(day), ..encrypted(1000, Codec::Zstd(3)) })
        .collect();
    assert!(check(&encrypted(10, Codec::Zstd(9)), &before).is_some());
    assert_eq!(check(&encrypted(10, Codec::None), &before), None);
}

#[test]
fn what_its_sender_doubts_stays_doubted_and_what_is_not_good_compares_with_nothing() {
    let mut doubted = archive(1000, 99, 100);
    doubted.outcome = Outcome::Suspect("theirs".to_owned());
    assert_eq!(check(&doubted, &five()).unwrap(), "theirs");
    let mut before = five();
    for archive in &mut before {
        archive.condition = Condition::Corrupt;
    }
    assert_eq!(check(&archive(1, 80, 100), &before), None);
}

#[test]
fn files_without_a_word_about_them_are_not_compared() {
    let mut file = archive(1, 80, 100);
    file.job = crate::model::archive::NO_JOB.parse().unwrap();
    assert_eq!(check(&file, &five()), None);
}

proptest! {
    /// Whatever a sender says, the good archives of a series are in the order of their arrival.
    #[test]
    fn good_archives_arrive_in_the_order_of_their_dates(
        sent in prop::collection::vec((1_u64..3000, -40_i64..40, 0_u64..u64::MAX), 1..40),
    ) {
        let mut series: Vec<Archive> = Vec::new();
        for (number, (size, off, said)) in (60..).zip(sent) {
            let mut newcomer = archive(size, number + off, number);
            newcomer.content_size = said;
            newcomer.outcome = outcome(&newcomer, &series, &zoned(number));
            series.push(newcomer);
        }
        let good: Vec<&Archive> = series.iter().filter(|archive| archive.is_good()).collect();
        prop_assert!(good.is_sorted_by_key(|archive| archive.created_at));
        prop_assert!(good.iter().all(|one| one.created_at <= one.received_at.unwrap()));
    }
}
