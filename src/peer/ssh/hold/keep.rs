//! How a file gets to a host, and its name there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Hold, INCOMING, OTHER_CONTENT, REFUSED, TAKEN, Way};
use crate::model::archive::Sha256;
use crate::peer::PeerError;
use crate::peer::ssh::rsync::PARTIALLY;
use crate::progress::Progress;
use crate::stop::Stop;

/// How long a host may take to hash a file.
const HASHING: Duration = Duration::from_hours(12);

impl Hold<'_> {
    /// Gives a file a name there, which is nobody's. One of that name with the same content is
    /// left as it is, and fine; one with other content is an error.
    ///
    /// # Errors
    /// It breaks off (what arrived is there for the next time), the name is taken, or what
    /// arrived is not what was sent.
    pub fn keep(
        &self,
        file: &Path,
        name: &str,
        sha256: Sha256,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        if self.way == Way::Rsync {
            return self.keep_by_rsync(file, name, stop, progress);
        }
        if self.publish(&[(name, sha256)], stop)? {
            return Ok(());
        }
        self.bring(file, name, stop, progress)?;
        if self.publish(&[(name, sha256)], stop)? {
            return Ok(());
        }
        Err(self.differs(name))
    }

    /// Keeps the files of one archive there, in this order, none of which has a name there yet
    /// as far as is known. The names come after all of the bytes.
    ///
    /// # Errors
    /// See [`keep`](Self::keep).
    pub fn keep_all(
        &self,
        files: &[(&Path, &str, Sha256)],
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        if self.way == Way::Rsync {
            return files
                .iter()
                .try_for_each(|(file, name, _)| self.keep_by_rsync(file, name, stop, progress));
        }
        for (file, name, _) in files {
            self.bring(file, name, stop, progress)?;
        }
        let names: Vec<(&str, Sha256)> =
            files.iter().map(|(_, name, hash)| (*name, *hash)).collect();
        if self.publish(&names, stop)? {
            return Ok(());
        }
        Err(self.differs(names.last().map_or("", |(name, _)| name)))
    }

    /// Sends a file to where it has no name yet.
    fn bring(
        &self,
        file: &Path,
        name: &str,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        let to = format!("{}{INCOMING}/{name}", self.inside());
        // What has the same size and time there is not what is sent: its hash was looked at.
        let more = ["--ignore-times", PARTIALLY];
        self.ssh.put(file, &to, &more, stop, progress)
    }

    fn differs(&self, name: &str) -> PeerError {
        self.ssh.denied(
            format!("what arrived of `{name}` is not what was sent"),
            Some("it is sent again; if it stays so, look at the memory and the disk there"),
        )
    }

    /// Gives what has arrived its name, one after the other; whether all are there as they should
    /// be.
    fn publish(&self, names: &[(&str, Sha256)], stop: &Stop) -> Result<bool, PeerError> {
        let words = names.iter().flat_map(|(name, hash)| [(*name).to_owned(), hash.to_string()]);
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let name = names.last().map_or("", |(name, _)| name);
        let said = self.word("publish", &words, HASHING, stop)?;
        match said.code {
            Some(0) => Ok(true),
            Some(OTHER_CONTENT) => Ok(false),
            Some(TAKEN) => Err(self.taken(name)),
            Some(REFUSED) => Err(self.ssh.denied(said.why(), None)),
            _ => Err(self.ssh.denied(
                format!("`{name}` cannot be given its name: {}", said.why()),
                Some("has the user there the right to write into the folder, and is there space?"),
            )),
        }
    }

    fn taken(&self, name: &str) -> PeerError {
        self.ssh.denied(
            format!("`{name}` is there with other content"),
            Some("nothing there is replaced: look who put it there"),
        )
    }

    fn keep_by_rsync(
        &self,
        file: &Path,
        name: &str,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        // Into the folder, under its name: a restricted rsync shows a path that is there as a link.
        let named = Named::new(file, name)?;
        let words = ["--copy-links", "--ignore-existing"];
        let (folder, resuming) = (self.folder(), [words[0], words[1], PARTIALLY]);
        match self.ssh.put(&named.path, &folder, &resuming, stop, progress) {
            // It may not: then it begins anew after every interruption.
            Err(PeerError::Denied { why, .. }) if why.contains("partial-dir") => {
                self.ssh.put(&named.path, &folder, &words, stop, progress)?;
            }
            other => other?,
        }
        if self.ssh.is_same(file, &format!("{folder}{name}"), stop)? {
            Ok(())
        } else {
            Err(self.taken(name))
        }
    }
}

/// A file under the name that it is to have: a link in a folder of its own.
struct Named {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Named {
    fn new(file: &Path, name: &str) -> Result<Self, PeerError> {
        let made = || {
            let dir = tempfile::tempdir()?;
            let path = dir.path().join(name);
            std::os::unix::fs::symlink(file, &path)?;
            Ok(Self { path, _dir: dir })
        };
        made().map_err(|source| PeerError::Local {
            what: format!("cannot make a link of the name `{name}`"),
            source,
        })
    }
}
