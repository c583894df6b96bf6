//! The steps of a restore, one file each.

use std::time::Duration;

use super::{Trouble, Watch};
use crate::model::job::Command;
use crate::process::{self, ProcessError, Runner};

pub(super) mod user;
pub(super) mod files;
pub(super) mod permissions;
pub(super) mod database;
pub(super) mod service;
pub(super) mod yunohost;
pub(super) mod commands;

/// What a program that failed means. What it said is in the log: see [`ProcessError::hint`].
pub(super) fn of_process(error: ProcessError) -> Trouble {
    match error {
        ProcessError::Stopped { reason, .. } => reason.into(),
        error => {
            let hint = error.hint();
            Trouble { hint, ..Trouble::of(&error) }
        }
    }
}

/// Runs a program of the system; what it says goes to the log.
fn system(argv: &[&str], timeout: Duration, watch: &mut Watch<'_>) -> Result<(), Trouble> {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    command(&Command::Argv(argv), timeout, watch).map_err(|error| {
        let hint = error.hint_of_ours();
        let trouble = of_process(error);
        Trouble { hint: hint.filter(|_| trouble.stopped.is_none()), ..trouble }
    })
}

/// Runs a command; what it says goes to the log. Directly: whoever carries out a restore is outside
/// of the daemon's sandbox already.
fn command(
    command: &Command,
    timeout: Duration,
    watch: &mut Watch<'_>,
) -> Result<(), ProcessError> {
    let Watch { stop, log, .. } = watch;
    Runner::Direct
        .run(command, &[], timeout, stop, &mut |_, line| log(&format!("| {line}")))
        .and_then(process::Outcome::success)
        .map(drop)
}
