//! Deletions that somebody asks for: what is refused, and what helps; and what one more success
//! would let go.

use super::{MORNING, daily};
use crate::model::archive::{Archive, Condition, How, Outcome};
use crate::model::job::Ended;
use crate::model::observed::Freeze;
use crate::model::retention::{Mode, Policy};
use crate::model::run::{Cause, RunStatus, Work};
use crate::reconcile::expiry::{after_success, is_last_good, may_delete, may_still_delete};
use crate::reconcile::world::{World, place, time, to};

/// What is said to whoever wants the archive deleted that is the n-th of the world.
fn ask(world: &World, nth: usize) -> String {
    let archive = &world.observed.archives[nth];
    match may_delete(&world.desired, &world.observed, archive, &world.now) {
        Ok(()) => "deleted".to_owned(),
        Err(refusal) => match refusal.hint {
            Some(hint) => format!("{}\nhint: {hint}", refusal.why),
            None => refusal.why,
        },
    }
}

/// The first words of an answer.
fn asked(world: &World, nth: usize, begins: &str) {
    let said = ask(world, nth);
    assert!(said.starts_with(begins), "{said}");
}

fn many() -> World {
    daily()
        .ran("nocodb", "2026-05-06T03:00")
        .ran("nocodb", "2026-05-07T03:00")
        .ran("nocodb", "2026-05-08T03:00")
}

fn changed(change: impl FnOnce(&mut Archive)) -> World {
    many().with(|observed| change(&mut observed.archives[0]))
}

#[test]
fn what_is_pinned_or_in_the_trash_or_promised_to_its_sender_is_not_deleted() {
    assert_eq!(ask(&many(), 0), "deleted");
    assert_eq!(
        ask(&changed(|archive| archive.pinned = true), 0),
        "`jerry_nocodb_20260506` is pinned\nhint: unpin it first: `larder archive unpin`"
    );
    let until = |text| Condition::Trashed { until: time(text) };
    assert_eq!(
        ask(&changed(|archive| archive.condition = until("2026-05-09T03:15:42.123")), 0),
        "`jerry_nocodb_20260506` is in the trash already, until 2026-05-09 03:15"
    );
    assert_eq!(
        ask(&changed(|archive| archive.condition = until("2026-05-08T23:15")), 0),
        "`jerry_nocodb_20260506` is in the trash already, until 23:15"
    );
}

#[test]
fn what_a_run_needs_is_not_deleted_wherever_it_rests() {
    let world = || {
        let mut world =
            many().location("usb", |_| {}).archive("nocodb", "usb", "2026-05-06T03:00", |_| {});
        world.desired.jobs.values_mut().for_each(|job| job.send_to = vec![to("usb")]);
        world
    };
    let id = world().observed.archives[0].id;
    let main = || place("main");
    let send = |via| Work::Send { archive: id, from: main(), to: place("tom"), via };
    let verify = || Work::Verify { archive: id, location: main() };
    let drill = || Work::Drill { job: "nocodb".parse().unwrap(), archive: id, location: main() };
    let request = crate::model::restore::RestoreRequest::whole();
    let restore =
        || Work::Restore { archive: id, location: main(), request: Box::new(request.clone()) };
    let via = crate::model::job::Via::Auto;
    for (work, status, is_needed) in [
        (send(via), RunStatus::Queued, true),
        (send(via), RunStatus::Running, true),
        (restore(), RunStatus::Queued, true),
        (verify(), RunStatus::Queued, false),
        (verify(), RunStatus::Running, true),
        (drill(), RunStatus::Queued, false),
        (drill(), RunStatus::Running, true),
    ] {
        let world = world().open(work.clone(), status);
        // The copy at `usb` is what is left where the one at `main` proves to be damaged; and one
        // copy at `usb` is all that is there.
        let answers = [ask(&world, 0), ask(&world, 3)].map(|said| said.contains("in use by run 1"));
        assert_eq!(answers, [is_needed, is_needed], "{work:?} {status:?}");
        asked(&world, 1, "deleted");
        // Retention goes by the same table.
        let held = world.plan().passes.into_iter().flat_map(|pass| pass.verdicts);
        let held = held.filter(|verdict| verdict.id == id);
        let held: Vec<bool> = held.map(|verdict| verdict.words().contains("held")).collect();
        assert_eq!(held, [is_needed, is_needed], "{work:?} {status:?}");
    }
}

