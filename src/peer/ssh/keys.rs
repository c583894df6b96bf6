//! The key of this instance, and the line that lets it in on the other side.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{hold, make_private};
use crate::model::peer::Ssh;
use crate::process::{self, ProcessError};
use crate::stop::Stop;

/// How long the making of a key may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that a public key has.
const PUBLIC_MAX: usize = 16 << 10;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Something of the file system.
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// What could not be done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `ssh-keygen` did not do it.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// What it printed is no key.
    #[error("`{}` holds no key that can be shown", .0.display())]
    NoKey(PathBuf),
}

/// What a key may do where it is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Let<'a> {
    /// Add archives to a folder, and neither delete nor replace any.
    Hold(&'a Path),
    /// Add archives to a folder and remove them, and replace none.
    Prune(&'a Path),
    /// Hand over uploads to a larder there, as the peer of this name.
    Receive(&'a str),
}

/// Where what belongs to SSH is kept.
#[must_use]
pub fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("ssh")
}

/// The lines of this host's public key, where it has made one; no more than a few.
#[must_use]
pub fn public_keys(state_dir: &Path) -> Vec<String> {
    let path = Ssh::default_key(state_dir).with_extension("pub");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).map(str::to_owned).collect()
}

/// Makes an ed25519 key without a passphrase, readable for its owner alone, unless there is one;
/// whether it was made.
///
/// # Errors
/// The folder cannot be made, or `ssh-keygen` cannot be run.
pub fn make(path: &Path, comment: &str, stop: &Stop) -> Result<bool, KeyError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { what, path, source }
    };
    if path.try_exists().map_err(failed("look at", path))? {
        return Ok(false);
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    make_private(parent).map_err(failed("make the folder", parent))?;
    let file = path.display().to_string();
    let argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &file];
    process::output(&argv.map(str::to_owned), PATIENCE, PUBLIC_MAX, stop)?;
    Ok(true)
}

/// The public half of a key, as it stands in `authorized_keys`.
///
/// # Errors
/// It cannot be read.
pub fn public(path: &Path, stop: &Stop) -> Result<String, KeyError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let text = match std::fs::read_to_string(&beside) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let argv = ["ssh-keygen", "-y", "-P", "", "-f", &path.display().to_string()];
            let out = process::output(&argv.map(str::to_owned), PATIENCE, PUBLIC_MAX, stop)?;
            String::from_utf8_lossy(&out).into_owned()
        }
        Err(source) => {
            return Err(KeyError::File { what: "read", path: PathBuf::from(beside), source });
        }
    };
    let line = text.trim();
    let is_key = line.split_whitespace().count() >= 2 && !line.contains(|c: char| c.is_control());
    if is_key { Ok(line.to_owned()) } else { Err(KeyError::NoKey(path.to_owned())) }
}

/// The line for `authorized_keys` that lets a key do this and nothing else.
#[must_use]
pub fn authorized_line(public: &str, allowed: Let<'_>) -> String {
    let command = match allowed {
        Let::Hold(folder) => hold::forced_command(folder, hold::Mode::Hold),
        Let::Prune(folder) => hold::forced_command(folder, hold::Mode::Prune),
        Let::Receive(name) => format!("larder receive {name}"),
    };
    format!("restrict,command=\"{}\" {public}", command.replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_one_and_its_quotes_are_those_of_sshd() {
        let key = "ssh-ed25519 AAAA larder@jerry";
        assert_eq!(
            authorized_line(key, Let::Receive("jerry")),
            "restrict,command=\"larder receive jerry\" ssh-ed25519 AAAA larder@jerry"
        );
        let line = authorized_line(key, Let::Hold(Path::new("/srv/it's")));
        assert!(!line.contains('\n'));
        assert!(
            line.ends_with(" larder-hold '/srv/it'\\''s' hold\" ssh-ed25519 AAAA larder@jerry")
        );
        assert!(line.len() < 8192, "{}", line.len());
    }

    #[test]
    fn a_key_is_made_once_and_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = Ssh::default_key(dir.path());
        assert!(make(&path, "larder@jerry", &Stop::new()).unwrap());
        assert!(!make(&path, "larder@jerry", &Stop::new()).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let line = public(&path, &Stop::new()).unwrap();
        assert!(line.starts_with("ssh-ed25519 ") && line.ends_with(" larder@jerry"), "{line}");
        std::fs::remove_file(path.with_extension("pub")).unwrap();
        assert!(public(&path, &Stop::new()).unwrap().starts_with("ssh-ed25519 "));
    }
}
