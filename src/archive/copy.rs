//! Taking an archive over as it is, or encoding its plain stream anew; and looking through one
//! that another program made.

use std::fs::File;
use std::io::{self, Read};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256 as Hasher};

use super::lane::{Filler, lane};
use super::layers::{self, Output, Sunk, digest};
use super::open::{OpenError, plain_stream};
use super::reader::{EntryKind, Reader};
use super::{WriteError, identity};
use crate::model::archive::{Archive, Sha256};
use crate::model::location::Codec;
use crate::progress::Progress;
use crate::stop::Stop;

/// Buffers between two threads.
const BUFFERS: usize = 4;
/// The largest `info.json` or `backup_info.json` that is looked into, in bytes.
const INFO_MAX: u64 = 1 << 20;

/// How a copy is encoded, where that differs from the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recode {
    /// The codec of the copy.
    pub codec: Codec,
    /// Its age recipients; empty means not encrypted.
    pub recipients: Vec<String>,
}

/// A finished copy; its file is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the file.
    pub file_size: u64,
    /// SHA-256 of the file.
    pub file_sha256: Sha256,
    /// SHA-256 of the plain stream, where it was encoded anew.
    pub stream_sha256: Option<Sha256>,
}

/// Copies the file of `archive` into a new, empty file, encoded anew where `recode` says so.
///
/// The caller compares the hashes: of the file without `recode`, of the plain stream with it.
///
/// # Errors
/// See [`WriteError`]; a source that cannot be read or decoded is [`WriteError::Original`].
pub fn copy(
    input: File,
    archive: &Archive,
    recode: Option<&Recode>,
    file: File,
    stop: &Stop,
    progress: &Progress,
) -> Result<Copied, WriteError> {
    let Some(recode) = recode else {
        let mut input = input;
        return through(&mut input, Codec::None, &[], file, false, stop, progress);
    };
    if !recode.recipients.is_empty() {
        identity::encryptor(&recode.recipients)?;
    }
    let mut plain = plain_stream(input, archive.codec, None).map_err(WriteError::Original)?;
    through(&mut plain, recode.codec, &recode.recipients, file, true, stop, progress)
}

/// Encrypts the file of an archive as it is, compressed or not, into a new, empty file. Its
/// `stream_sha256` is the hash of what was read: the caller compares it.
///
/// # Errors
/// See [`WriteError`].
pub fn encrypt(
    input: File,
    recipients: &[String],
    file: File,
    stop: &Stop,
    progress: &Progress,
) -> Result<Copied, WriteError> {
    identity::encryptor(recipients)?;
    let mut input = input;
    through(&mut input, Codec::None, recipients, file, true, stop, progress)
}

/// `is_plain`: whether `input` is the plain stream, so that its hash is worth knowing.
fn through(
    input: &mut dyn Read,
    codec: Codec,
    recipients: &[String],
    file: File,
    is_plain: bool,
    stop: &Stop,
    progress: &Progress,
) -> Result<Copied, WriteError> {
    let (filler, plain) = lane(BUFFERS);
    let destination = Output::new(file);
    let (read, encoded, sunk) = std::thread::scope(|scope| {
        let (encoding, sinking) = if codec == Codec::None {
            (None, scope.spawn(move || layers::sink(plain, is_plain, recipients, destination)))
        } else {
            let (encoded, drain) = lane(BUFFERS);
            let encoding = scope.spawn(move || layers::encode(plain, codec, encoded));
            let sinking = scope.spawn(move || layers::sink(drain, false, recipients, destination));
            (Some(encoding), sinking)
        };
        let read = pump(input, filler, stop, progress);
        let joined = |panic| std::panic::resume_unwind(panic);
        let encoded = encoding.map(|thread| thread.join().unwrap_or_else(joined));
        (read, encoded, sinking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let sunk: Option<Sunk<Output>> = match (read, sunk) {
        // The far side failed first: it knows why.
        (Ok(_), Err(error)) => {
            return Err(WriteError::Destination(error));
        }
        (Err(error), _) => return Err(error),
        (Ok(_), Ok(sunk)) => sunk,
    };
    let encoded = encoded.transpose().map_err(WriteError::Destination)?.flatten();
    let sunk = sunk.ok_or_else(|| WriteError::Destination(io::ErrorKind::BrokenPipe.into()))?;
    Ok(Copied {
        file_size: sunk.file_size,
        file_sha256: sunk.file_sha256,
        stream_sha256: encoded.or(sunk.stream_sha256),
    })
}

/// Reads everything into the lane. `false` when the far side is gone.
fn pump(
    input: &mut dyn Read,
    mut filler: Filler,
    stop: &Stop,
    progress: &Progress,
) -> Result<bool, WriteError> {
    loop {
        stop.check()?;
        let Ok(room) = filler.room() else { return Ok(false) };
        match input.read(room) {
            Ok(0) => return Ok(filler.finish().is_ok()),
            Ok(count) => {
                filler.took(count);
                progress.add_bytes(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(WriteError::Original(error.into())),
        }
    }
}

/// What is found in an archive that another program made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of the regular files in it.
    pub content_size: u64,
    /// How many regular files.
    pub files: u64,
    /// Bytes of the plain tar stream.
    pub stream_size: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// SHA-256 of the plain tar stream.
    pub stream_sha256: Sha256,
    /// SHA-256 of the file.
    pub file_sha256: Sha256,
    /// When it was made, as its own `info.json` says.
    pub created_at: Option<Timestamp>,
}

/// Looks through an archive file to its end.
///
/// # Errors
/// When it is not a complete tar archive of this codec, or somebody asked to stop.
pub fn survey(
    file: &File,
    codec: Codec,
    stop: &Stop,
    progress: &Progress,
) -> Result<Survey, OpenError> {
    let mut survey = Survey {
        content_size: 0,
        files: 0,
        stream_size: 0,
        file_size: file.metadata()?.len(),
        stream_sha256: Sha256([0; 32]),
        file_sha256: Sha256([0; 32]),
        created_at: None,
    };
    progress.expect_bytes(survey.file_size);
    let mut reader = Reader::from_stream(plain_stream(rewound(file)?, codec, None)?);
    while let Some(entry) = reader.next_entry()? {
        stop.check()?;
        progress.add_member();
        if matches!(entry.kind, EntryKind::File) {
            survey.files += 1;
            survey.content_size += entry.size;
        }
        if entry.name == b"info.json" || entry.name == b"./info.json" {
            let mut text = Vec::new();
            (&mut reader).take(INFO_MAX).read_to_end(&mut text)?;
            survey.created_at = created_at(&text);
        }
    }
    drop(reader);
    (survey.stream_sha256, survey.stream_size) =
        hash(plain_stream(rewound(file)?, codec, None)?.as_mut(), stop)?;
    survey.file_sha256 = match codec {
        Codec::None => survey.stream_sha256,
        Codec::Gzip(_) | Codec::Zstd(_) => hash(&mut rewound(file)?, stop)?.0,
    };
    Ok(survey)
}

fn created_at(info: &[u8]) -> Option<Timestamp> {
    let info: serde_json::Value = serde_json::from_slice(info).ok()?;
    Timestamp::from_second(info.get("created_at")?.as_i64()?).ok()
}

fn rewound(file: &File) -> io::Result<File> {
    use std::io::Seek as _;
    let mut again = file.try_clone()?;
    again.rewind()?;
    Ok(again)
}

fn hash(input: &mut dyn Read, stop: &Stop) -> Result<(Sha256, u64), OpenError> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        stop.check()?;
        match input.read(&mut buffer) {
            Ok(0) => return Ok((digest(hasher), size)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
