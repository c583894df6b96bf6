//! What has no content: links, named pipes and device nodes, each made in one step.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::apply::{Handle, proc_path};
use super::writer::Writer;
use super::{FilesError, names, place, tree};
use crate::archive::{Entry, EntryKind};

/// How often somebody else may be faster at one name.
pub(super) const MOST_RACES: u32 = 16;

impl Writer<'_> {
    pub(super) fn at(&self, path: &[u8]) -> PathBuf {
        place::absolute(&self.base, path)
    }

    /// Goes to the directory of a path.
    pub(super) fn parent<'p>(&mut self, path: &'p [u8]) -> Result<&'p [u8], FilesError> {
        let Some((parent, name)) = names::split(path) else {
            let reason = "it is the root of everything, and the archive has no directory for it";
            return Err(FilesError::Target { path: self.base.clone(), reason });
        };
        self.enter(parent, 0o755)?;
        Ok(name)
    }

    /// A named pipe or a device node; its inode, if it is made.
    pub(super) fn special(
        &mut self,
        entry: &Entry,
        path: &[u8],
    ) -> Result<Option<u64>, FilesError> {
        let at = self.at(path);
        let is_device = entry.kind != EntryKind::Fifo;
        if is_device && !self.extraction.devices {
            self.devices_left_out += 1;
            self.remarks.push(&at, "a device node is left out: they are made only on request");
            return Ok(None);
        }
        let kind = match entry.kind {
            EntryKind::CharDevice => FileType::CharacterDevice,
            EntryKind::BlockDevice => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let device =
            if is_device { rustix::fs::makedev(entry.device.0, entry.device.1) } else { 0 };
        let mode = Mode::RUSR | Mode::WUSR;
        let result =
            self.make(path, |here, name| rustix::fs::mknodat(here, name, kind, mode, device));
        match result {
            Ok(()) => {}
            Err(FilesError::Io { source, .. })
                if is_device && Errno::from_io_error(&source) == Some(Errno::PERM) =>
            {
                self.devices_left_out += 1;
                self.remarks.push(&at, "a device node is left out: only root may make them");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let fail = |error| FilesError::io("look at", &at, error);
        let node = self.just_made(path, kind).map_err(fail)?;
        let stat = rustix::fs::fstat(&node).map_err(fail)?;
        if is_device && stat.st_rdev != device {
            return Err(fail(Errno::STALE));
        }
        let remarks = &mut self.remarks;
        self.applier
            .apply(Handle::Named(node.as_fd()), entry, &mut |text| remarks.push(&at, &text))
            .map_err(|(what, error)| FilesError::io(what, &at, error))?;
        Ok(Some(stat.st_ino))
    }

    /// A symlink; its inode.
    pub(super) fn symlink(&mut self, entry: &Entry, path: &[u8]) -> Result<u64, FilesError> {
        self.make(path, |here, name| rustix::fs::symlinkat(entry.link.as_slice(), here, name))?;
        let at = self.at(path);
        let fail = |error| FilesError::io("look at", &at, error);
        let link = self.just_made(path, FileType::Symlink).map_err(fail)?;
        let inode = rustix::fs::fstat(&link).map_err(fail)?.st_ino;
        let Some((_, name)) = names::split(path) else { return Ok(inode) };
        let here = self.tree.here().map_err(fail)?.0;
        let remarks = &mut self.remarks;
        let handle = Handle::Symlink(link.as_fd(), here, name);
        self.applier
            .apply(handle, entry, &mut |text| remarks.push(&at, &text))
            .map_err(|(what, error)| FilesError::io(what, &at, error))?;
        Ok(inode)
    }

    /// Another name of something that this run made. `false` when it did not make it yet.
    pub(super) fn hard_link(&mut self, entry: &Entry, path: &[u8]) -> Result<bool, FilesError> {
        let Some((target, inode)) = self.target(&entry.link) else { return Ok(false) };
        if inode == 0 {
            return Ok(false);
        }
        if target == path {
            // It got the content itself, since its target is not wanted.
            return Ok(true);
        }
        let at = self.at(path);
        let fail = |error| FilesError::io("link", &at, error);
        let Some((parent, name)) = names::split(&target) else { return Ok(false) };
        let opened = match self.made.go(parent).map_err(fail)? {
            Some(directory) => tree::open_beneath(directory, name, OFlags::PATH, Mode::empty()),
            None => Err(Errno::NOENT),
        };
        let target = opened.map_err(fail)?;
        if rustix::fs::fstat(&target).map_err(fail)?.st_ino != inode {
            return Err(fail(Errno::STALE));
        }
        self.make(path, |here, name| link_open(target.as_fd(), here, name))?;
        Ok(true)
    }

    /// Makes something in one step, with what is in its way out of it.
    pub(super) fn make(
        &mut self,
        path: &[u8],
        make: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<(), Errno>,
    ) -> Result<(), FilesError> {
        let name = self.parent(path)?;
        let at = self.at(path);
        let fail = |error| FilesError::io("make", &at, error);
        let (here, about) = self.tree.here().map_err(fail)?;
        let is_there = !about.is_fresh && tree::stat(here, name).map_err(fail)?.is_some();
        let mut is_kept = is_there && self.past.clear(here, path, &self.base)?;
        for _ in 0..MOST_RACES {
            if !is_kept {
                self.past.will_make(path, about)?;
            }
            match make(here, name) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => {
                    if !is_kept {
                        self.past.was_made(path)?;
                    }
                    is_kept |= self.past.clear(here, path, &self.base)?;
                }
                Err(error) => return Err(fail(error)),
            }
        }
        Err(fail(Errno::BUSY))
    }

    /// A descriptor that names what was just made, if it still is that: whoever may write in its
    /// directory could have put something else there, and that is not to be given away.
    pub(super) fn just_made(&mut self, path: &[u8], kind: FileType) -> Result<OwnedFd, Errno> {
        let (_, name) = names::split(path).ok_or(Errno::INVAL)?;
        let here = self.tree.here()?.0;
        let made = tree::open_beneath(here, name, OFlags::PATH, Mode::empty())?;
        let stat = rustix::fs::fstat(&made)?;
        let is_ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_nlink == 1;
        if tree::kind_of(&stat) != kind || !is_ours {
            return Err(Errno::STALE);
        }
        Ok(made)
    }
}

/// Gives something that is open a name.
pub(super) fn link_open(
    file: BorrowedFd<'_>,
    at: BorrowedFd<'_>,
    name: &[u8],
) -> Result<(), Errno> {
    rustix::fs::linkat(CWD, proc_path(file), at, name, AtFlags::SYMLINK_FOLLOW)
}
