//! Archives, and the files beside them that are not ours.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Moment, words};
use crate::engine::View;
use crate::model::archive::{self as model, Condition, How, Outcome};
use crate::model::observed;
use crate::model::peer::shown_host;

/// One copy of an archive.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Archive {
    /// Its identity, the same in every copy.
    #[schema(value_type = words::ArchiveId)]
    pub id: String,
    /// Its name, unique at its location.
    pub name: String,
    /// The instance that made it.
    pub origin: String,
    /// The peer that this instance is known as here.
    #[serde(default)]
    #[schema(required)]
    pub peer: Option<String>,
    /// Whether this instance made it, also under an earlier name.
    #[serde(default)]
    pub own: bool,
    /// The job that made it.
    pub job: String,
    /// That job's type.
    #[serde(rename = "type")]
    #[schema(value_type = words::JobType)]
    pub job_type: String,
    /// That job's label.
    pub label: String,
    /// Where this copy rests.
    pub location: String,
    /// The file's name there.
    pub file_name: String,
    /// When reading started.
    pub created_at: Moment,
    /// Its civil day in the instance's zone.
    #[schema(value_type = words::CivilDay)]
    pub day: String,
    /// Bytes of content.
    pub content_size: u64,
    /// Bytes of the plain tar stream.
    pub stream_size: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// SHA-256 of the plain tar stream, in hex.
    #[schema(value_type = Option<words::Sha256Hex>, required)]
    pub stream_sha256: Option<String>,
    /// SHA-256 of the file, in hex.
    #[schema(value_type = Option<words::Sha256Hex>, required)]
    pub sha256: Option<String>,
    /// `none`, `gzip:LEVEL` or `zstd:LEVEL`.
    #[schema(value_type = words::CodecWord)]
    pub codec: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// age recipients that can open it.
    pub recipients: Vec<String>,
    /// `good`, `partial` or `suspect`.
    #[schema(value_type = words::ArchiveOutcome)]
    pub outcome: String,
    /// Why it is suspect.
    pub reasons: Vec<String>,
    /// Whether it counts as good.
    pub good: bool,
    /// `scheduled`, `manual`, `received`, `copied` or `adopted`.
    #[schema(value_type = words::ArchiveHow)]
    pub how: String,
    /// The peer or location that it came from.
    #[schema(required)]
    pub from: Option<String>,
    /// When it was received or adopted.
    #[schema(required)]
    pub received_at: Option<Moment>,
    /// Whether somebody pinned it.
    pub pinned: bool,
    /// `present`, `corrupt`, `lost`, `unavailable` or `trashed`.
    #[schema(value_type = words::Condition)]
    pub condition: String,
    /// When a trashed one is unlinked.
    #[schema(required)]
    pub trashed_until: Option<Moment>,
    /// When its bytes were last compared with their hash.
    #[schema(required)]
    pub verified_at: Option<Moment>,
    /// Why a drill could not bring back what it holds.
    #[serde(default)]
    #[schema(required)]
    pub refuted: Option<String>,
    /// What its members are.
    pub counts: Counts,
    /// A hash of the configuration that it was made with.
    #[schema(required)]
    pub config_hash: Option<String>,
    /// The git commit of that configuration.
    #[schema(required)]
    pub config_commit: Option<String>,
    /// What retention says of it, where a policy judges its series.
    #[schema(required)]
    pub retention: Option<Kept>,
}

/// How many members of what kind an archive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Regular files, hard links included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symlinks, fifos and device nodes.
    pub others: u64,
    /// Sockets, which tar cannot hold.
    pub skipped_sockets: u64,
    /// Files that changed while they were read.
    pub changed: u64,
    /// Files that vanished before they were read.
    pub vanished: u64,
    /// Files that could not be read.
    pub unreadable: u64,
}

/// What retention says of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kept {
    /// Whether it stays.
    pub keep: bool,
    /// Why.
    pub reasons: Vec<String>,
    /// The day on which it would leave if every coming run succeeds; told by `why`, and by
    /// the list with `leaves`.
    #[serde(default)]
    #[schema(value_type = Option<words::CivilDay>, required)]
    pub leaves_on: Option<String>,
}

/// A file that this program did not make: listed, never touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Foreign {
    /// Always `true`.
    pub foreign: bool,
    /// Its file name.
    pub name: String,
    /// Where it is.
    pub location: String,
    /// Its size in bytes.
    pub file_size: u64,
    /// When it was last written.
    pub modified_at: Moment,
    /// Why it counts as foreign.
    #[schema(required)]
    pub note: Option<String>,
}

