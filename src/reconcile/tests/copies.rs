use insta::assert_snapshot;

use super::{check, copied, daily};
use crate::model::archive::{Archive, Condition, CopyKey, Outcome};
use crate::model::observed::Freeze;
use crate::model::retention::Mode;
use crate::reconcile::world::{World, place, time, to};

#[test]
fn recovery_stops_backups_and_copies() {
    let world = daily()
        .location("usb", |_| {})
        .job("web", "0 3 * * *", |job| job.send_to = vec![to("usb")])
        .ran("web", "2026-05-08T03:00")
        .with(|observed| {
            let why = "12 archives of `jerry` are at `main` and the state is empty".to_owned();
            observed.freezes = vec![Freeze::Recovery(why)];
        });
    assert_snapshot!(check(&world), @"
    nothing to do now
    problem     `nocodb` does not run before `larder recover` is done
    problem     no backup, expiry or copy: 12 archives of `jerry` are at `main` and the state is empty; `larder recover` takes back what is there, `larder recover --done` says that there is nothing to take back
    problem     `nocodb` is overdue: it has been known for 7 d 12 h and has no good archive
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn the_newest_archive_is_copied_to_an_empty_place_and_peers_are_not_places() {
    assert_snapshot!(check(&copied()), @"
    send        main to usb            jerry_web_20260508 of `web` is not at `usb` yet, at jobs/web.toml:9
    needs about 1.0 GiB
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}

#[test]
fn copies_begin_at_the_newest_that_is_there_and_nothing_older_is_sent_again() {
    assert_snapshot!(check(&copied().archive("web", "usb", "2026-05-06T03:00", |_| {})), @"
    send        main to usb            jerry_web_20260507 of `web` is not at `usb` yet, at jobs/web.toml:9
    send        main to usb            jerry_web_20260508 of `web` is not at `usb` yet, at jobs/web.toml:9
    needs about 2.0 GiB
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let all = |change: fn(&mut Archive)| {
        copied().archive("web", "usb", "2026-05-08T03:00", change).plan().actions.len()
    };
    assert_eq!(all(|_| {}), 0);
    assert_eq!(
        all(|copy| copy.condition = Condition::Trashed { until: time("2026-05-09T00:00") }),
        0
    );
    // What is damaged or lost there is brought back, once.
    assert_eq!(all(|copy| copy.condition = Condition::Corrupt), 1);
    assert_eq!(all(|copy| copy.condition = Condition::Lost), 1);
}

#[test]
fn what_is_damaged_or_lost_comes_from_the_good_copy_at_another_location() {
    let broken = |condition: Condition, change: fn(&mut Archive)| {
        let world = copied().archive("web", "usb", "2026-05-08T03:00", change);
        let world = world.archive("web", "usb", "2026-05-07T03:00", |_| {});
        world.with(|observed| observed.archives[2].condition = condition)
    };
    let brought = |world: &World| {
        let plan = world.plan();
        let reasons = plan.actions.iter().map(|action| action.reasons[0].as_str());
        reasons.filter(|reason| reason.contains("a good copy")).collect::<Vec<_>>().join("\n")
    };
    let from_usb = |condition, change| brought(&broken(condition, change));
    assert_snapshot!(from_usb(Condition::Lost, |_| {}), @"jerry_web_20260508 is gone from `main`, and a good copy is at `usb`");
    assert_snapshot!(from_usb(Condition::Corrupt, |_| {}), @"jerry_web_20260508 is damaged at `main`, and a good copy is at `usb`");
    let none: [fn(&mut Archive); 3] = [
        |copy| copy.condition = Condition::Corrupt,
        |copy| (copy.stream_sha256, copy.file_sha256) = (None, None),
        |copy| copy.outcome = Outcome::Suspect("small".to_owned()),
    ];
    for change in none {
        assert_eq!(from_usb(Condition::Lost, change), "");
    }
    assert_eq!(brought(&broken(Condition::Lost, |_| {}).gone("usb")), "");
    // Of a place that no job uses any more, people delete files by hand.
    let mut moved = broken(Condition::Lost, |_| {});
    for job in moved.desired.jobs.values_mut().filter(|job| job.name.as_str() == "web") {
        (job.location, job.send_to) = (place("usb"), Vec::new());
    }
    assert_eq!(brought(&moved), "");
}

#[test]
fn copies_wait_for_their_place_and_after_a_failure() {
    assert_snapshot!(check(&copied().gone("usb")), @"
    nothing to do now
    note        1 copy waits for location `usb`
    note        location `usb` is not there: no marker file
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
    let waits = copied().with(|observed| {
        let id = observed.archives[2].id;
        observed.not_before.insert(CopyKey::new(id, &place("usb")), time("2026-05-08T12:05"));
    });
    assert_snapshot!(check(&waits), @"
    nothing to do now
    wake at 2026-05-08T12:05:00+02:00[Europe/Paris]
    ");
}

#[test]
fn only_good_archives_are_copied() {
    for change in [
        (|archive| archive.outcome = Outcome::Suspect("small".to_owned())) as fn(&mut Archive),
        |archive| archive.outcome = Outcome::Partial,
        |archive| archive.condition = Condition::Corrupt,
        |archive| archive.file_sha256 = None,
        |archive| archive.created_at = time("2027-05-08T03:00"),
    ] {
        let mut world = copied();
        change(&mut world.observed.archives[2]);
        let plan = world.plan();
        assert_eq!(plan.actions.len(), 1, "{plan}");
        assert!(plan.to_string().contains("jerry_web_20260507 of"), "{plan}");
    }
}

#[test]
fn what_expires_is_named_with_its_reasons_and_neither_copied_nor_read() {
    let world =
        copied().ran("web", "2026-05-05T03:00").archive("web", "usb", "2026-05-05T03:00", |_| {});
    let world = world.with(|observed| {
        for archive in &mut observed.archives {
            archive.verified_at = None;
        }
    });
    let mut two = world;
    for job in two.desired.jobs.values_mut() {
        job.retention.mode = Mode::Count(2);
    }
    assert_snapshot!(check(&two), @"
    expire      web at main            jerry_web_20260505 expired: not among the 2 newest
                                       jerry_web_20260506 expired: not among the 2 newest
    backup      web                    due since 03:00 (0 3 * * *), at jobs/web.toml:9
    send        main to usb            jerry_web_20260507 of `web` is not at `usb` yet, at jobs/web.toml:9
    send        main to usb            jerry_web_20260508 of `web` is not at `usb` yet, at jobs/web.toml:9
    verify      web at usb             jerry_web_20260505 has not been read back yet
    verify      web at main            jerry_web_20260507 has not been read back yet
    verify      web at main            jerry_web_20260508 has not been read back yet
    needs about 3.0 GiB, frees 2.0 GiB
    wake at 2026-05-09T03:00:00+02:00[Europe/Paris]
    ");
}
