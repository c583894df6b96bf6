//! What one restore is to do, with everything that it needs to know.
//!
//! The daemon may not write where files belong, so an order may be carried out by a process of its
//! own: this is the form in which it travels there. **Invariants:** an order holds no secret, only
//! where secrets are found; users, units, ports and commands in it are those of this host's
//! configuration, whatever the archive says.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::plan::FileFacts;
use crate::database::Kind;
use crate::model::archive::Sha256;
use crate::model::desired::SecretRef;
use crate::model::job::{Command, Database, RestoreSteps};
use crate::model::location::Codec;
use crate::model::restore::Part;

/// One restore, or its undoing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The run that does it.
    pub run: u64,
    /// Where records of restores are kept, and dumps while they are loaded: on a real disk, 0700.
    pub work_dir: PathBuf,
    /// The most time that one command may take, in seconds.
    pub timeout: u64,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// An archive is restored.
    Restore(Box<Restore>),
    /// What an earlier restore set aside goes back.
    Undo(Undo),
}

/// An archive to restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The archive.
    pub archive: Original,
    /// What it holds.
    pub content: Content,
    /// Files go below this directory, and nothing else is touched.
    #[serde(default)]
    pub to: Option<PathBuf>,
    /// Only these paths: as they were on the host, or relative to the source.
    #[serde(default)]
    pub paths: Vec<PathBuf>,
    /// Only these parts, by their words.
    #[serde(default)]
    pub only: Vec<String>,
    /// Whether what is overwritten is set aside.
    pub safety: bool,
    /// The file with the age identity that somebody named.
    #[serde(default)]
    pub identity: Option<PathBuf>,
    /// The identity that the archive's location names.
    #[serde(default)]
    pub location_identity: Option<Secret>,
    /// Another real disk for dumps, should `work_dir` have no room: the location's.
    pub spare_dir: PathBuf,
    /// What somebody saw of the files a moment ago, so that nobody has to look again.
    #[serde(default)]
    pub seen: Option<FileFacts>,
    /// What the job wants beside the files.
    #[serde(default)]
    pub steps: Steps,
    /// Remarks for the plan: why steps are left out, for instance.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// An archive's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// Its name.
    pub name: String,
    /// The job that made it.
    pub job: String,
    /// When it was made, by this host's clock: `2026-05-08 03:00`. Empty where nobody says so.
    #[serde(default)]
    pub made: String,
    /// Where this copy rests.
    pub location: String,
    /// Its file.
    pub file: PathBuf,
    /// `none`, `gzip` or `zstd`.
    pub codec: String,
    /// age recipients; empty means not encrypted.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// The file's SHA-256 in hex.
    pub sha256: String,
    /// Bytes of the file.
    pub file_size: u64,
    /// Bytes of content.
    pub content_size: u64,
    /// Locations that hold another copy.
    #[serde(default)]
    pub other_copies: Vec<String>,
}

/// What an archive holds, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Files.
    CustomDir {
        /// Where they were; the archive is asked when nobody knows.
        #[serde(default)]
        archived: Option<PathBuf>,
        /// Where they go.
        #[serde(default)]
        root: Option<PathBuf>,
        /// Whether the source is a single file.
        is_file: bool,
    },
    /// A dump of MariaDB.
    Mysql {
        /// The database.
        database: String,
        /// How the server is reached.
        access: Access,
    },
    /// A dump of PostgreSQL.
    Postgresql {
        /// The database.
        database: String,
        /// How the server is reached.
        access: Access,
    },
    /// An app of YunoHost.
    YnhApp {
        /// Which.
        app: String,
        /// Whether the archive lies where YunoHost looks.
        at_home: bool,
    },
    /// YunoHost itself.
    YnhSystem {
        /// Which parts; empty means all.
        #[serde(default)]
        parts: Vec<String>,
        /// Whether the archive lies where YunoHost looks.
        at_home: bool,
    },
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    host: Option<String>,
    port: Option<u16>,
    socket: Option<PathBuf>,
    user: Option<String>,
    password: Option<Secret>,
    options: Vec<String>,
}

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// A file.
    File(PathBuf),
    /// A credential of the daemon.
    Credential(String),
    /// A variable of the daemon.
    Env(String),
    /// What a program prints.
    Command(Vec<String>),
}

/// What a job wants beside the files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Steps {
    /// A system user.
    pub user: Option<User>,
    /// A systemd unit.
    pub service: Option<Service>,
    /// `owner[:group]` of the whole tree.
    pub owner: Option<String>,
    /// Octal mode of the source directory itself.
    pub mode: Option<u32>,
    /// Ports and their protocols.
    pub ports: Vec<(u16, String)>,
    /// Commands, last.
    pub commands: Vec<Line>,
}

/// A system user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: Option<PathBuf>,
    /// Login shell.
    pub shell: Option<PathBuf>,
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name without `.service`.
    pub name: String,
    /// Its file, once the files are restored.
    pub file: Option<PathBuf>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Program and arguments.
    Argv(Vec<String>),
    /// A line for the shell.
    Shell(String),
}

/// What is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The run of the restore that is undone.
    pub of: u64,
    /// How the server of its database is reached.
    #[serde(default)]
    pub access: Option<Access>,
}

