//! Sends in chunks over the API of another instance.

use tokio::runtime::Handle;

use crate::archive;
use crate::engine::runs::backoff;
use crate::engine::runs::context::{Context, Failure, with_causes};
use crate::model::archive::{Archive, Condition};
use crate::model::name::ArchiveName;
use crate::model::peer::Peer;
use crate::model::size::Bytes;
use crate::model::upload::{CHUNK, CHUNK_MAX, CHUNK_MIN, CHUNKS_MAX};
use crate::peer::PeerError;
use crate::peer::https::{Https, Uploads};
use crate::peer::upload::{Offer, Pace, Patience, Sent, upload};
use crate::progress::Progress;

use super::outcome;
use super::{Arrived, Prepared};

/// How many names are tried where other archives have them.
pub(super) const NAMES: u32 = 20;
/// How many chunks a file has that is not large.
const PARTS: u64 = 16;
/// No chunk is smaller where the line is not slow: each is flushed to a disk by itself.
const LEAST: u64 = 1 << 20;
/// A chunk is no larger than what is sent in this many seconds, where there is a limit.
const CHUNK_SECONDS: u64 = 60;

/// Sends what is prepared, and notes with the contact what came of it.
pub(super) fn push_by_https(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
) -> Result<Arrived, Failure> {
    let patience = Patience::for_size(prepared.size());
    let https = Https::open_to_send(peer)
        .map_err(|error| outcome::failed(cx, prepared, peer, &error, false))?;
    let pace = Pace::new(peer.bandwidth.map(|Bytes(rate)| rate));
    cx.progress.enter("sending");
    cx.progress.expect_bytes(cx.progress.snapshot().bytes + prepared.size());
    let uploads = Uploads::new(https, pace, cx.progress.clone(), patience.finish);
    let mut renamed = prepared.clone();
    for number in 1..=NAMES {
        if number > 1 {
            let Some(name) = name(&prepared.copy, number) else { break };
            renamed = prepared.named(name);
        }
        let offer = offer(&renamed, peer);
        let log = |line: &str| cx.log(line);
        let sent = Handle::current().block_on(async {
            // What is dropped half way goes on with the next attempt.
            tokio::select! {
                sent = upload(&uploads, &offer, &prepared.file, patience, &log) => sent,
                stopped = cx.stop.requested() => Err(PeerError::Stopped(stopped)),
            }
        });
        let arrived = |name: &str, was_there| Arrived {
            name: name.parse().unwrap_or_else(|_| renamed.copy.name.clone()),
            was_there,
        };
        let failed = |error| outcome::failed(cx, prepared, peer, &error, uploads.is_stuck());
        match sent.map_err(failed)? {
            Sent::Arrived(name) => return Ok(arrived(&name, false)),
            Sent::WasThere(name) => return Ok(arrived(&name, true)),
            Sent::NameTaken(words) => cx.log(&format!("tries another name: {words}")),
            Sent::Differs(stale) => return Err(differs(cx, prepared, peer, &uploads, stale)),
            Sent::Unusable(words) => {
                return Err(Failure::new(format!(
                    "peer `{}` has a copy of `{}` that is of no use, and takes no other: {words}",
                    peer.name, prepared.copy.name
                ))
                .hint("repair it there (`larder archive list` there), or delete it for good")
                .rest(backoff::LATER));
            }
        }
    }
    Err(Failure::new(format!(
        "no name is free at peer `{}` for `{}`",
        peer.name, prepared.copy.name
    ))
    .hint("two instances may be sending under one name")
    .rest(backoff::LATER))
}

pub(super) fn offer(prepared: &Prepared, peer: &Peer) -> Offer {
    Offer {
        file_name: prepared.file_name(),
        size: prepared.size(),
        sha256: prepared.sha256,
        chunk_size: chunk_size(prepared.size(), peer.bandwidth.map(|Bytes(rate)| rate)),
        info: prepared.info(),
        archive: prepared.copy.id.to_string(),
    }
}

