//! What the store remembers of peers, as it is stored.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Text;
use crate::model::archive::{ArchiveId, Sha256};
use crate::model::contact::{Contact, Expected, Holdings, Presence, RemoteCopy, Told};
use crate::model::name::{InstanceName, JobName, PlaceName};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredContact {
    pub(in crate::state) peer: Text<PlaceName>,
    created_at: Timestamp,
    #[serde(default)]
    presence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    #[serde(default)]
    failures: u32,
    check_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<StoredCopy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    offered: Vec<StoredCopy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sender_can_delete: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<StoredTold>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredCopy {
    id: uuid::Uuid,
    name: String,
    origin: Text<InstanceName>,
    job: Text<JobName>,
    created_at: Timestamp,
    file_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream_sha256: Option<Text<Sha256>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_sha256: Option<Text<Sha256>>,
    is_good: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredTold {
    at: Timestamp,
    version: String,
    member: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    expected: Vec<StoredExpected>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredExpected {
    job: Text<JobName>,
    by: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age: Option<SignedDuration>,
}

impl From<&Expected> for StoredExpected {
    fn from(one: &Expected) -> Self {
        Self { job: Text(one.job.clone()), by: one.by, max_age: one.max_age }
    }
}

impl From<StoredExpected> for Expected {
    fn from(stored: StoredExpected) -> Self {
        Self { job: stored.job.0, by: stored.by, max_age: stored.max_age }
    }
}

impl From<&RemoteCopy> for StoredCopy {
    fn from(copy: &RemoteCopy) -> Self {
        Self {
            id: copy.id.0,
            name: copy.name.clone(),
            origin: Text(copy.origin.clone()),
            job: Text(copy.job.clone()),
            created_at: copy.created_at,
            file_size: copy.file_size,
            stream_sha256: copy.stream_sha256.map(Text),
            file_sha256: copy.file_sha256.map(Text),
            is_good: copy.is_good,
        }
    }
}

impl From<StoredCopy> for RemoteCopy {
    fn from(stored: StoredCopy) -> Self {
        Self {
            id: ArchiveId(stored.id),
            name: stored.name,
            origin: stored.origin.0,
            job: stored.job.0,
            created_at: stored.created_at,
            file_size: stored.file_size,
            stream_sha256: stored.stream_sha256.map(|hash| hash.0),
            file_sha256: stored.file_sha256.map(|hash| hash.0),
            is_good: stored.is_good,
        }
    }
}

impl From<(&PlaceName, &Contact)> for StoredContact {
    fn from((peer, contact): (&PlaceName, &Contact)) -> Self {
        let held = contact.holdings.as_ref();
        Self {
            peer: Text(peer.clone()),
            created_at: contact.created_at,
            presence: contact.presence.word().to_owned(),
            why: contact.why.clone(),
            hint: contact.hint.clone(),
            checked_at: contact.checked_at,
            last_seen: contact.last_seen,
            failures: contact.failures,
            check_at: contact.check_at,
            held_at: held.map(|held| held.at),
            held: held.map(|held| held.copies.iter().map(Into::into).collect()).unwrap_or_default(),
            offered: contact.offered.iter().map(Into::into).collect(),
            sender_can_delete: contact.sender_can_delete,
            told: contact.told.as_ref().map(|told| StoredTold {
                at: told.at,
                version: told.version.clone(),
                member: told.member_json.clone(),
                expected: told.expected.iter().map(Into::into).collect(),
            }),
        }
    }
}

impl From<StoredContact> for Contact {
    fn from(stored: StoredContact) -> Self {
        let copies = |stored: Vec<StoredCopy>| stored.into_iter().map(Into::into).collect();
        let held = stored.held;
        Self {
            created_at: stored.created_at,
            // A word of a later version: it is asked again soon.
            presence: Presence::from_word(&stored.presence).unwrap_or_default(),
            why: stored.why,
            hint: stored.hint,
            checked_at: stored.checked_at,
            last_seen: stored.last_seen,
            failures: stored.failures,
            check_at: stored.check_at,
            holdings: stored.held_at.map(|at| Holdings { at, copies: copies(held) }),
            offered: copies(stored.offered),
            sender_can_delete: stored.sender_can_delete,
            told: stored.told.map(|told| Told {
                at: told.at,
                version: told.version,
                member_json: told.member,
                expected: told.expected.into_iter().map(Into::into).collect(),
            }),
        }
    }
}
