//! The configuration: a directory of TOML files becomes [`Desired`], or every mistake in it.
//!
//! Files are read ([`read_dir`]), parsed into trees that know their places, read by the
//! descriptions of their keys, and checked against each other. Every mistake of every file is
//! told in one go. What is written is either carried out or refused; nothing is ignored.
//!
//! **Invariants:** a [`Desired`] is whole and consistent, and it never stems from an empty,
//! vanished or unreadable directory. The program writes into the directory from [`edit`] alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256 as Hasher};

use crate::model::archive::Sha256;
use crate::model::desired::Desired;

mod build;
mod certificate;
mod commit;
mod context;
mod diagnostic;
mod exposed;
mod form;
pub(crate) mod keys;
mod judge;
mod last_good;
mod live;
mod nearest;
mod paths;
mod read;
mod table;
mod tree;
mod units;
mod value;

pub mod edit;
pub mod schema;
pub mod show;
pub mod watch;

pub use certificate::{CertificateError, fingerprint, read_certificate};
pub use commit::commit_of;
pub use diagnostic::{Diagnostic, Severity, render, to_json};
pub use judge::{Changes, Judged, PlaceError, judge, judge_alone, judge_instead, place_in};
pub use last_good::{LastGood, LastGoodError, Stale};
pub use live::{KindHere, check_live, peer_kinds};
pub use paths::{InstancePaths, USUAL_CONTROL_SOCKET, USUAL_DIR, instance_paths};
pub use read::{ConfigError, read_dir};

use build::{Built, Failure, Terms, build};
use context::{Finding, Object};
use keys::Kind;
use tree::Span;

/// What was read: every `*.toml` below the directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// Texts by path relative to the directory, with `/` between its parts.
    pub files: BTreeMap<String, String>,
    /// Files that are there and could not be read, or must not be: what they said last stays.
    /// `dir/` stands for all below a directory, the empty text for everything.
    pub unread: BTreeSet<String>,
    /// The file whose objects stand in for those of the same name in all others.
    pub instead: Option<String>,
}

impl Files {
    /// These files, as if `text` stood in the file `rel`.
    #[must_use]
    pub fn with(mut self, rel: &str, text: impl Into<String>) -> Self {
        self.unread.remove(rel);
        self.files.insert(rel.to_owned(), text.into());
        self
    }

    /// These files without one of them.
    #[must_use]
    pub fn without(mut self, rel: &str) -> Self {
        self.files.remove(rel);
        self
    }

    /// SHA-256 over all names and contents, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hash = Hasher::new();
        for (name, text) in &self.files {
            for part in [name, text] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Sha256(hash.finalize().into()).to_string()
    }
}

/// What came of reading a configuration.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What is wanted: of the files themselves without an error, else what stays in force.
    pub desired: Option<Desired>,
    /// Every mistake, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What is not in force as it is written now, and why.
    pub stale: Vec<Stale>,
    /// What to store, so that the next broken edit and the next start can fall back on it.
    pub last_good: LastGood,
}

/// Reads a configuration that must be right as a whole: `desired` is there when there is no error.
#[must_use]
pub fn parse(files: &Files, dir: &Path) -> Parsed {
    parse_with_last_good(files, &LastGood::default(), dir)
}

/// Reads a configuration of which what is broken stays as it was last good, object by object.
///
/// A file that is not TOML leaves all its objects as they were; in one that is, a broken object
/// stays as it was and the others take effect; what is gone from it is gone. Where that does not
/// fit together, the whole last good configuration stays.
#[must_use]
pub fn parse_with_last_good(files: &Files, last_good: &LastGood, dir: &Path) -> Parsed {
    let dir = last_good::absolute(dir);
    let mut findings = Vec::new();
    let mut torn = BTreeMap::new();
    let mut objects = Vec::new();
    for file in &files.unread {
        let reason = match file.as_str() {
            "" => "the directory must not be read".to_owned(),
            file => format!("`{file}` could not be read"),
        };
        torn.extend([last_good::torn_file(file, 0, 0, reason)]);
    }
    for (file, text) in &files.files {
        objects.extend(objects_of(file, text, &mut findings, &mut torn));
    }
    if let Some(file) = &files.instead {
        let own: BTreeSet<_> =
            objects.iter().filter(|o| o.file == *file).map(|o| o.id.clone()).collect();
        objects.retain(|object| object.file == *file || !own.contains(&object.id));
    }
    let torn_files: Vec<String> = torn.keys().cloned().collect();
    let terms = Terms { dir: &dir, torn: &torn_files };
    let Built { desired, findings: found, failed } = build(&objects, terms);
    // Beside a syntax error the parser has guessed: what else its line says is not worth telling.
    let guessed: BTreeSet<(String, u32)> =
        findings.iter().map(|finding| (finding.file.clone(), finding.at.line)).collect();
    findings.extend(found.into_iter().filter(|f| !guessed.contains(&(f.file.clone(), f.at.line))));
    if objects.is_empty() && torn.is_empty() {
        findings.push(nothing(files));
    }
    let diagnostics = diagnose(files, findings);
    let is_good = torn.is_empty() && !diagnostics.iter().any(Diagnostic::is_error);
    let hash = files.hash();
    if let (true, Some(desired)) = (is_good, desired) {
        let last_good = LastGood::of(&objects);
        let desired = Some(Desired { hash, ..desired });
        return Parsed { desired, diagnostics, stale: Vec::new(), last_good };
    }
    if last_good.is_empty() {
        let last_good = LastGood::default();
        return Parsed { desired: None, diagnostics, stale: Vec::new(), last_good };
    }
    let merged = last_good::merge(&objects, &torn, &failed, last_good, terms);
    let last_good = LastGood::of(&merged.objects);
    let hash = Hasher::digest(format!("in force: {}", last_good.to_json()));
    let hash = Sha256(hash.into()).to_string();
    let desired = merged.built.desired.map(|desired| Desired { hash, ..desired });
    Parsed { desired, diagnostics, stale: merged.stale, last_good }
}

