//! What must hold for every series and every policy, under random search: 10 000 cases a run.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use larder::model::archive::ArchiveId;
use larder::model::retention::{Mode, Policy};
use larder::reconcile::judge::{Candidate, Class, Hold, Keep, judge};
use proptest::prelude::*;

use super::naive;
use super::scene::{Scene, id, paris};

/// Two weeks before the clocks change in autumn; the turn of an ISO year is within reach.
const START: i64 = 1_760_000_000;

#[derive(Debug, Clone)]
struct Case {
    policy: Policy,
    archives: Vec<Candidate>,
    now: Zoned,
}

const KEEP: Keep = Keep {
    suspect_keep: SignedDuration::from_hours(14 * 24),
    manual_keep: SignedDuration::from_hours(30 * 24),
};

fn kept(case: &Case) -> BTreeSet<ArchiveId> {
    let verdicts = judge(&case.policy, &KEEP, &case.archives, &case.now);
    verdicts.iter().filter(|verdict| verdict.keep).map(|verdict| verdict.id).collect()
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let gfs = (0..8_u32, 0..5_u32, 0..4_u32, 0..3_u32)
        .prop_filter("a policy keeps something", |numbers| *numbers != (0, 0, 0, 0))
        .prop_map(|(daily, weekly, monthly, yearly)| Mode::Gfs { daily, weekly, monthly, yearly });
    let mode = prop_oneof![
        1 => (1..9_u32).prop_map(Mode::Count),
        1 => (1..9_u32).prop_map(Mode::Daily),
        2 => gfs,
    ];
    (mode, 0..6_u32).prop_map(|(mode, min_days)| Policy { mode, min_days })
}

fn any_class() -> impl Strategy<Value = Class> {
    prop_oneof![
        20 => Just(Class::Good),
        2 => Just(Class::Partial),
        2 => Just(Class::Suspect),
        2 => Just(Class::Manual),
        1 => Just(Class::Damaged),
        1 => Just(Class::Lost),
        1 => Just(Class::Unrecorded),
    ]
}

/// An archive some quarters of an hour after the start, on the civil day of Paris or, where the
/// zone was changed, one beside it.
fn any_archive(reach: i64, received: bool) -> impl Strategy<Value = Candidate> {
    let shift = prop_oneof![10 => Just(0_i64), 1 => Just(-1), 1 => Just(1)];
    let delay = if received { 0..5 * 96_i64 } else { 0..1 };
    let holds = prop_oneof![12 => Just(Vec::new()), 1 => Just(vec![Hold::WaitingForCopies])];
    (0..reach, shift, delay, any_class(), prop::bool::weighted(0.05), holds).prop_map(
        move |(quarter, shift, delay, class, pinned, holds)| {
            let created_at = time(quarter);
            let arrived = time(quarter + delay);
            let day = arrived.to_zoned(paris()).date() + shift.days();
            Candidate { id: id(0), created_at, arrived, day, class, pinned, received, holds }
        },
    )
}

fn time(quarter: i64) -> Timestamp {
    Timestamp::from_second(START + quarter * 900).unwrap()
}

fn any_case() -> impl Strategy<Value = Case> {
    // Dense series (several archives a day, equal times) and sparse ones (over three years).
    let reach = prop_oneof![Just(40_i64), Just(20 * 96), Just(120 * 96), Just(1_100 * 96)];
    let rows = (reach, any::<bool>()).prop_flat_map(|(reach, received)| {
        let archives = prop::collection::vec(any_archive(reach, received), 0..24);
        // Mostly after all of them, sometimes long after, sometimes in their midst.
        let now = prop_oneof![3 => reach..reach + 96, 1 => reach..reach + 9_000, 1 => 0..reach];
        (archives, now)
    });
    (any_policy(), rows).prop_map(|(policy, (mut archives, now))| {
        for (number, archive) in (1..).zip(&mut archives) {
            // Neither the order of the ids nor their distance means anything.
            archive.id = id(number * 7_919 % 1_009);
        }
        Case { policy, archives, now: time(now).to_zoned(paris()) }
    })
}

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, failure_persistence: None, ..ProptestConfig::default() }
}

