//! The second pass: members become files.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::apply::{Applier, Handle};
use super::aside::Past;
use super::early::Early;
use super::finish::Finisher;
use super::names::{self, Belongs, Selection, Wanted};
use super::place::{self, Place};
use super::spool::{Spool, Waiting};
use super::survey::{self, Survey};
use super::tree::{self, About, Tree};
use super::{Extracted, Extraction, FilesError, MOST_LISTED, Original, apply};
use crate::archive::{Entry, EntryKind, OpenError, Reader};
use crate::progress::Progress;
use crate::source::printable;
use crate::stop::Stop;

/// Mode of a directory that the archive does not have.
const IMPLICIT: u32 = 0o755;
/// Mode of a directory until its own is set.
const UNFINISHED: u32 = 0o700;
/// How often somebody else may be faster at one name.
const MOST_RACES: u32 = 16;
/// Bytes that are read and written at once. More does not stay in the processor's own cache between
/// the two and takes twice the time.
const BUFFER: usize = 128 * 1024;

/// Restores members.
pub(super) struct Writer<'a> {
    pub(super) extraction: &'a Extraction<'a>,
    pub(super) place: Place,
    pub(super) survey: Survey,
    /// Files that are copied already.
    pub(super) early: Early,
    pub(super) stop: &'a Stop,
    pub(super) progress: &'a Progress,
    pub(super) base: PathBuf,
    /// Where members are made.
    pub(super) tree: Tree,
    /// Where those are looked up that were made before.
    pub(super) made: Tree,
    pub(super) past: Past,
    pub(super) applier: Applier,
    /// Completes new files.
    pub(super) finisher: Finisher,
    pub(super) remarks: Remarks<'a>,
    directories: Spool,
    late: Spool,
    /// The inodes of targets of hard links, in the order of [`Survey::linked`].
    pub(super) inodes: Vec<u64>,
    pub(super) buffer: Vec<u8>,
    pub(super) members: u64,
    pub(super) bytes: u64,
    pub(super) devices_left_out: u64,
}

/// What could not be restored, and whom it is told.
pub(super) struct Remarks<'a> {
    list: Vec<String>,
    count: u64,
    log: &'a mut dyn FnMut(&str),
}

