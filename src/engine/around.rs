//! The commands around a backup.
//!
//! The commands `after` run in every case: failure, cancellation, a panic, and at the next start
//! when the machine stopped in between (see [`super::after`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::model::job::{Command, Job};
use crate::process;
use crate::stop::Stop;

use super::context::{Context, Failure, with_causes};

/// Runs `body` between the job's commands; `after` runs whatever comes of `before` and `body`, and
/// how that went is given back beside it.
pub(crate) fn between_commands<T>(
    cx: &Context,
    job: &Job,
    body: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Result<(), Failure>), Failure> {
    if job.before.is_empty() && job.after.is_empty() {
        return Ok((body()?, Ok(())));
    }
    // Remembered first: if the machine stops from here on, the next start runs `after`.
    cx.core.owe_after(cx.run.id, &job.name)?;
    let result = catch_unwind(AssertUnwindSafe(|| {
        cx.progress.enter("before");
        for command in &job.before {
            run_command(cx, job, "before", command, &cx.stop)?;
        }
        body()
    }));
    // Not the run's own stop: a cancelled run starts its service again all the same.
    let after = run_after(cx, job, &Stop::new());
    if let Err(error) = cx.core.drop_after(cx.run.id) {
        // They run once more at the next start, which does no harm; the archive is good.
        tracing::warn!(job = %job.name, error = %with_causes(&error), "cannot note that the commands `after` ran");
    }
    match result {
        Err(panic) => std::panic::resume_unwind(panic),
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(value)) => Ok((value, after)),
    }
}

/// Runs the commands `after`, all of them, also when one fails or the run was stopped.
pub(crate) fn run_after(cx: &Context, job: &Job, stop: &Stop) -> Result<(), Failure> {
    cx.progress.enter("after");
    let mut first_failure = None;
    for command in &job.after {
        if let Err(failure) = run_command(cx, job, "after", command, stop) {
            cx.log(&failure.summary);
            first_failure.get_or_insert(failure);
        }
    }
    first_failure.map_or(Ok(()), Err)
}

/// How much of a command's output goes into the log of its run, in bytes.
const MOST_SAID: usize = 256 << 10;

fn run_command(
    cx: &Context,
    job: &Job,
    when: &str,
    command: &Command,
    stop: &Stop,
) -> Result<(), Failure> {
    let shown = match command {
        Command::Argv(words) => words.first().cloned().unwrap_or_default(),
        Command::Shell(line) => line.split_whitespace().next().unwrap_or_default().to_owned(),
    };
    cx.log(&format!("{when}: `{shown}`"));
    let environment = [
        ("LARDER_JOB".to_owned(), job.name.to_string()),
        ("LARDER_RUN".to_owned(), cx.run.id.to_string()),
    ];
    let timeout = Duration::try_from(job.timeout).unwrap_or(Duration::from_hours(6));
    let mut said = 0;
    let Err(error) = process::Runner::outside_sandbox()
        .run(command, &environment, timeout, stop, &mut |_, line| {
            // The log has a limit of its own, and what larder says must still fit.
            let before = said;
            said += line.len();
            if said <= MOST_SAID {
                cx.log(&format!("  {line}"));
            } else if before <= MOST_SAID {
                cx.log("  … it says more, which is left out");
            }
        })
        .and_then(process::Outcome::success)
    else {
        return Ok(());
    };
    if let process::ProcessError::Stopped { reason, .. } = error {
        return Err(reason.into());
    }
    let mut summary = format!("command `{when}` failed: {}", with_causes(&error));
    if let process::ProcessError::Failed { tail, .. } = &error
        && let Some(line) = tail.lines().last()
    {
        summary.push_str(": ");
        summary.push_str(line);
    }
    Err(Failure::new(summary).hint(error.hint().unwrap_or_else(|| {
        if when == "before" {
            "nothing was read; the commands `after` were run".to_owned()
        } else {
            "check that what it starts is running again".to_owned()
        }
    })))
}
