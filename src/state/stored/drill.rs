//! What the store remembers of drills, as it is stored.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Text;
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::observed::{DrillFacts, DrillOutcome, LastDrill};
use crate::model::run::RunId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredDrillFacts {
    pub(in crate::state) job: Text<JobName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_due: Option<Timestamp>,
    #[serde(default)]
    interrupted: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<StoredDrill>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proven_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredDrill {
    run: u64,
    archive: Text<ArchiveName>,
    location: Text<PlaceName>,
    at: Timestamp,
    took_ms: i64,
    outcome: StoredOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredOutcome {
    Proven(String),
    Failed(String),
    Unable(String),
}

impl From<(&JobName, &DrillFacts)> for StoredDrillFacts {
    fn from((job, facts): (&JobName, &DrillFacts)) -> Self {
        Self {
            job: Text(job.clone()),
            known_since: facts.known_since,
            last_due: facts.last_due,
            interrupted: facts.interrupted,
            rest_until: facts.rest_until,
            last: facts.last.as_ref().map(|last| StoredDrill {
                run: last.run.0,
                archive: Text(last.archive.clone()),
                location: Text(last.location.clone()),
                at: last.at,
                took_ms: i64::try_from(last.took.as_millis()).unwrap_or(i64::MAX),
                outcome: match &last.outcome {
                    DrillOutcome::Proven(text) => StoredOutcome::Proven(text.clone()),
                    DrillOutcome::Failed(text) => StoredOutcome::Failed(text.clone()),
                    DrillOutcome::Unable(text) => StoredOutcome::Unable(text.clone()),
                },
            }),
            proven_at: facts.proven_at,
        }
    }
}

impl From<StoredDrillFacts> for DrillFacts {
    fn from(stored: StoredDrillFacts) -> Self {
        Self {
            known_since: stored.known_since,
            last_due: stored.last_due,
            interrupted: stored.interrupted,
            rest_until: stored.rest_until,
            last: stored.last.map(|last| LastDrill {
                run: RunId(last.run),
                archive: last.archive.0,
                location: last.location.0,
                at: last.at,
                took: SignedDuration::from_millis(last.took_ms),
                outcome: match last.outcome {
                    StoredOutcome::Proven(text) => DrillOutcome::Proven(text),
                    StoredOutcome::Failed(text) => DrillOutcome::Failed(text),
                    StoredOutcome::Unable(text) => DrillOutcome::Unable(text),
                },
            }),
            proven_at: stored.proven_at,
        }
    }
}
