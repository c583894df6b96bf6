//! What a run said, as a file of its own: `logs/ID.log` in the state's directory.
//!
//! Logs are for people. They are not part of any transaction: a lost line costs nobody an archive.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::{State, StateError};
use crate::model::run::RunId;

/// The most bytes of a log, not counting the note that says it was cut.
pub const LOG_CAP: u64 = 1 << 20;
/// The last line of a log that was cut.
const CUT: &str = "\n[the log is cut here: it reached 1 MiB]\n";
const FOLDER: &str = "logs";
const ENDING: &str = ".log";
/// `O_NOFOLLOW`: a log is never written through a symlink.
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

fn failed(path: &Path) -> impl Fn(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { path: path.clone(), source }
}

fn path_of(dir: &Path, run: RunId) -> PathBuf {
    dir.join(FOLDER).join(format!("{run}{ENDING}"))
}

fn open_for_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(NO_FOLLOW);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            match DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                Ok(()) | Err(_) => options.open(path),
            }
        }
        other => other,
    }
}

/// The beginning of `text` that has at most `room` bytes and cuts no character in two.
fn that_fits(text: &str, room: u64) -> &str {
    let mut end = usize::try_from(room).unwrap_or(usize::MAX).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Numbers of the runs that have a log, in no order.
pub(super) fn numbers(dir: &Path) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(dir.join(FOLDER)) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(ENDING)?.parse().ok())
        .collect()
}

/// Removes a log; it may be gone already.
pub(super) fn remove(dir: &Path, run: RunId) -> Result<(), StateError> {
    let path = path_of(dir, run);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes logs that were last written before `oldest` and whose run is not known any more.
pub(super) fn sweep(
    dir: &Path,
    oldest: Timestamp,
    is_known: impl Fn(RunId) -> Result<bool, StateError>,
) -> Result<(), StateError> {
    for run in numbers(dir).into_iter().map(RunId) {
        let modified = path_of(dir, run).metadata().and_then(|meta| meta.modified());
        let Ok(modified) = modified.map(Timestamp::try_from) else { continue };
        if modified.is_ok_and(|modified| modified < oldest) && !is_known(run)? {
            remove(dir, run)?;
        }
    }
    Ok(())
}

impl State {
    /// Appends to a run's log as it is: the caller ends its lines. What does not fit within
    /// [`LOG_CAP`] is dropped, with a note in its place.
    ///
    /// # Errors
    /// The disk refuses; the run can go on.
    pub fn append_log(&self, run: RunId, text: &str) -> Result<(), StateError> {
        if self.full_log.load(Ordering::Relaxed) == run.0 && run.0 != 0 {
            return Ok(());
        }
        let path = path_of(self.dir(), run);
        let failed = failed(&path);
        let mut file = open_for_append(&path).map_err(&failed)?;
        let length = file.metadata().map_err(&failed)?.len();
        if length > LOG_CAP {
            self.full_log.store(run.0, Ordering::Relaxed);
            return Ok(());
        }
        let part = that_fits(text, LOG_CAP - length);
        if part.len() == text.len() {
            return file.write_all(text.as_bytes()).map_err(&failed);
        }
        file.write_all(format!("{part}{CUT}").as_bytes()).map_err(&failed)
    }

    /// A run's log; empty when it has none.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn log(&self, run: RunId) -> Result<String, StateError> {
        self.log_since(run, 0).map(|(text, _)| text)
    }

    /// What a run's log has from a byte on, and the byte to ask from next time.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn log_since(&self, run: RunId, from: u64) -> Result<(String, u64), StateError> {
        let path = path_of(self.dir(), run);
        let failed = failed(&path);
        let mut file = match OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((String::new(), from));
            }
            other => other.map_err(&failed)?,
        };
        file.seek(SeekFrom::Start(from)).map_err(&failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(&failed)?;
        // A character whose end is still to come waits for the next time.
        let complete = match std::str::from_utf8(&bytes) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => bytes.len(),
        };
        bytes.truncate(complete);
        Ok((String::from_utf8_lossy(&bytes).into_owned(), from + complete as u64))
    }
}
