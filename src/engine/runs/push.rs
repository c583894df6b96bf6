//! Sends an archive to a peer.
//!
//! ```text
//! prepare ─ the archive's own file, or its ciphertext in the spool ─→ way ─┬ chunks over HTTPS
//!                                                                          └ rsync over SSH
//! ```
//! Whatever breaks off goes on where it stopped, in this run or in the next: what has arrived stays
//! there, and the same bytes are sent again. **Invariants:** nothing counts as sent before the peer
//! has compared the hash of the whole and said so; a peer that does not answer ends one run, and
//! the others wait.

use crate::engine::runs::context::{Context, Done, Failure};
use crate::model::archive::CopyKey;
use crate::model::job::Via;
use crate::model::name::{ArchiveName, PlaceName};
use crate::model::peer::Peer;
use crate::model::size::Bytes;

mod prepare;
mod spool;
mod way;
mod https;
mod rsync;
mod outcome;

pub(crate) use prepare::Prepared;
pub(crate) use spool::sweep;
use way::Way;

/// A copy that is at a peer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Its name there.
    pub(crate) name: ArchiveName,
    /// Whether it was there before.
    pub(crate) was_there: bool,
}

/// Whether something can be sent to a peer this way at all; why not, and what to do about it.
pub(crate) fn may_send(peer: &Peer, via: Via) -> Result<(), (String, &'static str)> {
    peer.refusal(via).map_or(Ok(()), Err)
}

/// Sends one archive.
pub(crate) fn push(cx: &Context, key: &CopyKey, to: &PlaceName, via: Via) -> Result<Done, Failure> {
    let peer =
        cx.desired.peers.get(to).ok_or_else(|| {
            Failure::new(format!("peer `{to}` is not in the configuration any more"))
        })?;
    sweep(&cx.core);
    let prepared = prepare::prepare(cx, key, peer)?;
    let via = match via {
        Via::Auto => cx.desired.destination(&prepared.copy, to).map_or(via, |copy| copy.via),
        Via::Http | Via::Rsync => via,
    };
    let way = way::choose(peer, prepared.size(), via).ok_or_else(|| {
        let (why, hint) = peer.refusal(Via::Auto).unwrap_or_default();
        Failure::new(why).hint(hint)
    })?;
    let sent = match way {
        Way::Http => https::push_by_https(cx, &prepared, peer),
        Way::BareHost => {
            let sent = rsync::push_by_rsync(cx, &prepared, peer);
            sent.map_err(|error| outcome::failed(cx, &prepared, peer, &error, false))
        }
        Way::Rsync => match rsync::push_by_rsync(cx, &prepared, peer) {
            Ok(arrived) => Ok(arrived),
            Err(error) if cx.stop.reason().is_some() => {
                Err(outcome::failed(cx, &prepared, peer, &error, false))
            }
            Err(error) => {
                cx.log(&format!("rsync over SSH failed, sending over HTTPS: {}", error.line()));
                https::push_by_https(cx, &prepared, peer)
            }
        },
    };
    let arrived = sent?;
    outcome::note_arrived(cx, &prepared, peer, &arrived)?;
    if let Some(spooled) = &prepared.spooled {
        spooled.discard();
    }
    let (name, size) = (prepared.copy.name.clone(), prepared.size());
    let summary = if arrived.was_there {
        format!("`{name}` was at {to} already, {}", Bytes(size))
    } else {
        format!("`{name}` sent from {} to {to}, {}", key.location, Bytes(size))
    };
    Ok(Done { summary, archive: Some((arrived.name, size)), ..Done::default() })
}
