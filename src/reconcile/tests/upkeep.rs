use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{MORNING, check, copied, daily};
use crate::model::archive::Condition;
use crate::model::observed::{Freeze, LocationState};
use crate::model::protect::MaxAge;
use crate::model::run::RunStatus;
use crate::reconcile::simulate_days;
use crate::reconcile::world::{World, backup, place, time};

#[test]
fn a_removable_location_that_is_away_holds_its_jobs_and_a_broken_one_does_not() {
    let world = |removable| {
        World::at(MORNING)
            .location("usb", |location| location.removable = removable)
            .job("web", "0 3 * * *", |job| job.location = place("usb"))
            .facts("web", |facts| facts.last_due = Some(time("2026-05-07T03:00")))
    };
    assert_snapshot!(check(&world(true).gone("usb")), @"
    nothing to do now
    problem     `web` is overdue: it has been known for 7 d 12 h and has no good archive
    note        `web` waits for location `usb`, which is not there: no marker file
    note        location `usb` is not there: no marker file
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world(true)), @"
    backup      web                    due since 03:00 (0 3 * * *), at jobs/web.toml:9
    problem     `web` is overdue: it has been known for 7 d 12 h and has no good archive
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world(false).gone("usb")), @"
    backup      web                    due since 03:00 (0 3 * * *), at jobs/web.toml:9
    problem     location `usb` is not there: no marker file
    problem     `web` is overdue: it has been known for 7 d 12 h and has no good archive
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let errors = LocationState::Suspect("input/output error".to_owned());
    assert_snapshot!(check(&world(true).state("usb", errors)), @"
    backup      web                    due since 03:00 (0 3 * * *), at jobs/web.toml:9
    problem     location `usb` answers with errors: input/output error
    problem     `web` is overdue: it has been known for 7 d 12 h and has no good archive
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn new_archives_are_read_back_and_old_ones_again_one_at_a_time_when_nothing_else_is_due() {
    let world = |days: i64| {
        let read = time(MORNING) - SignedDuration::from_hours(24 * days);
        daily()
            .ran("nocodb", "2026-05-06T03:00")
            .ran("nocodb", "2026-05-07T03:00")
            .ran("nocodb", "2026-05-08T03:00")
            .with(|observed| {
                for archive in &mut observed.archives {
                    archive.verified_at = Some(read);
                }
            })
    };
    assert_snapshot!(check(&world(25)), @"
    nothing to do now
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world(31)), @"
    verify      nocodb at main         jerry_nocodb_20260506 was read 31 d ago
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let fresh = world(31).with(|observed| {
        observed.archives[1].verified_at = None;
        observed.archives[2].verified_at = None;
    });
    assert_snapshot!(check(&fresh), @"
    verify      nocodb at main         jerry_nocodb_20260507 has not been read back yet
    verify      nocodb at main         jerry_nocodb_20260508 has not been read back yet
    verify      nocodb at main         jerry_nocodb_20260506 was read 31 d ago
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let busy = |days| world(days).open(backup("other"), RunStatus::Running);
    assert_eq!(busy(26).plan().actions, []);
    // What is late is not left for an idle moment that may never come.
    assert_eq!(busy(29).plan().actions.len(), 1);
    assert_eq!(world(31).gone("main").plan().actions, []);
}

#[test]
fn archives_that_were_read_on_one_day_are_read_again_on_many() {
    let mut world = World::at("2026-05-08T12:00");
    let start = world.now.clone();
    for number in 0..1000 {
        let created = time("2026-01-01T00:00") + SignedDuration::from_mins(number);
        world = world.archive("nocodb", "main", "2026-01-01T00:00", |archive| {
            archive.id = crate::model::archive::ArchiveId(uuid::Uuid::from_u128(u128::from(
                number.unsigned_abs(),
            )));
            archive.created_at = created;
            archive.verified_at = Some(start.timestamp());
        });
    }
    let mut read_on = std::collections::BTreeMap::<jiff::civil::Date, u32>::new();
    for _ in 0..4000 {
        let plan = world.plan();
        let at = world.now.timestamp();
        for action in &plan.actions {
            let crate::model::run::Work::Verify { archive, .. } = &action.work else { continue };
            let mut archives = world.observed.archives.iter_mut();
            let archive = archives.find(|known| known.id == *archive).unwrap();
            let age = at.duration_since(archive.verified_at.unwrap());
            assert!(age <= SignedDuration::from_hours(30 * 24), "{age:#} since the last time");
            archive.verified_at = Some(at);
            *read_on.entry(world.now.date()).or_default() += 1;
        }
        // A verification takes a minute.
        let next = at + SignedDuration::from_mins(1);
        let next = if plan.actions.is_empty() { plan.wake_at.unwrap() } else { next };
        world.now = next.to_zoned(world.now.time_zone().clone());
        if world.now.timestamp() > start.timestamp() + SignedDuration::from_hours(32 * 24) {
            break;
        }
    }
    assert_eq!(read_on.values().sum::<u32>(), 1000, "{read_on:?}");
    assert!(read_on.values().all(|count| *count <= 101), "{read_on:?}");
}

#[test]
fn a_rebuilt_catalogue_is_read_back_in_portions() {
    let mut world = daily();
    for day in 1..=31 {
        for hour in 0..4 {
            let created = format!("2026-01-{day:02}T{hour:02}:00");
            world = world.archive("nocodb", "main", &created, |archive| archive.verified_at = None);
        }
    }
    let verify = |world: &World| {
        let plan = world.plan();
        plan.actions
            .into_iter()
            .map(|action| action.work)
            .filter(|work| work.word() == "verify")
            .collect::<Vec<_>>()
    };
    let first = verify(&world);
    assert_eq!(first.len(), 50);
    for work in first.into_iter().skip(10) {
        world = world.open(work, RunStatus::Queued);
    }
    assert_eq!(verify(&world).len(), 10);
}

#[test]
fn what_is_broken_is_said() {
    let world = daily()
        .ran("nocodb", "2026-05-08T03:00")
        .archive("nocodb", "main", "2026-05-05T03:00", |archive| {
            archive.condition = Condition::Lost;
        })
        .archive("nocodb", "main", "2026-05-06T03:00", |archive| {
            archive.condition = Condition::Corrupt;
        })
        .archive("nocodb", "main", "2026-05-07T03:00", |archive| {
            archive.condition = Condition::Corrupt;
        })
        .with(|observed| {
            observed.freezes = vec![
                Freeze::Clock("the clock went back 2 h".to_owned()),
                Freeze::JobsVanished("7 of 9 jobs are gone".to_owned()),
            ];
        });
    assert_snapshot!(check(&world), @"
    nothing to do now
    problem     retention rests until a scheduled run has succeeded: the clock went back 2 h
    problem     retention rests: 7 of 9 jobs are gone; `larder approve 5b3d6b7dce56` says that it is meant
    problem     2 archives of `nocodb` at `main` are damaged, jerry_nocodb_20260507 the newest
    problem     jerry_nocodb_20260505 of `nocodb` at `main` is gone from its place
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn an_archive_that_did_not_stand_its_drill_is_said() {
    let world = |refuted: &[usize]| {
        daily()
            .ran("nocodb", "2026-05-06T03:00")
            .ran("nocodb", "2026-05-07T03:00")
            .ran("nocodb", "2026-05-08T03:00")
            .with(|observed| {
                for number in refuted {
                    observed.archives[*number].refuted = Some("the dump is cut".to_owned());
                }
            })
    };
    assert_snapshot!(check(&world(&[2])), @"
    nothing to do now
    problem     jerry_nocodb_20260508 of `nocodb` at `main` did not stand its drill: the dump is cut
    problem     `nocodb` is overdue: its newest good archive is 1 d 9 h old, 1 d 7 h is the most
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world(&[1, 2])), @"
    nothing to do now
    problem     2 archives of `nocodb` at `main` did not stand their drills, jerry_nocodb_20260508 the newest: the dump is cut
    problem     `nocodb` is overdue: its newest good archive is 2 d 9 h old, 1 d 7 h is the most
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn an_overdue_job_is_a_problem_and_the_plan_wakes_when_one_becomes_so() {
    let weekly = |now: &str| {
        World::at(now)
            .job("web", "0 3 * * 1", |job| {
                job.protect.max_age = MaxAge::Fixed(SignedDuration::from_hours(48));
            })
            .ran("web", "2026-05-04T03:00")
    };
    assert_snapshot!(check(&weekly("2026-05-05T12:00")), @"
    nothing to do now
    wake at 2026-05-06T03:00:01+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&weekly("2026-05-06T03:01")), @"
    nothing to do now
    problem     `web` is overdue: its newest good archive is 2 d old, 2 d is the most
    wake at 2026-05-11T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn the_coming_days_are_foretold() {
    let world = copied().job("nocodb", "0 3 * * 0", |_| {});
    let days = simulate_days(&world.desired, &world.observed, &world.now, 4);
    let days: Vec<String> = days.iter().map(ToString::to_string).collect();
    assert_snapshot!(days.join("\n"), @"
    2026-05-08
      + nocodb at main
      > jerry_web_20260508 to usb
    2026-05-09
      + web at main
      > jerry_web_20260509 to usb
      - jerry_web_20260506 at main
    2026-05-10
      + nocodb at main
      + web at main
      > jerry_web_20260510 to usb
      - jerry_web_20260507 at main
    2026-05-11
      + web at main
      > jerry_web_20260511 to usb
      - jerry_web_20260508 at main
      - jerry_web_20260508 at usb
    ");
}

#[test]
fn a_blocked_series_shows_what_to_approve_and_an_orphaned_one_is_kept() {
    let mut world = daily();
    for day in 1..=8 {
        world = world.ran("nocodb", &format!("2026-05-{day:02}T03:00"));
        world = world.archive("gone", "main", &format!("2026-05-{day:02}T04:00"), |_| {});
    }
    assert_snapshot!(check(&world), @"
    blocked     nocodb                 5 archives, 5.0 GiB: 5 of 8 good archives would leave; 3 may
                                         jerry_nocodb_20260501: expired: not among the 3 newest
                                         jerry_nocodb_20260502: expired: not among the 3 newest
                                         jerry_nocodb_20260503: expired: not among the 3 newest
                                         jerry_nocodb_20260504: expired: not among the 3 newest
                                         jerry_nocodb_20260505: expired: not among the 3 newest
                                       larder approve 1f945cfc0a90
    note        jerry/gone at main: orphaned and kept, 8 archives: no job `gone` is in the configuration
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn the_trash_is_emptied_when_its_time_is_over_unless_something_is_odd() {
    let world = || {
        daily()
            .ran("nocodb", "2026-05-08T03:00")
            .archive("nocodb", "main", "2026-05-01T03:00", |archive| {
                archive.condition = Condition::Trashed { until: time("2026-05-08T12:00") };
            })
            .archive("nocodb", "main", "2026-05-02T03:00", |archive| {
                archive.condition = Condition::Trashed { until: time("2026-05-08T13:00") };
            })
    };
    assert_snapshot!(check(&world()), @"
    empty-trash at main                jerry_nocodb_20260501 in the trash until 12:00
    frees 1.0 GiB
    wake at 2026-05-08T13:00:00+02:00[Europe/Paris]
    ");
    let odd = Freeze::Clock("the clock jumped ahead".to_owned());
    let frozen = world().with(|observed| observed.freezes = vec![odd]);
    assert_eq!(frozen.plan().actions, []);
}

#[test]
fn nothing_wanted_and_nothing_there_is_no_work() {
    assert_snapshot!(check(&World::at(MORNING)), @"
    nothing to do now
    wakes only when something changes
    ");
}
