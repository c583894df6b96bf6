//! `larder check`: every mistake of the configuration, with its line.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::context::Context;
use super::failure::{FAILED, Failure};
use super::words::count;
use crate::api::dto;
use crate::causes::with_causes;
use crate::config::{self, Changes, ConfigError, Diagnostic, Judged, Severity};
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
  larder check --with new --without old.toml        the files of a directory before they are copied,
                                                 and one before it is removed

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
    /// Judge every `*.toml` below this directory as if it stood in the configuration
    #[arg(long, value_name = "DIR")]
    with: Option<PathBuf>,
    /// Judge as if this file were not there, relative to the configuration directory; repeatable
    #[arg(long, value_name = "REL")]
    without: Vec<String>,
}

/// Reads and judges a configuration as it would be with these changes.
fn read(dir: &Path, changes: Changes) -> anyhow::Result<Judged> {
    config::judge(dir, changes).map_err(unreadable)
}

fn unreadable(error: ConfigError) -> anyhow::Error {
    let hint = error.hint();
    let causes: Vec<String> = anyhow::Error::new(error).chain().map(ToString::to_string).collect();
    Failure::new(causes.join(": ")).hint(hint).into()
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

/// Where an option's file is, if one would be read there.
fn place_in(dir: &Path, option: &str, place: &str) -> anyhow::Result<String> {
    config::place_in(dir, place).map_err(|error| {
        let named = format!("`{option} {place}`");
        let text = error.to_string().replacen(&format!("`{place}`"), &named, 1);
        Failure::new(text).hint(error.hint()).into()
    })
}

/// What is to be judged otherwise than it stands in the directory, and what is wrong with the files
/// that say so.
fn changes(dir: &Path, arguments: &Arguments) -> anyhow::Result<(Changes, Vec<Diagnostic>)> {
    let (files, found) = match &arguments.with {
        None => Default::default(),
        Some(with) => match config::read_dir(with) {
            Ok(read) => read,
            // Nothing to put there, as where there is only something to remove.
            Err(ConfigError::Empty(_)) => Default::default(),
            Err(error) => return Err(unreadable(error)),
        },
    };
    let mut changes = Changes { texts: files.files, ..Changes::default() };
    for place in &arguments.without {
        changes.gone.insert(place_in(dir, "--without", place)?);
    }
    if let (Some(file), Some(place)) = (&arguments.file, &arguments.r#as) {
        changes.texts.insert(place_in(dir, "--as", place)?, read_file(file)?);
    }
    Ok((changes, found))
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
    let mut diagnostics = read(dir, Changes::of(place, text))?.diagnostics;
    diagnostics.retain(Diagnostic::is_error);
    Ok(diagnostics)
}

/// The configuration as it is now, where it has no error.
pub(super) fn read_desired(dir: &Path) -> anyhow::Result<Desired> {
    let checked = read(dir, Changes::default())?;
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
    let (changes, found) = changes(&context.config_dir, arguments)?;
    let judged = match config::judge(&context.config_dir, changes) {
        // Whoever reads the list finds this in it, too.
        Err(error) if context.is_json() => {
            let hint = error.hint();
            let one = Diagnostic::of_file("", Severity::Error, with_causes(&error));
            context.print_json(&[dto::Diagnostic::from(&one.with_hint(hint))])?;
            return Ok(FAILED);
        }
        judged => judged.map_err(unreadable)?,
    };
    let Judged { desired, files, mut diagnostics } = judged;
    // What cannot be read of the new files is as bad as what cannot be understood.
    let desired = desired.filter(|_| !found.iter().any(Diagnostic::is_error));
    diagnostics.extend(found);
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
                let jobs = desired.jobs.values();
                let (own, jobs): (Vec<_>, Vec<_>) = jobs.partition(|job| job.is_built_in());
                let own = if own.is_empty() { "" } else { " and the configuration itself" };
                format!(
                    "`{dir}` is valid: {}{own}, {}{remarks}",
                    count(jobs.len(), "job"),
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
