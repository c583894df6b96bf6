//! Secrets: read when they are needed, held where they cannot be printed, never kept.
//!
//! **Invariants:** no error, log line or `Debug` form of this module holds a secret or a part of one;
//! when running as root, a secret that somebody else could have read or written is refused instead of
//! used.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::model::desired::SecretRef;
use crate::model::hex;
use crate::model::token::PREFIX;
use crate::process::{self, ProcessError};
use crate::stop::Stop;

/// The most bytes of a secret.
const LARGEST: usize = 64 << 10;
/// How long a program may take to print one.
const PATIENCE: Duration = Duration::from_secs(30);
/// `O_NONBLOCK`: a fifo in the place of a file must not hold us up.
const NON_BLOCKING: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// A token of 256 random bits, as this program makes them.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_token() -> Result<Zeroizing<String>, getrandom::Error> {
    let random = random()?;
    let digits = Zeroizing::new(hex::encode(random.as_slice()));
    // Long enough from the start: a text that grows leaves copies behind.
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + digits.len()));
    token.push_str(PREFIX);
    token.push_str(&digits);
    Ok(token)
}

/// 256 random bits.
///
/// # Errors
/// The system gives no random numbers.
pub fn random() -> Result<Zeroizing<[u8; 32]>, getrandom::Error> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut_slice())?;
    Ok(random)
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its file cannot be read.
    #[error("the secret file `{}` could not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its file is not a regular file.
    #[error("the secret `{}` is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others may read or write its file.
    #[error("the secret file `{}` is open to others (mode {mode:03o})", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its file belongs to somebody else.
    #[error("the secret file `{}` belongs to user {owner}, who can change it", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// The user's number.
        owner: u32,
    },
    /// There are no credentials, or the name is not one.
    #[error("there is no credential `{name}`: {reason}")]
    Credential {
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The variable is not set.
    #[error("the environment has no variable `{name}`")]
    Env {
        /// Its name.
        name: String,
    },
    /// The program that prints it did not.
    #[error("the program `{program}`, which is to print a secret, did not: {reason}")]
    Command {
        /// The program, without its arguments.
        program: String,
        /// Why, without anything that it printed.
        reason: String,
    },
    /// It is empty.
    #[error("the secret from {place} is empty")]
    Empty {
        /// Where it was looked for.
        place: String,
    },
    /// It is longer than a secret can be.
    #[error("the secret from {place} is longer than {LARGEST} bytes")]
    TooLong {
        /// Where it was looked for.
        place: String,
    },
    /// It is not text.
    #[error("the secret from {place} is not UTF-8 text")]
    NotText {
        /// Where it was looked for.
        place: String,
    },
}

impl SecretError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            SecretError::File { path, source } => Some(match source.kind() {
                io::ErrorKind::NotFound => {
                    format!("create it: `install -m 600 /dev/stdin {}`", path.display())
                }
                _ => format!("check `ls -l {}`", path.display()),
            }),
            SecretError::Open { path, .. } => Some(format!(
                "`chmod 600 {}`, and change the secret if others may have read it",
                path.display()
            )),
            SecretError::Owner { path, .. } => Some(format!("`chown root {}`", path.display())),
            SecretError::Credential { name, .. } => Some(format!(
                "give it to the service: `LoadCredential={name}:/path/of/the/secret` in a drop-in of larder.service"
            )),
            SecretError::Env { name } => Some(format!(
                "set `{name}` where the daemon is started; a file is the better place for a secret"
            )),
            SecretError::Empty { .. } => {
                Some("write the secret there, without anything else".to_owned())
            }
            SecretError::TooLong { .. } | SecretError::NotText { .. } => {
                Some("check that it is the right place".to_owned())
            }
            SecretError::NotAFile { .. } | SecretError::Command { .. } => None,
        }
    }
}

/// Reads a secret; one newline at its end is dropped.
///
/// # Errors
/// It is not there, is empty or no text, or, when running as root, somebody else can read or write
/// its file.
pub fn read(secret: &SecretRef) -> Result<SecretString, SecretError> {
    match secret {
        SecretRef::File(path) => read_file(path, rustix::process::geteuid().is_root()),
        SecretRef::Credential(name) => {
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
            read_credential(name, directory.as_deref())
        }
        SecretRef::Env(name) => {
            process::withhold(name);
            let value = std::env::var_os(name)
                .ok_or_else(|| SecretError::Env { name: name.clone() })?
                .into_encoded_bytes();
            accept(Zeroizing::new(value), || format!("the variable `{name}`"))
        }
        SecretRef::Command(argv) => read_output(argv),
    }
}

