//! Files out of an archive, with all that belongs to them.
//!
//! ```text
//! survey: every header, beside the hash of the file ─→ refused, or known to be safe and to fit
//! writer: directories, files, links in the archive's order ─→ symlinks ─→ directories' metadata ─→ syncfs
//! ```
//! **Invariants:** nothing appears before the whole archive was read and its hash compared (the
//! content of large files is on its way by then, in files without a name); what
//! is below the target is reached through descriptors only, one component at a time, and never
//! through a symlink; nothing that exists is written through: it is moved aside or removed, and
//! what replaces it appears under its name when it is complete; memory does not grow with the
//! number of members; an extraction that was cut short can be run again, or undone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::archive::{Entry, OpenError, ReadError};
use crate::model::archive::Sha256;
use crate::model::location::Codec;
use crate::progress::Progress;
use crate::stop::{Stop, Stopped};

mod names;
mod order;
mod survey;
mod early;
mod place;
mod tree;
mod owners;
mod acl;
mod apply;
mod spool;
mod journal;
mod aside;
mod writer;
mod finish;
mod objects;
mod nodes;
mod undo;

pub use undo::{Undone, undo};

/// Most paths, names and remarks that are kept; further ones are only counted.
pub const MOST_LISTED: usize = 1000;
/// Most paths in [`Preview::overwritten_first`].
pub const MOST_OVERWRITTEN: usize = 100;

/// Whose files they become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// By name where this host knows it, else by number.
    ByName,
    /// By number.
    Numeric,
    /// Ours: we are not root.
    Caller,
}

/// One extraction.
#[derive(Debug, Clone, Copy)]
pub struct Extraction<'a> {
    /// The member whose path becomes `target` itself; what lies below it goes below `target`
    /// (`data/custom/opt/app`). Empty: every member, by its own name.
    pub prefix: &'a [u8],
    /// Where to (absolute). Made when it is absent, with its parents (0755, like `mkdir -p`).
    /// Symlinks on the way there are followed only when they belong to root or to us.
    pub target: &'a Path,
    /// Only these, below the prefix, with all that is in them; empty means all. One that is not in
    /// the archive is an error that names it. A hard link whose file is not among them becomes a
    /// file of its own.
    pub paths: &'a [Vec<u8>],
    /// Whose files they become.
    pub owners: Owners,
    /// Whether device nodes are made; otherwise each is a remark.
    pub devices: bool,
    /// Where objects that are overwritten are moved first: a directory that this call makes, on
    /// the target's file system, in a directory that is there. `None`: they are removed.
    pub aside: Option<&'a Path>,
}

/// The archive to restore from.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Its file. The offset does not matter and does not change.
    pub file: &'a File,
    /// How the stream is encoded.
    pub codec: Codec,
    /// The text of an age identity file, for one that is encrypted.
    pub identity: Option<&'a str>,
    /// Of the whole file; compared before anything is there.
    pub sha256: Sha256,
    /// Bytes of the file, as recorded.
    pub size: u64,
    /// Bytes of its content, as recorded, where that is known: more is refused.
    pub content_size: Option<u64>,
}

/// What an extraction would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// How many members would be restored.
    pub members: u64,
    /// Bytes that would be written; holes and further names of a file do not count.
    pub bytes: u64,
    /// Bytes that are free where they would go.
    pub free: u64,
    /// Objects that exist and would be replaced. Directories that stay do not count.
    pub overwritten: u64,
    /// The first [`MOST_OVERWRITTEN`] of them.
    pub overwritten_first: Vec<PathBuf>,
    /// Names of owners that this host does not know: their files go by number.
    pub owners_unknown: Vec<String>,
    /// Names of groups that this host does not know.
    pub groups_unknown: Vec<String>,
    /// Owners that have another number here: name, number in the archive, number here.
    pub owners_moved: Vec<(String, u32, u32)>,
    /// Groups that have another number here.
    pub groups_moved: Vec<(String, u32, u32)>,
    /// Device nodes.
    pub devices: u64,
}

/// What an extraction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// How many members were restored.
    pub members: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Objects that were moved aside first.
    pub set_aside: u64,
    /// Objects that were removed first.
    pub removed: u64,
    /// Device nodes that were left out.
    pub devices_left_out: u64,
    /// What could not be restored of single members; the first [`MOST_LISTED`].
    pub remarks: Vec<String>,
    /// How many remarks there were.
    pub remark_count: u64,
}

