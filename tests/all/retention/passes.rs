//! When a pass runs, over which archives, by which policy.

use jiff::SignedDuration;
use larder::model::archive::{Condition, CopyKey, How, Outcome};
use larder::model::job::{Ended, JobSource, Via};
use larder::model::members::{Found, Listing, asked};
use larder::model::observed::{Freeze, LocationState};
use larder::model::run::{RunId, RunStatus, Work};
use larder::reconcile::expand::expand;
use larder::reconcile::expiry::empty_trash;
use larder::reconcile::plan;

use super::scene::{Scene, check, id, policy, series};

/// A job that keeps three, with five archives of the last five days.
fn five_of_three() -> Scene {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3");
    scene.daily("web", "main", 5, "2026-05-08");
    scene
}

/// As if a pass had judged everything up to an archive.
fn judged(scene: &mut Scene, job: &str, location: &str, number: u128, text: &str) {
    scene.facts(job, location).judged = Some((id(number), policy(text)));
}

#[test]
fn a_new_good_archive_starts_a_pass_that_names_each_archive_and_its_reason() {
    let mut scene = five_of_three();
    judged(&mut scene, "web", "main", 4, "mode=count,value=3");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 5 archives): expire, frees 200
      jerry_web_20260504 expired: not among the 3 newest
      jerry_web_20260505 expired: not among the 3 newest
    ");
}

#[test]
fn a_finished_pass_is_recorded_and_then_the_series_rests() {
    let mut scene = five_of_three();
    assert_eq!(scene.settle(), 2);
    assert_eq!(scene.facts("web", "main").judged, Some((id(5), policy("mode=count,value=3"))));
    insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 3, 3 archives): rests: no good archive was added since the last pass");
}

#[test]
fn a_pass_that_finds_nothing_says_what_to_record() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3");
    scene.daily("web", "main", 2, "2026-05-08");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 2 archives): nothing to do
      record: #2 by count 3
    ");
}

#[test]
fn time_alone_starts_no_pass() {
    let mut scene = five_of_three();
    scene.archive("web", "main", jiff::civil::date(2026, 5, 8)).how = How::Manual;
    scene.settle();
    scene.now = &scene.now + jiff::ToSpan::years(1);
    assert_eq!(scene.settle(), 0);
}

#[test]
fn a_manual_a_suspect_or_a_lost_archive_starts_no_pass() {
    let mut scene = five_of_three();
    judged(&mut scene, "web", "main", 4, "mode=count,value=3");
    for change in [
        |scene: &mut Scene| scene.observed.archives[4].how = How::Manual,
        |scene: &mut Scene| scene.observed.archives[4].outcome = Outcome::Suspect(String::new()),
        |scene: &mut Scene| scene.observed.archives[4].outcome = Outcome::Partial,
        |scene: &mut Scene| scene.observed.archives[4].condition = Condition::Lost,
        |scene: &mut Scene| scene.observed.archives[4].file_sha256 = None,
        // The archive that the last pass judged is corrupt now, and an older one is the newest.
        |scene: &mut Scene| {
            scene.observed.archives.pop();
            scene.observed.archives[3].condition = Condition::Corrupt;
        },
    ] {
        let mut scene = scene.clone();
        change(&mut scene);
        insta::allow_duplicates! {
            let text = check(&scene);
            insta::assert_snapshot!(text.lines().next().unwrap().split(": ").nth(1).unwrap(), @"rests");
        }
    }
}

#[test]
fn a_partial_archive_counts_as_good_where_the_job_allowed_it() {
    let mut scene = five_of_three();
    judged(&mut scene, "web", "main", 4, "mode=count,value=3");
    scene.observed.archives[4].outcome = Outcome::Partial;
    scene.observed.archives[4].partial_allowed = true;
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 5 archives): expire, frees 200
      jerry_web_20260504 expired: not among the 3 newest
      jerry_web_20260505 expired: not among the 3 newest
    ");
}

#[test]
fn a_series_without_a_good_archive_rests() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3");
    scene.daily("web", "main", 5, "2026-01-08");
    scene.each("web", "main", |archive| archive.outcome = Outcome::Suspect(String::new()));
    insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 3, 5 archives): rests: it has no good archive");
}

