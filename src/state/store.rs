//! The open file: who may use it, and what happens when the disk refuses.
//!
//! After an I/O error redb refuses everything until its file is opened again, so the file is closed,
//! opened again and checked. Changes that go on failing are refused for a growing while; questions
//! are answered all the same, since a full disk can still be read. **Invariant:** the directory's lock
//! is held as long as the store lives, also while the file is closed, so nobody can come between.

use std::error::Error as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard};
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::create::{self, Found};
use super::tables::{self, META, meta};
use super::{Opened, StateError, Transaction};

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    file: PathBuf,
    slot: RwLock<Slot>,
    /// Names each attempt to change something; begins anywhere, so that no two processes share one.
    attempts: AtomicU64,
    /// Whether its newest changes were found damaged while it was in use, and are lost.
    went_back: AtomicBool,
    _lock: File,
}

#[derive(Debug, Default)]
struct Slot {
    database: Option<Database>,
    /// Attempts to open it.
    opening: Attempts,
    /// Attempts to change something.
    writing: Attempts,
}

/// What failed in a row, and until when it is not tried again.
#[derive(Debug, Default)]
struct Attempts {
    failures: u32,
    not_before: Option<Instant>,
    /// Why the last one failed.
    why: String,
}

impl Attempts {
    fn check(&self) -> Result<(), StateError> {
        if self.not_before.is_some_and(|not_before| Instant::now() < not_before) {
            let source = io::Error::other(format!("{}; it is tried again in a moment", self.why));
            return Err(StateError::Io { path: PathBuf::new(), source });
        }
        Ok(())
    }

    fn fail(&mut self, error: &StateError) {
        self.why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        // The first failure may have been the only one.
        if self.failures > 0 {
            let factor = 1 << (self.failures - 1).min(10);
            let pause = SHORTEST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
            self.not_before = Some(Instant::now() + pause);
        }
        self.failures = self.failures.saturating_add(1);
    }
}

impl Store {
    pub(super) fn open(dir: &Path) -> Result<(Self, Opened), StateError> {
        let lock = create::lock_directory(dir)?;
        let file = dir.join(create::FILE);
        let (database, opened) = create::open_or_create(dir)?;
        let slot = RwLock::new(Slot { database: Some(database), ..Slot::default() });
        let anywhere = getrandom::u64().map_err(|error| StateError::Io {
            path: dir.to_owned(),
            source: io::Error::other(error),
        })?;
        let attempts = AtomicU64::new(anywhere >> 1);
        let (dir, went_back) = (dir.to_owned(), AtomicBool::new(false));
        Ok((Self { dir, file, slot, attempts, went_back, _lock: lock }, opened))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn went_back(&self) -> &AtomicBool {
        &self.went_back
    }

    /// The names of errors that know no path get ours.
    fn located(&self, error: StateError) -> StateError {
        match error {
            StateError::Io { path, source } if path.as_os_str().is_empty() => {
                StateError::Io { path: self.file.clone(), source }
            }
            StateError::Damaged { path, detail } if path.as_os_str().is_empty() => {
                StateError::Damaged { path: self.file.clone(), detail }
            }
            other => other,
        }
    }

    /// The slot with an open file in it.
    fn slot(&self) -> Result<RwLockReadGuard<'_, Slot>, StateError> {
        loop {
            let slot = self.slot.read();
            if slot.database.is_some() {
                return Ok(slot);
            }
            drop(slot);
            self.reopen()?;
        }
    }

    fn reopen(&self) -> Result<(), StateError> {
        let mut slot = self.slot.write();
        if slot.database.is_some() {
            return Ok(());
        }
        slot.opening.check().map_err(|error| self.located(error))?;
        let opened = create::open_existing(&self.file).and_then(|found| match found {
            Found::Usable { database, rolled_back } => {
                if rolled_back {
                    self.went_back.store(true, Ordering::Relaxed);
                    create::skip_used_numbers(&database, &self.dir)?;
                }
                Ok(database)
            }
            Found::Unusable(detail) => Err(StateError::Damaged { path: self.file.clone(), detail }),
        });
        match opened {
            Ok(database) => {
                slot.database = Some(database);
                slot.opening = Attempts::default();
                Ok(())
            }
            Err(error) => {
                slot.opening.fail(&error);
                Err(self.located(error))
            }
        }
    }

