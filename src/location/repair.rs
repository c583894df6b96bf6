//! A whole file in the place of a damaged one.
//!
//! **Invariant:** the damaged one keeps a name until long after the whole one has its own: what it
//! still holds can be looked at.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use super::folder::Folder;
use super::names::Files;
use super::{ArchiveStore as _, Incoming, LocationError, sweep};
use crate::durable;
use crate::model::archive::Archive;

/// What stands behind the name of a damaged file in the trash.
const DAMAGED: &str = ".damaged";
/// How long it stays there.
const KEPT: Duration = Duration::from_hours(7 * 24);

impl Folder {
    /// Puts the file that was written and proved in the place of the damaged one of `archive`, in one
    /// step; the damaged one is set aside in the trash. The description stays what it was: whoever
    /// calls this updates it.
    ///
    /// # Errors
    /// `Gone` when the damaged one is not there; `Incomplete`; I/O. The damaged one is still there
    /// then, or the new one.
    pub fn repair(&self, incoming: &Incoming, archive: &Archive) -> Result<(), LocationError> {
        self.require()?;
        let here = Files::of(archive, &self.path).tar;
        if !self.is_there(&here)? {
            return Err(LocationError::Gone { path: here });
        }
        let length = self.io("look at", &incoming.path, incoming.file.metadata())?.len();
        if length != archive.file_size {
            let (path, expected) = (incoming.path.clone(), archive.file_size);
            return Err(LocationError::Incomplete { path, actual: length, expected });
        }
        let access = durable::set_access(&incoming.file, &incoming.path, self.access());
        self.io("set the mode of", &incoming.path, access)?;
        let flushed = durable::sync_file(&incoming.file, &incoming.path);
        self.io("flush", &incoming.path, flushed)?;
        self.set_aside(&here)?;
        let replaced = durable::replace(&incoming.path, &here);
        self.io("put the whole file in the place of", &here, replaced)?;
        self.sync(&self.incoming_dir())?;
        self.sync(&self.path)
    }

    /// Gives a damaged file a second name in the trash. Where there are no such names, it has one.
    fn set_aside(&self, here: &std::path::Path) -> Result<(), LocationError> {
        let trash = self.trash_dir();
        self.hidden_dir(&trash)?;
        let Some(name) = here.file_name() else { return Ok(()) };
        let mut aside = name.to_owned();
        aside.push(DAMAGED);
        let aside = trash.join(aside);
        self.remove_if_there(&aside)?;
        match fs::hard_link(here, &aside) {
            Ok(()) => self.sync(&trash),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(self.failed("set aside", here, error)),
        }
    }
}

/// Removes damaged files that were set aside long ago.
pub(super) fn forget_damaged(folder: &Folder, done: &mut Vec<String>) -> Result<(), LocationError> {
    let trash = folder.trash_dir();
    for name in sweep::file_names(folder, &trash)? {
        let Some(of) = name.strip_suffix(DAMAGED) else { continue };
        let path = trash.join(&name);
        let changed = folder.io("look at", &path, fs::symlink_metadata(&path))?.ctime();
        let changed = Duration::from_secs(changed.unsigned_abs());
        let age = SystemTime::UNIX_EPOCH
            .elapsed()
            .ok()
            .and_then(|now| now.checked_sub(changed))
            .unwrap_or_default();
        if age > KEPT {
            folder.remove_if_there(&path)?;
            done.push(format!("removed the damaged file of `{of}`, which was replaced"));
        }
    }
    Ok(())
}
