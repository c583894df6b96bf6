//! A run that did not stop when it was asked to: its thread is left to itself, and what hangs on the
//! run is seen to without it.
//!
//! **Invariants:** its job does not run again before the thread is back and the commands `after` of
//! the run are over. They are run once: by who gives the run up, or by its thread where that has
//! begun to already.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::engine::core::Core;
use crate::engine::requests::Request;
use crate::engine::runs::commands;
use crate::engine::runs::context::{Context, Failure, with_causes};
use crate::engine::runs::executor::Worker;
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::run::{Run, Work};
use crate::progress::Progress;
use crate::stop::Stop;

/// The commands `after` of a run that was given up, under way; over when they are.
#[derive(Debug)]
pub(crate) struct Commands(JoinHandle<()>);

impl Commands {
    /// Waits until they ran, or were stopped with the daemon.
    pub(crate) async fn wait(self) {
        if self.0.await.is_err() {
            tracing::error!("commands `after` failed by an error in larder itself");
        }
    }
}

/// Gives a run up. Returns how it failed, and its commands `after` where they are run now: what
/// `before` stopped must not stay stopped for as long as a disk hangs.
pub(crate) fn give_up(
    core: &Arc<Core>,
    desired: &Arc<Desired>,
    run: &Run,
    worker: Worker,
    stop: &Stop,
) -> (Failure, Option<Commands>) {
    core.given_up().insert(run.id, run.work.clone());
    let mut failure = Failure {
        stopped: stop.reason(),
        summary: "it did not stop when it was asked to, and was given up".to_owned(),
        hint: Some("a disk or a network file system may be hanging (`dmesg`)".to_owned()),
        rest: None,
    };
    let (over, are_over) = tokio::sync::oneshot::channel::<()>();
    let commands = owing(core, desired, run).map(|job| {
        failure.summary.push_str("; its commands `after` are run without it");
        let cx = context(core, desired, run);
        let job = job.clone();
        Commands(tokio::task::spawn_blocking(move || {
            run_after(&cx, &job);
            drop(over);
        }))
    });
    let (core, id) = (Arc::clone(core), run.id);
    tokio::spawn(async move {
        // Whatever came of it: the run was recorded as over when it was given up.
        let _ = worker.await;
        // It ends with the commands, or at once without any.
        let _ = are_over.await;
        core.given_up().remove(&id);
        tracing::info!(run = id.0, "a run that was given up has come to its end");
        // Nobody waits for the view; a loop that is gone shows none.
        let (nobody, _) = tokio::sync::oneshot::channel();
        let _ = core.requests.send(Request::Look(nobody));
    });
    (failure, commands)
}

/// The job whose commands `after` are to be run now. A daemon that ends has no time for them: they
/// are made up for at the next start.
fn owing<'a>(core: &Core, desired: &'a Desired, run: &Run) -> Option<&'a Job> {
    let Work::Backup { job } = &run.work else { return None };
    let job = desired.jobs.get(job)?;
    (core.stop.reason().is_none() && core.take_after(run.id)).then_some(job)
}

/// What the commands of a run are given whose own stop was asked for long ago.
fn context(core: &Arc<Core>, desired: &Arc<Desired>, run: &Run) -> Context {
    let stop = core.stop.child();
    Context {
        core: Arc::clone(core),
        desired: Arc::clone(desired),
        run: run.clone(),
        give_way: stop.child(),
        stop,
        progress: Progress::new(),
    }
}

fn run_after(cx: &Context, job: &Job) {
    cx.log("running the commands `after` without it");
    let ran = commands::run_after(cx, job, &cx.stop);
    if ran.is_err() && cx.stop.reason().is_some() {
        // The daemon ends: they are owed still, and run at the next start.
        return;
    }
    match ran {
        Ok(()) => cx.log("the commands `after` have run"),
        Err(failure) => {
            tracing::error!(job = %job.name, run = cx.run.id.0, hint = failure.hint, "{}", failure.summary);
        }
    }
    if let Err(error) = cx.core.drop_after(cx.run.id) {
        // They run once more at the next start, which does no harm.
        tracing::warn!(job = %job.name, error = %with_causes(&error), "cannot note that the commands `after` ran");
    }
}
