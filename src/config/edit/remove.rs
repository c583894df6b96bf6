//! Taking a peer out of the configuration: what that comes to, and doing it where the file is ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{EditError, MARK, errors, place_of, secret_of};
use crate::config::judge::judge_files;
use crate::config::keys::Kind;
use crate::config::tree::{self, Value};
use crate::config::{Diagnostic, Files, read_dir};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;

/// What taking a peer out of the configuration comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The file in which it stands, relative to the directory.
    pub file: String,
    /// Which lines of it are about the peer, as `6-8,12`; `None` where only a person can tell.
    pub lines: Option<String>,
    /// These lines.
    pub toml: String,
    /// Whether nothing else stands in that file.
    pub is_alone: bool,
    /// Whether larder wrote it, and removes it itself.
    pub is_ours: bool,
    /// The file of its token that goes with it, relative to the directory.
    pub secret: Option<String>,
    /// What still needs it, and where that stands: first this has to change.
    pub needed_by: Vec<String>,
}

/// Finds out what taking a peer out comes to. Nothing changes.
///
/// # Errors
/// There is no such peer, or the directory cannot be read.
pub fn look_at_removal(dir: &Path, name: &PlaceName) -> Result<Removal, EditError> {
    let (files, diagnostics) = read_dir(dir)?;
    let found = find(&files, name).ok_or_else(|| EditError::Unknown(name.to_string()))?;
    let ranges = ranges(&found.text, name);
    let is_alone = found.is_alone;
    let about = |number: usize| ranges.iter().any(|(a, b)| (*a..=*b).contains(&number));
    let numbered = || found.text.lines().zip(1_usize..);
    let toml: String = if is_alone {
        found.text.clone()
    } else {
        text_of(numbered().filter(|(_, number)| about(*number)))
    };
    let without = if is_alone {
        Some(files.clone().without(&found.file))
    } else if ranges.is_empty() {
        None
    } else {
        let rest = numbered().filter(|(_, number)| !about(*number));
        Some(files.clone().with(&found.file, text_of(rest)))
    };
    // Only a token that this very table names.
    let names_it = found.is_ours && found.text.contains(&format!("../{}\"", secret_of(name)));
    Ok(Removal {
        lines: words(&ranges),
        toml,
        is_alone,
        is_ours: found.is_ours,
        secret: names_it.then(|| secret_of(name)).filter(|secret| dir.join(secret).exists()),
        needed_by: needed_by((files, without), diagnostics, dir, name),
        file: found.file,
    })
}

fn text_of<'a>(lines: impl Iterator<Item = (&'a str, usize)>) -> String {
    lines.flat_map(|(line, _)| [line, "\n"]).collect()
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The table's file.
    pub file: PathBuf,
    /// The file of its token, where that was written here.
    pub secret: Option<PathBuf>,
}

/// Removes a peer that was written here.
///
/// # Errors
/// There is none, somebody else wrote it, something needs it, or it cannot be removed.
pub fn remove_peer(dir: &Path, name: &PlaceName) -> Result<Removed, EditError> {
    super::own_text(dir, name)?;
    let Removal { secret, needed_by: by, .. } = look_at_removal(dir, name)?;
    if !by.is_empty() {
        return Err(EditError::Needed { name: name.to_string(), by });
    }
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|()| true).map_err(|source| EditError::Io {
            what: "remove",
            path: path.to_owned(),
            source,
        }),
    };
    let file = dir.join(place_of(name));
    remove(&file)?;
    let hidden = secret.map(|secret| dir.join(secret));
    let secret = match hidden {
        Some(hidden) => remove(&hidden)?.then_some(hidden),
        None => None,
    };
    Ok(Removed { file, secret })
}

/// Where a peer stands.
pub(super) struct Found {
    /// The file, relative to the directory.
    file: String,
    /// Its text.
    pub(super) text: String,
    /// The line of its table.
    line: u32,
    /// Whether it is alone in there.
    is_alone: bool,
    /// Whether the file was written here, and holds nothing else.
    pub(super) is_ours: bool,
}

