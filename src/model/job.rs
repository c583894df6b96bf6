//! Jobs: which data is kept, when, where and how long.

use std::path::PathBuf;

use jiff::SignedDuration;

use super::desired::{Place, SecretRef};
use super::name::{JobName, Label, PlaceName};
use super::protect::Protect;
use super::retention::Policy;
use super::schedule::Schedule;
use super::size::Percent;
use super::words::words;

words! {
    /// The type of a job; the words are the specification's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum JobType {
        /// A directory, or a file.
        CustomDir = "custom_dir",
        /// A database of MariaDB or MySQL.
        Mysql = "mysql",
        /// A database of PostgreSQL.
        Postgresql = "postgresql",
        /// An app of YunoHost.
        YnhApp = "ynh_app",
        /// The system of YunoHost.
        YnhSystem = "ynh_system",
    }
}

/// What a `custom_dir` job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomDir {
    /// The directory (or file), absolute.
    pub source_path: PathBuf,
    /// Patterns in gitignore syntax, rooted at the source.
    pub excludes: Vec<String>,
    /// Whether to stay on the source's file system.
    pub one_file_system: bool,
    /// What must be mounted for it to be read.
    pub mount: SourceMount,
}

words! {
    /// What must be mounted where a source lies, for it to be read: without its disk a mount point is
    /// an empty directory, or has an old copy of the data.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum SourceMount {
        /// What was when it was last archived, if it lay on a mount then.
        #[default]
        Remembered = "remembered",
        /// A file system other than the root's, from the first run on.
        Required = "required",
        /// Nothing: it is read as it lies there.
        Any = "any",
    }
}

/// What a database job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The database, or `*` for every one.
    pub database: String,
    /// With `*`: which are left out.
    pub except: Vec<String>,
    /// Server over TCP.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Server over a socket.
    pub socket: Option<PathBuf>,
    /// The database user.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretRef>,
    /// Further options of the dump program.
    pub options: Vec<String>,
}

/// What a job reads, by type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobSource {
    /// `custom_dir`
    CustomDir(CustomDir),
    /// `mysql`
    Mysql(Database),
    /// `postgresql`
    Postgresql(Database),
    /// `ynh_app`
    YnhApp {
        /// The app, or `*` for every installed one.
        app_id: String,
        /// With `*`: which are left out.
        except: Vec<String>,
        /// Whether YunoHost leaves the app's large data out.
        core_only: bool,
    },
    /// `ynh_system`
    YnhSystem {
        /// The parts; empty means all.
        parts: Vec<String>,
    },
}

impl JobSource {
    /// The type of the job.
    #[must_use]
    pub fn job_type(&self) -> JobType {
        match self {
            JobSource::CustomDir(_) => JobType::CustomDir,
            JobSource::Mysql(_) => JobType::Mysql,
            JobSource::Postgresql(_) => JobType::Postgresql,
            JobSource::YnhApp { .. } => JobType::YnhApp,
            JobSource::YnhSystem { .. } => JobType::YnhSystem,
        }
    }

    /// What is left out, of a source that stands for every database of a server or every installed
    /// app (`*`); `None` for one that names what it reads.
    #[must_use]
    pub fn wildcard(&self) -> Option<&[String]> {
        let (name, except) = match self {
            JobSource::Mysql(database) | JobSource::Postgresql(database) => {
                (&database.database, &database.except)
            }
            JobSource::YnhApp { app_id, except, .. } => (app_id, except),
            JobSource::CustomDir(_) | JobSource::YnhSystem { .. } => return None,
        };
        (name == "*").then_some(except.as_slice())
    }
}

/// A command of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Program and arguments, run as they are.
    Argv(Vec<String>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

impl Command {
    /// Its program, for messages that others read: never an argument or a variable, which may hold
    /// what they must not see. `None` where what stands first may be more than a program.
    #[must_use]
    pub fn shown(&self) -> Option<&str> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@".contains(c);
        let assigns =
            |word: &&str| word.contains('=') && word.chars().all(|c| c == '=' || is_plain(c));
        let word = match self {
            Command::Argv(words) => words.first()?.as_str(),
            Command::Shell(line) => line.split_whitespace().find(|word| !assigns(word))?,
        };
        (!word.is_empty() && word.chars().all(is_plain)).then_some(word)
    }

    /// Which one of a list of commands it is, for messages: ``command 2 of 3 in `before` (`test`)``.
    #[must_use]
    pub fn named(&self, index: usize, count: usize, list: &str) -> String {
        let which = if count == 1 {
            format!("the command in `{list}`")
        } else {
            format!("command {} of {count} in `{list}`", index + 1)
        };
        match self.shown() {
            Some(program) => format!("{which} (`{program}`)"),
            None => which,
        }
    }
}

words! {
    /// When a due time that was missed, or a first run, is made up for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum CatchUp {
        /// At once, once.
        Now = "now",
        /// Not at all: the next scheduled time.
        Next = "next",
    }
}

