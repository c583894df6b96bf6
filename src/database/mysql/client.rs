//! One way to talk to a server: through the client programs, with an options file of our own.
//!
//! **Invariant:** statements go in through the standard input and the password through a file of
//! mode 0600 that lies in memory and has no name: neither is ever an argument or a variable of a
//! process, and nothing is left of either, even when we are killed.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use crate::database::said::{cut_short, without_values};
use crate::database::{DatabaseError, MissingProgram};
use crate::model::job::Database;
use crate::process::{Pipe, ProcessError};
use crate::secret;
use crate::stop::Stop;

/// The client, by its two names.
pub(super) const CLIENT: [&str; 2] = ["mariadb", "mysql"];
/// The dump program, by its two names.
pub(super) const DUMP: [&str; 2] = ["mariadb-dump", "mysqldump"];
/// The client reads statements and no commands of its own, some of which run programs of the
/// shell: what an archive says goes to the server and nowhere else.
pub(super) const NO_COMMANDS: &str = "--binary-mode";
/// Debian's package of both.
const PACKAGE: &str = "mariadb-client";
/// The most that an answer may have.
const MOST: usize = 64 << 20;
/// How long a question may take where nobody says.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The access to one server.
#[derive(Debug)]
pub(super) struct Client {
    options: Option<File>,
    environment: Vec<(String, String)>,
    user: String,
    timeout: Duration,
    stop: Stop,
}

impl Client {
    /// Reads the password and writes the options file, where anything is to be said.
    pub(super) fn new(
        access: &Database,
        timeout: Duration,
        stop: &Stop,
    ) -> Result<Self, DatabaseError> {
        let text = options_text(access)?;
        let options = if text.is_empty() { None } else { Some(options_file(&text)?) };
        // `~/.my.cnf` is read after our file and would win over it.
        let is_ours = access.user.is_some() || access.password.is_some();
        let home = ("HOME".to_owned(), "/nonexistent".to_owned());
        let user = match &access.user {
            Some(user) => user.clone(),
            None if rustix::process::geteuid().is_root() => "root".to_owned(),
            None => "the user that larder runs as".to_owned(),
        };
        Ok(Self {
            options,
            environment: if is_ours { vec![home] } else { Vec::new() },
            user,
            timeout,
            stop: stop.clone(),
        })
    }

