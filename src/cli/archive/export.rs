//! `larder archive export`: an archive's file, or the plain tar stream in it.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;

use axum::body::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use super::super::ask;
use super::super::client::Client;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::words::size;
use super::{ExportArguments, one, path};
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
        Ok(Self { codec: archive.codec.clone(), encrypted: archive.encrypted })
    }
}

pub(super) async fn export(
    context: &Context,
    client: &Client,
    arguments: &ExportArguments,
) -> anyhow::Result<u8> {
    let archive = one(client, &arguments.one).await?;
    let encoding = if arguments.plain {
        Some(Encoding::of(&archive, arguments.identity.is_some())?)
    } else {
        None
    };
    let identity = ask::read_identity(arguments.identity.as_deref())?;
    let target: Box<dyn Write + Send> = match &arguments.to {
        None => Box::new(io::stdout()),
        Some(file) => {
            let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
            Box::new(new.map_err(|error| {
                anyhow::Error::new(error).context(format!("cannot create `{}`", file.display()))
            })?)
        }
    };
    let path = path(&archive.id, "/download", Some(&archive.location));
    let stream = client.download(&path).await?;
    let written = blocking(stream, move |file| copy(file, target, encoding, identity.as_deref()));
    let written = match written.await {
        Ok(written) => written,
        Err(error) => {
            if let Some(file) = &arguments.to {
                // Half a file must not look like an archive.
                let _ = std::fs::remove_file(file);
            }
            if arguments.to.is_none() && is_broken_pipe(&error) {
                return Ok(0);
            }
            return Err(error);
        }
    };
    if !arguments.plain && written != archive.file_size {
        return Err(Failure::new(format!(
            "`{}` ended after {written} of {} bytes",
            archive.name, archive.file_size
        ))
        .into());
    }
    if let Some(file) = &arguments.to {
        context.tell(&format!("{}: {} in `{}`", archive.name, size(written), file.display()));
    }
    Ok(0)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn copy(
    file: Box<dyn Read + Send>,
    mut target: Box<dyn Write + Send>,
    encoding: Option<Encoding>,
    identity: Option<&str>,
) -> anyhow::Result<u64> {
    let mut source = match encoding {
        None => file,
        Some(encoding) => plain(file, &encoding, identity)?,
    };
    let written = io::copy(&mut source, &mut target)?;
    target.flush()?;
    Ok(written)
}

/// The plain tar stream of an archive's file.
pub(super) fn plain(
    file: Box<dyn Read + Send>,
    encoding: &Encoding,
    identity: Option<&str>,
) -> anyhow::Result<Box<dyn Read + Send>> {
    let file = match identity.filter(|_| encoding.encrypted) {
        None => file,
        Some(identity) => archive::identity::decrypt(file, identity).map_err(|error| {
            let failure = Failure::new(error.to_string());
            match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?,
    };
    match encoding.codec.split(':').next().unwrap_or_default() {
        "none" => Ok(file),
        "gzip" => Ok(Box::new(flate2::read::MultiGzDecoder::new(file))),
        "zstd" => Ok(Box::new(zstd::stream::read::Decoder::new(file)?)),
        other => {
            Err(Failure::new(format!("this version does not know the codec `{other}`")).into())
        }
    }
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
