//! `manifest.jsonl.zst`: one line of JSON for each content member, made while the archive is
//! written and read by whoever wants to know that everything is still there.
//!
//! **Invariant:** it is spooled to a file without a name beside the archive, so that memory stays
//! flat; lines that the reader does not know entirely are read nevertheless.

use std::fs::File;
use std::io::{self, BufRead as _, Read, Seek as _, Write as _};

use serde::{Deserialize, Serialize};

use crate::model::hex;

/// The manifest's member name.
pub(crate) const MEMBER: &str = "manifest.jsonl.zst";

/// Longest line that is read.
const LONGEST_LINE: u64 = 1 << 20;

/// One content member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its name in the archive. Where that is not UTF-8, only nearly; see `path_hex`.
    pub path: String,
    /// Its name in hex, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// `file`, `directory`, `hardlink`, `symlink`, `fifo`, `char` or `block`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its length, holes included; 0 for what has none.
    pub size: u64,
    /// Octal permission bits.
    pub mode: String,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// The owner's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Seconds since 1970 with nine decimals.
    pub mtime: String,
    /// The text of a symlink, or the name of a hard link's target in the archive. Where that is
    /// not UTF-8, only nearly; see `link_hex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The text or target of `link` in hex, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_hex: Option<String>,
    /// SHA-256 of a file without holes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-256 of the data of a file with holes, its stretches one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
    /// `ok`, `changed` (while it was read) or `padded` (with zeros: its end could not be read).
    pub state: State,
}

/// Whether a member is what its file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Ok,
    /// Its file changed while it was read.
    Changed,
    /// Its end is zeros.
    Padded,
}

impl Line {
    /// The member's name, as it is in the archive.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        let raw = self.path_hex.as_deref().and_then(hex::decode);
        raw.unwrap_or_else(|| self.path.clone().into_bytes())
    }

    /// The text or target of a link; `None` for what is no link, and in manifests of early versions.
    #[must_use]
    pub fn link(&self) -> Option<Vec<u8>> {
        let raw = self.link_hex.as_deref().and_then(hex::decode);
        raw.or_else(|| self.link.clone().map(String::into_bytes))
    }

    /// `path` and `path_hex` of a member's name.
    pub(crate) fn path_of(name: &[u8]) -> (String, Option<String>) {
        match std::str::from_utf8(name) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (String::from_utf8_lossy(name).into_owned(), Some(hex::encode(name))),
        }
    }
}

/// The manifest while it grows.
pub(crate) struct Spool {
    encoder: zstd::stream::write::Encoder<'static, io::BufWriter<File>>,
    line: Vec<u8>,
}

impl Spool {
    /// Begins a manifest in an empty file.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let encoder = zstd::stream::write::Encoder::new(io::BufWriter::new(file), 1)?;
        Ok(Self { encoder, line: Vec::new() })
    }

    pub(crate) fn push(&mut self, line: &Line) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.encoder.write_all(&self.line)
    }

    /// The finished manifest, from its beginning, and its length.
    pub(crate) fn finish(self) -> io::Result<(File, u64)> {
        let mut file =
            self.encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        let length = file.stream_position()?;
        file.rewind()?;
        Ok((file, length))
    }
}

/// The lines of a manifest.
pub(crate) fn lines(compressed: impl Read) -> io::Result<impl Iterator<Item = io::Result<Line>>> {
    let mut reader = io::BufReader::new(zstd::stream::read::Decoder::new(compressed)?);
    let mut text = Vec::new();
    Ok(std::iter::from_fn(move || {
        text.clear();
        match (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut text) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&text).map_err(io::Error::from)),
            Err(error) => Some(Err(error)),
        }
    }))
}
