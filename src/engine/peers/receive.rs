//! Receives archives that peers send, chunk by chunk, into their name spaces.
//!
//! ```text
//! start ─ described, room, record, hidden file ─→ chunk: offset, flush, record ─→ … ─→ finish: hash of
//! the whole file on the disk, published as our own archives are, record
//! ```
//! Whatever was answered survives a crash: the record of an upload comes before its file, the bytes of
//! a chunk before its record, and the archive before the record that it was published. **Invariants:**
//! a chunk that is recorded is never written again; a request that fails changes no record and
//! removes nothing; what one peer sends another cannot see, and neither can delete.
//!
//! [`rules`] and [`describe`] decide without looking at anything.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::core::Core;
use crate::engine::locations::attend::attend;
use crate::engine::locations::doors::Visitor;
use crate::engine::runs::context::with_causes;
use crate::engine::start;
use crate::location::ArchiveStore as _;
use crate::location::folder::Folder;
use crate::model::archive::{Archive, Condition};
use crate::model::name::PlaceName;
use crate::model::observed::{Freeze, LocationState};
use crate::model::upload::Upload;

mod book;
mod chunk;
mod describe;
mod doubt;
mod error;
pub(crate) mod examine;
mod finish;
mod rules;
mod landing;
pub(crate) mod begin;
pub(crate) mod way_in;

pub use begin::Announced;
pub(crate) use book::Uploads;
pub use error::{InTheWay, ReceiveError};
pub use landing::Landing;
pub use way_in::ChunkHead;

use book::Known;

/// How often the record says that an upload goes on: each of its chunks would be too often.
const TOUCH: SignedDuration = SignedDuration::from_mins(1);

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The upload.
    pub upload: Upload,
    /// The chunks that are on the disk, in their order.
    pub received: Vec<u32>,
}

/// A chunk that is on the disk now, whoever brought it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkReceived {
    /// Which one.
    pub chunk: u32,
    /// How many chunks are on the disk.
    pub received: u32,
    /// How many there are.
    pub of: u32,
}

/// The folder of a name space, once it can be written to. That of a peer that never sent anything
/// is made.
fn usable(core: &Core, space: &PlaceName) -> Result<Arc<Folder>, ReceiveError> {
    let folder = folder_of(core, space)?;
    if folder.awaits_its_first_upload() {
        let place = above(space)?;
        let around = folder_of(core, &place)?;
        if around.is_yet_to_be_made() {
            let id = around.make()?;
            start::record_marker(core, &place, &id);
        }
        let id = folder.begin_name_space(&around)?;
        start::record_marker(core, space, &id);
    }
    free_in(space, &folder)?;
    Ok(folder)
}

/// Bytes that are free where a name space is, or will be.
fn free(core: &Core, space: &PlaceName) -> Result<u64, ReceiveError> {
    let folder = folder_of(core, space)?;
    if folder.awaits_its_first_upload() {
        let around = folder_of(core, &above(space)?)?;
        return free_in(space, &around);
    }
    free_in(space, &folder)
}

fn folder_of(core: &Core, name: &PlaceName) -> Result<Arc<Folder>, ReceiveError> {
    core.folder(name).ok_or_else(|| {
        ReceiveError::NotFound(format!("`{name}` is not in the configuration any more"))
    })
}

fn above(space: &PlaceName) -> Result<PlaceName, ReceiveError> {
    let none = || ReceiveError::NotFound(format!("`{space}` is nobody's name space"));
    space.above().ok_or_else(none)
}

/// Bytes that are free in a folder that can be used; one that is suspect may prove that it is well.
fn free_in(space: &PlaceName, folder: &Folder) -> Result<u64, ReceiveError> {
    let unusable = |reason: String| ReceiveError::Unavailable {
        why: format!("`{space}` cannot be used now: {reason}"),
        hint: Some("try the same again later: what was received is kept".to_owned()),
    };
    if let LocationState::Suspect(reason) = folder.state() {
        folder.probe_write().map_err(|_| unusable(reason))?;
    }
    match folder.state() {
        LocationState::Available { free, .. } => Ok(free),
        LocationState::Unavailable(reason) | LocationState::Suspect(reason) => {
            Err(unusable(reason))
        }
    }
}

