//! Where somebody else's program puts a file of an upload: a directory of its own, in which one
//! name is ours.
//!
//! rsync writes under another name and gives this one in one step. Whoever lets it write holds the
//! lock meanwhile, and [`Folder::take_landed`] takes the file only while nobody does: what is taken
//! is not written any more. An empty file has the name from the beginning, so that rsync takes it
//! for one and makes no directory of it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::folder::{Folder, foreign};
use super::{ArchiveStore as _, LocationError, Writer, marker};
use crate::durable;
use crate::model::upload::UploadId;

/// Where these directories are.
const LANDING: &str = ".landing";
/// The name that the file has at last.
pub const LANDED: &str = "landed";
/// The file that is locked.
pub const LOCK: &str = "lock";

impl Folder {
    fn landing(&self, upload: UploadId) -> PathBuf {
        let all = self.path.join(LANDING);
        let unsigned = all.join(upload.to_string());
        // As with the files of uploads: what began with an earlier version goes on.
        if unsigned.is_dir() { unsigned } else { all.join(self.sign(&upload.to_string())) }
    }

    /// Makes the directory of an upload, or finds it.
    ///
    /// # Errors
    /// `Unavailable`; I/O.
    pub fn open_landing(&self, upload: UploadId) -> Result<PathBuf, LocationError> {
        self.require()?;
        let dir = self.landing(upload);
        self.io("make the directory", &dir, marker::make_dirs(&dir))?;
        for name in [LANDED, LOCK] {
            let path = dir.join(name);
            match durable::create_new(&path, 0o600) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.failed("make the file", &path, error)),
            }
        }
        Ok(dir)
    }

    /// Makes what landed the hidden file of its upload, as long as `size`; whether it was there as a
    /// whole. The bytes are still to be compared with their hash.
    ///
    /// # Errors
    /// `Foreign` while somebody still writes, and when it is no file that was written here; I/O.
    pub fn take_landed(&self, upload: UploadId, size: u64) -> Result<bool, LocationError> {
        self.require()?;
        let dir = self.landing(upload);
        let landed = dir.join(LANDED);
        let metadata = match landed.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(self.failed("look at", &landed, error)),
        };
        if metadata.len() != size {
            return Ok(false);
        }
        let lock = self.io("open", &dir, File::open(dir.join(LOCK)))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(foreign(&landed, "it is still being written"));
        }
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err(foreign(&landed, "it is not a file of its own"));
        }
        // Nobody but us from here on, whoever wrote it.
        let made_ours = || -> io::Result<()> {
            if metadata.uid() != rustix::process::geteuid().as_raw() {
                std::os::unix::fs::chown(
                    &landed,
                    Some(rustix::process::geteuid().as_raw()),
                    Some(rustix::process::getegid().as_raw()),
                )?;
            }
            fs::set_permissions(&landed, fs::Permissions::from_mode(0o600))?;
            durable::sync_file(&File::open(&landed)?, &landed)
        };
        self.io("take over", &landed, made_ours())?;
        let part = self.part(Writer::Upload(upload));
        self.hidden_dir(&self.incoming_dir())?;
        self.io("move", &landed, fs::rename(&landed, &part))?;
        self.sync(&self.incoming_dir())?;
        Ok(true)
    }

    /// Removes what an upload left where it landed. Nothing there is fine.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub(super) fn discard_landing(&self, upload: UploadId) -> Result<(), LocationError> {
        let dir = self.landing(upload);
        self.io("remove", &dir, remove_all(&dir))
    }

    /// Removes what landed of uploads that are not kept.
    pub(super) fn sweep_landings(
        &self,
        keep: &[Writer],
        done: &mut Vec<String>,
    ) -> Result<(), LocationError> {
        let all = self.path.join(LANDING);
        let entries = match fs::read_dir(&all) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => self.io("list", &all, other)?,
        };
        for entry in entries {
            let entry = self.io("list", &all, entry)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(upload) = self.sweepable(&all, &name) else { continue };
            let writer = upload.parse().ok().map(Writer::Upload);
            if writer.is_some_and(|writer| keep.contains(&writer)) {
                continue;
            }
            self.io("remove", &entry.path(), remove_all(&entry.path()))?;
            done.push(format!("removed what landed of `{name}`, which nobody goes on with"));
        }
        Ok(())
    }
}

/// Removes a directory with all that is in it, or what is in its place.
fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => durable::remove(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
