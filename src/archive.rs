//! Archives: a plain tar stream with everything in it that is needed to restore it.
//!
//! Reading, encoding, compressing and writing overlap on two or three threads with a few buffers
//! that go round between them, so that memory stays flat whatever is archived:
//! ```text
//! source ─ members ─→ write: tar encoding, hash of each member ─ lane ─→ [codec ─ lane ─→] age, hashes, file
//! ```
//! Whoever restores reads through [`Reader::open_ahead`], which decodes on a thread of its own.
//! **Invariants:** the `tar` crate is used for header blocks only (its reader can be made to see
//! members that others do not, its writer to say `Ok` to a broken archive); a member is exactly as
//! long as its header says, whatever its file does meanwhile; the end of an archive is written only
//! after everything before it went well.
//!
//! Modules in reading order.

use std::io;
use std::path::PathBuf;

use jiff::Zoned;

use crate::model::archive::{ArchiveId, MemberCounts, Outcome, Sha256};
use crate::model::job::JobType;
use crate::model::location::Codec;
use crate::model::name::{ArchiveName, InstanceName, JobName, Label};
use crate::source::{Remark, SourceError};
use crate::stop::Stopped;

mod metadata;
mod tarball;
mod manifest;
mod lane;
mod layers;
mod pipeline;
mod write;
mod reader;
mod open;
mod ahead;
mod read_back;
mod check;
mod inspect;
mod listing;
mod tree;
mod copy;
pub mod identity;

pub use check::{Comparison, Difference, compare_with_manifest};
pub use copy::{Copied, Recode, Survey, copy, encrypt, survey};
pub use inspect::{Inspection, inspect};
pub use layers::Destination;
pub use listing::{Below, Listing, Own, Place, Question, Row, list};
pub use manifest::Line;
pub use metadata::{HOOK, HOOK_MEMBER, directory_prefix};
pub(crate) use open::plain_stream;
pub use open::{Contents, OpenError, contents, read_member};
pub use read_back::{HalfRead, ReadBack, verify, verify_aside};
pub use reader::{Entry, EntryKind, ReadError, Reader};
pub use tree::{Tree, compare_tree};
pub use write::{check_source_path, write, write_into};

/// What an archive says about itself.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its identity.
    pub id: ArchiveId,
    /// Its name at the location it is written to.
    pub name: ArchiveName,
    /// Who makes it.
    pub origin: InstanceName,
    /// Where that instance is reached.
    pub instance_url: Option<String>,
    /// Which job makes it.
    pub job: JobName,
    /// That job's type.
    pub job_type: JobType,
    /// That job's label.
    pub label: Label,
    /// When reading starts, in the instance's zone.
    pub created_at: Zoned,
    /// The version of YunoHost on this host.
    pub yunohost_version: Option<String>,
    /// Which generation of the configuration asked for it.
    pub config_generation: u64,
    /// How the stream is encoded.
    pub codec: Codec,
    /// age recipients; empty means not encrypted.
    pub recipients: Vec<String>,
    /// What it holds.
    pub content: Content,
}

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory or file of this host, absolute.
    Directory(PathBuf),
    /// The dump of the database of this name.
    Database(String),
}

/// A finished archive. Its file is complete and on the disk; it has no name of its own yet.
#[derive(Debug, Clone)]
pub struct Written {
    /// Bytes of content; holes and further names of a file do not count.
    pub content_size: u64,
    /// Bytes of the plain tar stream.
    pub stream_size: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// SHA-256 of the plain tar stream.
    pub stream_sha256: Sha256,
    /// SHA-256 of the file.
    pub file_sha256: Sha256,
    /// What its members are.
    pub counts: MemberCounts,
    /// What happened to single members; the first thousand.
    pub remarks: Vec<Remark>,
    /// The member `info.json`, which the file beside the archive must equal.
    pub info_json: Vec<u8>,
    /// Good, or partial when something could not be read, or suspect when the source says so.
    pub outcome: Outcome,
}

/// Why there is no archive. The file has no end then, and must not be published.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The source as a whole cannot be read.
    #[error(transparent)]
    Source(SourceError),
    /// What was read cannot be written.
    #[error("the archive cannot be written")]
    Destination(#[source] io::Error),
    /// The archive that is copied cannot be read.
    #[error("the original cannot be read")]
    Original(#[source] OpenError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A recipient is not one.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// The path of the source cannot stand in an archive.
    #[error("the source path `{}` cannot be archived: it {reason}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl From<SourceError> for WriteError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Stopped(stopped) => WriteError::Stopped(stopped),
            SourceError::Spool { source, .. } => WriteError::Destination(source),
            error @ (SourceError::Missing { .. }
            | SourceError::Unfit { .. }
            | SourceError::Excludes { .. }
            | SourceError::Program { .. }
            | SourceError::Io { .. }) => WriteError::Source(error),
        }
    }
}

impl WriteError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            WriteError::Source(error) => Some(error.hint().to_owned()),
            WriteError::Destination(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room at the location, or keep fewer archives there".to_owned())
                }
                _ => Some("check the location's disk: its kernel log says more".to_owned()),
            },
            WriteError::Original(error) => error.hint().map(str::to_owned),
            WriteError::Stopped(_) => None,
            WriteError::Identity(error) => Some(error.hint().to_owned()),
            WriteError::Path { .. } => Some("use an absolute path of ordinary names".to_owned()),
        }
    }

    /// Whether the location has no room.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, WriteError::Destination(error)
            if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}
