//! Taking an archive over as it is, or encoding its plain stream anew; and looking through one
//! that another program made.

use std::fs::File;
use std::io::{self, Read};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256 as Hasher};

use super::lane::Filler;
use super::layers::{Output, digest};
use super::open::{OpenError, plain_stream};
use super::pipeline::{self, Coding, Failure};
use super::reader::{EntryKind, Reader};
use super::{WriteError, identity};
use crate::model::archive::{Archive, Sha256};
use crate::model::location::Codec;
use crate::progress::Progress;
use crate::stop::Stop;

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
        let coding = Coding { codec: Codec::None, recipients: &[], is_plain: false };
        return through(&mut input, coding, file, stop, progress);
    };
    if !recode.recipients.is_empty() {
        identity::encryptor(&recode.recipients)?;
    }
    let mut plain = plain_stream(input, archive.codec, None).map_err(WriteError::Original)?;
    let Recode { codec, recipients } = recode;
    through(&mut plain, Coding { codec: *codec, recipients, is_plain: true }, file, stop, progress)
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
    let coding = Coding { codec: Codec::None, recipients, is_plain: true };
    through(&mut input, coding, file, stop, progress)
}

fn through(
    input: &mut dyn Read,
    coding: Coding<'_>,
    file: File,
    stop: &Stop,
    progress: &Progress,
) -> Result<Copied, WriteError> {
    let reading = |filler| pump(input, filler, stop, progress);
    let ((), coded) = pipeline::run(coding, Output::new(file), reading)?;
    Ok(Copied {
        file_size: coded.file_size,
        file_sha256: coded.file_sha256,
        stream_sha256: coded.stream_sha256,
    })
}

/// Reads everything into the lane.
fn pump(
    input: &mut dyn Read,
    mut filler: Filler,
    stop: &Stop,
    progress: &Progress,
) -> Result<(), Failure> {
    loop {
        stop.check()?;
        match input.read(filler.room()?) {
            Ok(0) => return Ok(filler.finish()?),
            Ok(count) => {
                filler.took(count);
                progress.add_bytes(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(WriteError::Original(error.into()).into()),
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
    /// How many directories.
    pub directories: u64,
    /// Whether it has an `info.json`, as YunoHost's have.
    pub has_info: bool,
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
        directories: 0,
        has_info: false,
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
        survey.directories += u64::from(matches!(entry.kind, EntryKind::Directory));
        if entry.name == b"info.json" || entry.name == b"./info.json" {
            survey.has_info = true;
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
