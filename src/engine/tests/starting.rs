//! Starts, restarts, reloads.

use super::*;
use crate::engine::configuration;
use crate::engine::observe::awake::AWAKE_AT;
use crate::model::desired::SecretRef;
use crate::process;
use crate::stop::Stop;

#[test]
fn an_archive_published_just_before_a_crash_needs_no_approval() {
    let mut bench = Bench::with_job("");
    bench.look();
    bench.back_up();
    let newer = bench.back_up();
    bench.core().state.drop_archive(newer.id, &newer.location).unwrap();
    bench.start(Autonomy::Daemon);
    bench.look();
    assert_eq!(bench.condition(&newer), Condition::Present);
    let facts = bench.core().state.series_facts().unwrap();
    assert!(facts.get(&newer.written_series()).is_none_or(|facts| !facts.adopted));
}

#[test]
fn archives_found_without_a_record_count_as_adopted() {
    let mut bench = Bench::with_job("retention = { mode = \"count\", value = 1 }\n");
    bench.look();
    let archives = [bench.back_up(), bench.back_up()];
    for archive in &archives {
        bench.core().state.drop_archive(archive.id, &archive.location).unwrap();
    }
    bench.start(Autonomy::Daemon);
    bench.look();
    assert!(bench.core().state.series_facts().unwrap()[&archives[0].written_series()].adopted);
    assert_eq!(bench.core().view.load().plan.blocked.len(), 1);
    assert!(!bench.opens("expire"));
}

#[test]
fn a_run_the_machine_stopped_under_is_interrupted_and_tried_again() {
    let mut bench = Bench::with_job("");
    bench.look();
    let run = bench.open().remove(0);
    bench.core().state.put_run(&Run { status: RunStatus::Running, ..run.clone() }).unwrap();
    bench.start(Autonomy::Daemon);
    assert_eq!(bench.run(run.id).status, RunStatus::Interrupted);
    let attempt = bench.facts().last_attempt.unwrap();
    assert_eq!((attempt.number, attempt.status), (0, RunStatus::Interrupted));
}

/// What becomes of a run that waited in the queue while larder was away for so many minutes.
fn after_an_absence_of(minutes: i64, more: &str, cause: Cause) -> RunStatus {
    let mut bench = Bench::with_job(more);
    let run = bench.enqueue(backup(), cause);
    let last = bench.core().now().checked_sub(SignedDuration::from_mins(minutes)).unwrap();
    bench.core().state.put_value(AWAKE_AT, &last.to_string()).unwrap();
    bench.start(Autonomy::Daemon);
    bench.look();
    bench.run(run.id).status
}

#[test]
fn what_waited_when_the_machine_went_off_waits_for_its_next_time_where_the_job_says_so() {
    let stops_something = "before = [\"true\"]\n";
    let due = Cause::Due { due: Timestamp::now(), attempt: 0 };
    assert_eq!(after_an_absence_of(60, stops_something, due.clone()), RunStatus::Cancelled);
    // A restart is no absence, somebody's word stays, and so does a job that harms nothing.
    assert_eq!(after_an_absence_of(5, stops_something, due.clone()), RunStatus::Queued);
    assert_eq!(after_an_absence_of(60, stops_something, Cause::Manual), RunStatus::Queued);
    assert_eq!(after_an_absence_of(60, "", due), RunStatus::Queued);
}

#[test]
fn jobs_that_vanish_over_a_restart_freeze_retention_until_that_is_approved() {
    let mut bench = Bench::new(&format!("{JOB}{}", JOB.replace("notes]", "mail]")));
    bench.start(Autonomy::Apply);
    bench.look();
    bench.write("jobs.toml", "[retention.none]\nmode = \"count\"\nvalue = 3\n");
    bench.start(Autonomy::Apply);
    bench.look();
    let view = bench.core().view.load_full();
    let note = view.plan.notes.iter().find(|note| note.text.contains("larder approve")).unwrap();
    let hash = note.text.split("larder approve ").nth(1).unwrap();
    let hash = hash.split('`').next().unwrap().to_owned();
    bench.ask(|reply| Request::Approve("000000000000".to_owned(), reply)).unwrap_err();
    assert_eq!(bench.core().state.freezes().unwrap().len(), 1);
    bench.ask(|reply| Request::Approve(hash, reply)).unwrap();
    assert!(bench.core().state.freezes().unwrap().is_empty());
    bench.start(Autonomy::Apply);
    assert!(bench.core().state.freezes().unwrap().is_empty());
}

/// What the plan says of the state, and what to approve.
fn said_of_the_state(bench: &Bench) -> Vec<(String, String)> {
    bench.look();
    let view = bench.core().view.load_full();
    let notes = view.plan.notes.iter().filter(|note| note.text.contains("found damaged"));
    let told = notes.map(|note| {
        assert_eq!((note.weight, &note.job), (crate::reconcile::Weight::Problem, &None));
        let hash = note.text.split("larder approve ").nth(1).unwrap();
        (note.text.clone(), hash.split('`').next().unwrap().to_owned())
    });
    told.collect()
}

