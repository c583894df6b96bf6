//! `simulate` and `why`.

use larder::model::archive::Condition;
use larder::reconcile::simulate::{Entry, Line, State, over_archives, over_days, why};

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
