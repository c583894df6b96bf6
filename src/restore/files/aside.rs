//! What is in the way: set aside where it can be found again, or removed.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::journal::{Bytes, Journal, NAME, Step, Was};
use super::place::{self, Place};
use super::tree::{self, About};
use super::{Extraction, FilesError, apply, names};

/// What was set aside, below the directory of the call, with its paths.
pub(super) const TREE: &str = "tree";
/// Why a place cannot take anything that was free a moment ago.
pub(super) const TAKEN: &str = "it is there already";

/// Looks whether what is overwritten can be set aside, before anything is written. Its path below
/// the target, if it lies there: nothing may be restored into it.
pub(super) fn check(
    extraction: &Extraction<'_>,
    place: &Place,
) -> Result<Option<Vec<u8>>, FilesError> {
    let Some(path) = extraction.aside else { return Ok(None) };
    let refuse = |reason| Err(FilesError::Aside { path: path.to_owned(), reason });
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return refuse("it is no new directory");
    };
    let Ok(parent) = parent.canonicalize() else {
        return refuse("the directory that it is to be in does not exist");
    };
    if path.symlink_metadata().is_ok() {
        return refuse(TAKEN);
    }
    let stat = rustix::fs::stat(&parent).map_err(|error| FilesError::io("look at", path, error))?;
    if stat.st_dev != place.device()? {
        return refuse("it lies on another file system than the target");
    }
    let Some(below) = place::below_base(place, &parent.join(name)) else { return Ok(None) };
    if names::below(&place.lead, &below).is_some() {
        return refuse("the target lies in it");
    }
    Ok(names::below(&below, &place.lead).map(<[u8]>::to_vec))
}

/// Deals with what is there already.
#[derive(Debug)]
pub(super) struct Past {
    aside: Option<Aside>,
    pub(super) set_aside: u64,
    pub(super) removed: u64,
}

#[derive(Debug)]
struct Aside {
    path: PathBuf,
    directory: OwnedFd,
    /// Which directory that is.
    id: (u64, u64),
    journal: Journal,
    tree: OwnedFd,
    /// The directory below `tree` that was used last.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Past {
    /// Makes the directory for what is set aside.
    pub(super) fn new(path: Option<&Path>, place: &Place) -> Result<Self, FilesError> {
        let aside = path.map(|path| Aside::make(path, place)).transpose()?;
        Ok(Self { aside, set_aside: 0, removed: 0 })
    }

    fn note(&mut self, step: impl FnOnce() -> Step) -> Result<(), FilesError> {
        let Some(aside) = &mut self.aside else { return Ok(()) };
        aside.journal.write(&step()).map_err(|source| FilesError::Io {
            what: "write the undo journal",
            path: aside.path.join(NAME),
            source,
        })
    }

    /// Something is about to be made where nothing is, in a directory.
    pub(super) fn will_make(&mut self, path: &[u8], parent: About) -> Result<(), FilesError> {
        if parent.is_fresh { Ok(()) } else { self.note(|| Step::New(Bytes::new(path))) }
    }

    /// Somebody else made it meanwhile.
    pub(super) fn was_made(&mut self, path: &[u8]) -> Result<(), FilesError> {
        self.note(|| Step::Void(Bytes::new(path)))
    }

    /// A directory that stays is about to change.
    pub(super) fn will_change(
        &mut self,
        path: &[u8],
        directory: BorrowedFd<'_>,
    ) -> Result<(), FilesError> {
        let Some(aside) = &self.aside else { return Ok(()) };
        let fail = |error| FilesError::io("look at", crate::source::printable(path), error);
        let stat = rustix::fs::fstat(directory).map_err(fail)?;
        if id(&stat) == aside.id {
            let reason = "the archive has files in it";
            return Err(FilesError::Aside { path: aside.path.clone(), reason });
        }
        let attributes = apply::attributes(directory).map_err(fail)?;
        self.note(|| Step::Was(Was::new(path, &stat, &attributes)))
    }

    /// Takes what has a name out of the way. Whether it is kept, now or from before: what is made
    /// in its place is then no news to the journal, since it goes when that comes back. Were it
    /// told as well, a second undoing would take what the first one put back for what was made.
    pub(super) fn clear(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &[u8],
        base: &Path,
    ) -> Result<bool, FilesError> {
        let Some((above, name)) = names::split(path) else { return Ok(false) };
        if self.aside.is_none() {
            self.removed += 1;
            tree::remove_all(parent, name)
                .map_err(|error| FilesError::io("remove", place::absolute(base, path), error))?;
            return Ok(false);
        }
        self.note(|| Step::Aside(Bytes::new(path)))?;
        let Some(aside) = &mut self.aside else { return Ok(false) };
        let fail = |error| FilesError::io("set aside", place::absolute(base, path), error);
        let to = aside.parent(above, parent).map_err(fail)?;
        match rename_new(parent, name, to, name) {
            Ok(()) => self.set_aside += 1,
            // It is gone.
            Err(Errno::NOENT) => return Ok(false),
            // Something with its name was set aside before and somebody made another one since:
            // that one is nobody's past.
            Err(Errno::EXIST | Errno::NOTEMPTY) => {
                tree::remove_all(parent, name).map_err(fail)?;
            }
            Err(error) => return Err(fail(error)),
        }
        Ok(true)
    }

