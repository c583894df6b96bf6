//! What the configuration asks for, whole and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::job::Job;
use super::location::Location;
use super::name::{InstanceName, JobName, ObjectName, PlaceName};
use super::peer::Peer;

/// A place in the configuration: every value knows where it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The file, relative to the configuration directory, with `/` between its parts.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where a secret is found; the secret itself is read when it is needed and never kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A file, absolute; one trailing newline is dropped.
    File(PathBuf),
    /// A systemd credential.
    Credential(String),
    /// A variable of the daemon's environment.
    Env(String),
    /// The standard output of a program.
    Command(Vec<String>),
}

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address.
    Tcp(std::net::SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// Certificate and key for listening beyond loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM chain.
    pub cert: PathBuf,
    /// PEM key.
    pub key: PathBuf,
}

/// `[instance]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Signs archives.
    pub name: InstanceName,
    /// Earlier names whose series are ours.
    pub formerly: Vec<InstanceName>,
    /// Its public base URL.
    pub url: Option<String>,
    /// The one zone of schedules, days and names.
    pub timezone: TimeZone,
    /// Where the API listens.
    pub listen: Vec<Listen>,
    /// Certificate for listening beyond loopback.
    pub tls: Option<Tls>,
    /// The state (0700).
    pub state_dir: PathBuf,
    /// The generated JSON (0755).
    pub publish_dir: PathBuf,
    /// The command line's socket.
    pub control_socket: PathBuf,
    /// Whether the page may add and remove peers.
    pub page_edits_peers: bool,
}

/// `[token.x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub name: ObjectName,
    /// `$2b$…` or `sha256:…`.
    pub hash: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

/// How a notification leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyTarget {
    /// A webhook.
    Url(SecretRef),
    /// A dead-man's switch.
    PingUrl(SecretRef),
    /// E-mail through the local sendmail.
    MailTo(String),
}

/// `[notify.x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Its name.
    pub name: ObjectName,
    /// Where it goes.
    pub target: NotifyTarget,
    /// Which events.
    pub on: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// `[instance]`.
    pub instance: Instance,
    /// `[recovery] recipients`.
    pub recovery_recipients: Vec<String>,
    /// `[job.*]`, ended ones included.
    pub jobs: BTreeMap<JobName, Job>,
    /// `[location.*]`.
    pub locations: BTreeMap<PlaceName, Location>,
    /// `[peer.*]`.
    pub peers: BTreeMap<PlaceName, Peer>,
    /// `[token.*]`.
    pub tokens: BTreeMap<ObjectName, Token>,
    /// `[notify.*]`.
    pub notify: BTreeMap<ObjectName, Notify>,
    /// SHA-256 over all files' names and contents, in hex.
    pub hash: String,
}
