//! The commands that a job names, last of all.

use super::super::execute::{Done, Site};
use super::super::order::Line;
use super::super::{Trouble, Watch};

/// Runs them one after the other; the first that fails ends it.
pub(in super::super) fn run(
    commands: &[Line],
    site: &Site<'_>,
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    for command in commands {
        watch.log(&format!("run `{}`", command.program()));
        super::command(&command.model(), site.timeout(), watch)?;
    }
    let detail = match commands.len() {
        1 => "1 command".to_owned(),
        number => format!("{number} commands"),
    };
    Ok(Done { detail, ..Done::default() })
}
