//! `larder check`: every mistake of the configuration, with its line.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::context::Context;
use super::failure::{FAILED, Failure};
use super::words::count;
use crate::api::dto;
use crate::config::{self, Diagnostic, Judged, Severity};
use crate::model::desired::Desired;

mod members;

/// The configuration is valid, and this host lacks something that it asks for.
const HOST_LACKS: u8 = 3;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder check                                   the configuration in /etc/larder
  larder check --config . --format json          in a CI: one object for each mistake
  larder check --live                            also paths, secrets and programs of this host
  larder check --file new.toml --as jobs/web.toml   judge a file before it replaces another
  larder check --file - --as jobs/web.toml          the same from standard input

Exit codes: 0 valid, 1 invalid, 3 valid but this host lacks something (--live)")]
pub(super) struct Arguments {
    /// Also look at this host: paths, secret files and their modes, programs, what `*` stands for
    #[arg(long)]
    live: bool,
    /// Judge this file (`-`: standard input) as if it stood in the configuration
    #[arg(long, value_name = "FILE", requires = "as")]
    file: Option<PathBuf>,
    /// Where it would stand, relative to the configuration directory
    #[arg(long, value_name = "REL", requires = "file")]
    r#as: Option<String>,
}

/// Reads and judges a configuration, with one file replaced where that is asked for.
fn read(dir: &Path, replaced: Option<(String, String)>) -> anyhow::Result<Judged> {
    config::judge(dir, replaced).map_err(|error| {
        let hint = error.hint();
        let causes: Vec<String> =
            anyhow::Error::new(error).chain().map(ToString::to_string).collect();
        Failure::new(causes.join(": ")).hint(hint).into()
    })
}

/// The mistakes as people read them.
pub(super) fn render(context: &Context, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&render_one(context, diagnostic));
    }
    text
}

fn render_one(context: &Context, diagnostic: &Diagnostic) -> String {
    if diagnostic.line > 0 || !diagnostic.file.is_empty() {
        return config::render(std::slice::from_ref(diagnostic), context.color);
    }
    // What stands in no file has no margin either.
    let (bold, blue, reset) =
        if context.color { ("\x1b[1m", "\x1b[1;34m", "\x1b[0m") } else { ("", "", "") };
    let word = diagnostic.severity.word();
    let hint = diagnostic.hint.as_ref();
    let hint = hint.map_or_else(String::new, |hint| format!("{blue}hint{reset}: {hint}\n"));
    format!("{bold}{word}{reset}: {}\n{hint}\n", diagnostic.message)
}

/// Where `--as` is, if a file would be read there.
fn place_in(dir: &Path, place: &str) -> anyhow::Result<String> {
    config::place_in(dir, place).map_err(|error| {
        let text = error.to_string().replacen(&format!("`{place}`"), &format!("`--as {place}`"), 1);
        Failure::new(text).hint(error.hint()).into()
    })
}

fn read_file(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return io::read_to_string(io::stdin()).context("cannot read standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

/// Gives what was found on this host the line of the configuration that asks for it.
fn with_lines(found: Vec<Diagnostic>, files: &config::Files) -> Vec<Diagnostic> {
    let line_of = |one: &Diagnostic| {
        let number = usize::try_from(one.line).ok()?.checked_sub(1)?;
        files.files.get(&one.file)?.lines().nth(number)
    };
    let with_line = |mut one: Diagnostic| {
        if let Some(line) = line_of(&one).filter(|_| one.source_line.is_empty()) {
            one.source_line = line.to_owned();
            let rest = line.chars().skip(one.column.saturating_sub(1) as usize);
            let word = rest.take_while(|c| !matches!(c, ']' | '=' | ' ' | '\t')).count();
            one.end_column = one.column.saturating_add(u32::try_from(word).unwrap_or(1));
        }
        one
    };
    found.into_iter().map(with_line).collect()
}

/// What would be wrong if this text stood at `place` in the configuration.
pub(super) fn errors_with(dir: &Path, place: &str, text: &str) -> anyhow::Result<Vec<Diagnostic>> {
    let mut diagnostics = read(dir, Some((place.to_owned(), text.to_owned())))?.diagnostics;
    diagnostics.retain(Diagnostic::is_error);
    Ok(diagnostics)
}

/// The configuration as it is now, where it has no error.
pub(super) fn read_desired(dir: &Path) -> anyhow::Result<Desired> {
    let checked = read(dir, None)?;
    checked.desired.ok_or_else(|| {
        let errors = checked.diagnostics.iter();
        let errors = errors.filter(|d| d.severity == Severity::Error).count();
        let dir = dir.display();
        Failure::new(format!("the configuration in `{dir}` has {}", count(errors, "error")))
            .hint("`larder check` shows them")
            .into()
    })
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let replaced = match (&arguments.file, &arguments.r#as) {
        (Some(file), Some(place)) => {
            Some((place_in(&context.config_dir, place)?, read_file(file)?))
        }
        _ => None,
    };
    let Judged { desired, files, mut diagnostics } = read(&context.config_dir, replaced)?;
    let live = match &desired {
        Some(desired) if arguments.live => {
            let mut found = config::check_live(desired);
            let odd = members::check(desired, &found);
            found.extend(odd);
            with_lines(found, &files)
        }
        Some(_) | None => Vec::new(),
    };
    let of = |list: &[Diagnostic], severity| list.iter().filter(|d| d.severity == severity).count();
    let errors = of(&diagnostics, Severity::Error);
    let lacks = of(&live, Severity::Error);
    diagnostics.extend(live);
    let warnings = of(&diagnostics, Severity::Warning);

    if context.is_json() {
        let list: Vec<_> = diagnostics.iter().map(dto::Diagnostic::from).collect();
        context.print_json(&list)?;
    } else {
        context.print(&render(context, &diagnostics))?;
        let remarks =
            if warnings > 0 { format!(", {}", count(warnings, "warning")) } else { String::new() };
        let dir = context.config_dir.display();
        context.tell(&match (&desired, lacks) {
            (None, _) => format!("`{dir}` is invalid: {}{remarks}", count(errors, "error")),
            (Some(_), 1..) => {
                format!("`{dir}` is valid, and this host lacks {}{remarks}", count(lacks, "thing"))
            }
            (Some(desired), 0) => {
                let written = desired.locations.values().filter(|place| place.owner.is_none());
                format!(
                    "`{dir}` is valid: {}, {}{remarks}",
                    count(desired.jobs.len(), "job"),
                    count(written.count(), "location")
                )
            }
        });
    }
    Ok(match (desired, lacks) {
        (None, _) => FAILED,
        (Some(_), 1..) => HOST_LACKS,
        (Some(_), 0) => 0,
    })
}
