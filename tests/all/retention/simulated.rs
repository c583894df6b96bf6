//! `simulate` and `why`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{ToSpan as _, Zoned};
use larder::model::archive::{Archive, Condition};
use larder::model::observed::{JobFacts, LocationState};
use larder::model::run::{RunStatus, Work};
use larder::model::schedule::Schedule;
use larder::reconcile::simulate::{
    Entry, Line, State, over_archives, over_days, when_each_leaves, why,
};
use larder::reconcile::simulate_days;

use super::scene::{Scene, at, id, morning, policy};

fn text(lines: &[Line]) -> String {
    let lines = lines.iter().map(|line| {
        let sign = if line.keep { '+' } else { '-' };
        let left = line.left_on.map(|day| format!(" (left on {day})")).unwrap_or_default();
        format!("{sign} {}: {}{left}", line.id, line.reasons.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn days_are_lived_through_one_by_one() {
    let lines =
        over_days(&policy("mode=gfs,daily=3,weekly=2,monthly=2"), 14, &morning("2026-05-08"));
    insta::assert_snapshot!(text(&lines), @r"
    - 2026-04-25: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-04-28)
    - 2026-04-26: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-05-04)
    - 2026-04-27: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-04-30)
    - 2026-04-28: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-05-01)
    - 2026-04-29: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-05-02)
    + 2026-04-30: monthly 2026-04
    - 2026-05-01: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-05-04)
    - 2026-05-02: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-05-05)
    + 2026-05-03: weekly 2026-W18
    - 2026-05-04: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-05-07)
    - 2026-05-05: expired: not among 3 daily, 2 weekly, 2 monthly (left on 2026-05-08)
    + 2026-05-06: daily 2026-05-06
    + 2026-05-07: daily 2026-05-07
    + 2026-05-08: daily 2026-05-08, weekly 2026-W19, monthly 2026-05, newest
    ");
}

