//! The few files of the configuration that the program writes and removes itself: a peer's table
//! in `peers/NAME.toml`, and the secret of its token in `secrets/peer-NAME`.
//!
//! **Invariants:** nothing of anybody else is replaced or removed: what is written here bears a
//! mark on its first line ([`MARK`]) and holds one peer alone; and nothing is written with which the
//! whole configuration would not be valid.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{ConfigError, Diagnostic, judge, read_dir};
use crate::durable;
use crate::model::desired::Desired;
use crate::model::name::{NameError, PlaceName};

mod pair;
mod remove;
mod table;

pub use pair::{Other, Terms, confirm, paired, replaced};
use remove::find;
pub use remove::{Removal, Removed, look_at_removal, remove_peer};
pub use table::{Fields, field_at, fields, missing, render};

/// The first line of each file that is written here.
pub const MARK: &str = "# Written by larder, and removed by `larder peer remove`.";
/// Where peers are written, below the configuration.
const PEERS: &str = "peers";
/// Where secrets are written.
const SECRETS: &str = "secrets";
/// Owner and group may read a table, nobody else.
const TABLE_MODE: u32 = 0o640;
/// Nobody but the owner reads a secret.
const SECRET_MODE: u32 = 0o600;

/// Why the configuration is not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What is asked for is not understood.
    #[error("{what}")]
    Fields {
        /// What is wrong with it.
        what: String,
        /// What there is.
        hint: String,
    },
    /// There is a file of this name.
    #[error("there is a file already: `{}`", .0.display())]
    Exists(PathBuf),
    /// The configuration would not be valid.
    #[error("`{place}` is not written: the configuration would not be valid")]
    Invalid {
        /// The file, relative to the directory.
        place: String,
        /// Every mistake.
        diagnostics: Vec<Diagnostic>,
    },
    /// There is no such peer.
    #[error("there is no peer `{0}`")]
    Unknown(String),
    /// Somebody else wrote where it stands.
    #[error("peer `{name}` stands at {place}, which larder did not write")]
    Foreign {
        /// The peer.
        name: String,
        /// `FILE:LINE`.
        place: String,
        /// Which lines are about it.
        lines: String,
    },
    /// Something still needs it.
    #[error("peer `{name}` is still needed: {}", by.join(", "))]
    Needed {
        /// The peer.
        name: String,
        /// What needs it, and where that stands.
        by: Vec<String>,
    },
    /// The directory cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigError),
    /// A file cannot be written or removed.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What cannot be done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl EditError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            EditError::Name(_) => "for instance `tom`".to_owned(),
            EditError::Fields { hint, .. } => hint.clone(),
            EditError::Exists(_) => {
                "nothing is overwritten: choose another name, or remove it first".to_owned()
            }
            EditError::Invalid { diagnostics, .. } => diagnostics.first().map_or_else(
                || "`larder check` shows what is wrong".to_owned(),
                |first| match &first.hint {
                    Some(hint) => format!("{} ({hint})", first.message),
                    None => first.message.clone(),
                },
            ),
            EditError::Unknown(_) => "`larder peer list` shows them".to_owned(),
            EditError::Foreign { lines, .. } => format!("remove {lines} by hand"),
            EditError::Needed { .. } => "take it out there first".to_owned(),
            EditError::Read(error) => error.hint().to_owned(),
            EditError::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "the daemon's unit needs `ReadWritePaths=` for the configuration; the commands of \
                 `larder peer` do without"
                    .to_owned()
            }
            EditError::Io { .. } => "look at the owner and the mode of the directory".to_owned(),
        }
    }
}

/// Where the table of a peer is written, relative to the directory.
#[must_use]
pub fn place_of(name: &PlaceName) -> String {
    format!("{PEERS}/{name}.toml")
}

/// Where the token of a peer is written, relative to the directory.
#[must_use]
pub fn secret_of(name: &PlaceName) -> String {
    format!("{SECRETS}/peer-{name}")
}

/// Judges the configuration as if a peer's table stood in its file.
///
/// # Errors
/// The directory cannot be read, or the configuration would not be valid.
pub fn judge_peer(dir: &Path, name: &PlaceName, toml: &str) -> Result<Desired, EditError> {
    let place = place_of(name);
    let judged = judge(dir, super::Changes::of(&place, toml))?;
    match judged.desired {
        Some(desired) => Ok(desired),
        None => Err(EditError::Invalid { place, diagnostics: errors(judged.diagnostics) }),
    }
}

