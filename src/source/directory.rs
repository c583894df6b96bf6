//! A directory tree (or a single file) of this host as a source.
//!
//! The walk goes depth first in the order of the names' bytes. It holds one listing per level and
//! few descriptors, whatever the depth; a directory that was swapped while the walk was below it is
//! noticed by its inode and not entered again.
//!
//! **Invariant:** the root is the only path that is resolved by the kernel as a whole.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::attributes::{self, Handle, Owners};
use super::excludes::Excludes;
use super::file::{self, id};
use super::links::Links;
use super::listing::Listing;
use super::{FileId, Findings, Kind, Member, Source, SourceError, What, mount};
use crate::model::job::CustomDir;

/// How many levels keep their descriptor open.
const OPEN_LEVELS: usize = 64;

/// A walk over a directory, or over one file.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    facts: Facts,
    one_file_system: bool,
    excludes: Excludes,
    start: Option<OwnedFd>,
    levels: Vec<Level>,
    /// Path of the deepest level below the root.
    here: Vec<u8>,
    links: Links,
    owners: Owners,
    findings: Findings,
    left_out: Option<FileId>,
}

/// What is known of a source before it is read.
#[derive(Debug, Clone, Copy)]
struct Facts {
    /// The device of its file system.
    device: u64,
    /// Whether it is a single file.
    is_file: bool,
}

#[derive(Debug)]
struct Level {
    directory: Option<OwnedFd>,
    id: FileId,
    listing: Listing,
    /// How much of `here` is the path of this level.
    path_length: usize,
}

impl Directory {
    /// Opens the source of a job. Nothing below its root is read yet.
    ///
    /// # Errors
    /// When it is missing, neither a directory nor a file, or cannot be opened.
    pub fn open(job: &CustomDir) -> Result<Self, SourceError> {
        let root = job.source_path.clone();
        let excludes = Excludes::new(&job.excludes)
            .map_err(|source| SourceError::Excludes { path: root.clone(), source })?;
        let (start, facts) = open_root(&root)?;
        Ok(Self {
            root,
            facts,
            one_file_system: job.one_file_system,
            excludes,
            start: Some(start),
            levels: Vec::new(),
            here: Vec::new(),
            links: Links::default(),
            owners: Owners::default(),
            findings: Findings::default(),
            left_out: None,
        })
    }

    /// The directory that the source's file system is mounted at; `None` where that is `/`.
    ///
    /// # Errors
    /// When that cannot be found out, or what was opened is not there any more.
    pub fn mount_point(&self) -> Result<Option<PathBuf>, SourceError> {
        let found = if self.facts.is_file {
            mount::point_of(self.root.parent().unwrap_or(&self.root))
        } else {
            mount::point_of_device(&self.root, self.facts.device)
        };
        found.map_err(|source| SourceError::Io { path: self.root.clone(), source })
    }