impl Restore {
    /// Whether a part is asked for. Elsewhere there are only files; so it is where somebody picks
    /// single paths, unless they name other parts as well.
    #[must_use]
    pub fn wants(&self, part: Part) -> bool {
        let is_named = self.only.iter().any(|word| word == part.word());
        let is_meant = self.only.is_empty() && (self.paths.is_empty() || part == Part::Files);
        (is_named || is_meant) && (self.to.is_none() || part == Part::Files)
    }
}

impl Original {
    /// The words for when an archive was made.
    #[must_use]
    pub fn made_word(at: Timestamp, zone: &TimeZone) -> String {
        at.to_zoned(zone.clone()).strftime("%F %H:%M").to_string()
    }

    /// How its stream is encoded.
    #[must_use]
    pub fn codec(&self) -> Codec {
        // The level matters to writers only.
        match self.codec.as_str() {
            "gzip" => Codec::Gzip(6),
            "zstd" => Codec::Zstd(3),
            _ => Codec::None,
        }
    }

    /// The word of a codec.
    #[must_use]
    pub fn codec_word(codec: Codec) -> String {
        match codec {
            Codec::None => "none",
            Codec::Gzip(_) => "gzip",
            Codec::Zstd(_) => "zstd",
        }
        .to_owned()
    }

    /// Its hash; `None` when the order was not written by us.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256.parse().ok()
    }

    /// Where else to look, for a hint.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self.other_copies.as_slice() {
            [] => "there is no other copy in the catalogue; choose another archive (`larder archive list`)".to_owned(),
            copies => format!("another copy: `--location {}`", copies.join("` or `--location ")),
        }
    }
}

impl Content {
    /// The database in it: kind, name and access.
    #[must_use]
    pub fn database(&self) -> Option<(Kind, &str, &Access)> {
        match self {
            Content::Mysql { database, access } => Some((Kind::Mysql, database, access)),
            Content::Postgresql { database, access } => Some((Kind::Postgresql, database, access)),
            Content::CustomDir { .. } | Content::YnhApp { .. } | Content::YnhSystem { .. } => None,
        }
    }
}

impl Access {
    /// As the configuration has it.
    #[must_use]
    pub fn model(&self, database: &str) -> Database {
        Database {
            database: database.to_owned(),
            except: Vec::new(),
            host: self.host.clone(),
            port: self.port,
            socket: self.socket.clone(),
            user: self.user.clone(),
            password: self.password.as_ref().map(Secret::model),
            options: self.options.clone(),
        }
    }

    /// The password's place, to be replaced by one that another process can read.
    pub fn password_mut(&mut self) -> Option<&mut Secret> {
        self.password.as_mut()
    }
}

impl From<&Database> for Access {
    fn from(database: &Database) -> Self {
        Self {
            host: database.host.clone(),
            port: database.port,
            socket: database.socket.clone(),
            user: database.user.clone(),
            password: database.password.as_ref().map(Secret::from),
            options: database.options.clone(),
        }
    }
}

impl Secret {
    /// As the configuration has it.
    #[must_use]
    pub fn model(&self) -> SecretRef {
        match self {
            Secret::File(path) => SecretRef::File(path.clone()),
            Secret::Credential(name) => SecretRef::Credential(name.clone()),
            Secret::Env(name) => SecretRef::Env(name.clone()),
            Secret::Command(argv) => SecretRef::Command(argv.clone()),
        }
    }
}

impl From<&SecretRef> for Secret {
    fn from(secret: &SecretRef) -> Self {
        match secret {
            SecretRef::File(path) => Secret::File(path.clone()),
            SecretRef::Credential(name) => Secret::Credential(name.clone()),
            SecretRef::Env(name) => Secret::Env(name.clone()),
            SecretRef::Command(argv) => Secret::Command(argv.clone()),
        }
    }
}

impl From<&RestoreSteps> for Steps {
    fn from(steps: &RestoreSteps) -> Self {
        let ports = steps.firewall_ports.iter();
        Self {
            user: steps.system_user.as_ref().map(|user| User {
                name: user.name.clone(),
                home: user.home.clone(),
                shell: user.shell.clone(),
            }),
            service: steps.systemd_service.as_ref().map(|service| Service {
                name: service.name.clone(),
                file: service.service_file.clone(),
            }),
            owner: steps.owner.clone(),
            mode: steps.mode,
            ports: ports.map(|port| (port.port, port.protocol.clone())).collect(),
            commands: steps.post_restore_commands.iter().map(Line::from).collect(),
        }
    }
}

impl From<&Command> for Line {
    fn from(command: &Command) -> Self {
        match command {
            Command::Argv(argv) => Line::Argv(argv.clone()),
            Command::Shell(line) => Line::Shell(line.clone()),
        }
    }
}

impl Line {
    /// As the configuration has it.
    #[must_use]
    pub fn model(&self) -> Command {
        match self {
            Line::Argv(argv) => Command::Argv(argv.clone()),
            Line::Shell(line) => Command::Shell(line.clone()),
        }
    }

    /// What it is, without its arguments: they may hold what others must not see.
    #[must_use]
    pub fn program(&self) -> String {
        self.model().shown().unwrap_or("…").to_owned()
    }
}

/// The last part of a path, for a file that goes into another directory.
#[must_use]
pub(super) fn base_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}
