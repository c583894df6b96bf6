//! Takes an archive from a peer: one that it offers, into its name space here; a whole copy of one
//! that is damaged or lost here; or one of ours that is kept there alone.
//!
//! ```text
//! description ─→ begun as an upload is ─→ the chunks that are missing, by ranges ─→ finished as an upload is ─→ told
//! ```
//! What is offered is received by the same code as what is sent: record, hidden file, hash of the
//! whole, checks, publication. So it goes on behind the last whole chunk after any interruption, and
//! what nobody goes on with is dropped. [`repair`] puts a proved file in the place of a damaged one,
//! and [`bring`] publishes one like an archive that was made here.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use futures_util::stream;
use parking_lot::Mutex;
use serde_json::Value;

use crate::engine::core::Core;
use crate::engine::peers::contacts;
use crate::engine::peers::receive::{Announced, ChunkHead, ReceiveError, begin, way_in};
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::location::sidecar;
use crate::model::archive::{Archive, ArchiveId, Condition, CopyKey, Sha256};
use crate::model::contact::Presence;
use crate::model::name::PlaceName;
use crate::model::peer::Peer;
use crate::model::size::Bytes;
use crate::model::upload::Upload;
use crate::peer::attempts::Attempts;
use crate::peer::https::Https;
use crate::peer::upload::Pace;
use crate::progress::Progress;
use crate::stop::Stop;

mod bring;
mod holder;
pub(in crate::engine) mod repair;

use holder::Holder;

/// Fetches one archive into a location.
pub(crate) fn fetch(
    cx: &Context,
    archive: ArchiveId,
    peer: &PlaceName,
    to: &PlaceName,
) -> Result<Done, Failure> {
    let Some(peer) = cx.desired.peers.get(peer) else {
        return Err(Failure::new(format!("there is no peer `{peer}`")));
    };
    let key = CopyKey::new(archive, to);
    let known = cx.core.catalogue.get(&key);
    let is_its_own = cx.desired.name_space(&peer.name).as_ref() == Some(to);
    let work = async {
        match known {
            Some(broken) if repair::is_broken(&broken) => {
                let holder = Holder::open(cx, peer, archive)?;
                repair::repair(cx, &holder, peer, broken).await
            }
            Some(known) if matches!(known.condition, Condition::Trashed { .. }) => {
                Err(is_in_the_trash(&known))
            }
            Some(known) if is_its_own => tell(cx, &Https::open(peer)?, &known).await,
            Some(known) => Ok(Done { summary: is_here(&known), ..Done::default() }),
            None if is_its_own => take(cx, &Https::open(peer)?, peer, archive).await,
            None => bring::bring(cx, &Holder::open(cx, peer, archive)?, peer, &key).await,
        }
    };
    // This is a thread for blocking work: nobody else waits for it.
    tokio::runtime::Handle::current().block_on(async {
        tokio::select! {
            done = work => done,
            // What is on the disk by then is gone on with later.
            stopped = cx.stop.requested() => Err(stopped.into()),
        }
    })
}

/// How fast a peer's archives may come.
fn pace_of(peer: &Peer) -> Arc<Pace> {
    Arc::new(Pace::new(peer.bandwidth.map(|most| most.0)))
}

fn refused(error: ReceiveError) -> Failure {
    let why = error.to_string();
    match error {
        ReceiveError::Unfit { hint: Some(hint), .. }
        | ReceiveError::Conflict { hint: Some(hint), .. }
        | ReceiveError::NoRoom { hint: Some(hint), .. }
        | ReceiveError::Unavailable { hint: Some(hint), .. } => Failure::new(why).hint(hint),
        _ => Failure::new(why),
    }
}

/// What a peer says of an archive, and what that is as long as nobody looked at the file.
async fn described(
    https: &Https,
    archive: ArchiveId,
    to: &PlaceName,
) -> Result<(Archive, Value), Failure> {
    let said = https.description(archive).await?;
    let theirs = sidecar::from_text(said.to_string().as_bytes(), to).map_err(|error| {
        Failure::new(format!(
            "what it says of {archive} is no description: {}",
            with_causes(&error)
        ))
    })?;
    if theirs.id != archive {
        return Err(Failure::new(format!(
            "it describes {}, and {archive} was asked for",
            theirs.id
        )));
    }
    Ok((theirs, said))
}

/// Takes an archive that is not here yet into the name space of its peer.
async fn take(
    cx: &Context,
    https: &Https,
    peer: &Peer,
    archive: ArchiveId,
) -> Result<Done, Failure> {
    cx.progress.enter("asking");
    let space = cx.desired.name_space(&peer.name).unwrap_or_else(|| peer.name.clone());
    let (theirs, said) = described(https, archive, &space).await?;
    let file_sha256 = theirs.file_sha256.ok_or_else(|| {
        Failure::new(format!("no hash of `{}` was ever recorded there", theirs.name))
    })?;
    let extension = theirs.codec.extension(!theirs.recipients.is_empty());
    let announced = Announced {
        file_name: format!("{}{extension}", theirs.name),
        total_size: theirs.file_size,
        chunk_size: None,
        checksum: file_sha256.to_string(),
        info: Some(said),
    };
    let (standing, is_new) = begin::begin(&cx.core, &peer.name, &announced).map_err(refused)?;
    if !is_new {
        cx.log(&format!("goes on: {} chunks are there", standing.received.len()));
    }
    cx.progress.enter("fetching");
    cx.progress.expect_bytes(theirs.file_size);
    let pace = pace_of(peer);
    let upload = &standing.upload;
    for chunk in 0..upload.chunks() {
        let Some(range) = upload.range(chunk) else { break };
        if standing.received.contains(&chunk) {
            cx.progress.add_bytes(range.1);
        } else {
            fetch_chunk(cx, https, &pace, upload, (chunk, range)).await?;
        }
    }
    cx.progress.enter("proving");
    let published = way_in::take_whole(&cx.core, upload.id, None).await.map_err(refused)?;
    let told = tell(cx, https, &published).await?;
    Ok(Done {
        summary: format!(
            "`{}` fetched from {}, {}{}",
            published.name,
            peer.name,
            Bytes(published.file_size),
            if told.warned { ", which could not be told" } else { "" }
        ),
        archive: Some((published.name, published.file_size)),
        ..told
    })
}

