//! A host that keeps archives and has no larder.
//!
//! What our key can do there decides how archives are kept: under the forced command of
//! [`keys`](super::keys), or with a shell, they arrive in `.larder-incoming/`, are hashed there, and
//! get their names by a link, which never replaces. Where only rsync can be had (`rrsync`), rsync
//! gives the name itself, passes over what is there, and compares checksums afterwards. In each
//! case the archive comes after the files that describe it: its name says that all is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rsync::{Listed, PARTIALLY};
use super::{PeerError, Said, Ssh};
use crate::model::archive::Sha256;
use crate::progress::Progress;
use crate::stop::Stop;

/// What runs there; see its head.
const SCRIPT: &str = include_str!("hold.sh");
/// How long an answer without much work may take.
const SHORT: Duration = Duration::from_mins(1);
/// How long a host may take to hash a file.
const HASHING: Duration = Duration::from_hours(12);
/// Where files are until they have their names.
const INCOMING: &str = ".larder-incoming";
/// A file that nobody misses.
const PROBE: &str = ".larder-probe";
/// The most that is told at once to remove: a command line has an end.
const REMOVED_AT_ONCE: usize = 100;

/// What the script answers with.
const OTHER_CONTENT: i32 = 65;
const TAKEN: i32 = 66;
const NO_RIGHT: i32 = 69;
const REFUSED: i32 = 77;
const NO_FOLDER: i32 = 78;

/// What a forced command allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To add archives.
    Hold,
    /// To remove them, too.
    Prune,
}

/// What our key can do at a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// What our forced command allows.
    Forced(Mode),
    /// Whatever its user can.
    Shell,
    /// What somebody's restricted rsync allows, in the folder that it names.
    Rsync,
}

/// The command that is forced on a key there.
#[must_use]
pub fn forced_command(folder: &Path, mode: Mode) -> String {
    let mode = match mode {
        Mode::Hold => "hold",
        Mode::Prune => "prune",
    };
    command(folder, mode, &[])
}

fn command(folder: &Path, mode: &str, words: &[&str]) -> String {
    let folder = folder.display().to_string().replace('\'', "'\\''");
    let mut command = format!("exec sh -c '{}' larder-hold '{folder}' {mode}", flat(SCRIPT));
    for word in words {
        command.push(' ');
        command.push_str(word);
    }
    command
}

/// A script on one line.
fn flat(script: &str) -> String {
    let lines = script.lines().map(str::trim);
    let lines: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    lines.join(" ")
}

/// A host whose folder can be used.
#[derive(Debug)]
pub struct Hold<'a> {
    ssh: &'a Ssh,
    way: Way,
}

impl Ssh {
    /// Looks what our key can do there.
    ///
    /// # Errors
    /// It does not answer, lets nobody in, or its folder is not there.
    pub fn hold(&self, stop: &Stop) -> Result<Hold<'_>, PeerError> {
        let said = self.run("larder-hold hello", SHORT, stop)?;
        let way = match (said.is_fine(), said.text().trim()) {
            (true, "larder-hold 1 hold") => Way::Forced(Mode::Hold),
            (true, "larder-hold 1 prune") => Way::Forced(Mode::Prune),
            _ if said.code == Some(NO_FOLDER) => return Err(self.no_folder(&said)),
            // A shell that does not know the word, or a command that refuses it.
            _ => {
                let hold = Hold { ssh: self, way: Way::Shell };
                let said = hold.word("hello", &[], SHORT, stop)?;
                match (said.is_fine(), said.text().trim()) {
                    (true, "larder-hold 1 shell") => Way::Shell,
                    _ if said.code == Some(NO_FOLDER) => return Err(self.no_folder(&said)),
                    _ => Way::Rsync,
                }
            }
        };
        Ok(Hold { ssh: self, way })
    }

    fn no_folder(&self, said: &Said) -> PeerError {
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        self.denied(
            format!("its folder `{}` cannot be used: {}", folder.display(), said.why()),
            Some("make it there, owned by the user that `ssh.user` names"),
        )
    }
}

