//! Hidden files of a location: what is under way there, whose it is, and who may sweep it.
//!
//! **Invariant:** what another instance has under way in a folder that is shared is left alone, until
//! nobody has written it for a long time.

use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::folder::Folder;
use super::signer::{Signed, is_forgotten};
use super::{LocationError, Writer};
use crate::durable;
use crate::model::name::InstanceName;
use crate::model::run::RunId;

impl Folder {
    pub(super) fn part(&self, writer: Writer) -> PathBuf {
        let name = format!("{writer}.tar.part");
        let unsigned = self.incoming_dir().join(&name);
        // An upload that began with an earlier version goes on where it is: its number is nobody
        // else's.
        if matches!(writer, Writer::Upload(_)) && unsigned.is_file() {
            return unsigned;
        }
        self.hidden(&name)
    }

    /// The path of a hidden file of this instance.
    pub(super) fn hidden(&self, name: &str) -> PathBuf {
        self.incoming_dir().join(self.sign(name))
    }

    /// Makes a hidden file for what a run needs beside the archive that it writes. It is removed
    /// with what is returned, and by the next sweep after a crash.
    ///
    /// # Errors
    /// The location is not there, or the file cannot be made.
    pub fn begin_scratch(&self, run: RunId) -> Result<TempPath, LocationError> {
        self.require()?;
        self.hidden_dir(&self.incoming_dir())?;
        let path = self.hidden(&format!("{}.scratch", Writer::Run(run)));
        self.remove_if_there(&path)?;
        let made = durable::create_new(&path, 0o600);
        self.io("make the file", &path, made)?;
        let kept = TempPath::try_from_path(&path);
        self.io("use the file", &path, kept)
    }

    /// A name of something that is under way here.
    pub(super) fn sign(&self, name: &str) -> String {
        self.signer.as_ref().map_or_else(|| name.to_owned(), |signer| signer.sign(name))
    }

    /// What the name of something in `dir` says that is under way, where it is ours to sweep.
    pub(super) fn sweepable<'a>(&self, dir: &Path, name: &'a str) -> Option<&'a str> {
        let Some(signer) = &self.signer else { return Some(name) };
        match signer.read(name) {
            Signed::Ours(rest) => Some(rest),
            Signed::Anothers => None,
            Signed::Unsigned => is_forgotten(&dir.join(name)).then_some(name),
        }
    }

    /// Whether nobody else changes an archive of this origin here; the name space of a peer is
    /// this instance's alone.
    pub(super) fn is_changed_by_us_alone(&self, origin: &InstanceName) -> bool {
        self.is_name_space || self.signer.as_ref().is_none_or(|signer| signer.is(origin))
    }

    /// Whether no other instance changes anything here.
    pub(super) fn is_not_shared(&self) -> bool {
        self.is_name_space || self.signer.is_none()
    }
}
