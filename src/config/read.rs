//! Reads the directory: every `*.toml` below it, and the facts of the host about them.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Files;
use super::diagnostic::{self, Diagnostic, Severity};

/// Why a configuration directory cannot be read at all. Each of these is an error of its own, and
/// none of them means that nothing is wanted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The directory is not there.
    #[error("the configuration directory `{0}` does not exist")]
    Missing(PathBuf),
    /// What is there is not a directory.
    #[error("the configuration `{0}` is not a directory")]
    NotADirectory(PathBuf),
    /// The directory, or one below it, cannot be listed.
    #[error("the configuration directory `{path}` cannot be read")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no `*.toml` below the directory.
    #[error("the configuration directory `{0}` has no `*.toml` file")]
    Empty(PathBuf),
}

impl ConfigError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            ConfigError::Missing(_) => {
                "name another one with `--config`, or make one with `larder init`"
            }
            ConfigError::NotADirectory(_) => "name the directory that holds the `*.toml` files",
            ConfigError::Io { .. } => "look at its owner and its mode",
            ConfigError::Empty(_) => {
                "make one with `larder init`; an emptied directory is never a wish to have nothing"
            }
        }
    }
}

/// Larger files are no configuration.
const LARGEST_FILE: u64 = 1 << 20;
/// Deeper directories are no configuration.
const DEEPEST: usize = 16;

/// Whose rights the files are judged for.
#[derive(Debug, Clone, Copy)]
struct Host {
    /// The user that reads.
    user: u32,
}

/// Reads every `*.toml` below the directory, in a stable order: not hidden, not `*~`. Links are
/// followed. The diagnostics are those of reading: they come on top of those of
/// [`parse`](super::parse).
///
/// # Errors
/// When the directory is missing, unreadable or has no file.
pub fn read_dir(dir: &Path) -> Result<(Files, Vec<Diagnostic>), ConfigError> {
    read_as(dir, Host { user: rustix::process::geteuid().as_raw() })
}

fn read_as(dir: &Path, host: Host) -> Result<(Files, Vec<Diagnostic>), ConfigError> {
    let mut reading = Reading { root: dir, host, files: Files::default(), diagnostics: Vec::new() };
    let trusted = match fs::metadata(dir) {
        Ok(found) if found.is_dir() => reading.judge(dir, &found),
        Ok(_) => return Err(ConfigError::NotADirectory(dir.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ConfigError::Missing(dir.to_owned()));
        }
        Err(source) => return Err(ConfigError::Io { path: dir.to_owned(), source }),
    };
    if trusted {
        reading.directory(dir, &mut BTreeSet::new(), 0)?;
    } else {
        reading.files.unread.insert(String::new());
    }
    let Reading { files, mut diagnostics, .. } = reading;
    if files.files.is_empty() && files.unread.is_empty() {
        return Err(ConfigError::Empty(dir.to_owned()));
    }
    diagnostic::sort(&mut diagnostics);
    Ok((files, diagnostics))
}

/// Whether a file of this name is read.
pub(super) fn is_ours(name: &str) -> bool {
    // As a shell's `*.toml` has it: `A.TOML` is none.
    name.strip_suffix(".toml").is_some() && !name.starts_with('.')
}

struct Reading<'a> {
    root: &'a Path,
    host: Host,
    files: Files,
    diagnostics: Vec<Diagnostic>,
}

