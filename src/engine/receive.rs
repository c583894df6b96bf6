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

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex as Turnstile;

use crate::location::folder::Folder;
use crate::location::{ArchiveStore as _, LocationError, Writer};
use crate::model::archive::{Archive, ArchiveId, Condition};
use crate::model::name::{ArchiveName, PlaceName};
use crate::model::observed::{Freeze, LocationState};
use crate::model::upload::{Chunks, Upload, UploadId};
use crate::state::{State, StateError};

use super::context::with_causes;
use super::core::Core;
use super::start;

mod chunk;
mod describe;
mod doubt;
pub(crate) mod examine;
mod finish;
mod rules;
mod landing;
pub(crate) mod begin;
pub(crate) mod way_in;

pub use begin::Announced;
pub use landing::Landing;
pub use way_in::ChunkHead;

/// How often the record says that an upload goes on: each of its chunks would be too often.
const TOUCH: SignedDuration = SignedDuration::from_mins(1);

/// What is in the way of an upload: an archive, or another upload. All of it is the sender's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    /// Its archive's identity, where it is known.
    pub archive: Option<ArchiveId>,
    /// The name.
    pub name: ArchiveName,
    /// The upload, where it is one.
    pub upload: Option<UploadId>,
    /// Whether it is an archive that is there, and not known to be damaged.
    pub is_good: bool,
}

impl InTheWay {
    fn archive(archive: &Archive) -> Self {
        Self {
            archive: Some(archive.id),
            name: archive.name.clone(),
            upload: None,
            is_good: matches!(archive.condition, Condition::Present | Condition::Unavailable),
        }
    }

    fn upload(upload: &Upload) -> Self {
        Self {
            archive: Some(upload.archive.id),
            name: upload.archive.name.clone(),
            upload: Some(upload.id),
            is_good: false,
        }
    }

    fn name(name: &ArchiveName) -> Self {
        Self { archive: None, name: name.clone(), upload: None, is_good: false }
    }
}

