//! Reading the members of a tar stream that anybody may have written.
//!
//! **Invariants:** never a panic, and never more memory than the limits below, whatever comes in;
//! what two readers could understand differently (a length on a member that has no content, two
//! lengths, numbers out of range) is refused instead of guessed, so that nobody else sees members
//! in an archive that we do not see.

use std::fs::File;
use std::io::{self, BufReader, Read};

use tar::{EntryType, Header};

use crate::model::words::words;
use crate::source::{Extent, Time};

mod number;
mod pax;
mod sparse;

use pax::Records;

const BLOCK: u64 = 512;
/// Longest extended header or long name.
const LONGEST_EXTENSION: u64 = 4 << 20;
/// Longest member. More cannot be meant, and sums of it stay far from overflowing.
const LONGEST_MEMBER: u64 = 1 << 60;

/// One member, with everything but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without a slash at its end. **As it stands in the archive:** it may be absolute or
    /// have `..`, and whoever restores it must look.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Its length, holes included.
    pub size: u64,
    /// How many bytes of it are in the archive.
    pub stored: u64,
    /// Where these bytes belong, for a file with holes.
    pub data: Option<Vec<Extent>>,
    /// The text of a symlink, or the name of a hard link's target.
    pub link: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// The owner's name.
    pub user: Vec<u8>,
    /// The group's name.
    pub group: Vec<u8>,
    /// When its content changed last.
    pub modified: Time,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// POSIX ACL as text.
    pub acl_access: Option<Vec<u8>>,
    /// POSIX default ACL as text.
    pub acl_default: Option<Vec<u8>>,
}

words! {
    /// What a member is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum EntryKind {
        /// A regular file.
        File = "file",
        /// A directory.
        Directory = "directory",
        /// Another name of an earlier member.
        HardLink = "hardlink",
        /// A symbolic link.
        Symlink = "symlink",
        /// A named pipe.
        Fifo = "fifo",
        /// A character device.
        CharDevice = "char",
        /// A block device.
        BlockDevice = "block",
    }
}

