//! The state: what cannot be found on disk (queue, history, intents, approvals, what was last good)
//! and an index of what can. Losing it loses history, never an archive.
//!
//! One process has it at a time. Every change is one transaction that is on disk when the call
//! returns; [`State::commit`] puts several records into one. All calls block.
//!
//! **Invariants:** this is the only module that knows redb. What an acknowledged call wrote is there
//! after a crash at any moment. Nothing is read from a file whose checksums were not verified when it
//! was opened: a damaged file is set aside and a fresh one takes its place. Run numbers grow
//! and are never used twice, not even after a damaged file was replaced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::model::archive::ArchiveId;
use crate::model::name::{ArchiveName, PlaceName};

mod store;
mod create;
mod tables;
mod stored;
mod transaction;
mod single;
mod lookup;
mod history;
mod logs;
mod uploads;
mod contacts;
mod space;

pub use history::{HistoryKeep, RunFilter};
pub use logs::LOG_CAP;
pub use transaction::Transaction;

use store::Store;

/// The state of one instance. Clones share it.
#[derive(Debug, Clone)]
pub struct State {
    store: Arc<Store>,
    /// The last run whose log was found to be full: nobody looks again for every line.
    full_log: Arc<AtomicU64>,
}

/// How opening went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// Nothing was there, or what was there could not be used: the catalogue must be made again.
    pub fresh: bool,
    /// Where a file that was damaged lies now.
    pub set_aside: Option<PathBuf>,
    /// The newest changes were damaged and the file went back to the commit before them.
    /// What rests in locations must be looked at again.
    pub rolled_back: bool,
}

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
    #[error("the state in `{}` is in use by another process{}", dir.display(), number(*holder))]
    InUse {
        /// The state's directory.
        dir: PathBuf,
        /// The number of that process, where it is known.
        holder: Option<u32>,
    },
    /// A later version of the program wrote it.
    #[error(
        "the state `{}` has version {found}, and this program knows versions up to {known}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version that this program knows.
        known: u64,
    },
    /// The disk refused.
    #[error("the state `{}` could not be read or written", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was damaged while it was in use.
    #[error("the state `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A record is not what it should be.
    #[error("the state holds a record of `{table}` that cannot be understood")]
    Record {
        /// Where it stands.
        table: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// The number of a process behind the word for it.
fn number(process: Option<u32>) -> String {
    process.map_or_else(String::new, |number| format!(" ({number})"))
}

impl StateError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            StateError::InUse { .. } => Some(
                "a daemon has it: commands reach it over its control socket; otherwise wait until the other command ends",
            ),
            StateError::Newer { .. } => Some(
                "install the newer program again, or move the file away: archives are found again from the locations",
            ),
            StateError::Io { .. } => Some(
                "check free space, the mode of the directory and the disk; it is opened again by itself",
            ),
            StateError::Damaged { .. } | StateError::Record { .. } => Some(
                "restart: the file is checked, set aside if need be, and the catalogue is made again from the locations",
            ),
        }
    }
}

/// An archive that is about to leave its location: written before the first file is touched,
/// dropped after the last, carried out again at a start that still finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The archive.
    pub archive: ArchiveId,
    /// Where it rests.
    pub location: PlaceName,
    /// Its name there.
    pub name: ArchiveName,
    /// Until when it stays in the trash; unlinked at once without.
    pub to_trash: Option<Timestamp>,
    /// When that was decided.
    pub at: Timestamp,
}

/// The configuration that was last good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRecord {
    /// What [`crate::config`] wants to be kept; opaque here.
    pub last_good: String,
    /// Its hash.
    pub hash: String,
    /// How many different configurations were in force up to this one.
    pub generation: u64,
}

impl State {
    /// Opens the state in `dir`, which is made (0700) when it is not there.
    ///
    /// Waits a moment, less than a second, for another process that is about to leave.
    ///
    /// # Errors
    /// Another process has it, a later version wrote it, or the disk refuses. A damaged file is no
    /// error: it is set aside, and [`Opened`] says so.
    pub fn open(dir: &Path) -> Result<(Self, Opened), StateError> {
        let (store, opened) = Store::open(dir)?;
        Ok((Self { store: Arc::new(store), full_log: Arc::default() }, opened))
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// Carries out `change` and makes all of it durable at once, or nothing.
    ///
    /// `change` may use its transaction only: another call on this state would wait for ever.
    ///
    /// After an I/O error the file is opened again; when that shows that the change did arrive,
    /// the call succeeds.
    ///
    /// # Errors
    /// What `change` returned, or why the change is not durable. It may yet be there when the disk
    /// answers again, so repeat it only if it is idempotent.
    pub fn commit<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.store.commit(change)
    }

    /// Whether the file went back to an earlier commit while it was in use, after an error of the
    /// disk; until [`State::note_went_back`].
    #[must_use]
    pub fn went_back(&self) -> bool {
        self.store.went_back().load(Ordering::Relaxed)
    }

    /// Says that this was remembered.
    pub fn note_went_back(&self) {
        self.store.went_back().store(false, Ordering::Relaxed);
    }

    /// Reads the whole file and compares every checksum; other calls wait meanwhile.
    ///
    /// `false` when the newest changes were damaged and the file went back to the commit before
    /// them: what rests in locations must be looked at again.
    ///
    /// # Errors
    /// Damage beyond that, which a restart sets aside, or the disk refuses.
    pub fn check(&self) -> Result<bool, StateError> {
        self.store.check()
    }
}
