//! What rests in the store: JSON of structs that belong to the store alone.
//!
//! The model stays free to change because nothing of it is serialised. **Invariants:** a field that
//! was ever written is never given another meaning; a field added later has a default, so that what
//! an earlier version wrote still loads; unknown fields are ignored.
//!
//! [`archive`] and [`facts`] hold the rest; this file has runs and the [`Text`] that they all use.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::archive::{ArchiveId, Series};
use crate::model::job::Via;
use crate::model::name::{ArchiveName, InstanceName, JobName, PlaceName};
use crate::model::restore::{Part, RestoreRequest};
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};

pub(super) mod archive;
pub(super) mod drill;
pub(super) mod facts;
pub(super) mod upload;
pub(super) mod contact;

/// A value that is stored as the text it prints, and checked by its own parser when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr> Visitor<'_> for TextVisitor<T> {
    type Value = Text<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a valid {}", std::any::type_name::<T>())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<T>, E> {
        let value = text.parse().map_err(|_| {
            E::custom(format_args!("`{text}` is not a valid {}", std::any::type_name::<T>()))
        })?;
        Ok(Text(value))
    }
}

/// The status of a run as its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(pub(super) RunStatus);

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let status = RunStatus::from_word(&word)
            .ok_or_else(|| D::Error::custom(format_args!("`{word}` is not a status")))?;
        Ok(Self(status))
    }
}

/// A series, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredSeries {
    pub(super) origin: Text<InstanceName>,
    pub(super) job: Text<JobName>,
    pub(super) location: Text<PlaceName>,
}

impl From<&Series> for StoredSeries {
    fn from(series: &Series) -> Self {
        Self {
            origin: Text(series.origin.clone()),
            job: Text(series.job.clone()),
            location: Text(series.location.clone()),
        }
    }
}

