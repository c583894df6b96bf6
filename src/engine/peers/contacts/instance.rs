//! Looks at another instance over its API.

use std::sync::Arc;

use jiff::SignedDuration;

use super::probe::Seen;
use crate::engine::core::Core;
use crate::model::contact::{Expected, Told};
use crate::model::peer::Peer;
use crate::peer::PeerError;
use crate::peer::https::Https;

/// Clocks that differ by less show the same time.
const SAME_TIME: SignedDuration = SignedDuration::from_mins(2);

/// Who it is, what it holds of ours, and how it fares. What our token may not see there stays
/// unknown; without a look at what it holds, nothing is known of it.
pub(super) async fn look(core: &Arc<Core>, peer: &Peer) -> Result<Seen, PeerError> {
    let asked = peer.clone();
    let opened = tokio::task::spawn_blocking(move || Https::open(&asked)).await;
    let https = opened.unwrap_or_else(|error| {
        let why = format!("an error in larder itself: {error}");
        Err(PeerError::Unreached { peer: peer.name.clone(), why })
    })?;
    let about = https.about().await?;
    if about.instance == core.desired().instance.name.as_str() {
        return Err(PeerError::Unintelligible {
            peer: peer.name.clone(),
            why: format!(
                "it calls itself `{}`, as this instance does; each needs a name of its own",
                about.instance
            ),
        });
    }
    let ahead = about.at.map(|at| at.duration_since(core.now())).unwrap_or_default();
    let listed = seen(https.archives().await)?;
    let known = seen(https.itself().await)?;
    let (holdings, offered) = listed.map(|listed| (listed.held, listed.offered)).unzip();
    let told = known.map(|known| Told {
        at: core.now(),
        version: about.version.clone(),
        member_json: known.member_json,
        expected: known.expected.into_iter().map(|one| by_our_clock(one, ahead)).collect(),
    });
    Ok(Seen { version: Some(about.version), holdings, offered, told, sender_can_delete: None })
}

/// What it let us see.
fn seen<T>(answer: Result<T, PeerError>) -> Result<Option<T>, PeerError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.status() == Some(403) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A moment that a peer foresees, as the clock here will show it.
fn by_our_clock(mut expected: Expected, ahead: SignedDuration) -> Expected {
    if ahead.abs() > SAME_TIME {
        expected.by = expected.by.checked_sub(ahead).unwrap_or(expected.by);
    }
    expected
}
