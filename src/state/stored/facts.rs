//! What the store remembers of jobs, series, deletions and the configuration, as it is stored.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Status, Text};
use crate::model::archive::ArchiveId;
use crate::model::members::{Found, Listing, Tried};
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::observed::{Attempt, Freeze, JobFacts, JobTable, SeriesFacts, SourceSeen};
use crate::model::retention::{Mode, Policy};
use crate::state::{ConfigRecord, Tombstone};

use super::StoredSeries;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredAttempt {
    #[serde(default)]
    number: u32,
    status: Status,
    finished_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredJobFacts {
    pub(in crate::state) job: Text<JobName>,
    first_seen: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_attempt: Option<StoredAttempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_success: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_failure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<StoredTable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<StoredSource>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredSource {
    source_path: PathBuf,
    mount: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredTable {
    hash: String,
    since: Timestamp,
}

impl From<(&JobName, &JobFacts)> for StoredJobFacts {
    fn from((job, facts): (&JobName, &JobFacts)) -> Self {
        Self {
            job: Text(job.clone()),
            first_seen: facts.first_seen,
            last_due: facts.last_due,
            last_attempt: facts.last_attempt.as_ref().map(|attempt| StoredAttempt {
                number: attempt.number,
                status: Status(attempt.status),
                finished_at: attempt.finished_at,
            }),
            last_success: facts.last_success,
            last_failure: facts.last_failure.clone(),
            table: facts
                .table
                .as_ref()
                .map(|table| StoredTable { hash: table.hash.clone(), since: table.since }),
            source: facts.source.as_ref().map(|source| StoredSource {
                source_path: source.source_path.clone(),
                mount: source.mount.clone(),
            }),
        }
    }
}

impl From<StoredJobFacts> for JobFacts {
    fn from(stored: StoredJobFacts) -> Self {
        Self {
            first_seen: stored.first_seen,
            last_due: stored.last_due,
            last_attempt: stored.last_attempt.map(|attempt| Attempt {
                number: attempt.number,
                status: attempt.status.0,
                finished_at: attempt.finished_at,
            }),
            last_success: stored.last_success,
            last_failure: stored.last_failure,
            table: stored.table.map(|table| JobTable { hash: table.hash, since: table.since }),
            source: stored
                .source
                .map(|source| SourceSeen { source_path: source.source_path, mount: source.mount }),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredFound {
    members: BTreeSet<String>,
    at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredTried {
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredListing {
    pub(in crate::state) job: Text<JobName>,
    #[serde(default)]
    of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<StoredFound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tried: Option<StoredTried>,
}

impl From<(&JobName, &Listing)> for StoredListing {
    fn from((job, listing): (&JobName, &Listing)) -> Self {
        let Listing { of, found, tried, is_open: _ } = listing.clone();
        Self {
            job: Text(job.clone()),
            of,
            found: found.map(|Found { members, at }| StoredFound { members, at }),
            tried: tried.map(|Tried { at, failure }| StoredTried { at, failure }),
        }
    }
}

impl From<StoredListing> for Listing {
    fn from(stored: StoredListing) -> Self {
        Self {
            of: stored.of,
            found: stored.found.map(|StoredFound { members, at }| Found { members, at }),
            tried: stored.tried.map(|StoredTried { at, failure }| Tried { at, failure }),
            is_open: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
enum StoredMode {
    Count {
        value: u32,
    },
    Daily {
        value: u32,
    },
    Gfs {
        #[serde(default)]
        daily: u32,
        #[serde(default)]
        weekly: u32,
        #[serde(default)]
        monthly: u32,
        #[serde(default)]
        yearly: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPolicy {
    #[serde(flatten)]
    mode: StoredMode,
    #[serde(default)]
    min_days: u32,
}

impl From<&Policy> for StoredPolicy {
    fn from(policy: &Policy) -> Self {
        let mode = match policy.mode {
            Mode::Count(value) => StoredMode::Count { value },
            Mode::Daily(value) => StoredMode::Daily { value },
            Mode::Gfs { daily, weekly, monthly, yearly } => {
                StoredMode::Gfs { daily, weekly, monthly, yearly }
            }
        };
        Self { mode, min_days: policy.min_days }
    }
}

impl From<StoredPolicy> for Policy {
    fn from(stored: StoredPolicy) -> Self {
        let mode = match stored.mode {
            StoredMode::Count { value } => Mode::Count(value),
            StoredMode::Daily { value } => Mode::Daily(value),
            StoredMode::Gfs { daily, weekly, monthly, yearly } => {
                Mode::Gfs { daily, weekly, monthly, yearly }
            }
        };
        Self { mode, min_days: stored.min_days }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredJudged {
    newest: uuid::Uuid,
    policy: StoredPolicy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredSeriesFacts {
    pub(in crate::state) series: StoredSeries,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    judged: Option<StoredJudged>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recent_deletions: Vec<(Timestamp, u32)>,
    #[serde(default)]
    adopted: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting_for_copies: Vec<(uuid::Uuid, Timestamp)>,
}

impl From<(&crate::model::archive::Series, &SeriesFacts)> for StoredSeriesFacts {
    fn from((series, facts): (&crate::model::archive::Series, &SeriesFacts)) -> Self {
        Self {
            series: series.into(),
            judged: facts
                .judged
                .as_ref()
                .map(|(newest, policy)| StoredJudged { newest: newest.0, policy: policy.into() }),
            recent_deletions: facts.recent_deletions.clone(),
            adopted: facts.adopted,
            waiting_for_copies: facts
                .waiting_for_copies
                .iter()
                .map(|(archive, since)| (archive.0, *since))
                .collect(),
        }
    }
}

impl From<StoredSeriesFacts> for SeriesFacts {
    fn from(stored: StoredSeriesFacts) -> Self {
        Self {
            judged: stored.judged.map(|judged| (ArchiveId(judged.newest), judged.policy.into())),
            recent_deletions: stored.recent_deletions,
            adopted: stored.adopted,
            waiting_for_copies: stored
                .waiting_for_copies
                .into_iter()
                .map(|(archive, since)| (ArchiveId(archive), since))
                .collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "text", rename_all = "kebab-case")]
pub(in crate::state) enum StoredFreeze {
    Clock(String),
    JobsVanished(String),
    Recovery(String),
}

impl StoredFreeze {
    /// The key: there is at most one freeze of a kind.
    pub(in crate::state) fn key(freeze: &Freeze) -> &'static str {
        match freeze {
            Freeze::Clock(_) => "clock",
            Freeze::JobsVanished(_) => "jobs-vanished",
            Freeze::Recovery(_) => "recovery",
        }
    }
}

impl From<&Freeze> for StoredFreeze {
    fn from(freeze: &Freeze) -> Self {
        match freeze {
            Freeze::Clock(text) => Self::Clock(text.clone()),
            Freeze::JobsVanished(text) => Self::JobsVanished(text.clone()),
            Freeze::Recovery(text) => Self::Recovery(text.clone()),
        }
    }
}

impl From<StoredFreeze> for Freeze {
    fn from(stored: StoredFreeze) -> Self {
        match stored {
            StoredFreeze::Clock(text) => Self::Clock(text),
            StoredFreeze::JobsVanished(text) => Self::JobsVanished(text),
            StoredFreeze::Recovery(text) => Self::Recovery(text),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredTombstone {
    archive: uuid::Uuid,
    location: Text<PlaceName>,
    name: Text<ArchiveName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to_trash: Option<Timestamp>,
    at: Timestamp,
}

impl From<&Tombstone> for StoredTombstone {
    fn from(tombstone: &Tombstone) -> Self {
        Self {
            archive: tombstone.archive.0,
            location: Text(tombstone.location.clone()),
            name: Text(tombstone.name.clone()),
            to_trash: tombstone.to_trash,
            at: tombstone.at,
        }
    }
}

impl From<StoredTombstone> for Tombstone {
    fn from(stored: StoredTombstone) -> Self {
        Self {
            archive: ArchiveId(stored.archive),
            location: stored.location.0,
            name: stored.name.0,
            to_trash: stored.to_trash,
            at: stored.at,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredConfig {
    last_good: String,
    hash: String,
    #[serde(default)]
    generation: u64,
}

impl From<&ConfigRecord> for StoredConfig {
    fn from(record: &ConfigRecord) -> Self {
        Self {
            last_good: record.last_good.clone(),
            hash: record.hash.clone(),
            generation: record.generation,
        }
    }
}

impl From<StoredConfig> for ConfigRecord {
    fn from(stored: StoredConfig) -> Self {
        Self { last_good: stored.last_good, hash: stored.hash, generation: stored.generation }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredApproval {
    pub(in crate::state) at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredNotBefore {
    pub(in crate::state) archive: uuid::Uuid,
    pub(in crate::state) location: Text<PlaceName>,
    pub(in crate::state) until: Timestamp,
}