/// A job `site` that was `web`, with so many good archives under each name.
fn renamed(web: i8, site: i8) -> World {
    let mut world = World::at(MORNING)
        .job("site", "0 3 * * *", |job| job.formerly = vec!["web".parse().unwrap()]);
    for day in 1..=web {
        world = world.archive("web", "main", &format!("2026-03-{day:02}T03:00"), |_| {});
    }
    for day in 1..=site {
        world = world.archive("site", "main", &format!("2026-04-{day:02}T03:00"), |_| {});
    }
    world
}

#[test]
fn archives_of_an_earlier_name_are_judged_with_those_of_today() {
    asked(&renamed(1, 10), 0, "deleted");
    asked(&renamed(1, 1), 0, "deleted");
    asked(&renamed(1, 1), 1, "deleted");
    assert_eq!(
        ask(&renamed(1, 0), 0),
        "`jerry_web_20260301` is the last good archive of jerry/site at main\n\
         hint: make another one first (`larder run site`), or end the job with `state = \"absent\"`, `archives = \"expire\"`"
    );
    let world = renamed(1, 1);
    let archives = &world.observed.archives;
    assert!(!is_last_good(&world.desired, archives, &archives[0]));
    assert!(is_last_good(&world.desired, &archives[..1], &archives[0]));
    // The instance may have had another name as well.
    let mut world = renamed(1, 1);
    world.desired.instance.formerly = vec!["jim".parse().unwrap()];
    world.observed.archives[0].origin = "jim".parse().unwrap();
    asked(&world, 0, "deleted");
}

fn leaving(world: World, nth: usize, cause: Cause) -> World {
    let archive = &world.observed.archives[nth];
    let work = Work::Expire { series: archive.written_series(), archives: vec![archive.id] };
    let mut world = world.open(work, RunStatus::Queued);
    world.observed.open_runs.last_mut().unwrap().cause = cause;
    world
}

#[test]
fn two_requests_never_count_on_each_others_archive_whatever_its_name() {
    asked(&leaving(renamed(1, 1), 0, Cause::Manual), 1, "`jerry_site_20260401` is the last good");
    asked(&leaving(renamed(1, 1), 1, Cause::Reconcile), 0, "`jerry_web_20260301` is the last good");
    // Carried out, what still waits is there; it is asked the same when its turn comes.
    let world = leaving(renamed(1, 1), 0, Cause::Manual);
    let (desired, observed) = (&world.desired, &world.observed);
    let still =
        |nth: usize| may_still_delete(desired, observed, &observed.archives[nth], &world.now);
    assert_eq!(still(1), Ok(()));
    let alone = renamed(0, 1);
    let last =
        may_still_delete(&alone.desired, &alone.observed, &alone.observed.archives[0], &alone.now);
    assert!(last.unwrap_err().why.contains("last good"));
}

#[test]
fn deletions_under_all_names_add_up() {
    let gone = |world: World, job: &str, count| {
        world.with(|observed| {
            let series = Archive { job: job.parse().unwrap(), ..observed.archives[0].clone() };
            let facts = observed.series.entry(series.written_series()).or_default();
            facts.recent_deletions.push((time("2026-05-07T12:00"), count));
        })
    };
    asked(&gone(gone(renamed(3, 2), "web", 1), "site", 1), 0, "deleted");
    let said = ask(&gone(gone(renamed(3, 2), "web", 2), "site", 1), 0);
    assert!(said.starts_with("too much of jerry/site at main would go: 4 of 8"), "{said}");
    assert!(said.ends_with("approve the plan (`larder plan`)"), "{said}");
}

