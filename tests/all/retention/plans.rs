//! What leaves is what the plan showed: random situations, lived through to their end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, ToSpan};
use larder::model::archive::{ArchiveId, Condition, How, Outcome, Sha256};
use larder::model::job::Via;
use larder::model::name::PlaceName;
use larder::model::run::{RunStatus, Work};
use larder::reconcile::expiry::PassOutcome;
use proptest::prelude::*;

use super::scene::Scene;

const POLICIES: [&str; 5] = [
    "mode=count,value=1",
    "mode=count,value=6",
    "mode=daily,value=4",
    "mode=gfs,daily=2,weekly=1,min_days=0",
    "mode=gfs,daily=5,weekly=2,monthly=2",
];

/// One day of a job: what its run makes, and what somebody does.
#[derive(Debug, Clone, Copy)]
enum Day {
    Good,
    Nothing,
    Manual,
    Suspect,
    Partial,
    Ahead,
    CopyAll,
    Corrupt(prop::sample::Index),
    Pin(prop::sample::Index),
    Send(prop::sample::Index),
    Idle,
    Policy(prop::sample::Index),
    Approve,
}

fn any_day() -> impl Strategy<Value = Day> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        12 => Just(Day::Good),
        1 => Just(Day::Nothing),
        1 => Just(Day::Manual),
        1 => Just(Day::Suspect),
        1 => Just(Day::Partial),
        1 => Just(Day::Ahead),
        2 => Just(Day::CopyAll),
        1 => index().prop_map(Day::Corrupt),
        1 => index().prop_map(Day::Pin),
        1 => index().prop_map(Day::Send),
        1 => Just(Day::Idle),
        1 => index().prop_map(Day::Policy),
        2 => Just(Day::Approve),
    ]
}

fn live(scene: &mut Scene, day: Day) {
    scene.observed.open_runs.clear();
    scene.now = scene.now.tomorrow().unwrap();
    let count = scene.observed.archives.len();
    let today = scene.now.date();
    let (main, usb): (PlaceName, PlaceName) = ("main".parse().unwrap(), "usb".parse().unwrap());
    match day {
        Day::Good => drop(scene.archive("web", "main", today).condition.clone()),
        Day::Manual => scene.archive("web", "main", today).how = How::Manual,
        Day::Suspect => {
            scene.archive("web", "main", today).outcome = Outcome::Suspect(String::new());
        }
        Day::Partial => scene.archive("web", "main", today).outcome = Outcome::Partial,
        Day::Ahead => {
            scene.archive("web", "main", today).created_at += SignedDuration::from_hours(400 * 24);
        }
        Day::CopyAll => {
            let there: BTreeSet<ArchiveId> = scene
                .observed
                .archives
                .iter()
                .filter(|archive| archive.location == usb)
                .map(|archive| archive.id)
                .collect();
            let missing = scene.observed.archives.clone();
            for mut copy in missing.into_iter().filter(|archive| !there.contains(&archive.id)) {
                copy.location = usb.clone();
                copy.how = How::Copied { from: main.clone(), manual: false };
                scene.observed.archives.push(copy);
            }
        }
        Day::Corrupt(index) if count > 0 => {
            scene.observed.archives[index.index(count)].condition = Condition::Corrupt;
        }
        Day::Pin(index) if count > 0 => {
            scene.observed.archives[index.index(count)].pinned = true;
        }
        Day::Send(index) if count > 0 => {
            let archive = &scene.observed.archives[index.index(count)];
            let (archive, from) = (archive.id, archive.location.clone());
            scene.open(Work::Send { archive, from, to: usb, via: Via::Auto }, RunStatus::Queued);
        }
        Day::Idle => scene.now = &scene.now + 40.days(),
        Day::Policy(index) => {
            scene.job("web", POLICIES[index.index(POLICIES.len())]);
            scene.copies_to_usb("web", 2, Some("mode=count,value=3"));
        }
        Day::Approve => {
            for pass in scene.passes() {
                if let PassOutcome::Blocked(blocked) = pass.outcome {
                    scene.observed.approvals.insert(blocked.hash);
                }
            }
        }
        Day::Corrupt(_) | Day::Pin(_) | Day::Send(_) | Day::Nothing => {}
    }
}

/// The newest good archive of each series, as ids: what must never leave.
fn newest_good(scene: &Scene) -> BTreeMap<PlaceName, ArchiveId> {
    let soon = scene.now.timestamp() + SignedDuration::from_mins(10);
    let mut newest = BTreeMap::new();
    let mut archives: Vec<_> = scene.observed.archives.iter().collect();
    archives.sort_by_key(|archive| (archive.created_at, archive.id));
    for archive in archives {
        if archive.is_good() && archive.how != How::Manual && archive.created_at <= soon {
            newest.insert(archive.location.clone(), archive.id);
        }
    }
    newest
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn what_leaves_was_shown_with_its_reason_and_never_is_the_newest_good_one(
        first in 0..POLICIES.len(), days in prop::collection::vec(any_day(), 1..40),
    ) {
        let mut scene = Scene::on("2026-01-01");
        scene.job("web", POLICIES[first]);
        scene.copies_to_usb("web", 2, Some("mode=count,value=3"));
        for day in days {
            live(&mut scene, day);
            let newest = newest_good(&scene);
            for pass in scene.passes() {
                let leaving: Vec<ArchiveId> = pass
                    .verdicts
                    .iter()
                    .filter(|verdict| !verdict.keep)
                    .map(|verdict| verdict.id)
                    .collect();
                let PassOutcome::Expire(action) = &pass.outcome else { continue };
                prop_assert_eq!(action.reasons.len(), leaving.len());
                prop_assert!(action.reasons.iter().all(|reason| reason.contains(" expired: ")));
                let work = Work::Expire { series: pass.series.clone(), archives: leaving.clone() };
                prop_assert_eq!(&action.work, &work);
                prop_assert!(!newest.values().any(|id| leaving.contains(id)
                    && newest.get(&pass.series.location) == Some(id)));
                for archive in &scene.observed.archives {
                    if archive.location == pass.series.location && leaving.contains(&archive.id) {
                        prop_assert!(!archive.pinned);
                        prop_assert_eq!(archive.file_sha256, Some(Sha256([0; 32])));
                    }
                }
            }
            scene.settle();
            // Once at rest, nothing leaves however long nothing happens.
            let mut later = scene.clone();
            later.now = &later.now + 100.days();
            prop_assert_eq!(later.settle(), 0);
        }
    }
}

#[test]
fn the_plan_does_not_depend_on_the_order_of_the_catalogue() {
    let mut scene = Scene::on("2026-05-10");
    for job in ["web", "db"] {
        scene.job(job, POLICIES[1]);
        scene.daily(job, "main", 9, "2026-05-10");
    }
    let mut turned = scene.clone();
    turned.observed.archives.reverse();
    assert_eq!(scene.passes(), turned.passes());
}
