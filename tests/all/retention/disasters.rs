//! What destroys archives elsewhere, each measured with a program of the field, and does not here.

use jiff::{SignedDuration, ToSpan, Zoned};
use larder::model::archive::{Archive, How};
use larder::model::retention::Policy;
use larder::reconcile::judge::{Candidate, Class, Keep, judge};

use super::scene::{Scene, at, check, id, morning, paris, policy};

/// Good archives of a scheduled job, one every so many hours up to `last`, oldest first.
fn every(hours: i64, count: i64, last: &Zoned) -> Vec<Candidate> {
    (1..)
        .zip((0..count).rev())
        .map(|(number, back)| {
            let made = last - SignedDuration::from_hours(back * hours);
            Candidate {
                id: id(number),
                created_at: made.timestamp(),
                arrived: made.timestamp(),
                day: made.date(),
                class: Class::Good,
                pinned: false,
                received: false,
                holds: Vec::new(),
            }
        })
        .collect()
}

fn kept(policy: &Policy, archives: &[Candidate], now: &Zoned) -> usize {
    let verdicts = judge(policy, &Keep::default(), archives, now);
    verdicts.iter().filter(|verdict| verdict.keep).count()
}

const POLICIES: [&str; 4] = [
    "mode=count,value=7",
    "mode=daily,value=7",
    "mode=gfs,daily=7,weekly=4,monthly=3",
    "mode=gfs,daily=7,min_days=0",
];

#[test]
fn after_40_idle_days_nothing_more_leaves_than_on_the_last_day_of_work() {
    // `borg prune --keep-within 7d` keeps 0 of 20.
    let last = morning("2026-05-08");
    let archives = every(24, 20, &last);
    for text in POLICIES {
        let policy = policy(text);
        let before = kept(&policy, &archives, &last);
        let idle = &last + 40.days();
        assert_eq!(kept(&policy, &archives, &idle), before, "{text}");
        assert!(before >= 7, "{text}");
    }
}

#[test]
fn after_40_idle_days_the_window_of_an_hourly_job_is_whole() {
    // `restic forget --keep-within-daily 7d` keeps 1 of 160.
    let last = morning("2026-05-08");
    let archives = every(1, 160, &last);
    let idle = &last + 40.days();
    assert_eq!(
        kept(&policy("mode=daily,value=7"), &archives, &idle),
        8,
        "the last day and 7 before"
    );
    assert_eq!(kept(&policy("mode=gfs,daily=7"), &archives, &idle), 7);
}

#[test]
fn one_archive_dated_a_year_ahead_displaces_no_other() {
    // zrepl's grid keeps 1 of 61.
    let last = morning("2026-05-08");
    let archives = every(24, 60, &last);
    for text in POLICIES {
        let policy = policy(text);
        let before = kept(&policy, &archives, &last);
        let mut with_ahead = archives.clone();
        with_ahead.push(Candidate { id: id(99), ..every(24, 1, &(&last + 1.year())).remove(0) });
        assert_eq!(kept(&policy, &with_ahead, &last), before + 1, "{text}");
    }
}

#[test]
fn the_newest_good_archive_is_kept_without_asking_for_it() {
    // kopia without `latest` keeps 3 of 160.
    let last = morning("2026-05-08");
    let mut archives = every(1, 160, &last);
    for archive in &mut archives[100..] {
        archive.class = Class::Suspect;
    }
    for text in
        ["mode=gfs,monthly=1,min_days=0", "mode=count,value=1", "mode=gfs,yearly=1,min_days=0"]
    {
        let verdicts = judge(&policy(text), &Keep::default(), &archives, &last);
        assert!(verdicts[99].keep, "{text}");
    }
}

/// An archive of `tom`, dated freely, received when it was.
fn receive(scene: &mut Scene, dated: &str, received_at: &str) {
    let day = at(received_at).to_zoned(paris()).date();
    let archive = scene.archive("web", "usb", at(dated).to_zoned(paris()).date());
    archive.origin = "tom".parse().unwrap();
    archive.how = How::Received { from: "tom".parse().unwrap() };
    archive.created_at = at(dated);
    archive.received_at = Some(at(received_at));
    archive.day = day;
}

