//! What no pass deletes before a person approved exactly that.

use larder::model::archive::How;
use larder::model::job::Ended;
use larder::reconcile::expiry::PassOutcome;

use super::scene::{Scene, check, morning, policy};

fn ten_of(text: &str) -> Scene {
    let mut scene = Scene::on("2026-05-10");
    scene.job("web", text);
    scene.daily("web", "main", 10, "2026-05-10");
    scene
}

/// Approves whatever is blocked; answers the hash.
fn approve(scene: &mut Scene) -> String {
    for pass in scene.passes() {
        if let PassOutcome::Blocked(blocked) = pass.outcome {
            scene.observed.approvals.insert(blocked.hash.clone());
            return blocked.hash;
        }
    }
    panic!("nothing is blocked:\n{}", check(scene))
}

#[test]
fn the_thinning_of_a_normal_night_never_meets_the_brake() {
    for text in ["mode=count,value=7", "mode=daily,value=7", "mode=gfs,daily=7,weekly=4,monthly=3"]
    {
        let mut scene = Scene::on("2026-01-01");
        scene.job("web", text);
        for _ in 0..200 {
            scene.archive("web", "main", scene.now.date());
            scene.settle();
            let text = check(&scene);
            assert!(text.contains("rests: no good archive was added"), "{text}");
            scene.now = scene.now.tomorrow().unwrap();
        }
        assert!((7..=14).contains(&scene.count("web", "main")), "{text}");
    }
}

#[test]
fn the_thinning_of_a_received_series_never_meets_the_brake_that_adds_up() {
    let mut scene = Scene::on("2026-01-01");
    scene.peer_tom("mode=count,value=7", 0);
    for _ in 0..60 {
        let now = scene.now.timestamp();
        let archive = scene.archive("web", "usb", now.to_zoned(super::scene::paris()).date());
        archive.origin = "tom".parse().unwrap();
        archive.how = How::Received { from: "tom".parse().unwrap() };
        archive.received_at = Some(now);
        let left = scene.settle();
        if left > 0 {
            let mut series = super::scene::series("web", "usb");
            series.origin = "tom".parse().unwrap();
            let facts = scene.observed.series.get_mut(&series).unwrap();
            facts.recent_deletions.push((now, 1));
        }
        scene.now = scene.now.tomorrow().unwrap();
    }
    assert_eq!(scene.observed.archives.len(), 7);
}

#[test]
fn three_of_ten_may_leave_and_four_may_not() {
    assert_eq!(ten_of("mode=count,value=7").settle(), 3);
    insta::assert_snapshot!(check(&ten_of("mode=count,value=6")), @r"
    jerry/web at main (count 6, 10 archives): blocked 6fdbf1ca2a42: 4 of 10 good archives would leave; 3 may
      jerry_web_20260501 expired: not among the 6 newest
      jerry_web_20260502 expired: not among the 6 newest
      jerry_web_20260503 expired: not among the 6 newest
      jerry_web_20260504 expired: not among the 6 newest
    ");
}

#[test]
fn what_is_not_good_leaves_without_counting() {
    let mut scene = ten_of("mode=count,value=7");
    for _ in 0..5 {
        let archive = scene.archive("web", "main", jiff::civil::date(2026, 1, 1));
        archive.how = How::Manual;
    }
    assert_eq!(scene.settle(), 7, "three good ones and four of five manual ones");
}

#[test]
fn an_approval_lets_exactly_those_archives_go_and_no_others() {
    let mut scene = ten_of("mode=count,value=6");
    let hash = approve(&mut scene);
    let mut later = scene.clone();
    assert_eq!(scene.settle(), 4);

    // One more has come since somebody looked: that is another plan.
    later.daily("web", "main", 1, "2026-05-11");
    later.now = morning("2026-05-11");
    assert_eq!(later.settle(), 0);
    assert_ne!(approve(&mut later), hash);
    assert_eq!(later.settle(), 5);
}

#[test]
fn a_policy_that_shrank_waits_for_approval_even_if_it_takes_only_one() {
    let mut scene = ten_of("mode=count,value=10");
    scene.settle();
    scene.job("web", "mode=count,value=9");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 9, 10 archives): blocked 213babdb1644: its policy shrank from count 10 to count 9
      jerry_web_20260501 expired: not among the 9 newest
    ");
    approve(&mut scene);
    assert_eq!(scene.settle(), 1);
    insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 9, 9 archives): rests: no good archive was added since the last pass");
}