    /// Ends what is under way when this says stop from now on, and nobody else.
    pub(super) fn set_stop(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    /// A program with its options: first of all the file.
    pub(super) fn argv(
        &self,
        names: [&'static str; 2],
        more: &[&str],
    ) -> Result<Vec<String>, DatabaseError> {
        let program = find(names).ok_or(missing(names))?;
        let mut argv = vec![program];
        if let Some(file) = &self.options {
            // Opened by this path, it is ours: whoever runs as another user cannot.
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            argv.push(format!("--defaults-extra-file={path}"));
        }
        argv.extend(more.iter().map(|&word| word.to_owned()));
        Ok(argv)
    }

    /// Runs a program to its end. An exit status other than 0 is an error.
    pub(super) fn run(
        &self,
        argv: &[String],
        input: Option<File>,
        database: &str,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), RunError> {
        let pipe = Pipe { argv, env: &self.environment, input, timeout: self.timeout };
        let ended = pipe.run(&self.stop, take, &mut |_| {});
        match ended {
            Err(crate::process::PipeError::Taker(error)) => Err(RunError::Taker(error)),
            Err(crate::process::PipeError::Process(error)) => {
                Err(RunError::Database(self.explain(error, database)))
            }
            Ok(outcome) => match outcome.success() {
                Ok(_) => Ok(()),
                Err(error) => Err(RunError::Database(self.explain(error, database))),
            },
        }
    }

    /// Asks, and returns the rows of the answer.
    pub(super) fn query(
        &self,
        database: Option<&str>,
        statements: &str,
    ) -> Result<Vec<Vec<String>>, DatabaseError> {
        let options = [
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            NO_COMMANDS,
            "--",
        ];
        let mut argv = self.argv(CLIENT, &options)?;
        argv.extend(database.map(str::to_owned));
        let input = memory_file(statements).map_err(|source| DatabaseError::Io {
            what: "keep the statements for the server".to_owned(),
            source,
        })?;
        let mut said = Vec::new();
        self.run(&argv, Some(input), database.unwrap_or_default(), &mut |bytes| {
            if said.len() + bytes.len() > MOST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            said.extend_from_slice(bytes);
            Ok(())
        })
        .map_err(|error| match error {
            RunError::Database(error) => error,
            RunError::Taker(_) => DatabaseError::Process(ProcessError::TooMuch {
                program: argv[0].clone(),
                cap: MOST,
            }),
        })?;
        let text = String::from_utf8_lossy(&said);
        Ok(text.lines().map(|line| line.split('\t').map(unescape).collect()).collect())
    }

    /// Asks for one number.
    pub(super) fn number(&self, statement: &str) -> Result<u64, DatabaseError> {
        let rows = self.query(None, statement)?;
        let value = rows.first().and_then(|row| row.first());
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// What the failure of a program means.
    fn explain(&self, error: ProcessError, database: &str) -> DatabaseError {
        let (program, how, tail) = match error {
            ProcessError::Failed { program, explanation, tail } => (program, explanation, tail),
            ProcessError::TimedOut { program, after, tail } => {
                (program, format!("took longer than {} s", after.as_secs()), tail)
            }
            ProcessError::NotFound { program } => {
                let names = if program.contains("dump") { DUMP } else { CLIENT };
                return missing(names)
                    .map_program(|known| if program.ends_with(known) { known } else { names[0] });
            }
            error => return error.into(),
        };
        let said = without_values(&cut_short(complaint(&tail)));
        match number_of(&said) {
            Some(1044 | 1045 | 1142 | 1143 | 1227 | 1251 | 1370 | 1410 | 1698 | 1524 | 1820) => {
                DatabaseError::Refused { user: self.user.clone(), said }
            }
            Some(
                1040
                | 1053
                | 1129
                | 1130
                | 1152
                | 1158..=1161
                | 1203
                | 1226
                | 1317
                | 1927
                | 2001..=2006
                | 2012
                | 2013
                | 2026
                | 2055,
            ) => DatabaseError::Unreachable { said },
            Some(1049) if !database.is_empty() => DatabaseError::Unknown(database.to_owned()),
            Some(_) | None => {
                let program = Path::new(&program)
                    .file_name()
                    .map_or_else(|| program.clone(), |name| name.to_string_lossy().into_owned());
                let said = if said.is_empty() { how } else { format!("it {how}: {said}") };
                DatabaseError::Failed { program, said }
            }
        }
    }
}

/// Why a program did not do what it was run for.
#[derive(Debug)]
pub(super) enum RunError {
    Database(DatabaseError),
    /// Whoever took its output could not go on.
    Taker(io::Error),
}

impl DatabaseError {
    fn map_program(self, with: impl FnOnce(&'static str) -> &'static str) -> Self {
        match self {
            DatabaseError::Missing { program, package } => {
                DatabaseError::Missing { program: with(program), package }
            }
            other => other,
        }
    }
}

fn missing(names: [&'static str; 2]) -> DatabaseError {
    DatabaseError::Missing { program: names[0], package: PACKAGE }
}

/// The first program that a dump needs and that is not there.
pub(super) fn missing_program() -> Option<MissingProgram> {
    let gone = [DUMP, CLIENT].into_iter().find(|names| find(*names).is_none())?;
    Some(MissingProgram { program: gone[0], package: PACKAGE })
}

/// The first of the names that is a program here, by its path.
pub(super) fn find(names: [&str; 2]) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The path of a service may be short.
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let places: Vec<PathBuf> = std::env::split_paths(&path).chain(usual).collect();
    names.into_iter().find_map(|name| {
        let mut candidates = places.iter().map(|place| place.join(name));
        let found = candidates.find(|path| {
            path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
        })?;
        found.into_os_string().into_string().ok()
    })
}

/// The part of what a program said that complains: the client repeats the whole statement first,
/// which may hold any data.
fn complaint(tail: &str) -> &str {
    let mut found = tail.rmatch_indices("ERROR ").map(|(at, _)| at);
    let begins = found.find(|at| *at == 0 || tail[..*at].ends_with('\n'));
    begins.map_or(tail, |at| &tail[at..])
}

/// The number of an error as the programs write it: `ERROR 1045 (28000)`, `Got error: 1045:`,
/// `Error 2013:`, `(1142)`.
fn number_of(said: &str) -> Option<u32> {
    let lower = said.to_ascii_lowercase();
    let digits = |text: &str| {
        let text = text.trim_start_matches([' ', ':']);
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse::<u32>().ok().filter(|_| end == 4)
    };
    let after_word =
        lower.match_indices("error").find_map(|(at, word)| digits(&lower[at + word.len()..]));
    after_word.or_else(|| {
        let at = lower.rfind('(')?;
        digits(&lower[at + 1..])
    })
}

fn options_text(access: &Database) -> Result<Zeroizing<String>, DatabaseError> {
    // Large enough from the start: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(16 << 10));
    let mut line = |key: &str, value: &str| {
        if text.is_empty() {
            text.push_str("[client]\n");
        }
        text.push_str(key);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                other => text.push(other),
            }
        }
        text.push_str("\"\n");
    };
    if let Some(user) = &access.user {
        line("user", user);
    }
    if let Some(password) = &access.password {
        let password = secret::read(password).map_err(DatabaseError::Secret)?;
        line("password", password.expose_secret());
    }
    if let Some(socket) = &access.socket {
        line("socket", &socket.to_string_lossy());
    } else if access.host.is_some() || access.port.is_some() {
        let host = access.host.as_deref().unwrap_or("127.0.0.1");
        line("host", host);
        // For the programs, `localhost` without a port means the socket.
        if host != "localhost" || access.port.is_some() {
            line("protocol", "tcp");
        }
        if let Some(port) = access.port {
            line("port", &port.to_string());
        }
    }
    Ok(text)
}

/// The options file of the programs.
fn options_file(text: &str) -> Result<File, DatabaseError> {
    memory_file(text).map_err(|source| DatabaseError::Io {
        what: "write the options file of the client".to_owned(),
        source,
    })
}

/// A file in memory, without a name, that no other user can read; it stands at its beginning.
fn memory_file(text: &str) -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("larder", flags)?);
    // The programs pass over a file that everybody may write.
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// A value as `--batch` writes it, as it is.
fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('0') => text.push('\0'),
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    text
}

