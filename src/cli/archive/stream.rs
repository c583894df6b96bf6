//! An archive's file as it comes over the API, for blocking code: as it rests, or as plain tar.

use std::io::{self, Read};

use axum::body::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use super::super::failure::Failure;
use crate::api::dto::Archive;
use crate::archive;

/// How many chunks wait between the network and the blocking side.
const CHUNKS: usize = 8;

/// How an archive's file is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Encoding {
    /// `none`, `gzip:LEVEL` or `zstd:LEVEL`.
    pub(super) codec: String,
    /// Whether it is encrypted.
    pub(super) encrypted: bool,
}

impl Encoding {
    /// The encoding of an archive, if it can be opened.
    pub(super) fn of(archive: &Archive, has_identity: bool) -> anyhow::Result<Self> {
        if archive.encrypted && !has_identity {
            let name = &archive.name;
            return Err(Failure::new(format!("archive `{name}` is encrypted"))
                .hint("give the age identity with `--identity FILE`")
                .into());
        }
        Ok(Self::as_it_rests(archive))
    }

    /// The encoding of an archive, whether or not it can be opened.
    pub(super) fn as_it_rests(archive: &Archive) -> Self {
        Self { codec: archive.codec.clone(), encrypted: archive.encrypted }
    }

    /// `none`, or the name of the program that reads it.
    pub(super) fn codec_word(&self) -> &str {
        self.codec.split(':').next().unwrap_or_default()
    }
}

/// The plain tar stream of an archive's file.
pub(super) fn plain(
    file: Box<dyn Read + Send>,
    encoding: &Encoding,
    identity: Option<&str>,
) -> anyhow::Result<Box<dyn Read + Send>> {
    let Ok(codec) = encoding.codec.parse() else {
        let word = encoding.codec_word();
        return Err(Failure::new(format!("this version does not know the codec `{word}`")).into());
    };
    let identity = identity.filter(|_| encoding.encrypted);
    archive::plain_stream(file, codec, identity).map_err(|error| {
        let failure = Failure::new(error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint).into(),
            None => failure.into(),
        }
    })
}

/// Hands a stream to blocking code as a reader, with a bounded number of chunks between them.
pub(super) async fn blocking<T: Send + 'static>(
    mut stream: BoxStream<'static, Result<Bytes, anyhow::Error>>,
    work: impl FnOnce(Box<dyn Read + Send>) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let reader = Box::new(ChunkReader { receiver, chunk: Bytes::new() });
    let worker = tokio::task::spawn_blocking(move || work(reader));
    while let Some(chunk) = stream.next().await {
        // The reader is dropped when the work is over, also early: its result says why.
        if sender.send(chunk).await.is_err() {
            break;
        }
    }
    drop(sender);
    worker.await?
}

/// Chunks of a channel as a reader.
#[derive(Debug)]
struct ChunkReader {
    receiver: mpsc::Receiver<Result<Bytes, anyhow::Error>>,
    chunk: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
            }
        }
        let length = buffer.len().min(self.chunk.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}
