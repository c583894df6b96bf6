//! Uploads: archives that other instances send here, chunk by chunk.
//!
//! A chunk is received whole or not at all, in any order, as often as its sender likes. What an
//! upload is, and which of its bytes a chunk has, is fixed when it begins.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::archive::{Archive, Sha256};
use super::location::Codec;
use super::name::{ArchiveName, NameError, PlaceName};

/// The bytes of a chunk where nobody says.
pub const CHUNK: u64 = 50 << 20;
/// The fewest bytes of a chunk, the last of an upload excepted.
pub const CHUNK_MIN: u64 = 64 << 10;
/// The most bytes of a chunk.
pub const CHUNK_MAX: u64 = 64 << 20;
/// The most chunks of an upload: 4.7 TiB of the usual size.
pub const CHUNKS_MAX: u32 = 100_000;
/// The most archives of a name space, those of open uploads counted.
pub const ARCHIVES_MAX: usize = 10_000;
/// The most bytes of YunoHost's description of an archive that is taken, and so that is sent.
pub const INFO_JSON_MAX: usize = 128 << 10;
/// How long an upload stays that nobody goes on with, and the record of one that was published.
pub const IDLE_MAX: SignedDuration = SignedDuration::from_hours(48);

/// The chunks of an upload that are on the disk, each with the SHA-256 of its bytes.
pub type Chunks = BTreeMap<u32, Sha256>;

/// The number of an upload; nobody can guess it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub uuid::Uuid);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UploadId {
    type Err = ();
    /// Reads the one form that is written.
    fn from_str(text: &str) -> Result<Self, ()> {
        let id = uuid::Uuid::try_parse(text).map_err(|_| ())?;
        if id.to_string() == text { Ok(Self(id)) } else { Err(()) }
    }
}

/// The name of an archive's file: `NAME.tar`, `NAME.tar.gz` or `NAME.tar.zst`, each with or without
/// `.age`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The archive's name.
    pub name: ArchiveName,
    /// How the stream is encoded; its level cannot be told.
    pub codec: Codec,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// Why a text is not the name of an archive's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// It has no ending of an archive.
    #[error("it does not end in `.tar`, `.tar.gz` or `.tar.zst`, or one of these and `.age`")]
    Ending,
    /// What stands before the ending is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for FileName {
    type Err = FileNameError;
    fn from_str(text: &str) -> Result<Self, FileNameError> {
        let (plain, encrypted) = text.strip_suffix(".age").map_or((text, false), |p| (p, true));
        let endings = [(".tar", Codec::None), (".tar.gz", Codec::GZIP), (".tar.zst", Codec::ZSTD)];
        let (name, codec) = endings
            .into_iter()
            .find_map(|(ending, codec)| Some((plain.strip_suffix(ending)?, codec)))
            .ok_or(FileNameError::Ending)?;
        Ok(Self { name: name.parse()?, codec, encrypted })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.codec.extension(self.encrypted))
    }
}

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its number.
    pub id: UploadId,
    /// Who sends it.
    pub peer: PlaceName,
    /// What it will be: its name, its size, its hash, and the name space that it goes to.
    pub archive: Archive,
    /// YunoHost's description, which will stand beside it.
    pub info_json: String,
    /// The SHA-256 that was announced for the whole file.
    pub checksum: Sha256,
    /// Bytes of every chunk but the last.
    pub chunk_size: u64,
    /// When it began.
    pub begun_at: Timestamp,
    /// When anything of it last came.
    pub touched_at: Timestamp,
    /// When it was published; it is open without.
    pub published_at: Option<Timestamp>,
}

impl Upload {
    /// The bytes of the whole file.
    #[must_use]
    pub fn total_size(&self) -> u64 {
        self.archive.file_size
    }

    /// The name of the file.
    #[must_use]
    pub fn file_name(&self) -> String {
        let extension = self.archive.codec.extension(!self.archive.recipients.is_empty());
        format!("{}{extension}", self.archive.name)
    }

    /// How many chunks it has.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        chunks_of(self.total_size(), self.chunk_size).unwrap_or(CHUNKS_MAX)
    }

    /// Where a chunk begins, and how many bytes it has; `None` when there is no such chunk.
    #[must_use]
    pub fn range(&self, chunk: u32) -> Option<(u64, u64)> {
        if chunk >= self.chunks() {
            return None;
        }
        let from = u64::from(chunk) * self.chunk_size;
        Some((from, self.chunk_size.min(self.total_size() - from)))
    }

    /// Until when it stays if nobody goes on with it.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        let last = self.published_at.unwrap_or(self.touched_at);
        last.saturating_add(IDLE_MAX).unwrap_or(Timestamp::MAX)
    }
}

/// How many chunks so many bytes have; `None` when that is none, or more than may be.
#[must_use]
pub fn chunks_of(total: u64, chunk_size: u64) -> Option<u32> {
    let chunks = u32::try_from(total.checked_next_multiple_of(chunk_size)? / chunk_size).ok()?;
    (1..=CHUNKS_MAX).contains(&chunks).then_some(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_read_and_written_alike_and_lies_are_none() {
        for text in
            ["a.tar", "a.tar.gz", "a.tar.zst", "a.b.tar.age", "a.tar.gz.age", "a.tar.zst.age"]
        {
            assert_eq!(text.parse::<FileName>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "a",
            ".tar",
            "..tar",
            "../a.tar",
            "a/b.tar",
            "/a.tar",
            ".a.tar",
            "a\0.tar",
            "a\n.tar",
            "a.tar.tar",
            "a.TAR",
            "a.tar.bz2",
            "a.age",
            "-a.tar",
            "a.larder.json",
            "a.info.json.tar",
            "é.tar",
            "a b.tar",
            "a..tar",
            "a\\b.tar",
        ] {
            assert!(text.parse::<FileName>().is_err(), "{text:?} was accepted");
        }
        assert!(format!("{}.tar", "a".repeat(51)).parse::<FileName>().is_err());
    }

    #[test]
    fn chunks_cover_the_file_and_their_number_is_bounded() {
        assert_eq!(chunks_of(0, CHUNK), None);
        assert_eq!(chunks_of(1, CHUNK), Some(1));
        assert_eq!(chunks_of(CHUNK, CHUNK), Some(1));
        assert_eq!(chunks_of(CHUNK + 1, CHUNK), Some(2));
        assert_eq!(chunks_of(u64::MAX, CHUNK), None);
        assert_eq!(chunks_of(CHUNK_MIN * u64::from(CHUNKS_MAX), CHUNK_MIN), Some(CHUNKS_MAX));
        assert_eq!(chunks_of(CHUNK_MIN * u64::from(CHUNKS_MAX) + 1, CHUNK_MIN), None);
    }

    #[test]
    fn a_number_has_one_form() {
        let id = UploadId(uuid::Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["7", "", "{00000000-0000-0000-0000-000000000007}", "../x"] {
            assert!(text.parse::<UploadId>().is_err());
        }
        assert!(id.0.simple().to_string().parse::<UploadId>().is_err());
    }
}
