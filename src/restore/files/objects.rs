//! Files, one at a time.
//!
//! **Invariant:** where something was before, a file appears under its name when it is complete,
//! with its metadata; nobody ever reads half of it there.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::apply::{self, Handle};
use super::finish::Unfinished;
use super::nodes::{MOST_RACES, link_open};
use super::tree::{self, About};
use super::writer::Writer;
use super::{FilesError, aside, early, names};
use crate::archive::{Entry, ReadError, Reader};

/// How much is written between two nudges to the kernel to begin with writing it out.
const STRIDE: u64 = 16 << 20;

/// Writes a file from its beginning to its end, and makes the kernel begin with writing it out.
pub(super) struct Nudger<'a> {
    file: &'a File,
    nudged: u64,
}

impl<'a> Nudger<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, nudged: 0 }
    }

    pub(super) fn write(&mut self, bytes: &[u8], at: u64) -> std::io::Result<()> {
        self.file.write_all_at(bytes, at)?;
        let end = at + bytes.len() as u64;
        if end.saturating_sub(self.nudged) >= STRIDE {
            // On dirty pages this advice starts to write them and keeps them.
            let length = std::num::NonZeroU64::new(end - self.nudged);
            let advice = rustix::fs::Advice::DontNeed;
            let _ = rustix::fs::fadvise(self.file, self.nudged, length, advice);
            self.nudged = end;
        }
        Ok(())
    }
}

/// Whether two lie on one file system.
fn same_disk(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => one.st_dev == other.st_dev,
        _ => false,
    }
}