impl Remarks<'_> {
    pub(super) fn push(&mut self, path: &Path, text: &str) {
        use std::os::unix::ffi::OsStrExt as _;
        self.count += 1;
        if self.list.len() < MOST_LISTED {
            let text = format!("`{}`: {text}", printable(path.as_os_str().as_bytes()));
            (self.log)(&text);
            self.list.push(text);
        }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        extraction: &'a Extraction<'a>,
        place: Place,
        survey: Survey,
        early: Early,
        stop: &'a Stop,
        progress: &'a Progress,
        log: &'a mut dyn FnMut(&str),
    ) -> Result<Self, FilesError> {
        Ok(Self {
            extraction,
            base: place.base.clone(),
            tree: place.tree()?,
            made: place.tree()?,
            past: Past::new(extraction.aside, &place)?,
            applier: Applier::new(extraction.owners),
            finisher: Finisher::new(extraction.owners),
            remarks: Remarks { list: Vec::new(), count: 0, log },
            directories: Spool::default(),
            late: Spool::default(),
            inodes: vec![0; survey.linked.len()],
            buffer: vec![0; BUFFER],
            place,
            survey,
            early,
            stop,
            progress,
            members: 0,
            bytes: 0,
            devices_left_out: 0,
        })
    }

    pub(super) fn run(mut self, original: &Original<'_>) -> Result<Extracted, FilesError> {
        match self.restore(original) {
            Ok(()) => {}
            Err(FilesError::Io { path, source, .. })
                if matches!(Errno::from_io_error(&source), Some(Errno::NOSPC | Errno::DQUOT)) =>
            {
                let needed = self.survey.bytes.saturating_sub(self.bytes);
                return Err(FilesError::NoSpace { path, needed, free: self.place.free() });
            }
            Err(error) => return Err(error),
        }
        Ok(Extracted {
            members: self.members,
            bytes: self.bytes,
            set_aside: self.past.set_aside,
            removed: self.past.removed,
            devices_left_out: self.devices_left_out,
            remarks: self.remarks.list,
            remark_count: self.remarks.count,
        })
    }

    fn restore(&mut self, original: &Original<'_>) -> Result<(), FilesError> {
        self.past.will_change(b"", self.tree.base())?;
        let file = survey::reopen(original).map_err(OpenError::from)?;
        let mut reader = Reader::open_ahead(file, original.codec, original.identity)?;
        let mut selection = Selection::new(self.extraction.paths);
        let mut number = 0;
        while let Some(entry) = reader.next_entry()? {
            self.stop.check()?;
            let early = self.early.take(number);
            number += 1;
            // The file may have changed since it was judged; names are cheap to look at.
            let belongs = names::belongs(&entry, self.extraction.prefix)
                .map_err(|reason| FilesError::Refused { member: printable(&entry.name), reason })?;
            if let Belongs::Content(path) = belongs {
                let wanted = selection.wants(path, entry.kind);
                self.member(&entry, path, wanted, early, &mut reader)?;
            }
        }
        self.finish_files()?;
        self.late()?;
        self.finish_directories()?;
        self.progress.enter("flushing");
        self.past.sync()?;
        self.place.sync()
    }

    fn member(
        &mut self,
        entry: &Entry,
        path: &[u8],
        wanted: Wanted,
        early: Option<File>,
        reader: &mut Reader,
    ) -> Result<(), FilesError> {
        let mut to = names::join(&self.place.lead, path);
        match wanted {
            Wanted::Yes => {}
            Wanted::OnTheWay => {
                let is_there = self.made.kind(&to)?.is_some();
                self.enter(&to, UNFINISHED)?;
                if !is_there {
                    self.wait(&to, false, entry)?;
                }
                return Ok(());
            }
            Wanted::No => {
                let key = self.survey.keys.key(path);
                match self.survey.instead.get(&key) {
                    Some(instead) if entry.kind != EntryKind::HardLink => {
                        to = names::join(&self.place.lead, instead);
                    }
                    _ => return Ok(()),
                }
            }
        }
        match entry.kind {
            EntryKind::Directory => {
                let stayed = self.enter(&to, UNFINISHED)?;
                self.wait(&to, stayed, entry)?;
            }
            EntryKind::File => {
                let inode = self.file(entry, &to, early, reader)?;
                self.is_made(path, inode);
                self.take_remarks();
            }
            EntryKind::Fifo | EntryKind::CharDevice | EntryKind::BlockDevice => {
                if let Some(inode) = self.special(entry, &to)? {
                    self.is_made(path, inode);
                }
            }
            EntryKind::Symlink => {
                let mut late = entry.clone();
                late.name = path.to_vec();
                self.push_late(&to, &late)?;
            }
            EntryKind::HardLink => {
                if !self.hard_link(entry, &to)? {
                    // To a symlink, which is not there before everything else is.
                    self.push_late(&to, entry)?;
                }
            }
        }
        self.members += 1;
        self.progress.add_member();
        Ok(())
    }

    fn push_late(&mut self, to: &[u8], entry: &Entry) -> Result<(), FilesError> {
        self.late.push(to, false, entry).map_err(spool_failed)
    }

    fn wait(&mut self, to: &[u8], stayed: bool, entry: &Entry) -> Result<(), FilesError> {
        self.directories.push(to, stayed, entry).map_err(spool_failed)
    }

    /// A member was made; hard links to it may follow.
    pub(super) fn is_made(&mut self, path: &[u8], inode: u64) {
        if self.survey.linked.is_empty() {
            return;
        }
        let key = self.survey.keys.key(path);
        if let Ok(at) = self.survey.linked.binary_search(&key) {
            self.inodes[at] = inode;
        }
    }

    /// Where the target of a hard link was made, and its inode there; 0 when it was not made yet.
    pub(super) fn target(&self, link: &[u8]) -> Option<(Vec<u8>, u64)> {
        let path = names::link(link, self.extraction.prefix).ok()?;
        let key = self.survey.keys.key(path);
        let inode = self.survey.linked.binary_search(&key).ok().map(|at| self.inodes[at])?;
        let made = self.survey.instead.get(&key).map_or(path, Vec::as_slice);
        Some((names::join(&self.place.lead, made), inode))
    }

    /// Goes to a directory, making what is absent on the way. Whether it was there before.
    pub(super) fn enter(&mut self, path: &[u8], mode: u32) -> Result<bool, FilesError> {
        let mut rest = self.tree.approach(path);
        let mut stayed = true;
        if rest.is_empty() && !path.is_empty() {
            // It is on the way already: made by this run or looked at.
            let fail = |error| FilesError::io("open", place::absolute(&self.base, path), error);
            return Ok(!self.tree.here().map_err(fail)?.1.is_fresh);
        }
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let so_far = &path[..path.len() - rest.len() + end];
            let is_last = end == rest.len();
            stayed = self.step(&rest[..end], so_far, if is_last { mode } else { IMPLICIT })?;
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        Ok(stayed)
    }

    /// Goes one directory down.
    fn step(&mut self, name: &[u8], path: &[u8], mode: u32) -> Result<bool, FilesError> {
        let absolute = || place::absolute(&self.base, path);
        let mut is_kept = false;
        for _ in 0..MOST_RACES {
            let (here, about) =
                self.tree.here().map_err(|error| FilesError::io("open", absolute(), error))?;
            match tree::open_directory(here, name) {
                Ok(directory) => {
                    self.past.will_change(path, directory.as_fd())?;
                    let hands_on_acl = apply::hands_on_acl(directory.as_fd());
                    self.tree.push(name, directory, About { is_fresh: false, hands_on_acl });
                    return Ok(true);
                }
                Err(Errno::NOENT) => {
                    if !is_kept {
                        self.past.will_make(path, about)?;
                    }
                    match rustix::fs::mkdirat(here, name, Mode::from_raw_mode(UNFINISHED)) {
                        Ok(()) => {}
                        Err(Errno::EXIST) => {
                            if !is_kept {
                                self.past.was_made(path)?;
                            }
                            continue;
                        }
                        Err(error) => {
                            return Err(FilesError::io("make the directory", absolute(), error));
                        }
                    }
                    let fail = |error| FilesError::io("open", absolute(), error);
                    let directory = tree::open_directory(here, name).map_err(fail)?;
                    if about.hands_on_acl {
                        apply::without_inherited(directory.as_fd());
                    }
                    if mode != UNFINISHED || about.hands_on_acl {
                        rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode)).map_err(fail)?;
                    }
                    let about = About { is_fresh: true, hands_on_acl: false };
                    self.tree.push(name, directory, about);
                    return Ok(false);
                }
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    is_kept |= self.past.clear(here, path, &self.base)?;
                }
                Err(error) => return Err(FilesError::io("open", absolute(), error)),
            }
        }
        Err(FilesError::io("make the directory", absolute(), Errno::BUSY))
    }

    /// Symlinks, and hard links to them.
    fn late(&mut self) -> Result<(), FilesError> {
        let late = std::mem::take(&mut self.late);
        for waiting in late.forward() {
            self.stop.check()?;
            let Waiting { path, entry, .. } = waiting.map_err(spool_failed)?;
            if entry.kind == EntryKind::Symlink {
                let inode = self.symlink(&entry, &path)?;
                // Below the lead it is what the archive calls it, unless only its link is wanted,
                // which has its content then and needs no target.
                if let Some(inside) = names::below(&path, &self.place.lead) {
                    self.is_made(inside, inode);
                }
            } else if !self.hard_link(&entry, &path)? {
                let at = place::absolute(&self.base, &path);
                self.remarks.push(&at, "a hard link to what was not restored is left out");
            }
        }
        Ok(())
    }

    /// Directories, the deepest first, since a mode may close one.
    fn finish_directories(&mut self) -> Result<(), FilesError> {
        let directories = std::mem::take(&mut self.directories);
        for waiting in directories.backward() {
            self.stop.check()?;
            let Waiting { path, stayed, entry } = waiting.map_err(spool_failed)?;
            let at = place::absolute(&self.base, &path);
            let fail = |error| FilesError::io("open", &at, error);
            let Some(directory) = self.made.go(&path).map_err(fail)? else {
                self.remarks.push(&at, "somebody replaced it while it was restored");
                continue;
            };
            if stayed {
                apply::only_those_of(directory, &entry).map_err(fail)?;
            }
            let remarks = &mut self.remarks;
            self.applier
                .apply(Handle::Open(directory), &entry, &mut |text| remarks.push(&at, &text))
                .map_err(|(what, error)| FilesError::io(what, &at, error))?;
        }
        Ok(())
    }
}

fn spool_failed(source: std::io::Error) -> FilesError {
    FilesError::Io { what: "keep what must wait in a file in", path: "/var/tmp".into(), source }
}
