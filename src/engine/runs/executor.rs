//! Carries out one run: starts it, gives it a time limit, writes down how it ended.
//!
//! This is the one place that logs the failure of a run and records it. A panic in a run fails
//! that run only; a run that does not react to its stop is given up, so that a hung disk cannot
//! block a lane for ever.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::core::{Core, Running};
use crate::engine::runs::context::{Context, Done, Failure};
use crate::engine::runs::{
    abandoned, adopt, backup, drill, expire, fetch, prune, push, record, restore, send, verify,
};
use crate::engine::{Event, notices};
use crate::model::archive::CopyKey;
use crate::model::run::{Lane, Run, RunStatus, Work};
use crate::progress::Progress;
use crate::stop::{Stop, Stopped};

/// The most time that a run without a job's own time-out may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_hours(24);
/// The most time that a run over a network may take, where every stall ends by itself.
const OVER_A_SLOW_LINE: Duration = Duration::from_hours(7 * 24);
/// How long a run that was asked to stop may take when the daemon ends, which must be over in 10 s.
const PATIENCE_AT_SHUTDOWN: Duration = Duration::from_secs(7);
/// How often the progress of a run is told to those who follow.
const TELL_PROGRESS: Duration = Duration::from_millis(250);

/// A lane that is taken: free again when this is dropped, whatever became of the run.
struct Taken<'a> {
    core: &'a Core,
    lane: Lane,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.core.running().remove(&self.lane);
    }
}

/// Executes a queued run to its end, in the lane that was taken for it. Returns when the run is
/// recorded as over, or is kept to be recorded later, and the commands `after` of one that was given
/// up have run.
pub(crate) async fn execute(core: Arc<Core>, running: Running) {
    let Running { run: queued, lane, stop, give_way, progress, patience } = running;
    let taken = Taken { core: &core, lane };
    let desired = core.desired();
    let mut run = Run {
        status: RunStatus::Running,
        started_at: Some(core.now()),
        config_hash: Some(desired.hash.clone()),
        ..queued.clone()
    };
    if let Some(running) = core.running().get_mut(&taken.lane) {
        running.run = run.clone();
    }
    let shared = Arc::clone(&core);
    let begun = run.clone();
    let recorded = tokio::task::spawn_blocking(move || {
        let recorded = record::begin(&shared, &begun, queued);
        if recorded {
            notices::began(&shared, &begun);
        }
        recorded
    })
    .await;
    if !recorded.unwrap_or(false) {
        return;
    }
    tracing::info!(run = run.id.0, work = run.work.word(), subject = %subject(&run), "run begins");
    core.tell(Event::Run(Box::new(run.clone())));

    let context = Context {
        core: Arc::clone(&core),
        desired: Arc::clone(&desired),
        run: run.clone(),
        stop: stop.clone(),
        give_way,
        progress: progress.clone(),
    };
    let limit = time_limit(&context);
    let worker = tokio::task::spawn_blocking(move || carry_out(&context));
    let limits = Limits { time: limit, patience };
    let mut after = None;
    let result = match supervise(&core, &run, worker, &stop, &progress, limits).await {
        Over::Ended(result) => result,
        Over::Hangs(worker) => {
            let (failure, commands) = abandoned::give_up(&core, &desired, &run, worker, &stop);
            after = commands;
            Err(failure)
        }
    };

    let rest = result.as_ref().err().and_then(|failure| failure.rest);
    match result {
        Ok(done) if done.goes_on && stop.reason().is_none() => {
            tracing::info!(run = run.id.0, work = run.work.word(), subject = %subject(&run), "run waits again: {}", done.summary);
            run = Run { status: RunStatus::Queued, started_at: None, summary: done.summary, ..run };
        }
        // Whoever asked it to stop meanwhile does not want it to go on.
        Ok(done) if done.goes_on => {
            let stopped = stop.reason().unwrap_or(Stopped::Cancelled);
            set_end(&core, &mut run, Err(stopped.into()));
        }
        result => set_end(&core, &mut run, result),
    }
    if run.status.is_final() {
        // Before anybody can read that it is over.
        core.unseen.lock().insert(run.id);
    }
    let shared = Arc::clone(&core);
    let over = run.clone();
    if tokio::task::spawn_blocking(move || record::end(&shared, over, rest)).await.is_err() {
        tracing::error!(
            run = run.id.0,
            "recording the end of a run failed by an error in larder itself"
        );
    }
    drop(taken);
    core.tell(Event::Run(Box::new(run)));
    // The lane goes on meanwhile; a command that ends with its last run does not.
    if let Some(after) = after {
        after.wait().await;
    }
}