    /// Writes the journal out.
    pub(super) fn sync(&self) -> Result<(), FilesError> {
        let Some(aside) = &self.aside else { return Ok(()) };
        rustix::fs::syncfs(&aside.directory)
            .map_err(|error| FilesError::io("write out", &aside.path, error))
    }
}

impl Aside {
    fn make(path: &Path, place: &Place) -> Result<Self, FilesError> {
        let io = |source: io::Error| FilesError::Io {
            what: "make the directory for what is overwritten,",
            path: path.to_owned(),
            source,
        };
        let errno = |error: Errno| io(error.into());
        // The directory that it is in may be part of what an undo makes what it was.
        let times = Times::of(path.parent().unwrap_or(path));
        std::fs::DirBuilder::new().mode(0o700).create(path).map_err(io)?;
        times.restore();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).map_err(errno)?;
        let stat = rustix::fs::fstat(&directory).map_err(errno)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = tree::open_beneath(directory.as_fd(), NAME.as_bytes(), flags, mode);
        let mut journal = Journal::new(file.map_err(errno)?.into());
        let base = Bytes::new(place.base.as_os_str().as_bytes());
        journal.write(&Step::Base(base)).map_err(io)?;
        rustix::fs::mkdirat(&directory, TREE, Mode::RWXU).map_err(errno)?;
        let tree = tree::open_directory(directory.as_fd(), TREE.as_bytes()).map_err(errno)?;
        let (path, id) = (path.to_owned(), id(&stat));
        Ok(Self { path, directory, id, journal, tree, last: None })
    }

    /// The directory below `tree` with this path, made when it is absent. The last one looks like
    /// the one whose past it holds; those above it are for us alone until they are that, too.
    fn parent(&mut self, path: &[u8], like: BorrowedFd<'_>) -> Result<BorrowedFd<'_>, Errno> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let mut at = rustix::io::fcntl_dupfd_cloexec(&self.tree, 0)?;
            for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
                match rustix::fs::mkdirat(&at, part, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                at = tree::open_directory(at.as_fd(), part)?;
            }
            let stat = rustix::fs::fstat(like)?;
            let owner = rustix::fs::Uid::from_raw(stat.st_uid);
            let group = rustix::fs::Gid::from_raw(stat.st_gid);
            // For whoever looks through it by hand; the journal has the truth.
            let _ = rustix::fs::fchown(&at, Some(owner), Some(group));
            let mode = Mode::from_raw_mode(stat.st_mode & 0o7777 | 0o700);
            let _ = rustix::fs::fchmod(&at, mode);
            self.last = Some((path.to_vec(), at));
        }
        self.last.as_ref().map(|(_, at)| at.as_fd()).ok_or(Errno::BADF)
    }
}

/// The times of a directory, which making or removing something in it shall not change.
pub(super) struct Times(Option<(OwnedFd, Timestamps)>);

impl Times {
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        trivial_numeric_casts,
        reason = "the widths of these fields differ between architectures"
    )]
    pub(super) fn of(directory: &Path) -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(opened) = rustix::fs::open(directory, flags, Mode::empty()) else {
            return Self(None);
        };
        let Ok(stat) = rustix::fs::fstat(&opened) else { return Self(None) };
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(stat.st_atime as i64, stat.st_atime_nsec as i64),
            last_modification: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        };
        Self(Some((opened, times)))
    }

    pub(super) fn restore(self) {
        if let Some((directory, times)) = self.0 {
            // Of no consequence where it cannot be.
            let _ = rustix::fs::futimens(directory, &times);
        }
    }
}

/// Renames without replacing, also where the file system knows only renaming.
pub(super) fn rename_new(
    from: BorrowedFd<'_>,
    name: &[u8],
    to: BorrowedFd<'_>,
    new: &[u8],
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, name, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match rustix::fs::statat(to, new, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(from, name, to, new),
                Err(error) => Err(error),
                Ok(_) => Err(Errno::EXIST),
            }
        }
        done => done,
    }
}

#[expect(clippy::unnecessary_cast, trivial_numeric_casts, reason = "their widths differ")]
fn id(stat: &rustix::fs::Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}
