//! What this host itself finds out about an archive that came from a peer, before it is published:
//! the same whether it was sent or fetched.

use std::fs::File;

use super::{ReceiveError, doubt};
use crate::archive::{self, Inspection};
use crate::engine::core::Core;
use crate::engine::runs::context::with_causes;
use crate::model::archive::{Archive, Outcome};
use crate::model::name::PlaceName;
use crate::progress::Progress;

/// Looks through the whole file, whose hash was proved, and says what the archive is then.
///
/// # Errors
/// `Unfit` when it would run something here and its sender is not trusted to, or is not what was
/// said of it.
pub(crate) fn examine(
    core: &Core,
    file: &File,
    archive: &Archive,
    peer: &PlaceName,
) -> Result<Archive, ReceiveError> {
    if !archive.recipients.is_empty() {
        // Nobody here can read it, and so nobody can run anything of it.
        return Ok(archive.clone());
    }
    let stop = core.stop.child();
    let found =
        archive::inspect(file, archive.codec, &stop, &Progress::new()).map_err(|error| {
            ReceiveError::Unavailable {
                why: match error {
                    archive::OpenError::Stopped(_) => "the daemon is stopping".to_owned(),
                    error => with_causes(&error),
                },
                hint: Some("finish again later: all of it is there".to_owned()),
            }
        })?;
    let desired = core.desired();
    let accept = desired.peers.get(peer).and_then(|peer| peer.accept.as_ref());
    let is_trusted = accept.is_some_and(|accept| accept.trust_restore);
    judged(archive, &found, is_trusted)
}

/// What an archive is, with what was found in it.
fn judged(
    archive: &Archive,
    found: &Inspection,
    is_trusted: bool,
) -> Result<Archive, ReceiveError> {
    if let Some(danger) = found.danger.as_ref().filter(|_| !is_trusted) {
        return Err(ReceiveError::Unfit {
            why: format!("{danger}: nothing is taken that would run or be written outside"),
            hint: Some(
                "send it encrypted (`encrypt_to`), or let the receiver say `trust = \"restore\"` in its `accept`"
                    .to_owned(),
            ),
        });
    }
    let mut archive = archive.clone();
    if let Some((size, hash)) = found.stream {
        let lies = archive.stream_sha256.is_some_and(|said| said != hash)
            || (archive.stream_sha256.is_some() && archive.stream_size != size);
        if lies {
            return Err(ReceiveError::unfit("`info` is of another file: it says another stream"));
        }
        (archive.stream_size, archive.stream_sha256) = (size, Some(hash));
    }
    if let (Some(why), Outcome::Good | Outcome::Partial) = (&found.unreadable, &archive.outcome) {
        archive.outcome = Outcome::Suspect(format!("it cannot be read to its end: {why}"));
    }
    Ok(archive)
}

/// The archive as it is published now: received at this moment and on this day, and judged beside
/// those of its series. Whoever calls it holds what is published still.
pub(crate) fn as_it_arrives(core: &Core, archive: Archive) -> Archive {
    let now = core.now();
    let zoned = now.to_zoned(core.desired().instance.timezone.clone());
    let series = archive.written_series();
    let before =
        core.catalogue.select(|other| other.how == archive.how && other.written_series() == series);
    Archive {
        day: zoned.date(),
        zone: zoned.time_zone().iana_name().unwrap_or("UTC").to_owned(),
        received_at: Some(now),
        verified_at: Some(now),
        outcome: doubt::outcome(&archive, &before, &zoned),
        ..archive
    }
}

#[cfg(test)]
mod tests;
