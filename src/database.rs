//! Databases: dumped, listed and loaded by the programs of their own makers.
//!
//! [`source`] is a dump as members of an archive; [`load`] puts one back; a [`Throwaway`] server
//! proves that a dump can be loaded, without touching anything that is real.
//!
//! **Invariants:** no password is ever in an argument, in the environment of another process or in
//! a log: MariaDB reads an options file, PostgreSQL a `PGPASSFILE`, both 0600 and gone afterwards.
//! Every process' exit status is looked at, and no dump counts that does not end as its program
//! ends one. What a server says may hold data: only its first lines are told, cut short.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::job::Database;
use crate::model::words::words;
use crate::process::ProcessError;
use crate::progress::Progress;
use crate::secret::SecretError;
use crate::source::Source;
use crate::stop::{Stop, Stopped};

pub mod mysql;
pub mod postgresql;
mod options;
mod said;
mod spool;

pub use options::tells_a_password;

/// Where directories go that the user of a throw-away server must get to: what `TMPDIR` names,
/// unless it is closed to others.
///
/// The daemon's unit names one: there, neither `/tmp` nor `/var/tmp` may be written.
#[must_use]
pub fn place_for_servers(otherwise: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let is_open = |dir: &PathBuf| {
        dir.is_absolute()
            && std::fs::metadata(dir).is_ok_and(|dir| dir.permissions().mode() & 0o001 != 0)
    };
    let named = std::env::var_os("TMPDIR").map(PathBuf::from);
    named.filter(is_open).unwrap_or_else(|| otherwise.to_owned())
}

words! {
    /// Which kind of server.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Kind {
        /// MariaDB or MySQL.
        Mysql = "mysql",
        /// PostgreSQL.
        Postgresql = "postgresql",
    }
}

impl Kind {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Mysql => "MariaDB",
            Kind::Postgresql => "PostgreSQL",
        }
    }
}

/// What is dumped, and how.
#[derive(Debug, Clone)]
pub struct Dump<'a> {
    /// How the server is reached. Its `database` may be `*`; `name` counts.
    pub access: &'a Database,
    /// The database.
    pub name: &'a str,
    /// A directory on a real disk, for the dump while its length is not known: the location's.
    pub spool: &'a Path,
    /// The most time that one program may take.
    pub timeout: Duration,
}

/// What is loaded, and where to.
#[derive(Debug, Clone)]
pub struct Load<'a> {
    /// How the server is reached.
    pub access: &'a Database,
    /// The database, as it was called when it was dumped.
    pub name: &'a str,
    /// The directory that holds the dump's members by their names: `DATABASE.sql` and so on.
    pub dumps: &'a Path,
    /// Where a dump of the database that is there now is kept before it is replaced; it is made
    /// in the form of an archive's members. `None`: what is there is dropped.
    pub aside: Option<&'a Path>,
    /// The most time that one program may take.
    pub timeout: Duration,
}

/// What came of a load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Tables that are there now.
    pub tables: u64,
    /// What somebody should look at, one line each: a role that could not be made, a right that
    /// could not be given.
    pub remarks: Vec<String>,
    /// Whether what was there before was set aside, and where it is: a directory, or another
    /// database of the server.
    pub set_aside: Option<String>,
}

/// What a load set aside and is to be back.
#[derive(Debug, Clone)]
pub struct Back<'a> {
    /// How the server is reached.
    pub access: &'a Database,
    /// The database, as it was called.
    pub name: &'a str,
    /// Where it is: [`Loaded::set_aside`], or [`Load::aside`] when nobody heard of that.
    pub place: &'a str,
    /// The most time that one program may take.
    pub timeout: Duration,
}

/// A program that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingProgram {
    /// The program.
    pub program: &'static str,
    /// Debian's package that has it.
    pub package: &'static str,
}

/// What could not be done with a database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A program of the database is not installed.
    #[error("`{program}` is not installed")]
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package that has it.
        package: &'static str,
    },
    /// The server does not let us in.
    #[error("the server refuses `{user}`: {said}")]
    Refused {
        /// The user.
        user: String,
        /// What it said, cut short.
        said: String,
    },
    /// The server cannot be reached, or went away.
    #[error("the server cannot be reached: {said}")]
    Unreachable {
        /// What the program said, cut short.
        said: String,
    },
    /// There is no such database.
    #[error("there is no database `{0}`")]
    Unknown(String),
    /// A dump is not whole.
    #[error("the dump `{name}` is not whole: {why}")]
    Cut {
        /// The dump.
        name: String,
        /// How that is known.
        why: String,
    },
    /// A program failed.
    #[error("`{program}` failed: {said}")]
    Failed {
        /// The program.
        program: String,
        /// What it said, cut short.
        said: String,
    },
    /// A file could not be read or written.
    #[error("could not {what}")]
    Io {
        /// What could not be done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The password cannot be had.
    #[error("the password cannot be read")]
    Secret(#[source] SecretError),
    /// A program could not be run.
    #[error(transparent)]
    Process(ProcessError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl DatabaseError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            DatabaseError::Missing { package, .. } => format!("`apt install {package}`"),
            DatabaseError::Refused { .. } => {
                "check `user` and `password`, and what the user may do; over the local socket, `user` may be left out".to_owned()
            }
            DatabaseError::Unreachable { .. } => {
                "does the server run? check `host`, `port` and `socket`".to_owned()
            }
            DatabaseError::Unknown(_) => {
                "check `database`, or end the job with `state = \"absent\"`".to_owned()
            }
            DatabaseError::Cut { .. } => "use another archive: nothing was changed".to_owned(),
            DatabaseError::Failed { .. } => "the log of the run has what it said".to_owned(),
            DatabaseError::Io { .. } => "look at the disk and its free space".to_owned(),
            DatabaseError::Secret(error) => {
                error.hint().unwrap_or_else(|| "look at where the password is kept".to_owned())
            }
            DatabaseError::Process(error) => {
                error.hint_of_ours().unwrap_or_else(|| "look at the log of the run".to_owned())
            }
            DatabaseError::Stopped(_) => "run it again".to_owned(),
        }
    }
}

