//! What came of a push: for the contact, for the next attempt, for people.

use jiff::SignedDuration;

use crate::engine::peers::contacts;
use crate::engine::runs::backoff;
use crate::engine::runs::context::{Context, Failure};
use crate::model::archive::{Archive, ArchiveId, Condition};
use crate::model::contact::RemoteCopy;
use crate::model::peer::Peer;
use crate::peer::PeerError;
use crate::state::StateError;

use super::{Arrived, Prepared};

/// The failure of an error, once it is noted with the contact. `is_stuck`: the peer answered, and
/// nothing got through all the same.
pub(super) fn failed(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
    error: &PeerError,
    is_stuck: bool,
) -> Failure {
    if let PeerError::Stopped(stopped) = error {
        return (*stopped).into();
    }
    let sent =
        format!("`{}` was not sent to `{}`: {}", prepared.copy.name, peer.name, error.line());
    let mut failure = Failure::new(sent);
    failure.hint = error.hint();
    if let Err(error) = contacts::note_failure(&cx.core, &peer.name, error) {
        cx.log(&format!("what is known of the peer cannot be written: {error}"));
    }
    match error {
        PeerError::Offline { .. } => {
            // The plan waits until it answers again.
            failure.rest(if is_stuck { backoff::STUCK } else { SignedDuration::ZERO })
        }
        PeerError::Refused { status: 507, .. } => {
            if let Err(error) = rest_what_is_larger(cx, prepared, peer) {
                cx.log(&format!("what is as large cannot be put off: {error}"));
            }
            failure.hint = failure
                .hint
                .or_else(|| Some("give it a larger `quota` there, or keep less there".to_owned()));
            failure.rest(backoff::REFUSED)
        }
        // The next look at it is refused too: the plan waits until one goes well.
        PeerError::Refused { status: 401, .. } => failure.rest(SignedDuration::ZERO),
        // Somebody has to change something there.
        PeerError::Refused { status: 403 | 404, .. } => failure.rest(backoff::REFUSED),
        _ => failure,
    }
}

/// Where one archive has no place, others that are not smaller need not be tried.
fn rest_what_is_larger(cx: &Context, prepared: &Prepared, peer: &Peer) -> Result<(), StateError> {
    let until = backoff::until(cx.now(), backoff::REFUSED);
    let held = contacts::known(&cx.core).get(&peer.name).cloned();
    let is_larger = |archive: &Archive| {
        archive.id != prepared.copy.id
            && archive.condition == Condition::Present
            && archive.file_size >= prepared.size()
            && cx.desired.destination(archive, &peer.name).is_some()
            && !held.as_ref().is_some_and(|held| held.holds(archive.id, archive.stream_sha256))
    };
    let larger: Vec<ArchiveId> =
        cx.core.catalogue.select(is_larger).into_iter().map(|archive| archive.id).collect();
    cx.core
        .state
        .commit(|txn| larger.iter().try_for_each(|id| txn.put_not_before(*id, &peer.name, until)))
}

/// Notes that a copy is there now.
pub(super) fn note_arrived(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
    arrived: &Arrived,
) -> Result<(), StateError> {
    let (now, copy) = (cx.now(), &prepared.copy);
    let there = RemoteCopy {
        name: arrived.name.to_string(),
        // In what encoding it was there before is not known.
        file_sha256: (!arrived.was_there).then_some(prepared.sha256),
        ..RemoteCopy::of(copy)
    };
    contacts::note_success(&cx.core, &peer.name)?;
    contacts::change(&cx.core, &peer.name, |contact| {
        contact.last_seen = Some(now);
        // Where nothing is known yet, one copy is not all that it holds.
        if let Some(holdings) = &mut contact.holdings {
            holdings.copies.retain(|other| other.id != there.id);
            holdings.copies.push(there);
        }
    })
}