fn read_file(path: &Path, is_root: bool) -> Result<SecretString, SecretError> {
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(NON_BLOCKING).open(path).map_err(failed)?;
    // The opened file is judged, not its name, which may lead elsewhere a moment later.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile { path: path.to_owned() });
    }
    if is_root {
        judge(path, &metadata)?;
    }
    let bytes = read_up_to_largest(&file).map_err(failed)?;
    accept(bytes, || format!("the file `{}`", path.display()))
}

/// Whether only root can read and write it.
fn judge(path: &Path, metadata: &Metadata) -> Result<(), SecretError> {
    if metadata.uid() != 0 {
        return Err(SecretError::Owner { path: path.to_owned(), owner: metadata.uid() });
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o066 != 0 {
        return Err(SecretError::Open { path: path.to_owned(), mode });
    }
    Ok(())
}

fn read_up_to_largest(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Enough from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 2));
    file.take(LARGEST as u64 + 2).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// systemd made the directory and guards it: its modes are not ours to judge.
fn read_credential(name: &str, directory: Option<&Path>) -> Result<SecretString, SecretError> {
    let refused = |reason| SecretError::Credential { name: name.to_owned(), reason };
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(refused("that is no name of a credential"));
    }
    let directory = directory.ok_or_else(|| refused("systemd gave none to this process"))?;
    let path = directory.join(name);
    match read_file(&path, false) {
        Err(SecretError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Err(refused("systemd gave others to this process, not this one"))
        }
        other => other,
    }
}

fn read_output(argv: &[String]) -> Result<SecretString, SecretError> {
    let program = argv.first().cloned().unwrap_or_default();
    let bytes = process::output(argv, PATIENCE, LARGEST + 2, &Stop::new()).map_err(|error| {
        let reason = match &error {
            // What it said may be the secret.
            ProcessError::Failed { explanation, .. } => format!("it {explanation}"),
            ProcessError::Start { source, .. } | ProcessError::Lost { source, .. } => {
                format!("{error}: {source}")
            }
            ProcessError::Empty
            | ProcessError::NotFound { .. }
            | ProcessError::TimedOut { .. }
            | ProcessError::Stopped { .. }
            | ProcessError::TooMuch { .. } => error.to_string(),
        };
        SecretError::Command { program: program.clone(), reason }
    })?;
    accept(bytes, || format!("the program `{program}`"))
}

