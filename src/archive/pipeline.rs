//! The threads that every archive is written through: the caller fills in a stream, a second thread
//! encodes it where there is a codec, and the last one encrypts, hashes, writes and syncs.

use std::io;
use std::thread::{Result as Joined, scope};

use super::WriteError;
use super::lane::{Closed, Filler, lane};
use super::layers::{self, Destination};
use crate::model::archive::Sha256;
use crate::model::location::Codec;

/// Buffers between two threads.
const BUFFERS: usize = 4;

/// What is done to a stream on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding<'a> {
    pub(super) codec: Codec,
    /// age recipients; empty means not encrypted.
    pub(super) recipients: &'a [String],
    /// Whether it is the plain stream, whose hash is worth knowing.
    pub(super) is_plain: bool,
}

/// Why a stream ended early.
pub(super) enum Failure {
    /// A later stage ended, and knows why.
    Closed,
    Error(WriteError),
}

impl From<Closed> for Failure {
    fn from(_: Closed) -> Self {
        Failure::Closed
    }
}

impl<E: Into<WriteError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Error(error.into())
    }
}

/// A file that is complete and on the disk.
pub(super) struct Coded<D> {
    pub(super) destination: D,
    pub(super) file_size: u64,
    pub(super) file_sha256: Sha256,
    /// SHA-256 of the plain stream, where that is what was filled in.
    pub(super) stream_sha256: Option<Sha256>,
}

/// Sends what `fill` makes through all stages. Trouble with the destination is told before what it
/// did to the stages that come earlier.
pub(super) fn run<D: Destination, T>(
    coding: Coding<'_>,
    destination: D,
    fill: impl FnOnce(Filler) -> Result<T, Failure>,
) -> Result<(T, Coded<D>), WriteError> {
    let Coding { codec, recipients, is_plain } = coding;
    let (filler, stream) = lane(BUFFERS);
    scope(|scope| {
        let (encoding, sinking) = if codec == Codec::None {
            (None, scope.spawn(move || layers::sink(stream, is_plain, recipients, destination)))
        } else {
            let (encoded, drain) = lane(BUFFERS);
            let encoding = scope.spawn(move || layers::encode(stream, codec, encoded));
            let sinking = scope.spawn(move || layers::sink(drain, false, recipients, destination));
            (Some(encoding), sinking)
        };
        let made = match fill(filler) {
            Ok(made) => Ok(Some(made)),
            Err(Failure::Closed) => Ok(None),
            Err(Failure::Error(error)) => Err(error),
        };
        let encoded = encoding.map(|thread| finished(thread.join()));
        let sunk = finished(sinking.join());
        let made = made?;
        let sunk = sunk.map_err(WriteError::Destination)?;
        let encoded = encoded.transpose().map_err(WriteError::Destination)?.flatten();
        let (Some(made), Some(sunk)) = (made, sunk) else {
            return Err(WriteError::Destination(io::ErrorKind::BrokenPipe.into()));
        };
        let coded = Coded {
            destination: sunk.destination,
            file_size: sunk.file_size,
            file_sha256: sunk.file_sha256,
            stream_sha256: encoded.or(sunk.stream_sha256),
        };
        Ok((made, coded))
    })
}

/// What a thread returned; its panic goes on in this one.
fn finished<T>(result: Joined<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
