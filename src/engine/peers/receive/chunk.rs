//! A chunk comes, is written to its place, flushed and recorded.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256 as Hasher};
use tokio::sync::mpsc;

use super::{ChunkReceived, Known, ReceiveError, TOUCH, finish, usable};
use crate::durable;
use crate::engine::core::Core;
use crate::location::ArchiveStore as _;
use crate::location::folder::Folder;
use crate::model::archive::Sha256;
use crate::model::upload::Upload;

/// A part of a chunk, in the order in which it came.
#[derive(Debug)]
pub(super) enum Piece<B> {
    /// Some bytes.
    Bytes(B),
    /// There are no more: the sender said so.
    End,
}

/// Which chunk is received.
pub(super) struct Place {
    pub(super) known: Arc<Known>,
    pub(super) chunk: u32,
    /// What its sender says of its bytes.
    pub(super) digest: Option<Sha256>,
}

/// Where the bytes of a chunk go that is not there yet.
struct Target {
    folder: Arc<Folder>,
    file: File,
    path: PathBuf,
    from: u64,
}

/// Receives a chunk. One that is there is compared and not written again. Nobody else receives it
/// meanwhile. Blocking.
pub(super) fn receive<B: AsRef<[u8]>>(
    core: &Core,
    place: &Place,
    mut pieces: mpsc::Receiver<Piece<B>>,
) -> Result<ChunkReceived, ReceiveError> {
    let Place { known, chunk, digest, .. } = place;
    let upload = touch(core, known)?;
    let (from, length) = range(&upload, *chunk)?;
    let recorded = known.book().chunks.get(chunk).copied();
    let target = match recorded {
        Some(_) => None,
        None => Some(target(core, known, &upload, from)?),
    };
    let mut hasher = Hasher::new();
    let mut position = 0_u64;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(bytes)) => {
                let bytes = bytes.as_ref();
                if position + bytes.len() as u64 > length {
                    return Err(wrong_length(*chunk, length, "more"));
                }
                hasher.update(bytes);
                if let Some(target) = &target {
                    target.write(bytes, position)?;
                }
                position += bytes.len() as u64;
            }
            Some(Piece::End) if position == length => break,
            Some(Piece::End) => {
                return Err(wrong_length(*chunk, length, &position.to_string()));
            }
            None => {
                return Err(ReceiveError::Malformed(format!(
                    "chunk {chunk} broke off after {position} of {length} bytes"
                )));
            }
        }
    }
    let hash = Sha256(hasher.finalize().into());
    if digest.is_some_and(|digest| digest != hash) {
        return Err(ReceiveError::Unfit {
            why: format!("the bytes of chunk {chunk} are not those of `Content-Digest`"),
            hint: Some("it was damaged on its way: send it again".to_owned()),
        });
    }
    match (target, recorded) {
        (Some(target), _) => target.flush()?,
        (None, Some(before)) if before != hash => {
            return Err(ReceiveError::conflict(
                format!("chunk {chunk} is there already, with other bytes"),
                "an upload is of one file: abandon it to send another",
            ));
        }
        (None, _) => return Ok(progress(known, *chunk)),
    }
    record(core, known, *chunk, hash)
}

/// Where a chunk begins and how long it is.
pub(super) fn range(upload: &Upload, chunk: u32) -> Result<(u64, u64), ReceiveError> {
    upload.range(chunk).ok_or_else(|| {
        let last = upload.chunks() - 1;
        ReceiveError::NotFound(format!("there is no chunk {chunk}: they are 0 to {last}"))
    })
}

pub(super) fn wrong_length(chunk: u32, length: u64, came: &str) -> ReceiveError {
    ReceiveError::Unfit {
        why: format!("chunk {chunk} has {length} bytes, and {came} came"),
        hint: Some("every chunk has `chunk_size` bytes, the last one what is left".to_owned()),
    }
}

/// Notes that somebody goes on with it.
fn touch(core: &Core, known: &Known) -> Result<Upload, ReceiveError> {
    let mut book = known.book();
    if book.is_gone {
        return Err(ReceiveError::no_upload(book.upload.id));
    }
    book.upload.touched_at = core.now();
    Ok(book.upload.clone())
}

fn target(core: &Core, known: &Known, upload: &Upload, from: u64) -> Result<Target, ReceiveError> {
    let folder = usable(core, &upload.archive.location)?;
    let file = finish::open(core, known, &folder)?;
    let path = folder.part_path(upload.id);
    Ok(Target { folder, file, path, from })
}

impl Target {
    fn write(&self, bytes: &[u8], at: u64) -> Result<(), ReceiveError> {
        self.file
            .write_all_at(bytes, self.from + at)
            .map_err(|error| self.folder.failed("write", &self.path, error).into())
    }

    fn flush(&self) -> Result<(), ReceiveError> {
        durable::sync_data(&self.file, &self.path)
            .map_err(|error| self.folder.failed("flush", &self.path, error).into())
    }
}

/// Records a chunk whose bytes are on the disk.
fn record(
    core: &Core,
    known: &Known,
    chunk: u32,
    hash: Sha256,
) -> Result<ChunkReceived, ReceiveError> {
    {
        // Held over the commit: whoever abandons the upload meanwhile waits, and takes it along.
        let mut book = known.book();
        if book.is_gone {
            return Err(ReceiveError::no_upload(book.upload.id));
        }
        let now = core.now();
        let is_stale = now.duration_since(book.recorded_touch).abs() >= TOUCH;
        book.upload.touched_at = now;
        core.state.commit(|txn| {
            if is_stale {
                txn.put_upload(&book.upload)?;
            }
            txn.put_chunk(book.upload.id, chunk, hash)
        })?;
        if is_stale {
            book.recorded_touch = now;
        }
        book.chunks.insert(chunk, hash);
    }
    Ok(progress(known, chunk))
}

fn progress(known: &Known, chunk: u32) -> ChunkReceived {
    let book = known.book();
    let of = book.upload.chunks();
    let received = u32::try_from(book.chunks.len()).unwrap_or(of);
    ChunkReceived { chunk, received, of }
}
