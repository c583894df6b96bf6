//! Writes down that a run begins and how it ended, with everything that follows from it, at once.
//!
//! **Invariant:** the end of a run and what it means for its job are one transaction: a crash
//! never leaves a failure that is not tried again, or a due time that was handled twice. What the
//! state cannot take is kept in memory and written before anything else is begun.

use jiff::{SignedDuration, Timestamp};

use crate::engine::core::Core;
use crate::engine::runs::backoff;
use crate::engine::runs::context::with_causes;
use crate::model::archive::{Archive, ArchiveId, Outcome};
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::{Attempt, DrillOutcome, Freeze, LastDrill};
use crate::model::run::{Cause, Run, RunStatus, Work};
use crate::state::{StateError, Transaction};

/// Records that a run begins. `false` when that cannot be recorded: the run then stays `queued`,
/// and nothing is begun before the state can be written again.
pub(crate) fn begin(core: &Core, run: &Run, queued: Run) -> bool {
    let Err(error) = core.state.put_run(run) else { return true };
    tracing::error!(run = run.id.0, error = %with_causes(&error), "cannot record that a run begins; trying again");
    // It may have arrived all the same, and would be under way for ever.
    core.unrecorded().push(queued);
    false
}

/// Records how a run ended, in its log and in the state; `rest` says how long the same is left
/// alone where that is not what is usual.
pub(crate) fn end(core: &Core, run: Run, rest: Option<SignedDuration>) {
    core.log_line(run.id, &format!("{}: {}", run.status.word(), run.summary));
    let trusted = proves_the_clock(core, &run);
    if let Err(error) = core.state.commit(|txn| write_ended(txn, &run, rest, trusted)) {
        // The store may be full with the disk. The run is over all the same.
        tracing::error!(run = run.id.0, error = %with_causes(&error), "cannot record the end of a run; trying again");
        core.unrecorded().push(run);
    }
}

/// Writes what could not be recorded before. An error means that it still cannot.
pub(crate) fn catch_up(core: &Core) -> Result<(), StateError> {
    core.catalogue.catch_up(&core.state)?;
    let mut kept = core.unrecorded();
    if kept.is_empty() {
        return Ok(());
    }
    let trusted: Vec<bool> = kept.iter().map(|run| proves_the_clock(core, run)).collect();
    core.state.commit(|txn| {
        let mut ended = kept.iter().zip(trusted);
        ended.try_for_each(|(run, trusted)| write_ended(txn, run, None, trusted))
    })?;
    kept.clear();
    Ok(())
}

/// Runs as they are, where the state cannot say so yet.
pub(crate) fn as_they_are(core: &Core, runs: &mut [Run]) {
    let kept = core.unrecorded();
    for run in runs {
        if let Some(known) = kept.iter().find(|known| known.id == run.id) {
            run.clone_from(known);
        }
    }
}

/// Whether a run is what retention waits for after a jump of the clock: a scheduled one whose archive
/// can be believed. One that is dated before an earlier one proves nothing.
fn proves_the_clock(core: &Core, run: &Run) -> bool {
    let Work::Backup { job } = &run.work else { return false };
    let made = |archive: &Archive| {
        Some(&archive.name) == run.archive.as_ref()
            && archive.job == *job
            && !matches!(archive.outcome, Outcome::Suspect(_))
    };
    run.status.is_success()
        && matches!(run.cause, Cause::Due { .. } | Cause::First)
        && !core.catalogue.select(made).is_empty()
}

fn write_ended(
    txn: &mut Transaction<'_>,
    run: &Run,
    rest: Option<SignedDuration>,
    proves_the_clock: bool,
) -> Result<(), StateError> {
    if proves_the_clock {
        txn.drop_freeze(&Freeze::Clock(String::new()))?;
    }
    write(txn, run, rest)
}

/// Writes a run with what its end means: for the next attempt, for what rests, for retention.
pub(crate) fn write(
    txn: &mut Transaction<'_>,
    run: &Run,
    rest: Option<SignedDuration>,
) -> Result<(), StateError> {
    txn.put_run(run)?;
    let Some(at) = run.finished_at else { return Ok(()) };
    if let Work::Backup { job } = &run.work {
        note_attempt(txn, run, job, at)?;
    }
    if let Work::Drill { job, .. } = &run.work {
        note_drill(txn, run, job, at)?;
    }
    match run.status {
        RunStatus::Error | RunStatus::Cancelled => put_off(txn, run, at, rest),
        RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Success
        | RunStatus::Warning
        | RunStatus::Interrupted => Ok(()),
    }
}