#[test]
fn any_freeze_or_a_location_that_cannot_be_used_makes_retention_rest() {
    let freezes = [Freeze::Clock, Freeze::JobsVanished, Freeze::Recovery];
    for freeze in freezes {
        let mut scene = five_of_three();
        scene.observed.freezes.push(freeze("something is wrong".to_owned()));
        insta::allow_duplicates! {
            insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 3, 5 archives): rests: retention pauses: something is wrong");
        }
    }
    let states = [LocationState::Unavailable, LocationState::Suspect];
    for state in states {
        let mut scene = five_of_three();
        let state = state("no marker".to_owned());
        scene.observed.locations.insert("main".parse().unwrap(), state);
        insta::allow_duplicates! {
            insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 3, 5 archives): rests: location `main` cannot be used: no marker");
        }
    }
}

#[test]
fn a_series_rests_while_an_expiry_of_it_is_open_or_failed_lately() {
    let mut scene = five_of_three();
    let work = Work::Expire { series: series("web", "main"), archives: vec![id(1), id(2)] };
    scene.open(work, RunStatus::Queued);
    insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 3, 5 archives): rests: an expiry of it is open");

    let mut scene = five_of_three();
    let later = scene.now.timestamp() + SignedDuration::from_mins(5);
    scene.observed.not_before.insert(CopyKey::new(id(2), &"main".parse().unwrap()), later);
    insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 3, 5 archives): rests: a deletion failed; it is tried again at 03:05");
}

#[test]
fn an_archive_on_its_way_or_being_read_stays_and_leaves_when_that_is_over() {
    let mut scene = five_of_three();
    let (from, to) = ("main".parse().unwrap(), "usb".parse().unwrap());
    scene.open(Work::Send { archive: id(1), from, to, via: Via::Auto }, RunStatus::Queued);
    let verify = Work::Verify { archive: id(2), location: "main".parse().unwrap() };
    scene.open(verify, RunStatus::Running);
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 5 archives): nothing to do
      record: #4 by count 3
    ");
    assert_eq!(scene.settle(), 0);
    scene.observed.open_runs.clear();
    assert_eq!(scene.settle(), 2);
}

#[test]
fn a_verification_that_only_waits_holds_nothing() {
    let mut scene = five_of_three();
    let verify = Work::Verify { archive: id(5), location: "main".parse().unwrap() };
    scene.open(verify, RunStatus::Queued);
    assert_eq!(scene.settle(), 2);
}

#[test]
fn archives_wait_for_the_copies_that_the_goals_want_and_leave_when_they_are_there() {
    let mut scene = five_of_three();
    scene.copies_to_usb("web", 2, None);
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 5 archives): nothing to do
      record: #4 by count 3
      waiting: 3 archives
    ");
    assert_eq!(scene.settle(), 0);

    let copies: Vec<_> = scene.observed.archives[2..].to_vec();
    for mut copy in copies {
        copy.location = "usb".parse().unwrap();
        copy.how = How::Copied { from: "main".parse().unwrap(), manual: false };
        scene.observed.archives.push(copy);
    }
    assert_eq!(scene.settle(), 2);
    assert_eq!(scene.count("web", "main"), 3);
}

#[test]
fn a_copy_that_its_place_would_not_keep_is_not_waited_for() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3");
    scene.copies_to_usb("web", 2, Some("mode=count,value=1"));
    scene.daily("web", "main", 5, "2026-05-08");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 5 archives): expire, frees 100
      jerry_web_20260504 expired: not among the 3 newest
      waiting: 1 archives
    ");
}

#[test]
fn an_archive_that_the_copies_have_overtaken_waits_no_more() {
    let mut scene = five_of_three();
    scene.copies_to_usb("web", 2, None);
    let mut copy = scene.observed.archives[3].clone();
    copy.location = "usb".parse().unwrap();
    copy.how = How::Copied { from: "main".parse().unwrap(), manual: false };
    scene.observed.archives.push(copy);
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 5 archives): expire, frees 100
      jerry_web_20260504 expired: not among the 3 newest
      waiting: 1 archives
    jerry/web at usb (count 3, 1 archives): nothing to do
      record: #4 by count 3
    ");
}

#[test]
fn nothing_is_planned_to_leave_that_was_not_seen_since_its_location_is_back() {
    let mut scene = five_of_three();
    scene.each("web", "main", |archive| archive.condition = Condition::Unavailable);
    insta::assert_snapshot!(check(&scene), @"jerry/web at main (count 3, 5 archives): rests: location `main` is back and was not looked through yet");
}

