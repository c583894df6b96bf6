//! The rules one by one, at their edges: calendars, clocks, and archives that stand outside them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use larder::model::run::RunId;
use larder::reconcile::judge::{Candidate, Class, Hold, Keep, Pace, judge, leaves_on};

use super::scene::{id, paris, policy};

/// An archive made at a wall clock time in Paris: `2026-05-08T03:00 suspect pinned`.
fn archive(number: u128, text: &str) -> Candidate {
    let mut words = text.split_whitespace();
    let made = words.next().unwrap().parse::<DateTime>().unwrap().to_zoned(paris()).unwrap();
    let mut candidate = Candidate {
        id: id(number),
        created_at: made.timestamp(),
        arrived: made.timestamp(),
        day: made.date(),
        class: Class::Good,
        pinned: false,
        received: false,
        holds: Vec::new(),
    };
    for word in words {
        match word {
            "partial" => candidate.class = Class::Partial,
            "suspect" => candidate.class = Class::Suspect,
            "manual" => candidate.class = Class::Manual,
            "corrupt" => candidate.class = Class::Damaged,
            "lost" => candidate.class = Class::Lost,
            "unrecorded" => candidate.class = Class::Unrecorded,
            "pinned" => candidate.pinned = true,
            "read" => candidate.holds.push(Hold::InUse(RunId(7))),
            "sent" => candidate.holds.push(Hold::TransferTo("tom".parse().unwrap())),
            "uncopied" => candidate.holds.push(Hold::WaitingForCopies),
            // The day of receipt.
            day => {
                candidate.day = day.parse().unwrap();
                candidate.received = true;
            }
        }
    }
    candidate
}

