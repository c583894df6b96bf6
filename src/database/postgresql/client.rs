//! PostgreSQL's programs, run as who may, connected to where the job says.
//!
//! **Invariant:** a password is in a file that has no name and is readable for us alone: programs
//! find it by our descriptor, and it is gone with us, whatever ends us.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;
use rustix::fs::{MemfdFlags, Mode};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use super::said::{Said, of_process};
use crate::database::DatabaseError;
use crate::model::desired::SecretRef;
use crate::model::job::Database;
use crate::process::{Outcome, Pipe, PipeError, with_us};
use crate::secret;
use crate::stop::Stop;

/// How long a small question may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);
/// The most bytes of an answer to a small question.
const ANSWER: usize = 16 << 20;
/// Debian's package of the programs that every host with dumps needs.
pub(super) const CLIENT_PACKAGE: &str = "postgresql-client";
/// The user who owns the server, by custom.
pub(super) const OWNER: &str = "postgres";

/// A way to a server.
#[derive(Debug)]
pub(super) struct Client {
    /// Words before the program, by which it runs as another user.
    prefix: Vec<String>,
    /// Options of every program: where the server is, and who we are there.
    server: Vec<String>,
    env: Vec<(String, String)>,
    /// Whether the job says where the server is.
    is_named: bool,
    user: String,
    timeout: Duration,
    _password: Option<File>,
}