impl From<ProcessError> for DatabaseError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Stopped { reason, .. } => DatabaseError::Stopped(reason),
            error => DatabaseError::Process(error),
        }
    }
}

/// A dump as the members of an archive, read when they are asked for.
#[must_use]
pub fn source(kind: Kind, dump: &Dump<'_>, stop: &Stop, progress: &Progress) -> Box<dyn Source> {
    match kind {
        Kind::Mysql => mysql::source(dump, stop, progress),
        Kind::Postgresql => postgresql::source(dump, stop, progress),
    }
}

/// The databases of a server that belong to somebody: not the server's own.
///
/// # Errors
/// See [`DatabaseError`].
pub fn list(kind: Kind, access: &Database, stop: &Stop) -> Result<Vec<String>, DatabaseError> {
    match kind {
        Kind::Mysql => mysql::list(access, stop),
        Kind::Postgresql => postgresql::list(access, stop),
    }
}

/// How large a database is, in bytes; `None` when there is none of this name.
///
/// # Errors
/// See [`DatabaseError`].
pub fn size(
    kind: Kind,
    access: &Database,
    name: &str,
    stop: &Stop,
) -> Result<Option<u64>, DatabaseError> {
    match kind {
        Kind::Mysql => mysql::size(access, name, stop),
        Kind::Postgresql => postgresql::size(access, name, stop),
    }
}

/// Puts a database back from its dump: the dump is proved whole first, what is there is set aside,
/// and all of it is loaded or none, where the server can.
///
/// # Errors
/// See [`DatabaseError`]. Says so when what was there before could not be put back.
pub fn load(
    kind: Kind,
    load: &Load<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<Loaded, DatabaseError> {
    match kind {
        Kind::Mysql => mysql::load(load, stop, log),
        Kind::Postgresql => postgresql::load(load, stop, log),
    }
}

/// Puts back what a load set aside; what has its name now is dropped.
///
/// # Errors
/// See [`DatabaseError`]; `Unknown` when what was set aside is not on the server any more.
pub fn put_back(
    kind: Kind,
    back: &Back<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<(), DatabaseError> {
    let Back { access, name, place, timeout } = *back;
    match kind {
        Kind::Mysql => {
            let load = Load { access, name, dumps: Path::new(place), aside: None, timeout };
            mysql::load(&load, stop, log).map(drop)
        }
        Kind::Postgresql => postgresql::put_back(back, stop, log),
    }
}

/// Whether a statement answers with one value that is true (`1`, `t`, `true`).
///
/// # Errors
/// When it cannot be run: the first line of what the server says is in the error.
pub fn holds(
    kind: Kind,
    access: &Database,
    name: &str,
    statement: &str,
    stop: &Stop,
) -> Result<bool, DatabaseError> {
    match kind {
        Kind::Mysql => mysql::holds(access, name, statement, stop),
        Kind::Postgresql => postgresql::holds(access, name, statement, stop),
    }
}

/// The first program that a dump needs and this host lacks.
#[must_use]
pub fn missing_program(kind: Kind) -> Option<MissingProgram> {
    match kind {
        Kind::Mysql => mysql::missing_program(),
        Kind::Postgresql => postgresql::missing_program(),
    }
}

/// A server of nobody: its files lie in a directory of its own, it listens on a socket there and
/// nowhere else, and it is gone with this value.
pub trait Throwaway: Send {
    /// How it is reached, with every right.
    fn access(&self) -> &Database;
}

/// Starts a server of nobody below `dir`, an empty directory that only we can enter.
///
/// # Errors
/// `Missing` where the server's programs are not installed.
pub fn throwaway(kind: Kind, dir: &Path, stop: &Stop) -> Result<Box<dyn Throwaway>, DatabaseError> {
    match kind {
        Kind::Mysql => Ok(Box::new(mysql::Server::start(dir, stop)?)),
        Kind::Postgresql => Ok(Box::new(postgresql::Server::start(dir, stop)?)),
    }
}