    fn begin(&mut self, root: OwnedFd) -> Result<Option<Member>, SourceError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error: Errno| SourceError::Io { path, source: error.into() }
        };
        let stat = rustix::fs::fstat(&root).map_err(io(&self.root))?;
        let metadata = attributes::metadata(&stat, Handle::Open(root.as_fd()), &mut self.owners)
            .map_err(io(&self.root))?;
        if self.facts.is_file {
            let kind = Kind::File(file::body(root, &stat));
            return Ok(Some(Member { path: Vec::new(), metadata, kind }));
        }
        let listing = Listing::read(root.as_fd()).map_err(io(&self.root))?;
        let level = Level { directory: Some(root), id: id(&stat), listing, path_length: 0 };
        self.levels.push(level);
        Ok(Some(Member { path: Vec::new(), metadata, kind: Kind::Directory }))
    }

    /// The next name of the deepest level that is not left out.
    fn advance(&mut self) -> Option<FileType> {
        loop {
            let level = self.levels.last_mut()?;
            self.here.truncate(level.path_length);
            let Some((name, kind)) = level.listing.next() else {
                self.levels.pop();
                continue;
            };
            if !self.here.is_empty() {
                self.here.push(b'/');
            }
            self.here.extend_from_slice(name);
            // A file system that does not tell is asked about the name itself, later.
            let is_directory = kind == FileType::Directory;
            if kind == FileType::Unknown || !self.excludes.leave_out(&self.here, is_directory) {
                return Some(kind);
            }
        }
    }

    /// Makes sure that the deepest level has its descriptor.
    fn ensure_open(&mut self) -> Result<(), Errno> {
        let depth = self.levels.len() - 1;
        if self.levels[depth].directory.is_some() {
            return Ok(());
        }
        let held = self.levels[..depth].iter().rposition(|level| level.directory.is_some());
        // The root is never closed, see `descend`.
        let held = held.unwrap_or(0);
        let Some(from) = &self.levels[held].directory else { return Err(Errno::BADF) };
        let mut directory = rustix::io::fcntl_dupfd_cloexec(from, 0)?;
        for level in held + 1..=depth {
            let start = self.levels[level - 1].path_length;
            let part = &self.here[start..self.levels[level].path_length];
            let name = part.strip_prefix(b"/").unwrap_or(part);
            directory = file::open(directory.as_fd(), name, OFlags::DIRECTORY)?;
            if id(&rustix::fs::fstat(&directory)?) != self.levels[level].id {
                return Err(Errno::STALE);
            }
        }
        self.levels[depth].directory = Some(directory);
        Ok(())
    }

    fn visit(&mut self, hint: FileType) -> Result<Option<Member>, Errno> {
        self.ensure_open()?;
        let level = self.levels.last().expect("a name comes from a level");
        let directory = level.directory.as_ref().expect("it was just made sure of").as_fd();
        let above = if level.path_length == 0 { 0 } else { level.path_length + 1 };
        let name = &self.here[above..];
        match hint {
            FileType::RegularFile => {
                match file::open(directory, name, OFlags::empty()) {
                    Ok(opened) => {
                        let stat = rustix::fs::fstat(&opened)?;
                        if file::kind(&stat) == FileType::RegularFile {
                            return self.regular(opened, &stat);
                        }
                        // It was swapped since it was listed: take it for what it is now.
                    }
                    Err(Errno::LOOP) => {}
                    Err(error) => return Err(error),
                }
            }
            FileType::Directory => {
                match file::open(directory, name, OFlags::DIRECTORY) {
                    Ok(opened) => return self.descend(opened),
                    Err(Errno::LOOP | Errno::NOTDIR) => {}
                    Err(error @ (Errno::ACCESS | Errno::PERM)) => {
                        // It cannot be entered, but it was there, and with which mode.
                        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                        let member = named(&self.here, directory, name, &stat, &mut self.owners)?;
                        self.findings.record(&self.here, What::Unreadable(reason(error)));
                        return Ok(member);
                    }
                    Err(error) => return Err(error),
                }
            }
            FileType::Socket => {
                self.findings.sockets += 1;
                return Ok(None);
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let found = file::kind(&stat);
        if hint == FileType::Unknown
            && self.excludes.leave_out(&self.here, found == FileType::Directory)
        {
            return Ok(None);
        }
        match found {
            FileType::RegularFile | FileType::Directory if hint != found => self.visit(found),
            FileType::Socket => self.visit(found),
            FileType::RegularFile | FileType::Directory => Err(Errno::STALE),
            FileType::Symlink
            | FileType::Fifo
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                let member = named(&self.here, directory, name, &stat, &mut self.owners)?;
                Ok(member.map(|member| self.links.member(&stat, member)))
            }
        }
    }

    fn regular(&mut self, opened: OwnedFd, stat: &Stat) -> Result<Option<Member>, Errno> {
        if self.left_out == Some(id(stat)) {
            return Ok(None);
        }
        let metadata = attributes::metadata(stat, Handle::Open(opened.as_fd()), &mut self.owners)?;
        let kind = Kind::File(file::body(opened, stat));
        let member = Member { path: self.here.clone(), metadata, kind };
        Ok(Some(self.links.member(stat, member)))
    }

    fn descend(&mut self, opened: OwnedFd) -> Result<Option<Member>, Errno> {
        let stat = rustix::fs::fstat(&opened)?;
        let metadata = attributes::metadata(&stat, Handle::Open(opened.as_fd()), &mut self.owners)?;
        if self.one_file_system && id(&stat).device != self.facts.device {
            self.findings.record(&self.here, What::OtherFileSystem);
        } else {
            let listing = Listing::read(opened.as_fd()).unwrap_or_else(|error| {
                self.findings.record(&self.here, What::Unreadable(reason(error)));
                Listing::default()
            });
            let depth = self.levels.len();
            if depth > OPEN_LEVELS {
                self.levels[depth - OPEN_LEVELS].directory = None;
            }
            let path_length = self.here.len();
            let level = Level { directory: Some(opened), id: id(&stat), listing, path_length };
            self.levels.push(level);
        }
        Ok(Some(Member { path: self.here.clone(), metadata, kind: Kind::Directory }))
    }
}