#[test]
fn a_year_of_days_ends_with_what_the_policy_says() {
    let lines =
        over_days(&policy("mode=gfs,daily=7,weekly=4,monthly=3"), 365, &morning("2026-05-08"));
    assert_eq!(lines.len(), 365);
    let kept: Vec<Line> = lines.into_iter().filter(|line| line.keep).collect();
    insta::assert_snapshot!(text(&kept), @r"
    + 2026-03-31: monthly 2026-03
    + 2026-04-19: weekly 2026-W16
    + 2026-04-26: weekly 2026-W17
    + 2026-04-30: monthly 2026-04
    + 2026-05-02: daily 2026-05-02
    + 2026-05-03: daily 2026-05-03, weekly 2026-W18
    + 2026-05-04: daily 2026-05-04
    + 2026-05-05: daily 2026-05-05
    + 2026-05-06: daily 2026-05-06
    + 2026-05-07: daily 2026-05-07
    + 2026-05-08: daily 2026-05-08, weekly 2026-W19, monthly 2026-05, newest
    ");
}

#[test]
fn archives_of_a_list_keep_its_order_and_equal_times_are_ordered_by_their_ids() {
    let entry = |id: &str, created_at: &str, state: &str| Entry {
        id: id.to_owned(),
        created_at: at(created_at),
        state: State::from_word(state).unwrap(),
    };
    let entries = [
        entry("b", "2026-05-08T02:00:00Z", "good"),
        entry("a", "2026-05-08T02:00:00Z", "good"),
        entry("a", "2026-05-01T02:00:00Z", "good"),
        entry("pinned", "2026-01-01T02:00:00Z", "pinned"),
        entry("manual", "2026-05-07T02:00:00Z", "manual"),
        entry("suspect", "2026-04-07T02:00:00Z", "suspect"),
        entry("partial", "2026-05-08T02:30:00Z", "partial"),
    ];
    let lines = over_archives(&policy("mode=count,value=1"), &entries, &morning("2026-05-09"));
    insta::assert_snapshot!(text(&lines), @r"
    + b: count 1 of 1, newest
    - a: expired: not the newest
    - a: expired: not the newest
    + pinned: pinned
    + manual: newest manual, manual: until 2026-06-06
    - suspect: expired: suspect for more than 14 days
    + partial: partial: nothing good is newer
    ");
}

fn ask(scene: &Scene, number: u128, location: &str) -> String {
    let answer =
        why(&scene.desired, &scene.observed, id(number), &location.parse().unwrap(), &scene.now);
    let Some(answer) = answer else { return "unknown".to_owned() };
    let leaves = answer.leaves_on.map(|day| format!(", until {day}")).unwrap_or_default();
    format!(
        "{}: {} {}{leaves}",
        answer.series,
        if answer.keep { '+' } else { '-' },
        answer.reasons.join(", ")
    )
}

#[test]
fn why_says_what_keeps_an_archive_and_when_it_would_leave() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=daily,value=3");
    scene.daily("web", "main", 4, "2026-05-08");
    scene.observed.archives[1].pinned = true;
    scene.observed.archives[2].condition = Condition::Trashed { until: scene.now.timestamp() };
    scene.daily("old", "main", 1, "2026-05-08");
    let answers: Vec<String> = (1..=6).map(|number| ask(&scene, number, "main")).collect();
    insta::assert_snapshot!(answers.join("\n"), @r"
    jerry/web at main: + daily 2026-05-05, until 2026-05-10
    jerry/web at main: + pinned
    jerry/web at main: - in the trash until 2026-05-08 03:00, until 2026-05-08
    jerry/web at main: + daily 2026-05-08, newest, until 2026-05-12
    jerry/old at main: + orphaned
    unknown
    ");
    assert_eq!(ask(&scene, 1, "usb"), "unknown");
}

#[test]
fn why_counts_the_time_in_which_nothing_of_a_peer_can_be_deleted() {
    let mut scene = Scene::on("2026-05-08");
    scene.peer_tom("mode=count,value=2", 30);
    scene.daily("web", "usb", 3, "2026-05-08");
    scene.each("web", "usb", |archive| {
        archive.origin = "tom".parse().unwrap();
        archive.how = larder::model::archive::How::Received { from: "tom".parse().unwrap() };
        archive.received_at = Some(archive.created_at);
    });
    let answers: Vec<String> = (1..=3).map(|number| ask(&scene, number, "usb")).collect();
    insta::assert_snapshot!(answers.join("\n"), @r"
    tom/web at usb: + immutable: until 2026-06-05, until 2026-06-05
    tom/web at usb: + count 2 of 2, until 2026-06-06
    tom/web at usb: + count 1 of 2, newest, until 2026-06-07
    ");
}

/// A job that ran at the last instants of a schedule, and runs on by another.
fn ran(before: &str, times: usize, from_now_on: &str, policy_text: &str) -> Scene {
    let mut scene = Scene::on("2026-11-22");
    let room = LocationState::Available { free: 1 << 40, total: 1 << 40 };
    scene.observed.locations.insert("main".parse().unwrap(), room);
    scene.job("web", policy_text).schedule = Schedule::parse(from_now_on).unwrap();
    let before = Schedule::parse(before).unwrap();
    let earlier = |run: &Zoned| before.last_at_or_before(&(run - 1.second()));
    let newest = before.last_at_or_before(&scene.now).unwrap();
    let runs = std::iter::successors(Some(newest.clone()), earlier).take(times);
    let mut days: Vec<Date> = runs.map(|run| run.date()).collect();
    days.reverse();
    for day in days {
        scene.archive("web", "main", day);
    }
    let facts = JobFacts {
        first_seen: at("2000-01-01T00:00:00Z"),
        last_due: Some(scene.now.timestamp()),
        last_attempt: None,
        last_success: Some(newest.timestamp()),
        last_failure: None,
        table: None,
        source: None,
    };
    scene.observed.jobs.insert("web".parse().unwrap(), facts);
    scene
}

fn leave(scene: &Scene) -> Vec<Option<Date>> {
    let main = "main".parse().unwrap();
    let answer = |id| why(&scene.desired, &scene.observed, id, &main, &scene.now).unwrap();
    scene.observed.archives.iter().map(|archive| answer(archive.id).leaves_on).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what may not be known")]
fn date(text: &str) -> Option<Date> {
    Some(text.parse().unwrap())
}

#[test]
fn the_day_on_which_an_archive_leaves_is_told_by_the_schedule_of_its_job() {
    let weekly = ran("0 2 * * 0", 3, "0 2 * * 0", "mode=count,value=3");
    assert_eq!(leave(&weekly), [date("2026-11-29"), date("2026-12-06"), date("2026-12-13")]);
    let monthly = ran("0 2 1 * *", 12, "0 2 1 * *", "mode=gfs,monthly=12");
    assert_eq!(leave(&monthly)[11], date("2027-11-01"));
    let in_leap_years = ran("0 2 29 2 *", 2, "0 2 29 2 *", "mode=count,value=2");
    assert_eq!(leave(&in_leap_years), [date("2028-02-29"), date("2032-02-29")]);
    let yearly = ran("0 2 1 1 *", 1, "0 2 1 1 *", "mode=count,value=30");
    assert_eq!(leave(&yearly), [None], "not within twenty years");
    let hourly = ran("0 2 * * *", 1, "0 * * * *", "mode=count,value=30");
    assert_eq!(leave(&hourly), [date("2026-11-23")]);
    let each_minute = ran("0 2 * * *", 2, "* * * * *", "mode=gfs,daily=2,min_days=0");
    assert_eq!(leave(&each_minute), [date("2026-11-23"), date("2026-11-22")]);
}

#[test]
fn what_why_tells_is_what_the_plan_of_the_coming_days_does() {
    for (before, times, from_now_on, policy_text, days) in [
        ("0 2 * * 0", 3, "0 2 * * 0", "mode=count,value=3", 30),
        ("0 2 1 * *", 12, "0 2 1 * *", "mode=gfs,monthly=12", 380),
        ("0 2 29 2 *", 1, "0 2 29 2 *", "mode=count,value=1", 600),
        ("0 2 * * *", 3, "0 2 * * *", "mode=gfs,daily=3,weekly=2,monthly=2", 80),
        ("0 2 * * *", 3, "0 2 * * 3", "mode=daily,value=8,min_days=2", 40),
        ("0 2 * * *", 5, "0 2,14 * * *", "mode=count,value=5", 5),
        ("0 2 * * *", 3, "0 */6 * * *", "mode=gfs,daily=3,min_days=0", 6),
    ] {
        let scene = ran(before, times, from_now_on, policy_text);
        let plan = simulate_days(&scene.desired, &scene.observed, &scene.now, days);
        let mut planned = BTreeMap::new();
        for day in &plan {
            planned.extend(day.expired.iter().map(|(name, _)| (name.clone(), day.date)));
        }
        for (archive, told) in scene.observed.archives.iter().zip(leave(&scene)) {
            let told_of = format!("{} of {from_now_on}, {policy_text}", archive.name);
            assert_eq!(told, planned.get(&archive.name).copied(), "{told_of}");
            assert!(told.is_some(), "{told_of}");
        }
    }
}

#[test]
fn nothing_leaves_for_the_runs_of_a_disabled_job_and_a_run_under_way_counts() {
    let mut scene = ran("0 2 * * 0", 3, "0 2 * * 0", "mode=count,value=3");
    scene.open(Work::Backup { job: "web".parse().unwrap() }, RunStatus::Running);
    assert_eq!(leave(&scene), [date("2026-11-22"), date("2026-11-29"), date("2026-12-06")]);
    scene.observed.open_runs.clear();
    scene.desired.jobs.values_mut().for_each(|job| job.enabled = false);
    assert_eq!(leave(&scene), [None, None, None]);
}

#[test]
fn a_page_of_archives_that_never_leave_is_told_in_time() {
    let mut scene = ran("0 2 1 1 *", 1, "0 2 1 1 *", "mode=count,value=1000000");
    let template = scene.desired.jobs.values().next().unwrap().clone();
    for number in 0..200 {
        let name = format!("job{number}");
        let text = ["0 2 1 1 *", "0 2 29 2 *", "* * * * *", "@daily"][number % 4];
        let mut job = template.clone();
        (job.name, job.schedule) = (name.parse().unwrap(), Schedule::parse(text).unwrap());
        scene.desired.jobs.insert(job.name.clone(), job);
        scene.archive(&name, "main", "2026-11-22".parse().unwrap()).pinned = number % 8 > 3;
    }
    let wanted: BTreeSet<_> = scene.observed.archives.iter().map(Archive::key).collect();
    let begun = std::time::Instant::now();
    assert_eq!(when_each_leaves(&scene.desired, &scene.observed, &wanted, &scene.now).len(), 0);
    println!("{:?}", begun.elapsed());
}