impl Writer<'_> {
    /// A regular file; its inode.
    pub(super) fn file(
        &mut self,
        entry: &Entry,
        path: &[u8],
        early: Option<File>,
        reader: &mut Reader,
    ) -> Result<u64, FilesError> {
        let name = self.parent(path)?;
        let at = self.at(path);
        let fail = |what| {
            let at = at.clone();
            move |error| FilesError::io(what, at, error)
        };
        let (here, about) = self.tree.here().map_err(fail("open the directory of"))?;
        let is_there =
            !about.is_fresh && tree::stat(here, name).map_err(fail("look at"))?.is_some();
        // One that is copied already cannot get a name on another file system.
        let early = early.filter(|file| same_disk(file.as_fd(), here));
        if !is_there {
            self.past.will_make(path, about)?;
        }
        if !is_there && early.is_none() {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            match tree::open_beneath(here, name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    let file = File::from(file);
                    return self.hand_over(file, entry, path, about, reader);
                }
                Err(Errno::EXIST) => self.past.was_made(path)?,
                Err(error) => return Err(fail("make")(error)),
            }
        }
        let mut is_announced = !is_there && early.is_some();
        let mut is_kept = false;
        let mut is_early = early.is_some();
        let (mut file, mut temporary) = match early {
            Some(file) => (file, None),
            None => self.written(entry, &at, reader)?,
        };
        let mut inode = self.complete(&file, entry, &at, about)?;
        for _ in 0..MOST_RACES {
            let here = self.tree.here().map_err(fail("open the directory of"))?.0;
            if tree::stat(here, name).map_err(fail("look at"))?.is_some() {
                if std::mem::take(&mut is_announced) {
                    self.past.was_made(path)?;
                }
                is_kept |= self.past.clear(here, path, &self.base)?;
            } else if !is_kept && !is_announced {
                // It was there, and somebody removed it meanwhile.
                self.past.will_make(path, about)?;
                is_announced = true;
            }
            let named = match &temporary {
                Some(temporary) => aside::rename_new(here, temporary, here, name),
                None => link_open(file.as_fd(), here, name),
            };
            match named {
                Ok(()) => {
                    if is_early {
                        self.bytes += entry.stored;
                        self.progress.add_bytes(entry.stored);
                    }
                    return Ok(inode);
                }
                Err(Errno::EXIST) => {}
                Err(Errno::XDEV) if is_early => {
                    // The same disk is mounted here a second time.
                    is_early = false;
                    (file, temporary) = self.written(entry, &at, reader)?;
                    inode = self.complete(&file, entry, &at, about)?;
                }
                Err(error) => return Err(fail("replace")(error)),
            }
        }
        Err(fail("replace")(Errno::BUSY))
    }

    /// A file without a name in the current directory, with its content.
    fn written(
        &mut self,
        entry: &Entry,
        at: &Path,
        reader: &mut Reader,
    ) -> Result<(File, Option<Vec<u8>>), FilesError> {
        let fail = |error| FilesError::io("make a file to replace", at, error);
        let (file, temporary) = self.unnamed().map_err(fail)?;
        let file = File::from(file);
        self.content(&file, entry, at, reader)?;
        Ok((file, temporary))
    }

    /// A new file under its name: its content, and what the finisher does with it; its inode.
    fn hand_over(
        &mut self,
        file: File,
        entry: &Entry,
        path: &[u8],
        about: About,
        reader: &mut Reader,
    ) -> Result<u64, FilesError> {
        let at = self.at(path);
        let is_small = entry.data.is_none() && entry.stored <= self.buffer.len() as u64;
        let read = if is_small {
            self.small_content(entry, reader).map(Some)
        } else {
            self.content(&file, entry, &at, reader).map(|()| None)
        };
        let read = read.and_then(|content| Ok((content, self.inode(&file, &at)?)));
        let (content, inode) = match read {
            Ok(read) => read,
            Err(error) => {
                self.take_away(path, &file);
                return Err(error);
            }
        };
        let (path, inherits) = (path.to_owned(), about.hands_on_acl);
        let unfinished = Unfinished { file, entry: entry.clone(), at, path, content, inherits };
        if !self.finisher.push(unfinished) {
            self.finish_files()?;
        }
        Ok(inode)
    }

    /// Waits for the files that were handed over.
    pub(super) fn finish_files(&mut self) -> Result<(), FilesError> {
        let ended = self.finisher.end();
        self.take_remarks();
        ended.map_err(|failed| {
            self.take_away(&failed.path, &failed.file);
            failed.error
        })
    }

    /// What could not be kept of the files that are complete by now.
    pub(super) fn take_remarks(&mut self) {
        for (at, text) in self.finisher.remarks() {
            self.remarks.push(&at, &text);
        }
    }

    /// The content of a small file.
    fn small_content(&mut self, entry: &Entry, reader: &mut Reader) -> Result<Vec<u8>, FilesError> {
        self.stop.check()?;
        let mut content = self.finisher.buffer();
        content.reserve(self.buffer.len());
        std::io::Read::take(reader.by_ref(), entry.stored)
            .read_to_end(&mut content)
            .map_err(ReadError::Io)?;
        if content.len() as u64 != entry.stored {
            return Err(ReadError::Io(std::io::ErrorKind::UnexpectedEof.into()).into());
        }
        self.bytes += entry.stored;
        self.progress.add_bytes(entry.stored);
        Ok(content)
    }

    /// The inode of a new file, where hard links may ask for it.
    fn inode(&self, file: &File, at: &Path) -> Result<u64, FilesError> {
        if self.survey.linked.is_empty() {
            return Ok(0);
        }
        let stat = rustix::fs::fstat(file).map_err(|error| FilesError::io("look at", at, error))?;
        Ok(stat.st_ino)
    }

    /// Half a file is none: it would take the room that the next attempt needs.
    fn take_away(&mut self, path: &[u8], file: &File) {
        let Some((parent, name)) = names::split(path) else { return };
        let Ok(own) = rustix::fs::fstat(file) else { return };
        let Ok(Some(here)) = self.made.go(parent) else { return };
        let Ok(Some(stat)) = tree::stat(here, name) else { return };
        if (stat.st_dev, stat.st_ino) == (own.st_dev, own.st_ino) {
            // The first error is the one to tell.
            let _ = rustix::fs::unlinkat(here, name, AtFlags::empty());
        }
    }

    /// A file without a name in the current directory; with one where there is no other way.
    fn unnamed(&mut self) -> Result<(OwnedFd, Option<Vec<u8>>), Errno> {
        let here = self.tree.here()?.0;
        let mode = Mode::RUSR | Mode::WUSR;
        match tree::open_beneath(here, b".", OFlags::TMPFILE | OFlags::WRONLY, mode) {
            Ok(file) => Ok((file, None)),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                let name =
                    format!(".{}{}", uuid::Uuid::new_v4().simple(), crate::durable::TEMPORARY);
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let file = tree::open_beneath(here, name.as_bytes(), flags, mode)?;
                Ok((file, Some(name.into_bytes())))
            }
            Err(error) => Err(error),
        }
    }

    /// Metadata of a new file; its inode.
    fn complete(
        &mut self,
        file: &File,
        entry: &Entry,
        at: &Path,
        about: About,
    ) -> Result<u64, FilesError> {
        // One that was made elsewhere may have got ACLs there.
        if about.hands_on_acl || entry.stored >= early::LARGE {
            apply::without_inherited(file.as_fd());
        }
        let remarks = &mut self.remarks;
        self.applier
            .apply(Handle::Open(file.as_fd()), entry, &mut |text| remarks.push(at, &text))
            .map_err(|(what, error)| FilesError::io(what, at, error))?;
        self.inode(file, at)
    }

    fn content(
        &mut self,
        file: &File,
        entry: &Entry,
        at: &Path,
        reader: &mut Reader,
    ) -> Result<(), FilesError> {
        let failed = |source| FilesError::Io { what: "write", path: at.to_owned(), source };
        let whole = [crate::source::Extent { offset: 0, length: entry.stored }];
        let mut nudger = Nudger::new(file);
        for extent in entry.data.as_deref().unwrap_or(&whole) {
            let mut position = extent.offset;
            let end = extent.offset + extent.length;
            while position < end {
                self.stop.check()?;
                let most = usize::try_from(end - position).unwrap_or(usize::MAX);
                let most = most.min(self.buffer.len());
                let count = match reader.read(&mut self.buffer[..most]) {
                    Ok(0) => {
                        let error = std::io::ErrorKind::UnexpectedEof.into();
                        return Err(ReadError::Io(error).into());
                    }
                    Ok(count) => count,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(ReadError::Io(error).into()),
                };
                nudger.write(&self.buffer[..count], position).map_err(failed)?;
                position += count as u64;
                self.bytes += count as u64;
                self.progress.add_bytes(count as u64);
            }
        }
        if entry.data.is_some() {
            file.set_len(entry.size).map_err(failed)?;
        }
        Ok(())
    }
}
