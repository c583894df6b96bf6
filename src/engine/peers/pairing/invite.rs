//! Makes an invitation and its code.

use jiff::{SignedDuration, Timestamp};

use super::{
    Invitation, LONGEST, NewInvitation, OPEN_MAX, URL_HINT, failed, keep, may_carry_tokens, open,
    refused, unfit,
};
use crate::config;
use crate::config::edit::{self, Other};
use crate::engine::RequestError;
use crate::engine::core::Core;
use crate::engine::runs::context;
use crate::model::pairing::{Code, OneTime};
use crate::model::peer::PeerKind;
use crate::model::token::TokenHash;
use crate::secret;

/// Makes an invitation, in place of one for the same peer.
pub(super) fn invite(core: &Core, new: NewInvitation) -> Result<Code, RequestError> {
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

fn empty_hash() -> String {
    // A hash as any other: nothing is known that has it.
    TokenHash::Sha256([0x5a; 32]).to_string()
}