#[test]
fn a_policy_that_grew_or_changed_its_words_is_recorded_at_once() {
    let mut scene = ten_of("mode=count,value=10");
    scene.settle();
    scene.job("web", "mode=gfs,daily=12");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (gfs 12 daily, 10 archives): nothing to do
      record: #10 by gfs 12 daily
    ");
}

#[test]
fn a_policy_that_changes_while_its_archives_wait_for_copies_is_still_compared() {
    let mut scene = ten_of("mode=count,value=10");
    scene.copies_to_usb("web", 2, None);
    scene.settle();
    let (_, before) = scene.facts("web", "main").judged.unwrap();
    assert_eq!(before, policy("mode=count,value=10"));
    scene.job("web", "mode=count,value=9");
    assert!(check(&scene).contains("its policy shrank"), "{}", check(&scene));
}

#[test]
fn the_first_pass_over_an_adopted_folder_deletes_nothing_by_itself() {
    let mut scene = ten_of("mode=count,value=9");
    scene.each("web", "main", |archive| archive.how = How::Adopted);
    scene.facts("web", "main").adopted = true;
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 9, 10 archives): blocked 213babdb1644: it was adopted, and this is the first pass over it
      jerry_web_20260501 expired: not among the 9 newest
    ");
    approve(&mut scene);
    assert_eq!(scene.settle(), 1);
    assert!(!scene.facts("web", "main").adopted);
}

#[test]
fn the_first_pass_over_an_adopted_folder_lasts_until_nothing_waits_for_copies() {
    let mut scene = Scene::on("2026-05-10");
    scene.job("web", "mode=count,value=3");
    scene.copies_to_usb("web", 2, None);
    scene.daily("web", "main", 4, "2026-05-10");
    scene.facts("web", "main").adopted = true;
    assert_eq!(scene.settle(), 0);
    assert!(scene.facts("web", "main").adopted);
    // Now that nothing holds them, one is too many.
    let name = "web".parse().unwrap();
    scene.desired.jobs.get_mut(&name).unwrap().protect.copies = 1;
    assert!(check(&scene).contains("first pass over it"), "{}", check(&scene));
}