/// The objects of one file; its syntax errors are reported.
fn objects_of(
    file: &str,
    text: &str,
    findings: &mut Vec<Finding>,
    torn: &mut BTreeMap<String, Failure>,
) -> Vec<Object> {
    let (entries, errors) = tree::parse(text);
    let mut report = |at: Span, message: String, hint: Option<String>| {
        let (file, severity) = (file.to_owned(), Severity::Error);
        findings.push(Finding { file, at, severity, message, hint, secret: false });
    };
    let is_torn = !errors.is_empty();
    if let Some(first) = errors.first() {
        let reason = format!("`{file}` has a syntax error");
        torn.extend([last_good::torn_file(file, first.at.line, first.at.column, reason)]);
    }
    for error in errors {
        report(error.at, error.message, error.hint.map(str::to_owned));
    }
    let mut objects = Vec::new();
    for entry in entries {
        let Some(kind) = Kind::from_word(&entry.key) else {
            let has_keys =
                matches!(&entry.node.value, tree::Value::Table(keys) if !keys.is_empty());
            if is_torn && !has_keys {
                // Its header may have been lost with a syntax error.
                continue;
            }
            let known = Kind::ALL.map(Kind::word);
            let hint = nearest::suggestion(&entry.key, &known, "known here");
            report(entry.at, format!("unknown table `{}`", entry.key), hint);
            continue;
        };
        if kind.is_single() {
            objects.push(Object::of(kind, "", file, entry, is_torn));
            continue;
        }
        match entry.node.value {
            tree::Value::Table(named) => objects.extend(named.into_iter().map(|entry| {
                let name = entry.key.clone();
                Object::of(kind, &name, file, entry, is_torn)
            })),
            other => report(
                entry.at,
                format!("`{}` must be tables with names, and is {}", kind.word(), other.words()),
                Some(format!("write `[{}.NAME]`", kind.word())),
            ),
        }
    }
    objects
}

fn nothing(files: &Files) -> Finding {
    Finding {
        file: files.files.keys().next().cloned().unwrap_or_default(),
        at: Span::default(),
        severity: Severity::Error,
        message: "nothing is configured".to_owned(),
        hint: Some("an empty configuration is never taken as a wish to have nothing".to_owned()),
        secret: false,
    }
}

/// Gives findings their lines, and their one order.
fn diagnose(files: &Files, findings: Vec<Finding>) -> Vec<Diagnostic> {
    let lines: BTreeMap<&str, Vec<&str>> = findings
        .iter()
        .filter_map(|finding| {
            let (name, text) = files.files.get_key_value(&finding.file)?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            Some((name.as_str(), text.split('\n').collect()))
        })
        .collect();
    let mut secrets: BTreeMap<(String, u32), Vec<Span>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.secret) {
        secrets.entry((finding.file.clone(), finding.at.line)).or_default().push(finding.at);
    }
    let mut diagnostics: Vec<Diagnostic> = findings
        .into_iter()
        .map(|finding| {
            let line = lines
                .get(finding.file.as_str())
                .and_then(|lines| lines.get((finding.at.line as usize).checked_sub(1)?))
                .map_or("", |line| line.trim_end_matches('\r'));
            let hidden = secrets.get(&(finding.file.clone(), finding.at.line));
            Diagnostic {
                source_line: shown(line, hidden.map_or(&[], Vec::as_slice)),
                file: finding.file,
                line: finding.at.line,
                column: finding.at.column,
                end_column: finding.at.end,
                severity: finding.severity,
                message: finding.message,
                hint: finding.hint,
            }
        })
        .collect();
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

/// Most characters of a line that are shown.
const LONGEST_LINE: usize = 400;

/// A line with what may be secret blotted out, at most [`LONGEST_LINE`] characters of it.
fn shown(line: &str, hidden: &[Span]) -> String {
    line.chars()
        .zip(1_u32..)
        .take(LONGEST_LINE)
        .map(|(c, column)| {
            let blot = hidden.iter().any(|span| (span.column..span.end).contains(&column));
            if blot && !matches!(c, '"' | '\'') { '*' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests;
