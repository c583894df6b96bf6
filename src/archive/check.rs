//! Proving that an archive is still what it was: by its hash, and member by member.

use std::fs::File;
use std::io::{self, Read as _};

use sha2::{Digest as _, Sha256 as Hasher};

use super::lane::{Ended, lane};
use super::layers::digest;
use super::manifest::{self, Line, State};
use super::open::OpenError;
use super::reader::{Entry, EntryKind, Reader};
use crate::model::archive::Sha256;
use crate::progress::Progress;
use crate::source::printable;
use crate::stop::Stop;

/// Whether the whole file has this hash. Reading and hashing overlap.
///
/// # Errors
/// When the file cannot be read, or somebody asked to stop.
pub fn verify(
    file: &File,
    expected: Sha256,
    stop: &Stop,
    progress: &Progress,
) -> Result<bool, OpenError> {
    progress.enter("verifying");
    if let Ok(metadata) = file.metadata() {
        progress.expect_bytes(metadata.len());
    }
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
    let (mut filler, drain) = lane(3);
    let (read, hashed) = std::thread::scope(|scope| {
        let hashing = scope.spawn(move || {
            let mut hasher = Hasher::new();
            let ended = drain.each(|bytes| {
                hasher.update(bytes);
                progress.add_bytes(bytes.len() as u64);
                Ok(())
            });
            (ended, digest(hasher))
        });
        let mut file = file;
        let mut read = || -> Result<(), OpenError> {
            loop {
                stop.check()?;
                let room = filler.room().map_err(io::Error::from)?;
                match file.read(room) {
                    Ok(0) => return Ok(()),
                    Ok(count) => filler.took(count),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let read = read().and_then(|()| Ok(filler.finish().map_err(io::Error::from)?));
        let hashed = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (read, hashed)
    });
    read?;
    let (ended, hash) = hashed;
    Ok(ended? == Ended::Complete && hash == expected)
}

/// What came of comparing members with the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many members were compared.
    pub members: u64,
    /// How many of them the manifest itself calls changed or padded.
    pub not_ok: u64,
    /// How many differ.
    pub different: u64,
    /// The first hundred that differ.
    pub differences: Vec<Difference>,
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
    let differ = |result: &mut Comparison, name: &[u8], what| {
        result.different += 1;
        if result.differences.len() < MOST_DIFFERENCES {
            result.differences.push(Difference { name: printable(name), what });
        }
    };
    progress.enter("comparing");
    while let Some(entry) = reader.next_entry()? {
        stop.check()?;
        if !entry.name.starts_with(b"data/") {
            continue;
        }
        let hash = hash_of(&mut reader, &entry, stop, progress)?;
        let Some(line) = lines.next().transpose()? else {
            differ(&mut result, &entry.name, "is not in the manifest");
            continue;
        };
        result.members += 1;
        progress.add_member();
        if line.state != State::Ok {
            result.not_ok += 1;
        }
        if let Some(what) = difference(&entry, hash, &line) {
            differ(&mut result, &entry.name, what);
        }
    }
    for line in lines {
        differ(&mut result, &line?.name(), "is missing");
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
