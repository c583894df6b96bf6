//! Locations: where archives rest, absent or complete and never between.
//!
//! [`ArchiveStore`] is what the engine needs of a place; [`folder::Folder`] is the real one. An
//! archive enters by [`begin`](ArchiveStore::begin) and [`publish`](ArchiveStore::publish) and
//! leaves by [`trash`](ArchiveStore::trash) and [`unlink`](ArchiveStore::unlink). Every one of
//! these can be repeated after a crash at any point.
//!
//! **Invariant:** nothing here decides what to delete, and nothing here touches a file that this
//! program did not make: an archive is ours when the description beside it carries its id.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::model::archive::{Archive, ArchiveId};
use crate::model::name::{ArchiveName, InstanceName, Label, NameError, PlaceName};
use crate::model::observed::{Foreign, LocationState};
use crate::model::run::RunId;
use crate::model::size::Bytes;
use crate::model::upload::UploadId;

pub mod folder;
pub mod sidecar;

mod first_use;
mod foreign;
mod hidden;
mod marker;
pub use marker::is_marked;
mod names;
mod publish;
mod receive;
mod repair;
mod scan;
mod seen;
mod sweep;
pub mod signer;
pub mod landing;
pub mod standing;
mod trash;

/// What the engine needs of a place where archives rest.
pub trait ArchiveStore: Send + Sync {
    /// Whether the place can be used now.
    fn state(&self) -> LocationState;

    /// Opens a new hidden file for the archive that `run` makes.
    ///
    /// # Errors
    /// `Unavailable`; `Exists` when the run began one before; no space; I/O.
    fn begin(&self, run: RunId) -> Result<Incoming, LocationError>;

    /// Removes what `run` began and did not publish. Nothing there is fine.
    ///
    /// # Errors
    /// When it is there and cannot be removed; the next [`sweep`](Self::sweep) tries again.
    fn discard(&self, run: RunId) -> Result<(), LocationError>;

    /// The first name of this label and day that nothing here has or had: neither an archive in
    /// any encoding, nor the trash, nor a description that was left alone, nor `taken`.
    ///
    /// # Errors
    /// When the place cannot be looked at, or the name would get too long.
    fn free_name(
        &self,
        instance: &InstanceName,
        label: &Label,
        day: Date,
        taken: &dyn Fn(&ArchiveName) -> bool,
    ) -> Result<ArchiveName, LocationError>;

    /// Gives a written file its name, with its description and `info_json` beside it. Once this
    /// returns, the archive survives a power cut.
    ///
    /// # Errors
    /// After an error nothing of it is visible, or all of it: the latter when only the very last
    /// flush failed. What was begun is removed.
    fn publish(
        &self,
        incoming: Incoming,
        archive: &Archive,
        info_json: &[u8],
    ) -> Result<(), LocationError>;

    /// Everything that rests here.
    ///
    /// # Errors
    /// When the place cannot be listed. A file that cannot be read is a problem of the scan and
    /// not an error; an I/O error makes the place suspect all the same, and what a suspect place
    /// does not show is not lost.
    fn scan(&self) -> Result<Scan, LocationError>;

    /// Replaces the description of an archive, in the trash too.
    ///
    /// # Errors
    /// `Foreign` when the one that is there has another id, `Gone` when there is none.
    fn update(&self, archive: &Archive) -> Result<(), LocationError>;

    /// Takes an archive of another program into the catalogue: writes the description beside it.
    ///
    /// # Errors
    /// `Gone` without the file, `NameTaken` when it has a description already.
    fn adopt(&self, archive: &Archive) -> Result<(), LocationError>;

    /// Moves an archive into the trash, where it can be taken back until the given time.
    ///
    /// # Errors
    /// `Gone` when it is neither here nor in the trash, `Foreign` when it is not ours.
    fn trash(&self, archive: &Archive, until: Timestamp) -> Result<(), LocationError>;

    /// Takes an archive back from the trash. Never replaces anything.
    ///
    /// # Errors
    /// `NameTaken`; `Gone` when it is neither in the trash nor here.
    fn untrash(&self, archive: &Archive) -> Result<(), LocationError>;

    /// Deletes an archive for good: from the trash when its condition says so, else from here
    /// and from the trash. Nothing there is fine.
    ///
    /// # Errors
    /// `Foreign` when the file of this name is not ours.
    fn unlink(&self, archive: &Archive) -> Result<(), LocationError>;

    /// Opens an archive's file for reading; never through a link.
    ///
    /// # Errors
    /// `Gone`; `Foreign` when it is no regular file.
    fn open(&self, archive: &Archive) -> Result<File, LocationError>;

    /// Finishes what a crash left half done and removes what nobody owns: parts of runs that are
    /// not in `keep`, descriptions of archives that were never published, temporary files. Never
    /// an archive. Says what it did.
    ///
    /// # Errors
    /// When something is there and can be neither read nor removed.
    fn sweep(&self, keep: &[RunId]) -> Result<Vec<String>, LocationError>;

