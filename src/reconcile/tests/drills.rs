use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{MORNING, check};
use crate::model::archive::{Condition, Outcome};
use crate::model::job::{Drill, Job};
use crate::model::observed::DrillOutcome;
use crate::model::run::{RunStatus, Work};
use crate::model::schedule::Schedule;
use crate::reconcile::simulate_days;
use crate::reconcile::world::{World, backup, time};

const DAYS: SignedDuration = SignedDuration::from_hours(24);

fn at_five(job: &mut Job) {
    let schedule = Schedule::parse("0 5 * * *").unwrap();
    job.drill = Some(Drill { schedule, assert: Vec::new() });
}

fn monthly(job: &mut Job) {
    let schedule = Schedule::parse("0 5 1 * *").unwrap();
    job.drill = Some(Drill { schedule, assert: Vec::new() });
}

fn goal(days: i32) -> impl FnOnce(&mut Job) {
    move |job| job.protect.proven = Some(DAYS * days)
}

/// A job that ran this morning and the morning before.
fn ran(world: World) -> World {
    world.ran("web", "2026-05-07T03:00").ran("web", "2026-05-08T03:00")
}

fn daily(change: impl FnOnce(&mut Job)) -> World {
    ran(World::at(MORNING).job("web", "0 3 * * *", change))
}

fn proven() -> DrillOutcome {
    DrillOutcome::Proven("all 3 members are as they were".to_owned())
}

fn failed() -> DrillOutcome {
    DrillOutcome::Failed("1 member differs".to_owned())
}

fn open_drill(world: World, job: &str) -> World {
    let archive = world.observed.archives[0].clone();
    let work =
        Work::Drill { job: job.parse().unwrap(), archive: archive.id, location: archive.location };
    world.open(work, RunStatus::Running)
}

