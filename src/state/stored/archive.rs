//! Archives as the store holds them. The sidecar has structs of its own: it is an exchange format
//! that others read, this is an index that can be made again from it.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Text;
use crate::model::archive::{Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Sha256};
use crate::model::job::JobType;
use crate::model::location::Codec;
use crate::model::name::{ArchiveName, InstanceName, JobName, Label, PlaceName};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredJobType {
    CustomDir,
    Mysql,
    Postgresql,
    YnhApp,
    YnhSystem,
}

impl From<JobType> for StoredJobType {
    fn from(kind: JobType) -> Self {
        match kind {
            JobType::CustomDir => Self::CustomDir,
            JobType::Mysql => Self::Mysql,
            JobType::Postgresql => Self::Postgresql,
            JobType::YnhApp => Self::YnhApp,
            JobType::YnhSystem => Self::YnhSystem,
        }
    }
}

impl From<StoredJobType> for JobType {
    fn from(stored: StoredJobType) -> Self {
        match stored {
            StoredJobType::CustomDir => Self::CustomDir,
            StoredJobType::Mysql => Self::Mysql,
            StoredJobType::Postgresql => Self::Postgresql,
            StoredJobType::YnhApp => Self::YnhApp,
            StoredJobType::YnhSystem => Self::YnhSystem,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredCodec {
    None,
    Gzip(u8),
    Zstd(u8),
}

impl From<Codec> for StoredCodec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip(level) => Self::Gzip(level),
            Codec::Zstd(level) => Self::Zstd(level),
        }
    }
}

impl From<StoredCodec> for Codec {
    fn from(stored: StoredCodec) -> Self {
        match stored {
            StoredCodec::None => Self::None,
            StoredCodec::Gzip(level) => Self::Gzip(level),
            StoredCodec::Zstd(level) => Self::Zstd(level),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredOutcome {
    Good,
    Partial,
    Suspect(String),
}

impl From<&Outcome> for StoredOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Good => Self::Good,
            Outcome::Partial => Self::Partial,
            Outcome::Suspect(reason) => Self::Suspect(reason.clone()),
        }
    }
}

