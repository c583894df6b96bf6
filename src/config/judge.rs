//! What becomes of a configuration if one of its files said something else: for the command line
//! and for the API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use super::{ConfigError, Diagnostic, Files, parse, read_dir};
use crate::model::desired::Desired;

/// What became of reading a configuration.
#[derive(Debug)]
pub struct Judged {
    /// What is wanted, when there is no error.
    pub desired: Option<Desired>,
    /// What was read.
    pub files: Files,
    /// Every mistake and warning.
    pub diagnostics: Vec<Diagnostic>,
}

/// What is thought of otherwise than it stands in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Texts of files that are there or are not, by place.
    pub texts: BTreeMap<String, String>,
    /// Places of files that are taken as gone, unless they have a text.
    pub gone: BTreeSet<String>,
}

impl Changes {
    /// One file says something else.
    #[must_use]
    pub fn of(place: &str, text: impl Into<String>) -> Self {
        Self { texts: [(place.to_owned(), text.into())].into(), gone: BTreeSet::new() }
    }

    /// Whether what stands in the directory at this place no longer counts.
    fn concern(&self, place: &str) -> bool {
        self.gone.contains(place) || self.texts.contains_key(place)
    }
}

/// Why a text cannot stand at a place of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It is not below the directory.
    #[error("`{0}` leads out of the configuration")]
    Outside(String),
    /// It is below it, and no file there has an effect.
    #[error("a file at `{0}` would not be read")]
    Unread(String),
}

impl PlaceError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            PlaceError::Outside(_) => {
                "name the place relative to the directory, for instance `jobs/web.toml`"
            }
            PlaceError::Unread(_) => "every `*.toml` is read that is not hidden",
        }
    }
}

/// Reads and judges a configuration as it would be with these changes.
///
/// # Errors
/// The directory cannot be read.
pub fn judge(dir: &Path, changes: Changes) -> Result<Judged, ConfigError> {
    let (mut files, mut diagnostics) = match read_dir(dir) {
        Ok(read) => read,
        // The file that is judged may be the first one.
        Err(ConfigError::Empty(_)) if !changes.texts.is_empty() => Default::default(),
        Err(error) => return Err(error),
    };
    // What is wrong with a file that goes is not wrong any more.
    diagnostics.retain(|diagnostic| !changes.concern(&diagnostic.file));
    files.files.retain(|place, _| !changes.concern(place));
    files.unread.retain(|place| !changes.concern(place));
    files.files.extend(changes.texts);
    Ok(judge_files(files, diagnostics, dir))
}

/// Judges a directory as if a text stood beside all files, in the directory of `place`: its objects
/// stand in for those of the same name, wherever they are written.
///
/// # Errors
/// The directory cannot be read.
pub fn judge_instead(dir: &Path, place: &str, text: String) -> Result<Judged, ConfigError> {
    let (files, diagnostics) = match read_dir(dir) {
        Ok(read) => read,
        Err(ConfigError::Empty(_)) => Default::default(),
        Err(error) => return Err(error),
    };
    let mut place = place.to_owned();
    while files.files.contains_key(&place) {
        let name = place.rfind('/').map_or(0, |slash| slash + 1);
        place.insert_str(name, "new-");
    }
    let files = Files { instead: Some(place.clone()), ..files.with(&place, text) };
    Ok(judge_files(files, diagnostics, dir))
}

/// Judges a text as if it were the whole configuration in `dir`.
#[must_use]
pub fn judge_alone(dir: &Path, place: &str, text: String) -> Judged {
    judge_files(Files::default().with(place, text), Vec::new(), dir)
}

/// Judges what was read.
pub(super) fn judge_files(files: Files, mut diagnostics: Vec<Diagnostic>, dir: &Path) -> Judged {
    let parsed = parse(&files, dir);
    diagnostics.extend(parsed.diagnostics);
    // What must not be read is as bad as what cannot be understood.
    let is_valid = !diagnostics.iter().any(Diagnostic::is_error);
    Judged { desired: parsed.desired.filter(|_| is_valid), files, diagnostics }
}

/// Where a file would stand below `dir`, if it would be read there.
///
/// # Errors
/// It would not.
pub fn place_in(dir: &Path, place: &str) -> Result<String, PlaceError> {
    let path = Path::new(place);
    let below = path.strip_prefix(dir).unwrap_or(path);
    let mut parts = Vec::new();
    for part in below.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(PlaceError::Outside(place.to_owned()));
            }
        }
    }
    let is_hidden = parts.iter().any(|part| part.starts_with('.'));
    if is_hidden || below.extension().is_none_or(|extension| extension != "toml") {
        return Err(PlaceError::Unread(place.to_owned()));
    }
    Ok(parts.join("/"))
}
