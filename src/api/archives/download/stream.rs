//! The bytes of a part of a file: the next piece is read while the last one is being sent.
//!
//! Each piece is one blocking read, so that a client that takes its time holds no thread. At most
//! two pieces are in memory. **Invariant:** so many bytes as were promised, or an error that cuts
//! the connection: never fewer, and never anything in the place of what is missing.

use std::fs::File;
use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::Stream;
use rustix::buffer::spare_capacity;
use rustix::fs::Advice;
use rustix::io::Errno;
use tokio::task::JoinHandle;

/// How much is read at a time.
const PIECE: usize = 512 * 1024;

type Piece = JoinHandle<io::Result<Vec<u8>>>;

struct Reading {
    file: Arc<File>,
    at: u64,
    end: u64,
    ahead: Option<Piece>,
}

impl Reading {
    /// Begins to read the next piece, where there is one.
    fn begin(&mut self) {
        if self.at >= self.end {
            return;
        }
        let length = usize::try_from(self.end - self.at).unwrap_or(PIECE).min(PIECE);
        let (file, at) = (Arc::clone(&self.file), self.at);
        self.at = self.at.saturating_add(length as u64);
        self.ahead = Some(tokio::task::spawn_blocking(move || read(&file, at, length)));
    }
}

/// The bytes from `first` on, so many. Nothing is read before somebody asks for the first.
pub(super) fn stream(
    file: File,
    first: u64,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    // It is advice: a file system that does not take it reads all the same.
    let _ = rustix::fs::fadvise(&file, first, None, Advice::Sequential);
    let end = first.saturating_add(length);
    let reading = Reading { file: Arc::new(file), at: first, end, ahead: None };
    futures_util::stream::try_unfold(reading, |mut reading| async move {
        if reading.ahead.is_none() {
            reading.begin();
        }
        let Some(piece) = reading.ahead.take() else { return Ok(None) };
        let piece = piece.await.map_err(io::Error::other)?;
        let piece = piece.inspect_err(|error| tracing::warn!(%error, "a download is cut off"))?;
        reading.begin();
        Ok(Some((Bytes::from(piece), reading)))
    })
}

/// Exactly so many bytes.
fn read(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(length);
    while piece.len() < length {
        let here = at.saturating_add(piece.len() as u64);
        match rustix::io::pread(file, spare_capacity(&mut piece), here) {
            Ok(0) => {
                let text =
                    format!("the file ends at byte {here}: it was longer when it was opened");
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given more room than was asked for.
    piece.truncate(length);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    async fn all(file: File, first: u64, length: u64) -> io::Result<Vec<u8>> {
        let pieces: Vec<Bytes> = stream(file, first, length).try_collect().await?;
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn every_part_of_a_file_is_read_and_a_file_that_shrank_is_an_error() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..=250).cycle().take(3 * PIECE + 77).collect();
        std::fs::write(&path, &content).unwrap();
        let open = || File::open(&path).unwrap();
        let size = content.len();
        for (first, length) in
            [(0, size), (0, 1), (0, PIECE), (5, PIECE), (PIECE - 1, 2), (size - 1, 1), (size, 0)]
        {
            let part = all(open(), first as u64, length as u64).await.unwrap();
            assert!(part == content[first..first + length], "{length} bytes from {first}");
        }
        let error = all(open(), 0, size as u64 + 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
