//! Who may bring back what, as people read it.

use std::path::PathBuf;

use insta::assert_snapshot;

use super::*;
use crate::model::job::{Command, JobSource};
use crate::model::peer::Accept;
use crate::model::retention::{Mode, Policy};
use crate::reconcile::world::{World, place};
use crate::restore::counted;

/// An instance `jerry` with a job `web` that wants a command, and an archive of that job.
fn world(location: &str, change: impl FnOnce(&mut Archive)) -> World {
    World::at("2026-05-08T12:00")
        .job("web", "0 3 * * *", |job| {
            job.restore.post_restore_commands = vec![Command::Shell("echo back".to_owned())];
        })
        .archive("web", location, "2026-05-08T03:00", change)
}

/// A peer `tom` that sends what it makes into its name space.
fn with_tom(world: World, is_trusted: bool) -> World {
    let accept = Accept {
        token_hash: String::new(),
        location: place("received"),
        quota: None,
        retention: Policy { mode: Mode::Count(3), min_days: 3 },
        scopes: Vec::new(),
        immutable_for: jiff::SignedDuration::ZERO,
        read_only: false,
        max_open_uploads: 1,
        trust_restore: is_trusted,
    };
    world.location("received/tom", |at| at.owner = Some(place("tom"))).peer(
        "tom",
        |peer| peer.accept = Some(accept),
        |_| {},
    )
}

/// What `tom` sent: its own job `web`.
fn sent(is_trusted: bool, kind: JobType) -> World {
    let of_tom = |archive: &mut Archive| {
        archive.origin = "tom".parse().unwrap();
        archive.job_type = kind;
    };
    let mut world = with_tom(world("received/tom", of_tom), is_trusted);
    if kind == JobType::YnhSystem {
        let job = world.desired.jobs.values_mut().next().unwrap();
        job.source = JobSource::YnhSystem { parts: Vec::new() };
    }
    world
}

fn whole() -> RestoreRequest {
    RestoreRequest::whole()
}

fn elsewhere() -> RestoreRequest {
    RestoreRequest { to: Some(PathBuf::from("/tmp/it")), ..whole() }
}

fn from(peer: &str) -> RestoreRequest {
    RestoreRequest { from: Some(place(peer)), ..whole() }
}

fn check(world: &World, request: &RestoreRequest) -> String {
    match permit(&world.desired, &world.observed.archives[0], request) {
        Ok(Permit { job, steps, notes }) => {
            let job = job.map_or("no job".to_owned(), |job| format!("job {}", job.name));
            let commands = counted(steps.post_restore_commands.len() as u64, "command");
            let notes = notes.iter().map(|note| format!("\nnote: {note}"));
            format!("{job}, {commands}{}", notes.collect::<String>())
        }
        Err(refusal) => format!("refused: {}\nhint: {}", refusal.why, refusal.hint),
    }
}

#[test]
fn what_a_job_of_this_host_made_comes_back_as_it_says_today() {
    assert_snapshot!(check(&world("main", |_| {}), &whole()), @"job web, 1 command");
    let mut renamed = world("main", |archive| archive.job = "site".parse().unwrap());
    let job = renamed.desired.jobs.values_mut().next().unwrap();
    job.formerly = vec!["site".parse().unwrap()];
    assert_snapshot!(check(&renamed, &whole()), @"job web, 1 command");
}