/// How it goes with a worker that nobody waits for any more.
enum Over {
    Ended(Result<Done, Failure>),
    /// It did not stop when it was asked to.
    Hangs(Worker),
}

/// The thread that carries out a run.
pub(crate) type Worker = tokio::task::JoinHandle<Result<Done, Failure>>;

/// How long a run may take, and how long to stop then.
#[derive(Clone, Copy)]
struct Limits {
    time: Duration,
    patience: Duration,
}

/// Waits for the worker; asks it to stop when its time is over, and waits no longer than its
/// patience lasts when it does not react.
async fn supervise(
    core: &Arc<Core>,
    run: &Run,
    mut worker: Worker,
    stop: &Stop,
    progress: &Progress,
    limits: Limits,
) -> Over {
    let deadline = tokio::time::sleep(limits.time);
    tokio::pin!(deadline);
    let mut ticker = tokio::time::interval(TELL_PROGRESS);
    let mut give_up_at: Option<tokio::time::Instant> = None;
    let mut shutting_down = false;
    loop {
        let give_up = give_up_at.unwrap_or_else(far_away);
        tokio::select! {
            // The handle is kept: dropping the arm loses nothing.
            joined = &mut worker => {
                return Over::Ended(joined.unwrap_or_else(|error| Err(after_panic(error))));
            }
            // A timer can be polled again.
            () = &mut deadline, if give_up_at.is_none() => {
                stop.request(Stopped::TimedOut);
                give_up_at = Some(tokio::time::Instant::now() + limits.patience);
            }
            // Waits for a flag that stays set.
            _ = stop.requested(), if give_up_at.is_none() => {
                give_up_at = Some(tokio::time::Instant::now() + limits.patience);
            }
            // The same: a run that is being cancelled has less time when the daemon ends.
            _ = core.stop.requested(), if !shutting_down => {
                shutting_down = true;
                let soon = tokio::time::Instant::now() + PATIENCE_AT_SHUTDOWN;
                give_up_at = Some(give_up_at.map_or(soon, |at| at.min(soon)));
            }
            // A timer that is dropped is set again.
            () = tokio::time::sleep_until(give_up), if give_up_at.is_some() => {
                return Over::Hangs(worker);
            }
            // Losing a tick loses one picture of the progress.
            _ = ticker.tick() => core.tell(Event::Progress(run.id, progress.snapshot())),
        }
    }
}

fn far_away() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_hours(1)
}

fn after_panic(error: tokio::task::JoinError) -> Failure {
    let panic = error.try_into_panic().ok();
    let words =
        panic.as_deref().map_or("its thread was ended", crate::engine::runs::commands::panic_words);
    Failure::new(format!("an error in larder itself: {words}"))
        .hint("please report this with the log of the run")
}

fn time_limit(context: &Context) -> Duration {
    let job = match &context.run.work {
        Work::Backup { job } => context.desired.jobs.get(job),
        Work::Drill { job, .. } => crate::restore::restoring_job(&context.desired, job),
        Work::Expire { .. }
        | Work::EmptyTrash { .. }
        | Work::Verify { .. }
        | Work::Send { .. }
        | Work::Fetch { .. }
        | Work::Prune { .. }
        | Work::Adopt { .. }
        | Work::Restore { .. } => None,
    };
    let usual = match context.run.lane(&context.desired) {
        Lane::Local => DEFAULT_TIMEOUT,
        Lane::Network => OVER_A_SLOW_LINE,
    };
    job.and_then(|job| Duration::try_from(job.timeout).ok()).unwrap_or(usual)
}

