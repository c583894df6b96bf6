//! What there is on this host that is worth keeping, and which job keeps it.
//!
//! [`look`] gathers facts below a root: database servers by their sockets, YunoHost's apps, the
//! usual directories of data, projects of containers and their volumes. [`judge`] compares them
//! with a configuration. **Invariants:** nothing is written, no container engine is asked, and a
//! root other than `/` is never left; what cannot be looked at is told as unknown, not as covered.

use std::path::{Path, PathBuf};

use crate::database::Kind;
use crate::model::name::JobName;
use crate::model::words::words;
use crate::stop::Stop;

mod directories;
mod judge;
mod servers;
mod size;
mod yunohost;

pub use judge::{judge, summary};
pub use size::measure;

/// What was found on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The name of the host.
    pub hostname: String,
    /// Database servers.
    pub servers: Vec<Server>,
    /// YunoHost, where it is installed.
    pub yunohost: Option<Yunohost>,
    /// Directories with data, volumes of containers among them.
    pub directories: Vec<Directory>,
}

/// A database server of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Which kind.
    pub kind: Kind,
    /// Its socket, or where one would be.
    pub socket: PathBuf,
    /// Its databases, or why they are not known.
    pub databases: Result<Vec<String>, String>,
}

/// An installed YunoHost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Yunohost {
    /// Its apps, by id.
    pub apps: Vec<App>,
}

/// An app of YunoHost, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct App {
    /// Its id.
    pub id: String,
    /// Its database.
    pub database: Option<String>,
    /// Where it is installed.
    pub install_dir: Option<PathBuf>,
    /// Where its large data is.
    pub data_dir: Option<PathBuf>,
}

/// What a directory is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A usual place of data.
    Data,
    /// A project of containers (`compose.yaml`).
    Compose,
    /// A volume of a container engine.
    Volume {
        /// `docker` or `podman`.
        engine: &'static str,
        /// Its name.
        name: String,
    },
}

/// A directory with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is, as seen from the root.
    pub path: PathBuf,
    /// What it is.
    pub what: What,
    /// Where its file system is mounted.
    pub mount: PathBuf,
    /// The server whose files are in it: a copy of those is no backup while it runs.
    pub files_of: Option<Kind>,
}

words! {
    /// What kind of thing is covered, or is not.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Thing {
        /// A database.
        Database = "database",
        /// An app of YunoHost.
        App = "app",
        /// A directory.
        Directory = "directory",
        /// A volume of a container.
        Volume = "volume",
    }
}

words! {
    /// Whether a job keeps something.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Cover {
        /// All of it.
        Covered = "yes",
        /// Some of it.
        Partly = "partly",
        /// None does.
        Uncovered = "no",
        /// Nobody can say.
        Unknown = "unknown",
    }
}

/// One thing that is there, and who keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub thing: Thing,
    /// What it is called.
    pub name: String,
    /// Where it is: a path, or the server.
    pub place: String,
    /// Whether it is kept.
    pub cover: Cover,
    /// The jobs that keep it, or some of it.
    pub jobs: Vec<JobName>,
    /// What somebody should know of it.
    pub note: Option<String>,
    /// Its directory as seen from the root, where it is one.
    pub path: Option<PathBuf>,
    /// Bytes on the disk, where that was cheap to know.
    pub size: Option<u64>,
}

/// Looks at the host whose files lie below `root`. Blocking; a server that does not answer keeps
/// it until `stop` is asked to.
#[must_use]
pub fn look(root: &Path, stop: &Stop) -> Facts {
    let hostname = ["proc/sys/kernel/hostname", "etc/hostname"]
        .iter()
        .find_map(|file| std::fs::read_to_string(root.join(file)).ok());
    Facts {
        hostname: hostname.unwrap_or_default().trim().to_owned(),
        servers: servers::look(root, stop),
        yunohost: yunohost::look(root),
        directories: directories::look(root, stop),
    }
}

/// The names in a directory, sorted; none where it cannot be read.
fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