#[test]
fn a_state_that_was_set_aside_is_told_until_somebody_says_that_it_is_known() {
    let mut bench = Bench::with_job("");
    bench.look();
    let archive = bench.back_up();
    assert!(said_of_the_state(&bench).is_empty());
    bench.core = None;
    std::fs::write(bench.path("state/state.redb"), b"nothing that anybody can read").unwrap();
    // Whatever opens it first need not be what somebody reads.
    for autonomy in [Autonomy::Apply, Autonomy::OnRequest, Autonomy::Daemon] {
        bench.start(autonomy);
        assert_eq!(said_of_the_state(&bench).len(), 1);
    }
    assert_eq!(bench.condition(&archive), Condition::Present);
    let (text, hash) = said_of_the_state(&bench).remove(0);
    assert!(text.contains("/state.redb.corrupt-"), "{text}");
    bench.ask(|reply| Request::Approve("000000000000".to_owned(), reply)).unwrap_err();
    assert_eq!(said_of_the_state(&bench).len(), 1);
    bench.ask(|reply| Request::Approve(hash, reply)).unwrap();
    assert!(said_of_the_state(&bench).is_empty());
    bench.start(Autonomy::Daemon);
    assert!(said_of_the_state(&bench).is_empty());
}

#[test]
fn a_state_that_went_back_is_told_once_however_often_it_did() {
    let mut bench = Bench::with_job("");
    let back = crate::state::Opened { rolled_back: true, ..crate::state::Opened::default() };
    for hours in [2, 1] {
        let at = ago(bench.core().now(), hours);
        crate::engine::damage::note_opened(&bench.core().state, &back, at).unwrap();
    }
    bench.start(Autonomy::Daemon);
    let told = said_of_the_state(&bench);
    assert_eq!(told.len(), 1, "{told:?}");
    bench.ask(|reply| Request::Approve(told[0].1.clone(), reply)).unwrap();
    assert!(said_of_the_state(&bench).is_empty());
}

#[test]
fn a_job_given_another_schedule_or_enabled_again_waits_for_its_next_instant() {
    let job = |enabled: bool, schedule: &str| {
        format!("{JOB}catch_up = \"next\"\nenabled = {enabled}\nschedule = \"{schedule}\"\n")
    };
    let steps = [(job(false, "* * * * *"), "disabled"), (job(true, "0 2 1 1 *"), "rare")];
    for (before, what) in steps {
        let mut bench = Bench::new(&before);
        bench.start(Autonomy::Daemon);
        bench.awake_for_an_hour();
        bench.look();
        bench.set_first_seen(2);
        bench.write("jobs.toml", &job(true, "* * * * *"));
        configuration::reload(bench.core()).unwrap();
        let reloaded = bench.facts().first_seen;
        bench.look();
        let due = bench.open().first().map(|run| run.cause.clone());
        // The minute may turn just now: that instant is one of the job's.
        assert!(
            due.is_none() || matches!(due, Some(Cause::Due { due, .. }) if due >= reloaded),
            "{what}: {due:?}"
        );
    }
}

#[test]
fn a_job_remembers_when_its_definition_last_changed() {
    let mut bench = Bench::with_job("");
    bench.start(Autonomy::Daemon);
    bench.look();
    let since = |bench: &Bench| bench.facts().table.unwrap().since;
    assert_eq!(since(&bench), bench.facts().first_seen);
    bench.start(Autonomy::Daemon);
    bench.look();
    assert_eq!(since(&bench), bench.facts().first_seen, "a restart changes nothing");
    bench.write("jobs.toml", &format!("{JOB}catch_up = \"next\"\n"));
    configuration::reload(bench.core()).unwrap();
    bench.look();
    assert!(since(&bench) > bench.facts().first_seen);
}

#[test]
fn apply_called_by_cron_runs_what_came_due_between_two_calls() {
    let toml = format!("{JOB}catch_up = \"next\"\nschedule = \"* * * * *\"\n");
    for (hours, runs) in [(1, true), (72, false)] {
        let mut bench = Bench::new(&toml);
        bench.start(Autonomy::Apply);
        bench.look();
        bench.set_first_seen(100);
        let last = ago(bench.core().now(), hours);
        bench.core().state.put_value(AWAKE_AT, &last.to_string()).unwrap();
        bench.start(Autonomy::Apply);
        let started = bench.core().started_at;
        bench.look();
        let missed = |run: &Run| matches!(run.cause, Cause::Due { due, .. } if due < started);
        assert_eq!(bench.open().iter().any(missed), runs, "{hours}");
    }
}

