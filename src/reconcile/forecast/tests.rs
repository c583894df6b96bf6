//! Situations in which a location fills up, or does not.

use jiff::{SignedDuration, ToSpan as _};

use super::growth;
use super::*;
use crate::model::archive::Condition;
use crate::model::retention::{Mode, Policy};
use crate::reconcile::simulate_days;
use crate::reconcile::world::{World, place, time, to};

const GIB: u64 = 1 << 30;

fn of(world: &World, history: &SpaceHistory) -> BTreeMap<PlaceName, Forecast> {
    forecast(&world.desired, &world.observed, history, &world.now)
}

fn at_main(world: &World) -> Forecast {
    of(world, &SpaceHistory::new()).remove(&place("main")).unwrap()
}

fn keeps(mode: Mode) -> Policy {
    Policy { mode, min_days: 0 }
}

/// A world at noon whose job ran in each of the last `count` nights.
fn nightly(count: i64, mode: Mode) -> World {
    let mut world =
        World::at("2026-05-08T12:00").job("web", "0 3 * * *", |job| job.retention = keeps(mode));
    for back in (0..count).rev() {
        let day = world.now.date().checked_sub(back.days()).unwrap();
        world = world.ran("web", &format!("{day}T03:00"));
    }
    world
}

fn room(mut world: World, free: u64) -> World {
    let there = LocationState::Available { free, total: 200 * GIB };
    world.observed.locations.insert(place("main"), there);
    world
}

#[test]
fn what_retention_bounds_stays_below_its_bound() {
    let found = at_main(&nightly(3, Mode::Count(3)));
    assert_eq!(found.steps.len(), 36 + 47);
    assert!(found.steps.iter().all(|step| step.archives == 3 * GIB), "{found:?}");
    // One more lies in the trash.
    assert_eq!(found.least_free(), Some(99 * GIB));
    assert_eq!(found.full_on, None);
    assert_eq!(found.to_string(), "stays below 3.0 GiB for the coming year");
    assert_eq!(found.until().to_string(), "2027-05-07");
}

#[test]
fn what_has_not_reached_its_bound_grows_until_then() {
    let found = at_main(&nightly(2, Mode::Gfs { daily: 7, weekly: 4, monthly: 12, yearly: 0 }));
    let after = |days: usize| found.steps[days].archives / GIB;
    assert_eq!((after(0), after(1), after(5), after(6)), (2, 3, 7, 7));
    assert!(found.highest() / GIB >= 20 && found.highest() / GIB <= 24, "{}", found.highest());
}

#[test]
fn it_is_full_on_the_day_on_which_the_next_archive_does_not_fit() {
    // 1 GiB must stay free, and 1 GiB comes a day.
    let world = room(nightly(2, Mode::Count(1000)), 11 * GIB);
    let found = at_main(&world);
    assert_eq!(found.full_on.unwrap().to_string(), "2026-05-18");
    assert_eq!(found.to_string(), "at this pace full in about 10 days (2026-05-18)");
    let full = at_main(&room(nightly(2, Mode::Count(1000)), GIB));
    assert_eq!(full.to_string(), "full: the next archive does not fit");
    let tomorrow = at_main(&room(nightly(2, Mode::Count(1000)), 2 * GIB));
    assert_eq!(tomorrow.to_string(), "at this pace full tomorrow (2026-05-09)");
    // In an autumn that is far enough away, it is known to the week.
    let later = at_main(&room(nightly(2, Mode::Count(1000)), 100 * GIB));
    assert_eq!(later.full_in(), Some(105));
}

#[test]
fn archives_go_on_growing_as_they_did_and_an_odd_one_tells_nothing() {
    let mut world = nightly(14, Mode::Count(14));
    for (number, archive) in (0_u64..).zip(&mut world.observed.archives) {
        archive.file_size = GIB + number * 10_000_000;
    }
    world.observed.archives[3].file_size = 90 * GIB;
    let found = at_main(&world);
    let newest = GIB + 130_000_000;
    // In thirty days, fourteen archives as large as thirty days of growth make them.
    let last = newest + 300_000_000;
    let expected: u64 = (0..14).map(|back| last - back * 10_000_000).sum();
    let error = found.steps[30].archives.abs_diff(expected);
    assert!(error < expected / 100, "{} is not {expected}", found.steps[30].archives);
}

#[test]
fn nothing_comes_of_a_job_that_is_off_or_ended_or_moved_away() {
    let mut world = nightly(3, Mode::Count(5));
    world.desired.jobs.values_mut().next().unwrap().enabled = false;
    let found = at_main(&world);
    assert!(!found.is_fed && found.full_on.is_none());
    assert_eq!(found.highest(), 3 * GIB);
    assert_eq!(found.to_string(), "no archive is foreseen here");
    let world = nightly(3, Mode::Count(5)).location("new", |_| {});
    let mut moved = world;
    moved.desired.jobs.values_mut().next().unwrap().location = place("new");
    assert_eq!(at_main(&moved).highest(), 3 * GIB);
}

#[test]
fn the_trash_is_emptied_and_filled_again() {
    let mut world = nightly(4, Mode::Count(3));
    world.observed.archives[0].condition = Condition::Trashed { until: time("2026-05-09T03:00") };
    let found = at_main(&world);
    assert_eq!(found.steps[0].archives, 3 * GIB);
    assert!(found.steps.iter().all(|step| step.free == Some(100 * GIB)), "{found:?}");
}

