//! The commands around a backup.
//!
//! The commands `after` run in every case: failure, cancellation, a panic, when the run is given up
//! because it hangs (see [`crate::engine::runs::abandoned`]), and at the next start when the machine stopped in
//! between (see [`crate::engine::runs::pending_after`]).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::model::job::{Command, Job};
use crate::process::{self, ProcessError};
use crate::stop::Stop;

/// Runs `body` between the job's commands; `after` runs whatever comes of `before` and `body`. How
/// that went is given back beside what was made, and told with the failure where nothing was.
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
        for number in 0..job.before.len() {
            run_command(cx, job, When::Before, number, &cx.stop)?;
        }
        body()
    }));
    // Who comes back from a disk that hung, after the run was given up, finds that they ran: what
    // they started again is not to be started a second time.
    let after = if cx.core.take_after(cx.run.id) {
        // Not the run's own stop: a cancelled run starts its service again all the same.
        let after = run_after(cx, job, &Stop::new());
        if let Err(error) = cx.core.drop_after(cx.run.id) {
            // They run once more at the next start, which does no harm; the archive is good.
            tracing::warn!(job = %job.name, error = %with_causes(&error), "cannot note that the commands `after` ran");
        }
        after
    } else {
        Ok(())
    };
    match (result, after) {
        (Ok(Ok(value)), after) => Ok((value, after)),
        (Ok(Err(failure)), Ok(())) => Err(failure),
        (Ok(Err(failure)), Err(after)) => Err(both(failure, after)),
        (Err(panic), Ok(())) => resume_unwind(panic),
        (Err(panic), Err(after)) => {
            resume_unwind(Box::new(format!("{}; {}", panic_words(&*panic), after.summary)))
        }
    }
}

/// What a run comes to whose commands `after` went like this. What was read is good and stays; what
/// did not start again is told with it, or with why nothing was published.
pub(crate) fn with_after(
    result: Result<Done, Failure>,
    after: Result<(), Failure>,
) -> Result<Done, Failure> {
    let Err(after) = after else { return result };
    match result {
        Ok(done) => {
            let summary = format!("{}; {}", done.summary, after.summary);
            Ok(Done { warned: true, summary, ..done })
        }
        Err(failure) => Err(both(failure, after)),
    }
}

/// Two failures of one run as one: why it failed, and what did not start again.
fn both(failure: Failure, after: Failure) -> Failure {
    let summary = format!("{}; {}", failure.summary, after.summary);
    let hint = match (failure.hint, after.hint) {
        (Some(first), Some(second)) if first != second => Some(format!("{first}; {second}")),
        (first, second) => first.or(second),
    };
    Failure { summary, hint, ..failure }
}

/// What a panic says.
pub(crate) fn panic_words(panic: &(dyn Any + Send)) -> &str {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("a panic without a message")
}

/// Runs the commands `after`, all of them, also when one fails or the run was stopped.
pub(crate) fn run_after(cx: &Context, job: &Job, stop: &Stop) -> Result<(), Failure> {
    cx.progress.enter("after");
    let mut failed: Option<Failure> = None;
    for number in 0..job.after.len() {
        if let Err(failure) = run_command(cx, job, When::After, number, stop) {
            cx.log(&failure.summary);
            failed = Some(match failed {
                Some(earlier) => both(earlier, failure),
                None => failure,
            });
        }
    }
    failed.map_or(Ok(()), Err)
}

/// How much of a command's output goes into the log of its run, in bytes.
const MOST_SAID: usize = 256 << 10;

/// Which commands of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

impl When {
    fn word(self) -> &'static str {
        match self {
            When::Before => "before",
            When::After => "after",
        }
    }

    fn commands(self, job: &Job) -> &[Command] {
        match self {
            When::Before => &job.before,
            When::After => &job.after,
        }
    }
}

/// Runs one of them. What it says goes into the log of the run and nowhere else: the summary and
/// the hint of a run are for everybody, and nobody knows what a command prints.
fn run_command(
    cx: &Context,
    job: &Job,
    when: When,
    number: usize,
    stop: &Stop,
) -> Result<(), Failure> {
    let command = &when.commands(job)[number];
    let word = when.word();
    cx.log(&format!("{word}: `{}`", command.shown().unwrap_or("…")));
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
    if let ProcessError::Stopped { reason, .. } = error {
        return Err(reason.into());
    }
    let what = command.named(number, when.commands(job).len(), word);
    let why = match &error {
        // A whole line may stand where the name of a program belongs.
        ProcessError::NotFound { .. } if command.shown().is_none() => {
            "what is written first is no program here".to_owned()
        }
        error => with_causes(error),
    };
    let hint = error.hint().unwrap_or_else(|| {
        if said > 0 {
            format!("`larder log {}` has what it said", cx.run.id)
        } else {
            "it said nothing; run it by hand".to_owned()
        }
    });
    let then = match when {
        When::Before if job.after.is_empty() => "nothing was read",
        When::Before => "nothing was read, and the commands `after` were run",
        When::After => "check that what it starts is running again",
    };
    Err(Failure::new(format!("{what} failed: {why}")).hint(format!("{hint}; {then}")))
}
