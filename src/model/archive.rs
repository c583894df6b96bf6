//! Archives: the fruit of runs, wherever they rest.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use super::hex;
use super::job::JobType;
use super::location::Codec;
use super::name::{ArchiveName, InstanceName, JobName, Label, PlaceName};
use super::words::words;

/// The identity of an archive, the same in every copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveId(pub uuid::Uuid);

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SHA-256; prints as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl std::str::FromStr for Sha256 {
    type Err = ();
    /// Reads 64 hex digits.
    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = hex::decode(text).ok_or(())?;
        bytes.try_into().map(Self).map_err(|_| ())
    }
}

/// What retention judges as one: the archives of one job of one instance at one location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Who made them.
    pub origin: InstanceName,
    /// Which job made them.
    pub job: JobName,
    /// Where they rest.
    pub location: PlaceName,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} at {}", self.origin, self.job, self.location)
    }
}

/// How good an archive is: decided once, when it is made or received.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Complete.
    Good,
    /// Some files could not be read.
    Partial,
    /// Complete but unlikely; with the reason.
    Suspect(String),
}

words! {
    impl Outcome {
        Good = "good",
        Partial = "partial",
        Suspect = "suspect",
    }
}

/// How an archive came to be here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum How {
    /// A scheduled run (or its retry, or a run that made up for a missed one).
    Scheduled,
    /// A run somebody asked for.
    Manual,
    /// Sent by a peer.
    Received {
        /// The peer.
        from: PlaceName,
    },
    /// Copied here from another location of this instance.
    Copied {
        /// That location.
        from: PlaceName,
        /// Whether somebody asked for the run that made it: the copy may be all that is left.
        manual: bool,
    },
    /// Made by another program and taken into the catalogue.
    Adopted,
}

words! {
    impl How {
        Scheduled = "scheduled",
        Manual = "manual",
        Received = "received",
        Copied = "copied",
        Adopted = "adopted",
    }
}

impl How {
    /// Whether somebody asked for the run that made it, here or where it was copied from.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        match self {
            How::Manual => true,
            How::Copied { manual, .. } => *manual,
            How::Scheduled | How::Received { .. } | How::Adopted => false,
        }
    }
}

/// What is known of an archive's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// There, and not known to be damaged.
    Present,
    /// There, and its bytes are not those that were recorded.
    Corrupt,
    /// Its location is there and it is not.
    Lost,
    /// Its location is not there.
    Unavailable,
    /// In the trash until the given time.
    Trashed {
        /// When it is unlinked.
        until: Timestamp,
    },
}

words! {
    impl Condition {
        Present = "present",
        Corrupt = "corrupt",
        Lost = "lost",
        Unavailable = "unavailable",
        Trashed = "trashed",
    }
}

/// How many members of what kind an archive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberCounts {
    /// Regular files, hard links included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symlinks, fifos and device nodes.
    pub others: u64,
    /// Sockets, which tar cannot hold.
    pub skipped_sockets: u64,
    /// Files that changed, grew or shrank while they were read.
    pub changed: u64,
    /// Files that vanished between listing and reading.
    pub vanished: u64,
    /// Files that could not be read.
    pub unreadable: u64,
}

/// The job and the label of what a peer sent without a word about either.
pub const NO_JOB: &str = "uploads";

/// One copy of an archive at one location: an entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Its identity.
    pub id: ArchiveId,
    /// Its name, unique at its location.
    pub name: ArchiveName,
    /// Who made it.
    pub origin: InstanceName,
    /// Which job made it.
    pub job: JobName,
    /// That job's type.
    pub job_type: JobType,
    /// That job's label.
    pub label: Label,
    /// Where this copy rests.
    pub location: PlaceName,
    /// When reading started.
    pub created_at: Timestamp,
    /// The civil day of `created_at` in the instance's zone; for received ones, of receipt. Never changes.
    pub day: Date,
    /// The IANA name of that zone.
    pub zone: String,
    /// Bytes of content.
    pub content_size: u64,
    /// Bytes of the plain tar stream.
    pub stream_size: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// SHA-256 of the plain tar stream.
    pub stream_sha256: Option<Sha256>,
    /// SHA-256 of the file.
    pub file_sha256: Option<Sha256>,
    /// How the stream is encoded.
    pub codec: Codec,
    /// age recipients; empty means not encrypted.
    pub recipients: Vec<String>,
    /// How good it is.
    pub outcome: Outcome,
    /// Whether a partial one counts as good, as the job said when it was made.
    pub partial_allowed: bool,
    /// How it came.
    pub how: How,
    /// When it was received or adopted.
    pub received_at: Option<Timestamp>,
    /// Whether somebody pinned it.
    pub pinned: bool,
    /// What is known of its file.
    pub condition: Condition,
    /// When its bytes were last compared with their hash.
    pub verified_at: Option<Timestamp>,
    /// Why a drill could not bring back what it holds; `None` while none said so.
    pub refuted: Option<String>,
    /// What its members are.
    pub counts: MemberCounts,
    /// SHA-256 of the configuration it was made with, in hex.
    pub config_hash: Option<String>,
    /// The git commit of the configuration directory, where it is one.
    pub config_commit: Option<String>,
    /// The job's effective table as JSON text, secrets as references.
    pub job_json: Option<String>,
}

/// Which copy of which archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyKey {
    /// Which archive.
    pub id: ArchiveId,
    /// Where the copy rests, or is to rest: a location or a peer.
    pub location: PlaceName,
}

impl CopyKey {
    /// The copy of an archive at a place.
    #[must_use]
    pub fn new(id: ArchiveId, place: &PlaceName) -> Self {
        Self { id, location: place.clone() }
    }
}

impl Archive {
    /// Which copy this is.
    #[must_use]
    pub fn key(&self) -> CopyKey {
        CopyKey::new(self.id, &self.location)
    }

    /// The series that it was made in: under today's names it may belong to another one.
    #[must_use]
    pub fn written_series(&self) -> Series {
        Series {
            origin: self.origin.clone(),
            job: self.job.clone(),
            location: self.location.clone(),
        }
    }

    /// Whether nothing is known of it but that a peer sent it. An honest job of the same name says
    /// with which configuration its archives were made.
    #[must_use]
    pub fn is_undescribed(&self) -> bool {
        matches!(self.how, How::Received { .. })
            && self.job.as_str() == NO_JOB
            && self.config_hash.is_none()
    }

    /// Why it is not good, where it is not, to stand behind its name.
    #[must_use]
    pub fn flaw(&self) -> Option<&'static str> {
        if self.is_good() {
            return None;
        }
        Some(match (&self.condition, &self.outcome) {
            (Condition::Corrupt, _) => "it is damaged",
            (Condition::Lost, _) => "it is gone",
            (Condition::Trashed { .. }, _) => "it is in the trash",
            (_, Outcome::Suspect(_)) => "it is suspect",
            (_, Outcome::Partial) if !self.partial_allowed => "files are missing in it",
            _ if self.refuted.is_some() => "a drill could not bring it back",
            _ => "its hash was never recorded",
        })
    }

    /// RETENTION.md's *good*: complete, hash recorded, not known corrupt, not suspect. What a drill
    /// could not bring back is known to be worthless, whatever its hash says.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let complete = match &self.outcome {
            Outcome::Good => true,
            Outcome::Partial => self.partial_allowed,
            Outcome::Suspect(_) => false,
        };
        let there = match &self.condition {
            Condition::Present | Condition::Unavailable => true,
            Condition::Corrupt | Condition::Lost | Condition::Trashed { .. } => false,
        };
        complete && there && self.file_sha256.is_some() && self.refuted.is_none()
    }
}