/// Fetches one chunk, again where the network breaks it off.
async fn fetch_chunk(
    cx: &Context,
    https: &Https,
    pace: &Arc<Pace>,
    upload: &Upload,
    (chunk, range): (u32, (u64, u64)),
) -> Result<(), Failure> {
    let mut attempts = Attempts::default();
    loop {
        let progress = Progress::new();
        let error = match https.part(upload.archive.id, Some(upload.checksum), range, pace).await {
            Ok(part) => {
                let counted = progress.clone();
                let pieces = stream::unfold(part, |mut part| {
                    let counted = counted.clone();
                    async move {
                        let piece = part.next().await.transpose()?;
                        if let Ok(bytes) = &piece {
                            counted.add_bytes(bytes.len() as u64);
                        }
                        Some((piece, part))
                    }
                });
                let head = ChunkHead { chunk, length: Some(range.1), digest: None };
                match way_in::take_chunk(&cx.core, upload.id, None, head, pin!(pieces)).await {
                    Ok(_) => {
                        cx.progress.add_bytes(range.1);
                        return Ok(());
                    }
                    // Whether the network or the peer broke it off is not told apart here.
                    Err(error @ (ReceiveError::Malformed(_) | ReceiveError::TimedOut(_))) => {
                        refused(error)
                    }
                    Err(error) => return Err(refused(error)),
                }
            }
            Err(error) if error.is_offline() => error.into(),
            Err(error) => return Err(error.into()),
        };
        let Some(pause) = attempts.again() else { return Err(error) };
        cx.log(&format!("{}; tries again in {} s", error.summary, pause.as_secs()));
        tokio::time::sleep(pause).await;
    }
}

fn is_in_the_trash(archive: &Archive) -> Failure {
    let Archive { name, location, .. } = archive;
    Failure::new(format!("`{name}` is in the trash of {location}, and was not fetched"))
        .hint(format!("take it back: `larder archive undelete {name} --location {location}`"))
}

fn is_here(archive: &Archive) -> String {
    format!("`{}` is at {} already", archive.name, archive.location)
}

/// Tells the peer that its archive is here, so that it counts there.
async fn tell(cx: &Context, https: &Https, archive: &Archive) -> Result<Done, Failure> {
    let summary = is_here(archive);
    let Some(hash) = archive.file_sha256 else { return Ok(Done { summary, ..Done::default() }) };
    let mut attempts = Attempts::default();
    loop {
        let error = match https.tell_held(archive.id, hash).await {
            Ok(()) => return Ok(Done { summary, ..Done::default() }),
            Err(error) => error,
        };
        let Some(pause) = attempts.again().filter(|_| error.is_offline()) else {
            cx.log(&format!("it could not be told that it is here: {}", error.line()));
            return Ok(Done { summary, warned: true, ..Done::default() });
        };
        tokio::time::sleep(pause).await;
    }
}

/// What peers were told by this process that is held of theirs.
pub(crate) type Told = Arc<Mutex<BTreeSet<CopyKey>>>;

/// Tells peers once more, in the background, which of the archives that they offer are here: a crash
/// may have come between taking one and telling so, and a peer may have lost its state.
pub(crate) fn tell_again(core: &Arc<Core>, told: &Told) {
    let desired = core.desired();
    for (name, contact) in contacts::known(core) {
        let peer = desired.peers.get(&name).filter(|peer| !peer.fetch_from.is_empty());
        let (Some(peer), Some(space)) = (peer, desired.name_space(&name)) else { continue };
        let mut here = Vec::new();
        for copy in contact.offered.iter().filter(|_| contact.presence == Presence::Online) {
            let key = CopyKey::new(copy.id, &space);
            let held = core.catalogue.get(&key);
            let held = held.filter(|held| held.condition == Condition::Present);
            if let Some(hash) = held.and_then(|held| held.file_sha256)
                && told.lock().insert(key.clone())
            {
                here.push((key, hash));
            }
        }
        if !here.is_empty() {
            tokio::spawn(tell_all(Arc::clone(core), peer.clone(), here, Arc::clone(told)));
        }
    }
}

async fn tell_all(core: Arc<Core>, peer: Peer, here: Vec<(CopyKey, Sha256)>, told: Told) {
    let telling = async {
        let opened = tokio::task::spawn_blocking(move || Https::open(&peer)).await;
        for (key, hash) in here {
            let done = match &opened {
                Ok(Ok(https)) => https.tell_held(key.id, hash).await.is_ok(),
                _ => false,
            };
            if !done {
                // With the next look.
                told.lock().remove(&key);
            }
        }
    };
    tokio::select! {
        () = telling => {}
        // Told again by the next process.
        _ = core.stop.requested() => {}
    }
}

/// A stop that ends with the run and with the daemon.
fn stop_of(cx: &Context) -> Stop {
    cx.stop.child()
}
