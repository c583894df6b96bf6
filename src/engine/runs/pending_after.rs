//! The commands `after` of runs that the machine stopped under: what they start again must not
//! stay stopped until the next backup.
//!
//! They run beside the loop, which answers and watches meanwhile, and before anything else is
//! begun in their lane. What does not come to its end is owed still at the next start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use crate::engine::Autonomy;
use crate::engine::core::Core;
use crate::engine::runs::commands;
use crate::engine::runs::context::{Context, with_causes};
use crate::model::run::Run;
use crate::progress::Progress;
use crate::state::StateError;

/// Makes up for them, if there are any. A command that was asked for one thing leaves them to those
/// that do what the configuration wants.
pub(crate) fn make_up(core: &Arc<Core>, workers: &mut JoinSet<()>) {
    let is_ours = match core.options.autonomy {
        Autonomy::Daemon | Autonomy::Apply => true,
        Autonomy::OnRequest => false,
    };
    if !is_ours || core.after_pending().is_empty() {
        return;
    }
    core.making_up.store(true, Ordering::Release);
    let core = Arc::clone(core);
    workers.spawn(async move {
        let shared = Arc::clone(&core);
        let result = tokio::task::spawn_blocking(move || run_all(&shared)).await;
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(error = %with_causes(&error), "cannot note that commands `after` ran");
            }
            Err(_) => tracing::error!("commands `after` failed by an error in larder itself"),
        }
        core.making_up.store(false, Ordering::Release);
    });
}

fn run_all(core: &Arc<Core>) -> Result<(), StateError> {
    let desired = core.desired();
    for (id, name) in core.after_pending() {
        if let (Some(job), Some(run)) = (desired.jobs.get(&name), core.state.run(id)?) {
            tracing::warn!(job = %name, run = id.0, "running the commands `after` of an interrupted run");
            let stop = core.stop.child();
            let context = Context {
                core: Arc::clone(core),
                desired: Arc::clone(&desired),
                run,
                give_way: stop.child(),
                stop,
                progress: Progress::new(),
            };
            let ran = commands::run_after(&context, job, &context.stop);
            if context.stop.reason().is_some() {
                return Ok(());
            }
            if let Err(failure) = ran {
                tracing::error!(job = %name, "{}", failure.summary);
                let run = context.run;
                let summary = format!("{}; {}", run.summary, failure.summary);
                core.state.put_run(&Run { summary, hint: failure.hint.or(run.hint), ..run })?;
            }
        } else {
            tracing::error!(job = %name, run = id.0, "the commands `after` of an interrupted run are not known any more: look at what it stopped");
        }
        core.drop_after(id)?;
    }
    Ok(())
}