/// Writes a peer's table, and the secret that it names where there is one, each into a new file of
/// its own. Where the table stands.
///
/// # Errors
/// One of them exists, the configuration would not be valid with it, or it cannot be written.
/// Nothing is left behind but, after a crash, a secret without a table.
pub fn add_peer(
    dir: &Path,
    name: &PlaceName,
    toml: &str,
    secret: Option<&str>,
) -> Result<PathBuf, EditError> {
    let path = dir.join(place_of(name));
    if fs::symlink_metadata(&path).is_ok() {
        return Err(EditError::Exists(path));
    }
    judge_peer(dir, name, toml)?;
    let hidden = dir.join(secret_of(name));
    if let Some(secret) = secret {
        create(&hidden, &format!("{secret}\n"), SECRET_MODE)?;
    }
    let written = create(&path, toml, TABLE_MODE);
    if written.is_err() && secret.is_some() {
        // It was made a moment ago, and nothing names it.
        let _ = fs::remove_file(&hidden);
    }
    written.map(|()| path)
}

/// Replaces the table of a peer that was written here, and its secret where there is a new one.
///
/// # Errors
/// Somebody else wrote it, the configuration would not be valid, or it cannot be written.
pub fn replace_peer(
    dir: &Path,
    name: &PlaceName,
    toml: &str,
    secret: Option<&str>,
) -> Result<PathBuf, EditError> {
    own_text(dir, name)?;
    judge_peer(dir, name, toml)?;
    if let Some(secret) = secret {
        let hidden = dir.join(secret_of(name));
        folder_of(&hidden, SECRET_MODE)?;
        durable::write_atomic(&hidden, format!("{secret}\n").as_bytes(), SECRET_MODE)
            .map_err(|source| EditError::Io { what: "write", path: hidden, source })?;
    }
    let path = dir.join(place_of(name));
    durable::write_atomic(&path, toml.as_bytes(), TABLE_MODE).map_err(|source| EditError::Io {
        what: "write",
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// The text of a peer's file, if it was written here and holds nothing else.
///
/// # Errors
/// There is no such peer, or it stands where somebody else wrote.
pub fn own_text(dir: &Path, name: &PlaceName) -> Result<String, EditError> {
    let (files, _) = read_dir(dir)?;
    match find(&files, name) {
        None => Err(EditError::Unknown(name.to_string())),
        Some(found) if found.is_ours => Ok(found.text),
        Some(found) => Err(found.foreign(name)),
    }
}

fn errors(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.retain(Diagnostic::is_error);
    diagnostics
}

/// Makes a new file, complete or not there: the daemon reads the directory at any moment.
fn create(path: &Path, text: &str, mode: u32) -> Result<(), EditError> {
    let told = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => EditError::Exists(path.to_owned()),
        _ => EditError::Io { what: "write", path: path.to_owned(), source },
    };
    let folder = folder_of(path, mode)?;
    let fresh = tempfile::Builder::new().prefix(".new-").tempfile_in(&folder).map_err(told)?;
    let written = io::Write::write_all(&mut fresh.as_file(), text.as_bytes())
        .and_then(|()| durable::set_access(fresh.as_file(), fresh.path(), mode.into()))
        .and_then(|()| fresh.as_file().sync_all());
    written.map_err(told)?;
    fresh.persist_noclobber(path).map_err(|error| told(error.error))?;
    durable::sync_dir(&folder).map_err(told)
}

/// The folder of a file, which is made where there is none.
fn folder_of(path: &Path, mode: u32) -> Result<PathBuf, EditError> {
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    // Whoever may read the file may come to it.
    let open_to = if mode == SECRET_MODE { 0o700 } else { 0o755 };
    let result = fs::DirBuilder::new().recursive(true).mode(open_to).create(&folder);
    match result {
        Ok(()) => Ok(folder),
        Err(source) => Err(EditError::Io { what: "make", path: folder, source }),
    }
}

#[cfg(test)]
mod tests;
