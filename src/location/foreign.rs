//! Reading what lies beside our archives: foreign files before they are adopted, and YunoHost's
//! description of an archive.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};

use super::LocationError;
use super::folder::Folder;
use crate::model::archive::Archive;

/// The most that an `info.json` may have: YunoHost's own have some kilobytes.
const INFO_MAX: u64 = 16 << 20;

impl Folder {
    /// Where a file of this name is, or would be.
    #[must_use]
    pub fn path_in(&self, file_name: &str) -> PathBuf {
        self.path.join(file_name)
    }

    /// Opens a file that is not ours for reading; never through a link.
    ///
    /// # Errors
    /// `Foreign` when it is no regular file or its name is not one; I/O.
    pub fn open_foreign(&self, file_name: &str) -> Result<File, LocationError> {
        let path = self.path.join(file_name);
        let foreign =
            |why: &str| LocationError::Foreign { path: path.clone(), why: why.to_owned() };
        if file_name.contains('/') || file_name.starts_with('.') {
            return Err(foreign("it is no file name"));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let io_error = |source| LocationError::Io { what: "open", path: path.clone(), source };
        let file = File::from(
            rustix::io::retry_on_intr(|| rustix::fs::open(&path, flags, Mode::empty()))
                .map_err(|error| io_error(io::Error::from(error)))?,
        );
        if !file.metadata().map_err(io_error)?.is_file() {
            return Err(foreign("it is no regular file"));
        }
        Ok(file)
    }

    /// YunoHost's description of an archive, as it stands beside it.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn info_json(&self, archive: &Archive) -> Result<Vec<u8>, LocationError> {
        let name = format!("{}.info.json", archive.name);
        let mut bytes = Vec::new();
        self.open_foreign(&name)?.take(INFO_MAX).read_to_end(&mut bytes).map_err(|source| {
            LocationError::Io { what: "read", path: self.path.join(&name), source }
        })?;
        Ok(bytes)
    }
}
