//! Proving that an archive is still what it was, member by member.

use std::io::Read as _;

use sha2::{Digest as _, Sha256 as Hasher};

use super::layers::digest;
use super::manifest::{self, Line, State};
use super::open::OpenError;
use super::reader::{Entry, EntryKind, Reader};
use crate::model::archive::Sha256;
use crate::progress::Progress;
use crate::source::printable;
use crate::stop::Stop;

/// What came of comparing members with the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many members were compared.
    pub members: u64,
    /// Bytes of content that were compared.
    pub bytes: u64,
    /// Device nodes of the manifest that are not there, as they are made on request only.
    pub devices: u64,
    /// How many of them the manifest itself calls changed or padded.
    pub not_ok: u64,
    /// How many differ.
    pub different: u64,
    /// The first hundred that differ.
    pub differences: Vec<Difference>,
}

impl Comparison {
    pub(super) fn differ(&mut self, name: &[u8], what: &'static str) {
        self.different += 1;
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.push(Difference { name: printable(name), what });
        }
    }
}

/// A member that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name, printable.
    pub name: String,
    /// What differs.
    pub what: &'static str,
}

const MOST_DIFFERENCES: usize = 100;

/// Compares every content member with the archive's own manifest. `None` when it has none.
///
/// The manifest stands behind the content: the archive is opened twice and both are read side by
/// side, so that memory stays flat.
///
/// # Errors
/// When the archive cannot be opened or read.
pub fn compare_with_manifest(
    open: &dyn Fn() -> Result<Reader, OpenError>,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<Comparison>, OpenError> {
    let mut ahead = open()?;
    loop {
        stop.check()?;
        match ahead.next_entry()? {
            None => return Ok(None),
            Some(entry) if entry.name == manifest::MEMBER.as_bytes() => break,
            Some(_) => {}
        }
    }
    let mut lines = manifest::lines(ahead)?;
    let mut reader = open()?;
    let mut result = Comparison::default();
    progress.enter("comparing");
    while let Some(entry) = reader.next_entry()? {
        stop.check()?;
        if !entry.name.starts_with(b"data/") {
            continue;
        }
        let hash = hash_of(&mut reader, &entry, stop, progress)?;
        let Some(line) = lines.next().transpose()? else {
            result.differ(&entry.name, "is not in the manifest");
            continue;
        };
        result.members += 1;
        progress.add_member();
        if line.state != State::Ok {
            result.not_ok += 1;
        }
        if let Some(what) = difference(&entry, hash, &line) {
            result.differ(&entry.name, what);
        }
    }
    for line in lines {
        result.differ(&line?.name(), "is missing");
    }
    Ok(Some(result))
}

fn hash_of(
    reader: &mut Reader,
    entry: &Entry,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<Sha256>, OpenError> {
    if entry.kind != EntryKind::File {
        return Ok(None);
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        stop.check()?;
        match reader.read(&mut buffer)? {
            0 => return Ok(Some(digest(hasher))),
            count => {
                hasher.update(&buffer[..count]);
                progress.add_bytes(count as u64);
            }
        }
    }
}

fn difference(entry: &Entry, hash: Option<Sha256>, line: &Line) -> Option<&'static str> {
    let told = line.sha256.as_ref().or(line.data_sha256.as_ref());
    if entry.name != line.name() {
        return Some("stands where the manifest has another member");
    }
    if entry.kind.word() != line.kind {
        return Some("has another type");
    }
    if entry.size != line.size {
        return Some("has another length");
    }
    if u32::from_str_radix(&line.mode, 8) != Ok(entry.mode) {
        return Some("has another mode");
    }
    if told.map(String::as_str) != hash.map(|hash| hash.to_string()).as_deref() {
        return Some("has other content");
    }
    None
}