/// A name as an identifier of SQL.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as an expression of SQL that holds under every `sql_mode`.
pub(super) fn text(value: &str) -> String {
    use std::fmt::Write as _;
    let mut digits = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        let _ = write!(digits, "{byte:02X}");
    }
    format!("CONVERT(X'{digits}' USING utf8)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_error_is_found_however_it_is_written() {
        for (said, number) in [
            ("ERROR 1045 (28000): Access denied for user", Some(1045)),
            ("mariadb-dump: Got error: 2002: \"Can't connect\" when trying to connect", Some(2002)),
            ("mariadb-dump: Error 2013: Lost connection to server", Some(2013)),
            ("mariadb-dump: Couldn't execute 'show events': Access denied (1044)", Some(1044)),
            ("the error is 12", None),
            ("", None),
        ] {
            assert_eq!(number_of(said), number, "{said}");
        }
    }

    #[test]
    fn a_statement_that_is_repeated_is_no_complaint() {
        let tail = "--------------\nINSERT 'ERROR 1045'\nERROR x\n--------------\n\nERROR 1064 (42000) at line 2: near";
        assert_eq!(complaint(tail), "ERROR 1064 (42000) at line 2: near");
        assert_eq!(complaint("mariadb-dump: Got error: 2002"), "mariadb-dump: Got error: 2002");
    }

    #[test]
    fn a_value_of_a_batch_is_read_as_it_was() {
        assert_eq!(unescape("a\\nb\\\\n\\tc\\0"), "a\nb\\n\tc\0");
    }
}
