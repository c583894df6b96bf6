//! Directories below one that is open, by descriptors that are kept while they are near.
//!
//! **Invariant:** a component is resolved beneath its parent's descriptor and never through a
//! symlink, whoever changes the tree meanwhile.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{FilesError, apply, names};

/// Levels whose descriptors are kept; others are opened again when they are needed.
const KEPT: usize = 48;

/// Set once the kernel, or what confines this process, has said that it has no `openat2`.
static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Opens one component beneath a directory, never through a symlink.
pub(super) fn open_beneath(
    at: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    if name.contains(&b'/') || name == b".." {
        return Err(Errno::XDEV);
    }
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !WITHOUT_OPENAT2.load(Ordering::Relaxed) {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..16 {
            match rustix::fs::openat2(at, name, flags, mode, resolve) {
                // Somebody renames at this very moment.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS) => {
                    WITHOUT_OPENAT2.store(true, Ordering::Relaxed);
                    break;
                }
                // Containers refuse system calls that they do not know like this; where the file
                // itself is meant, the other call says the same.
                Err(Errno::PERM) => break,
                done => return done,
            }
        }
    }
    open_component(at, name, flags, mode)
}

/// Opens a name where there is no `openat2`: a single component has no way out but a symlink.
fn open_component(
    at: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::openat(at, name, flags, mode))
}

/// Opens a directory beneath another one.
pub(super) fn open_directory(at: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    open_beneath(at, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
}

/// What a name is, itself.
pub(super) fn stat(at: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// One directory on the way to the current one.
#[derive(Debug)]
struct Level {
    name: Vec<u8>,
    directory: Option<OwnedFd>,
    about: About,
}

/// What is known of a directory while it is near.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct About {
    /// It was made by this run, just now, and is empty but for what this run puts there.
    pub(super) is_fresh: bool,
    /// What is made in it gets ACLs from it.
    pub(super) hands_on_acl: bool,
}

/// A directory, and those below it on the way to the current one.
#[derive(Debug)]
pub(super) struct Tree {
    base: OwnedFd,
    about_base: About,
    levels: Vec<Level>,
}

impl Tree {
    pub(super) fn new(base: OwnedFd) -> Self {
        let hands_on_acl = apply::hands_on_acl(base.as_fd());
        Self { base, about_base: About { is_fresh: false, hands_on_acl }, levels: Vec::new() }
    }

    pub(super) fn base(&self) -> BorrowedFd<'_> {
        self.base.as_fd()
    }

    /// Goes up to the last directory that is also on the way to `path`: what is left of the way.
    pub(super) fn approach<'p>(&mut self, path: &'p [u8]) -> &'p [u8] {
        let mut rest = path;
        let mut shared = 0;
        for level in &self.levels {
            match names::below(rest, &level.name) {
                Some(below) if !rest.is_empty() => (rest, shared) = (below, shared + 1),
                _ => break,
            }
        }
        self.levels.truncate(shared);
        rest
    }

    /// The current directory.
    pub(super) fn here(&mut self) -> Result<(BorrowedFd<'_>, About), Errno> {
        let depth = self.levels.len();
        let Some(last) = self.levels.last() else {
            return Ok((self.base.as_fd(), self.about_base));
        };
        let about = last.about;
        if last.directory.is_none() {
            let held = self.levels.iter().rposition(|level| level.directory.is_some());
            let from = held.and_then(|held| self.levels[held].directory.as_ref());
            let mut directory = rustix::io::fcntl_dupfd_cloexec(from.unwrap_or(&self.base), 0)?;
            for level in &self.levels[held.map_or(0, |held| held + 1)..] {
                directory = open_directory(directory.as_fd(), &level.name)?;
            }
            self.levels[depth - 1].directory = Some(directory);
        }
        let directory = self.levels[depth - 1].directory.as_ref().ok_or(Errno::BADF)?;
        Ok((directory.as_fd(), about))
    }

    /// Goes down into a directory that was just opened in the current one.
    pub(super) fn push(&mut self, name: &[u8], directory: OwnedFd, about: About) {
        let depth = self.levels.len();
        if depth >= KEPT {
            self.levels[depth - KEPT].directory = None;
        }
        self.levels.push(Level { name: name.to_vec(), directory: Some(directory), about });
    }

    /// Goes to a directory that exists. `None` when something on the way is no directory.
    pub(super) fn go(&mut self, path: &[u8]) -> Result<Option<BorrowedFd<'_>>, Errno> {
        let mut rest = self.approach(path);
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let name = &rest[..end];
            let opened = open_directory(self.here()?.0, name);
            match opened {
                Ok(directory) => self.push(name, directory, About::default()),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(error) => return Err(error),
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        Ok(Some(self.here()?.0))
    }

    /// What is at a path, if anything is.
    pub(super) fn kind(&mut self, path: &[u8]) -> Result<Option<FileType>, FilesError> {
        let fail = |error| FilesError::io("look at", printable_path(path), error);
        let Some((parent, name)) = names::split(path) else {
            return Ok(Some(FileType::Directory));
        };
        let Some(directory) = self.go(parent).map_err(fail)? else { return Ok(None) };
        Ok(stat(directory, name).map_err(fail)?.as_ref().map(kind_of))
    }
}

