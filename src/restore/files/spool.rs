//! What must wait: symlinks until no file is written any more, directories' metadata until nothing
//! is made in them any more.
//!
//! **Invariant:** memory stays within [`MOST`] bytes; what is more goes to a file without a name.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use super::order;
use crate::archive::{Entry, EntryKind};
use crate::source::Time;

const MOST: usize = 4 << 20;

/// Something that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its path below the base.
    pub(super) path: Vec<u8>,
    /// A directory that was there before.
    pub(super) stayed: bool,
    /// What the archive says of it.
    pub(super) entry: Entry,
}

/// Things that wait, in their order.
#[derive(Debug, Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    spilled: u64,
}

impl Spool {
    pub(super) fn push(&mut self, path: &[u8], stayed: bool, entry: &Entry) -> io::Result<()> {
        let start = self.memory.len();
        self.memory.extend([0; 4]);
        encode(&mut self.memory, path, stayed, entry);
        let length = u32::try_from(self.memory.len() - start - 4).map_err(io::Error::other)?;
        self.memory[start..start + 4].copy_from_slice(&length.to_le_bytes());
        // Before it and behind it, for those who come from either side.
        self.memory.extend(length.to_le_bytes());
        if self.memory.len() >= MOST {
            let file = match &mut self.file {
                Some(file) => file,
                None => self.file.insert(order::unnamed()?),
            };
            file.write_all(&self.memory)?;
            self.spilled += self.memory.len() as u64;
            self.memory.clear();
        }
        Ok(())
    }

    fn length(&self) -> u64 {
        self.spilled + self.memory.len() as u64
    }

    fn read(&self, position: u64, bytes: &mut [u8]) -> io::Result<()> {
        // A record is never on both sides.
        match (position.checked_sub(self.spilled), &self.file) {
            (Some(at), _) => {
                let at = usize::try_from(at).map_err(io::Error::other)?;
                bytes.copy_from_slice(&self.memory[at..at + bytes.len()]);
                Ok(())
            }
            (None, Some(file)) => file.read_exact_at(bytes, position),
            (None, None) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn number(&self, position: u64) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.read(position, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn record(&self, position: u64, length: u32) -> io::Result<Waiting> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.read(position, &mut bytes)?;
        decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// What waits, the first first.
    pub(super) fn forward(&self) -> impl Iterator<Item = io::Result<Waiting>> {
        let mut position = 0;
        std::iter::from_fn(move || {
            (position < self.length()).then(|| {
                let length = self.number(position)?;
                let record = self.record(position + 4, length)?;
                position += u64::from(length) + 8;
                Ok(record)
            })
        })
    }

    /// What waits, the last first.
    pub(super) fn backward(&self) -> impl Iterator<Item = io::Result<Waiting>> {
        let mut position = self.length();
        std::iter::from_fn(move || {
            (position > 0).then(|| {
                let length = self.number(position - 4)?;
                position -= u64::from(length) + 8;
                self.record(position + 4, length)
            })
        })
    }
}

fn encode(out: &mut Vec<u8>, path: &[u8], stayed: bool, entry: &Entry) {
    fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
        out.extend((bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    bytes(out, path);
    out.extend([u8::from(stayed), entry.kind as u8]);
    bytes(out, &entry.link);
    for number in [u64::from(entry.mode), entry.uid, entry.gid] {
        out.extend(number.to_le_bytes());
    }
    bytes(out, &entry.user);
    bytes(out, &entry.group);
    out.extend(entry.modified.seconds.to_le_bytes());
    out.extend(u64::from(entry.modified.nanoseconds).to_le_bytes());
    for list in [&entry.acl_access, &entry.acl_default] {
        out.push(u8::from(list.is_some()));
        bytes(out, list.as_deref().unwrap_or_default());
    }
    out.extend((entry.attributes.len() as u64).to_le_bytes());
    for (name, value) in &entry.attributes {
        bytes(out, name);
        bytes(out, value);
    }
}

fn decode(bytes: &[u8]) -> Option<Waiting> {
    let mut rest = bytes;
    let path = take_bytes(&mut rest)?;
    let (stayed, kind) = (take(&mut rest, 1)?[0] == 1, take(&mut rest, 1)?[0]);
    let kinds = [
        EntryKind::File,
        EntryKind::HardLink,
        EntryKind::Symlink,
        EntryKind::Directory,
        EntryKind::Fifo,
        EntryKind::CharDevice,
        EntryKind::BlockDevice,
    ];
    let kind = kinds.into_iter().find(|one| *one as u8 == kind)?;
    let link = take_bytes(&mut rest)?;
    let (mode, uid, gid) = (take_u64(&mut rest)?, take_u64(&mut rest)?, take_u64(&mut rest)?);
    let (user, group) = (take_bytes(&mut rest)?, take_bytes(&mut rest)?);
    let modified = Time {
        seconds: take_u64(&mut rest)?.cast_signed(),
        nanoseconds: u32::try_from(take_u64(&mut rest)?).ok()?,
    };
    let mut list = || -> Option<Option<Vec<u8>>> {
        let is_there = take(&mut rest, 1)?[0] == 1;
        let text = take_bytes(&mut rest)?;
        Some(is_there.then_some(text))
    };
    let (acl_access, acl_default) = (list()?, list()?);
    let count = take_u64(&mut rest)?;
    let attributes = (0..count)
        .map(|_| Some((take_bytes(&mut rest)?, take_bytes(&mut rest)?)))
        .collect::<Option<_>>()?;
    let entry = Entry {
        name: Vec::new(),
        kind,
        size: 0,
        stored: 0,
        data: None,
        link,
        mode: u32::try_from(mode).ok()?,
        uid,
        gid,
        user,
        group,
        modified,
        device: (0, 0),
        attributes,
        acl_access,
        acl_default,
    };
    Some(Waiting { path, stayed, entry })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn take_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(take_u64(rest)?).ok()?;
    Some(take(rest, length)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_back_from_either_side_from_memory_and_from_the_file() {
        let mut entry = decode(&{
            let mut bytes = Vec::new();
            bytes.extend(0_u64.to_le_bytes());
            bytes.extend([0, EntryKind::Directory as u8]);
            bytes.extend(vec![0; 8 + 24 + 16 + 16 + 18 + 8]);
            bytes
        })
        .unwrap()
        .entry;
        entry.attributes = vec![(b"user.a".to_vec(), vec![7; 40_000])];
        entry.acl_access = Some(b"user::r--".to_vec());
        entry.modified = Time { seconds: -5, nanoseconds: 6 };
        for count in [0_u64, 1, 3, 250] {
            let mut spool = Spool::default();
            for number in 0..count {
                entry.uid = number;
                spool.push(format!("d/{number}").as_bytes(), number % 2 == 0, &entry).unwrap();
            }
            let forward: Vec<u64> = spool.forward().map(|one| one.unwrap().entry.uid).collect();
            assert_eq!(forward, (0..count).collect::<Vec<_>>());
            let backward: Vec<Waiting> = spool.backward().map(Result::unwrap).collect();
            assert_eq!(backward.len() as u64, count);
            for (number, one) in (0..count).rev().zip(backward) {
                entry.uid = number;
                assert_eq!((&one.entry, one.stayed), (&entry, number % 2 == 0));
            }
            assert_eq!(spool.file.is_some(), count > 200);
        }
    }
}