#[test]
fn whoever_is_refused_the_last_good_one_is_told_what_really_helps() {
    let last = |change: &dyn Fn(World) -> World| {
        ask(&change(daily().ran("nocodb", "2026-05-08T03:00")), 0)
    };
    let helps = |said: &str, help: &str| assert!(said.contains(help), "{said}");
    helps(&last(&|world| world), "`larder run nocodb`");
    helps(
        &last(&|mut world| {
            world.desired.jobs.clear();
            world
        }),
        "nothing makes another one",
    );
    helps(
        &last(&|mut world| {
            let job = world.desired.jobs.values_mut().next().unwrap();
            job.ended = Some(Ended::KeepArchives);
            world
        }),
        "`archives = \"expire\"`",
    );
    helps(
        &last(&|mut world| {
            world.observed.archives[0].origin = "nas".parse().unwrap();
            world
        }),
        "`nas`, which made it",
    );
    helps(
        &last(&|mut world| {
            world.observed.archives[0].how = How::Received { from: place("tom") };
            world
        }),
        "peer `tom` has to send another one first",
    );
    let copy = daily().location("usb", |_| {}).archive("nocodb", "usb", "2026-05-08T03:00", |_| {});
    helps(&ask(&copy, 0), "another one has to get to `usb` first");
    // What is no good anyway may go.
    let suspect = Outcome::Suspect("half of the usual size".to_owned());
    let bad = daily().archive("nocodb", "main", "2026-05-08T03:00", |a| a.outcome = suspect);
    asked(&bad, 0, "deleted");
}

/// What one more success of `nocodb`, which keeps so many, would let go.
fn success(world: &World, made: How) -> String {
    let job = world.desired.jobs.values().next().unwrap();
    let found = after_success(&world.desired, &world.observed, job, made, &world.now);
    let names = |archives: &[crate::model::name::ArchiveName]| {
        let days = archives.iter().map(|name| name.as_str().trim_start_matches("jerry_nocodb_"));
        days.collect::<Vec<_>>().join(" ")
    };
    let waiting = found.waiting.map(|(_, archives)| names(&archives)).unwrap_or_default();
    format!(
        "releases [{}], asks for [{}], waiting [{waiting}]",
        names(&found.releases),
        names(&found.asks_for)
    )
}

fn keeps(count: u32, archives: i8) -> World {
    let policy = Policy { mode: Mode::Count(count), min_days: 3 };
    let mut world = World::at(MORNING).job("nocodb", "0 3 * * *", |job| job.retention = policy);
    for day in 1..=archives {
        world = world.ran("nocodb", &format!("2026-04-{day:02}T03:00"));
    }
    // The last pass is over.
    let newest = world.observed.archives.last().unwrap();
    let (series, judged) = (newest.written_series(), (newest.id, policy));
    world.with(|observed| observed.series.entry(series).or_default().judged = Some(judged))
}

#[test]
fn a_success_releases_what_retention_would_then_let_go() {
    let scheduled = || How::Scheduled;
    assert_eq!(success(&keeps(3, 3), scheduled()), "releases [20260401], asks for [], waiting []");
    assert_eq!(success(&keeps(3, 2), scheduled()), "releases [], asks for [], waiting []");
    assert_eq!(
        success(&World::at(MORNING).job("nocodb", "0 3 * * *", |_| {}), scheduled()),
        "releases [], asks for [], waiting []"
    );
    // What somebody asks for fills no slot.
    assert_eq!(success(&keeps(3, 3), How::Manual), "releases [], asks for [], waiting []");
    // Nothing leaves while retention pauses.
    let frozen = keeps(3, 3).with(|observed| {
        observed.freezes = vec![Freeze::Clock("it went back".to_owned())];
    });
    assert_eq!(success(&frozen, scheduled()), "releases [], asks for [], waiting []");
}

#[test]
fn what_waits_for_approval_is_not_what_a_success_releases() {
    // Ten good ones, and the policy keeps two: eight are more than may go.
    let policy = Policy { mode: Mode::Count(2), min_days: 3 };
    let mut world = keeps(10, 10);
    for job in world.desired.jobs.values_mut() {
        job.retention = policy;
    }
    let eight = "20260401 20260402 20260403 20260404 20260405 20260406 20260407 20260408";
    assert_eq!(
        success(&world, How::Scheduled),
        format!("releases [], asks for [20260409], waiting [{eight}]")
    );
    // Nothing waits before the success, and too much after it.
    let mut world = keeps(2, 10);
    world.desired.jobs.values_mut().for_each(|job| job.send_to = vec![to("usb")]);
    assert_eq!(
        success(&world, How::Scheduled),
        format!("releases [], asks for [{eight} 20260409], waiting []")
    );
}