#[test]
fn the_newest_good_archive_is_drilled_once_for_all_the_instants_that_passed() {
    let world =
        daily(at_five).drilled("web", |facts| facts.last_due = Some(time("2026-05-05T05:00")));
    assert_snapshot!(check(&world), @"
    drill       web                    jerry_web_20260508 at main, due since 05:00 (0 5 * * *), at jobs/web.toml:9
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let done =
        daily(at_five).drilled("web", |facts| facts.last_due = Some(time("2026-05-08T05:00")));
    assert_snapshot!(check(&done), @"
    nothing to do now
    note        the next drill is of `web`, 2026-05-09 05:00
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    // A failure is tried again at the next instant.
    assert_eq!(
        check(&done.drill_ended("web", "2026-05-08T05:03", failed())),
        check(
            &daily(at_five).drilled("web", |facts| facts.last_due = Some(time("2026-05-08T05:00")))
        )
    );
}

#[test]
fn an_instant_before_the_schedule_was_known_is_not_made_up_for() {
    let world =
        daily(monthly).drilled("web", |facts| facts.known_since = Some(time("2026-05-08T11:00")));
    assert_snapshot!(check(&world), @"
    nothing to do now
    note        the next drill is of `web`, 2026-06-01 05:00
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let missed =
        daily(monthly).drilled("web", |facts| facts.known_since = Some(time("2026-04-20T11:00")));
    assert_eq!(missed.plan().actions[0].work.word(), "drill");
}

#[test]
fn what_is_drilled_is_good_and_in_reach_at_home_first() {
    let world = |change: fn(&mut crate::model::archive::Archive)| {
        let mut world = daily(at_five)
            .location("usb", |location| location.removable = true)
            .archive("web", "usb", "2026-05-08T03:00", |_| {})
            .drilled("web", |_| {});
        change(&mut world.observed.archives[1]);
        world
    };
    let drilled = |world: &World| match world
        .plan()
        .actions
        .iter()
        .find(|a| a.work.word() == "drill")
    {
        Some(action) => action.reasons[0].split(',').next().unwrap().to_owned(),
        None => {
            world.plan().notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>().join("; ")
        }
    };
    assert_snapshot!(drilled(&world(|_| {})), @"jerry_web_20260508 at main");
    for bad in [
        (|archive| archive.condition = Condition::Corrupt)
            as fn(&mut crate::model::archive::Archive),
        |archive| archive.outcome = Outcome::Suspect("small".to_owned()),
        |archive| archive.refuted = Some("cut".to_owned()),
        |archive| archive.created_at = time("2027-05-08T03:00"),
    ] {
        assert_eq!(drilled(&world(bad)), "jerry_web_20260507 at main");
    }
    assert_snapshot!(drilled(&world(|_| {}).gone("main")), @"jerry_web_20260508 at usb");
    assert_snapshot!(drilled(&world(|_| {}).gone("main").gone("usb")), @"location `main` is not there: no marker file; jerry/web at usb: orphaned and kept, 1 archives: job `web` does not write to `usb` any more; a drill of `web` is due and waits for a location: no good archive of it is in reach; location `usb` is not there: no marker file");
    // Without any archive at all there is nothing to say but that there is none.
    let none = World::at(MORNING).job("web", "0 3 * * *", at_five).drilled("web", |_| {});
    assert_eq!(none.plan().actions.iter().filter(|a| a.work.word() == "drill").count(), 0);
}

#[test]
fn drills_come_one_at_a_time_behind_the_backups() {
    let world = daily(at_five)
        .job("mail", "0 11 * * *", at_five)
        .archive("mail", "main", "2026-05-07T11:00", |_| {})
        .facts("mail", |facts| facts.last_due = Some(time("2026-05-07T11:00")))
        .drilled("web", |_| {})
        .drilled("mail", |facts| facts.last_due = Some(time("2026-05-07T05:00")));
    assert_snapshot!(check(&world), @"
    backup      mail                   due since 11:00 (0 11 * * *), at jobs/web.toml:10
    drill       mail                   jerry_mail_20260507 at main, due since 05:00 (0 5 * * *), at jobs/web.toml:10
    needs about 1.0 GiB
    wake at 2026-05-08T18:00:01+02:00[Europe/Paris]
    ");
    let busy = open_drill(world, "mail");
    assert_eq!(busy.plan().actions.iter().filter(|a| a.work.word() == "drill").count(), 0);
    // A drill that is due waits for every backup, however long it has been due.
    let mut runs = open_drill(daily(at_five).open(backup("mail"), RunStatus::Queued), "web")
        .observed
        .open_runs;
    let due = |hour: &str| crate::model::run::Cause::Due {
        due: time(&format!("2026-05-08T{hour}:00")),
        attempt: 0,
    };
    (runs[0].cause, runs[1].cause) = (due("11"), due("05"));
    assert!(runs[0].rank() < runs[1].rank());
}

#[test]
fn the_goal_is_brought_about_shortly_before_it_is_missed() {
    let world = |proved: &str| {
        let world = daily(goal(30));
        if proved.is_empty() { world } else { world.drill_ended("web", proved, proven()) }
    };
    assert_snapshot!(check(&world("")), @"
    drill       web                    jerry_web_20260508 at main, never proved yet, 30 d is the goal, at jobs/web.toml:9
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world("2026-04-11T13:00")), @"
    nothing to do now
    note        the next drill is of `web`, 13:00
    wake at 2026-05-08T13:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world("2026-04-11T11:00")), @"
    drill       web                    jerry_web_20260508 at main, last proved 27 d 1 h ago, 30 d is the goal, at jobs/web.toml:9
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    // Without a schedule that asks again, a failure rests for a day.
    let resting = world("2026-04-11T11:00")
        .drill_ended("web", "2026-05-08T11:30", failed())
        .drilled("web", |facts| facts.rest_until = Some(time("2026-05-09T11:30")));
    assert_snapshot!(check(&resting), @"
    nothing to do now
    note        the next drill is of `web`, 2026-05-09 11:30
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn the_goal_leaves_it_to_the_schedule_where_that_is_soon_enough() {
    let both = |job: &mut Job| {
        monthly(job);
        job.protect.proven = Some(DAYS * 30);
    };
    let world = |proved: &str| {
        daily(both)
            .drilled("web", |facts| facts.last_due = Some(time("2026-05-01T05:00")))
            .drill_ended("web", proved, proven())
    };
    // Missed on 31 May at 06:00, before the next instant on 1 June.
    assert_snapshot!(check(&world("2026-05-01T06:00")), @"
    nothing to do now
    note        the next drill is of `web`, 2026-05-28 06:00
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world("2026-05-02T06:00")), @"
    nothing to do now
    note        the next drill is of `web`, 2026-06-01 05:00
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn an_interrupted_drill_is_begun_anew_three_times() {
    let world = |interrupted: u32, rest: &str| {
        daily(at_five).drilled("web", |facts| {
            facts.last_due = Some(time("2026-05-08T05:00"));
            facts.interrupted = interrupted;
            facts.rest_until = Some(time(rest));
        })
    };
    assert_snapshot!(check(&world(1, "2026-05-08T11:00")), @"
    drill       web                    jerry_web_20260508 at main, the last one was interrupted
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    assert_snapshot!(check(&world(1, "2026-05-08T12:30")), @"
    nothing to do now
    note        the next drill is of `web`, 12:30
    wake at 2026-05-08T12:30:00+02:00[Europe/Paris]
    ");
    assert_eq!(world(4, "2026-05-08T11:00").plan().actions, []);
}

#[test]
fn each_series_of_a_job_with_many_is_proved_by_itself() {
    let wiki = |job: &mut Job| {
        job.formerly = vec!["programs/wiki".parse().unwrap()];
        at_five(job);
    };
    let world = World::at(MORNING)
        .job("apps/nextcloud", "0 3 * * *", at_five)
        .job("apps/wiki", "0 3 * * *", wiki)
        .archive("apps/nextcloud", "main", "2026-05-08T03:00", |_| {})
        .archive("programs/wiki", "main", "2026-05-08T03:01", |_| {})
        .facts("apps/nextcloud", |facts| facts.last_due = Some(time("2026-05-08T03:00")))
        .facts("apps/wiki", |facts| facts.last_due = Some(time("2026-05-08T03:00")))
        .drilled("apps/nextcloud", |facts| facts.last_due = Some(time("2026-05-08T05:00")))
        .drilled("programs/wiki", |_| {});
    assert_snapshot!(check(&world), @"
    drill       apps/wiki              jerry_programs_wiki_20260508 at main, due since 05:00 (0 5 * * *), at jobs/web.toml:10
    note        the next drill is of `apps/nextcloud`, 2026-05-09 05:00
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn disabled_and_ended_jobs_and_a_machine_in_recovery_are_not_drilled() {
    for change in [
        (|job: &mut Job| job.enabled = false) as fn(&mut Job),
        |job| job.ended = Some(crate::model::job::Ended::KeepArchives),
        |job| job.drill = None,
    ] {
        let world = daily(|job| {
            at_five(job);
            change(job);
        });
        assert_eq!(world.drilled("web", |_| {}).plan().actions, []);
    }
    let recovery = daily(at_five).drilled("web", |_| {}).with(|observed| {
        observed.freezes.push(crate::model::observed::Freeze::Recovery("new".to_owned()));
    });
    assert_eq!(recovery.plan().actions, []);
}

#[test]
fn the_coming_days_show_their_drills() {
    let world =
        daily(at_five).drilled("web", |facts| facts.last_due = Some(time("2026-05-08T05:00")));
    let days = simulate_days(&world.desired, &world.observed, &world.now, 3);
    let text: Vec<String> = days.iter().map(ToString::to_string).collect();
    assert_snapshot!(text.join("\n"), @"
    2026-05-08
    2026-05-09
      + web at main
      ? web is drilled
    2026-05-10
      + web at main
      ? web is drilled
      - jerry_web_20260507 at main
    ");
}

#[test]
fn an_archive_that_does_not_restore_displaces_none_that_may() {
    // Of three, the newest does not restore: it fills no slot, and the third stays.
    let world = |refuted: bool| {
        World::at(MORNING)
            .job("web", "0 3 * * *", |job| {
                job.retention.mode = crate::model::retention::Mode::Count(2);
            })
            .ran("web", "2026-05-05T03:00")
            .ran("web", "2026-05-06T03:00")
            .ran("web", "2026-05-07T03:00")
            .ran("web", "2026-05-08T03:00")
            .with(|observed| {
                observed.archives[3].refuted = refuted.then(|| "a dump that is cut".to_owned());
            })
    };
    let kept = |world: &World| {
        let plan = world.plan();
        let kept = plan.passes[0].verdicts.iter().filter(|verdict| verdict.keep);
        kept.map(super::super::judge::Verdict::words).collect::<Vec<_>>()
    };
    assert_snapshot!(kept(&world(false)).join("\n"), @"
    count 2 of 2
    count 1 of 2, newest
    ");
    assert_snapshot!(kept(&world(true)).join("\n"), @"
    count 2 of 2
    count 1 of 2, newest
    damaged: until the policy keeps only newer ones
    ");
}

#[test]
fn a_clock_that_was_ahead_once_keeps_no_drill_from_its_schedule() {
    let world = daily(at_five).drilled("web", |facts| {
        facts.known_since = Some(time("2027-01-01T00:00"));
        facts.last_due = Some(time("2027-01-01T05:00"));
    });
    let due = crate::model::run::Cause::Due { due: time("2026-05-08T05:00"), attempt: 0 };
    assert!(world.plan().actions.iter().any(|action| action.cause == due), "{}", check(&world));
}
