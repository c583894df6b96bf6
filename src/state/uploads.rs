//! What the state remembers of uploads: each one, and the chunks of it that are on the disk.

use super::stored::Text;
use super::stored::upload::StoredUpload;
use super::tables::{CHUNKS, UPLOADS, all, decode, encode};
use super::{State, StateError, Transaction};
use crate::model::archive::Sha256;
use crate::model::upload::{Chunks, Upload, UploadId};

impl Transaction<'_> {
    /// Records an upload, in place of what was known of it. Its chunks stay.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_upload(&mut self, upload: &Upload) -> Result<(), StateError> {
        let bytes = encode("uploads", &StoredUpload::from(upload))?;
        self.txn.open_table(UPLOADS)?.insert(upload.id.0.as_bytes(), bytes.as_slice())?;
        Ok(())
    }

    /// Records that a chunk is on the disk.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_chunk(
        &mut self,
        upload: UploadId,
        chunk: u32,
        hash: Sha256,
    ) -> Result<(), StateError> {
        let bytes = encode("upload-chunks", &Text(hash))?;
        let key = (upload.0.as_bytes(), chunk);
        self.txn.open_table(CHUNKS)?.insert(key, bytes.as_slice())?;
        Ok(())
    }

    /// Forgets an upload and its chunks.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_upload(&mut self, upload: UploadId) -> Result<(), StateError> {
        let id = upload.0.as_bytes();
        self.txn.open_table(UPLOADS)?.remove(id)?;
        let mut chunks = self.txn.open_table(CHUNKS)?;
        chunks.retain_in::<(&[u8; 16], u32), _>((id, 0)..=(id, u32::MAX), |_, _| false)?;
        Ok(())
    }
}

impl State {
    /// Every upload, with the chunks of it that are on the disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn uploads(&self) -> Result<Vec<(Upload, Chunks)>, StateError> {
        self.store.read(|txn| {
            let chunks = txn.open_table(CHUNKS)?;
            let stored: Vec<StoredUpload> = all("uploads", &txn.open_table(UPLOADS)?)?;
            let mut uploads = Vec::with_capacity(stored.len());
            for upload in stored.into_iter().map(Upload::from) {
                let id = upload.id.0.as_bytes();
                let mut received = Chunks::new();
                for entry in chunks.range((id, 0)..=(id, u32::MAX))? {
                    let (key, hash) = entry?;
                    let hash: Text<Sha256> = decode("upload-chunks", hash.value())?;
                    received.insert(key.value().1, hash.0);
                }
                uploads.push((upload, received));
            }
            Ok(uploads)
        })
    }
}
