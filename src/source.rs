//! Sources: what a job reads, pulled member by member.
//!
//! A source knows nothing of archive formats: it yields members in a stable order, each with its
//! metadata and, for files, a handle to its content. One source so serves a tar archive today and
//! whatever else comes, and what reads it decides when to read on.
//!
//! **Invariants:** paths are relative to the root of the source and never have a `..`, a leading or
//! a doubled `/`; a directory comes before what is in it; a hard link comes after its target; only
//! regular files are opened for reading; what cannot be read is a finding, never a silent gap.

use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::stop::Stopped;

pub mod directory;
pub mod excludes;
mod attributes;
mod file;
mod links;
mod listing;
pub mod mount;

pub use excludes::{PatternError, check_pattern, leaves_out_everything};

/// Most findings that are kept with their path; further ones are only counted.
pub const MOST_REMARKS: usize = 1000;

/// Something that yields members.
pub trait Source: Send {
    /// The next member, or `None` after the last one.
    ///
    /// # Errors
    /// When the source as a whole cannot be read on. A single member that cannot be read is a
    /// finding instead.
    fn next(&mut self) -> Result<Option<Member>, SourceError>;

    /// What was left out so far, and why.
    fn findings(&self) -> &Findings;

    /// Leaves out the file that is being written, should the walk meet it.
    fn leave_out(&mut self, file: FileId) {
        let _ = file;
    }
}

/// Which file an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device of its file system.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
}

/// One member of a source.
#[derive(Debug)]
pub struct Member {
    /// Its path below the root of the source; empty for the root itself.
    pub path: Vec<u8>,
    /// Everything about it but its content.
    pub metadata: Metadata,
    /// What it is.
    pub kind: Kind,
}

/// What a member is.
#[derive(Debug)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(FileBody),
    /// Another name of a file that was yielded before.
    HardLink {
        /// The path of that member.
        target: Vec<u8>,
    },
    /// A symbolic link.
    Symlink {
        /// Its text.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// A regular file as it was when it was opened.
#[derive(Debug)]
pub struct FileBody {
    /// Its length.
    pub size: u64,
    /// Where its data is, in order and apart, when it has holes.
    pub data: Option<Vec<Extent>>,
    /// Its content.
    pub content: Box<dyn Content>,
}

/// A stretch of data in a file with holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub length: u64,
}

/// The content of an opened file.
pub trait Content: fmt::Debug + Send {
    /// Reads at `offset`; 0 bytes mean the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read there.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether the file is no longer what it was when it was opened.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn has_changed(&mut self) -> io::Result<bool>;
}

/// Everything about a member but its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits, with set-id and sticky bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// The owner's name, where the host knows one.
    pub user: Option<Arc<str>>,
    /// The group's name, where the host knows one.
    pub group: Option<Arc<str>>,
    /// When its content changed last.
    pub modified: Time,
    /// Extended attributes but the ACLs, in the order of their names.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// POSIX ACL as text.
    pub acl_access: Option<String>,
    /// POSIX default ACL as text.
    pub acl_default: Option<String>,
}

/// A file's time: exact, and possibly before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Seconds since 1970, rounded down.
    pub seconds: i64,
    /// Nanoseconds since then.
    pub nanoseconds: u32,
}

/// What a walk left out or met.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Sockets.
    pub sockets: u64,
    /// Files that were listed and gone when they were opened.
    pub vanished: u64,
    /// Files and directories that could not be read.
    pub unreadable: u64,
    /// The first [`MOST_REMARKS`] findings with their paths.
    pub remarks: Vec<Remark>,
    /// Why what was read is hardly all of it, though nothing failed: the archive is suspect.
    pub doubt: Option<String>,
}

/// Something to tell about one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The member's path below the root of the source, with control characters escaped.
    pub path: String,
    /// What happened.
    pub what: What,
}

/// What happened to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It changed while it was read; the archive has a mixture.
    Changed,
    /// It grew while it was read; the archive has its first part.
    Grew,
    /// It shrank while it was read; the rest is zeros in the archive.
    Shrank,
    /// It was gone when it was opened.
    Vanished,
    /// It could not be read, or not to its end; with the system's reason.
    Unreadable(String),
    /// It lies on another file system and is left out.
    OtherFileSystem,
    /// What a program that made it has to say.
    Note(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Changed => f.write_str("changed while it was read"),
            What::Grew => f.write_str("grew while it was read; what came later is not kept"),
            What::Shrank => f.write_str("shrank while it was read; padded with zeros"),
            What::Vanished => f.write_str("vanished before it was read"),
            What::Unreadable(reason) => write!(f, "could not be read: {reason}"),
            What::OtherFileSystem => f.write_str("another file system, left out"),
            What::Note(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path, self.what)
    }
}

impl Remark {
    /// A remark on the member at `path`.
    #[must_use]
    pub fn new(path: &[u8], what: What) -> Self {
        Self { path: printable(path), what }
    }
}

/// A path as text that cannot harm a terminal, a log or a page.
#[must_use]
pub fn printable(path: &[u8]) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing is there.
    #[error("the source `{}` does not exist", path.display())]
    Missing {
        /// The source.
        path: PathBuf,
    },
    /// It is neither a directory nor a regular file.
    #[error("the source `{}` is neither a directory nor a regular file", path.display())]
    Unfit {
        /// The source.
        path: PathBuf,
    },
    /// Its excludes are not patterns.
    #[error("the excludes of `{}` cannot be used", path.display())]
    Excludes {
        /// The source.
        path: PathBuf,
        /// What is wrong with them.
        source: PatternError,
    },
    /// What it is read from has no room: never the source's fault.
    #[error("the dump of `{what}` cannot be kept until it is archived")]
    Spool {
        /// The source.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program that reads it failed.
    #[error("cannot read `{what}`")]
    Program {
        /// The source.
        what: String,
        /// What to do about it.
        hint: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The system refuses.
    #[error("cannot read the source `{}`", path.display())]
    Io {
        /// What could not be read.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl SourceError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            SourceError::Missing { .. } => {
                "is its disk mounted? correct `source_path`, or end the job with `state = \"absent\"`"
            }
            SourceError::Unfit { .. } => "name the directory it is in",
            SourceError::Excludes { .. } => "patterns are written as in a .gitignore file",
            SourceError::Spool { .. } => {
                "make room at the location: a dump rests there before it is archived"
            }
            SourceError::Program { hint, .. } => hint,
            SourceError::Stopped(_) => "run it again",
            SourceError::Io { .. } => "run as a user who may read it, and check its file system",
        }
    }
}

impl Findings {
    /// Takes a remark in, and counts it.
    pub(crate) fn record(&mut self, path: &[u8], what: What) {
        match &what {
            What::Vanished => self.vanished += 1,
            What::Unreadable(_) => self.unreadable += 1,
            What::Changed | What::Grew | What::Shrank | What::OtherFileSystem | What::Note(_) => {}
        }
        if self.remarks.len() < MOST_REMARKS {
            self.remarks.push(Remark::new(path, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_reach_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\nc\xff"), "a\\u{1b}[2Jb\\nc\\xff");
        assert_eq!(printable(b""), ".");
    }

    #[test]
    fn remarks_are_bounded_and_counts_are_not() {
        let mut findings = Findings::default();
        for _ in 0..MOST_REMARKS + 5 {
            findings.record(b"x", What::Vanished);
        }
        assert_eq!(findings.remarks.len(), MOST_REMARKS);
        assert_eq!(findings.vanished, MOST_REMARKS as u64 + 5);
    }
}
