//! What every command knows of its surroundings: options, terminal, colours.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::words::relative;
use super::{Color, Format, Global};
use crate::api::dto::Moment;

/// From how many columns on a terminal has room for dates.
const ROOMY: u16 = 120;

/// The surroundings of a command.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// The configuration directory.
    pub(super) config_dir: PathBuf,
    /// How data is printed.
    pub(super) format: Format,
    /// Whether only errors are told.
    pub(super) quiet: bool,
    /// Whether data is coloured.
    pub(super) color: bool,
    /// Whether messages are coloured.
    pub(super) color_on_stderr: bool,
    /// Whether progress can be drawn.
    pub(super) draws: bool,
    /// Columns of the terminal that data goes to, if it goes to one.
    pub(super) width: Option<u16>,
}

impl Context {
    pub(super) fn new(global: &Global) -> Self {
        let wanted = |is_terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let silenced = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !silenced && !dumb
            }
        };
        let terminal = io::stdout().is_terminal();
        let columns = rustix::termios::tcgetwinsize(io::stdout()).map(|size| size.ws_col);
        Self {
            config_dir: global.config.clone(),
            format: global.format,
            quiet: global.quiet,
            color: wanted(terminal),
            color_on_stderr: wanted(io::stderr().is_terminal()),
            draws: io::stderr().is_terminal() && !global.quiet,
            width: columns.ok().filter(|columns| terminal && *columns > 0),
        }
    }

    /// Whether data is printed as JSON.
    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints data. A reader that went away (`| head`) is no failure: nobody is left to tell.
    #[expect(clippy::unused_self, reason = "commands print through their surroundings")]
    pub(super) fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            result => result.context("cannot write to standard output"),
        }
    }

    /// Prints data as JSON.
    pub(super) fn print_json<T: Serialize + ?Sized>(&self, value: &T) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        self.print(&text)
    }

    /// A moment for a table: exact where there is room, else how long ago.
    pub(super) fn when(&self, at: Moment, now: Timestamp) -> String {
        let relative = relative(at.timestamp(), now);
        if self.width.is_some_and(|width| width < ROOMY) {
            relative
        } else {
            format!("{} ({relative})", at.short())
        }
    }

    /// Tells something that is no data.
    pub(super) fn tell(&self, text: &str) {
        if !self.quiet {
            self.tell_always(text);
        }
    }

    /// Tells it also to those who want to hear of errors only.
    #[expect(clippy::unused_self, reason = "commands print through their surroundings")]
    pub(super) fn tell_always(&self, text: &str) {
        // Nobody is left to tell that nobody listens.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Tells what somebody should look at, in the form of an error.
    pub(super) fn warn(&self, text: &str) {
        let head = if self.color_on_stderr { "\x1b[1;33mwarning\x1b[0m" } else { "warning" };
        let _ = writeln!(io::stderr(), "{head}: {text}");
    }
}