impl Hold<'_> {
    /// Runs a word of the script.
    fn word(
        &self,
        word: &str,
        words: &[&str],
        timeout: Duration,
        stop: &Stop,
    ) -> Result<Said, PeerError> {
        let mut all = vec!["larder-hold", word];
        all.extend(words);
        match self.way {
            Way::Forced(_) | Way::Rsync => self.ssh.run(&all.join(" "), timeout, stop),
            Way::Shell => {
                let folder = self.ssh.folder.as_deref().unwrap_or(Path::new("."));
                self.ssh.run(&command(folder, "shell", &all), timeout, stop)
            }
        }
    }

    /// The folder as rsync has to be told, with a slash at its end.
    fn folder(&self) -> String {
        match (self.way, &self.ssh.folder) {
            // Both are in it already.
            (Way::Forced(_) | Way::Rsync, _) | (Way::Shell, None) => "./".to_owned(),
            (Way::Shell, Some(folder)) => format!("{}/", folder.display()),
        }
    }

    /// The same before a name.
    fn inside(&self) -> String {
        let folder = self.folder();
        if folder == "./" { String::new() } else { folder }
    }

    /// The files that are there, those of which nobody sees the name left out.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn list(&self, stop: &Stop) -> Result<Vec<Listed>, PeerError> {
        let mut all = self.ssh.list(&self.folder(), stop)?;
        all.retain(|file| !file.name.starts_with('.'));
        Ok(all)
    }

    /// Takes small files from there into a directory here; what is gone meanwhile is left out.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn take(&self, names: &[String], to: &Path, stop: &Stop) -> Result<(), PeerError> {
        self.ssh.get(&self.inside(), names, to, stop)
    }

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

    /// The same for the files of one archive, in this order, none of which has a name there yet
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

    /// Whether our key can delete or replace what is there: tried at a file that nobody misses.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn can_delete(&self, stop: &Stop) -> Result<bool, PeerError> {
        let told = match self.way {
            Way::Shell | Way::Forced(Mode::Prune) => {
                let said = self.word("probe", &[], SHORT, stop)?;
                if !said.is_fine() {
                    return Err(self.ssh.denied(
                        format!("nothing can be written there: {}", said.why()),
                        Some("has the user there the right to write into the folder?"),
                    ));
                }
                said.text().trim() != "kept"
            }
            // It says that it holds; what it is must show in what it refuses.
            Way::Forced(Mode::Hold) => {
                let words = format!("rm -f {PROBE}; echo larder-ran");
                let ran = self.ssh.run(&words, SHORT, stop)?;
                let removes = self.word("remove", &["larder-probe"], SHORT, stop)?;
                ran.text().contains("larder-ran") || removes.code != Some(NO_RIGHT)
            }
            Way::Rsync => false,
        };
        Ok(told || self.rsync_can_delete(stop)?)
    }

    /// Whether rsync, asked for it, replaces, removes or changes a file.
    fn rsync_can_delete(&self, stop: &Stop) -> Result<bool, PeerError> {
        let dir = tempfile::tempdir().map_err(|source| PeerError::Local {
            what: "cannot make a folder for what is tried".to_owned(),
            source,
        })?;
        let here = dir.path().join(PROBE);
        let write = |text: &str| {
            fs::write(&here, text).map_err(|source| PeerError::Local {
                what: "cannot write what is tried".to_owned(),
                source,
            })
        };
        let (one, other) = ("larder tries whether this can be deleted\n", "or replaced\n");
        let folder = self.folder();
        let quiet = Progress::new();
        let try_to = |more: &[&str]| match self.ssh.put(&here, &folder, more, stop, &quiet) {
            Err(error @ PeerError::Stopped(_)) => Err(error),
            // Refused, or not: what is there afterwards says it.
            _ => Ok(()),
        };
        let there = || -> Result<Option<u64>, PeerError> {
            let all = self.ssh.list(&folder, stop)?;
            Ok(all.into_iter().find(|file| file.name == PROBE).map(|file| file.size))
        };
        write(one)?;
        try_to(&[])?;
        let Some(before) = there()? else {
            // Nothing can be written but where everything arrives.
            return Ok(false);
        };
        write(other)?;
        try_to(&["--ignore-times"])?;
        if there()? != Some(before) {
            return Ok(true);
        }
        try_to(&[&format!("--remote-option=--log-file={PROBE}"), "--ignore-times"])?;
        if there()? != Some(before) {
            return Ok(true);
        }
        // All but the file that is tried is out of its reach.
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).map_err(|source| PeerError::Local {
            what: "cannot make a folder for what is tried".to_owned(),
            source,
        })?;
        let include = format!("--include=/{PROBE}");
        self.ssh.try_deleting(&empty, &folder, &[&include, "--exclude=*"], stop)?;
        Ok(there()? != Some(before))
    }

    /// Removes files there, in this order. Those that are gone already are fine.
    ///
    /// # Errors
    /// Our key has no right to; it cannot be asked.
    pub fn remove(&self, names: &[String], stop: &Stop) -> Result<(), PeerError> {
        if matches!(self.way, Way::Rsync | Way::Forced(Mode::Hold)) {
            return Err(self.no_right());
        }
        for batch in names.chunks(REMOVED_AT_ONCE) {
            let words: Vec<&str> = batch.iter().map(String::as_str).collect();
            let said = self.word("remove", &words, SHORT, stop)?;
            match said.code {
                Some(0) => {}
                Some(NO_RIGHT) => return Err(self.no_right()),
                _ => {
                    let why = format!("something cannot be removed there: {}", said.why());
                    return Err(self.ssh.denied(why, None));
                }
            }
        }
        Ok(())
    }

    fn no_right(&self) -> PeerError {
        self.ssh.denied(
            "our key may not remove anything there",
            Some(
                "`prune` needs a line in `authorized_keys` that allows it: `larder peer key NAME` prints it while `prune = true`; or leave expiry to that host, and remove `prune`",
            ),
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_can_stand_within_the_quotes_of_two_shells() {
        let line = flat(SCRIPT);
        assert!(!line.contains(['\'', '\\', '\n']));
        assert!(line.starts_with("set -f; umask 077;") && line.ends_with("esac"));
        assert!(line.contains(INCOMING) && PARTIALLY.ends_with(".larder-partial"));
    }

    #[test]
    fn a_folder_cannot_end_its_quotes() {
        let command = forced_command(Path::new("/a'; rm -rf x; '"), Mode::Prune);
        assert!(command.ends_with("larder-hold '/a'\\''; rm -rf x; '\\''' prune"), "{command}");
    }
}
