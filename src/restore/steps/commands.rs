//! The commands that a job names, last of all.

use super::super::execute::{Done, Site};
use super::super::{Trouble, Watch};
use crate::model::job::Command;

/// Runs them one after the other; the first that fails ends it.
pub(in super::super) fn run(
    commands: &[Command],
    site: &Site<'_>,
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    for (index, command) in commands.iter().enumerate() {
        watch.log(&format!("run `{}`", command.shown().unwrap_or("…")));
        super::command(command, site.timeout(), watch).map_err(|error| {
            let trouble = super::of_process(error);
            if trouble.stopped.is_some() {
                return trouble;
            }
            // What it says is in the log and nowhere else: nobody knows what a command prints.
            let what = command.named(index, commands.len(), "post_restore_commands");
            let hint = trouble.hint.unwrap_or_else(|| "the log has what it said".to_owned());
            Trouble::new(format!("{what} failed: {}", trouble.why)).hint(hint)
        })?;
    }
    let detail = match commands.len() {
        1 => "1 command".to_owned(),
        number => format!("{number} commands"),
    };
    Ok(Done { detail, ..Done::default() })
}
