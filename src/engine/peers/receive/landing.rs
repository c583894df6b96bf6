//! Uploads whose bytes come by another way than chunks: rsync puts the whole file into a directory
//! of its upload, and finishing takes it from there.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256 as Hasher};

use super::{Known, ReceiveError, usable};
use crate::engine::core::Core;
use crate::engine::locations::doors::Visitor;
use crate::location::folder::Folder;
use crate::location::{ArchiveStore as _, LocationError};
use crate::model::archive::Sha256;
use crate::model::upload::{Chunks, Upload, UploadId};

/// How long whoever wrote may take to be gone.
const LEAVING: Duration = Duration::from_secs(5);
/// How many bytes are hashed at once.
const PIECE: usize = 1 << 20;

/// Where a file may be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// The upload.
    pub upload: UploadId,
    /// The directory.
    pub directory: PathBuf,
    /// The bytes that were announced.
    pub size: u64,
}

/// Makes the place for an upload that is open. Blocking.
pub(super) fn open(core: &Core, known: &Known) -> Result<Landing, ReceiveError> {
    let upload = {
        let mut book = known.book();
        if book.is_gone {
            return Err(ReceiveError::no_upload(book.upload.id));
        }
        book.upload.touched_at = core.now();
        book.upload.clone()
    };
    if upload.published_at.is_some() {
        return Err(ReceiveError::conflict("it is finished already", "nothing needs to be sent"));
    }
    let folder = usable(core, &upload.archive.location)?;
    let _still = core.hold_still(&upload.archive.location, Visitor::Peer)?;
    if known.book().is_gone {
        return Err(ReceiveError::no_upload(upload.id));
    }
    let directory = folder.open_landing(upload.id)?;
    Ok(Landing { upload: upload.id, directory, size: upload.total_size() })
}

/// Takes what landed of an upload some of whose chunks are missing, if all of it did: they are
/// there then. Whoever calls it is alone. Blocking.
pub(super) fn take(core: &Core, known: &Known) -> Result<bool, ReceiveError> {
    let upload = known.upload();
    let folder = usable(core, &upload.archive.location)?;
    let since = Instant::now();
    let taken = loop {
        match folder.take_landed(upload.id, upload.total_size()) {
            // rsync says that it is done a moment before it is gone.
            Err(LocationError::Foreign { .. }) if since.elapsed() < LEAVING => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(LocationError::Foreign { .. }) => {
                return Err(ReceiveError::conflict(
                    "its file is still being received by rsync",
                    "finish again when that has ended",
                ));
            }
            other => break other?,
        }
    };
    if !taken {
        return Ok(false);
    }
    let file = folder.open_part(upload.id, upload.total_size())?;
    let file = file.ok_or_else(|| ReceiveError::no_upload(upload.id))?;
    let chunks = hash(&folder, &upload, &file)?;
    let mut book = known.book();
    if book.is_gone {
        return Err(ReceiveError::no_upload(upload.id));
    }
    core.state.commit(|txn| {
        txn.put_upload(&book.upload)?;
        chunks.iter().try_for_each(|(chunk, hash)| txn.put_chunk(upload.id, *chunk, *hash))
    })?;
    book.chunks = chunks;
    tracing::info!(upload = %upload.id, peer = %upload.peer, file = %upload.file_name(), "an upload came by rsync");
    Ok(true)
}

/// The hashes of the chunks, as if they had been sent one by one.
fn hash(folder: &Folder, upload: &Upload, file: &File) -> Result<Chunks, ReceiveError> {
    let mut buffer = vec![0; PIECE];
    let mut chunks = Chunks::new();
    for chunk in 0..upload.chunks() {
        let (from, length) = super::chunk::range(upload, chunk)?;
        let mut hasher = Hasher::new();
        let mut at = 0;
        while at < length {
            let most = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
            file.read_exact_at(&mut buffer[..most], from + at)
                .map_err(|error| folder.failed("read", &folder.part_path(upload.id), error))?;
            hasher.update(&buffer[..most]);
            at += most as u64;
        }
        chunks.insert(chunk, Sha256(hasher.finalize().into()));
    }
    Ok(chunks)
}