/// An entry of the list of archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Entry {
    /// One of the catalogue.
    Archive(Box<Archive>),
    /// Another file.
    Foreign(Foreign),
}

/// An archive that a name could mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Its identity.
    #[schema(value_type = words::ArchiveId)]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub origin: String,
    /// Where the copy rests.
    pub location: String,
}

impl From<&model::Archive> for Candidate {
    fn from(archive: &model::Archive) -> Self {
        Self {
            id: archive.id.to_string(),
            name: archive.name.to_string(),
            origin: archive.origin.to_string(),
            location: archive.location.to_string(),
        }
    }
}

impl From<&model::MemberCounts> for Counts {
    fn from(counts: &model::MemberCounts) -> Self {
        Self {
            files: counts.files,
            directories: counts.directories,
            others: counts.others,
            skipped_sockets: counts.skipped_sockets,
            changed: counts.changed,
            vanished: counts.vanished,
            unreadable: counts.unreadable,
        }
    }
}

impl Archive {
    /// Who made it, as people are shown it.
    #[must_use]
    pub fn maker(&self) -> String {
        shown_host(&self.origin, self.peer.as_deref())
    }

    /// The job that made it, as people are shown it in lists: that of another instance with whose
    /// it is.
    #[must_use]
    pub fn shown_job(&self) -> String {
        match &self.peer {
            Some(peer) => format!("{peer}: {}", self.job),
            None if self.own => self.job.clone(),
            None => format!("{}: {}", self.origin, self.job),
        }
    }

    /// The archive, with times in the view's zone.
    #[must_use]
    pub fn new(view: &View, archive: &model::Archive, retention: Option<Kept>) -> Self {
        let zone = view.at.time_zone();
        let encrypted = !archive.recipients.is_empty();
        let reasons = match &archive.outcome {
            Outcome::Good | Outcome::Partial => Vec::new(),
            Outcome::Suspect(reason) => vec![reason.clone()],
        };
        let from = match &archive.how {
            How::Scheduled | How::Manual | How::Adopted => None,
            How::Received { from } | How::Copied { from, .. } => Some(from.to_string()),
        };
        let trashed_until = match archive.condition {
            Condition::Trashed { until } => Some(Moment::new(until, zone)),
            Condition::Present | Condition::Corrupt | Condition::Lost | Condition::Unavailable => {
                None
            }
        };
        Self {
            id: archive.id.to_string(),
            name: archive.name.to_string(),
            origin: archive.origin.to_string(),
            peer: view
                .desired
                .peer_at(&archive.location, &archive.origin)
                .map(|peer| peer.name.to_string()),
            own: view.desired.owns(archive),
            job: archive.job.to_string(),
            job_type: archive.job_type.word().to_owned(),
            label: archive.label.to_string(),
            location: archive.location.to_string(),
            file_name: format!("{}{}", archive.name, archive.codec.extension(encrypted)),
            created_at: Moment::new(archive.created_at, zone),
            day: archive.day.to_string(),
            content_size: archive.content_size,
            stream_size: archive.stream_size,
            file_size: archive.file_size,
            stream_sha256: archive.stream_sha256.map(|hash| hash.to_string()),
            sha256: archive.file_sha256.map(|hash| hash.to_string()),
            codec: archive.codec.to_string(),
            encrypted,
            recipients: archive.recipients.clone(),
            outcome: archive.outcome.word().to_owned(),
            reasons,
            good: archive.is_good(),
            how: archive.how.word().to_owned(),
            from,
            received_at: archive.received_at.map(|at| Moment::new(at, zone)),
            pinned: archive.pinned,
            condition: archive.condition.word().to_owned(),
            trashed_until,
            verified_at: archive.verified_at.map(|at| Moment::new(at, zone)),
            refuted: archive.refuted.clone(),
            counts: Counts::from(&archive.counts),
            config_hash: archive.config_hash.clone(),
            config_commit: archive.config_commit.clone(),
            retention,
        }
    }
}

impl Foreign {
    /// The file, with its time in the view's zone.
    #[must_use]
    pub fn new(view: &View, foreign: &observed::Foreign) -> Self {
        Self {
            foreign: true,
            name: foreign.file_name.clone(),
            location: foreign.location.to_string(),
            file_size: foreign.size,
            modified_at: Moment::new(foreign.modified, view.at.time_zone()),
            note: foreign.note.clone(),
        }
    }
}