#[test]
fn archives_forged_at_one_minute_to_midnight_push_no_received_one_out_of_its_day() {
    // restic's `--keep-daily` loses every real one: the forged are the newest of each day.
    let mut scene = Scene::on("2026-05-20");
    scene.peer_tom("mode=daily,value=7", 0);
    for day in 13..=20 {
        let stamp = format!("2026-05-{day}T01:00:00Z");
        receive(&mut scene, &stamp, &stamp);
    }
    // All forged ones arrive in one night: whatever they are dated, one slot is all they get.
    for day in 13..=19 {
        receive(&mut scene, &format!("2026-05-{day}T21:59:00Z"), "2026-05-20T00:30:00Z");
    }
    insta::assert_snapshot!(check(&scene), @r"
    tom/web at usb (daily 7, 15 archives): blocked df16a159d761: 7 of 15 good archives would leave; 4 may
      jerry_web_20260513 expired: not the newest received on 2026-05-20
      jerry_web_20260514 expired: not the newest received on 2026-05-20
      jerry_web_20260515 expired: not the newest received on 2026-05-20
      jerry_web_20260516 expired: not the newest received on 2026-05-20
      jerry_web_20260517 expired: not the newest received on 2026-05-20
      jerry_web_20260518 expired: not the newest received on 2026-05-20
      jerry_web_20260519 expired: not the newest received on 2026-05-20
    ");
}

#[test]
fn archives_forged_night_by_night_take_no_real_one_before_its_time() {
    let mut scene = Scene::on("2026-05-31");
    scene.peer_tom("mode=daily,value=7", 30);
    for day in 2..=30 {
        for hour in ["01:00", "21:59"] {
            let stamp = format!("2026-05-{day:02}T{hour}:00Z");
            receive(&mut scene, &stamp, &stamp);
        }
    }
    assert_eq!(scene.settle(), 0);
    assert_eq!(scene.observed.archives.len(), 58);
}

#[test]
fn a_series_of_a_thousand_archives_is_judged_like_a_short_one() {
    let last = morning("2026-05-08");
    let archives = every(24, 1_000, &last);
    let policy = policy("mode=gfs,daily=7,weekly=4,monthly=3,yearly=2");
    let verdicts = judge(&policy, &Keep::default(), &archives, &last);
    let lines: Vec<String> = verdicts
        .iter()
        .zip(&archives)
        .filter(|(verdict, _)| verdict.keep)
        .map(|(verdict, archive)| format!("{}: {}", archive.day, verdict.words()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    2025-12-31: yearly 2025
    2026-03-31: monthly 2026-03
    2026-04-19: weekly 2026-W16
    2026-04-26: weekly 2026-W17
    2026-04-30: monthly 2026-04
    2026-05-02: daily 2026-05-02
    2026-05-03: daily 2026-05-03, weekly 2026-W18
    2026-05-04: daily 2026-05-04
    2026-05-05: daily 2026-05-05
    2026-05-06: daily 2026-05-06
    2026-05-07: daily 2026-05-07
    2026-05-08: daily 2026-05-08, weekly 2026-W19, monthly 2026-05, yearly 2026, newest
    ");
}

#[test]
fn archives_that_did_not_stand_a_drill_displace_nothing_and_the_older_good_ones_stay() {
    // A week of dumps that are cut: each passes every checksum.
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3");
    scene.daily("web", "main", 3, "2026-05-01");
    scene.settle();
    scene.daily("web", "main", 7, "2026-05-08");
    for archive in &mut scene.observed.archives[3..] {
        archive.refuted = Some("the dump is cut".to_owned());
    }
    assert_eq!(scene.settle(), 0);
    assert_eq!(scene.count("web", "main"), 10);
    // Good ones take their places one by one, and what is worth nothing leaves behind them.
    for (good, day) in [(1, "2026-05-09"), (2, "2026-05-10"), (3, "2026-05-11")] {
        scene.archive("web", "main", day.parse().unwrap());
        scene.now = morning(day);
        scene.settle();
        let there = scene.observed.archives.iter().filter(|archive| archive.is_good());
        assert_eq!(there.clone().count(), 3, "{day}");
        let new = there.filter(|archive| archive.day > "2026-05-08".parse().unwrap());
        assert_eq!(new.count(), good);
    }
    scene.settle();
    assert!(scene.observed.archives.iter().all(Archive::is_good), "{}", check(&scene));
}
