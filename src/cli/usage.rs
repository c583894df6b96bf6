//! What is said of a command line that cannot be understood.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use super::Cli;

/// An option that has a default, as `clap` puts it into a usage when the environment sets it.
const CONFIG: &str = " --config <DIR>";

/// The command line of this process. One that cannot be understood ends the process with why.
#[must_use]
pub fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| worded(error).exit())
}

/// Without what nobody has to write, and without commands that are not for people.
fn worded(mut error: Error) -> Error {
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let usage = usage.to_string().replace(CONFIG, "");
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage.into()));
    }
    if error.kind() == ErrorKind::MissingSubcommand
        && let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidSubcommand)
    {
        let program = Cli::command();
        let is_hidden =
            |name: &String| program.find_subcommand(name).is_some_and(clap::Command::is_hide_set);
        let known = known.iter().filter(|name| !is_hidden(name)).cloned().collect();
        error.insert(ContextKind::ValidSubcommand, ContextValue::Strings(known));
    }
    error
}