impl Source for Directory {
    fn next(&mut self) -> Result<Option<Member>, SourceError> {
        if let Some(root) = self.start.take() {
            return self.begin(root);
        }
        while let Some(kind) = self.advance() {
            match self.visit(kind) {
                Ok(Some(member)) => return Ok(Some(member)),
                Ok(None) => {}
                Err(Errno::NOENT) => self.findings.record(&self.here, What::Vanished),
                // Out of descriptors or memory: that is our trouble, not this file's.
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                    let path = self.root.join(OsStr::from_bytes(&self.here));
                    return Err(SourceError::Io { path, source: error.into() });
                }
                Err(error) => self.findings.record(&self.here, What::Unreadable(reason(error))),
            }
        }
        Ok(None)
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn leave_out(&mut self, file: FileId) {
        self.left_out = Some(file);
    }
}

/// Opens the root. It alone may be a symlink: whoever may write the configuration chose it.
fn open_root(root: &Path) -> Result<(OwnedFd, Facts), SourceError> {
    let failed = |error: Errno| match error {
        Errno::NOENT | Errno::NOTDIR => SourceError::Missing { path: root.to_owned() },
        other => SourceError::Io { path: root.to_owned(), source: other.into() },
    };
    let stat = rustix::fs::stat(root).map_err(failed)?;
    let kind = file::kind(&stat);
    let directory = match kind {
        FileType::Directory => OFlags::DIRECTORY,
        FileType::RegularFile => OFlags::empty(),
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => return Err(SourceError::Unfit { path: root.to_owned() }),
    };
    let flags = directory | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened =
        file::open_quietly(|quietly| rustix::fs::open(root, flags | quietly, Mode::empty()))
            .map_err(failed)?;
    let stat = rustix::fs::fstat(&opened).map_err(failed)?;
    if file::kind(&stat) != kind {
        return Err(SourceError::Unfit { path: root.to_owned() });
    }
    let is_file = kind == FileType::RegularFile;
    let facts = Facts { device: id(&stat).device, is_file };
    Ok((opened, facts))
}

/// A member that is known by its name only, since opening it would do harm or nothing.
fn named(
    path: &[u8],
    directory: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
    owners: &mut Owners,
) -> Result<Option<Member>, Errno> {
    let device = || (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let kind = match file::kind(stat) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
            Kind::Symlink { target: target.into_bytes() }
        }
        FileType::Fifo => Kind::Fifo,
        FileType::CharacterDevice => {
            let (major, minor) = device();
            Kind::CharDevice { major, minor }
        }
        FileType::BlockDevice => {
            let (major, minor) = device();
            Kind::BlockDevice { major, minor }
        }
        FileType::Directory => Kind::Directory,
        FileType::RegularFile | FileType::Socket | FileType::Unknown => return Ok(None),
    };
    let handle = Handle::Named(directory, name);
    let metadata = match attributes::metadata(stat, handle, owners) {
        // Without /proc, or swapped meanwhile: what `stat` said is still true.
        Err(_) => attributes::without_attributes(stat, owners),
        Ok(metadata) => metadata,
    };
    Ok(Some(Member { path: path.to_vec(), metadata, kind }))
}

fn reason(error: Errno) -> String {
    match error {
        Errno::STALE => "it was replaced while the walk went on".to_owned(),
        other => io::Error::from(other).to_string(),
    }
}
