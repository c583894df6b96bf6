//! Takes the offer of somebody who knows a code.
//!
//! **Invariant:** the invitation is marked as used, durably, before anything is answered.

use std::path::Path;

use sha2::{Digest as _, Sha256 as Hasher};
use subtle::{Choice, ConstantTimeEq as _};

use super::{Denied, Invitation, Offer, Outcome, Welcome, keep, may_carry_tokens, open};
use crate::config::edit::{self, EditError, Other};
use crate::engine::core::Core;
use crate::engine::runs::context;
use crate::model::desired::Desired;
use crate::model::pairing::OneTime;
use crate::model::token::TokenHash;
use crate::peer::ssh::keys;
use crate::secret;

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

/// Takes an offer; see [`Denied`]. Tells also whether something was written, which is yet to be read.
pub(super) fn welcome(core: &Core, offer: &Offer) -> Result<(Welcome, bool), Denied> {
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
    let is_written = all[place].outcome.as_ref().is_some_and(|outcome| outcome.written);
    let welcome = Welcome {
        instance: desired.instance.name.clone(),
        peer: invitation.peer,
        token: (!gives_nothing).then(|| ours.to_string()),
        ssh_keys: keys::public_keys(&desired.instance.state_dir),
    };
    Ok((welcome, is_written))
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

/// What of a token stands in a configuration.
fn hash_of(token: &str) -> String {
    TokenHash::Sha256(Hasher::digest(token).into()).to_string()
}
