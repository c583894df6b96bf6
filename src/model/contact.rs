//! What is remembered of a peer: whether it answers, what it holds, what it told.

use jiff::{SignedDuration, Timestamp};

use super::archive::{Archive, ArchiveId, Sha256};
use super::name::{InstanceName, JobName};
use super::words::words;

words! {
    /// Whether a peer answers; the words are the specification's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub enum Presence {
        /// Nobody looked yet.
        #[default]
        Unknown = "unknown",
        /// It answered when it was last asked. Of a `backup-channel`: an archive of its host is visible.
        Online = "online",
        /// It could not be reached.
        Offline = "offline",
        /// It answered, and refused: a token that is not valid any more, a certificate that does not
        /// fit, a version that we do not speak.
        Error = "error",
    }
}

/// What is remembered of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// When this instance first knew the peer.
    pub created_at: Timestamp,
    /// Whether it answers.
    pub presence: Presence,
    /// Why not, in one line.
    pub why: Option<String>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    /// When it was last asked, whatever came of it.
    pub checked_at: Option<Timestamp>,
    /// When it last answered, or last came to us.
    pub last_seen: Option<Timestamp>,
    /// Attempts in a row that went wrong.
    pub failures: u32,
    /// When it is asked next; with the jitter of the back-off in it.
    pub check_at: Timestamp,
    /// What it holds of this instance's archives, once it said so.
    pub holdings: Option<Holdings>,
    /// Archives of its own that it offers us (`fetch_from`).
    pub offered: Vec<RemoteCopy>,
    /// SSH kinds: whether our key can delete or replace what is there; `None` before it was tried.
    pub sender_can_delete: Option<bool>,
    /// What it told about itself, once it did.
    pub told: Option<Told>,
}

impl Contact {
    /// A peer of which nothing is known yet, to be asked at once.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            created_at: now,
            presence: Presence::Unknown,
            why: None,
            hint: None,
            checked_at: None,
            last_seen: None,
            failures: 0,
            check_at: now,
            holdings: None,
            offered: Vec::new(),
            sender_can_delete: None,
            told: None,
        }
    }

    /// Whether it holds a good copy of an archive, as far as is known: by id, and by the hash of the
    /// plain stream where both sides know it.
    #[must_use]
    pub fn holds(&self, id: ArchiveId, stream: Option<Sha256>) -> bool {
        let mut copies = self.holdings.iter().flat_map(|holdings| &holdings.copies);
        copies.any(|copy| copy.is_copy_of(id, stream))
    }
}

/// What a peer holds of this instance's archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// When it was known to be so.
    pub at: Timestamp,
    /// The copies.
    pub copies: Vec<RemoteCopy>,
}

/// An archive that rests at a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCopy {
    /// Its identity.
    pub id: ArchiveId,
    /// Its name there.
    pub name: String,
    /// Who made it.
    pub origin: InstanceName,
    /// Which job made it.
    pub job: JobName,
    /// When its reading started.
    pub created_at: Timestamp,
    /// Bytes of the file there.
    pub file_size: u64,
    /// SHA-256 of the plain stream, where the peer knows it.
    pub stream_sha256: Option<Sha256>,
    /// SHA-256 of the file there, where it is known.
    pub file_sha256: Option<Sha256>,
    /// Whether it is there and not known to be damaged.
    pub is_good: bool,
}

impl RemoteCopy {
    /// A good copy of an archive as it is, under its name.
    #[must_use]
    pub fn of(archive: &Archive) -> Self {
        Self {
            id: archive.id,
            name: archive.name.to_string(),
            origin: archive.origin.clone(),
            job: archive.job.clone(),
            created_at: archive.created_at,
            file_size: archive.file_size,
            stream_sha256: archive.stream_sha256,
            file_sha256: archive.file_sha256,
            is_good: true,
        }
    }

    /// Whether it is a good copy of an archive: by id, and by the hash of the plain stream where both
    /// sides know it.
    #[must_use]
    pub fn is_copy_of(&self, id: ArchiveId, stream: Option<Sha256>) -> bool {
        let fits = match (self.stream_sha256, stream) {
            (Some(there), Some(here)) => there == here,
            _ => true,
        };
        self.is_good && self.id == id && fits
    }
}

/// What a peer told about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// Its program's version.
    pub version: String,
    /// Its own entry of `/network`, as JSON text.
    pub member_json: String,
    /// When each of its jobs is to have made its next archive at the latest.
    pub expected: Vec<Expected>,
}

/// Until when a job of a peer is to have made its next archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The job.
    pub job: JobName,
    /// Until when; what has not happened then is overdue.
    pub by: Timestamp,
    /// How old its newest archive may get, where the peer said so.
    pub max_age: Option<SignedDuration>,
}
