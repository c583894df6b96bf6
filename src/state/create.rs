//! How the file comes to be, is opened, checked, brought to the present version, and set aside.
//!
//! A process that dies while redb makes its first file leaves one that never opens: it is therefore
//! made under another name and renamed when it is complete. **Invariant:** all of this happens
//! under the directory's lock.

use std::cell::Cell;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, WriteTransaction};

use crate::durable;

use super::store::begin;
use super::tables::{self, META, VERSION, meta};
use super::{Opened, StateError, logs, lookup};

/// The name of the file in the state's directory.
pub(super) const FILE: &str = "state.redb";
/// Its name until it is complete.
const UNFINISHED: &str = "state.redb.new";
/// The memory that redb may use for pages.
const CACHE: usize = 16 << 20;
/// Names the process that has the state, for whoever finds it in use.
const HOLDER: &str = "holder";
/// How those directories are made that the state's is in: others must get to what larder makes
/// there for them.
const ABOVE: u32 = 0o755;
/// How long another process may take to leave.
const PATIENCE: Duration = Duration::from_millis(300);

/// Brings the tables from version i + 1 to i + 2, where i is the step's index.
type Step = fn(&WriteTransaction) -> Result<(), StateError>;
/// From the first version to [`VERSION`].
const STEPS: &[Step] = &[];

/// A file that was looked at.
pub(super) enum Found {
    Usable { database: Database, rolled_back: bool },
    Unusable(String),
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { path, source }
}

fn sync(dir: &Path) -> Result<(), StateError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir))
}

/// Makes the directory if need be, closed to others, and takes it for this process.
pub(super) fn lock_directory(dir: &Path) -> Result<File, StateError> {
    if !dir.exists() {
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            durable::make_dirs(parent, ABOVE).map_err(failed(parent))?;
            match DirBuilder::new().mode(0o700).create(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(dir)(error));
                }
                Ok(()) | Err(_) => sync(parent)?,
            }
        } else {
            DirBuilder::new().mode(0o700).recursive(true).create(dir).map_err(failed(dir))?;
        }
    }
    let handle = File::open(dir).map_err(failed(dir))?;
    let mode = handle.metadata().map_err(failed(dir))?.permissions().mode();
    if mode & 0o077 != 0 {
        handle.set_permissions(Permissions::from_mode(0o700)).map_err(failed(dir))?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match handle.try_lock() {
            Ok(()) => {
                note_holder(dir);
                return Ok(handle);
            }
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::InUse { dir: dir.to_owned(), holder: holder(dir) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(dir)(error)),
        }
    }
}

/// Says who has the state. It is for people alone: where it cannot be written, it is not known.
fn note_holder(dir: &Path) {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(dir.join(HOLDER));
    let written = file.and_then(|mut file| writeln!(file, "{}", std::process::id()));
    if let Err(error) = written {
        tracing::debug!(%error, "cannot note who has the state");
    }
}

/// The number of the process that has the state, as far as it is known.
fn holder(dir: &Path) -> Option<u32> {
    std::fs::read_to_string(dir.join(HOLDER)).ok()?.trim().parse().ok()
}

/// Opens the file, or makes one where there is none that can be used.
pub(super) fn open_or_create(dir: &Path) -> Result<(Database, Opened), StateError> {
    let path = dir.join(FILE);
    let mut opened = Opened::default();
    if path.symlink_metadata().is_ok() {
        match open_existing(&path)? {
            Found::Usable { database, rolled_back } => {
                opened.rolled_back = rolled_back;
                if rolled_back {
                    skip_used_numbers(&database, dir)?;
                }
                return Ok((database, opened));
            }
            Found::Unusable(_) => opened.set_aside = Some(set_aside(dir, &path)?),
        }
    }
    opened.fresh = true;
    let database = create(dir)?;
    Ok((database, opened))
}

/// Opens, checks and migrates the file at `path`, which must be there.
pub(super) fn open_existing(path: &Path) -> Result<Found, StateError> {
    // redb panics on some damaged files; that is damage like any other.
    let attempt = quietly(|| open_checked(path));
    attempt.unwrap_or_else(|| Ok(Found::Unusable("its structure is damaged".to_owned())))
}

thread_local! {
    /// Whether a panic of this thread is an answer, and nothing to print.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What it returns, or `None` when it panicked, of which nothing is printed. Panics of other threads
/// are printed as ever.
fn quietly<T>(attempt: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                print(info);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(attempt));
    IS_QUIET.set(before);
    result.ok()
}

