//! Deleting: first into the trash, where it can be taken back, later for good.
//!
//! The trash has a description with the deadline *before* the archive moves, and the archive
//! moves before anything else does. So each archive is whole in one of both places at every
//! moment, and each of these functions finishes what a crash left of an earlier call.

use jiff::Timestamp;

use super::folder::{Folder, foreign, not_ours};
use super::names::Files;
use super::{LocationError, sidecar};
use crate::durable;
use crate::model::archive::{Archive, Condition};

pub(super) fn trash(
    folder: &Folder,
    archive: &Archive,
    until: Timestamp,
) -> Result<(), LocationError> {
    let here = Files::of(archive, &folder.path);
    let there = Files::of(archive, &folder.trash_dir());
    require_ours(folder, archive, &here)?;
    let in_trash = folder.is_there(&there.tar)?;
    if in_trash && folder.owner(&there.sidecar)?.is_some_and(|id| id != archive.id) {
        return Err(folder.taken(&archive.name));
    }
    let is_here = folder.is_there(&here.tar)?;
    if !is_here && !in_trash {
        return Err(LocationError::Gone { path: here.tar });
    }
    folder.hidden_dir(&folder.trash_dir())?;
    let trashed = Archive { condition: Condition::Trashed { until }, ..archive.clone() };
    let text = sidecar::to_text(&trashed);
    let written = durable::write_atomic(&there.sidecar, text.as_bytes(), folder.access());
    folder.io("write", &there.sidecar, written)?;
    if is_here {
        move_tar(folder, archive, &here, &there)?;
    }
    clear_here(folder, archive, &here, &there)
}

/// What is left in the main folder of an archive that is in the trash.
pub(super) fn clear_here(
    folder: &Folder,
    archive: &Archive,
    here: &Files,
    there: &Files,
) -> Result<(), LocationError> {
    if folder.owner(&here.sidecar)? == Some(archive.id) {
        if folder.is_there(&here.info)? {
            if folder.is_there(&there.info)? {
                folder.remove_if_there(&here.info)?;
            } else {
                let moved = durable::publish_new(&here.info, &there.info);
                folder.io("move into the trash", &here.info, moved)?;
            }
            folder.sync(&folder.trash_dir())?;
        }
        folder.remove_if_there(&here.sidecar)?;
    }
    folder.sync(&folder.path)
}

pub(super) fn untrash(folder: &Folder, archive: &Archive) -> Result<(), LocationError> {
    let here = Files::of(archive, &folder.path);
    let there = Files::of(archive, &folder.trash_dir());
    let in_trash = folder.is_there(&there.tar)?;
    // Where files move by a link and an unlink, a crash in between leaves both names.
    let is_here = folder.is_there(&here.tar)? && !durable::same_file(&here.tar, &there.tar);
    let mine = folder.owner(&here.sidecar)?;
    match (is_here, in_trash) {
        (false, false) => return Err(LocationError::Gone { path: there.tar }),
        (true, _) if mine != Some(archive.id) => return Err(folder.taken(&archive.name)),
        (true, true) => return Err(folder.taken(&archive.name)),
        (true, false) | (false, true) => {}
    }
    if !is_here {
        if mine.is_some_and(|id| id != archive.id) {
            return Err(folder.taken(&archive.name));
        }
        if folder.owner(&there.sidecar)?.is_some_and(|id| id != archive.id) {
            return Err(not_ours(&there.sidecar));
        }
        let back = Archive { condition: Condition::Present, ..archive.clone() };
        let text = sidecar::to_text(&back);
        let written = durable::write_atomic(&here.sidecar, text.as_bytes(), folder.access());
        folder.io("write", &here.sidecar, written)?;
        if folder.is_there(&there.info)? && !folder.is_there(&here.info)? {
            let moved = durable::publish_new(&there.info, &here.info);
            folder.io("take back", &there.info, moved)?;
        }
        move_tar(folder, archive, &there, &here)?;
    }
    clear_trash(folder, archive, &there)
}

/// What is left in the trash of an archive that is not there any more.
pub(super) fn clear_trash(
    folder: &Folder,
    archive: &Archive,
    there: &Files,
) -> Result<(), LocationError> {
    if folder.owner(&there.sidecar)? == Some(archive.id) {
        folder.remove_if_there(&there.info)?;
        folder.remove_if_there(&there.sidecar)?;
        folder.sync(&folder.trash_dir())?;
    }
    Ok(())
}

impl Folder {
    /// Whether no deletion of an archive has begun: its file has its name, and the trash does not
    /// have it.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn is_untouched(&self, archive: &Archive) -> Result<bool, LocationError> {
        self.require()?;
        let in_trash = self.is_there(&Files::of(archive, &self.trash_dir()).tar)?;
        Ok(!in_trash && self.is_there(&Files::of(archive, &self.path).tar)?)
    }
}

pub(super) fn unlink(folder: &Folder, archive: &Archive) -> Result<(), LocationError> {
    let here = Files::of(archive, &folder.path);
    let there = Files::of(archive, &folder.trash_dir());
    let from_trash = matches!(archive.condition, Condition::Trashed { .. });
    let is_here = folder.is_there(&here.tar)?;
    if !(from_trash && is_here) {
        require_ours(folder, archive, &here)?;
        let removed = folder.remove_if_there(&here.tar)?;
        if removed {
            folder.sync(&folder.path)?;
        }
    }
    if folder.owner(&there.sidecar)? == Some(archive.id) {
        if folder.remove_if_there(&there.tar)? {
            folder.sync(&folder.trash_dir())?;
        }
        clear_trash(folder, archive, &there)?;
    }
    if !(from_trash && is_here) && folder.owner(&here.sidecar)? == Some(archive.id) {
        folder.remove_if_there(&here.info)?;
        folder.remove_if_there(&here.sidecar)?;
        folder.sync(&folder.path)?;
    }
    Ok(())
}

/// A file in the main folder is ours when the description beside it says so.
fn require_ours(folder: &Folder, archive: &Archive, here: &Files) -> Result<(), LocationError> {
    match folder.owner(&here.sidecar)? {
        Some(id) if id == archive.id => Ok(()),
        Some(_) if folder.is_there(&here.tar)? => Err(not_ours(&here.sidecar)),
        None if folder.is_there(&here.tar)? => {
            Err(foreign(&here.tar, "no description says that it is ours"))
        }
        Some(_) | None => Ok(()),
    }
}

fn move_tar(
    folder: &Folder,
    archive: &Archive,
    from: &Files,
    to: &Files,
) -> Result<(), LocationError> {
    match durable::publish_new(&from.tar, &to.tar) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(folder.taken(&archive.name));
        }
        other => folder.io("move", &from.tar, other)?,
    }
    folder.sync(&folder.trash_dir())?;
    folder.sync(&folder.path)
}
