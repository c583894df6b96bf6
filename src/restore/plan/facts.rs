//! What a plan is made of.

use std::path::{Path, PathBuf};

/// What is there, as far as a restore is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// On the files, where files are wanted.
    pub files: Option<FileFacts>,
    /// The account of the system user, if it is there.
    pub user: Option<Account>,
    /// On the owner that the job names.
    pub owner: OwnerFacts,
    /// On the database, where it is wanted.
    pub database: Option<DatabaseFacts>,
    /// On the unit.
    pub unit: UnitFacts,
    /// Whether YunoHost is there.
    pub yunohost: bool,
    /// Whether the app of the archive is installed.
    pub app_installed: bool,
    /// Whether YunoHost finds the archive in its folder.
    pub at_home: bool,
}

/// What a look into the archive and at the target says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// What the members' names begin with.
    pub prefix: Vec<u8>,
    /// Where they go.
    pub target: PathBuf,
    /// Only these, relative to the prefix; all when empty.
    pub paths: Vec<Vec<u8>>,
    /// How many members.
    pub members: u64,
    /// Their content.
    pub bytes: u64,
    /// How many are there already.
    pub overwritten: u64,
    /// The first of these.
    pub overwritten_first: Vec<String>,
    /// Owners that nobody has here.
    pub owners_unknown: Vec<String>,
    /// Owners with another number here: name, number in the archive, number here.
    pub owners_moved: Vec<(String, u32, u32)>,
    /// Whether the target is a directory that is not empty.
    pub is_occupied: bool,
    /// What is free at the target.
    pub free: u64,
    /// Where what is overwritten goes; nowhere without safety.
    pub aside: Option<PathBuf>,
}

/// An account of this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its home.
    pub home: PathBuf,
    /// Its shell.
    pub shell: PathBuf,
}

/// On the owner that the job names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnerFacts {
    /// Names of it that nobody has here.
    pub unknown: Vec<String>,
}

/// On a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatabaseFacts {
    /// How large it is, if it is there.
    pub size: Option<u64>,
    /// Where its dump can lie while it is loaded; nowhere when there is no room.
    pub scratch: Option<PathBuf>,
    /// Where what is there now is dumped to; nowhere without safety.
    pub aside: Option<PathBuf>,
    /// Why the server could not be asked.
    pub trouble: Option<String>,
}

/// On a systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFacts {
    /// Whether systemd runs.
    pub systemd: bool,
    /// What is installed now.
    pub installed: UnitFile,
}

impl UnitFacts {
    /// Where the unit of a name is installed.
    #[must_use]
    pub fn path(name: &str) -> PathBuf {
        Path::new("/etc/systemd/system").join(format!("{name}.service"))
    }
}

/// An installed unit, compared with the file that the job names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnitFile {
    /// There is none.
    #[default]
    Absent,
    /// It is the same.
    Same,
    /// It is another one, or nobody can say.
    Differs,
}