fn open_checked(path: &Path) -> Result<Found, StateError> {
    let length = path.metadata().map_err(failed(path))?.len();
    if length == 0 {
        return Ok(Found::Unusable("it is empty".to_owned()));
    }
    let mut database = match Builder::new().set_cache_size(CACHE).open(path) {
        Ok(database) => database,
        Err(error) => return unopened(path, error),
    };
    let clean = match verify(&mut database) {
        Ok(clean) => clean,
        Err(StateError::Damaged { detail, .. }) => return Ok(Found::Unusable(detail)),
        Err(StateError::Io { source, .. }) => return Err(failed(path)(source)),
        Err(other) => return Err(other),
    };
    let migrated = read_version(&database).and_then(|found| {
        if found > VERSION {
            return Err(StateError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        migrate(&database, found, STEPS)?;
        lookup::read_everything_small(&database)
    });
    match migrated {
        Ok(()) => {}
        Err(StateError::Damaged { detail, .. }) => return Ok(Found::Unusable(detail)),
        Err(error @ StateError::Record { .. }) => return Ok(Found::Unusable(error.to_string())),
        Err(StateError::Io { source, .. }) => return Err(failed(path)(source)),
        Err(other @ (StateError::InUse { .. } | StateError::Newer { .. })) => return Err(other),
    }
    Ok(Found::Usable { database, rolled_back: !clean })
}

fn unopened(path: &Path, error: DatabaseError) -> Result<Found, StateError> {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            let dir = path.parent().unwrap_or(path).to_owned();
            Err(StateError::InUse { holder: holder(&dir), dir })
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Err(failed(path)(error))
        }
        other => Ok(Found::Unusable(other.to_string())),
    }
}

/// Compares every checksum. `false` when something did not match and redb could go back to an
/// intact state.
pub(super) fn verify(database: &mut Database) -> Result<bool, StateError> {
    let damaged = |detail: String| StateError::Damaged { path: PathBuf::new(), detail };
    let attempt = quietly(|| database.check_integrity());
    match attempt {
        Some(Ok(clean)) => Ok(clean),
        Some(Err(DatabaseError::Storage(redb::StorageError::Io(source))))
            if source.kind() != io::ErrorKind::UnexpectedEof =>
        {
            Err(StateError::Io { path: PathBuf::new(), source })
        }
        Some(Err(error)) => Err(damaged(error.to_string())),
        None => Err(damaged("its structure is damaged".to_owned())),
    }
}

fn read_version(database: &Database) -> Result<u64, StateError> {
    let txn = database.begin_read()?;
    tables::number(&txn.open_table(META)?, meta::VERSION)
}

/// Carries out the steps that are missing, all in one transaction.
fn migrate(database: &Database, found: u64, steps: &[Step]) -> Result<(), StateError> {
    let done = usize::try_from(found.saturating_sub(1)).unwrap_or(usize::MAX);
    let missing = steps.get(done..).unwrap_or_default();
    if missing.is_empty() && tables::are_complete(database)? {
        // Nothing is written, so that a full disk does not keep the file from being opened.
        return Ok(());
    }
    let txn = begin(database)?;
    tables::ensure(&txn)?;
    for step in missing {
        step(&txn)?;
    }
    put_number(&txn, meta::VERSION, steps.len() as u64 + 1)?;
    txn.commit()?;
    Ok(())
}

pub(super) fn put_number(txn: &WriteTransaction, key: &str, number: u64) -> Result<(), StateError> {
    let mut table = txn.open_table(META)?;
    table.insert(key, tables::encode("meta", &number)?.as_slice())?;
    Ok(())
}

/// The first run number that no log of an earlier run has.
fn first_free_number(dir: &Path) -> u64 {
    logs::numbers(dir).into_iter().max().unwrap_or(0) + 1
}

/// Lets run numbers go on above every one that was used, after the counter went back.
pub(super) fn skip_used_numbers(database: &Database, dir: &Path) -> Result<(), StateError> {
    let free = first_free_number(dir);
    let txn = begin(database)?;
    let next = tables::number(&txn.open_table(META)?, meta::NEXT_RUN)?;
    put_number(&txn, meta::NEXT_RUN, next.max(free))?;
    txn.commit()?;
    Ok(())
}

fn create(dir: &Path) -> Result<Database, StateError> {
    let unfinished = dir.join(UNFINISHED);
    let path = dir.join(FILE);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&unfinished)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(failed(&unfinished))?;
    let flushed = file.try_clone().map_err(failed(&unfinished))?;
    let database = match Builder::new().set_cache_size(CACHE).create_file(file) {
        Ok(database) => database,
        Err(DatabaseError::Storage(redb::StorageError::Io(error))) => {
            return Err(failed(&unfinished)(error));
        }
        Err(other) => return Err(failed(&unfinished)(io::Error::other(other))),
    };
    let txn = begin(&database)?;
    tables::ensure(&txn)?;
    put_number(&txn, meta::VERSION, VERSION)?;
    put_number(&txn, meta::NEXT_RUN, first_free_number(dir))?;
    txn.commit()?;
    drop(database);
    flushed.sync_all().map_err(failed(&unfinished))?;
    drop(flushed);
    std::fs::rename(&unfinished, &path).map_err(failed(&path))?;
    sync(dir)?;
    match open_existing(&path)? {
        Found::Usable { database, .. } => Ok(database),
        Found::Unusable(detail) => Err(StateError::Damaged { path, detail }),
    }
}

fn set_aside(dir: &Path, path: &Path) -> Result<PathBuf, StateError> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut target = dir.join(format!("{FILE}.corrupt-{stamp}"));
    let mut number = 2;
    while target.symlink_metadata().is_ok() {
        target = dir.join(format!("{FILE}.corrupt-{stamp}-{number}"));
        number += 1;
    }
    std::fs::rename(path, &target).map_err(failed(path))?;
    sync(dir)?;
    Ok(target)
}

#[cfg(test)]
mod tests;