/// What an interruption may cost: a sixteenth of the file, no more than the usual chunk, less where
/// little is sent in a minute, more where there were too many.
fn chunk_size(size: u64, bandwidth: Option<u64>) -> u64 {
    let part = (size / PARTS).next_multiple_of(CHUNK_MIN).clamp(LEAST, CHUNK);
    let in_a_minute = bandwidth.map_or(CHUNK, |rate| rate.saturating_mul(CHUNK_SECONDS));
    let fewest = size.div_ceil(u64::from(CHUNKS_MAX)).next_multiple_of(CHUNK_MIN);
    in_a_minute.min(part).max(fewest).clamp(CHUNK_MIN, CHUNK_MAX)
}

/// The name that an archive has where others of its day are.
pub(super) fn name(archive: &Archive, number: u32) -> Option<ArchiveName> {
    ArchiveName::build(&archive.origin, &archive.label, archive.day, number)
        .ok()
        .filter(|name| *name != archive.name)
}

/// What arrived is not what was announced: either our own file is not what it was, or something on
/// the way or there is broken.
fn differs(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
    uploads: &Uploads,
    stale: Option<String>,
) -> Failure {
    cx.progress.enter("reading back");
    let intact = archive::verify(&prepared.file, prepared.sha256, &cx.stop, &Progress::new());
    let intact = match intact {
        Ok(intact) => intact,
        Err(archive::OpenError::Stopped(stopped)) => return stopped.into(),
        Err(error) => {
            return Failure::new(format!("cannot read what was sent: {}", with_causes(&error)));
        }
    };
    if let Some(upload) = stale {
        use crate::peer::upload::Far as _;
        let gone = Handle::current().block_on(async {
            // Nobody goes on with it: without this it is dropped after two days.
            tokio::select! {
                gone = uploads.abandon(&upload) => gone,
                stopped = cx.stop.requested() => Err(PeerError::Stopped(stopped)),
            }
        });
        if let Err(error) = gone {
            cx.log(&format!("the upload is still there: {}", error.line()));
        }
    }
    let name = &prepared.copy.name;
    if intact {
        return Failure::new(format!(
            "what peer `{}` received of `{name}` is not what was sent",
            peer.name
        ))
        .hint("its memory or disk, or the network, may be damaging data; it is sent again later");
    }
    if let Some(spooled) = &prepared.spooled {
        spooled.discard();
        return Failure::new(format!("the ciphertext of `{name}` was damaged before it was sent"))
            .hint("look at the disk (`dmesg`, `smartctl`); it is encrypted anew");
    }
    let key = &prepared.key;
    if let Err(error) = cx.core.catalogue.set_condition(&cx.core.state, key, Condition::Corrupt) {
        return error.into();
    }
    Failure::new(format!(
        "`{name}` at `{}` is corrupt: what was read is not what was written",
        key.location
    ))
    .hint("nothing was published at the peer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_small_on_slow_lines_and_never_too_many() {
        assert_eq!(chunk_size(1 << 30, None), CHUNK);
        assert_eq!(chunk_size(1 << 30, Some(100_000)), 6_000_000);
        assert_eq!(chunk_size(1, None), LEAST);
        assert_eq!(chunk_size(160 << 20, None), 10 << 20);
        assert_eq!(chunk_size(1 << 30, Some(1)), CHUNK_MIN);
        assert_eq!(chunk_size(1 << 30, Some(u64::MAX)), CHUNK);
        let large = chunk_size(CHUNK_MAX * u64::from(CHUNKS_MAX), Some(1));
        assert_eq!(large, CHUNK_MAX);
        let slow = chunk_size(100 << 30, Some(1000));
        assert!((100_u64 << 30).div_ceil(slow) <= u64::from(CHUNKS_MAX) && slow < CHUNK);
    }
}
