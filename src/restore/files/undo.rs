//! Undoing an extraction: what it made goes, what it set aside comes back.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::aside::{TREE, Times, rename_new};
use super::journal::{Backward, Bytes, NAME, Step, Was};
use super::tree::{self, Tree};
use super::{FilesError, MOST_LISTED, apply, names, place};
use crate::stop::Stop;

/// What was undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone {
    /// Objects that came back.
    pub put_back: u64,
    /// Objects that the extraction had made and that are gone, each with all that was in it.
    pub removed: u64,
    /// What could not be undone; the first [`MOST_LISTED`]. What was set aside is kept then.
    pub remarks: Vec<String>,
}

/// Puts back what an extraction set aside, and removes what it made, also when it was killed in the
/// middle; then removes `aside`. What others put into directories that the extraction made goes
/// with them, and so does what they changed in files that come back. Can be run again.
///
/// # Errors
/// When the journal cannot be read, or somebody asked to stop. What was set aside is never removed.
pub fn undo(aside: &Path, stop: &Stop, log: &mut dyn FnMut(&str)) -> Result<Undone, FilesError> {
    let journal = aside.join(NAME);
    let unusable = |reason: String| FilesError::Journal { path: journal.clone(), reason };
    let failed = |error: Errno| unusable(io::Error::from(error).to_string());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(aside, flags, Mode::empty()).map_err(failed)?;
    // Whoever may write the journal could have anything removed.
    let stat = rustix::fs::fstat(&directory).map_err(failed)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o022 != 0 {
        return Err(unusable("others may write to its directory".to_owned()));
    }
    let open = || -> Result<File, Errno> {
        let name = NAME.as_bytes();
        tree::open_beneath(directory.as_fd(), name, OFlags::RDONLY, Mode::empty()).map(File::from)
    };
    let base = base(open().map_err(failed)?).map_err(|error| unusable(error.to_string()))?;
    let kept = tree::open_directory(directory.as_fd(), TREE.as_bytes()).map_err(failed)?;
    let mut undo = Undo {
        kept: Tree::new(rustix::io::fcntl_dupfd_cloexec(&kept, 0).map_err(failed)?),
        tree: Tree::new(open_base(&base).map_err(|error| FilesError::io("open", &base, error))?),
        base,
        void: HashSet::new(),
        done: Undone::default(),
        log,
    };
    let steps = Backward::new(open().map_err(failed)?).map_err(|e| unusable(e.to_string()))?;
    for step in steps {
        stop.check()?;
        undo.step(step.map_err(|error| unusable(error.to_string()))?);
    }
    let synced = rustix::fs::syncfs(undo.tree.base());
    synced.map_err(|error| FilesError::io("write out", &undo.base, error))?;
    let done = undo.done;
    if done.remarks.is_empty() {
        // Only empty directories are left; anything else stays, and so does the journal.
        prune(&kept).map_err(failed)?;
        let times = Times::of(aside.parent().unwrap_or(aside));
        let gone = rustix::fs::unlinkat(&directory, TREE, AtFlags::REMOVEDIR)
            .and_then(|()| rustix::fs::unlinkat(&directory, NAME, AtFlags::empty()))
            .and_then(|()| rustix::fs::rmdir(aside));
        gone.map_err(|error| FilesError::io("remove", aside, error))?;
        times.restore();
    }
    Ok(done)
}

/// The first line says where everything was.
fn base(file: File) -> io::Result<PathBuf> {
    use std::io::{BufRead as _, Read as _};
    let mut line = Vec::new();
    io::BufReader::new(file.take(1 << 20)).read_until(b'\n', &mut line)?;
    match serde_json::from_slice(&line)? {
        Step::Base(path) => {
            let path = path.bytes().ok_or(io::ErrorKind::InvalidData)?;
            Ok(std::ffi::OsStr::from_bytes(&path).into())
        }
        Step::New(_) | Step::Void(_) | Step::Aside(_) | Step::Was(_) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "its first line is missing"))
        }
    }
}

/// The base was written down without symlinks: there must still be none.
fn open_base(base: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat2(CWD, base, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::NOSYS | Errno::PERM) => {
            let root = rustix::fs::open("/", flags, Mode::empty())?;
            let mut tree = Tree::new(root);
            let path = base.as_os_str().as_bytes();
            let path = path.strip_prefix(b"/").unwrap_or(path);
            let opened = tree.go(path)?.ok_or(Errno::NOENT)?;
            rustix::io::fcntl_dupfd_cloexec(opened, 0)
        }
        done => done,
    }
}

struct Undo<'a> {
    /// What was set aside.
    kept: Tree,
    tree: Tree,
    base: PathBuf,
    /// What the run only meant to make.
    void: HashSet<Vec<u8>>,
    done: Undone,
    log: &'a mut dyn FnMut(&str),
}