fn carry_out(context: &Context) -> Result<Done, Failure> {
    // It may have been cancelled between its turn and its beginning.
    context.stop.check()?;
    match &context.run.work {
        Work::Backup { job } => backup::backup(context, job),
        Work::Expire { series, archives } => expire::expire(context, series, archives),
        Work::EmptyTrash { location, archives } => expire::empty_trash(context, location, archives),
        Work::Verify { archive, location } => {
            verify::verify(context, &CopyKey::new(*archive, location))
        }
        Work::Send { archive, from, to, via } if context.desired.peers.contains_key(to) => {
            push::push(context, &CopyKey::new(*archive, from), to, *via)
        }
        Work::Fetch { archive, peer, to } => fetch::fetch(context, *archive, peer, to),
        Work::Prune { peer, archives } => prune::prune(context, peer, archives),
        Work::Send { archive, from, to, .. } => {
            send::send(context, &CopyKey::new(*archive, from), to)
        }
        Work::Adopt { location, file_name, job } => adopt::adopt(context, location, file_name, job),
        Work::Restore { archive, location, request } => {
            let key = CopyKey::new(*archive, location);
            restore::restore(context, &key, request)
        }
        Work::Drill { job, archive, location } => {
            let key = CopyKey::new(*archive, location);
            drill::drill(context, job, &key)
        }
    }
}

/// How a run ended, in its record and for the journal.
fn set_end(core: &Core, run: &mut Run, result: Result<Done, Failure>) {
    run.finished_at = Some(core.now());
    match result {
        Ok(done) => {
            run.status = if done.warned { RunStatus::Warning } else { RunStatus::Success };
            run.summary = done.summary;
            if let Some((name, size)) = done.archive {
                run.archive = Some(name);
                run.size_bytes = Some(size);
            }
        }
        Err(failure) => {
            run.status = match failure.stopped {
                Some(Stopped::Cancelled) => RunStatus::Cancelled,
                Some(Stopped::Shutdown) => RunStatus::Interrupted,
                Some(Stopped::TimedOut) | None => RunStatus::Error,
            };
            run.summary = match failure.stopped {
                Some(Stopped::TimedOut) => {
                    format!("took longer than its time-out: {}", failure.summary)
                }
                _ => failure.summary,
            };
            run.hint = failure.hint;
        }
    }
    let subject = subject(run);
    match run.status {
        RunStatus::Error => tracing::error!(
            run = run.id.0, work = run.work.word(), %subject, hint = run.hint, "run failed: {}", run.summary
        ),
        RunStatus::Warning => tracing::warn!(
            run = run.id.0, work = run.work.word(), %subject, "run ended with a warning: {}", run.summary
        ),
        RunStatus::Success
        | RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Cancelled
        | RunStatus::Interrupted => tracing::info!(
            run = run.id.0, work = run.work.word(), %subject, status = run.status.word(), "run ended: {}", run.summary
        ),
    }
}

fn subject(run: &Run) -> String {
    match &run.work {
        Work::Backup { job } => job.to_string(),
        Work::Expire { series, .. } => series.to_string(),
        Work::EmptyTrash { location, .. } => location.to_string(),
        Work::Verify { archive, location } | Work::Restore { archive, location, .. } => {
            format!("{archive} at {location}")
        }
        Work::Drill { job, archive, location } => format!("{job}: {archive} at {location}"),
        Work::Send { archive, from, to, .. } => format!("{archive} from {from} to {to}"),
        Work::Fetch { archive, peer, to } => format!("{archive} from {peer} to {to}"),
        Work::Prune { peer, archives } => format!("{} archives at {peer}", archives.len()),
        Work::Adopt { location, file_name, .. } => {
            format!("{} at {location}", file_name.escape_default())
        }
    }
}
