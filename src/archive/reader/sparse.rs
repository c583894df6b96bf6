//! Files with holes, in the four ways that GNU tar has written them.
//!
//! **Invariant:** a map is in order, apart, within the file, and as long as the stored bytes;
//! otherwise nobody could say which bytes belong where.

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::number;
use super::pax::Records;
use super::{Entry, EntryKind, Malformed, ReadError, Reader};
use crate::source::Extent;

/// Most stretches of one file.
const MOST_EXTENTS: usize = 256 * 1024;

/// A map that is wrong, or a stream that ended in it.
pub(super) enum Wrong {
    Map(Malformed),
    Read(ReadError),
}

impl Wrong {
    pub(super) fn at(self, position: u64) -> ReadError {
        match self {
            Wrong::Map(Malformed(reason)) => ReadError::Malformed { position, reason },
            Wrong::Read(error) => error,
        }
    }
}

impl From<Malformed> for Wrong {
    fn from(error: Malformed) -> Self {
        Wrong::Map(error)
    }
}

impl From<ReadError> for Wrong {
    fn from(error: ReadError) -> Self {
        Wrong::Read(error)
    }
}

/// The old form: in the header block, and in further blocks that count to nothing.
pub(super) fn old(reader: &mut Reader, header: &Header, entry: &mut Entry) -> Result<(), Wrong> {
    let gnu = header.as_gnu().ok_or(Malformed("a sparse member without a map"))?;
    let mut map = Map::default();
    map.take(&gnu.sparse)?;
    let mut more = gnu.isextended[0] == 1;
    while more {
        let block = reader.block()?;
        let mut extension = GnuExtSparseHeader::new();
        extension.as_mut_bytes().copy_from_slice(&block);
        map.take(extension.sparse())?;
        more = extension.is_extended();
    }
    let size = number::unsigned(&gnu.realsize)?;
    map.finish(entry, size, reader.left)?;
    Ok(())
}

/// The PAX forms: 0.0 (pairs of records), 0.1 (one record) and 1.0 (before the data).
pub(super) fn pax(reader: &mut Reader, records: &Records, entry: &mut Entry) -> Result<(), Wrong> {
    if entry.kind != EntryKind::File {
        return Err(Malformed("holes in a member that is no file").into());
    }
    let mut map = Map::default();
    let version = (records.number(b"GNU.sparse.major")?, records.number(b"GNU.sparse.minor")?);
    let size = match version {
        (Some(1), Some(0)) => {
            before_data(reader, &mut map)?;
            records.number(b"GNU.sparse.realsize")?
        }
        (None | Some(0), None | Some(0 | 1)) => {
            in_records(records, &mut map)?;
            records.number(b"GNU.sparse.size")?
        }
        _ => return Err(Malformed("holes in an unknown form").into()),
    };
    let size = size.ok_or(Malformed("holes in a file without a length"))?;
    if let Some(name) = records.get(b"GNU.sparse.name") {
        if name.contains(&0) {
            return Err(Malformed("a NUL in a name").into());
        }
        entry.name = name.to_vec();
    }
    map.finish(entry, size, reader.left)?;
    Ok(())
}

fn in_records(records: &Records, map: &mut Map) -> Result<(), Malformed> {
    let uneven = Malformed("a sparse map with half an entry");
    if let Some(list) = records.get(b"GNU.sparse.map") {
        let mut numbers = list.split(|byte| *byte == b',').map(number::decimal);
        while let Some(offset) = numbers.next() {
            map.push(offset?, numbers.next().ok_or(uneven)??)?;
        }
        return Ok(());
    }
    let mut offset = None;
    for (key, value) in records.all() {
        match key {
            b"GNU.sparse.offset" if offset.is_none() => offset = Some(number::decimal(value)?),
            b"GNU.sparse.offset" => return Err(uneven),
            b"GNU.sparse.numbytes" => {
                map.push(offset.take().ok_or(uneven)?, number::decimal(value)?)?;
            }
            _ => {}
        }
    }
    if offset.is_some() { Err(uneven) } else { Ok(()) }
}

/// Lines of decimal numbers in whole blocks: how many, then that many pairs.
fn before_data(reader: &mut Reader, map: &mut Map) -> Result<(), Wrong> {
    let mut lines = Lines { block: [0; 512], next: 512 };
    let count = lines.number(reader)?;
    for _ in 0..count {
        let offset = lines.number(reader)?;
        map.push(offset, lines.number(reader)?)?;
    }
    Ok(())
}

struct Lines {
    block: [u8; 512],
    next: usize,
}

impl Lines {
    fn number(&mut self, reader: &mut Reader) -> Result<u64, Wrong> {
        let mut digits = Vec::new();
        loop {
            if self.next == self.block.len() {
                self.block = reader.content_block()?;
                self.next = 0;
            }
            let byte = self.block[self.next];
            self.next += 1;
            if byte == b'\n' {
                return Ok(number::decimal(&digits)?);
            }
            digits.push(byte);
            if digits.len() > 20 {
                return Err(Malformed("a sparse map that is none").into());
            }
        }
    }
}

#[derive(Default)]
struct Map {
    extents: Vec<Extent>,
    end: u64,
    stored: u64,
}

impl Map {
    fn take(&mut self, entries: &[GnuSparseHeader]) -> Result<(), Malformed> {
        for entry in entries {
            if entry.offset[0] == 0 && entry.numbytes[0] == 0 {
                break;
            }
            self.push(number::unsigned(&entry.offset)?, number::unsigned(&entry.numbytes)?)?;
        }
        Ok(())
    }

    fn push(&mut self, offset: u64, length: u64) -> Result<(), Malformed> {
        let end = offset.checked_add(length).ok_or(Malformed("a sparse map too large"))?;
        if offset < self.end {
            return Err(Malformed("a sparse map out of order"));
        }
        (self.end, self.stored) = (end, self.stored + length);
        if length > 0 {
            self.extents.push(Extent { offset, length });
        }
        if self.extents.len() > MOST_EXTENTS {
            return Err(Malformed("a sparse map of too many entries"));
        }
        Ok(())
    }

    fn finish(self, entry: &mut Entry, size: u64, stored: u64) -> Result<(), Malformed> {
        if self.end > size || self.stored != stored {
            return Err(Malformed("a sparse map that does not fit its file"));
        }
        (entry.size, entry.data) = (size, Some(self.extents));
        Ok(())
    }
}
