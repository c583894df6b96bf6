//! The way in for the API: what waits for a network is async here, the rest is done by blocking
//! code on threads of its own.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use super::chunk::{self, Piece, Place};
use super::{
    Announced, ChunkReceived, Landing, ReceiveError, Standing, abandon, begin, finish, landing,
};
use crate::engine::Handle;
use crate::engine::core::Core;
use crate::engine::locations::doors::Visitor;
use crate::model::archive::{Archive, Sha256};
use crate::model::name::PlaceName;
use crate::model::upload::UploadId;

/// How long a sender may pause within a chunk.
const STALL: Duration = Duration::from_mins(1);
/// How many pieces of a chunk wait for the disk.
const AHEAD: usize = 16;
/// How long a finished upload waits to be shown.
const SHOWN: Duration = Duration::from_secs(5);

/// A chunk as it is announced.
#[derive(Debug, Clone, Copy)]
pub struct ChunkHead {
    /// Which one.
    pub chunk: u32,
    /// How long its sender says it is.
    pub length: Option<u64>,
    /// What its sender says its hash is.
    pub digest: Option<Sha256>,
}

impl Handle {
    /// Begins an upload of a peer, or goes on with the one of the same file; whether it is new.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn begin_upload(
        &self,
        peer: PlaceName,
        announced: Announced,
    ) -> Result<(Standing, bool), ReceiveError> {
        self.blocking(move |core| begin::begin(core, &peer, &announced)).await
    }

    /// How far an upload is: one of `of`, of anybody's without.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn upload(&self, id: UploadId, of: Option<&PlaceName>) -> Result<Standing, ReceiveError> {
        let known = self.core.uploads.find(id, of)?;
        let standing = known.book().standing();
        Ok(standing)
    }

    /// Receives a chunk. It is on the disk when this returns.
    ///
    /// Dropping it at any moment leaves the upload as it was, or with the whole chunk.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn receive_chunk<S, B, E>(
        &self,
        id: UploadId,
        of: Option<&PlaceName>,
        head: ChunkHead,
        body: S,
    ) -> Result<ChunkReceived, ReceiveError>
    where
        S: Stream<Item = Result<B, E>> + Unpin,
        B: AsRef<[u8]> + Send + 'static,
        E: Display,
    {
        take_chunk(&self.core, id, of, head, body).await
    }

    /// Makes the place where another program may put the whole file of an upload.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is finished; see [`ReceiveError`].
    pub async fn open_landing(
        &self,
        id: UploadId,
        of: Option<&PlaceName>,
    ) -> Result<Landing, ReceiveError> {
        let known = self.core.uploads.find(id, of)?;
        self.blocking(move |core| landing::open(core, &known)).await
    }

    /// Publishes an upload, all of whose chunks are there.
    ///
    /// Dropping it does not stop it: asked again, it has the same answer.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn finish_upload(
        &self,
        id: UploadId,
        of: Option<&PlaceName>,
    ) -> Result<Archive, ReceiveError> {
        let archive = take_whole(&self.core, id, of).await?;
        // Whoever asks for the catalogue now should find it there.
        let _ = tokio::time::timeout(SHOWN, self.looked()).await;
        Ok(archive)
    }

    /// Abandons an upload: nothing is left of it.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is finished, or being finished.
    pub async fn abandon_upload(
        &self,
        id: UploadId,
        of: Option<&PlaceName>,
    ) -> Result<(), ReceiveError> {
        let known = self.core.uploads.find(id, of)?;
        let alone = Arc::clone(&known.closing).try_lock_owned();
        let alone = alone.map_err(|_| {
            ReceiveError::conflict("it is being finished at this moment", "ask for it in a moment")
        })?;
        self.blocking(move |core| {
            let _alone = alone;
            let upload = known.upload();
            if upload.published_at.is_some() {
                return Err(ReceiveError::conflict(
                    format!("it is finished: `{}` is an archive now", upload.archive.name),
                    "an archive is deleted by its own path",
                ));
            }
            abandon(core, &known, Visitor::Peer)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Core) -> Result<T, ReceiveError> + Send + 'static,
    ) -> Result<T, ReceiveError> {
        let core = Arc::clone(&self.core);
        joined(tokio::task::spawn_blocking(move || body(&core)).await)
    }
}

/// Receives a chunk of an upload, whoever brings it.
pub(crate) async fn take_chunk<S, B, E>(
    core: &Arc<Core>,
    id: UploadId,
    of: Option<&PlaceName>,
    head: ChunkHead,
    mut body: S,
) -> Result<ChunkReceived, ReceiveError>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: AsRef<[u8]> + Send + 'static,
    E: Display,
{
    let known = core.uploads.find(id, of)?;
    let ChunkHead { chunk, length, digest } = head;
    let (_, expected) = chunk::range(&known.upload(), chunk)?;
    if let Some(length) = length.filter(|length| *length != expected) {
        return Err(chunk::wrong_length(chunk, expected, &length.to_string()));
    }
    let alone = known.turnstile(chunk).lock_owned().await;
    let (pieces, incoming) = mpsc::channel(AHEAD);
    let place = Place { known, chunk, digest };
    let core = Arc::clone(core);
    let writer = tokio::task::spawn_blocking(move || {
        // Held by whoever writes: a request that was given up cannot write where the next does.
        let _alone = alone;
        chunk::receive(&core, &place, incoming)
    });
    let mut trouble = None;
    loop {
        let piece = match tokio::time::timeout(STALL, body.next()).await {
            Ok(Some(Ok(bytes))) => Piece::Bytes(bytes),
            Ok(None) => Piece::End,
            Ok(Some(Err(error))) => {
                let why = format!("chunk {chunk} cannot be read: {error}");
                trouble = Some(ReceiveError::Malformed(why));
                break;
            }
            Err(_) => {
                let why = format!("nothing of chunk {chunk} came for {} s", STALL.as_secs());
                trouble = Some(ReceiveError::TimedOut(why));
                break;
            }
        };
        let is_end = matches!(piece, Piece::End);
        // Whoever writes has seen enough where nobody takes it any more.
        if pieces.send(piece).await.is_err() || is_end {
            break;
        }
    }
    // Without an end, the writer records nothing.
    drop(pieces);
    let written = joined(writer.await);
    match trouble {
        Some(trouble) => Err(trouble),
        None => written,
    }
}

/// Publishes an upload, all of whose chunks are there.
pub(crate) async fn take_whole(
    core: &Arc<Core>,
    id: UploadId,
    of: Option<&PlaceName>,
) -> Result<Archive, ReceiveError> {
    let known = core.uploads.find(id, of)?;
    let alone = Arc::clone(&known.closing).lock_owned().await;
    let core = Arc::clone(core);
    let finished = tokio::task::spawn_blocking(move || {
        let _alone = alone;
        finish::finish(&core, &known)
    });
    joined(finished.await)
}

/// What a thread came to; one that panicked changed nothing that was answered.
fn joined<T>(
    result: Result<Result<T, ReceiveError>, tokio::task::JoinError>,
) -> Result<T, ReceiveError> {
    result.unwrap_or_else(|error| {
        Err(ReceiveError::Unavailable {
            why: format!("an error in larder itself: {error}"),
            hint: None,
        })
    })
}
