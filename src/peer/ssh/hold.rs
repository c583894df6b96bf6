//! A host that keeps archives and has no larder.
//!
//! What our key can do there decides how archives are kept: under the forced command of
//! [`keys`](super::keys), or with a shell, they arrive in `.larder-incoming/`, are hashed there, and
//! get their names by a link, which never replaces. Where only rsync can be had (`rrsync`), rsync
//! gives the name itself, passes over what is there, and compares checksums afterwards. In each
//! case the archive comes after the files that describe it: its name says that all is there.

use std::path::Path;
use std::time::Duration;

use super::rsync::Listed;
use super::{PeerError, Said, Ssh};
use crate::progress::Progress;
use crate::stop::Stop;

mod keep;
mod probe;

/// What runs there; see its head.
const SCRIPT: &str = include_str!("hold.sh");
/// How long an answer without much work may take.
const SHORT: Duration = Duration::from_mins(1);
/// Where files are until they have their names.
const INCOMING: &str = ".larder-incoming";
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

    /// The folder as it stands before a name.
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

    /// Takes a file from there, whatever its size, into a file here that is there already. What
    /// came before something broke is not sent again when the same is asked for once more.
    ///
    /// # Errors
    /// It is not there, or the connection breaks.
    pub fn fetch(
        &self,
        name: &str,
        into: &Path,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        self.ssh.fetch(&format!("{}{name}", self.inside()), into, stop, progress)
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

#[cfg(test)]
mod tests {
    use super::super::rsync::PARTIALLY;
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
