use insta::assert_snapshot;

use super::{MORNING, check, daily};
use crate::model::job::{CatchUp, Ended};
use crate::model::run::{Cause, RunStatus};
use crate::reconcile::world::{World, backup, time};

#[test]
fn a_job_that_ran_rests_until_its_next_time() {
    assert_snapshot!(check(&daily().ran("nocodb", "2026-05-08T03:00")), @"
    nothing to do now
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn a_due_job_runs_with_its_reason_and_its_place_in_the_configuration() {
    assert_snapshot!(check(&daily().ran("nocodb", "2026-05-07T03:00")), @"
    backup      nocodb                 due since 03:00 (0 3 * * *), at jobs/web.toml:9
    problem     `nocodb` is overdue: its newest good archive is 1 d 9 h old, 1 d 7 h is the most
    needs about 1.0 GiB
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn jobs_missed_while_the_daemon_was_down_run_once_oldest_first() {
    let world = World::at(MORNING)
        .job("hourly", "0 * * * *", |_| {})
        .job("nightly", "0 3 * * *", |_| {})
        .job("weekly", "0 3 * * 1", |_| {})
        .ran("hourly", "2026-05-01T10:00")
        .ran("nightly", "2026-05-01T03:00")
        .ran("weekly", "2026-04-27T03:00")
        .with(|observed| observed.awake_since = time("2026-05-08T11:59"));
    assert_snapshot!(check(&world), @"
    backup      weekly                 missed at 2026-05-04 03:00 while larder did not run (0 3 * * 1), at jobs/web.toml:11
    backup      nightly                missed at 03:00 while larder did not run (0 3 * * *), at jobs/web.toml:10
    backup      hourly                 due since 12:00 (0 * * * *), at jobs/web.toml:9
    problem     `hourly` is overdue: its newest good archive is 7 d 2 h old, 7 h is the most
    problem     `nightly` is overdue: its newest good archive is 7 d 9 h old, 1 d 7 h is the most
    problem     `weekly` is overdue: its newest good archive is 11 d 9 h old, 7 d 7 h is the most
    needs about 3.0 GiB
    wake at 2026-05-08T13:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn a_job_that_waits_for_the_next_time_is_not_run_for_a_missed_one() {
    let world = |awake: &str| {
        World::at(MORNING)
            .job("web", "0 3 * * *", |job| job.catch_up = CatchUp::Next)
            .ran("web", "2026-05-07T03:00")
            .with(|observed| observed.awake_since = time(awake))
    };
    assert_snapshot!(check(&world("2026-05-08T11:00")), @r#"
    nothing to do now
    problem     `web` is overdue: its newest good archive is 1 d 9 h old, 1 d 7 h is the most
    note        `web` missed 03:00 while larder did not run and waits for 2026-05-09 03:00, as `catch_up = "next"` says
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    "#);
    assert_snapshot!(check(&world("2026-05-08T02:59")), @"
    backup      web                    due since 03:00 (0 3 * * *), at jobs/web.toml:9
    problem     `web` is overdue: its newest good archive is 1 d 9 h old, 1 d 7 h is the most
    needs about 1.0 GiB
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn a_job_that_waits_for_the_next_time_is_not_tried_again_for_what_failed_before_the_machine_was_off()
 {
    let world = |awake: &str| {
        World::at(MORNING)
            .job("web", "0 3 * * *", |job| job.catch_up = CatchUp::Next)
            .ran("web", "2026-05-07T03:00")
            .failed(
                "web",
                Some("2026-05-08T03:00"),
                (0, RunStatus::Interrupted),
                "2026-05-08T03:10",
            )
            .with(|observed| observed.awake_since = time(awake))
    };
    let is_tried = |awake| !world(awake).plan().actions.is_empty();
    assert!(is_tried("2026-05-08T02:00"));
    assert!(!is_tried("2026-05-08T11:00"));
}

#[test]
fn two_hundred_jobs_due_at_one_minute_are_all_queued() {
    let mut world = World::at("2026-05-08T02:00");
    for number in 0..200 {
        world = world.job(&format!("job-{number}"), "0 2 * * *", |_| {});
    }
    let plan = world.plan();
    let due = Cause::Due { due: time("2026-05-08T02:00"), attempt: 0 };
    assert_eq!(plan.actions.len(), 200);
    assert!(plan.actions.iter().all(|action| action.cause == due));
    // While they wait nothing is asked for twice.
    for action in plan.actions {
        world = world.open(action.work, RunStatus::Queued);
    }
    assert_eq!(world.plan().actions, []);
}

#[test]
fn a_job_that_never_ran_runs_at_once_unless_it_waits_for_its_schedule() {
    let new = |name: &'static str, catch_up| {
        World::at(MORNING)
            .job(name, "0 3 * * *", |job| job.catch_up = catch_up)
            .facts(name, |facts| facts.first_seen = time(MORNING))
    };
    assert_snapshot!(check(&new("web", CatchUp::Now)), @"
    backup      web                    never ran yet, at jobs/web.toml:9
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&new("web", CatchUp::Next)), @"
    nothing to do now
    note        `web` never ran; it waits for 2026-05-09 03:00 (`catch_up = \"next\"`); `larder run web` does it now
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    // Archives that it made before the state was lost count.
    let known = new("web", CatchUp::Now).archive("web", "main", "2026-05-07T03:00", |_| {});
    assert_snapshot!(check(&known), @"
    nothing to do now
    problem     `web` is overdue: its newest good archive is 1 d 9 h old, 1 d 7 h is the most
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let mut renamed = new("site", CatchUp::Now).archive("web", "main", "2026-05-07T03:00", |_| {});
    for job in renamed.desired.jobs.values_mut() {
        job.formerly.push("web".parse().unwrap());
    }
    assert_eq!(renamed.plan().actions, []);
}

#[test]
fn times_before_a_job_was_known_were_never_missed() {
    let world = daily()
        .archive("nocodb", "main", "2026-05-07T03:00", |_| {})
        .facts("nocodb", |facts| facts.first_seen = time("2026-05-08T03:01"));
    assert_snapshot!(check(&world), @"
    nothing to do now
    problem     `nocodb` is overdue: its newest good archive is 1 d 9 h old, 1 d 7 h is the most
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn disabled_and_ended_jobs_never_run() {
    let world = World::at(MORNING).job("off", "0 3 * * *", |job| job.enabled = false).job(
        "over",
        "0 3 * * *",
        |job| job.ended = Some(Ended::KeepArchives),
    );
    assert_snapshot!(check(&world), @"
    nothing to do now
    wakes only when something changes
    ");
}

#[test]
fn a_job_that_is_queued_or_running_is_not_queued_again() {
    for status in [RunStatus::Queued, RunStatus::Running] {
        let world = daily().ran("nocodb", "2026-05-07T03:00").open(backup("nocodb"), status);
        assert_eq!(world.plan().actions, []);
    }
}

#[test]
fn a_failed_run_is_tried_again_after_15_minutes_1_hour_and_4_hours() {
    let attempts = |now: &str, attempt, finished: &str| {
        World::at(now)
            .job("nocodb", "0 3 * * *", |_| {})
            .ran("nocodb", "2026-05-07T03:00")
            .failed("nocodb", Some("2026-05-08T03:00"), attempt, finished)
            .plan()
    };
    let table: Vec<String> = [
        ("2026-05-08T03:19", (0, RunStatus::Error), "2026-05-08T03:05"),
        ("2026-05-08T03:20", (0, RunStatus::Error), "2026-05-08T03:05"),
        ("2026-05-08T03:20", (0, RunStatus::Interrupted), "2026-05-08T03:05"),
        ("2026-05-08T03:21", (1, RunStatus::Error), "2026-05-08T03:20"),
        ("2026-05-08T05:00", (2, RunStatus::Error), "2026-05-08T04:20"),
        ("2026-05-08T08:20", (2, RunStatus::Error), "2026-05-08T04:20"),
        ("2026-05-08T09:00", (3, RunStatus::Error), "2026-05-08T08:20"),
        ("2026-05-08T09:00", (0, RunStatus::Cancelled), "2026-05-08T08:20"),
        ("2026-05-09T03:00", (2, RunStatus::Error), "2026-05-08T04:20"),
    ]
    .into_iter()
    .map(|(now, attempt, finished)| attempts(now, attempt, finished))
    .map(|plan| {
        let reasons =
            plan.actions.iter().map(|action| action.reasons.join(" ")).collect::<String>();
        let wake = plan.wake_at.unwrap().to_zoned(plan.at.time_zone().clone());
        format!("{} {reasons}[wake {}]", plan.at.strftime("%d %R"), wake.strftime("%d %R"))
    })
    .collect();
    assert_snapshot!(table.join("\n"), @"
    08 03:19 [wake 08 03:20]
    08 03:20 retry 1 of 3 of the run due at 03:00, which failed: `/opt` cannot be read[wake 08 10:00]
    08 03:20 retry 1 of 3 of the run due at 03:00, which failed: `/opt` cannot be read[wake 08 10:00]
    08 03:21 [wake 08 04:20]
    08 05:00 [wake 08 08:20]
    08 08:20 retry 3 of 3 of the run due at 03:00, which failed: `/opt` cannot be read[wake 08 10:00]
    08 09:00 [wake 08 10:00]
    08 09:00 [wake 08 10:00]
    09 03:00 due since 03:00 (0 3 * * *), at jobs/web.toml:9[wake 10 03:00]
    ");
}

#[test]
fn a_failed_first_run_is_tried_again_too() {
    let world = |now: &str, attempt| {
        World::at(now)
            .job("web", "0 3 * * *", |_| {})
            .facts("web", |facts| facts.first_seen = time("2026-05-08T11:00"))
            .failed("web", None, attempt, "2026-05-08T11:01")
    };
    assert_snapshot!(check(&world("2026-05-08T11:02", (0, RunStatus::Error))), @"
    nothing to do now
    wake at 2026-05-08T11:16:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world("2026-05-08T11:16", (0, RunStatus::Error))), @"
    backup      web                    retry 1 of 3 of its first run, which failed: `/opt` cannot be read
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world("2026-05-08T11:16", (0, RunStatus::Cancelled))), @"
    nothing to do now
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world("2026-05-09T03:00", (3, RunStatus::Error))), @"
    backup      web                    due since 03:00 (0 3 * * *), at jobs/web.toml:9
    wake at 2026-05-09T18:00:01+02:00[Europe/Paris]
    ");
}

#[test]
fn a_clock_that_was_ahead_once_keeps_no_job_from_its_schedule() {
    let ahead = |days: &[&str]| {
        let world = days.iter().fold(daily(), |world, day| world.ran("nocodb", day));
        world.facts("nocodb", |facts| facts.last_due = Some(time("2027-01-01T03:00")))
    };
    // Whether it ran at the last instant is not known, and no archive says so.
    assert_snapshot!(check(&ahead(&["2026-05-07T03:00"])), @"
    backup      nocodb                 due since 03:00 (0 3 * * *), at jobs/web.toml:9
    problem     `nocodb` is overdue: its newest good archive is 1 d 9 h old, 1 d 7 h is the most
    needs about 1.0 GiB
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    // It ran: not everything runs at once when the clock is right again.
    let both = ["2026-05-07T03:00", "2026-05-08T03:00"];
    assert_snapshot!(check(&ahead(&both)), @"
    nothing to do now
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let mut next = ahead(&both);
    next.now = World::at("2026-05-09T03:00").now;
    let due = Cause::Due { due: time("2026-05-09T03:00"), attempt: 0 };
    assert_eq!(next.plan().actions[0].cause, due);
    // What the clock that was ahead made is no archive of the last instant.
    let made = ahead(&["2026-05-07T03:00"]).archive("nocodb", "main", "2027-01-01T03:00", |_| {});
    assert_eq!(made.plan().actions[0].work, backup("nocodb"));
}

#[test]
fn a_job_that_waits_for_the_next_time_does_so_after_a_clock_that_was_ahead_too() {
    let world = |now: &str, awake: &str| {
        World::at(now)
            .job("web", "0 3 * * *", |job| job.catch_up = CatchUp::Next)
            .ran("web", "2026-05-07T03:00")
            .facts("web", |facts| facts.last_due = Some(time("2027-01-01T03:00")))
            .with(|observed| observed.awake_since = time(awake))
    };
    // The clock was set right at 11:00.
    assert_eq!(world(MORNING, "2026-05-08T11:00").plan().actions, []);
    let next = world("2026-05-09T03:00", "2026-05-08T11:00").plan();
    assert_eq!(next.actions[0].cause, Cause::Due { due: time("2026-05-09T03:00"), attempt: 0 });
}

#[test]
fn what_failed_under_a_clock_that_was_ahead_is_tried_again_now_and_not_then() {
    let world = |catch_up| {
        daily()
            .job("web", "0 3 * * *", |job| job.catch_up = catch_up)
            .ran("web", "2026-05-08T03:00")
            .failed("web", Some("2027-01-01T03:00"), (0, RunStatus::Error), "2027-01-01T03:10")
            .ran("nocodb", "2026-05-08T03:00")
    };
    let again = Cause::Due { due: time("2026-05-08T03:00"), attempt: 1 };
    assert_eq!(world(CatchUp::Now).plan().actions[0].cause, again);
    assert_eq!(world(CatchUp::Next).plan().actions, []);
}

#[test]
fn a_job_first_seen_by_a_clock_that_was_ahead_is_known() {
    let world = |catch_up| {
        World::at(MORNING)
            .job("web", "0 3 * * *", |job| job.catch_up = catch_up)
            .facts("web", |facts| facts.first_seen = time("2027-01-01T00:00"))
            .with(|observed| observed.awake_since = time("2026-05-08T11:00"))
    };
    assert_eq!(world(CatchUp::Now).plan().actions[0].work, backup("web"));
    assert_eq!(world(CatchUp::Next).plan().actions, []);
}

#[test]
fn a_clock_that_is_set_right_by_a_minute_makes_nothing_run_twice() {
    let mut world = daily().ran("nocodb", "2026-05-08T03:00");
    world.now = World::at("2026-05-08T02:59").now;
    assert_eq!(world.plan().actions, []);
    // Nor does the hour that comes twice.
    let twice = |now: &str| {
        World::at(now)
            .job("web", "30 2 * * *", |_| {})
            .ran("web", "2026-10-25T02:30")
            .facts("web", |facts| facts.first_seen = time("2026-05-01T00:00"))
    };
    for now in ["2026-10-25T02:31", "2026-10-25T03:30"] {
        assert_eq!(twice(now).plan().actions, [], "{now}");
    }
}
