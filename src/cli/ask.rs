//! Asking whoever sits at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use super::failure::{Failure, USAGE};

/// Whether somebody is there to answer.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal()
}

/// The answer to a question, without the space around it.
pub(super) fn answer(question: &str) -> io::Result<String> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Goes on with one of these answers only; without a terminal, somebody must have said `--yes`.
pub(super) fn confirm(question: &str, yes: &[&str]) -> anyhow::Result<()> {
    if !somebody_is_there() {
        let failure = Failure::new("nobody is there to confirm this; nothing was changed");
        return Err(Failure { code: USAGE, ..failure }.hint("give `--yes`").into());
    }
    if yes.contains(&answer(question)?.as_str()) {
        return Ok(());
    }
    Err(Failure::new("nothing was changed").into())
}

/// The text of a file with an age identity.
pub(super) fn read_identity(path: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(path) = path else { return Ok(None) };
    std::fs::read_to_string(path).map(Some).map_err(|error| {
        anyhow::Error::new(error).context(format!("cannot read `{}`", path.display()))
    })
}
