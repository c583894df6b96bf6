//! Archives that arrive in pieces: the name space of a peer, and the hidden file of an upload from
//! its first chunk to its name.
//!
//! **Invariant:** a file of an upload is removed only by [`Folder::discard_part`], which whoever
//! keeps the upload's record calls, and by a sweep that was not told of it.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::folder::{Folder, foreign};
use super::names::{self, Files};
use super::{ArchiveStore as _, Incoming, LocationError, Writer, marker, publish, scan, sweep};
use crate::durable;
use crate::model::archive::Archive;
use crate::model::name::ArchiveName;
use crate::model::upload::UploadId;

impl Folder {
    /// Whether it is the name space of a peer that never sent anything.
    #[must_use]
    pub fn awaits_its_first_upload(&self) -> bool {
        self.is_name_space && self.recorded().is_none()
    }

    /// Makes the directory of a peer's name space in the location `above`, marked as its own, and
    /// returns the marker's id, to be recorded. One that was recorded must be there.
    ///
    /// # Errors
    /// `Unavailable` when the location is not there; I/O when the directory cannot be made.
    pub fn begin_name_space(&self, above: &Self) -> Result<String, LocationError> {
        above.require()?;
        if let Some(id) = self.recorded() {
            return self.require().map(|()| id);
        }
        // Only the last step of the path: what the location lies on may be gone by now.
        match durable::make_dir(&self.path, 0o700) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.path.is_dir() => {}
            made => self.io("make the folder", &self.path, made)?,
        }
        above.sync(&above.path)?;
        let id = self.io("mark the folder", &self.path, marker::place(&self.path))?;
        self.remember(&id);
        Ok(id)
    }

    /// Makes the hidden file of an upload, as long as all of it will be. It has no content yet, and
    /// takes no space.
    ///
    /// # Errors
    /// `Unavailable`; `Exists`; I/O. Nothing of it is left then.
    pub fn begin_part(&self, upload: UploadId, size: u64) -> Result<File, LocationError> {
        self.require()?;
        self.hidden_dir(&self.incoming_dir())?;
        let path = self.part(Writer::Upload(upload));
        let file = match durable::create_new(&path, 0o600) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(LocationError::Exists { path });
            }
            Err(error) => return Err(self.failed("make the file", &path, error)),
        };
        let made = self
            .io("set the length of", &path, file.set_len(size))
            .and_then(|()| self.io("flush", &path, durable::sync_file(&file, &path)))
            .and_then(|()| self.sync(&self.incoming_dir()));
        match made {
            Ok(()) => Ok(file),
            Err(error) => {
                // The first error is the one to tell; what cannot be removed now is swept later.
                let _ = self.remove_if_there(&path);
                Err(error)
            }
        }
    }

    /// Opens the hidden file of an upload for reading and writing, never through a link; `None`
    /// when it is not there.
    ///
    /// # Errors
    /// `Unavailable`; `Foreign` when it is no regular file of this length; I/O.
    pub fn open_part(&self, upload: UploadId, size: u64) -> Result<Option<File>, LocationError> {
        self.require()?;
        let path = self.part(Writer::Upload(upload));
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || rustix::fs::open(&path, flags, Mode::empty());
        let file = match rustix::io::retry_on_intr(open) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(foreign(&path, "it is a link")),
            Err(error) => return Err(self.failed("open", &path, error.into())),
        };
        let metadata = self.io("look at", &path, file.metadata())?;
        if !metadata.is_file() || metadata.len() != size {
            return Err(foreign(&path, "it is not the file that the upload began with"));
        }
        Ok(Some(file))
    }

    /// Where the hidden file of an upload is.
    #[must_use]
    pub fn part_path(&self, upload: UploadId) -> PathBuf {
        self.part(Writer::Upload(upload))
    }

    /// Removes what an upload left that will not be published. Nothing there is fine.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn discard_part(&self, upload: UploadId) -> Result<(), LocationError> {
        self.require()?;
        let writer = Writer::Upload(upload);
        let intent = publish::intent_path(self, writer);
        if self.is_there(&intent)? {
            if let Some(known) = self.io("read", &intent, publish::read_intent(&intent))? {
                publish::take_back(self, &known)?;
            }
            self.remove_if_there(&intent)?;
        }
        self.discard_landing(upload)?;
        self.remove_if_there(&self.part(writer)).map(drop)
    }

    /// Gives the whole file of an upload its name, as [`publish`](super::ArchiveStore::publish)
    /// does. After an error the hidden file is still there, unless all of it is visible.
    ///
    /// # Errors
    /// `NameTaken`, `Incomplete`, no space, I/O; `Gone` when there is no such file.
    pub fn publish_part(
        &self,
        upload: UploadId,
        archive: &Archive,
        info_json: &[u8],
    ) -> Result<(), LocationError> {
        let (writer, path) = (Writer::Upload(upload), self.part_path(upload));
        let file = self.open_part(upload, archive.file_size)?;
        let file = file.ok_or_else(|| LocationError::Gone { path: path.clone() })?;
        publish::publish(self, &Incoming { writer, file, path }, archive, info_json)?;
        // It is published: what is left of its way is swept where it cannot be removed now.
        let _ = self.discard_landing(upload);
        Ok(())
    }

    /// The archive as its description here has it, if its file is here under its name.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn published(&self, archive: &Archive) -> Result<Option<Archive>, LocationError> {
        self.require()?;
        let files = Files::of(archive, &self.path);
        if !self.is_there(&files.tar)? {
            return Ok(None);
        }
        match scan::read_sidecar(&files.sidecar, &self.name) {
            Ok(found) => Ok((found.id == archive.id).then_some(found)),
            Err(scan::Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(scan::Unreadable::Io(error)) => Err(self.failed("read", &files.sidecar, error)),
            Err(scan::Unreadable::Sidecar(_)) => Ok(None),
        }
    }

    /// Whether anything here has or had a name: an archive in any encoding, the trash, or a
    /// description that was left alone.
    ///
    /// # Errors
    /// When the folder cannot be looked at.
    pub fn is_taken(&self, name: &ArchiveName) -> Result<bool, LocationError> {
        self.require()?;
        let trash = self.trash_dir();
        let taken = |dir| self.io("look into", dir, names::anything_taken(dir, name));
        Ok(taken(&self.path)? || taken(&trash)?)
    }

    /// [`sweep`](super::ArchiveStore::sweep), which also keeps the files of uploads.
    ///
    /// # Errors
    /// When something is there and can be neither read nor removed.
    pub fn sweep_all_but(&self, keep: &[Writer]) -> Result<Vec<String>, LocationError> {
        self.require()?;
        sweep::sweep(self, keep)
    }
}
