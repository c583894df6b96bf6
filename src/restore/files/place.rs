//! Where a target is: the deepest directory on the way to it that exists, and the rest of the way.
//!
//! The target's path comes from this host, not from the archive; but parts of it may belong to
//! somebody whose files are restored. **Invariant:** a symlink on the way is followed only when it
//! belongs to root or to us; nobody else can lead a restore elsewhere.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::FilesError;
use super::names;
use super::tree::{self, Tree};

/// Most symlinks on the way.
const MOST_LINKS: u32 = 40;

/// Where a target is.
#[derive(Debug)]
pub(super) struct Place {
    /// A directory that exists.
    pub(super) directory: OwnedFd,
    /// Its path, without symlinks.
    pub(super) base: PathBuf,
    /// The target below it; only the root of everything has none.
    pub(super) lead: Vec<u8>,
    /// The target, where it is a directory already.
    target: Option<OwnedFd>,
}

impl Place {
    pub(super) fn tree(&self) -> Result<Tree, FilesError> {
        let fail = |error| FilesError::io("open", &self.base, error);
        Ok(Tree::new(rustix::io::fcntl_dupfd_cloexec(&self.directory, 0).map_err(fail)?))
    }

    /// The target where it is a directory, which may be another file system's; else the base.
    pub(super) fn disk(&self) -> BorrowedFd<'_> {
        self.target.as_ref().unwrap_or(&self.directory).as_fd()
    }

    /// The device of the target's file system.
    pub(super) fn device(&self) -> Result<u64, FilesError> {
        let stat = rustix::fs::fstat(self.disk())
            .map_err(|error| FilesError::io("look at", &self.base, error))?;
        Ok(stat.st_dev)
    }

    /// Makes everything that was written to the target's file system survive a power cut.
    pub(super) fn sync(&self) -> Result<(), FilesError> {
        let fail = |error| FilesError::io("write out", &self.base, error);
        if self.target.is_some() {
            rustix::fs::syncfs(self.disk()).map_err(fail)?;
        }
        rustix::fs::syncfs(&self.directory).map_err(fail)
    }

    /// Bytes that are free here.
    pub(super) fn free(&self) -> u64 {
        let is_root = rustix::process::geteuid().is_root();
        rustix::fs::fstatvfs(self.disk()).map_or(u64::MAX, |disk| {
            let blocks = if is_root { disk.f_bfree } else { disk.f_bavail };
            blocks.saturating_mul(disk.f_frsize)
        })
    }

    /// Bytes of the whole file system.
    pub(super) fn capacity(&self) -> u64 {
        rustix::fs::fstatvfs(self.disk())
            .map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize))
    }
}

/// The path of something below a directory.
pub(super) fn absolute(base: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { base.to_owned() } else { base.join(OsStr::from_bytes(path)) }
}

/// Finds the place of a target, which need not exist.
pub(super) fn find(target: &Path) -> Result<Place, FilesError> {
    let bytes = target.as_os_str().as_bytes();
    let refuse = |reason| Err(FilesError::Target { path: target.to_owned(), reason });
    let mut left: VecDeque<Vec<u8>> = components(bytes);
    if !bytes.starts_with(b"/") {
        return refuse("it is not absolute");
    }
    if left.iter().any(|part| part == b"..") {
        return refuse("it has `..`");
    }
    let mut way = vec![(Vec::new(), root()?)];
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == b".." {
            if way.len() > 1 {
                way.pop();
            }
            continue;
        }
        let here = path_of(&way, &name);
        let at = way.last().expect("the root stays").1.as_fd();
        let stat = match rustix::fs::statat(at, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => {
                left.push_front(name);
                break;
            }
            Err(error) => return Err(FilesError::io("look at", here, error)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let opened = tree::open_directory(at, &name)
                    .map_err(|error| FilesError::io("open", &here, error))?;
                way.push((name, opened));
            }
            FileType::Symlink => {
                let leads_on = rustix::fs::statat(at, &name, AtFlags::empty())
                    .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
                let is_ours =
                    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
                if left.is_empty() && !(is_ours && leads_on) {
                    // The target itself: it is replaced, not followed.
                    left.push_front(name);
                    break;
                }
                links += 1;
                let reason = match (is_ours, leads_on) {
                    (false, _) => Some("a symlink on the way there belongs to another user"),
                    (_, false) => Some("a symlink on the way there leads to no directory"),
                    _ if links > MOST_LINKS => Some("too many symlinks are on the way there"),
                    _ => None,
                };
                if let Some(reason) = reason {
                    return Err(FilesError::Target { path: here, reason });
                }
                let text = rustix::fs::readlinkat(at, &name, Vec::new())
                    .map_err(|error| FilesError::io("read", &here, error))?
                    .into_bytes();
                if text.starts_with(b"/") {
                    way.truncate(1);
                }
                for part in components(&text).into_iter().rev() {
                    left.push_front(part);
                }
            }
            _ if left.is_empty() => {
                left.push_front(name);
                break;
            }
            _ => {
                let reason = "it is no directory, and the target would lie in it";
                return Err(FilesError::Target { path: here, reason });
            }
        }
    }
    let mut existing = None;
    if left.is_empty() && way.len() > 1 {
        let (name, directory) = way.pop().expect("it has two");
        left.push_front(name);
        existing = Some(directory);
    }
    let base = path_of(&way, b"");
    let lead = left.into_iter().fold(Vec::new(), |lead, part| names::join(&lead, &part));
    let (_, directory) = way.pop().expect("the root stays");
    if lead.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return refuse("a symlink on the way there leads through what does not exist");
    }
    Ok(Place { directory, base, lead, target: existing })
}

/// Whether `path` (a directory that exists, or its parent does) lies in the target: its path below
/// the base then.
pub(super) fn below_base(place: &Place, path: &Path) -> Option<Vec<u8>> {
    let base = place.base.as_os_str().as_bytes();
    let base = base.strip_suffix(b"/").unwrap_or(base);
    let rest = path.as_os_str().as_bytes().strip_prefix(base)?.strip_prefix(b"/")?;
    Some(rest.to_vec())
}

fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect()
}

fn path_of(way: &[(Vec<u8>, OwnedFd)], name: &[u8]) -> PathBuf {
    let mut path = PathBuf::from("/");
    path.extend(way.iter().skip(1).map(|(name, _)| OsStr::from_bytes(name)));
    if !name.is_empty() {
        path.push(OsStr::from_bytes(name));
    }
    path
}

fn root() -> Result<OwnedFd, FilesError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/", flags, Mode::empty()).map_err(|error| FilesError::io("open", "/", error))
}
