//! What a transfer shows of a peer, beside what asking it shows.

use super::{change, pause, refused};
use crate::engine::core::Core;
use crate::model::contact::Presence;
use crate::model::name::PlaceName;
use crate::peer::PeerError;
use crate::state::StateError;

/// Notes that a peer did not do what it was to do: one that does not answer is asked again after a
/// pause, and so is one that does not let us in. Anything else says nothing about its presence.
pub(crate) fn note_failure(
    core: &Core,
    peer: &PlaceName,
    error: &PeerError,
) -> Result<(), StateError> {
    let tells = match error {
        PeerError::Offline { .. }
        | PeerError::Certificate { .. }
        | PeerError::Denied { .. }
        | PeerError::Refused { status: 401 | 403, .. } => true,
        PeerError::Refused { .. }
        | PeerError::Unreached { .. }
        | PeerError::Secret(_)
        | PeerError::Unintelligible { .. }
        | PeerError::Local { .. }
        | PeerError::Stopped(_) => false,
    };
    if !tells {
        return Ok(());
    }
    let now = core.now();
    change(core, peer, |contact| {
        contact.checked_at = Some(now);
        refused(contact, error, now);
    })
}

/// Notes that a peer did what it was to do.
pub(crate) fn note_success(core: &Core, peer: &PlaceName) -> Result<(), StateError> {
    let now = core.now();
    change(core, peer, |contact| {
        if contact.presence != Presence::Online {
            // What it holds may be another matter by now.
            contact.check_at = pause::later(now, jiff::SignedDuration::ZERO);
        }
        (contact.presence, contact.failures) = (Presence::Online, 0);
        (contact.why, contact.hint) = (None, None);
        contact.last_seen = Some(now);
    })
}

/// Whether a peer answered when it was last asked.
pub(crate) fn is_online(core: &Core, peer: &PlaceName) -> bool {
    core.contacts.get(peer).is_some_and(|contact| contact.presence == Presence::Online)
}
