//! What is seen of a folder from outside, in one look that nobody has to wait for when its file
//! system hangs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::LazyLock;

use rustix::fs::StatVfsMountFlags;

use super::marker;
use crate::patience::Asker;

/// What is at a path.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// Nothing.
    Nothing,
    /// The system said so when it was asked.
    Error(String),
    /// Something that is no directory.
    NoDirectory {
        /// The number of its file system.
        device: u64,
    },
    /// A directory.
    Directory(Inside),
}

/// What a directory shows of itself.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    /// The number of its file system.
    pub(super) device: u64,
    /// Whether that is another one than that of `/`.
    pub(super) is_on_a_mount: bool,
    /// The id in its marker, where it has one; or why that cannot be read.
    pub(super) marker: Result<Option<String>, String>,
    /// How much room there is; or why that cannot be told.
    pub(super) room: Result<Room, String>,
}

/// The room of a file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) free: u64,
    pub(super) total: u64,
    pub(super) is_read_only: bool,
}

/// One for the whole process: a path that hangs does so for everybody in it.
static ASKER: LazyLock<Asker<Seen>> = LazyLock::new(|| Asker::new(look));

/// What is at a path; `None` when it does not answer.
pub(super) fn at(path: &Path) -> Option<Seen> {
    ASKER.ask(path)
}

/// Looks at many paths at once, so that those which do not answer are waited for once, and not
/// again by whoever looks at one of them next.
pub(super) fn at_all(paths: &[&Path]) -> Vec<Option<Seen>> {
    ASKER.ask_all(paths)
}

fn look(path: &Path) -> Seen {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Seen::Nothing,
        Err(error) => return Seen::Error(error.to_string()),
    };
    let device = metadata.dev();
    if !metadata.is_dir() {
        return Seen::NoDirectory { device };
    }
    let room = rustix::fs::statvfs(path).map(|stat| Room {
        free: stat.f_bavail * stat.f_frsize,
        total: stat.f_blocks * stat.f_frsize,
        is_read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
    });
    Seen::Directory(Inside {
        device,
        is_on_a_mount: fs::metadata("/").is_ok_and(|root| root.dev() != device),
        marker: marker::read(path).map_err(|error| error.to_string()),
        room: room.map_err(|error| error.to_string()),
    })
}

impl Seen {
    /// The number of its file system.
    pub(super) fn device(&self) -> Option<u64> {
        match self {
            Seen::Nothing | Seen::Error(_) => None,
            Seen::NoDirectory { device } | Seen::Directory(Inside { device, .. }) => Some(*device),
        }
    }

    /// What a folder shows of itself where it is the one whose marker was recorded; else why it is
    /// not, in words.
    pub(super) fn inside(
        self,
        path: &Path,
        require_mount: bool,
        recorded: Option<&str>,
    ) -> Result<Inside, String> {
        let inside = self.inside_unmarked(path, require_mount)?;
        let path = path.display();
        match (&inside.marker, recorded) {
            (Err(error), _) => Err(format!("the marker of `{path}` cannot be read: {error}")),
            (Ok(None), Some(_)) => {
                Err(format!("`{path}` has lost its marker, or is another directory"))
            }
            (Ok(None), None) => Err(format!("`{path}` is not set up yet")),
            (Ok(Some(found)), Some(recorded)) if found != recorded => {
                Err(format!("`{path}` has the marker of another location"))
            }
            (Ok(Some(_)), _) => Ok(inside),
        }
    }

    /// What a folder shows of itself, whatever marks it; else why it cannot be used, in words.
    pub(super) fn inside_unmarked(
        self,
        path: &Path,
        require_mount: bool,
    ) -> Result<Inside, String> {
        let path = path.display();
        let inside = match self {
            Seen::Directory(inside) => inside,
            Seen::NoDirectory { .. } => return Err(format!("`{path}` is not a directory")),
            Seen::Nothing => return Err(format!("the directory `{path}` is not there")),
            Seen::Error(error) => return Err(format!("`{path}` does not answer: {error}")),
        };
        if require_mount && !inside.is_on_a_mount {
            return Err(format!("nothing is mounted at `{path}`"));
        }
        Ok(inside)
    }
}