/// Lets what a run did not do rest for a while. Without, the plan would ask for the same again at once.
pub(crate) fn put_off(
    txn: &mut Transaction<'_>,
    run: &Run,
    at: Timestamp,
    span: Option<SignedDuration>,
) -> Result<(), StateError> {
    let mut rests = |archives: &[ArchiveId], place: &PlaceName, usual| {
        let until = backoff::until(at, span.unwrap_or(usual));
        archives.iter().try_for_each(|archive| txn.put_not_before(*archive, place, until))
    };
    match &run.work {
        Work::Expire { series, archives } => rests(archives, &series.location, backoff::SOON),
        Work::EmptyTrash { location, archives } => rests(archives, location, backoff::SOON),
        Work::Verify { archive, location } => rests(&[*archive], location, backoff::LATER),
        Work::Send { archive, to, .. } | Work::Fetch { archive, to, .. } => {
            rests(&[*archive], to, backoff::SOON)
        }
        Work::Prune { peer, archives } => rests(archives, peer, backoff::SOON),
        // Backups are tried again by the rules of their job, drills by those of the plan, the others
        // only when somebody asks.
        Work::Backup { .. } | Work::Drill { .. } | Work::Adopt { .. } | Work::Restore { .. } => {
            Ok(())
        }
    }
}

/// Remembers the end of an attempt with its job: what retries and the status are made of.
fn note_attempt(
    txn: &mut Transaction<'_>,
    run: &Run,
    job: &JobName,
    at: Timestamp,
) -> Result<(), StateError> {
    let Some(mut facts) = txn.job_facts(job)? else { return Ok(()) };
    let number = match run.cause {
        Cause::Due { attempt, .. } => Some(attempt),
        Cause::First => Some(0),
        Cause::Manual | Cause::Reconcile => None,
    };
    if let Some(number) = number {
        facts.last_attempt = Some(Attempt { number, status: run.status, finished_at: at });
    }
    if run.status.is_success() {
        facts.last_success = Some(at);
        facts.last_failure = None;
    } else if matches!(run.status, RunStatus::Error | RunStatus::Interrupted) {
        facts.last_failure = Some(run.summary.clone());
    }
    txn.put_job_facts(job, &facts)
}

/// Remembers how a drill ended that could not say so itself: broken off, out of time, or by an
/// error before anything was restored.
fn note_drill(
    txn: &mut Transaction<'_>,
    run: &Run,
    job: &JobName,
    at: Timestamp,
) -> Result<(), StateError> {
    let mut facts = txn.drill_facts(job)?;
    let told = facts.last.as_ref().is_some_and(|last| last.run == run.id);
    let after = |span| Some(backoff::until(at, span));
    match run.status {
        RunStatus::Queued | RunStatus::Running => return Ok(()),
        RunStatus::Success | RunStatus::Warning => {
            (facts.interrupted, facts.rest_until) = (0, None);
        }
        RunStatus::Interrupted => {
            facts.interrupted += 1;
            facts.rest_until = after(backoff::INTERRUPTED_DRILL);
        }
        RunStatus::Cancelled | RunStatus::Error => {
            (facts.interrupted, facts.rest_until) = (0, after(backoff::FAILED_DRILL));
        }
    }
    // What cannot be proved here is not asked for every minute either.
    let unable = |last: &LastDrill| matches!(last.outcome, DrillOutcome::Unable(_));
    if told && facts.last.as_ref().is_some_and(unable) {
        facts.rest_until = after(backoff::FAILED_DRILL);
    }
    if run.status == RunStatus::Error
        && !told
        && let Work::Drill { archive, location, .. } = &run.work
        && let Some(archive) = txn.archive(*archive, location)?
    {
        facts.last = Some(LastDrill {
            run: run.id,
            archive: archive.name,
            location: archive.location,
            at,
            took: run.duration().unwrap_or_default(),
            outcome: DrillOutcome::Unable(run.summary.clone()),
        });
    }
    txn.put_drill_facts(job, &facts)
}