impl From<StoredSeries> for Series {
    fn from(stored: StoredSeries) -> Self {
        Self { origin: stored.origin.0, job: stored.job.0, location: stored.location.0 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum StoredWork {
    Backup {
        job: Text<JobName>,
    },
    Expire {
        series: StoredSeries,
        archives: Vec<uuid::Uuid>,
    },
    EmptyTrash {
        location: Text<PlaceName>,
        archives: Vec<uuid::Uuid>,
    },
    Verify {
        archive: uuid::Uuid,
        location: Text<PlaceName>,
    },
    Send {
        archive: uuid::Uuid,
        from: Text<PlaceName>,
        to: Text<PlaceName>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<String>,
    },
    Adopt {
        location: Text<PlaceName>,
        file_name: String,
        job: Text<JobName>,
    },
    Restore {
        archive: uuid::Uuid,
        location: Text<PlaceName>,
        request: StoredRequest,
    },
    Drill {
        job: Text<JobName>,
        archive: uuid::Uuid,
        location: Text<PlaceName>,
    },
    Fetch {
        archive: uuid::Uuid,
        peer: Text<PlaceName>,
        to: Text<PlaceName>,
    },
    Prune {
        peer: Text<PlaceName>,
        archives: Vec<uuid::Uuid>,
    },
}

/// What was asked of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    paths: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    only: Vec<String>,
    safety: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Text<PlaceName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undo: Option<u64>,
}

impl From<&RestoreRequest> for StoredRequest {
    fn from(request: &RestoreRequest) -> Self {
        Self {
            to: request.to.clone(),
            paths: request.paths.clone(),
            only: request.only.iter().map(|part| part.word().to_owned()).collect(),
            safety: request.safety,
            identity: request.identity.clone(),
            from: request.from.clone().map(Text),
            undo: request.undo.map(|run| run.0),
        }
    }
}

impl From<StoredRequest> for RestoreRequest {
    fn from(stored: StoredRequest) -> Self {
        Self {
            to: stored.to,
            paths: stored.paths,
            only: stored.only.iter().filter_map(|word| Part::from_word(word)).collect(),
            safety: stored.safety,
            identity: stored.identity,
            from: stored.from.map(|from| from.0),
            undo: stored.undo.map(RunId),
        }
    }
}

fn bare(archives: &[ArchiveId]) -> Vec<uuid::Uuid> {
    archives.iter().map(|archive| archive.0).collect()
}

fn identities(archives: Vec<uuid::Uuid>) -> Vec<ArchiveId> {
    archives.into_iter().map(ArchiveId).collect()
}

impl From<&Work> for StoredWork {
    fn from(work: &Work) -> Self {
        match work {
            Work::Backup { job } => Self::Backup { job: Text(job.clone()) },
            Work::Expire { series, archives } => {
                Self::Expire { series: series.into(), archives: bare(archives) }
            }
            Work::EmptyTrash { location, archives } => {
                Self::EmptyTrash { location: Text(location.clone()), archives: bare(archives) }
            }
            Work::Verify { archive, location } => {
                Self::Verify { archive: archive.0, location: Text(location.clone()) }
            }
            Work::Send { archive, from, to, via } => Self::Send {
                archive: archive.0,
                from: Text(from.clone()),
                to: Text(to.clone()),
                via: (*via != Via::Auto).then(|| via.word().to_owned()),
            },
            Work::Adopt { location, file_name, job } => Self::Adopt {
                location: Text(location.clone()),
                file_name: file_name.clone(),
                job: Text(job.clone()),
            },
            Work::Restore { archive, location, request } => Self::Restore {
                archive: archive.0,
                location: Text(location.clone()),
                request: request.as_ref().into(),
            },
            Work::Drill { job, archive, location } => Self::Drill {
                job: Text(job.clone()),
                archive: archive.0,
                location: Text(location.clone()),
            },
            Work::Fetch { archive, peer, to } => {
                Self::Fetch { archive: archive.0, peer: Text(peer.clone()), to: Text(to.clone()) }
            }
            Work::Prune { peer, archives } => {
                Self::Prune { peer: Text(peer.clone()), archives: bare(archives) }
            }
        }
    }
}

impl From<StoredWork> for Work {
    fn from(stored: StoredWork) -> Self {
        match stored {
            StoredWork::Backup { job } => Self::Backup { job: job.0 },
            StoredWork::Expire { series, archives } => {
                Self::Expire { series: series.into(), archives: identities(archives) }
            }
            StoredWork::EmptyTrash { location, archives } => {
                Self::EmptyTrash { location: location.0, archives: identities(archives) }
            }
            StoredWork::Verify { archive, location } => {
                Self::Verify { archive: ArchiveId(archive), location: location.0 }
            }
            StoredWork::Send { archive, from, to, via } => Self::Send {
                archive: ArchiveId(archive),
                from: from.0,
                to: to.0,
                via: via.and_then(|word| Via::from_word(&word)).unwrap_or_default(),
            },
            StoredWork::Adopt { location, file_name, job } => {
                Self::Adopt { location: location.0, file_name, job: job.0 }
            }
            StoredWork::Restore { archive, location, request } => Self::Restore {
                archive: ArchiveId(archive),
                location: location.0,
                request: Box::new(request.into()),
            },
            StoredWork::Drill { job, archive, location } => {
                Self::Drill { job: job.0, archive: ArchiveId(archive), location: location.0 }
            }
            StoredWork::Fetch { archive, peer, to } => {
                Self::Fetch { archive: ArchiveId(archive), peer: peer.0, to: to.0 }
            }
            StoredWork::Prune { peer, archives } => {
                Self::Prune { peer: peer.0, archives: identities(archives) }
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub(super) enum StoredCause {
    Due {
        due: Timestamp,
        #[serde(default)]
        attempt: u32,
    },
    First,
    Manual,
    Reconcile,
}

impl From<&Cause> for StoredCause {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::Due { due, attempt } => Self::Due { due: *due, attempt: *attempt },
            Cause::First => Self::First,
            Cause::Manual => Self::Manual,
            Cause::Reconcile => Self::Reconcile,
        }
    }
}

impl From<StoredCause> for Cause {
    fn from(stored: StoredCause) -> Self {
        match stored {
            StoredCause::Due { due, attempt } => Self::Due { due, attempt },
            StoredCause::First => Self::First,
            StoredCause::Manual => Self::Manual,
            StoredCause::Reconcile => Self::Reconcile,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredRun {
    pub(super) id: u64,
    pub(super) work: StoredWork,
    pub(super) cause: StoredCause,
    pub(super) status: Status,
    pub(super) queued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) finished_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) summary: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) archive: Option<Text<ArchiveName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config_hash: Option<String>,
}

impl From<&Run> for StoredRun {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id.0,
            work: (&run.work).into(),
            cause: (&run.cause).into(),
            status: Status(run.status),
            queued_at: run.queued_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            summary: run.summary.clone(),
            hint: run.hint.clone(),
            archive: run.archive.clone().map(Text),
            size_bytes: run.size_bytes,
            config_hash: run.config_hash.clone(),
        }
    }
}

impl From<StoredRun> for Run {
    fn from(stored: StoredRun) -> Self {
        Self {
            id: RunId(stored.id),
            work: stored.work.into(),
            cause: stored.cause.into(),
            status: stored.status.0,
            queued_at: stored.queued_at,
            started_at: stored.started_at,
            finished_at: stored.finished_at,
            summary: stored.summary,
            hint: stored.hint,
            archive: stored.archive.map(|archive| archive.0),
            size_bytes: stored.size_bytes,
            config_hash: stored.config_hash,
        }
    }
}

#[cfg(test)]
mod tests;