/// The bytes without one newline at their end, as text.
fn accept(
    mut bytes: Zeroizing<Vec<u8>>,
    place: impl FnOnce() -> String,
) -> Result<SecretString, SecretError> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(SecretError::Empty { place: place() });
    }
    if bytes.len() > LARGEST {
        return Err(SecretError::TooLong { place: place() });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText { place: place() })?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    const SECRET: &str = "correct horse battery staple";

    fn file_with(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn check(content: &[u8]) -> Result<String, SecretError> {
        let file = file_with(content, 0o600);
        read(&SecretRef::File(file.path().to_owned()))
            .map(|secret| secret.expose_secret().to_owned())
    }

    fn command(line: &str) -> SecretRef {
        SecretRef::Command(["/bin/sh", "-c", line].map(str::to_owned).into())
    }

    #[test]
    fn one_newline_at_the_end_does_not_belong_to_the_secret() {
        assert_eq!(check(b"abc\n").unwrap(), "abc");
        assert_eq!(check(b"abc\r\n").unwrap(), "abc");
        assert_eq!(check(b"abc").unwrap(), "abc");
        assert_eq!(check(b"abc\n\n").unwrap(), "abc\n");
        assert_eq!(check(b" abc ").unwrap(), " abc ");
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused() {
        assert!(matches!(check(b""), Err(SecretError::Empty { .. })));
        assert!(matches!(check(b"\n"), Err(SecretError::Empty { .. })));
        assert!(matches!(check(b"\xff\xfe"), Err(SecretError::NotText { .. })));
        assert!(matches!(check(&vec![b'a'; LARGEST + 9]), Err(SecretError::TooLong { .. })));
        assert_eq!(check(&vec![b'a'; LARGEST]).unwrap().len(), LARGEST);
        let dir = tempfile::tempdir().unwrap();
        let refused = read(&SecretRef::File(dir.path().to_owned()));
        assert!(matches!(refused, Err(SecretError::NotAFile { .. })));
    }

    #[test]
    fn root_takes_no_secret_that_others_could_have_read_or_written() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o660, 0o666, 0o644] {
            let file = file_with(SECRET.as_bytes(), mode);
            let metadata = file.path().metadata().unwrap();
            if metadata.uid() == 0 {
                let error = judge(file.path(), &metadata).unwrap_err();
                assert!(matches!(error, SecretError::Open { .. }), "{mode:o}");
                assert!(error.hint().unwrap().starts_with("`chmod 600 "));
                assert!(error.to_string().ends_with(&format!("(mode {mode:03o})")));
                assert!(read(&SecretRef::File(file.path().to_owned())).is_err());
            } else {
                let error = judge(file.path(), &metadata).unwrap_err();
                assert!(matches!(error, SecretError::Owner { .. }));
                assert!(read(&SecretRef::File(file.path().to_owned())).is_ok());
            }
        }
    }

    #[test]
    fn root_takes_no_secret_that_belongs_to_somebody_else() {
        let file = file_with(SECRET.as_bytes(), 0o600);
        if std::os::unix::fs::chown(file.path(), Some(65_534), None).is_err() {
            println!("skipped: only root can give a file away");
            return;
        }
        let error = read(&SecretRef::File(file.path().to_owned())).unwrap_err();
        assert!(matches!(error, SecretError::Owner { owner: 65_534, .. }));
        assert_eq!(error.hint().unwrap(), format!("`chown root {}`", file.path().display()));
    }

    #[test]
    fn a_secret_that_is_not_there_comes_with_the_way_to_put_it_there() {
        let error = read(&SecretRef::File("/nonexistent/larder/secret".into())).unwrap_err();
        assert!(error.hint().unwrap().contains("install -m 600"));
        let error = read(&SecretRef::Env("LARDER_NO_SUCH_SECRET".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "the environment has no variable `LARDER_NO_SUCH_SECRET`");
        let error = read_credential("tom", None).unwrap_err();
        assert!(error.hint().unwrap().contains("LoadCredential=tom:"));
    }

    #[test]
    fn a_credential_is_a_file_of_systemds_directory_and_no_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tom"), "abc\n").unwrap();
        assert_eq!(read_credential("tom", Some(dir.path())).unwrap().expose_secret(), "abc");
        for name in ["", "..", "../tom", "/etc/passwd", "a/b"] {
            let error = read_credential(name, Some(dir.path())).unwrap_err();
            assert!(matches!(error, SecretError::Credential { .. }), "{name}");
        }
        assert!(read_credential("jane", Some(dir.path())).is_err());
    }

    #[test]
    fn a_secret_can_come_from_the_environment_or_a_program() {
        let home = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let secret = read(&SecretRef::Env("CARGO_MANIFEST_DIR".to_owned())).unwrap();
        assert_eq!(secret.expose_secret(), home);
        assert_eq!(read(&command("echo abc")).unwrap().expose_secret(), "abc");
    }

    #[test]
    fn no_message_holds_a_part_of_the_secret() {
        let shown = |secret: &SecretRef| {
            let shown = match read(secret) {
                Ok(secret) => format!("{secret:?}"),
                Err(error) => format!("{error} {error:?} {:?}", error.hint()),
            };
            assert!(!shown.contains("horse"), "{shown}");
        };
        let file = file_with(SECRET.as_bytes(), 0o600);
        shown(&SecretRef::File(file.path().to_owned()));
        let broken = file_with(&[SECRET.as_bytes(), b"\xff"].concat(), 0o600);
        shown(&SecretRef::File(broken.path().to_owned()));
        shown(&command("echo 'correct horse'"));
        shown(&command("echo 'correct horse'; echo 'battery horse' >&2; exit 1"));
        shown(&command("printf 'horse\\377'"));
        shown(&command("head -c 100000 /dev/zero | tr '\\0' h; echo horse"));
    }
}
