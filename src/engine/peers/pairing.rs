//! Pairing: codes that let another instance in once, and what comes of it.
//!
//! An invitation is kept in the state with the hash of its secret alone. Who proves to know the
//! secret, gets a token and gives one; from that moment the code is worth nothing. What this
//! instance is to commit then is written where that is wished and possible, and else kept until
//! somebody has seen it, a day at most.
//! **Invariant:** an invitation is marked as used, durably, before anything is answered.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::edit::{EditError, Terms};
use crate::engine::RequestError;
use crate::engine::core::Core;
use crate::engine::handle::Handle;
use crate::engine::runs::context;
use crate::model::archive::Sha256;
use crate::model::name::{InstanceName, PlaceName};
use crate::model::pairing::{Code, OneTime};

mod invite;
mod stored;
mod welcome;

/// How many invitations may be open at once.
const OPEN_MAX: usize = 8;
/// How long what came of one is kept for somebody to see.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The longest time that a code may be worth something.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What is told for another URL than one that a token may travel to.
const URL_HINT: &str = "it must be `https://…`: a token travels there";
/// How long an answer waits for what was written to be in force.
const READING: Duration = Duration::from_secs(5);
/// The name of the value in the state.
const VALUE: &str = "invitations";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// What the other one is called here.
    pub peer: PlaceName,
    /// How long its code is good.
    pub ttl: SignedDuration,
    /// Whether a peer that is there gets a new holder.
    pub replace: bool,
    /// Whether its table is written when it comes.
    pub write: bool,
    /// What it may do here.
    pub terms: Terms,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// What the other one is called here.
    pub peer: PlaceName,
    /// Until when its code is good.
    pub expires_at: Timestamp,
    /// Whether a peer that is there gets a new holder.
    pub replace: bool,
    /// Whether its table is written when it comes.
    pub write: bool,
    /// What it may do here.
    pub terms: Terms,
    /// The hash of the secret.
    secret: Sha256,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

/// What came of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// When it was accepted.
    pub at: Timestamp,
    /// Who accepted it.
    pub instance: String,
    /// The table to commit.
    pub toml: String,
    /// The token that it gave us, until it is in its file.
    pub token: Option<String>,
    /// Whether both are in their files.
    pub written: bool,
    /// Why they are not, although that was wished.
    pub problem: Option<String>,
    /// Its public keys.
    pub ssh_keys: Vec<String>,
}

/// What somebody with a code says of itself.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The secret of the code.
    pub secret: Option<OneTime>,
    /// Its name.
    pub instance: InstanceName,
    /// Its base URL, where it can be reached.
    pub url: Option<String>,
    /// Its certificate, where nobody else vouches for it.
    pub pin: Option<Sha256>,
    /// The token that opens it.
    pub token: Option<String>,
    /// Its public keys.
    pub ssh_keys: Vec<String>,
}

/// What it is answered.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// This instance.
    pub instance: InstanceName,
    /// What the other one is called here.
    pub peer: PlaceName,
    /// The token that opens its name space here.
    pub token: Option<String>,
    /// Our public keys.
    pub ssh_keys: Vec<String>,
}

/// Why an offer is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The secret is wrong, used or expired: nobody is told which.
    #[error("no invitation is open for this code")]
    Unknown,
    /// The rest of it cannot be used; the invitation stays open.
    #[error("{0}")]
    Unfit(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
}

impl Handle {
    /// Makes an invitation, in place of one for the same peer, and its code.
    ///
    /// # Errors
    /// This instance cannot be reached, the peer is there already (or is not, with `replace`), its
    /// table would not be valid, or too many invitations are open.
    pub async fn invite(&self, new: NewInvitation) -> Result<Code, RequestError> {
        self.pairing(move |core| invite::invite(core, new)).await
    }

    /// The invitations that are open, and those of the last day that were accepted.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, RequestError> {
        self.pairing(|core| open(core).map_err(failed)).await
    }

    /// Forgets an invitation: its code is worth nothing any more, and what came of it was seen.
    ///
    /// # Errors
    /// There is none.
    pub async fn forget_invitation(&self, peer: PlaceName) -> Result<(), RequestError> {
        self.pairing(move |core| {
            let mut all = open(core).map_err(failed)?;
            let before = all.len();
            all.retain(|one| one.peer != peer);
            if all.len() == before {
                return Err(RequestError::NotFound(format!("there is no invitation for `{peer}`")));
            }
            keep(core, &all).map_err(failed)
        })
        .await
    }

    /// Takes the offer of somebody who knows a code.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn welcome(&self, offer: Offer) -> Result<Welcome, Denied> {
        let core = Arc::clone(&self.core);
        let welcomed = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = core.pairing.lock();
            welcome::welcome(&core, &offer)
        });
        let (welcome, is_written) =
            welcomed.await.map_err(|error| Denied::Failed(error.to_string()))??;
        if is_written {
            // Who is answered comes back with the new token at once. Were this engine stopping, the
            // next start would read what is written.
            let _ = tokio::time::timeout(READING, self.reloaded()).await;
        }
        Ok(welcome)
    }

    /// Works on the invitations, off the async threads and one at a time.
    async fn pairing<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Core) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, RequestError> {
        let core = Arc::clone(&self.core);
        let done = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = core.pairing.lock();
            body(&core)
        });
        done.await.map_err(|error| RequestError::Failed(error.to_string()))?
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: crate::state::StateError) -> RequestError {
    RequestError::Failed(context::with_causes(&error))
}

fn refused(why: impl Into<String>, hint: impl Into<String>) -> RequestError {
    RequestError::Refused { why: why.into(), hint: Some(hint.into()) }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unfit(error: EditError) -> RequestError {
    refused(context::with_causes(&error), error.hint())
}

/// The invitations, without those whose time is over.
fn open(core: &Core) -> Result<Vec<Invitation>, crate::state::StateError> {
    let now = core.now();
    let mut all = stored::read(&core.state.value(VALUE)?.unwrap_or_default());
    all.retain(|one| match &one.outcome {
        None => one.expires_at > now,
        Some(outcome) => outcome.at.saturating_add(KEPT).is_ok_and(|until| until > now),
    });
    Ok(all)
}

fn keep(core: &Core, all: &[Invitation]) -> Result<(), crate::state::StateError> {
    if all.is_empty() {
        return core.state.drop_value(VALUE);
    }
    core.state.put_value(VALUE, &stored::text(all))
}

/// Whether a token may travel to a URL: over TLS, or within this host.
pub(crate) fn may_carry_tokens(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}
