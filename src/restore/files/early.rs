//! Large files are copied while the hash of the archive is still computed: into files without a
//! name, which nobody can reach and which are gone with this process.
//!
//! **Invariants:** an early file gets its name only after the hash was compared; no more than fits
//! is copied; whatever goes wrong here goes unsaid, since the file is then written as any other.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;

use rustix::fs::{Mode, OFlags};

use super::names::{self, Belongs, Selection, Wanted};
use super::place::Place;
use super::survey::{Survey, reopen};
use super::{Extraction, Original, tree};
use crate::archive::{Entry, EntryKind, Reader};
use crate::model::location::Codec;
use crate::stop::Stop;

/// Bytes from which on a file is worth it.
pub(super) const LARGE: u64 = 4 << 20;
/// Most of them: each keeps a descriptor.
const MOST: usize = 64;
/// Bytes that are read and written at once, as the writer does it.
const BUFFER: usize = 128 * 1024;

/// Files that are complete but for their names and metadata, by the number of their member.
#[derive(Debug, Default)]
pub(super) struct Early {
    files: HashMap<u64, File>,
    /// Bytes that are in them.
    pub(super) bytes: u64,
}

impl Early {
    /// The file of a member, if it was copied.
    pub(super) fn take(&mut self, member: u64) -> Option<File> {
        self.files.remove(&member)
    }

    /// Copies what it can as long as `is_worth_it`. Only an archive that is neither compressed nor
    /// encrypted can be read at two places at once without decoding it twice.
    pub(super) fn copy(
        &mut self,
        original: &Original<'_>,
        extraction: &Extraction<'_>,
        place: &Place,
        survey: &Survey,
        stop: &Stop,
        is_worth_it: &dyn Fn() -> bool,
    ) {
        let is_plain = original.codec == Codec::None && original.identity.is_none();
        if !is_plain || survey.bytes < LARGE || survey.bytes > place.free() {
            return;
        }
        let Ok(file) = reopen(original) else { return };
        let mut reader = Reader::from_file(file);
        let mut selection = Selection::new(extraction.paths);
        let (mut number, mut buffer) = (0, vec![0; BUFFER]);
        while let Ok(Some(entry)) = reader.next_entry() {
            if self.files.len() >= MOST || !is_worth_it() || stop.check().is_err() {
                return;
            }
            if is_large(&entry) && is_wanted(&entry, extraction, &mut selection) {
                let Some(file) = copy_one(&entry, place, &mut reader, &mut buffer, stop) else {
                    return;
                };
                self.files.insert(number, file);
                self.bytes += entry.stored;
            }
            number += 1;
        }
    }
}

fn is_large(entry: &Entry) -> bool {
    entry.kind == EntryKind::File && entry.data.is_none() && entry.stored >= LARGE
}

fn is_wanted(entry: &Entry, extraction: &Extraction<'_>, selection: &mut Selection<'_>) -> bool {
    match names::belongs(entry, extraction.prefix) {
        Ok(Belongs::Content(path)) => selection.wants(path, entry.kind) == Wanted::Yes,
        _ => false,
    }
}

fn copy_one(
    entry: &Entry,
    place: &Place,
    reader: &mut Reader,
    buffer: &mut [u8],
    stop: &Stop,
) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY;
    let file = tree::open_beneath(place.disk(), b".", flags, Mode::RUSR | Mode::WUSR).ok()?;
    let file = File::from(file);
    let mut written = super::objects::Nudger::new(&file);
    let mut left = entry.stored;
    while left > 0 {
        stop.check().ok()?;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = match reader.read(&mut buffer[..most]) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        written.write(&buffer[..count], entry.stored - left).ok()?;
        left -= count as u64;
    }
    Some(file)
}