#[test]
fn archives_wait_for_their_copies_seven_days_at_most() {
    let mut scene = Scene::on("2026-05-20");
    scene.job("web", "mode=count,value=3");
    scene.copies_to_usb("web", 2, Some("mode=count,value=99"));
    scene.daily("web", "main", 12, "2026-05-20");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/web at main (count 3, 12 archives): expire, frees 200
      jerry_web_20260509 expired: not among the 3 newest
      jerry_web_20260510 expired: not among the 3 newest
      waiting: 12 archives
      note: 5 archives have waited 7 days for their copies and are held no longer
    ");
    // It is the next good archive that releases, not the clock.
    assert_eq!(scene.settle(), 2);
    scene.now = &scene.now + jiff::ToSpan::days(30);
    assert_eq!(scene.settle(), 0);
    scene.daily("web", "main", 1, "2026-06-19");
    assert!(check(&scene).contains("blocked"), "{}", check(&scene));
}

#[test]
fn copies_are_judged_by_the_policy_of_their_place() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3");
    scene.job("db", "mode=count,value=2");
    scene.copies_to_usb("web", 1, Some("mode=count,value=4"));
    scene.copies_to_usb("db", 1, None);
    for (job, place) in [("web", "main"), ("web", "usb"), ("db", "usb")] {
        scene.daily(job, place, 5, "2026-05-08");
    }
    insta::assert_snapshot!(check(&scene), @r"
    jerry/db at usb (count 2, 5 archives): expire, frees 300
      jerry_db_20260504 expired: not among the 2 newest
      jerry_db_20260505 expired: not among the 2 newest
      jerry_db_20260506 expired: not among the 2 newest
    jerry/web at main (count 3, 5 archives): expire, frees 200
      jerry_web_20260504 expired: not among the 3 newest
      jerry_web_20260505 expired: not among the 3 newest
    jerry/web at usb (count 4, 5 archives): expire, frees 100
      jerry_web_20260504 expired: not among the 4 newest
    ");
}

#[test]
fn what_nothing_asks_for_is_orphaned_and_kept() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=1");
    scene.job("moved", "mode=count,value=1").location = "usb".parse().unwrap();
    scene.job("done", "mode=count,value=1").ended = Some(Ended::KeepArchives);
    for job in ["gone", "moved", "done"] {
        scene.daily(job, "main", 2, "2026-05-08");
    }
    scene.daily("web", "vanished", 2, "2026-05-08");
    scene.daily("foreign", "main", 2, "2026-05-08");
    scene.each("foreign", "main", |archive| archive.origin = "tom".parse().unwrap());
    insta::assert_snapshot!(check(&scene), @r"
    jerry/done at main (orphaned, 2 archives): rests: orphaned: job `done` is ended and keeps its archives
    jerry/gone at main (orphaned, 2 archives): rests: orphaned: no job `gone` is in the configuration
    jerry/moved at main (orphaned, 2 archives): rests: orphaned: job `moved` does not write to `main` any more
    jerry/web at vanished (orphaned, 2 archives): rests: orphaned: no location `vanished` is in the configuration
    tom/foreign at main (orphaned, 2 archives): rests: orphaned: instance `tom` made it, which is not this one
    ");
}

#[test]
fn a_job_that_expands_rules_the_series_of_its_items() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("apps", "mode=count,value=1");
    scene.daily("apps/nextcloud", "main", 2, "2026-05-08");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/apps/nextcloud at main (count 1, 2 archives): expire, frees 100
      jerry_apps-nextcloud_20260507 expired: not the newest
    ");
}

