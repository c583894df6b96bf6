use insta::assert_snapshot;
use jiff::SignedDuration;

use super::*;
use crate::model::archive::{Archive, Condition, Outcome};
use crate::model::observed::{DrillOutcome, Freeze, LocationState};
use crate::model::protect::MaxAge;
use crate::model::run::RunStatus;
use crate::reconcile::world::{World, backup, place, time};

mod peers;

const MORNING: &str = "2026-05-08T12:00";

fn check(world: &World) -> String {
    let verdicts = judge(&world.desired, &world.observed, &world.now);
    let zone = world.now.time_zone();
    let lines = verdicts.iter().flat_map(|one| {
        let moment = |at: Option<Timestamp>| {
            at.map_or("-".to_owned(), |at| at.to_zoned(zone.clone()).strftime("%d %R").to_string())
        };
        let copies: Vec<&str> = one.copies.iter().map(PlaceName::as_str).collect();
        let head = format!(
            "{}: {}{} (scheduled {}, runs {}, succeeded {}, at {})",
            one.job,
            one.verdict.words(),
            if one.overdue { ", overdue" } else { "" },
            moment(one.next_scheduled),
            moment(one.next_run),
            moment(one.last_success),
            copies.join(", ")
        );
        std::iter::once(head).chain(one.reasons.iter().map(|reason| format!("  {reason}")))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn daily() -> World {
    World::at(MORNING).job("web", "0 3 * * *", |_| {})
}

/// A good daily job whose one archive is changed.
fn with_newest(change: fn(&mut Archive)) -> World {
    let mut world = daily().ran("web", "2026-05-07T03:00").ran("web", "2026-05-08T03:00");
    change(&mut world.observed.archives[1]);
    world
}

#[test]
fn a_job_that_ran_is_protected() {
    assert_snapshot!(check(&daily().ran("web", "2026-05-08T03:00")), @"web: protected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)");
}

#[test]
fn a_job_without_an_archive_is_unprotected_and_runs_now() {
    assert_snapshot!(check(&daily()), @"
    web: unprotected (scheduled 09 03:00, runs 08 12:00, succeeded -, at )
      no good archive
    ");
}

#[test]
fn the_automatic_goal_is_the_longest_gap_plus_the_time_out() {
    // 25 hours, since the autumn night is an hour longer, and 6.
    let world = |now: &str| {
        World::at(now)
            .job("web", "0 3 * * *", |_| {})
            .ran("web", "2026-05-06T03:00")
            .open(backup("web"), RunStatus::Running)
    };
    assert_snapshot!(check(&world("2026-05-07T10:00")), @"web: protected (scheduled 08 03:00, runs 07 10:00, succeeded 06 03:05, at main)");
    assert_snapshot!(check(&world("2026-05-07T10:01")), @"
    web: at risk, overdue (scheduled 08 03:00, runs 07 10:01, succeeded 06 03:05, at main)
      the newest good archive is 1 d 7 h old, 1 d 7 h is the most
    ");
    assert_snapshot!(check(&world("2026-05-08T17:01")), @"
    web: unprotected, overdue (scheduled 09 03:00, runs 08 17:01, succeeded 06 03:05, at main)
      the newest good archive is 2 d 14 h old, 1 d 7 h is the most
    ");
}

#[test]
fn what_is_wrong_with_the_newest_archive_is_a_risk() {
    assert_snapshot!(check(&with_newest(|archive| archive.condition = Condition::Corrupt)), @"
    web: at risk, overdue (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
      the newest archive is damaged: jerry_web_20260508 at `main`
    ");
    assert_snapshot!(check(&with_newest(|archive| archive.condition = Condition::Lost)), @"
    web: at risk, overdue (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
      the newest archive is gone from its place: jerry_web_20260508 at `main`
    ");
    let suspect = with_newest(|archive| {
        archive.outcome = Outcome::Suspect("1 MiB, the last five had 1 GiB".to_owned());
    });
    assert_snapshot!(check(&suspect), @"
    web: at risk, overdue (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
      the newest archive is suspect: jerry_web_20260508: 1 MiB, the last five had 1 GiB
    ");
    assert_snapshot!(check(&with_newest(|archive| archive.outcome = Outcome::Partial)), @"
    web: at risk, overdue (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
      the newest archive is partial, some files could not be read: jerry_web_20260508
    ");
    let allowed = with_newest(|archive| {
        archive.outcome = Outcome::Partial;
        archive.partial_allowed = true;
    });
    assert_snapshot!(check(&allowed), @"web: protected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)");
    // An archive dated a year ahead neither protects nor hides the one that does.
    let ahead = with_newest(|archive| archive.created_at = time("2027-05-08T03:00"));
    assert_snapshot!(check(&ahead), @"
    web: at risk, overdue (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
    ");
}

#[test]
fn places_on_the_file_system_of_the_source_are_one_copy() {
    let mut world = daily()
        .location("second", |_| {})
        .job("web", "0 3 * * *", |job| job.protect.copies = 2)
        .ran("web", "2026-05-08T03:00");
    let mut copy = world.observed.archives[0].clone();
    copy.location = place("second");
    world.observed.archives.push(copy);
    let protected = check(&world);
    assert!(protected.contains("web: protected"), "{protected}");
    let job = world.observed.archives[0].job.clone();
    world.observed.beside_source = ["main", "second"].map(|name| (job.clone(), place(name))).into();
    let at_risk = check(&world);
    assert!(at_risk.contains("1 of 2 copies (main); further ones"), "{at_risk}");
    // A disk of its own beside the source's counts.
    world.observed.beside_source = [(job, place("main"))].into();
    assert!(check(&world).contains("web: protected"));
}

#[test]
fn copies_are_places_with_an_archive_that_is_young_enough() {
    let world = |created: &str, condition: Condition| {
        World::at(MORNING)
            .location("usb", |location| {
                location.removable = true;
                location.offsite = true;
            })
            .job("web", "0 3 * * *", |job| {
                job.protect.copies = 2;
                job.protect.offsite = 1;
                job.protect.max_age = MaxAge::Fixed(SignedDuration::from_hours(48));
            })
            .ran("web", "2026-05-08T03:00")
            .archive("web", "usb", created, |archive| archive.condition = condition)
    };
    assert_snapshot!(check(&world("2026-05-07T03:00", Condition::Present)), @"web: protected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main, usb)");
    assert_snapshot!(check(&world("2026-05-07T03:00", Condition::Unavailable).gone("usb")), @"web: protected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main, usb)");
    assert_snapshot!(check(&world("2026-05-06T03:00", Condition::Present)), @"
    web: at risk (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      1 of 2 copies (main)
      0 of 1 off-site copies
    ");
    assert_snapshot!(check(&world("2026-05-08T03:00", Condition::Corrupt)), @"
    web: at risk (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      1 of 2 copies (main)
      0 of 1 off-site copies
    ");
}

#[test]
fn a_broken_location_a_failed_run_and_a_freeze_are_risks() {
    let world = daily()
        .ran("web", "2026-05-08T03:00")
        .failed("web", Some("2026-05-08T03:00"), (0, RunStatus::Error), "2026-05-08T11:50")
        .state("main", LocationState::Suspect("input/output error".to_owned()))
        .with(|observed| observed.freezes = vec![Freeze::Clock("it went back 2 h".to_owned())]);
    assert_snapshot!(check(&world), @"
    web: at risk (scheduled 09 03:00, runs 08 12:05, succeeded 08 03:05, at main)
      location `main` cannot be used: input/output error
      the last run failed: `/opt` cannot be read
      retention rests
    ");
}

#[test]
fn what_rests_for_all_jobs_is_one_short_reason_of_each() {
    let rests = |freezes: &[Freeze]| {
        let world = daily().ran("web", "2026-05-08T03:00");
        let said = check(&world.with(|observed| observed.freezes = freezes.to_vec()));
        said.lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let vanished = Freeze::JobsVanished("2 of 3 jobs are gone".to_owned());
    let clock = Freeze::Clock("it went back 2 h".to_owned());
    assert_eq!(rests(&[vanished.clone(), clock.clone()]), ["retention rests"]);
    let recovery = Freeze::Recovery("nothing is remembered here".to_owned());
    assert_eq!(rests(&[clock, recovery, vanished]), ["everything rests"]);
}

#[test]
fn a_job_whose_archives_are_all_out_of_reach_is_unprotected() {
    let world = |removable| {
        World::at(MORNING)
            .location("usb", |location| location.removable = removable)
            .job("web", "0 3 * * *", |job| job.location = place("usb"))
            .facts("web", |facts| facts.last_due = Some(time("2026-05-08T03:00")))
            .archive("web", "usb", "2026-05-08T03:00", |archive| {
                archive.condition = Condition::Unavailable;
            })
            .gone("usb")
    };
    assert_snapshot!(check(&world(false)), @"
    web: unprotected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:00, at )
      0 of 1 copies
      location `usb` cannot be used: no marker file
    ");
    // A disk that is unplugged now and then holds its copies all the same.
    assert!(check(&world(true)).contains("web: protected"), "{}", check(&world(true)));
    // One copy less is a risk and no more.
    let mut second = world(false).archive("web", "main", "2026-05-08T03:00", |_| {});
    second.desired.jobs.values_mut().for_each(|job| job.protect.copies = 2);
    assert!(check(&second).contains("web: at risk"), "{}", check(&second));
}

#[test]
fn the_jobs_are_named_whose_every_copy_lies_on_the_disk_of_what_it_saves() {
    let world = |jobs: usize| {
        let mut world = World::at(MORNING).location("usb", |location| location.removable = true);
        for name in ["a", "b", "c", "d", "e", "f", "g"].into_iter().take(jobs) {
            world = world.job(name, "0 3 * * *", |_| {}).ran(name, "2026-05-08T03:00");
            world.observed.beside_source.insert((name.parse().unwrap(), place("main")));
        }
        world
    };
    let said = |world: &World| {
        one_disk(&world.observed, &judge(&world.desired, &world.observed, &world.now))
    };
    assert_eq!(said(&world(0)), None);
    assert_snapshot!(said(&world(2)).unwrap(), @"every copy of `a`, `b` lies on the disk of what it saves, and is lost with it: send copies to a location on another disk, or to a peer");
    assert_snapshot!(said(&world(6)).unwrap(), @"every copy of `a`, `b`, `c`, `d`, `e` and of 1 more job lies on the disk of what it saves, and is lost with it: send copies to a location on another disk, or to a peer");
    assert!(said(&world(7)).unwrap().contains("`e` and of 2 more jobs lies"));
    // One that is elsewhere too is not named, be that disk unplugged.
    let elsewhere = |condition| {
        said(&world(1).archive("a", "usb", "2026-05-08T03:00", |copy| copy.condition = condition))
    };
    assert_eq!(elsewhere(Condition::Present), None);
    assert_eq!(elsewhere(Condition::Unavailable), None);
    assert!(elsewhere(Condition::Lost).is_some());
}

#[test]
fn a_disabled_job_is_judged_and_an_ended_one_is_not() {
    let world = World::at(MORNING)
        .job("off", "0 3 * * *", |job| job.enabled = false)
        .job("over", "0 3 * * *", |job| {
            job.ended = Some(crate::model::job::Ended::KeepArchives);
        })
        .ran("off", "2026-05-08T03:00");
    assert_snapshot!(check(&world), @"
    off: protected (scheduled 09 03:00, runs -, succeeded 08 03:05, at main)
      disabled: no new archives are made
    ");
}

#[test]
fn blocked_deletions_are_a_risk_of_their_job_alone() {
    let world = daily()
        .ran("web", "2026-05-08T03:00")
        .job("other", "0 3 * * *", |_| {})
        .ran("other", "2026-05-08T03:00");
    let mut plan = world.plan();
    plan.blocked.push(Blocked {
        series: world.observed.archives[0].written_series(),
        hash: "0123456789ab".to_owned(),
        archives: Vec::new(),
        reason: String::new(),
        frees: 0,
    });
    let verdicts = judge_with(&world.desired, &world.observed, &plan);
    let verdicts: Vec<_> = verdicts.iter().map(|one| (one.job.as_str(), one.verdict)).collect();
    assert_eq!(verdicts, [("other", Verdict::Protected), ("web", Verdict::AtRisk)]);
}

#[test]
fn a_removable_home_that_is_away_is_no_failure_before_the_goal() {
    let world = |now: &str| {
        World::at(now)
            .location("usb", |location| location.removable = true)
            .job("web", "0 3 * * *", |job| job.location = place("usb"))
            .archive("web", "usb", "2026-05-07T03:00", |archive| {
                archive.condition = Condition::Unavailable;
            })
            .facts("web", |facts| facts.last_due = Some(time("2026-05-07T03:00")))
            .gone("usb")
    };
    assert_snapshot!(check(&world("2026-05-08T04:00")), @"web: protected (scheduled 09 03:00, runs -, succeeded 07 03:00, at usb)");
    assert_snapshot!(check(&world("2026-05-08T12:00")), @"
    web: at risk, overdue (scheduled 09 03:00, runs -, succeeded 07 03:00, at usb)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
    ");
}

#[test]
fn the_nagios_answer_sums_up_and_names_what_is_wrong() {
    let answer = |world: &World| {
        let check = super::check(&judge(&world.desired, &world.observed, &world.now));
        format!("{} {}", check.code, check.text)
    };
    let good = daily().ran("web", "2026-05-08T03:00");
    assert_snapshot!(answer(&good), @"0 LARDER OK - 1 protected | protected=1 at_risk=0 unprotected=0");
    let failed = (0, RunStatus::Error);
    assert_snapshot!(answer(&good.failed("web", None, failed, "2026-05-08T11:59")), @"
    1 LARDER WARNING - 1 at risk | protected=0 at_risk=1 unprotected=0
    web at risk: the last run failed: `/opt` cannot be read
    ");
    assert_snapshot!(answer(&daily()), @"
    2 LARDER CRITICAL - 1 unprotected | protected=0 at_risk=0 unprotected=1
    web unprotected: no good archive
    ");
    assert_snapshot!(answer(&World::at(MORNING)), @"3 LARDER UNKNOWN - no jobs | protected=0 at_risk=0 unprotected=0");
}

#[test]
fn the_goal_proven_moves_from_never_to_lately_to_too_long_ago() {
    let days = |days: i32| SignedDuration::from_hours(24) * days;
    let wants = || {
        World::at(MORNING)
            .job("web", "0 3 * * *", |job| job.protect.proven = Some(days(7)))
            .ran("web", "2026-05-08T03:00")
    };
    let proven = || DrillOutcome::Proven("all 3 members are as they were".to_owned());
    assert_snapshot!(check(&wants()), @"
    web: at risk (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      no drill has proved a restore of `web` yet, every 7 d is the goal
    ");
    assert_snapshot!(check(&wants().drill_ended("web", "2026-05-08T05:00", proven())), @"web: protected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)");
    assert_snapshot!(check(&wants().drill_ended("web", "2026-05-01T05:00", proven())), @"
    web: at risk (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      a restore of `web` was last proved 7 d 7 h ago, 7 d is the most
    ");
    // Whoever has nothing to restore has nothing to prove.
    let mut empty = wants();
    empty.observed.archives.clear();
    assert_snapshot!(check(&empty), @"
    web: unprotected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at )
      no good archive
    ");
}

#[test]
fn a_failed_drill_is_a_risk_until_another_succeeds_and_one_that_is_impossible_where_it_is_wanted() {
    let failed = || DrillOutcome::Failed("1 member differs".to_owned());
    let unable = || DrillOutcome::Unable("`mariadbd` is not installed".to_owned());
    let at = "2026-05-08T05:00";
    let ran = || daily().ran("web", "2026-05-07T03:00").ran("web", "2026-05-08T03:00");
    // Whoever asked for it: it is known now.
    let mut known = ran().drill_ended("web", at, failed());
    known.observed.archives[1].refuted = Some("1 member differs".to_owned());
    assert_snapshot!(check(&known), @"
    web: at risk, overdue (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
      the last drill of `web` failed: jerry_web_20260508 does not restore: 1 member differs
    ");
    let older = known.drill_ended("web", "2026-05-07T06:00", DrillOutcome::Proven(String::new()));
    assert_snapshot!(check(&older), @"
    web: at risk, overdue (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      the newest good archive is 1 d 9 h old, 1 d 7 h is the most
      the newest archive does not restore: jerry_web_20260508: 1 member differs
    ");
    assert_snapshot!(check(&ran().drill_ended("web", at, unable())), @"web: protected (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)");
    let wanted = World::at(MORNING)
        .job("web", "0 3 * * *", |job| {
            let schedule = crate::model::schedule::Schedule::parse("0 5 * * *").unwrap();
            job.drill = Some(crate::model::job::Drill { schedule, assert: Vec::new() });
        })
        .ran("web", "2026-05-08T03:00")
        .drilled("web", |facts| facts.last_due = Some(time(at)))
        .drill_ended("web", at, unable());
    assert_snapshot!(check(&wanted), @"
    web: at risk (scheduled 09 03:00, runs 09 03:00, succeeded 08 03:05, at main)
      whether `web` can be restored cannot be proved here: `mariadbd` is not installed
    ");
}
