//! Opening files of a tree that others are writing to, perhaps to harm us.
//!
//! **Invariant:** nothing is opened by a path that could have been swapped: always relative to an
//! open directory, never through a symlink, never waiting for a pipe, and looked at only through
//! the descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Advice, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::{Content, Extent, FileBody, FileId};

/// From this length on a file is worth telling the kernel that it is read to its end.
const LARGE: u64 = 256 * 1024;
/// Most stretches of data kept of one file; behind them holes are read as zeros.
const MOST_EXTENTS: usize = 32 * 1024;

/// Opens a name of a directory for reading, leaving its access time alone where we may.
pub(crate) fn open(directory: BorrowedFd<'_>, name: &[u8], more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = more
        | OFlags::RDONLY
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    open_quietly(|quietly| rustix::fs::openat(directory, name, flags | quietly, Mode::empty()))
}

/// Opens with `O_NOATIME`, and without where only the owner may use it.
pub(crate) fn open_quietly(
    open: impl Fn(OFlags) -> Result<OwnedFd, Errno>,
) -> Result<OwnedFd, Errno> {
    let opened = rustix::io::retry_on_intr(|| open(OFlags::NOATIME));
    match opened {
        Err(Errno::PERM) => rustix::io::retry_on_intr(|| open(OFlags::empty())),
        other => other,
    }
}

/// The body of an opened regular file.
pub(crate) fn body(file: OwnedFd, stat: &Stat) -> FileBody {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size >= LARGE {
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
    }
    let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
    let data = if blocks * 512 < size { data_of(file.as_fd(), size) } else { None };
    let content = Box::new(OpenFile { file: File::from(file), before: Version::of(stat) });
    FileBody { size, data, content }
}

/// Where a file has data. `None` when it has no hole, or when nobody can say.
fn data_of(file: BorrowedFd<'_>, size: u64) -> Option<Vec<Extent>> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut position = 0;
    while position < size {
        let start = match rustix::fs::seek(file, SeekFrom::Data(position)) {
            Ok(start) if start < size => start,
            Ok(_) | Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        if extents.len() == MOST_EXTENTS {
            extents.push(Extent { offset: start, length: size - start });
            break;
        }
        let end = rustix::fs::seek(file, SeekFrom::Hole(start)).ok()?.min(size);
        if end <= start {
            return None;
        }
        extents.push(Extent { offset: start, length: end - start });
        position = end;
    }
    let stored: u64 = extents.iter().map(|extent| extent.length).sum();
    (stored < size).then_some(extents)
}

/// What tells one version of a file from the next.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Version {
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        trivial_numeric_casts,
        reason = "the widths of these fields differ between architectures"
    )]
    fn of(stat: &Stat) -> Self {
        Self {
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    before: Version,
}

impl Content for OpenFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        let now = rustix::fs::fstat(&self.file)?;
        // A file that was removed meanwhile has another change time too, and is whole.
        let after = Version::of(&now);
        let content = after.size != self.before.size || after.modified != self.before.modified;
        Ok(content || (now.st_nlink > 0 && after.changed != self.before.changed))
    }
}

/// The type of a file by its mode.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Which file this is.
#[expect(
    clippy::unnecessary_cast,
    trivial_numeric_casts,
    reason = "the widths of these fields differ between architectures"
)]
pub(crate) fn id(stat: &Stat) -> FileId {
    FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}