/// Records that uploads were published just before a crash. Called before locations are looked at.
pub(crate) fn settle(core: &Arc<Core>) {
    for known in core.uploads.all() {
        let (upload, is_whole) = {
            let book = known.book();
            (book.upload.clone(), book.missing().is_empty() && book.upload.published_at.is_none())
        };
        let Some(folder) = core.folder(&upload.archive.location).filter(|_| is_whole) else {
            continue;
        };
        let place = upload.archive.location.clone();
        let published = attend(core, &place, &folder, move |core, folder| {
            finish::was_published(core, &known, folder)
        });
        match published {
            Ok(Ok(Some(archive))) => {
                tracing::info!(upload = %upload.id, archive = %archive.name, "an upload had been published before larder ended");
            }
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::debug!(upload = %upload.id, %error, "cannot tell yet what became of an upload");
            }
        }
    }
}

/// Forgets uploads that nobody went on with, and those that were published long enough ago.
pub(crate) fn expire(core: &Arc<Core>, now: Timestamp) {
    for known in core.uploads.all() {
        let upload = known.upload();
        if upload.expires_at() > now {
            continue;
        }
        // A clock that jumped says nothing about how long nobody came.
        if core.state.freezes().is_ok_and(|all| all.iter().any(|f| matches!(f, Freeze::Clock(_)))) {
            return;
        }
        // Somebody finishes it at this moment.
        let Ok(alone) = Arc::clone(&known.closing).try_lock_owned() else { continue };
        let abandoned = match core.folder(&upload.archive.location) {
            Some(folder) if upload.published_at.is_none() => {
                let place = &upload.archive.location;
                attend(core, place, &folder, move |core, _| {
                    let _alone = alone;
                    abandon(core, &known, Visitor::Loop)
                })
            }
            // There is nothing to remove.
            Some(_) | None => Ok(abandon(core, &known, Visitor::Loop)),
        };
        match abandoned {
            // It is tried again with the next look.
            Err(_) => {}
            Ok(Ok(())) if upload.published_at.is_some() => {}
            Ok(Ok(())) => {
                tracing::info!(upload = %upload.id, peer = %upload.peer, file = %upload.file_name(), "an upload that nobody went on with is abandoned");
            }
            Ok(Err(error)) => {
                tracing::warn!(upload = %upload.id, %error, "an upload that nobody went on with cannot be abandoned");
            }
        }
    }
}

/// Drops an upload with everything that was received of it; of a published one, its record. Whoever
/// calls it is alone.
fn abandon(core: &Core, known: &Known, visitor: Visitor<'_>) -> Result<(), ReceiveError> {
    let upload = known.upload();
    let _still = if upload.published_at.is_none() {
        Some(core.hold_still(&upload.archive.location, visitor)?)
    } else {
        None
    };
    let upload = {
        // Not held while the disk is at work: others look at every upload.
        let mut book = known.book();
        core.state.commit(|txn| txn.drop_upload(book.upload.id))?;
        core.uploads.forget(book.upload.id);
        book.is_gone = true;
        book.upload.clone()
    };
    if upload.published_at.is_none()
        && let Some(folder) = core.folder(&upload.archive.location)
        && let Err(error) = folder.discard_part(upload.id)
    {
        // Nobody owns it any more: the next sweep removes it.
        tracing::debug!(upload = %upload.id, error = %with_causes(&error), "what was received is still there");
    }
    Ok(())
}

/// An archive of the catalogue that rests in a name space and counts for its quota.
fn counts(archive: &Archive, space: &PlaceName) -> bool {
    archive.location == *space && archive.condition != Condition::Lost
}