impl Client {
    /// A way to the server of `access`; nothing is asked of it yet.
    ///
    /// # Errors
    /// The password cannot be had.
    pub(super) fn new(access: &Database, timeout: Duration) -> Result<Self, DatabaseError> {
        let mut env =
            vec![("PGCONNECT_TIMEOUT".into(), "15".into()), ("PGAPPNAME".into(), "larder".into())];
        let mut prefix = Vec::new();
        let somebody = somebody_else(access);
        if let Some(user) = &somebody {
            prefix = become_user(user);
            env.push(("HOME".to_owned(), user.dir.display().to_string()));
        }
        let password = match &access.password {
            None => None,
            Some(reference) => Some(password_file(reference)?),
        };
        if let Some(file) = &password {
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            env.push(("PGPASSFILE".to_owned(), path));
        }
        let mut server = vec!["-w".to_owned()];
        let mut port = access.port;
        if let Some(host) = &access.host {
            server.extend(["-h".to_owned(), host.clone()]);
        } else if let Some(socket) = &access.socket {
            let (directory, its_port) = directory_of_socket(socket);
            server.extend(["-h".to_owned(), directory.display().to_string()]);
            port = port.or(its_port);
        }
        if let Some(port) = port {
            server.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &access.user {
            server.extend(["-U".to_owned(), user.clone()]);
        }
        let user = access.user.clone().or(somebody.map(|user| user.name));
        let user = user.unwrap_or_else(|| "who we are".to_owned());
        let is_named = access.host.is_some() || access.socket.is_some();
        Ok(Self { prefix, server, env, is_named, user, timeout, _password: password })
    }

    /// Runs a program that connects, to its end; it must succeed.
    ///
    /// # Errors
    /// It failed, as a [`DatabaseError`]; or `take` did.
    pub(super) fn run(
        &self,
        program: &'static str,
        arguments: &[String],
        input: Option<File>,
        stop: &Stop,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Said, Trouble> {
        self.run_behind(self.prefix.clone(), program, arguments, input, stop, take)
    }

    /// Runs a program like [`run`](Self::run) that must not go on without us: should we be killed,
    /// it goes too.
    pub(super) fn run_with_us(
        &self,
        program: &'static str,
        arguments: &[String],
        input: Option<File>,
        stop: &Stop,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Said, Trouble> {
        let mut prefix = with_us();
        if let (Some((_, rest)), false) = (self.prefix.split_first(), prefix.is_empty()) {
            prefix.pop();
            prefix.extend_from_slice(rest);
        } else {
            prefix.extend_from_slice(&self.prefix);
        }
        self.run_behind(prefix, program, arguments, input, stop, take)
    }

    fn run_behind(
        &self,
        prefix: Vec<String>,
        program: &'static str,
        arguments: &[String],
        input: Option<File>,
        stop: &Stop,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Said, Trouble> {
        let mut argv = prefix;
        let path = find(program, CLIENT_PACKAGE)?;
        argv.push(if self.is_named { unwrapped(path, program) } else { path });
        argv.extend_from_slice(&self.server);
        argv.extend_from_slice(arguments);
        let pipe = Pipe { argv: &argv, env: &self.env, input, timeout: self.timeout };
        let (said, outcome) = listen(pipe, program, stop, take)?;
        if outcome.status.success() {
            return Ok(said);
        }
        Err(Trouble::Database(said.judge(program, outcome.status, &self.user)))
    }

    /// Runs a program whose output is small, and returns it.
    pub(super) fn output(
        &self,
        program: &'static str,
        arguments: &[String],
        stop: &Stop,
    ) -> Result<Vec<u8>, DatabaseError> {
        let mut kept = Vec::new();
        let taken = self.run(program, arguments, None, stop, &mut |bytes| {
            if kept.len() + bytes.len() > ANSWER {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            kept.extend_from_slice(bytes);
            Ok(())
        });
        taken.map_err(|trouble| trouble.or_io(program))?;
        Ok(kept)
    }

    /// The values of the only column of a question's answer.
    pub(super) fn values(
        &self,
        database: &str,
        question: &str,
        stop: &Stop,
    ) -> Result<Vec<String>, DatabaseError> {
        let mut arguments: Vec<String> =
            ["-XAtq0", "-v", "ON_ERROR_STOP=1", "-d"].map(str::to_owned).into();
        arguments.push(conninfo(database));
        arguments.extend(["-c".to_owned(), question.to_owned()]);
        let answer = self.output("psql", &arguments, stop)?;
        let values = answer.split(|byte| *byte == 0);
        let mut values: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        // Each record ends with the separator.
        values.pop();
        Ok(values)
    }

    /// The first value of an answer.
    pub(super) fn value(
        &self,
        database: &str,
        question: &str,
        stop: &Stop,
    ) -> Result<Option<String>, DatabaseError> {
        Ok(self.values(database, question, stop)?.into_iter().next())
    }

    /// Runs a script of SQL; it stops at the first error unless it says otherwise.
    pub(super) fn script(
        &self,
        database: &str,
        script: &[u8],
        stop: &Stop,
    ) -> Result<Said, DatabaseError> {
        let mut arguments: Vec<String> =
            ["-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-d"]
                .map(str::to_owned)
                .into();
        arguments.push(conninfo(database));
        // By this it names the line of an error.
        arguments.extend(["-f".to_owned(), "-".to_owned()]);
        let input = nameless(script).map_err(|source| DatabaseError::Io {
            what: "keep a script for `psql`".to_owned(),
            source,
        })?;
        self.run("psql", &arguments, Some(input), stop, &mut |_| Ok(()))
            .map_err(|trouble| trouble.or_io("psql"))
    }

    /// Who the server takes us for.
    pub(super) fn user(&self) -> &str {
        &self.user
    }
}

/// Why a program did not do what it was run for.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It, or the server.
    Database(DatabaseError),
    /// Its output could not be kept.
    Kept(io::Error),
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        Trouble::Database(error)
    }
}

impl Trouble {
    /// For output that is kept in memory.
    pub(super) fn or_io(self, program: &str) -> DatabaseError {
        match self {
            Trouble::Database(error) => error,
            Trouble::Kept(source) => {
                DatabaseError::Io { what: format!("keep what `{program}` wrote"), source }
            }
        }
    }
}

/// Runs a program and keeps the beginning of what it says.
pub(super) fn listen(
    pipe: Pipe<'_>,
    program: &str,
    stop: &Stop,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(Said, Outcome), Trouble> {
    let mut said = Said::default();
    match pipe.run(stop, take, &mut |line| said.push(line)) {
        Ok(outcome) => Ok((said, outcome)),
        Err(PipeError::Process(error)) => Err(of_process(error, program).into()),
        Err(PipeError::Taker(error)) => Err(Trouble::Kept(error)),
    }
}

/// A database for `-d`, where a bare name may be taken for something else.
pub(super) fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Whom the server knows by the user of the system, when that is not who we are.
fn somebody_else(access: &Database) -> Option<User> {
    if access.host.is_some() || access.password.is_some() {
        return None;
    }
    let known = |name: &str| User::from_name(name).ok().flatten();
    let wanted = access.user.as_deref().and_then(known).or_else(|| known(OWNER))?;
    let may = rustix::process::geteuid().is_root() && !wanted.uid.is_root();
    may.then_some(wanted)
}

/// The words by which root runs a program as somebody else. Unlike `runuser` nothing stays
/// between us and the program.
pub(super) fn become_user(user: &User) -> Vec<String> {
    vec![
        "setpriv".to_owned(),
        format!("--reuid={}", user.uid),
        format!("--regid={}", user.gid),
        "--init-groups".to_owned(),
        "--".to_owned(),
    ]
}

/// The directory that a socket is in, and the port that its name tells.
fn directory_of_socket(socket: &Path) -> (PathBuf, Option<u16>) {
    let name = socket.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match (name.strip_prefix(".s.PGSQL."), socket.parent()) {
        (Some(port), Some(parent)) => (parent.to_owned(), port.parse().ok()),
        _ => (socket.to_owned(), None),
    }
}

/// A password file without a name.
fn password_file(reference: &SecretRef) -> Result<File, DatabaseError> {
    let password = secret::read(reference).map_err(DatabaseError::Secret)?;
    let mut line = Zeroizing::new(String::from("*:*:*:*:"));
    for character in password.expose_secret().chars() {
        match character {
            '\n' | '\r' | '\0' => {
                return Err(DatabaseError::Failed {
                    program: "psql".to_owned(),
                    said: "a password with a line break cannot be given to it".to_owned(),
                });
            }
            ':' | '\\' => line.extend(['\\', character]),
            plain => line.push(plain),
        }
    }
    line.push('\n');
    nameless(line.as_bytes()).map_err(|source| DatabaseError::Io {
        what: "keep the password for `psql`".to_owned(),
        source,
    })
}

/// A file in memory that only we can read, at its beginning.
pub(super) fn nameless(bytes: &[u8]) -> io::Result<File> {
    let file = File::from(rustix::fs::memfd_create("larder", MemfdFlags::CLOEXEC)?);
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    (&file).write_all(bytes)?;
    reopen(&file)
}

/// Opens a file once more, at its beginning, for a program of its own.
pub(super) fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The full path of a program: by `PATH`, else the newest of Debian's.
///
/// # Errors
/// [`DatabaseError::Missing`].
pub(super) fn find(program: &'static str, package: &'static str) -> Result<String, DatabaseError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let by_path = std::env::split_paths(&path).map(|directory| directory.join(program));
    let mut all = by_path.chain(newest_first().into_iter().map(|bin| bin.join(program)));
    let found = all.find(|path| path.is_absolute() && path.is_file());
    found.map(|path| path.display().to_string()).ok_or(DatabaseError::Missing { program, package })
}

/// What Debian's wrapper would run: it looks for the server on this host, and where that is known
/// it takes the newest version. Without it a program starts in a fraction of the time.
pub(super) fn unwrapped(path: String, program: &str) -> String {
    let is_wrapper = std::fs::canonicalize(&path).is_ok_and(|real| real.ends_with("pg_wrapper"));
    let newest = newest_first().into_iter().map(|bin| bin.join(program));
    let direct = is_wrapper.then(|| newest.into_iter().find(|path| path.is_file())).flatten();
    direct.map_or(path, |direct| direct.display().to_string())
}

/// Debian's directories of PostgreSQL's programs, the newest version first.
fn newest_first() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let version = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()).unwrap_or(0)
    };
    let mut all: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.sort_by_key(|path| std::cmp::Reverse(version(path)));
    all.into_iter().map(|path| path.join("bin")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_name_is_never_taken_for_a_connection() {
        assert_eq!(conninfo("it's = \\ host=evil"), "dbname='it\\'s = \\\\ host=evil'");
    }

    #[test]
    fn a_socket_may_be_named_itself_or_by_its_directory() {
        let check = |path: &str| directory_of_socket(Path::new(path));
        assert_eq!(check("/run/pg"), ("/run/pg".into(), None));
        assert_eq!(check("/run/pg/.s.PGSQL.5433"), ("/run/pg".into(), Some(5433)));
    }

    #[test]
    fn a_password_is_in_a_file_without_a_name_and_open_to_nobody() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "a:b\\c d\n").unwrap();
        std::fs::set_permissions(secret.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = password_file(&SecretRef::File(secret.path().to_owned())).unwrap();
        let (metadata, text) = (file.metadata().unwrap(), io::read_to_string(&file).unwrap());
        assert_eq!(text, "*:*:*:*:a\\:b\\\\c d\n");
        assert_eq!((metadata.permissions().mode() & 0o7777, metadata.nlink()), (0o600, 0));
        std::fs::write(secret.path(), "a\nb").unwrap();
        assert!(password_file(&SecretRef::File(secret.path().to_owned())).is_err());
    }
}