#[test]
fn without_a_job_of_its_name_and_type_there_is_nothing_but_files_and_database() {
    let gone = world("main", |archive| archive.job = "shop".parse().unwrap());
    assert_snapshot!(check(&gone, &whole()), @"
    no job, 0 commands
    note: job `shop` is not in the configuration: files and database only, as they were
    ");
    assert_snapshot!(check(&gone, &elsewhere()), @"no job, 0 commands");
    let other_type = world("main", |archive| archive.job_type = JobType::Mysql);
    assert_snapshot!(check(&other_type, &whole()), @"
    no job, 0 commands
    note: job `web` is not in the configuration: files and database only, as they were
    ");
}

#[test]
fn what_another_host_made_has_no_places_here() {
    let foreign = world("main", |archive| archive.origin = "spike".parse().unwrap());
    assert_snapshot!(check(&foreign, &whole()), @"
    refused: `jerry_web_20260508` was made by `spike`, and its places are those of that host
    hint: lay it elsewhere with `--to DIR`, say with `--from PEER` whose it is if it is to come back here, or name that instance in `instance.formerly` if this host takes its place
    ");
    assert_snapshot!(check(&foreign, &elsewhere()), @"no job, 0 commands");
    // A peer is shown by the name that it has here as well.
    let mut sent = sent(true, JobType::CustomDir);
    sent.observed.archives[0].origin = "nas-01".parse().unwrap();
    assert_snapshot!(check(&sent, &whole()), @"
    refused: `jerry_web_20260508` was made by `nas-01 (tom)`, and its places are those of that host
    hint: lay it elsewhere with `--to DIR`, say with `--from PEER` whose it is if it is to come back here, or name that instance in `instance.formerly` if this host takes its place
    ");
}

#[test]
fn what_this_host_takes_the_place_of_is_its_own() {
    let mut heir = sent(true, JobType::CustomDir);
    heir.desired.instance.formerly = vec!["tom".parse().unwrap()];
    assert_snapshot!(check(&heir, &whole()), @"job web, 1 command");
}

#[test]
fn whose_it_is_must_be_said_rightly() {
    let sent = sent(true, JobType::CustomDir);
    assert_snapshot!(check(&sent, &from("tom")), @"
    job web, 1 command
    note: `tom` made it on another host; it comes back here as job `web` of this configuration says
    ");
    assert_snapshot!(check(&sent, &from("mum")), @"
    refused: `jerry_web_20260508` is no archive of peer `mum`
    hint: `larder archive show` says whose it is
    ");
    let jobless = with_tom(
        world("received/tom", |archive| {
            archive.origin = "tom".parse().unwrap();
            archive.job = "shop".parse().unwrap();
        }),
        true,
    );
    assert_snapshot!(check(&jobless, &from("tom")), @"
    no job, 0 commands
    note: `tom` made it on another host; no job of its name is configured here: files go to where they were there
    ");
}

#[test]
fn what_a_peer_wrote_runs_nothing_here_unless_it_is_trusted() {
    assert_snapshot!(check(&sent(false, JobType::CustomDir), &from("tom")), @"
    job web, 0 commands
    note: `tom` made it on another host; it comes back here as job `web` of this configuration says
    note: it came from peer `tom`: users, units and commands are left out, since a unit would be the archive's own
    ");
    assert_snapshot!(check(&sent(false, JobType::YnhSystem), &from("tom")), @r#"
    refused: `jerry_web_20260508` of peer `tom` would run what `tom` wrote into it
    hint: lay it elsewhere with `--to DIR`, or trust it: `trust = "restore"` in `[peer.tom.accept]`
    "#);
    let mut laid = from("tom");
    laid.to = elsewhere().to;
    assert_snapshot!(check(&sent(false, JobType::YnhSystem), &laid), @"
    job web, 0 commands
    note: it came from peer `tom`: users, units and commands are left out, since a unit would be the archive's own
    ");
    assert_snapshot!(check(&sent(true, JobType::YnhSystem), &from("tom")), @"
    job web, 1 command
    note: `tom` made it on another host; it comes back here as job `web` of this configuration says
    ");
    // Also where this host took the place of that peer.
    let mut heir = sent(false, JobType::YnhSystem);
    heir.desired.instance.formerly = vec!["tom".parse().unwrap()];
    assert_snapshot!(check(&heir, &whole()), @r#"
    refused: `jerry_web_20260508` came from peer `tom`, and YunoHost would run as root what is in it
    hint: lay its files elsewhere with `--to DIR`, or write `trust = "restore"` into `[peer.tom.accept]`
    "#);
}