impl Undo<'_> {
    fn step(&mut self, step: Step) {
        let (path, result) = match step {
            Step::Base(_) => return,
            Step::New(path) => self.with(&path, Self::remove),
            Step::Aside(path) => self.with(&path, Self::put_back),
            Step::Void(path) => self.with(&path, |undo, path| {
                undo.void.insert(path.to_vec());
                Ok(())
            }),
            Step::Was(was) => {
                let path = was.path.clone();
                self.with(&path, |undo, path| undo.as_it_was(path, &was))
            }
        };
        if let Err(error) = result
            && self.done.remarks.len() < MOST_LISTED
        {
            let path = place::absolute(&self.base, &path);
            let path = crate::source::printable(path.as_os_str().as_bytes());
            let text = format!("`{path}` cannot be undone: {}", io::Error::from(error));
            (self.log)(&text);
            self.done.remarks.push(text);
        }
    }

    fn with(
        &mut self,
        path: &Bytes,
        act: impl FnOnce(&mut Self, &[u8]) -> Result<(), Errno>,
    ) -> (Vec<u8>, Result<(), Errno>) {
        // What cannot be read is no path, and least of all that of the base.
        let Some(path) = path.bytes() else { return (Vec::new(), Err(Errno::INVAL)) };
        // The journal is ours, and still nothing in it leads out of the base.
        let result = match names::check(&path) {
            Err(_) if !path.is_empty() => Err(Errno::INVAL),
            _ => act(self, &path),
        };
        (path, result)
    }

    fn remove(&mut self, path: &[u8]) -> Result<(), Errno> {
        if self.void.remove(path) {
            return Ok(());
        }
        let Some((parent, name)) = names::split(path) else { return Ok(()) };
        // Descriptors that are kept might be of what is removed.
        self.tree.approach(b"");
        let Some(directory) = self.tree.go(parent)? else { return Ok(()) };
        if tree::stat(directory, name)?.is_none() {
            return Ok(());
        }
        tree::remove_all(directory, name)?;
        self.done.removed += 1;
        Ok(())
    }

    fn put_back(&mut self, path: &[u8]) -> Result<(), Errno> {
        let Some((parent, name)) = names::split(path) else { return Ok(()) };
        let Some(from) = self.kept.go(parent)? else { return Ok(()) };
        if tree::stat(from, name)?.is_none() {
            // It was never moved, or it is back already.
            return Ok(());
        }
        self.tree.approach(b"");
        let to = self.tree.go(parent)?.ok_or(Errno::NOENT)?;
        tree::remove_all(to, name)?;
        rename_new(from, name, to, name)?;
        self.kept.approach(b"");
        self.done.put_back += 1;
        Ok(())
    }

    fn as_it_was(&mut self, path: &[u8], was: &Was) -> Result<(), Errno> {
        // Gone with what it was in, when this is the second attempt.
        let Some(directory) = self.tree.go(path)? else { return Ok(()) };
        let now = rustix::fs::fstat(directory)?;
        if (now.st_uid, now.st_gid) != (was.uid, was.gid) {
            let (user, group) = (Uid::from_raw(was.uid), Gid::from_raw(was.gid));
            rustix::fs::fchown(directory, Some(user), Some(group))?;
        }
        set_attributes(directory, was)?;
        rustix::fs::fchmod(directory, Mode::from_raw_mode(was.mode))?;
        let time =
            |(seconds, nanoseconds): (i64, i64)| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times =
            Timestamps { last_access: time(was.accessed), last_modification: time(was.modified) };
        rustix::fs::futimens(directory, &times)
    }
}

fn set_attributes(directory: BorrowedFd<'_>, was: &Was) -> Result<(), Errno> {
    let now = apply::attributes(directory)?;
    let before: Vec<(Vec<u8>, Vec<u8>)> = was
        .attributes
        .iter()
        .filter_map(|(name, value)| Some((name.bytes()?, value.bytes()?)))
        .collect();
    for (name, _) in now.iter().filter(|(name, _)| !before.iter().any(|(one, _)| one == name)) {
        rustix::fs::fremovexattr(directory, name.as_slice())?;
    }
    for (name, value) in before.iter().filter(|one| !now.contains(one)) {
        rustix::fs::fsetxattr(directory, name.as_slice(), value, XattrFlags::empty())?;
    }
    Ok(())
}

/// Removes empty directories below one, and nothing else.
fn prune(directory: &OwnedFd) -> Result<(), Errno> {
    let mut way = vec![(Vec::new(), rustix::io::fcntl_dupfd_cloexec(directory, 0)?, Vec::new())];
    let list = |directory: &OwnedFd| -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        Ok(names)
    };
    way[0].2 = list(directory)?;
    while let Some((_, here, left)) = way.last_mut() {
        if let Some(name) = left.pop() {
            if let Ok(opened) = tree::open_directory(here.as_fd(), &name) {
                let names = list(&opened)?;
                way.push((name, opened, names));
            }
            continue;
        }
        let (name, _, _) = way.pop().expect("it was just looked at");
        if let Some((_, parent, _)) = way.last() {
            match rustix::fs::unlinkat(parent, &name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOTEMPTY) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
