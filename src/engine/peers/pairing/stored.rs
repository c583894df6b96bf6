//! How invitations stand in the state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Invitation, Outcome};
use crate::config::edit::Terms;

#[derive(Serialize, Deserialize)]
struct Stored {
    peer: String,
    expires_at: Timestamp,
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    write: bool,
    location: Option<String>,
    quota: Option<String>,
    retention: Option<String>,
    secret_sha256: String,
    outcome: Option<StoredOutcome>,
}

#[derive(Serialize, Deserialize)]
struct StoredOutcome {
    at: Timestamp,
    instance: String,
    toml: String,
    token: Option<String>,
    written: bool,
    problem: Option<String>,
    #[serde(default)]
    ssh_keys: Vec<String>,
}

/// The text of invitations.
pub(super) fn text(all: &[Invitation]) -> String {
    let stored: Vec<Stored> = all.iter().map(Stored::from).collect();
    serde_json::to_string(&stored).expect("texts, times and truths are JSON")
}

/// Reads [`text`]. What cannot be read is no invitation: its code opens nothing.
pub(super) fn read(text: &str) -> Vec<Invitation> {
    let stored: Vec<Stored> = serde_json::from_str(text).unwrap_or_default();
    stored.into_iter().filter_map(Stored::into_invitation).collect()
}

impl From<&Invitation> for Stored {
    fn from(one: &Invitation) -> Self {
        Self {
            peer: one.peer.to_string(),
            expires_at: one.expires_at,
            replace: one.replace,
            write: one.write,
            location: one.terms.location.clone(),
            quota: one.terms.quota.clone(),
            retention: one.terms.retention.clone(),
            secret_sha256: one.secret.to_string(),
            outcome: one.outcome.clone().map(|outcome| StoredOutcome {
                at: outcome.at,
                instance: outcome.instance,
                toml: outcome.toml,
                token: outcome.token,
                written: outcome.written,
                problem: outcome.problem,
                ssh_keys: outcome.ssh_keys,
            }),
        }
    }
}

impl Stored {
    fn into_invitation(self) -> Option<Invitation> {
        Some(Invitation {
            peer: self.peer.parse().ok()?,
            expires_at: self.expires_at,
            replace: self.replace,
            write: self.write,
            terms: Terms { location: self.location, quota: self.quota, retention: self.retention },
            secret: self.secret_sha256.parse().ok()?,
            outcome: self.outcome.map(|outcome| Outcome {
                at: outcome.at,
                instance: outcome.instance,
                toml: outcome.toml,
                token: outcome.token,
                written: outcome.written,
                problem: outcome.problem,
                ssh_keys: outcome.ssh_keys,
            }),
        })
    }
}
