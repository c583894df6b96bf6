//! Pairing: codes that let another instance in once, and what comes of it.
//!
//! An invitation is kept in the state with the hash of its secret alone. Who proves to know the
//! secret, gets a token and gives one; from that moment the code is worth nothing. What this
//! instance is to commit then is written where that is wished and possible, and else kept until
//! somebody has seen it, a day at most.
//! **Invariant:** an invitation is marked as used, durably, before anything is answered.

use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256 as Hasher};
use subtle::{Choice, ConstantTimeEq as _};

use super::core::Core;
use super::handle::Handle;
use super::requests::Request;
use super::{RequestError, context};
use crate::config;
use crate::config::edit::{self, EditError, Other, Terms};
use crate::model::archive::Sha256;
use crate::model::desired::Desired;
use crate::model::name::{InstanceName, PlaceName};
use crate::model::pairing::{Code, OneTime};
use crate::model::peer::PeerKind;
use crate::model::token::TokenHash;
use crate::peer::ssh::keys;
use crate::secret;

mod stored;

/// How many invitations may be open at once.
const OPEN_MAX: usize = 8;
/// How long what came of one is kept for somebody to see.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The longest time that a code may be worth something.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What is told for another URL than one that a token may travel to.
const URL_HINT: &str = "it must be `https://…`: a token travels there";
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
        self.pairing(move |core| invite(core, new)).await
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
            let _one_at_a_time = lock(&core);
            welcome(&core, &offer)
        });
        welcomed.await.map_err(|error| Denied::Failed(error.to_string()))?
    }

    /// Works on the invitations, off the async threads and one at a time.
    async fn pairing<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Core) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, RequestError> {
        let core = Arc::clone(&self.core);
        let done = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = lock(&core);
            body(&core)
        });
        done.await.map_err(|error| RequestError::Failed(error.to_string()))?
    }
}

fn lock(core: &Core) -> MutexGuard<'_, ()> {
    // What it guards is written in one step.
    core.pairing.lock().unwrap_or_else(PoisonError::into_inner)
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

fn invite(core: &Core, new: NewInvitation) -> Result<Code, RequestError> {
    let desired = core.desired();
    let dir = &core.options.config_dir;
    let url = desired.instance.url.clone().ok_or_else(|| {
        refused("this instance does not say where it is reached", "write `url` in `[instance]`")
    })?;
    if !may_carry_tokens(&url) {
        return Err(refused(format!("nobody is let in at `{url}`"), URL_HINT));
    }
    if new.ttl <= SignedDuration::ZERO || new.ttl > LONGEST {
        return Err(refused("a code is good for a week at most", "for instance `--ttl 15m`"));
    }
    let is_there = desired.peers.get(&new.peer);
    match (is_there.map(|peer| &peer.kind), new.replace) {
        (None, false) => {
            // What is not valid is better told now than when somebody comes.
            let other = Other { token_hash: Some(empty_hash()), ..Other::default() };
            edit::paired(dir, &new.peer, &other, &new.terms, &desired).map_err(unfit)?;
        }
        (Some(PeerKind::Instance { .. }), true) => {}
        (None, true) => {
            return Err(RequestError::NotFound(format!("there is no peer `{}`", new.peer)));
        }
        (Some(_), true) => {
            return Err(refused(
                format!("peer `{}` is no instance that could come back", new.peer),
                "only peers of kind `instance` are invited",
            ));
        }
        (Some(_), false) => {
            return Err(refused(
                format!("there is a peer `{}` already", new.peer),
                "choose another name, or let a burned instance back in with `--replace`",
            ));
        }
    }
    let pin = match &desired.instance.tls {
        Some(tls) if url.starts_with("https://") => Some(
            config::fingerprint(tls)
                .map_err(|error| refused(context::with_causes(&error), error.hint()))?,
        ),
        Some(_) | None => None,
    };
    let mut all = open(core).map_err(failed)?;
    all.retain(|one| one.peer != new.peer);
    if all.iter().filter(|one| one.outcome.is_none()).count() >= OPEN_MAX {
        return Err(refused(
            format!("{OPEN_MAX} invitations are open"),
            "wait until one is accepted or expires",
        ));
    }
    let random = secret::random().map_err(|error| RequestError::Failed(error.to_string()))?;
    let now = core.now();
    let until =
        now.saturating_add(new.ttl).map_err(|error| RequestError::Failed(error.to_string()))?;
    // A code tells whole seconds.
    let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
    let instance = desired.instance.name.clone();
    let made = Code { url, pin, instance, secret: OneTime(*random), expires_at: until };
    all.push(Invitation {
        peer: new.peer,
        expires_at: until,
        replace: new.replace,
        write: new.write,
        terms: new.terms,
        secret: made.secret.hash(),
        outcome: None,
    });
    keep(core, &all).map_err(failed)?;
    Ok(made)
}

/// The invitation that a secret opens. All are compared, each in the same time.
fn opened_by(all: &[Invitation], secret: &OneTime) -> Option<usize> {
    let hash = secret.hash();
    let mut found = None;
    for (place, one) in all.iter().enumerate() {
        let is_it = one.secret.0.ct_eq(&hash.0) & Choice::from(u8::from(one.outcome.is_none()));
        if bool::from(is_it) {
            found = Some(place);
        }
    }
    found
}

