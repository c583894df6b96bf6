//! The names in one directory, sorted, in little memory: a directory may have a million of them.

use std::mem::MaybeUninit;

use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

/// Names of a directory in the order of their bytes, handed out one after the other.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
    next: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    length: u16,
    kind: FileType,
}

impl Listing {
    /// Reads the directory to its end.
    pub(crate) fn read(directory: BorrowedFd<'_>) -> Result<Self, Errno> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut listing = Self::default();
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            };
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                listing.push(name, entry.file_type())?;
            }
        }
        let Self { names, entries, .. } = &mut listing;
        entries.sort_unstable_by(|a, b| bytes(names, *a).cmp(bytes(names, *b)));
        Ok(listing)
    }

    fn push(&mut self, name: &[u8], kind: FileType) -> Result<(), Errno> {
        let start = u32::try_from(self.names.len()).map_err(|_| Errno::OVERFLOW)?;
        let length = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
        self.names.extend_from_slice(name);
        self.entries.push(Entry { start, length, kind });
        Ok(())
    }

    /// The next name and what the directory says it is.
    pub(crate) fn next(&mut self) -> Option<(&[u8], FileType)> {
        let entry = *self.entries.get(self.next)?;
        self.next += 1;
        Some((bytes(&self.names, entry), entry.kind))
    }
}

fn bytes(names: &[u8], entry: Entry) -> &[u8] {
    &names[entry.start as usize..entry.start as usize + usize::from(entry.length)]
}