impl Found {
    /// Why a file of somebody else stays.
    pub(super) fn foreign(&self, name: &PlaceName) -> EditError {
        let lines = match words(&ranges(&self.text, name)) {
            Some(lines) => format!("{}:{lines}", self.file),
            None => format!("it from `{}`", self.file),
        };
        let place = format!("{}:{}", self.file, self.line);
        EditError::Foreign { name: name.to_string(), place, lines }
    }
}

/// Finds the table of a peer.
pub(super) fn find(files: &Files, name: &PlaceName) -> Option<Found> {
    files.files.iter().find_map(|(file, text)| {
        let (entries, _) = tree::parse(text);
        let peers = entries.iter().find(|entry| entry.key == Kind::Peer.word())?;
        let Value::Table(named) = &peers.node.value else { return None };
        let line = named.iter().find(|entry| entry.key == name.as_str())?.at.line;
        let is_alone = entries.len() == 1 && named.len() == 1;
        let is_ours = is_alone && text.starts_with(MARK) && *file == place_of(name);
        Some(Found { file: file.clone(), text: text.clone(), line, is_alone, is_ours })
    })
}

/// What still needs a peer: what sends to it, and whatever else would not be valid without it.
fn needed_by(
    (before, after): (Files, Option<Files>),
    diagnostics: Vec<Diagnostic>,
    dir: &Path,
    name: &PlaceName,
) -> Vec<String> {
    let before = judge_files(before, diagnostics.clone(), dir);
    let by = before.desired.as_ref().map(|desired| sends_to(desired, name)).unwrap_or_default();
    let Some(after) = after.filter(|_| by.is_empty()) else { return by };
    let known = errors(before.diagnostics);
    // Mistakes that are there already are no reason to keep it.
    let is_new = |one: &Diagnostic| {
        !known.iter().any(|old| old.file == one.file && old.message == one.message)
            && !one.message.starts_with("nothing is configured")
    };
    let after = errors(judge_files(after, diagnostics, dir).diagnostics);
    let new = after.into_iter().filter(is_new);
    new.map(|one| format!("{}:{}: {}", one.file, one.line, one.message)).collect()
}

/// What sends to a place, with where that is said.
fn sends_to(desired: &Desired, name: &PlaceName) -> Vec<String> {
    let jobs = desired.jobs.values().chain(desired.templates.values());
    jobs.filter(|job| job.send_to.iter().any(|send| send.to == *name))
        .map(|job| format!("job `{}` sends to it ({})", job.name, job.place))
        .collect()
}

/// Which lines of a file are about a peer: those of its tables, as far as their headers say so.
fn ranges(text: &str, name: &PlaceName) -> Vec<(usize, usize)> {
    let is_ours = |header: &str| {
        let inner = header.trim_start_matches('[').split(']').next().unwrap_or_default();
        let rest = inner.trim().strip_prefix("peer.").unwrap_or_default().trim();
        [name.to_string(), format!("\"{name}\"")].iter().any(|own| {
            rest.strip_prefix(own.as_str())
                .is_some_and(|more| more.is_empty() || more.starts_with('.'))
        })
    };
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut inside = false;
    for (line, number) in text.lines().zip(1_usize..) {
        if line.trim_start().starts_with('[') && !line.contains('=') {
            inside = is_ours(line.trim());
            if inside {
                ranges.push((number, number));
            }
        } else if inside
            && !line.trim().is_empty()
            && let Some(last) = ranges.last_mut()
        {
            last.1 = number;
        }
    }
    ranges
}

/// `6-8,12`.
fn words(ranges: &[(usize, usize)]) -> Option<String> {
    let word = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    (!ranges.is_empty()).then(|| ranges.iter().map(word).collect::<Vec<_>>().join(","))
}