impl Reading<'_> {
    /// `above` holds device and inode of the directories on the way here: a link back up ends.
    fn directory(
        &mut self,
        dir: &Path,
        above: &mut BTreeSet<(u64, u64)>,
        depth: usize,
    ) -> Result<(), ConfigError> {
        let fail = |source| ConfigError::Io { path: dir.to_owned(), source };
        let identity = fs::metadata(dir).map(|found| (found.dev(), found.ino())).map_err(fail)?;
        if depth > DEEPEST || !above.insert(identity) {
            return Ok(());
        }
        let mut names: Vec<_> = fs::read_dir(dir)
            .map_err(fail)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        names.sort();
        for name in names {
            let Some(text) = name.to_str() else { continue };
            if text.starts_with('.') || text.ends_with('~') {
                continue;
            }
            let path = dir.join(&name);
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() => {
                    if self.judge(&path, &found) {
                        self.directory(&path, above, depth + 1)?;
                    } else {
                        self.files.unread.insert(format!("{}/", self.relative(&path)));
                    }
                }
                Ok(found) if is_ours(text) => self.file(&path, &found),
                Err(error) if is_ours(text) => self.unreadable(&path, &error),
                Ok(_) | Err(_) => {}
            }
        }
        above.remove(&identity);
        Ok(())
    }

    fn file(&mut self, path: &Path, found: &Metadata) {
        let rel = self.relative(path);
        if !self.judge(path, found) {
            self.files.unread.insert(rel);
            return;
        }
        if !found.is_file() {
            let message = "this is not a regular file";
            self.diagnostics.push(Diagnostic::of_file(&rel, Severity::Error, message));
            self.files.unread.insert(rel);
            return;
        }
        match read_bounded(path) {
            Ok(Some(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => {
                    self.files.files.insert(rel, text);
                }
                Err(error) => {
                    let good = error.utf8_error().valid_up_to();
                    let before = &error.as_bytes()[..good];
                    let line = before.split(|byte| *byte == b'\n').count();
                    let message = format!("line {line} is not UTF-8");
                    let problem = Diagnostic::of_file(&rel, Severity::Error, message)
                        .with_hint("save the file as UTF-8");
                    self.diagnostics.push(problem);
                    self.files.unread.insert(rel);
                }
            },
            Ok(None) => {
                let problem =
                    Diagnostic::of_file(&rel, Severity::Error, "the file is larger than 1 MiB")
                        .with_hint(
                            "a configuration is not that long; was something else put here?",
                        );
                self.diagnostics.push(problem);
                self.files.unread.insert(rel);
            }
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let rel = self.relative(path);
        // Between listing and reading an editor may have put another file in its place: the
        // watcher comes back for that one.
        let what = if error.kind() == io::ErrorKind::NotFound && path.is_symlink() {
            "this link leads nowhere".to_owned()
        } else {
            format!("the file cannot be read: {error}")
        };
        self.diagnostics.push(Diagnostic::of_file(&rel, Severity::Error, what));
        self.files.unread.insert(rel);
    }

    /// As root: whether nobody else can write this. A foreign owner is a warning.
    fn judge(&mut self, path: &Path, found: &Metadata) -> bool {
        if self.host.user != 0 {
            return true;
        }
        let rel = self.relative(path);
        let what = if found.is_dir() { "directory" } else { "file" };
        let name = if rel.is_empty() { self.root.display().to_string() } else { rel.clone() };
        if found.uid() != 0 {
            let message = format!("the {what} `{name}` belongs to user {}", found.uid());
            let warning = Diagnostic::of_file(&rel, Severity::Warning, message)
                .with_hint("whoever owns it decides what root runs: `chown root`");
            self.diagnostics.push(warning);
        }
        if found.mode() & 0o002 != 0 {
            let message = format!("the {what} `{name}` can be written by everyone");
            let problem = Diagnostic::of_file(&rel, Severity::Error, message)
                .with_hint("`chmod o-w` it: what stands in it is run as root");
            self.diagnostics.push(problem);
            return false;
        }
        true
    }

    fn relative(&self, path: &Path) -> String {
        let rel = path.strip_prefix(self.root).unwrap_or(path);
        let parts: Vec<_> = rel.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

/// The bytes of a file, unless they are too many.
fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    let fits = bytes.len() as u64 <= LARGEST_FILE;
    Ok(fits.then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn who_reads_decides_what_is_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.toml");
        fs::write(&file, "[instance]\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let (files, told) = read_as(dir.path(), Host { user: 1000 }).unwrap();
        assert_eq!((files.files.len(), told.len()), (1, 0), "offline, anybody may look");
        let (files, told) = read_as(dir.path(), Host { user: 0 }).unwrap();
        assert!(files.files.is_empty() && files.unread.contains("a.toml"));
        assert!(told.iter().any(|d| d.is_error() && d.file == "a.toml"));
    }
}