words! {
    /// How copies travel to a peer.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub enum Via {
        /// HTTP, or rsync above the peer's `rsync_above`.
        #[default]
        Auto = "auto",
        /// HTTPS in chunks.
        Http = "http",
        /// rsync over SSH.
        Rsync = "rsync",
    }
}

/// One wanted copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendTo {
    /// A peer or a location.
    pub to: PlaceName,
    /// How it travels.
    pub via: Via,
    /// The policy there, for a location; the job's own without.
    pub retention: Option<Policy>,
    /// age recipients for this copy.
    pub encrypt_to: Vec<String>,
}

/// `drill = { schedule, assert }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// When a restore is proved.
    pub schedule: Schedule,
    /// SQL that must return true.
    pub assert: Vec<String>,
}

/// A firewall port to open at a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirewallPort {
    /// The port.
    pub port: u16,
    /// `tcp`, `udp` or `both`.
    pub protocol: String,
}

/// `[job.x.restore]`: what a restore does beside the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreSteps {
    /// Name, home and shell of a system user to create.
    pub system_user: Option<SystemUser>,
    /// Name of a systemd unit, and the file in the archive that defines it.
    pub systemd_service: Option<SystemdService>,
    /// `owner[:group]`.
    pub owner: Option<String>,
    /// Octal mode of the source directory.
    pub mode: Option<u32>,
    /// Ports to open.
    pub firewall_ports: Vec<FirewallPort>,
    /// Commands to run last.
    pub post_restore_commands: Vec<Command>,
}

/// A system user to create at a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemUser {
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: Option<PathBuf>,
    /// Login shell.
    pub shell: Option<PathBuf>,
}

/// A systemd unit to install at a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemdService {
    /// Unit name without `.service`.
    pub name: String,
    /// The unit's file on this host.
    pub service_file: Option<PathBuf>,
}

words! {
    /// Whether a job is there, or was ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum JobState {
        /// It lives.
        Present = "present",
        /// It was ended.
        Absent = "absent",
    }
}

words! {
    /// What happens to the archives of a job that was ended with `state = "absent"`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Ended {
        /// They stay, orphaned.
        KeepArchives = "keep",
        /// They expire (`archives = "expire"`), through the brake.
        ExpireArchives = "expire",
    }
}

/// The name of the job that larder makes itself: it archives the configuration directory.
pub const CONFIGURATION_JOB: &str = "larder-config";

/// `[job.x]`, with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// What it reads.
    pub source: JobSource,
    /// The middle of its archives' names.
    pub label: Label,
    /// When it runs.
    pub schedule: Schedule,
    /// How long its archives stay at its location.
    pub retention: Policy,
    /// Where its archives are made.
    pub location: PlaceName,
    /// Where copies go.
    pub send_to: Vec<SendTo>,
    /// Recipients of its archives beside those of their location; empty but for the job that
    /// larder makes itself.
    pub encrypt_to: Vec<String>,
    /// Run before reading.
    pub before: Vec<Command>,
    /// Run after reading, always.
    pub after: Vec<Command>,
    /// Whether it runs at all.
    pub enabled: bool,
    /// The most time a run may take.
    pub timeout: SignedDuration,
    /// What happens to missed times.
    pub catch_up: CatchUp,
    /// How often a failed scheduled run is tried again before the next due time.
    pub retries: u32,
    /// Whether a partial archive counts as good.
    pub allow_partial: bool,
    /// Content below this share of the usual size makes an archive suspect.
    pub shrink_alarm: Percent,
    /// How long suspect archives stay.
    pub suspect_keep: SignedDuration,
    /// How long archives of manual runs stay.
    pub manual_keep: SignedDuration,
    /// How long archives wait for their copies at most.
    pub hold_max: SignedDuration,
    /// Earlier names whose series are this job's.
    pub formerly: Vec<JobName>,
    /// `None` for a living job; otherwise how it was ended.
    pub ended: Option<Ended>,
    /// The outcome wanted.
    pub protect: Protect,
    /// Unattended restore proofs.
    pub drill: Option<Drill>,
    /// What a restore does beside the files.
    pub restore: RestoreSteps,
    /// Where it is written.
    pub place: Place,
    /// The job's own effective table as JSON text, secrets as references: goes into the sidecar.
    pub effective_json: String,
}

impl Job {
    /// Whether this is, or was, the name of the job.
    #[must_use]
    pub fn is_or_was(&self, name: &JobName) -> bool {
        self.name == *name || self.formerly.contains(name)
    }

    /// Whether it is there, or was ended.
    #[must_use]
    pub fn state(&self) -> JobState {
        if self.ended.is_some() { JobState::Absent } else { JobState::Present }
    }

    /// Whether larder made it itself: nobody wrote it, and nobody can miss it.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.name.as_str() == CONFIGURATION_JOB
    }

    /// Whether it stands for many series (`*`) and makes no archive of its own. An ended one is
    /// a job like any other: it rules what its series left.
    #[must_use]
    pub fn is_template(&self) -> bool {
        // A database may be called `*`, too.
        self.ended.is_none() && !self.name.is_series() && self.source.wildcard().is_some()
    }
}