#[test]
fn each_app_has_a_retention_of_its_own_and_one_that_went_is_kept() {
    let mut scene = Scene::on("2026-05-08");
    let source = JobSource::YnhApp { app_id: "*".to_owned(), except: vec![], core_only: false };
    scene.job("apps", "mode=count,value=1").source = source.clone();
    for app in ["nextcloud", "wiki", "gone"] {
        scene.daily(&format!("apps/{app}"), "main", 2, "2026-05-08");
    }
    // Nothing is known, and nothing goes.
    assert!(!check(&scene).contains("expired"), "{}", check(&scene));
    let members = ["nextcloud", "wiki"].map(str::to_owned).into();
    let found = Found { members, at: scene.now.timestamp() };
    let listing = Listing { of: asked(&source), found: Some(found), ..Listing::default() };
    scene.desired = expand(&scene.desired, &[("apps".parse().unwrap(), listing)].into());
    insta::assert_snapshot!(check(&scene), @r"
    jerry/apps/gone at main (orphaned, 2 archives): rests: orphaned: `apps` does not list it, or leaves it out
    jerry/apps/nextcloud at main (count 1, 2 archives): expire, frees 100
      jerry_apps-nextcloud_20260507 expired: not the newest
    jerry/apps/wiki at main (count 1, 2 archives): expire, frees 100
      jerry_apps-wiki_20260507 expired: not the newest
    ");
}

#[test]
fn archives_follow_a_job_and_an_instance_that_were_renamed() {
    let mut scene = Scene::on("2026-05-08");
    scene.desired.instance.formerly.push("newman".parse().unwrap());
    scene.job("web", "mode=count,value=3").formerly.push("site".parse().unwrap());
    scene.job("apps", "mode=count,value=1").formerly.push("ynh".parse().unwrap());
    scene.daily("site", "main", 3, "2026-05-06");
    scene.each("site", "main", |archive| archive.origin = "newman".parse().unwrap());
    scene.daily("web", "main", 2, "2026-05-08");
    scene.daily("ynh/wiki", "main", 2, "2026-05-08");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/apps/wiki at main (count 1, 2 archives): expire, frees 100
      jerry_ynh-wiki_20260507 expired: not the newest
    jerry/web at main (count 3, 5 archives): expire, frees 200
      jerry_site_20260504 expired: not among the 3 newest
      jerry_site_20260505 expired: not among the 3 newest
    ");
}

#[test]
fn a_former_name_that_another_job_bears_belongs_to_that_job() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3").formerly.push("site".parse().unwrap());
    scene.job("site", "mode=count,value=3");
    scene.daily("site", "main", 2, "2026-05-08");
    insta::assert_snapshot!(check(&scene), @r"
    jerry/site at main (count 3, 2 archives): nothing to do
      record: #2 by count 3
    ");
}

#[test]
fn the_copy_of_a_manual_archive_fills_no_slot_either() {
    let mut scene = Scene::on("2026-05-08");
    scene.job("web", "mode=count,value=3");
    scene.copies_to_usb("web", 1, Some("mode=count,value=1"));
    scene.daily("web", "main", 2, "2026-05-08");
    scene.observed.archives[1].how = How::Manual;
    for mut copy in scene.observed.archives.clone() {
        copy.location = "usb".parse().unwrap();
        copy.how = How::Copied { from: "main".parse().unwrap(), manual: false };
        scene.observed.archives.push(copy);
    }
    assert_eq!(scene.settle(), 0);
}

#[test]
fn the_trash_is_emptied_when_its_time_is_over_where_the_location_is_there() {
    let mut scene = Scene::on("2026-05-08");
    scene.daily("web", "main", 4, "2026-05-08");
    scene.daily("web", "usb", 1, "2026-05-08");
    let now = scene.now.timestamp();
    let hours = [-1, 0, 3, 2, 1];
    for (archive, hours) in scene.observed.archives.iter_mut().zip(hours) {
        let until = now + SignedDuration::from_hours(hours);
        archive.condition = Condition::Trashed { until };
    }
    let gone = LocationState::Unavailable("not mounted".to_owned());
    scene.observed.locations.insert("usb".parse().unwrap(), gone);
    assert_eq!(check(&scene), "", "what is in the trash belongs to no series");

    let work: Vec<Work> =
        empty_trash(&scene.observed, &scene.now).into_iter().map(|action| action.work).collect();
    let expected =
        Work::EmptyTrash { location: "main".parse().unwrap(), archives: vec![id(1), id(2)] };
    assert_eq!(work, std::slice::from_ref(&expected));
    scene.open(expected, RunStatus::Running);
    assert_eq!(scene.observed.open_runs[0].id, RunId(1));
    assert_eq!(empty_trash(&scene.observed, &scene.now), []);

    // It is looked at again for what is next where something can be done: not for the location
    // that is away, and after a failure not before it has rested.
    let wake_at = |scene: &Scene| plan(&scene.desired, &scene.observed, &scene.now).wake_at;
    let in_hours = |hours| Some(now + SignedDuration::from_hours(hours));
    assert_eq!(wake_at(&scene), in_hours(2));
    let rests = scene.observed.archives[3].id;
    let until = now + SignedDuration::from_mins(150);
    scene.observed.not_before.insert(CopyKey::new(rests, &"main".parse().unwrap()), until);
    assert_eq!(wake_at(&scene), Some(until));
}