/// Why files cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The archive cannot be read.
    #[error(transparent)]
    Original(#[from] OpenError),
    /// Its file is not what was recorded.
    #[error("the archive is damaged: its SHA-256 is not the recorded {expected}")]
    Hash {
        /// What was recorded.
        expected: Sha256,
    },
    /// Its file has another length.
    #[error("the archive is damaged: its file has {found} bytes, and {expected} were recorded")]
    Size {
        /// What was recorded.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A member that no honest archive has. Nothing was written.
    #[error("the archive is refused: the member `{member}` {reason}")]
    Refused {
        /// Its name, printable.
        member: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More content than was recorded. Nothing was written.
    #[error("the archive is refused: it holds more than the recorded {recorded} bytes of content")]
    TooMuch {
        /// What was recorded.
        recorded: u64,
    },
    /// Nothing is there to restore. Nothing was written.
    #[error("the archive has no `{path}`")]
    NotThere {
        /// The path that was asked for, printable.
        path: String,
    },
    /// There is no place for it. Nothing was written, unless the place was taken meanwhile.
    #[error("no room for `{}`: {needed} bytes are needed, {free} are free", path.display())]
    NoSpace {
        /// What was to be written.
        path: PathBuf,
        /// Bytes that are still to be written.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The target cannot be one. Nothing was written.
    #[error("cannot restore to `{}`: {reason}", path.display())]
    Target {
        /// The target, or what is wrong on the way there.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The place for what is overwritten cannot be one.
    #[error("`{}` cannot take what is overwritten: {reason}", path.display())]
    Aside {
        /// That place.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// What was set aside cannot be put back.
    #[error("the undo journal `{}` cannot be used: {reason}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refuses.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody asked to stop. What was restored so far is there.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<ReadError> for FilesError {
    fn from(error: ReadError) -> Self {
        FilesError::Original(error.into())
    }
}

impl FilesError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            FilesError::Original(error) => error.hint(),
            FilesError::Hash { .. } | FilesError::Size { .. } => {
                Some("use another copy of this archive; this one is not what was written")
            }
            FilesError::Refused { .. } | FilesError::TooMuch { .. } => Some(
                "this archive was damaged or made to deceive; nothing was written. Use another copy",
            ),
            FilesError::NotThere { .. } => {
                Some("paths are those of the host where it was made; list the archive to see them")
            }
            FilesError::NoSpace { .. } => {
                Some("make room there, restore a part with `--path`, or elsewhere with `--to`")
            }
            FilesError::Target { .. } => Some("name another directory, or correct what is there"),
            FilesError::Aside { reason, .. } if *reason == aside::TAKEN => {
                Some("somebody made it a moment ago: try again, and another name is taken")
            }
            FilesError::Aside { .. } => {
                Some("make room for it on the target's file system, or restore with `--no-safety`")
            }
            FilesError::Journal { .. } => {
                Some("what was set aside, if anything was, is in the directory `tree` beside it")
            }
            FilesError::Io { source, .. } => match Errno::from_io_error(source) {
                Some(Errno::ACCESS | Errno::PERM) => {
                    Some("run as root, or restore elsewhere with `--to`")
                }
                Some(Errno::XDEV) => Some(
                    "it lies on another file system than what is set aside: restore it apart with `--path`, or with `--no-safety`",
                ),
                Some(Errno::ROFS) => Some("its file system is mounted read-only"),
                _ => None,
            },
            FilesError::Stopped(_) => Some("run it again: what is there is replaced"),
        }
    }

    fn io(what: &'static str, path: impl Into<PathBuf>, error: Errno) -> Self {
        FilesError::Io { what, path: path.into(), source: error.into() }
    }
}

/// Reads the members of the whole archive and says what [`extract`] would do. Writes nothing.
///
/// # Errors
/// See [`FilesError`]: everything that [`extract`] refuses is refused here, but for bytes that are
/// not those that were written and still make whole members: only their hash tells.
pub fn preview(
    original: &Original<'_>,
    extraction: &Extraction<'_>,
    stop: &Stop,
    progress: &Progress,
) -> Result<Preview, FilesError> {
    let place = place::find(extraction.target)?;
    let forbidden = aside::check(extraction, &place)?;
    let mut look = survey::Look::new(&place, extraction)?;
    let survey = survey::survey(
        original,
        extraction,
        forbidden.as_deref(),
        Some(&mut look),
        &mut |_, _, _| {},
        stop,
        progress,
    )?;
    let mut preview = look.finish();
    (preview.members, preview.bytes) = (survey.members, survey.bytes);
    (preview.devices, preview.free) = (survey.devices, place.free());
    Ok(preview)
}

/// Reads the members of the whole archive and refuses what [`extract`] would refuse, wherever it
/// were to go.
///
/// # Errors
/// See [`FilesError`].
pub(super) fn judge(original: &Original<'_>, prefix: &[u8], stop: &Stop) -> Result<(), FilesError> {
    let extraction = Extraction {
        prefix,
        target: Path::new("/"),
        paths: &[],
        owners: Owners::Numeric,
        devices: false,
        aside: None,
    };
    survey::judge(original, &extraction, stop)
}

/// Whether a member is content of this prefix; `None` for what an archive of ours has beside it.
pub(super) fn is_content(entry: &Entry, prefix: &[u8]) -> Option<bool> {
    match names::belongs(entry, prefix) {
        Ok(names::Belongs::Content(_)) => Some(true),
        Ok(names::Belongs::Archive) => None,
        Err(_) => Some(false),
    }
}

/// Restores. After an error what was restored so far is there: run it again, or [`undo`] it.
///
/// # Errors
/// See [`FilesError`].
pub fn extract(
    original: &Original<'_>,
    extraction: &Extraction<'_>,
    stop: &Stop,
    progress: &Progress,
    log: &mut dyn FnMut(&str),
) -> Result<Extracted, FilesError> {
    let place = place::find(extraction.target)?;
    let forbidden = aside::check(extraction, &place)?;
    let mut early = early::Early::default();
    let mut meanwhile = |survey: &survey::Survey, stop: &Stop, is_worth_it: &dyn Fn() -> bool| {
        early.copy(original, extraction, &place, survey, stop, is_worth_it);
    };
    let forbidden = forbidden.as_deref();
    let survey =
        survey::survey(original, extraction, forbidden, None, &mut meanwhile, stop, progress)?;
    let (free, needed) = (place.free(), survey.bytes.saturating_sub(early.bytes));
    // What is removed first makes room, and nobody knows how much.
    if needed > free && (extraction.aside.is_some() || needed > place.capacity()) {
        let path = extraction.target.to_owned();
        return Err(FilesError::NoSpace { path, needed, free });
    }
    log(&format!(
        "the archive is whole: {}, {} bytes to write",
        super::counted(survey.members, "member"),
        survey.bytes
    ));
    progress.enter("restoring");
    progress.expect_bytes(progress.snapshot().bytes + survey.bytes);
    writer::Writer::new(extraction, place, survey, early, stop, progress, log)?.run(original)
}