#[test]
fn an_ended_job_loses_its_archives_only_by_approval_and_keeps_the_pinned_ones() {
    let mut scene = ten_of("mode=count,value=9");
    scene.job("web", "mode=count,value=9").ended = Some(Ended::ExpireArchives);
    scene.observed.archives.drain(..7);
    scene.observed.archives[0].pinned = true;
    insta::assert_snapshot!(check(&scene), @r#"
    jerry/web at main (ended, 3 archives): blocked 34bb8dae0a8a: its job is ended: all of it would leave
      jerry_web_20260509 expired: its job is ended with `archives = "expire"`
      jerry_web_20260510 expired: its job is ended with `archives = "expire"`
    "#);
    approve(&mut scene);
    assert_eq!(scene.settle(), 2);
    assert_eq!(scene.count("web", "main"), 1);
}

/// Ten archives of `tom`, received over the last ten days.
fn ten_received(text: &str, immutable_days: i64) -> Scene {
    let mut scene = Scene::on("2026-05-10");
    scene.peer_tom(text, immutable_days);
    scene.daily("web", "usb", 10, "2026-05-10");
    scene.each("web", "usb", |archive| {
        archive.origin = "tom".parse().unwrap();
        archive.how = How::Received { from: "tom".parse().unwrap() };
        archive.received_at = Some(archive.created_at);
    });
    scene
}

#[test]
fn nothing_that_a_peer_sent_leaves_before_its_time() {
    insta::assert_snapshot!(check(&ten_received("mode=count,value=8", 9)), @r"
    tom/web at usb (count 8, 10 archives): expire, frees 100
      jerry_web_20260501 expired: not among the 8 newest
    ");
}

#[test]
fn a_peer_that_is_gone_or_sends_elsewhere_leaves_its_archives_orphaned() {
    let mut scene = ten_received("mode=count,value=8", 0);
    let tom = "tom".parse().unwrap();
    scene.desired.peers.get_mut(&tom).unwrap().accept.as_mut().unwrap().location =
        "main".parse().unwrap();
    insta::assert_snapshot!(check(&scene), @"tom/web at usb (orphaned, 10 archives): rests: orphaned: peer `tom` sends to `main` now");
    scene.desired.peers.clear();
    insta::assert_snapshot!(check(&scene), @"tom/web at usb (orphaned, 10 archives): rests: orphaned: peer `tom` may send nothing any more");
}

#[test]
fn what_a_peer_sends_in_our_name_joins_no_series_of_ours() {
    let mut scene = ten_received("mode=count,value=1", 0);
    scene.each("web", "usb", |archive| archive.origin = "jerry".parse().unwrap());
    scene.job("web", "mode=count,value=3").location = "usb".parse().unwrap();
    scene.daily("web", "usb", 2, "2026-01-02");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at usb (count 3, 2 archives): nothing to do
      record: #12 by count 3
    jerry/web at usb (orphaned, 10 archives): rests: orphaned: peer `tom` sent it in the name of a series that is there already
    ");
}

#[test]
fn deletions_of_a_received_series_add_up_over_seven_days() {
    let mut scene = ten_received("mode=count,value=9", 0);
    // Nothing came for a week, so that nothing need leave.
    scene.each("web", "usb", |archive| {
        archive.received_at =
            archive.received_at.map(|at| at - jiff::SignedDuration::from_hours(240));
    });
    let now = scene.now.timestamp();
    let mut series = super::scene::series("web", "usb");
    series.origin = "tom".parse().unwrap();
    scene.observed.series.entry(series).or_default().recent_deletions.push((now, 3));
    insta::assert_snapshot!(check(&scene), @r"
    tom/web at usb (count 9, 10 archives): blocked 112d6a149ae0: 4 of 13 good archives would have left within 7 days; 3 may
      jerry_web_20260501 expired: not among the 9 newest
    ");
}

/// Sixty archives in the name space of `tom`, one a day, with what they are said to be.
fn sixty_days(immutable_days: i64, job: &str) -> Scene {
    let mut scene = Scene::on("2026-01-01");
    scene.peer_tom("mode=count,value=2", immutable_days);
    let space: larder::model::name::PlaceName = "usb/tom".parse().unwrap();
    let above = scene.observed.locations[&"usb".parse().unwrap()].clone();
    scene.observed.locations.insert(space.clone(), above);
    let mut location = scene.desired.locations[&"usb".parse().unwrap()].clone();
    location.name = space.clone();
    location.owner = Some("tom".parse().unwrap());
    scene.desired.locations.insert(space, location);
    for _ in 0..60 {
        let now = scene.now.timestamp();
        let day = now.to_zoned(super::scene::paris()).date();
        let archive = scene.archive(job, "usb/tom", day);
        archive.origin = "tom".parse().unwrap();
        archive.how = How::Received { from: "tom".parse().unwrap() };
        archive.received_at = Some(now);
        scene.settle();
        scene.now = scene.now.tomorrow().unwrap();
    }
    scene
}

fn words(scene: &Scene) -> Vec<String> {
    let plan = larder::reconcile::plan(&scene.desired, &scene.observed, &scene.now);
    plan.passes[0].verdicts.iter().map(larder::reconcile::judge::Verdict::words).collect()
}

#[test]
fn what_a_peer_sends_into_its_name_space_is_ruled_by_our_policy_once_it_is_not_immutable() {
    let scene = sixty_days(30, "web");
    // The last 30 days, and the one whose time is over since this morning's one came.
    assert_eq!(scene.observed.archives.len(), 30);
    let words = words(&scene);
    assert!(words[1].starts_with("immutable: until"), "{}", words[1]);
    assert_eq!(words[28..], ["count 2 of 2", "count 1 of 2, newest"]);
    assert_eq!(sixty_days(0, "web").observed.archives.len(), 2);
}

#[test]
fn what_a_peer_sends_without_a_word_about_it_never_expires() {
    let scene = sixty_days(30, "uploads");
    assert_eq!(scene.observed.archives.len(), 60);
    let plan = larder::reconcile::plan(&scene.desired, &scene.observed, &scene.now);
    assert!(plan.blocked.is_empty() && plan.notes.is_empty());
    let words = words(&scene);
    assert_eq!(words[0], "received: nobody said what it is");
    assert!(words[59].starts_with("immutable: until"), "{}", words[59]);
}