fn printable_path(path: &[u8]) -> std::path::PathBuf {
    crate::source::printable(path).into()
}

/// Removes whatever a name is, with all that is in it. Nothing else is reached, whoever changes the
/// tree meanwhile.
pub(super) fn remove_all(at: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(Errno::NOENT) => return Ok(()),
        done => return done,
    }
    // A stack of descriptors instead of calls: a deep tree must not end the process.
    let mut way: Vec<(Vec<u8>, Option<OwnedFd>)> =
        vec![(name.to_vec(), Some(open_directory(at, name)?))];
    while let Some((_, directory)) = way.last() {
        let Some(directory) = directory else { return Err(Errno::BADF) };
        let below = empty_out(directory)?;
        let opened = below.as_ref().map(|below| open_directory(directory.as_fd(), below));
        if let (Some(below), Some(opened)) = (below, opened) {
            way.push((below, Some(opened?)));
            continue;
        }
        let (done, _) = way.pop().expect("it was just looked at");
        let parent = match way.last() {
            Some((_, Some(parent))) => parent.as_fd(),
            _ => at,
        };
        rustix::fs::unlinkat(parent, &done, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Removes what is no directory; the name of a directory that is left.
fn empty_out(directory: &OwnedFd) -> Result<Option<Vec<u8>>, Errno> {
    let mut left = None;
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => {
                left.get_or_insert_with(|| name.to_vec());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn without_openat2_a_symlink_is_no_way_either() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        let base = fs::File::open(dir.path()).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for open in [open_beneath, open_component] {
            assert!(open(base.as_fd(), b"real", flags, Mode::empty()).is_ok());
            assert!(open(base.as_fd(), b"link", flags, Mode::empty()).is_err());
        }
        // With or without: what is no single component is refused before the kernel is asked.
        for bad in [&b".."[..], b"real/..", b"/tmp"] {
            let opened = open_beneath(base.as_fd(), bad, flags, Mode::empty());
            assert_eq!(opened.unwrap_err(), Errno::XDEV, "{bad:?}");
        }
    }

    #[test]
    fn a_deep_tree_is_walked_with_few_descriptors_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let base: OwnedFd = fs::File::open(dir.path()).unwrap().into();
        let mut tree = Tree::new(base);
        for _ in 0..120 {
            let here = tree.here().unwrap().0;
            rustix::fs::mkdirat(here, "d", Mode::RWXU).unwrap();
            let directory = open_directory(here, b"d").unwrap();
            tree.push(b"d", directory, About::default());
        }
        let held = tree.levels.iter().filter(|level| level.directory.is_some()).count();
        assert!(held <= KEPT + 1, "{held}");
        assert!(tree.go(b"d/d/d").unwrap().is_some());
        assert!(tree.go(b"d/e").unwrap().is_none());
        remove_all(tree.base(), b"d").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
