//! Why a command could not do what it was asked for, in words and as an exit code.

use std::fmt::Write as _;

use super::{Cli, Context};
use crate::api::problem::Problem;
use crate::engine::StartError;

/// Something failed, or is invalid.
pub(super) const FAILED: u8 = 1;
/// The command line is not what it should be.
pub(super) const USAGE: u8 = 2;
/// How an API says that.
const BAD_REQUEST: u16 = 400;
/// Deletions wait for approval.
pub(super) const BLOCKED: u8 = 4;
/// A plan has something to do.
pub(super) const CHANGES: u8 = 5;
/// Another process has the state.
pub(super) const IN_USE: u8 = 75;

/// A failure with its remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: u8,
    /// What could not be done, to what, and why.
    pub(super) message: String,
    /// Lines that belong to it.
    pub(super) details: Vec<String>,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// The run that is in the way.
    pub(super) run_id: Option<u64>,
    /// The HTTP status, where an API said so.
    pub(super) status: Option<u16>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            code: FAILED,
            message: message.into(),
            details: Vec::new(),
            hint: None,
            run_id: None,
            status: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let candidates = problem.candidates.iter().map(|candidate| {
            format!(
                "{}  {}/{} at {}",
                candidate.id, candidate.origin, candidate.name, candidate.location
            )
        });
        Self {
            // What the API does not understand was not written as it must be.
            code: if problem.status == BAD_REQUEST { USAGE } else { FAILED },
            details: candidates.collect(),
            hint: problem.hint,
            run_id: problem.run_id,
            status: Some(problem.status),
            ..Self::new(problem.detail)
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            StartError::InUse { .. } => Self { code: IN_USE, ..failure }
                .hint("wait until it is done, or give the command where the daemon runs"),
            StartError::Config { .. } => failure.hint("`larder check` shows them"),
            StartError::Read(_) => failure
                .hint(
                "give another directory with `--config`, or write one with `larder init`; of a daemon \
                 that runs all the same, name the control socket in `LARDER_SOCKET`",
            ),
            StartError::State(_) => failure.hint(
                "be root, or the user that owns `state_dir`, and free space there; `larder check --live` says more",
            ),
        }
    }
}

/// What was refused of several orders: one that is refused keeps the others neither from being
/// given nor from being waited for.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    first: Option<anyhow::Error>,
}

impl Refusals {
    /// What came of an order. The first refusal is what the command ends with; others are told.
    pub(super) fn take<T>(&mut self, context: &Context, result: anyhow::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if self.first.is_some() {
                    context.warn(&format!("{error:#}"));
                } else {
                    self.first = Some(error);
                }
                None
            }
        }
    }

    /// How the command ends whose orders were carried out with this exit code.
    pub(super) fn end(self, code: u8) -> anyhow::Result<u8> {
        self.first.map_or(Ok(code), Err)
    }
}

/// An error and its remedy, each on lines of their own.
#[must_use]
pub fn explain(error: &anyhow::Error, cli: &Cli) -> String {
    let color = Context::new(&cli.global).color_on_stderr;
    let mut text = String::new();
    let (red, blue, reset) =
        if color { ("\x1b[1;31m", "\x1b[1;34m", "\x1b[0m") } else { ("", "", "") };
    // Writing to a `String` cannot fail.
    let _ = write!(text, "{red}error{reset}: {error}");
    for cause in error.chain().skip(1) {
        let _ = write!(text, ": {cause}");
    }
    text.push('\n');
    if let Some(failure) = error.downcast_ref::<Failure>() {
        for line in &failure.details {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(hint) = &failure.hint {
            let _ = writeln!(text, "{blue}hint{reset}: {hint}");
        }
    }
    text
}

/// The exit code of an error.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(FAILED, |failure| failure.code)
}