    /// Closes the file if redb can no longer use it after `error`.
    fn close_after(&self, error: &StateError, changing: bool) {
        // Errors with a path come from elsewhere: only redb does not know where it writes.
        if matches!(error, StateError::Io { path, .. } if path.as_os_str().is_empty()) {
            let mut slot = self.slot.write();
            slot.database = None;
            if changing {
                slot.writing.fail(error);
            }
        }
    }

    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&ReadTransaction) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let slot = self.slot()?;
        let database = slot.database.as_ref().expect("`slot` returns an open one");
        let result = database.begin_read().map_err(StateError::from).and_then(|txn| query(&txn));
        drop(slot);
        result.map_err(|error| {
            self.close_after(&error, false);
            self.located(error)
        })
    }

    pub(super) fn commit<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let slot = self.slot()?;
        slot.writing.check().map_err(|error| self.located(error))?;
        let database = slot.database.as_ref().expect("`slot` returns an open one");
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let result = write(database, change, attempt);
        let troubled = slot.writing.failures > 0;
        drop(slot);
        match result {
            Ok(value) => {
                if troubled {
                    let mut slot = self.slot.write();
                    slot.writing = Attempts::default();
                }
                Ok(value)
            }
            Err(Failed::Before(error)) => {
                self.close_after(&error, true);
                Err(self.located(error))
            }
            Err(Failed::Committing(error, value)) => {
                self.close_after(&error, true);
                // An error does not say that nothing was written.
                if self.has_arrived(attempt) { Ok(value) } else { Err(self.located(error)) }
            }
        }
    }

    /// Whether an attempt that failed is on disk for good, after the file was opened again.
    fn has_arrived(&self, attempt: u64) -> bool {
        let last = self.read(|txn| tables::number(&txn.open_table(META)?, meta::LAST_COMMIT));
        if last.ok() != Some(attempt) {
            return false;
        }
        // What is read may be in memory only, when it was the flush that failed: a page that could
        // not be flushed counts as clean. Another commit writes the file's head again.
        let Ok(slot) = self.slot() else { return false };
        let database = slot.database.as_ref().expect("`slot` returns an open one");
        write(database, |_| Ok(()), attempt).is_ok()
    }

    pub(super) fn check(&self) -> Result<bool, StateError> {
        drop(self.slot()?);
        let mut slot = self.slot.write();
        let Some(database) = slot.database.as_mut() else {
            return Ok(true);
        };
        let checked = create::verify(database).and_then(|intact| {
            if !intact {
                self.went_back.store(true, Ordering::Relaxed);
                create::skip_used_numbers(database, &self.dir)?;
            }
            Ok(intact)
        });
        checked.map_err(|error| {
            slot.database = None;
            self.located(error)
        })
    }
}

/// When a commit failed: before anything could be on disk, or with the outcome unknown.
enum Failed<T> {
    Before(StateError),
    Committing(StateError, T),
}

/// Begins a transaction that survives a crash at any moment and opens quickly after one.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, StateError> {
    let mut txn = database.begin_write()?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    Ok(txn)
}

fn write<T>(
    database: &Database,
    change: impl FnOnce(&mut Transaction<'_>) -> Result<T, StateError>,
    attempt: u64,
) -> Result<T, Failed<T>> {
    let prepare = || {
        let txn = begin(database)?;
        let value = change(&mut Transaction::new(&txn))?;
        create::put_number(&txn, meta::LAST_COMMIT, attempt)?;
        Ok((txn, value))
    };
    let (txn, value) = prepare().map_err(Failed::Before)?;
    match txn.commit() {
        Ok(()) => Ok(value),
        Err(error) => Err(Failed::Committing(error.into(), value)),
    }
}

impl From<redb::Error> for StateError {
    fn from(error: redb::Error) -> Self {
        let path = PathBuf::new();
        match error {
            redb::Error::Io(source) => StateError::Io { path, source },
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                StateError::Io { path, source: io::Error::other(error) }
            }
            other => StateError::Damaged { path, detail: other.to_string() },
        }
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StateError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

from_redb!(StorageError, TableError, TransactionError, CommitError);