#[test]
fn apply_for_one_job_makes_no_other_miss_its_time() {
    let job = |name: &str| JOB.replace("notes]", &format!("{name}]"));
    let more = "catch_up = \"next\"\nschedule = \"* * * * *\"\n";
    let mut bench = Bench::new(&format!("{}{more}{}{more}", job("one"), job("other")));
    let two_hours_ago = |bench: &Bench| ago(bench.core().now(), 2);
    let queued = |bench: &Bench, only: &[&str], name: &str| {
        bench.look();
        let started = bench.core().started_at;
        bench.open().iter().any(|run| {
            assert!(only.is_empty() || only.contains(&name), "{run:?}");
            run.work == Work::Backup { job: name.parse().unwrap() }
                && matches!(run.cause, Cause::Due { due, .. } if due < started)
        })
    };
    bench.start(Autonomy::Apply);
    bench.look();
    for run in bench.open() {
        bench.cancel(run.id).unwrap();
    }
    for name in ["one", "other"] {
        let name = name.parse().unwrap();
        let mut facts = bench.core().state.job_facts().unwrap().remove(&name).unwrap();
        (facts.first_seen, facts.last_due) = (ago(bench.core().now(), 100), None);
        bench.core().state.put_job_facts(&name, &facts).unwrap();
    }
    let last = two_hours_ago(&bench).to_string();
    bench.core().state.put_value(AWAKE_AT, &last).unwrap();
    // It is for one of them, and runs that.
    bench.start_for(Autonomy::Apply, &["one"]);
    assert!(queued(&bench, &["one"], "one"));
    bench.start(Autonomy::Apply);
    assert!(queued(&bench, &[], "other"), "the other one was not missed by that");
    // By itself it knows what came due between two calls of its own.
    bench.core().state.put_value(AWAKE_AT, "2026-01-01T00:00:00Z").unwrap();
    bench.core().state.put_value(&format!("{AWAKE_AT} one"), &last).unwrap();
    bench.start_for(Autonomy::Apply, &["one"]);
    assert_eq!(bench.core().awake.since().to_string(), last);
}

#[test]
fn a_clock_that_was_set_back_leaves_nothing_to_be_made_up_for_and_nothing_to_wait_for() {
    let bench = Bench::with_job("");
    let core = bench.core();
    let now = core.now();
    let hours = |hours: i64| ago(now, -hours);
    core.awake.look(core, now).unwrap();
    let began = core.awake.since();
    assert!(began <= now);
    // It runs ahead, by itself or because somebody set it.
    core.awake.look(core, hours(10)).unwrap();
    assert_eq!(core.awake.since(), began);
    core.awake.look(core, hours(1)).unwrap();
    assert_eq!(core.awake.since(), hours(1));
    // Times that were taken from it count no longer than it does.
    core.awake.set_since(hours(20));
    core.awake.look(core, hours(2)).unwrap();
    assert_eq!(core.awake.since(), hours(2));
    core.awake.look(core, hours(3)).unwrap();
    assert_eq!(core.awake.since(), hours(2));
}

#[test]
fn a_state_or_socket_that_moves_is_told_and_stays_until_a_restart() {
    let bench = Bench::with_job("");
    let base = std::fs::read_to_string(bench.path("etc/base.toml")).unwrap();
    bench.write(
        "base.toml",
        &base.replace("../state", "../elsewhere").replace("control.sock", "other.sock"),
    );
    configuration::reload(bench.core()).unwrap();
    let stale = bench.core().wanted.load().report.stale.join("\n");
    assert!(stale.contains("`state_dir`") && stale.contains("`control_socket`"), "{stale}");
    bench.write("base.toml", &base);
    configuration::reload(bench.core()).unwrap();
    assert!(bench.core().wanted.load().report.valid);
}

#[test]
fn a_secret_of_the_environment_is_kept_from_children_once_the_configuration_names_it() {
    let bench = Bench::with_job("");
    let mut desired = crate::model::desired::Desired::clone(&bench.core().desired());
    for location in desired.locations.values_mut() {
        location.identity = Some(SecretRef::Env("CARGO_PKG_DESCRIPTION".to_owned()));
    }
    let child = || {
        let argv = ["sh", "-c", "echo ${CARGO_PKG_DESCRIPTION-nothing}"].map(str::to_owned);
        process::output(&argv, Duration::from_secs(10), 4096, &Stop::new()).unwrap()
    };
    assert_ne!(child().as_slice(), b"nothing\n");
    configuration::withhold_secrets(&desired);
    assert_eq!(child().as_slice(), b"nothing\n");
}

#[test]
fn a_location_that_is_mounted_later_is_used_without_a_reload() {
    let mut bench = Bench::new(JOB);
    // Something that is no directory stands in the way of the first start.
    std::fs::write(bench.path("archives"), b"").unwrap();
    bench.start(Autonomy::Daemon);
    bench.look();
    std::fs::remove_file(bench.path("archives")).unwrap();
    bench.look();
    bench.look();
    bench.back_up();
}

#[test]
fn each_run_owes_its_own_commands_after() {
    let mut bench = Bench::with_job("");
    let job = "notes".parse().unwrap();
    for run in [RunId(1), RunId(2)] {
        bench.core().owe_after(run, &job).unwrap();
    }
    bench.core().drop_after(RunId(2)).unwrap();
    bench.start(Autonomy::Daemon);
    assert_eq!(bench.core().after_pending().into_keys().collect::<Vec<_>>(), [RunId(1)]);
}