fn welcome(core: &Core, offer: &Offer) -> Result<Welcome, Denied> {
    let broken = |error: crate::state::StateError| Denied::Failed(context::with_causes(&error));
    let mut all = open(core).map_err(broken)?;
    let secret = offer.secret.as_ref().ok_or(Denied::Unknown)?;
    let place = opened_by(&all, secret).ok_or(Denied::Unknown)?;
    let invitation = all[place].clone();
    judge(offer)?;
    let desired = core.desired();
    let dir = &core.options.config_dir;
    let ours = secret::new_token().map_err(|error| Denied::Failed(error.to_string()))?;
    let gives_nothing = invitation.terms.place(&desired).is_none() && !invitation.replace;
    let other = Other {
        url: offer.url.clone(),
        pin: offer.pin.map(|pin| pin.to_string()),
        gives_token: offer.token.is_some(),
        token_hash: (!gives_nothing).then(|| hash_of(&ours)),
    };
    let (toml, written_by_us) = table(dir, &desired, &invitation, &other)?;
    let outcome = Outcome {
        at: core.now(),
        instance: offer.instance.to_string(),
        toml: toml.clone(),
        token: offer.token.clone(),
        written: false,
        problem: None,
        ssh_keys: offer.ssh_keys.clone(),
    };
    all[place].outcome = Some(outcome);
    keep(core, &all).map_err(broken)?;
    let written = if invitation.replace && written_by_us {
        Some(edit::replace_peer(dir, &invitation.peer, &toml, offer.token.as_deref()))
    } else if invitation.write && !invitation.replace {
        Some(edit::add_peer(dir, &invitation.peer, &toml, offer.token.as_deref()))
    } else {
        None
    };
    if let (Some(written), Some(outcome)) = (written, &mut all[place].outcome) {
        match written {
            Ok(_) => {
                outcome.written = true;
                outcome.token = None;
                // A closed channel means that the engine is stopping: the next start reads it.
                let _ = core.requests.send(Request::Reload(None));
            }
            Err(error) => {
                tracing::warn!(peer = %invitation.peer, error = %context::with_causes(&error), "a peer that was paired with is not written: `larder peer invite --show` has it");
                outcome.problem =
                    Some(format!("{}: {}", context::with_causes(&error), error.hint()));
            }
        }
        keep(core, &all).map_err(broken)?;
    }
    tracing::info!(peer = %invitation.peer, instance = %offer.instance, "paired");
    Ok(Welcome {
        instance: desired.instance.name.clone(),
        peer: invitation.peer,
        token: (!gives_nothing).then(|| ours.to_string()),
        ssh_keys: keys::public_keys(&desired.instance.state_dir),
    })
}

/// The table of the peer with its new holder, and whether it can take the place of an old one.
fn table(
    dir: &Path,
    desired: &Desired,
    invitation: &Invitation,
    other: &Other,
) -> Result<(String, bool), Denied> {
    let peer = &invitation.peer;
    let unfit = |error: EditError| {
        Denied::Unfit(format!("{}: {}", context::with_causes(&error), error.hint()))
    };
    if !invitation.replace {
        let table = edit::paired(dir, peer, other, &invitation.terms, desired);
        return table.map(|toml| (toml, true)).map_err(unfit);
    }
    match edit::replaced(dir, peer, other) {
        Ok(toml) => {
            edit::judge_peer(dir, peer, &toml).map_err(unfit)?;
            Ok((toml, true))
        }
        Err(EditError::Foreign { place, .. }) => {
            let hash = other.token_hash.clone().unwrap_or_default();
            let toml = format!(
                "# Change in `[peer.{peer}.accept]` at {place}:\ntoken_hash = \"{hash}\"\nread_only = true\n"
            );
            Ok((toml, false))
        }
        Err(error) => Err(unfit(error)),
    }
}

/// Whether what is said can stand in a configuration.
fn judge(offer: &Offer) -> Result<(), Denied> {
    let unfit = |why: &str| Err(Denied::Unfit(why.to_owned()));
    if let Some(url) = &offer.url
        && (!may_carry_tokens(url) || url.len() > 500 || url.chars().any(char::is_control))
    {
        return unfit("its `url` is none that a token may travel to");
    }
    let is_plain = |token: &String| {
        (32..=200).contains(&token.len())
            && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if offer.token.as_ref().is_some_and(|token| !is_plain(token)) {
        return unfit("its token is none");
    }
    let is_line = |key: &String| key.len() <= 1000 && !key.chars().any(char::is_control);
    if offer.ssh_keys.len() > 4 || !offer.ssh_keys.iter().all(is_line) {
        return unfit("its SSH keys are none");
    }
    Ok(())
}

/// Whether a token may travel to a URL: over TLS, or within this host.
pub(crate) fn may_carry_tokens(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// What of a token stands in a configuration.
fn hash_of(token: &str) -> String {
    TokenHash::Sha256(Hasher::digest(token).into()).to_string()
}

fn empty_hash() -> String {
    // A hash as any other: nothing is known that has it.
    TokenHash::Sha256([0x5a; 32]).to_string()
}
