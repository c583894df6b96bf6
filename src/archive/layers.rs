//! What happens to the stream between the tar encoding and the disk: codec, encryption, hashes.
//!
//! **Invariant:** the destination is synced once, after the last byte, and a sync that failed is a
//! failure: the kernel forgets the error and the pages, so that asking again would lie.

use std::fs::File;
use std::io::{self, Write};

use sha2::{Digest as _, Sha256 as Hasher};

use super::identity;
use super::lane::{Drain, Ended, Filler};
use crate::model::archive::Sha256;
use crate::model::location::Codec;

/// Where an archive's bytes go.
pub trait Destination: Write + Send {
    /// Makes what was written survive a power cut.
    ///
    /// # Errors
    /// When the disk says that it does not. Never asked twice.
    fn sync(&mut self) -> io::Result<()>;
}

/// How much is written between two nudges to the kernel to begin with writing it out.
const STRIDE: u64 = 8 << 20;

/// A file as a destination. Written pages are sent to the disk while the next ones are made, so
/// that the sync at the end is short and the page cache keeps what others need.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    written: u64,
    nudged: u64,
}

impl Output {
    pub(crate) fn new(file: File) -> Self {
        Self { file, written: 0, nudged: 0 }
    }

    pub(crate) fn into_inner(self) -> File {
        self.file
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        if self.written - self.nudged >= STRIDE {
            // On dirty pages this advice starts to write them and keeps them.
            let length = std::num::NonZeroU64::new(self.written - self.nudged);
            let advice = rustix::fs::Advice::DontNeed;
            let _ = rustix::fs::fadvise(&self.file, self.nudged, length, advice);
            self.nudged = self.written;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Destination for Output {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// What went into a file.
#[derive(Debug)]
pub(crate) struct Sunk<D> {
    pub(crate) destination: D,
    pub(crate) file_sha256: Sha256,
    pub(crate) file_size: u64,
    /// Only where the sink sees the plain stream.
    pub(crate) stream_sha256: Option<Sha256>,
}

/// Counts and hashes what reaches the destination.
struct Counted<D> {
    destination: D,
    hasher: Hasher,
    size: u64,
}

impl<D: Write> Write for Counted<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.destination.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.destination.flush()
    }
}

/// The last stage: `None` when the stages before gave up.
pub(crate) fn sink<D: Destination>(
    drain: Drain,
    is_plain: bool,
    recipients: &[String],
    destination: D,
) -> io::Result<Option<Sunk<D>>> {
    let counted = Counted { destination, hasher: Hasher::new(), size: 0 };
    let (ended, mut counted, stream_sha256) = if recipients.is_empty() {
        let mut counted = counted;
        let ended = drain.each(|bytes| counted.write_all(bytes))?;
        (ended, counted, None)
    } else {
        let encryptor = identity::encryptor(recipients).map_err(io::Error::other)?;
        let mut encrypting = identity::encrypt(encryptor, counted)?;
        let mut hasher = Hasher::new();
        let ended = drain.each(|bytes| {
            if is_plain {
                hasher.update(bytes);
            }
            encrypting.write_all(bytes)
        })?;
        if ended == Ended::Abandoned {
            return Ok(None);
        }
        (ended, encrypting.finish()?, is_plain.then(|| digest(hasher)))
    };
    if ended == Ended::Abandoned {
        return Ok(None);
    }
    counted.flush()?;
    counted.destination.sync()?;
    let file_sha256 = digest(counted.hasher);
    let stream_sha256 = match stream_sha256 {
        None if is_plain && recipients.is_empty() => Some(file_sha256),
        other => other,
    };
    let (destination, file_size) = (counted.destination, counted.size);
    Ok(Some(Sunk { destination, file_sha256, file_size, stream_sha256 }))
}

/// The middle stage, where there is a codec: yields the hash of the plain stream.
pub(crate) fn encode(drain: Drain, codec: Codec, out: Filler) -> io::Result<Option<Sha256>> {
    let mut hasher = Hasher::new();
    let mut encoder = Encoder::new(codec, out)?;
    let ended = drain.each(|bytes| {
        hasher.update(bytes);
        encoder.write_all(bytes)
    })?;
    if ended == Ended::Abandoned {
        return Ok(None);
    }
    encoder.finish()?.finish()?;
    Ok(Some(digest(hasher)))
}

/// Threads that compress, beside those that read and write.
const WORKERS: u32 = 2;
/// Bytes that one of them takes at a time: what the library would choose costs too much memory.
const JOB: u32 = 2 << 20;
/// The level that `compress` has when it says no other.
const DEFAULT_LEVEL: u8 = 3;
/// The table of matches of that level as a power of two, one below the library's: it stays in the
/// core's cache, which saves 7 % of the time and costs 0.1 to 0.5 % of the size.
const HASH_LOG: u32 = 16;
/// Up to this level several threads stay within our memory.
const MOST_PARALLEL_LEVEL: u8 = 9;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

enum Encoder {
    Gzip(flate2::write::GzEncoder<Filler>),
    Zstd(zstd::stream::write::Encoder<'static, Filler>),
    None(Filler),
}

impl Encoder {
    fn new(codec: Codec, out: Filler) -> io::Result<Self> {
        Ok(match codec {
            Codec::None => Encoder::None(out),
            Codec::Gzip(level) => {
                let level = flate2::Compression::new(u32::from(level.min(9)));
                Encoder::Gzip(flate2::write::GzEncoder::new(out, level))
            }
            Codec::Zstd(level) => {
                let mut encoder = zstd::stream::write::Encoder::new(out, i32::from(level))?;
                encoder.include_checksum(true)?;
                if level == DEFAULT_LEVEL {
                    encoder.set_parameter(zstd::zstd_safe::CParameter::HashLog(HASH_LOG))?;
                }
                if level <= MOST_PARALLEL_LEVEL && cores() > 1 {
                    encoder.multithread(WORKERS)?;
                    encoder.set_parameter(zstd::zstd_safe::CParameter::JobSize(JOB))?;
                    // Jobs this small would spend a twelfth of their time on what lies before them.
                    encoder.set_parameter(zstd::zstd_safe::CParameter::OverlapSizeLog(1))?;
                }
                Encoder::Zstd(encoder)
            }
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
            Encoder::None(out) => out.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<Filler> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::None(out) => Ok(out),
        }
    }
}

pub(crate) fn digest(hasher: Hasher) -> Sha256 {
    Sha256(hasher.finalize().into())
}