impl From<StoredOutcome> for Outcome {
    fn from(stored: StoredOutcome) -> Self {
        match stored {
            StoredOutcome::Good => Self::Good,
            StoredOutcome::Partial => Self::Partial,
            StoredOutcome::Suspect(reason) => Self::Suspect(reason),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredHow {
    Scheduled,
    Manual,
    Received {
        from: Text<PlaceName>,
    },
    Copied {
        from: Text<PlaceName>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        manual: bool,
    },
    Adopted,
}

impl From<&How> for StoredHow {
    fn from(how: &How) -> Self {
        match how {
            How::Scheduled => Self::Scheduled,
            How::Manual => Self::Manual,
            How::Received { from } => Self::Received { from: Text(from.clone()) },
            How::Copied { from, manual } => {
                Self::Copied { from: Text(from.clone()), manual: *manual }
            }
            How::Adopted => Self::Adopted,
        }
    }
}

impl From<StoredHow> for How {
    fn from(stored: StoredHow) -> Self {
        match stored {
            StoredHow::Scheduled => Self::Scheduled,
            StoredHow::Manual => Self::Manual,
            StoredHow::Received { from } => Self::Received { from: from.0 },
            StoredHow::Copied { from, manual } => Self::Copied { from: from.0, manual },
            StoredHow::Adopted => Self::Adopted,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredCondition {
    Present,
    Corrupt,
    Lost,
    Unavailable,
    Trashed { until: Timestamp },
}

impl From<&Condition> for StoredCondition {
    fn from(condition: &Condition) -> Self {
        match condition {
            Condition::Present => Self::Present,
            Condition::Corrupt => Self::Corrupt,
            Condition::Lost => Self::Lost,
            Condition::Unavailable => Self::Unavailable,
            Condition::Trashed { until } => Self::Trashed { until: *until },
        }
    }
}

impl From<StoredCondition> for Condition {
    fn from(stored: StoredCondition) -> Self {
        match stored {
            StoredCondition::Present => Self::Present,
            StoredCondition::Corrupt => Self::Corrupt,
            StoredCondition::Lost => Self::Lost,
            StoredCondition::Unavailable => Self::Unavailable,
            StoredCondition::Trashed { until } => Self::Trashed { until },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredCounts {
    files: u64,
    directories: u64,
    others: u64,
    skipped_sockets: u64,
    changed: u64,
    vanished: u64,
    unreadable: u64,
}

impl From<MemberCounts> for StoredCounts {
    fn from(counts: MemberCounts) -> Self {
        let MemberCounts {
            files,
            directories,
            others,
            skipped_sockets,
            changed,
            vanished,
            unreadable,
        } = counts;
        Self { files, directories, others, skipped_sockets, changed, vanished, unreadable }
    }
}

impl From<StoredCounts> for MemberCounts {
    fn from(stored: StoredCounts) -> Self {
        let StoredCounts {
            files,
            directories,
            others,
            skipped_sockets,
            changed,
            vanished,
            unreadable,
        } = stored;
        Self { files, directories, others, skipped_sockets, changed, vanished, unreadable }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredArchive {
    id: uuid::Uuid,
    name: Text<ArchiveName>,
    origin: Text<InstanceName>,
    job: Text<JobName>,
    job_type: StoredJobType,
    label: Text<Label>,
    location: Text<PlaceName>,
    created_at: Timestamp,
    day: Date,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    content_size: u64,
    #[serde(default)]
    stream_size: u64,
    #[serde(default)]
    file_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream_sha256: Option<Text<Sha256>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_sha256: Option<Text<Sha256>>,
    codec: StoredCodec,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    outcome: StoredOutcome,
    #[serde(default)]
    partial_allowed: bool,
    how: StoredHow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    #[serde(default)]
    pinned: bool,
    condition: StoredCondition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refuted: Option<String>,
    #[serde(default)]
    counts: StoredCounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config_commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_json: Option<String>,
}

impl From<&Archive> for StoredArchive {
    fn from(archive: &Archive) -> Self {
        Self {
            id: archive.id.0,
            name: Text(archive.name.clone()),
            origin: Text(archive.origin.clone()),
            job: Text(archive.job.clone()),
            job_type: archive.job_type.into(),
            label: Text(archive.label.clone()),
            location: Text(archive.location.clone()),
            created_at: archive.created_at,
            day: archive.day,
            zone: archive.zone.clone(),
            content_size: archive.content_size,
            stream_size: archive.stream_size,
            file_size: archive.file_size,
            stream_sha256: archive.stream_sha256.map(Text),
            file_sha256: archive.file_sha256.map(Text),
            codec: archive.codec.into(),
            recipients: archive.recipients.clone(),
            outcome: (&archive.outcome).into(),
            partial_allowed: archive.partial_allowed,
            how: (&archive.how).into(),
            received_at: archive.received_at,
            pinned: archive.pinned,
            condition: (&archive.condition).into(),
            verified_at: archive.verified_at,
            refuted: archive.refuted.clone(),
            counts: archive.counts.into(),
            config_hash: archive.config_hash.clone(),
            config_commit: archive.config_commit.clone(),
            job_json: archive.job_json.clone(),
        }
    }
}

impl From<StoredArchive> for Archive {
    fn from(stored: StoredArchive) -> Self {
        Self {
            id: ArchiveId(stored.id),
            name: stored.name.0,
            origin: stored.origin.0,
            job: stored.job.0,
            job_type: stored.job_type.into(),
            label: stored.label.0,
            location: stored.location.0,
            created_at: stored.created_at,
            day: stored.day,
            zone: stored.zone,
            content_size: stored.content_size,
            stream_size: stored.stream_size,
            file_size: stored.file_size,
            stream_sha256: stored.stream_sha256.map(|hash| hash.0),
            file_sha256: stored.file_sha256.map(|hash| hash.0),
            codec: stored.codec.into(),
            recipients: stored.recipients,
            outcome: stored.outcome.into(),
            partial_allowed: stored.partial_allowed,
            how: stored.how.into(),
            received_at: stored.received_at,
            pinned: stored.pinned,
            condition: stored.condition.into(),
            verified_at: stored.verified_at,
            refuted: stored.refuted,
            counts: stored.counts.into(),
            config_hash: stored.config_hash,
            config_commit: stored.config_commit,
            job_json: stored.job_json,
        }
    }
}