/// Judges at a wall clock time in Paris; one line for each archive.
fn check(policy_text: &str, now: &str, archives: &[&str]) -> String {
    let now = now.parse::<DateTime>().unwrap().to_zoned(paris()).unwrap();
    let policy = policy(policy_text);
    let candidates: Vec<Candidate> =
        (1..).zip(archives).map(|(number, text)| archive(number, text)).collect();
    let verdicts = judge(&policy, &Keep::default(), &candidates, &now);
    let lines = verdicts.iter().map(|verdict| {
        let text = archives[usize::try_from(verdict.id.0.as_u128()).unwrap() - 1];
        let leaves =
            leaves_on(&policy, &Keep::default(), &candidates, verdict.id, Pace::Daily, &now);
        let leaves = leaves.map(|day| format!(" (until {day})")).unwrap_or_default();
        let sign = if verdict.keep { '+' } else { '-' };
        format!("{sign} {text}: {}{leaves}", verdict.words())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn daily_7_keeps_the_seventh_day_back_and_not_the_eighth() {
    insta::assert_snapshot!(check("mode=daily,value=7", "2026-05-08T03:00", &[
        "2026-04-30T02:00", "2026-05-01T02:00", "2026-05-02T02:00", "2026-05-07T02:00",
        "2026-05-08T01:00", "2026-05-08T02:00",
    ]), @r"
    - 2026-04-30T02:00: expired: more than 7 days before 2026-05-08
    + 2026-05-01T02:00: daily 2026-05-01 (until 2026-05-09)
    + 2026-05-02T02:00: daily 2026-05-02 (until 2026-05-10)
    + 2026-05-07T02:00: daily 2026-05-07 (until 2026-05-15)
    - 2026-05-08T01:00: expired: not the newest of 2026-05-08
    + 2026-05-08T02:00: daily 2026-05-08, newest (until 2026-05-16)
    ");
}

#[test]
fn days_without_an_archive_do_not_extend_a_daily_window_but_the_floor_holds() {
    insta::assert_snapshot!(check("mode=daily,value=2", "2026-05-08T03:00", &[
        "2026-01-01T02:00", "2026-02-01T02:00", "2026-03-01T02:00", "2026-05-08T02:00",
    ]), @r"
    - 2026-01-01T02:00: expired: more than 2 days before 2026-05-08
    + 2026-02-01T02:00: floor (until 2026-05-09)
    + 2026-03-01T02:00: floor (until 2026-05-10)
    + 2026-05-08T02:00: daily 2026-05-08, newest (until 2026-05-11)
    ");
}

#[test]
fn gfs_counts_weeks_of_the_iso_year() {
    insta::assert_snapshot!(check("mode=gfs,weekly=3,min_days=0", "2027-01-12T03:00", &[
        "2026-12-20T02:00", "2026-12-27T02:00", "2026-12-28T02:00", "2026-12-31T02:00",
        "2027-01-01T02:00", "2027-01-03T02:00", "2027-01-04T02:00", "2027-01-11T02:00",
    ]), @r"
    - 2026-12-20T02:00: expired: not among 3 weekly
    - 2026-12-27T02:00: expired: not among 3 weekly
    - 2026-12-28T02:00: expired: not among 3 weekly
    - 2026-12-31T02:00: expired: not among 3 weekly
    - 2027-01-01T02:00: expired: not among 3 weekly
    + 2027-01-03T02:00: weekly 2026-W53 (until 2027-01-18)
    + 2027-01-04T02:00: weekly 2027-W01 (until 2027-01-25)
    + 2027-01-11T02:00: weekly 2027-W02, newest (until 2027-01-12)
    ");
}

#[test]
fn the_rules_of_gfs_are_independent_and_one_archive_may_have_several_reasons() {
    insta::assert_snapshot!(check("mode=gfs,daily=2,weekly=2,monthly=2,yearly=2", "2026-05-08T03:00", &[
        "2024-07-01T02:00", "2025-12-31T02:00", "2026-03-31T02:00", "2026-04-30T02:00",
        "2026-05-03T02:00", "2026-05-06T02:00", "2026-05-07T02:00", "2026-05-08T02:00",
    ]), @r"
    - 2024-07-01T02:00: expired: not among 2 daily, 2 weekly, 2 monthly, 2 yearly
    + 2025-12-31T02:00: yearly 2025 (until 2027-01-01)
    - 2026-03-31T02:00: expired: not among 2 daily, 2 weekly, 2 monthly, 2 yearly
    + 2026-04-30T02:00: monthly 2026-04 (until 2026-06-01)
    + 2026-05-03T02:00: weekly 2026-W18 (until 2026-05-11)
    + 2026-05-06T02:00: floor (until 2026-05-09)
    + 2026-05-07T02:00: daily 2026-05-07 (until 2026-05-10)
    + 2026-05-08T02:00: daily 2026-05-08, weekly 2026-W19, monthly 2026-05, yearly 2026, newest (until 2026-05-11)
    ");
}

#[test]
fn days_are_civil_days_of_23_and_25_hours() {
    // The clocks of Paris changed on 29 March and change on 25 October 2026.
    insta::assert_snapshot!(check("mode=daily,value=1,min_days=0", "2026-03-30T00:10", &[
        "2026-03-28T23:50", "2026-03-29T01:59", "2026-03-29T02:30", "2026-03-29T23:59",
        "2026-03-30T00:01",
    ]), @r"
    - 2026-03-28T23:50: expired: more than 1 day before 2026-03-30
    - 2026-03-29T01:59: expired: not the newest of 2026-03-29
    - 2026-03-29T02:30: expired: not the newest of 2026-03-29
    + 2026-03-29T23:59: daily 2026-03-29 (until 2026-03-31)
    + 2026-03-30T00:01: daily 2026-03-30, newest (until 2026-04-01)
    ");
    insta::assert_snapshot!(check("mode=daily,value=1,min_days=0", "2026-10-26T00:10", &[
        "2026-10-24T23:59", "2026-10-25T00:00", "2026-10-25T02:30", "2026-10-25T23:59",
        "2026-10-26T00:01",
    ]), @r"
    - 2026-10-24T23:59: expired: more than 1 day before 2026-10-26
    - 2026-10-25T00:00: expired: not the newest of 2026-10-25
    - 2026-10-25T02:30: expired: not the newest of 2026-10-25
    + 2026-10-25T23:59: daily 2026-10-25 (until 2026-10-27)
    + 2026-10-26T00:01: daily 2026-10-26, newest (until 2026-10-28)
    ");
}

#[test]
fn both_archives_of_the_hour_that_comes_twice_are_ordered_by_the_instant() {
    let mut first = archive(2, "2026-10-25T02:30");
    let second = Candidate {
        id: id(1),
        created_at: first.created_at + SignedDuration::from_hours(1),
        ..first.clone()
    };
    let now = second.created_at.to_zoned(paris());
    assert_eq!(now.to_string(), "2026-10-25T02:30:00+01:00[Europe/Paris]");
    first.arrived = first.created_at;
    let verdicts = judge(&policy("mode=count,value=1"), &Keep::default(), &[second, first], &now);
    let kept: Vec<(u128, bool)> =
        verdicts.iter().map(|verdict| (verdict.id.0.as_u128(), verdict.keep)).collect();
    assert_eq!(kept, [(2, false), (1, true)]);
}

#[test]
fn the_day_of_an_archive_stays_when_the_zone_of_the_server_changes() {
    // Made at 23:30 in Paris; in Tokyo it would be the next day.
    let archives = [archive(1, "2026-05-07T23:30"), archive(2, "2026-05-08T02:00")];
    let tokyo = archives[1].created_at.to_zoned(TimeZone::get("Asia/Tokyo").unwrap());
    let verdicts = judge(&policy("mode=daily,value=1"), &Keep::default(), &archives, &tokyo);
    assert_eq!(verdicts[0].words(), "daily 2026-05-07");
    assert_eq!(verdicts[1].words(), "daily 2026-05-08, newest");
}

#[test]
fn of_two_archives_in_one_day_the_newer_one_has_the_slot() {
    insta::assert_snapshot!(check("mode=gfs,daily=2,min_days=0", "2026-05-08T23:00", &[
        "2026-05-07T02:00", "2026-05-07T14:00", "2026-05-08T02:00", "2026-05-08T14:00",
    ]), @r"
    - 2026-05-07T02:00: expired: not among 2 daily
    + 2026-05-07T14:00: daily 2026-05-07 (until 2026-05-09)
    - 2026-05-08T02:00: expired: not among 2 daily
    + 2026-05-08T14:00: daily 2026-05-08, newest (until 2026-05-10)
    ");
}

#[test]
fn equal_times_are_ordered_by_id() {
    insta::assert_snapshot!(check("mode=count,value=2", "2026-05-08T23:00", &[
        "2026-05-08T02:00", "2026-05-08T02:00", "2026-05-08T02:00",
    ]), @r"
    - 2026-05-08T02:00: expired: not among the 2 newest
    + 2026-05-08T02:00: count 2 of 2 (until 2026-05-09)
    + 2026-05-08T02:00: count 1 of 2, newest (until 2026-05-10)
    ");
}

#[test]
fn suspect_and_partial_and_manual_archives_fill_no_slot_and_leave_in_their_time() {
    insta::assert_snapshot!(check("mode=count,value=2", "2026-05-20T03:00", &[
        "2026-03-01T02:00 manual", "2026-04-01T02:00 manual", "2026-05-01T02:00 suspect",
        "2026-05-05T02:00", "2026-05-06T02:00 partial", "2026-05-07T02:00",
        "2026-05-08T02:00 suspect", "2026-05-09T02:00 partial", "2026-05-10T02:00 partial",
        "2026-05-11T02:00 partial", "2026-05-12T02:00 partial",
    ]), @r"
    - 2026-03-01T02:00 manual: expired: manual, older than 30 days
    + 2026-04-01T02:00 manual: newest manual
    - 2026-05-01T02:00 suspect: expired: suspect for more than 14 days
    + 2026-05-05T02:00: count 2 of 2 (until 2026-05-20)
    - 2026-05-06T02:00 partial: expired: partial, and a good one is newer
    + 2026-05-07T02:00: count 1 of 2, newest (until 2026-05-21)
    + 2026-05-08T02:00 suspect: suspect: until 2026-05-22 (until 2026-05-22)
    - 2026-05-09T02:00 partial: expired: partial, and newer ones are enough
    + 2026-05-10T02:00 partial: partial: nothing good is newer (until 2026-05-20)
    + 2026-05-11T02:00 partial: partial: nothing good is newer (until 2026-05-20)
    + 2026-05-12T02:00 partial: partial: nothing good is newer (until 2026-05-20)
    ");
}

#[test]
fn the_newest_manual_archive_stays_however_old() {
    insta::assert_snapshot!(check("mode=count,value=1", "2027-05-20T03:00", &[
        "2026-03-01T02:00 manual", "2026-04-01T02:00 manual", "2027-05-20T02:00",
    ]), @r"
    - 2026-03-01T02:00 manual: expired: manual, older than 30 days
    + 2026-04-01T02:00 manual: newest manual
    + 2027-05-20T02:00: count 1 of 1, newest (until 2027-05-21)
    ");
}

#[test]
fn pinned_and_held_archives_stay_and_cost_no_other_its_place() {
    insta::assert_snapshot!(check("mode=count,value=2", "2026-05-08T03:00", &[
        "2026-01-01T02:00 pinned", "2026-05-03T02:00", "2026-05-04T02:00",
        "2026-05-05T02:00 read sent", "2026-05-06T02:00 pinned", "2026-05-07T02:00",
        "2026-05-08T02:00 uncopied",
    ]), @r"
    + 2026-01-01T02:00 pinned: pinned
    - 2026-05-03T02:00: expired: not among the 2 newest
    + 2026-05-04T02:00: count 2 of 2 (until 2026-05-09)
    + 2026-05-05T02:00 read sent: held: run 7 reads it, held: transfer to tom
    + 2026-05-06T02:00 pinned: pinned
    + 2026-05-07T02:00: count 1 of 2 (until 2026-05-09)
    + 2026-05-08T02:00 uncopied: newest, held: waiting for copies (until 2026-05-10)
    ");
}

#[test]
fn a_date_more_than_ten_minutes_ahead_is_in_no_rule() {
    insta::assert_snapshot!(check("mode=count,value=1", "2026-05-08T03:00", &[
        "2026-05-08T02:00", "2026-05-08T03:10", "2026-05-08T03:11", "2027-05-08T03:00 manual",
    ]), @r"
    - 2026-05-08T02:00: expired: not the newest
    + 2026-05-08T03:10: count 1 of 1, newest (until 2026-05-09)
    + 2026-05-08T03:11: dated in the future (until 2026-05-09)
    + 2027-05-08T03:00 manual: dated in the future, manual: until 2027-06-07
    ");
}

#[test]
fn lost_and_unrecorded_archives_are_never_deleted_and_count_for_nothing() {
    insta::assert_snapshot!(check("mode=count,value=1", "2026-05-08T03:00", &[
        "2026-05-05T02:00", "2026-05-06T02:00 unrecorded", "2026-05-07T02:00 lost",
        "2026-05-08T02:00 lost",
    ]), @r"
    + 2026-05-05T02:00: count 1 of 1, newest (until 2026-05-08)
    + 2026-05-06T02:00 unrecorded: no recorded hash
    + 2026-05-07T02:00 lost: lost
    + 2026-05-08T02:00 lost: lost
    ");
}

#[test]
fn a_corrupt_archive_fills_no_slot_and_stays_while_the_policy_reaches_back_that_far() {
    insta::assert_snapshot!(check("mode=count,value=2", "2026-05-08T03:00", &[
        "2026-05-03T02:00 corrupt", "2026-05-04T02:00", "2026-05-05T02:00",
        "2026-05-06T02:00 corrupt", "2026-05-07T02:00", "2026-05-08T02:00 corrupt",
    ]), @r"
    - 2026-05-03T02:00 corrupt: expired: damaged, and older than all that the policy keeps
    - 2026-05-04T02:00: expired: not among the 2 newest
    + 2026-05-05T02:00: count 2 of 2 (until 2026-05-08)
    + 2026-05-06T02:00 corrupt: damaged: until the policy keeps only newer ones (until 2026-05-08)
    + 2026-05-07T02:00: count 1 of 2, newest (until 2026-05-09)
    + 2026-05-08T02:00 corrupt: damaged: until the policy keeps only newer ones (until 2026-05-09)
    ");
}

#[test]
fn archives_received_out_of_order_are_candidates_on_their_day_of_receipt() {
    insta::assert_snapshot!(check("mode=daily,value=2", "2026-05-08T23:00", &[
        "2026-05-01T02:00 2026-05-08", "2026-05-02T02:00 2026-05-06", "2026-05-03T02:00 2026-05-08",
        "2026-05-04T02:00 2026-05-07", "2026-05-05T02:00 2026-05-05",
    ]), @r"
    - 2026-05-01T02:00 2026-05-08: expired: not the newest received on 2026-05-08
    + 2026-05-02T02:00 2026-05-06: daily 2026-05-06 (until 2026-05-09)
    + 2026-05-03T02:00 2026-05-08: daily 2026-05-08 (until 2026-05-08)
    + 2026-05-04T02:00 2026-05-07: daily 2026-05-07 (until 2026-05-10)
    + 2026-05-05T02:00 2026-05-05: daily 2026-05-05, newest (until 2026-05-08)
    ");
}

#[test]
fn a_policy_that_changes_from_daily_to_gfs_keeps_what_both_want() {
    let days: Vec<String> = (1..=20).map(|day| format!("2026-05-{day:02}T02:00")).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let kept = |text: &str| -> Vec<String> {
        let lines = check(text, "2026-05-20T03:00", &days);
        lines
            .lines()
            .filter(|line| line.starts_with('+'))
            .map(|line| line[2..12].to_owned())
            .collect()
    };
    let daily = kept("mode=daily,value=7");
    let gfs = kept("mode=gfs,daily=8,weekly=4,monthly=3");
    assert_eq!(daily.len(), 8);
    assert!(daily.iter().all(|day| gfs.contains(day)), "{daily:?} {gfs:?}");
}

#[test]
fn the_greatest_numbers_overflow_nothing() {
    let most = u32::MAX;
    for text in [
        format!("mode=count,value={most}"),
        format!("mode=daily,value={most}"),
        format!("mode=gfs,daily={most},weekly={most},monthly={most},yearly={most},min_days={most}"),
    ] {
        let lines = check(&text, "2026-05-08T03:00", &["0001-01-01T02:00", "2026-05-08T02:00"]);
        assert!(!lines.contains("expired"), "{lines}");
    }
}

#[test]
fn an_archive_leaves_on_the_day_that_was_foretold() {
    let text = "mode=gfs,daily=3,weekly=2,monthly=2";
    let policy = policy(text);
    let start = "2026-04-27T02:00".parse::<DateTime>().unwrap().to_zoned(paris()).unwrap();
    let mut row: Vec<Candidate> = Vec::new();
    let mut foretold = std::collections::BTreeMap::new();
    for number in 0..100_i64 {
        let today = &start + number.days();
        let made = archive(u128::from(number.unsigned_abs()) + 1, &today.datetime().to_string());
        row.push(made);
        let verdicts = judge(&policy, &Keep::default(), &row, &today);
        for verdict in &verdicts {
            let leaves = foretold.get(&verdict.id).copied();
            if verdict.keep {
                let leaves =
                    leaves_on(&policy, &Keep::default(), &row, verdict.id, Pace::Daily, &today);
                let leaves = leaves.unwrap();
                assert!(leaves > today.date());
                foretold.insert(verdict.id, leaves);
            } else {
                assert_eq!(leaves, Some(today.date()), "{}", verdict.words());
            }
        }
        let mut verdicts = verdicts.into_iter();
        row.retain(|_| verdicts.next().unwrap().keep);
    }
    assert!(row.len() < 9);
}
