//! What is asked of a restore.

use std::path::PathBuf;

use super::name::PlaceName;
use super::run::RunId;
use super::words::words;

words! {
    /// A part of a complete restore, in the order in which they are carried out.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Part {
        /// The system user that the job names.
        User = "user",
        /// The files of the archive.
        Files = "files",
        /// Owner and mode that the job names.
        Permissions = "permissions",
        /// The database of the archive.
        Database = "database",
        /// The systemd unit that the job names.
        Service = "service",
        /// Ports of the firewall.
        Firewall = "firewall",
        /// The commands that the job names.
        Commands = "commands",
    }
}

/// What is asked of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RestoreRequest {
    /// Files go below this directory (absolute) and nothing else is touched; in place without.
    pub to: Option<PathBuf>,
    /// Only these paths, as they were on the host (absolute, or relative to the job's source);
    /// empty means all.
    pub paths: Vec<PathBuf>,
    /// Only these parts; empty means all.
    pub only: Vec<Part>,
    /// Whether what is overwritten is first set aside.
    pub safety: bool,
    /// A file with the age identity, for an encrypted archive (absolute).
    pub identity: Option<PathBuf>,
    /// The peer whose archive this is, where somebody said so: only then another host's archive
    /// comes back in place.
    pub from: Option<PlaceName>,
    /// Instead of all this: what this restore set aside goes back to where it was.
    pub undo: Option<RunId>,
}

impl RestoreRequest {
    /// Everything, in place, with what is overwritten set aside.
    #[must_use]
    pub fn whole() -> Self {
        Self {
            to: None,
            paths: Vec::new(),
            only: Vec::new(),
            safety: true,
            identity: None,
            from: None,
            undo: None,
        }
    }

    /// Whether a part is asked for.
    #[must_use]
    pub fn wants(&self, part: Part) -> bool {
        (self.only.is_empty() || self.only.contains(&part))
            && (self.to.is_none() || part == Part::Files)
    }
}
