//! The uploads that are open, and who is busy with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Mutex as Turnstile;

use super::{ReceiveError, Standing};
use crate::engine::locations::doors::Doors;
use crate::location::Writer;
use crate::model::archive::ArchiveId;
use crate::model::name::PlaceName;
use crate::model::upload::{Chunks, Upload, UploadId};
use crate::state::{State, StateError};

/// Every upload that is open, and those that were published a short while ago.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    known: Mutex<BTreeMap<UploadId, Arc<Known>>>,
    /// Held while files of uploads come and go at a location: whoever looks at it as a whole sees
    /// all of a change or nothing.
    pub(crate) files: Doors,
    /// The archives of uploads that are just being begun.
    announced: Mutex<BTreeSet<ArchiveId>>,
}

/// An archive that is being announced, by one at a time.
#[derive(Debug)]
pub(super) struct Announcing<'a> {
    uploads: &'a Uploads,
    id: ArchiveId,
}

impl Drop for Announcing<'_> {
    fn drop(&mut self) {
        self.uploads.announced.lock().remove(&self.id);
    }
}

/// One upload and who is busy with it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) book: Mutex<Book>,
    /// One chunk is received by one at a time; the next sees what the first one left.
    pub(super) chunks: Mutex<BTreeMap<u32, Arc<Turnstile<()>>>>,
    /// Whoever finishes or abandons it is alone.
    pub(super) closing: Arc<Turnstile<()>>,
}

/// What the state knows of an upload.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) upload: Upload,
    pub(super) chunks: Chunks,
    /// The `touched_at` of the record.
    pub(super) recorded_touch: Timestamp,
    /// Abandoned: whoever still holds it must not write it down again.
    pub(super) is_gone: bool,
}

impl Known {
    pub(super) fn new(upload: Upload, chunks: Chunks) -> Arc<Self> {
        let recorded_touch = upload.touched_at;
        let book = Book { upload, chunks, recorded_touch, is_gone: false };
        Arc::new(Self { book: Mutex::new(book), chunks: Mutex::default(), closing: Arc::default() })
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }

    pub(super) fn upload(&self) -> Upload {
        self.book().upload.clone()
    }

    /// The right to receive a chunk.
    pub(super) fn turnstile(&self, chunk: u32) -> Arc<Turnstile<()>> {
        let mut chunks = self.chunks.lock();
        // What nobody holds or waits for is made anew when somebody comes.
        chunks.retain(|_, turnstile| Arc::strong_count(turnstile) > 1);
        Arc::clone(chunks.entry(chunk).or_default())
    }
}

impl Book {
    pub(super) fn standing(&self) -> Standing {
        let received = self.chunks.keys().copied().collect();
        Standing { upload: self.upload.clone(), received }
    }

    /// The chunks that are missing, as ranges.
    pub(super) fn missing(&self) -> Vec<RangeInclusive<u32>> {
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
        let known = Mutex::new(known.collect());
        Ok(Self { known, files: Doors::default(), announced: Mutex::default() })
    }

    /// Begins to announce an archive; `None` while somebody else does.
    pub(super) fn announce(&self, id: ArchiveId) -> Option<Announcing<'_>> {
        self.announced.lock().insert(id).then_some(Announcing { uploads: self, id })
    }

    /// Those whose files a sweep must leave alone.
    pub(crate) fn writers(&self, at: &PlaceName) -> Vec<Writer> {
        let known = self.all();
        let here = known.iter().filter(|known| known.book().upload.archive.location == *at);
        here.map(|known| Writer::Upload(known.book().upload.id)).collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Known>> {
        self.known.lock().values().cloned().collect()
    }

    /// The upload of this number, where it is that of `of`; of anybody without.
    pub(super) fn find(
        &self,
        id: UploadId,
        of: Option<&PlaceName>,
    ) -> Result<Arc<Known>, ReceiveError> {
        let known = self.known.lock().get(&id).cloned();
        known
            .filter(|known| of.is_none_or(|peer| known.book().upload.peer == *peer))
            .ok_or_else(|| ReceiveError::no_upload(id))
    }

    pub(super) fn add(&self, id: UploadId, known: Arc<Known>) {
        self.known.lock().insert(id, known);
    }

    pub(super) fn forget(&self, id: UploadId) {
        self.known.lock().remove(&id);
    }
}