/// Why something was not received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// There is no such upload, chunk or peer, for whoever asks.
    #[error("{0}")]
    NotFound(String),
    /// What came cannot be read, or ended before its time.
    #[error("{0}")]
    Malformed(String),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// It can be read, and is not what it should be.
    #[error("{why}")]
    Unfit {
        /// Why.
        why: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// Something else is there.
    #[error("{why}")]
    Conflict {
        /// What.
        why: String,
        /// What to do about it.
        hint: Option<String>,
        /// What it is, where that is known.
        with: Option<Box<InTheWay>>,
    },
    /// The quota is used up, or the disk.
    #[error("{why}")]
    NoRoom {
        /// What is missing.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The disk or the state cannot be used now; the same request may succeed later.
    #[error("{why}")]
    Unavailable {
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl ReceiveError {
    fn unfit(why: impl Into<String>) -> Self {
        Self::Unfit { why: why.into(), hint: None }
    }

    fn conflict(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Conflict { why: why.into(), hint: Some(hint.into()), with: None }
    }

    /// The same with what is in the way.
    fn with(self, there: InTheWay) -> Self {
        match self {
            Self::Conflict { why, hint, .. } => {
                Self::Conflict { why, hint, with: Some(Box::new(there)) }
            }
            other => other,
        }
    }

    fn no_upload(id: UploadId) -> Self {
        Self::NotFound(format!("there is no upload `{id}`"))
    }
}

impl From<LocationError> for ReceiveError {
    fn from(error: LocationError) -> Self {
        let (why, hint) = (with_causes(&error), error.hint());
        match &error {
            LocationError::NoSpace { .. } => Self::NoRoom { why, hint },
            LocationError::Io { source, .. }
                if source.kind() == std::io::ErrorKind::FileTooLarge =>
            {
                Self::NoRoom { why, hint }
            }
            LocationError::NameTaken { .. } => Self::Conflict { why, hint: None, with: None },
            LocationError::Unavailable { .. }
            | LocationError::Exists { .. }
            | LocationError::Gone { .. }
            | LocationError::Foreign { .. }
            | LocationError::Incomplete { .. }
            | LocationError::Name(_)
            | LocationError::Io { .. } => Self::Unavailable { why, hint },
        }
    }
}

impl From<StateError> for ReceiveError {
    fn from(error: StateError) -> Self {
        Self::Unavailable { why: with_causes(&error), hint: error.hint().map(ToOwned::to_owned) }
    }
}

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

/// Every upload that is open, and those that were published a short while ago.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    known: Mutex<BTreeMap<UploadId, Arc<Known>>>,
    /// Held while files of uploads come and go: whoever looks at a location as a whole sees all of
    /// a change or nothing.
    files: Mutex<()>,
}

/// One upload and who is busy with it.
#[derive(Debug)]
struct Known {
    book: Mutex<Book>,
    /// One chunk is received by one at a time; the next sees what the first one left.
    chunks: Mutex<BTreeMap<u32, Arc<Turnstile<()>>>>,
    /// Whoever finishes or abandons it is alone.
    closing: Arc<Turnstile<()>>,
}

/// What the state knows of an upload.
#[derive(Debug)]
struct Book {
    upload: Upload,
    chunks: Chunks,
    /// The `touched_at` of the record.
    recorded_touch: Timestamp,
    /// Abandoned: whoever still holds it must not write it down again.
    is_gone: bool,
}

impl Known {
    fn new(upload: Upload, chunks: Chunks) -> Arc<Self> {
        let recorded_touch = upload.touched_at;
        let book = Book { upload, chunks, recorded_touch, is_gone: false };
        Arc::new(Self { book: Mutex::new(book), chunks: Mutex::default(), closing: Arc::default() })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    fn upload(&self) -> Upload {
        self.book().upload.clone()
    }

    /// The right to receive a chunk.
    fn turnstile(&self, chunk: u32) -> Arc<Turnstile<()>> {
        let mut chunks = lock(&self.chunks);
        // What nobody holds or waits for is made anew when somebody comes.
        chunks.retain(|_, turnstile| Arc::strong_count(turnstile) > 1);
        Arc::clone(chunks.entry(chunk).or_default())
    }
}

impl Book {
    fn standing(&self) -> Standing {
        let received = self.chunks.keys().copied().collect();
        Standing { upload: self.upload.clone(), received }
    }

    /// The chunks that are missing, as ranges.
    fn missing(&self) -> Vec<RangeInclusive<u32>> {
        let mut missing: Vec<RangeInclusive<u32>> = Vec::new();
        for chunk in (0..self.upload.chunks()).filter(|chunk| !self.chunks.contains_key(chunk)) {
            match missing.last_mut() {
                Some(last) if *last.end() + 1 == chunk => *last = *last.start()..=chunk,
                _ => missing.push(chunk..=chunk),
            }
        }
        missing
    }
}

impl Uploads {
    /// The uploads that the state remembers.
    pub(crate) fn new(state: &State) -> Result<Self, StateError> {
        let stored = state.uploads()?.into_iter();
        let known = stored.map(|(upload, chunks)| (upload.id, Known::new(upload, chunks)));
        Ok(Self { known: Mutex::new(known.collect()), files: Mutex::default() })
    }

    /// Keeps files of uploads where they are, until it is dropped.
    pub(crate) fn hold_still(&self) -> MutexGuard<'_, ()> {
        lock(&self.files)
    }

    /// Those whose files a sweep must leave alone.
    pub(crate) fn writers(&self, at: &PlaceName) -> Vec<Writer> {
        let known = self.all();
        let here = known.iter().filter(|known| known.book().upload.archive.location == *at);
        here.map(|known| Writer::Upload(known.book().upload.id)).collect()
    }

    fn all(&self) -> Vec<Arc<Known>> {
        lock(&self.known).values().cloned().collect()
    }

    /// The upload of this number, where it is that of `of`; of anybody without.
    fn find(&self, id: UploadId, of: Option<&PlaceName>) -> Result<Arc<Known>, ReceiveError> {
        let known = lock(&self.known).get(&id).cloned();
        known
            .filter(|known| of.is_none_or(|peer| known.book().upload.peer == *peer))
            .ok_or_else(|| ReceiveError::no_upload(id))
    }

    fn forget(&self, id: UploadId) {
        lock(&self.known).remove(&id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change behind these is one assignment: a panic elsewhere leaves them usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of a name space, once it can be written to. That of a peer that never sent anything
/// is made.
fn usable(core: &Core, space: &PlaceName) -> Result<Arc<Folder>, ReceiveError> {
    let folder = folder_of(core, space)?;
    if folder.awaits_its_first_upload() {
        let around = folder_of(core, &above(space)?)?;
        folder.begin_name_space(&around)?;
        start::ensure(core, space, &folder);
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
pub(crate) fn settle(core: &Core) {
    for known in core.uploads.all() {
        let (upload, is_whole) = {
            let book = known.book();
            (book.upload.clone(), book.missing().is_empty() && book.upload.published_at.is_none())
        };
        let Some(folder) = core.folder(&upload.archive.location).filter(|_| is_whole) else {
            continue;
        };
        match finish::was_published(core, &known, &folder) {
            Ok(Some(archive)) => {
                tracing::info!(upload = %upload.id, archive = %archive.name, "an upload had been published before larder ended");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(upload = %upload.id, %error, "cannot tell yet what became of an upload");
            }
        }
    }
}

/// Forgets uploads that nobody went on with, and those that were published long enough ago.
pub(crate) fn expire(core: &Core, now: Timestamp) {
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
        let Ok(_alone) = known.closing.try_lock() else { continue };
        match abandon(core, &known) {
            Ok(()) if upload.published_at.is_some() => {}
            Ok(()) => {
                tracing::info!(upload = %upload.id, peer = %upload.peer, file = %upload.file_name(), "an upload that nobody went on with is abandoned");
            }
            Err(error) => {
                tracing::warn!(upload = %upload.id, %error, "an upload that nobody went on with cannot be abandoned");
            }
        }
    }
}

/// Drops an upload with everything that was received of it; of a published one, its record. Whoever
/// calls it is alone.
fn abandon(core: &Core, known: &Known) -> Result<(), ReceiveError> {
    let _still = core.uploads.hold_still();
    let mut book = known.book();
    let upload = &book.upload;
    core.state.commit(|txn| txn.drop_upload(upload.id))?;
    core.uploads.forget(upload.id);
    if upload.published_at.is_none()
        && let Some(folder) = core.folder(&upload.archive.location)
        && let Err(error) = folder.discard_part(upload.id)
    {
        // Nobody owns it any more: the next sweep removes it.
        tracing::debug!(upload = %upload.id, error = %with_causes(&error), "what was received is still there");
    }
    book.is_gone = true;
    Ok(())
}

/// An archive of the catalogue that rests in a name space and counts for its quota.
fn counts(archive: &Archive, space: &PlaceName) -> bool {
    archive.location == *space && archive.condition != Condition::Lost
}