fn raised(policy: Policy, which: u8, by: u32) -> Policy {
    let mut policy = policy;
    match (&mut policy.mode, which) {
        (Mode::Count(value) | Mode::Daily(value), 0..=3) => *value += by,
        (Mode::Gfs { daily, .. }, 0) => *daily += by,
        (Mode::Gfs { weekly, .. }, 1) => *weekly += by,
        (Mode::Gfs { monthly, .. }, 2) => *monthly += by,
        (Mode::Gfs { yearly, .. }, 3) => *yearly += by,
        (_, _) => policy.min_days += by,
    }
    policy
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn the_judge_agrees_with_the_rules_as_they_are_spoken(case in any_case()) {
        let naive = naive::keeps(&case.policy, &KEEP, &case.archives, &case.now);
        prop_assert_eq!(kept(&case), naive);
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn judging_what_was_kept_keeps_all_of_it(case in any_case()) {
        let first = kept(&case);
        let mut again = case;
        again.archives.retain(|archive| first.contains(&archive.id));
        prop_assert_eq!(kept(&again), first);
    }

    #[test]
    fn raising_any_number_of_a_policy_loses_no_archive(
        case in any_case(), which in 0..5_u8, by in 1..5_u32,
    ) {
        let before = kept(&case);
        let more = Case { policy: raised(case.policy, which, by), ..case };
        prop_assert!(before.is_subset(&kept(&more)));
    }

    #[test]
    fn an_archive_that_fills_no_slot_changes_nothing_for_the_others(
        case in any_case(), intruder in any_archive(1_200 * 96, false),
        class in prop_oneof![Just(Class::Partial), Just(Class::Suspect), Just(Class::Manual),
            Just(Class::Damaged), Just(Class::Good)],
    ) {
        let mut intruder = Candidate { id: id(5_000), class, ..intruder };
        if class == Class::Good {
            // A good one only where it is dated in the future.
            intruder.created_at = case.now.timestamp() + SignedDuration::from_mins(11);
        }
        let before = kept(&case);
        let mut more = case.clone();
        more.archives.push(intruder);
        let after = kept(&more);
        // Those of its own kind share a number with it: the newest manual one, three partial ones.
        for archive in case.archives.iter().filter(|other| other.class != class || class == Class::Good) {
            prop_assert_eq!(before.contains(&archive.id), after.contains(&archive.id));
        }
    }

    #[test]
    fn every_archive_is_judged_once_whatever_the_order_and_the_zone(
        (case, shuffled) in any_case().prop_flat_map(|case| {
            let shuffled = Just(case.archives.clone()).prop_shuffle();
            (Just(case), shuffled)
        }),
        zone in prop_oneof![Just("Pacific/Kiritimati"), Just("America/Los_Angeles"), Just("UTC")],
    ) {
        let verdicts = judge(&case.policy, &KEEP, &case.archives, &case.now);
        let mut expected: Vec<_> =
            case.archives.iter().map(|archive| (archive.created_at, archive.id)).collect();
        expected.sort();
        let judged: Vec<ArchiveId> = verdicts.iter().map(|verdict| verdict.id).collect();
        prop_assert_eq!(judged, expected.iter().map(|(_, id)| *id).collect::<Vec<_>>());
        prop_assert!(verdicts.iter().all(|verdict| !verdict.reasons.is_empty()));

        prop_assert_eq!(&judge(&case.policy, &KEEP, &shuffled, &case.now), &verdicts);
        let now = case.now.with_time_zone(TimeZone::get(zone).unwrap());
        let keeps = |verdicts: &[larder::reconcile::judge::Verdict]| {
            verdicts.iter().map(|verdict| verdict.keep).collect::<Vec<_>>()
        };
        prop_assert_eq!(keeps(&judge(&case.policy, &KEEP, &shuffled, &now)), keeps(&verdicts));
    }
}

/// Days back from the last one, each with whether its archive did not stand its drill.
fn any_drilled() -> impl Strategy<Value = std::collections::BTreeMap<i64, bool>> {
    prop::collection::btree_map(0..90_i64, prop::bool::weighted(0.3), 1..20)
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn archives_that_did_not_stand_a_drill_displace_nothing(
        policy in any_policy(), drilled in any_drilled(),
    ) {
        let mut scene = Scene::on("2026-05-08");
        scene.job("web", "mode=count,value=1").retention = policy;
        let last: Date = "2026-05-08".parse().unwrap();
        for (back, refuted) in drilled.iter().rev() {
            let archive = scene.archive("web", "main", last - back.days());
            archive.refuted = refuted.then(|| "it is cut".to_owned());
        }
        let good: BTreeSet<ArchiveId> = scene
            .observed
            .archives
            .iter()
            .filter(|archive| archive.refuted.is_none())
            .map(|archive| archive.id)
            .collect();
        let kept = |scene: &Scene| -> BTreeSet<ArchiveId> {
            let passes = scene.passes();
            let verdicts = passes.iter().flat_map(|pass| &pass.verdicts);
            verdicts.filter(|v| v.keep && good.contains(&v.id)).map(|v| v.id).collect()
        };
        let with = kept(&scene);
        scene.observed.archives.retain(|archive| archive.refuted.is_none());
        prop_assert_eq!(with, kept(&scene));
    }

    #[test]
    fn the_floor_and_the_newest_good_one_are_kept(case in any_case()) {
        let kept = kept(&case);
        let soon = case.now.timestamp() + SignedDuration::from_mins(10);
        let good: Vec<&Candidate> = case
            .archives
            .iter()
            .filter(|archive| archive.class == Class::Good && archive.created_at <= soon)
            .collect();
        let days: BTreeSet<Date> = good.iter().map(|archive| archive.day).collect();
        let floor = match case.policy.mode {
            Mode::Count(_) => 1,
            Mode::Daily(_) | Mode::Gfs { .. } => case.policy.min_days.max(1) as usize,
        };
        let kept_days: BTreeSet<Date> = good
            .iter()
            .filter(|archive| kept.contains(&archive.id))
            .map(|archive| archive.day)
            .collect();
        prop_assert!(kept_days.len() >= floor.min(days.len()));
        if let Some(newest) = good.iter().max_by_key(|archive| (archive.created_at, archive.id)) {
            prop_assert!(kept.contains(&newest.id));
        }
    }
}