/// Why a stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes could not be had, or not be decoded.
    #[error("the archive cannot be read")]
    Io(#[from] io::Error),
    /// The stream ends before the archive does.
    #[error("the archive is cut off after {position} bytes")]
    Truncated {
        /// Where in the plain stream.
        position: u64,
    },
    /// The stream is not tar, or tries to be two things at once.
    #[error("the archive is damaged or was made to deceive, at byte {position}: {reason}")]
    Malformed {
        /// Where in the plain stream.
        position: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What is wrong with a header; the reader knows where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

enum Input {
    /// Members can be skipped without reading them.
    File(BufReader<File>),
    Stream(Box<dyn Read + Send>),
}

/// Members of a plain tar stream, one after the other. [`Read`] yields the bytes of the current one.
pub struct Reader {
    input: Input,
    position: u64,
    /// Bytes of the current member that were not read yet.
    left: u64,
    /// Zeros behind it.
    padding: u64,
    globals: Records,
    is_over: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}

/// What stands before a member and belongs to it.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Option<Records>,
}

impl Reader {
    /// Reads a file that is a plain tar stream.
    #[must_use]
    pub fn from_file(file: File) -> Self {
        Self::over(Input::File(BufReader::with_capacity(128 * 1024, file)))
    }

    /// Reads a file that is a plain tar stream, for whoever skips what its members hold: of a long
    /// one, little more than its header is read.
    #[must_use]
    pub fn skimming(file: File) -> Self {
        Self::over(Input::File(BufReader::with_capacity(16 * 1024, file)))
    }

    /// Reads any plain tar stream.
    #[must_use]
    pub fn from_stream(stream: impl Read + Send + 'static) -> Self {
        Self::over(Input::Stream(Box::new(stream)))
    }

    fn over(input: Input) -> Self {
        Self {
            input,
            position: 0,
            left: 0,
            padding: 0,
            globals: Records::default(),
            is_over: false,
        }
    }

    /// The next member; what was not read of the one before is skipped.
    ///
    /// # Errors
    /// When the stream is cut off or not tar. Nothing can be read after that.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        let entry = self.find();
        self.is_over = !matches!(entry, Ok(Some(_)));
        entry
    }

    /// Whether nothing but zeros stands behind the end of the archive. Reads to the end of the
    /// stream, so that whatever checks it as a whole (a codec, age) has seen all of it.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub fn rest_is_zeros(&mut self) -> Result<bool, ReadError> {
        let mut block = [0; 8192];
        loop {
            let read = match &mut self.input {
                Input::File(file) => file.read(&mut block),
                Input::Stream(stream) => stream.read(&mut block),
            };
            match read {
                Ok(0) => return Ok(true),
                Ok(count) if block[..count].iter().any(|byte| *byte != 0) => return Ok(false),
                Ok(count) => self.position += count as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn find(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut before = Before::default();
        loop {
            self.skip(self.left + self.padding)?;
            (self.left, self.padding) = (0, 0);
            let at = self.position;
            let malformed = |Malformed(reason)| ReadError::Malformed { position: at, reason };
            let block = self.block()?;
            if block.iter().all(|byte| *byte == 0) {
                let nothing_before =
                    before.name.is_none() && before.link.is_none() && before.records.is_none();
                let alone = Malformed("an extended header without a member");
                return if nothing_before { Ok(None) } else { Err(malformed(alone)) };
            }
            let header = Header::from_byte_slice(&block);
            number::check_sum(&block).map_err(malformed)?;
            let size = number::unsigned(&header.as_old().size).map_err(malformed)?;
            let twice = Malformed("two extended headers of one kind");
            let kind = header.entry_type();
            match kind.as_byte() {
                b'L' | b'K' => {
                    let slot = if kind.as_byte() == b'L' { &before.name } else { &before.link };
                    if slot.is_some() {
                        return Err(malformed(twice));
                    }
                    let mut name = self.extension(size)?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    if name.is_empty() {
                        return Err(malformed(Malformed("an empty long name")));
                    }
                    *(if kind.as_byte() == b'L' { &mut before.name } else { &mut before.link }) =
                        Some(name);
                }
                b'x' => {
                    if before.records.is_some() {
                        return Err(malformed(twice));
                    }
                    before.records =
                        Some(Records::parse(&self.extension(size)?).map_err(malformed)?);
                }
                b'g' => {
                    let records = Records::parse(&self.extension(size)?).map_err(malformed)?;
                    self.globals.merge(records).map_err(malformed)?;
                }
                b'V' => self.extent(size, at)?,
                _ => return self.entry(&block, size, before, at).map(Some),
            }
        }
    }

    /// A member proper: everything known about it put together.
    fn entry(
        &mut self,
        block: &[u8; 512],
        size: u64,
        before: Before,
        at: u64,
    ) -> Result<Entry, ReadError> {
        let malformed = |Malformed(reason)| ReadError::Malformed { position: at, reason };
        let header = Header::from_byte_slice(block);
        let own = before.records.unwrap_or_default();
        let records = self.globals.with(&own);
        let size = match records.number(b"size").map_err(malformed)? {
            Some(size) => size,
            None => size,
        };
        let mut entry =
            pax::describe(header, &records, before.name, before.link, size).map_err(malformed)?;
        self.extent(size, at)?;
        let is_old_sparse = header.entry_type() == EntryType::GNUSparse;
        if is_old_sparse {
            sparse::old(self, header, &mut entry).map_err(|error| error.at(at))?;
        } else if records.has_sparse() {
            sparse::pax(self, &records, &mut entry).map_err(|error| error.at(at))?;
        }
        entry.stored = self.left;
        Ok(entry)
    }

    /// Begins content of so many bytes.
    fn extent(&mut self, size: u64, at: u64) -> Result<(), ReadError> {
        if size > LONGEST_MEMBER {
            return Err(ReadError::Malformed { position: at, reason: "an impossible length" });
        }
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
        Ok(())
    }

    /// The whole content of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        if size > LONGEST_EXTENSION {
            let reason = "an extended header of impossible length";
            return Err(ReadError::Malformed { position: self.position, reason });
        }
        let mut bytes = vec![0; usize::try_from(size.next_multiple_of(BLOCK)).unwrap_or(0)];
        self.exactly(&mut bytes)?;
        bytes.truncate(usize::try_from(size).unwrap_or(0));
        Ok(bytes)
    }

    fn block(&mut self) -> Result<[u8; 512], ReadError> {
        let mut block = [0; 512];
        self.exactly(&mut block)?;
        Ok(block)
    }

    /// The next block of the current member's content, for what stands there beside data.
    fn content_block(&mut self) -> Result<[u8; 512], ReadError> {
        let Some(left) = self.left.checked_sub(BLOCK) else {
            let reason = "a sparse map longer than its member";
            return Err(ReadError::Malformed { position: self.position, reason });
        };
        self.left = left;
        self.block()
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<(), ReadError> {
        let done = match &mut self.input {
            Input::File(file) => file.read_exact(bytes),
            Input::Stream(stream) => stream.read_exact(bytes),
        };
        match done {
            Ok(()) => {
                self.position += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ReadError::Truncated { position: self.position })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ReadError> {
        if let (Input::File(file), Ok(distance)) = (&mut self.input, i64::try_from(bytes)) {
            file.seek_relative(distance)?;
            self.position += bytes;
            return Ok(());
        }
        let mut scratch = [0; 8192];
        let mut left = bytes;
        while left > 0 {
            let most = scratch.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.exactly(&mut scratch[..most])?;
            left -= most as u64;
        }
        Ok(())
    }
}

impl Read for Reader {
    /// The stored bytes of the current member; of a file with holes, its data one after the other.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let count = match &mut self.input {
            Input::File(file) => file.read(&mut bytes[..most])?,
            Input::Stream(stream) => stream.read(&mut bytes[..most])?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