    /// Writes, flushes, reads and removes a small file: what a suspect place must pass.
    ///
    /// # Errors
    /// What failed; the place stays suspect.
    fn probe_write(&self) -> Result<(), LocationError>;

    /// What an error means that somebody met while reading or writing a file here: a full disk
    /// is told apart, and an I/O error makes the place suspect.
    fn failed(&self, what: &'static str, path: &Path, source: io::Error) -> LocationError;
}

/// Who fills a hidden file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// A run of this instance.
    Run(RunId),
    /// Another instance, by an upload.
    Upload(UploadId),
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::Run(run) => run.fmt(f),
            Writer::Upload(upload) => upload.fmt(f),
        }
    }
}

impl FromStr for Writer {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            Ok(run) => Ok(Writer::Run(RunId(run))),
            Err(_) => text.parse().map(Writer::Upload),
        }
    }
}

/// The hidden file that an archive is written into.
#[derive(Debug)]
pub struct Incoming {
    /// Who writes it.
    pub writer: Writer,
    /// The file, for reading and writing.
    pub file: File,
    /// Where it is.
    pub path: PathBuf,
}

/// What rests at a location.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Archives with a valid description, by name.
    pub archives: Vec<Archive>,
    /// Archives in the trash, by name; each knows until when.
    pub trashed: Vec<Archive>,
    /// Archives that this program did not make, or cannot say whether it did.
    pub foreign: Vec<Foreign>,
    /// Descriptions whose archive was deleted by another program: history.
    pub lone: Vec<Lone>,
    /// What a person should look at, one line each.
    pub problems: Vec<String>,
}

/// A description whose archive is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lone {
    /// Which archive it was.
    pub id: ArchiveId,
    /// Its name, which is not used again.
    pub name: ArchiveName,
    /// What was known of it.
    pub archive: Archive,
}

/// What could not be done at a location.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// The place is not there: unplugged, unmounted, or another one in its stead.
    #[error("location `{location}` is not available: {reason}")]
    Unavailable {
        /// The location.
        location: PlaceName,
        /// Why.
        reason: String,
    },
    /// It is full, or a quota is used up.
    #[error("no space at location `{location}`: {}", space(*needed, *free))]
    NoSpace {
        /// The location.
        location: PlaceName,
        /// Bytes that are needed, where that is known.
        needed: Option<u64>,
        /// Bytes that are free.
        free: u64,
    },
    /// The name belongs to something else.
    #[error("the name `{name}` is taken at location `{location}`")]
    NameTaken {
        /// The location.
        location: PlaceName,
        /// The name.
        name: ArchiveName,
    },
    /// The run began an archive before.
    #[error("`{}` is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not there.
    #[error("`{}` is not there", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// It is there, and is not ours to touch.
    #[error("`{}` is left alone: {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why it is not ours.
        why: String,
    },
    /// The file is not the one that was written.
    #[error("`{}` has {actual} bytes, {expected} were written", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Its size.
        actual: u64,
        /// The size that was to be published.
        expected: u64,
    },
    /// No name can be made.
    #[error("no name for another archive of this day")]
    Name(#[from] NameError),
    /// Anything else that the system answered.
    #[error("could not {what} `{}`", path.display())]
    Io {
        /// What could not be done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl LocationError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            LocationError::Unavailable { location, .. } => format!(
                "mount or plug in what holds it; `larder location check {location}` tells whether it is the right one"
            ),
            LocationError::NoSpace { .. } => {
                "free some space, or let fewer archives live; the next run needs nothing else"
                    .to_owned()
            }
            LocationError::NameTaken { .. } => {
                "move the other file away, or let the next run take the next free name".to_owned()
            }
            LocationError::Exists { .. } => {
                "a restart of the daemon removes what nobody owns".to_owned()
            }
            LocationError::Gone { .. } => {
                "another program removed it; `larder archive list` shows what is left".to_owned()
            }
            LocationError::Foreign { .. } => {
                "`larder archive adopt` takes a file of another program into the catalogue"
                    .to_owned()
            }
            LocationError::Incomplete { .. } => {
                "something else writes into the location; find it before the next run".to_owned()
            }
            LocationError::Name(_) => "choose a shorter `label` for the job".to_owned(),
            LocationError::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    "the daemon's user needs read and write access there".to_owned()
                }
                io::ErrorKind::ReadOnlyFilesystem => {
                    "the file system is read-only: look into the kernel's log, check the disk, mount it again"
                        .to_owned()
                }
                io::ErrorKind::FileTooLarge => {
                    "the file system cannot hold a file of this size (FAT32 ends at 4 GiB)"
                        .to_owned()
                }
                _ => return None,
            },
        })
    }
}

fn space(needed: Option<u64>, free: u64) -> String {
    match needed {
        Some(needed) => format!("needs {}, has {}", Bytes(needed), Bytes(free)),
        None => format!("{} free", Bytes(free)),
    }
}