#[test]
fn copies_and_those_who_share_a_file_system_take_its_room() {
    let mut world = nightly(2, Mode::Count(1000)).location("usb", |_| {});
    for day in ["2026-05-07", "2026-05-08"] {
        world = world.archive("web", "usb", &format!("{day}T03:00"), |_| {});
    }
    world.desired.jobs.values_mut().next().unwrap().send_to = vec![to("usb")];
    let world = room(world, 21 * GIB);
    let apart = of(&world, &SpaceHistory::new());
    assert_eq!(apart[&place("usb")].steps[10].archives, 12 * GIB);
    assert_eq!(apart[&place("main")].full_in(), Some(20));
    let mut shared = world;
    for name in ["main", "usb"] {
        shared.observed.file_systems.insert(place(name), 7);
    }
    assert_eq!(of(&shared, &SpaceHistory::new())[&place("main")].full_in(), Some(10));
}

#[test]
fn what_else_grows_on_the_disk_is_reckoned_with() {
    let world = nightly(3, Mode::Count(3));
    let sample = |back: i64, free: u64| SpaceSample {
        day: world.now.date().checked_sub(back.days()).unwrap(),
        archives: 3 * GIB,
        trash: GIB,
        free,
        total: 200 * GIB,
    };
    let samples = |daily: u64| -> SpaceHistory {
        let all = (0..20).rev().map(|back| sample(back, (100 + daily * back.unsigned_abs()) * GIB));
        [(place("main"), all.collect())].into()
    };
    let found = of(&world, &samples(0)).remove(&place("main")).unwrap();
    assert_eq!(found.full_on, None);
    // 100 free, one of it for the trash, two of them needed, two a day lost.
    let found = of(&world, &samples(2)).remove(&place("main")).unwrap();
    assert_eq!(found.full_in(), Some(49));
    // A few days tell nothing.
    let mut few = samples(2);
    few.get_mut(&place("main")).unwrap().drain(..16);
    assert_eq!(of(&world, &few).remove(&place("main")).unwrap().full_on, None);
}

#[test]
fn nobody_knows_when_a_location_is_full_that_is_away() {
    let world = nightly(3, Mode::Count(1000)).gone("main");
    let found = at_main(&world);
    assert_eq!((found.full_on, found.least_free()), (None, None));
    assert!(found.is_fed && found.highest() > 300 * GIB);
}

#[test]
fn a_year_of_a_job_of_every_minute_is_bounded() {
    let mut world = nightly(3, Mode::Count(48));
    world.desired.jobs.values_mut().next().unwrap().schedule =
        crate::model::schedule::Schedule::parse("* * * * *").unwrap();
    let found = at_main(&world);
    assert_eq!(found.highest(), 48 * GIB);
}

#[test]
fn slopes_need_a_week_and_are_never_negative() {
    let points = |days: i64, by: i64| -> Vec<(jiff::Timestamp, u64)> {
        let start = time("2026-03-01T00:00");
        let at = |day: i64| start + SignedDuration::from_hours(24 * day);
        (0..days).map(|day| (at(day), u64::try_from(1_000_000 + day * by).unwrap())).collect()
    };
    assert_eq!(growth::a_day(&points(30, 500)), 500);
    assert_eq!(growth::a_day(&points(30, -500)), 0);
    assert_eq!(growth::a_day(&points(6, 500)), 0);
    assert_eq!(growth::a_day(&[]), 0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// The short way comes to the same as the plan that is made again and again.
    #[test]
    fn a_forecast_agrees_with_the_simulation_of_the_plan(
        ran in 1_i64..12, daily in 1_u32..9, weekly in 0_u32..4, ahead in 1_u32..20,
    ) {
        let world = nightly(ran, Mode::Gfs { daily, weekly, monthly: 0, yearly: 0 });
        let days = simulate_days(&world.desired, &world.observed, &world.now, ahead + 1);
        let expired: usize = days.iter().map(|day| day.expired.len()).sum();
        let made: usize = days.iter().map(|day| day.made.len()).sum();
        let blocked = days.iter().any(|day| !day.blocked.is_empty());
        let there = world.observed.archives.len() + made - expired;
        let found = at_main(&world);
        let step = usize::try_from(ahead).unwrap();
        // The brake is for people to release; a forecast is made before any.
        proptest::prop_assume!(!blocked);
        proptest::prop_assert_eq!(found.steps[step].archives / GIB, there as u64);
    }

    /// More room is never full earlier, and keeping more is never smaller.
    #[test]
    fn more_room_lasts_longer(free in 0_u64..120, more in 0_u64..60, keep in 1_u32..80) {
        let found = |free: u64, keep| at_main(&room(nightly(2, Mode::Count(keep)), free * GIB));
        let (less_room, more_room) = (found(free, keep), found(free + more, keep));
        let day = |forecast: &Forecast| forecast.full_on.unwrap_or(jiff::civil::Date::MAX);
        proptest::prop_assert!(day(&more_room) >= day(&less_room));
        proptest::prop_assert!(found(free, keep + 1).highest() >= less_room.highest());
        let steps = &less_room.steps;
        proptest::prop_assert!(steps.windows(2).all(|pair| pair[0].day < pair[1].day));
    }
}
