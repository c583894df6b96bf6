//! What the configuration asks for, whole and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::archive::{Archive, How, Series};
use super::job::{Job, JobSource, SendTo};
use super::location::Location;
use super::name::{InstanceName, JobName, ObjectName, PlaceName};
use super::peer::{Peer, PeerKind, shown_host};
use super::retention::Policy;
use super::schedule::Schedule;
use super::token::Scope;
use super::words::words;

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

impl Place {
    /// The place of what larder makes itself.
    #[must_use]
    pub fn built_in() -> Self {
        Self { file: "built in".to_owned(), line: 0, column: 0 }
    }

    /// File and line: what people are told.
    #[must_use]
    pub fn line(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.file);
        }
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
    /// Whom the proxy lets into the page.
    pub page: Option<PageUsers>,
}

/// `[instance] page`: users of the proxy whom the web page lets in without a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageUsers {
    /// The header in which the proxy says who it is.
    pub user_header: String,
    /// Who is let in.
    pub users: Vec<String>,
}

impl Instance {
    /// Whether this is, or was, the name of the instance.
    #[must_use]
    pub fn is_or_was(&self, name: &InstanceName) -> bool {
        self.name == *name || self.formerly.contains(name)
    }
}

impl PageUsers {
    /// The word that stands for everybody whom the proxy lets through.
    pub const EVERYBODY: &str = "*";

    /// Whether this user is let in.
    #[must_use]
    pub fn admits(&self, user: &str) -> bool {
        !user.is_empty() && self.users.iter().any(|one| one == Self::EVERYBODY || one == user)
    }
}

/// `[token.x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub name: ObjectName,
    /// `$2b$…` or `sha256:…`.
    pub hash: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
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

words! {
    /// Why somebody is told. The order is that of weight.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Event {
        /// Something went wrong.
        Failure = "failure",
        /// Something should have happened and did not.
        Overdue = "overdue",
        /// Something waits for a person.
        Blocked = "blocked",
        /// It is well again.
        Recovery = "recovery",
    }
}

/// `[notify.x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Its name.
    pub name: ObjectName,
    /// Where it goes.
    pub target: NotifyTarget,
    /// Which events.
    pub on: Vec<Event>,
    /// Where it is written.
    pub place: Place,
}

/// `[defaults]`: what a job says that does not say it itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// When it runs.
    pub schedule: Option<Schedule>,
    /// How long its archives stay.
    pub retention: Option<Policy>,
    /// Where its archives are made.
    pub location: Option<PlaceName>,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// `[instance]`.
    pub instance: Instance,
    /// `[defaults]`: already filled into the jobs.
    pub defaults: Defaults,
    /// `[retention.*]`: already filled into the jobs.
    pub policies: BTreeMap<String, Policy>,
    /// `[recovery] recipients`.
    pub recovery_recipients: Vec<String>,
    /// `[recovery] configuration`: whether the configuration directory is archived by itself.
    pub keeps_configuration: bool,
    /// `[job.*]`, ended ones included. Once it is known what a job with `*` stands for, its
    /// series (`apps/nextcloud`) are here in its place.
    pub jobs: BTreeMap<JobName, Job>,
    /// The living jobs with `*` as they are written; empty before they were replaced.
    pub templates: BTreeMap<JobName, Job>,
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

impl Desired {
    /// The peer that a host name means, for people: the one that is a label for it, else the
    /// instance of this name, else the one that is reached at it.
    #[must_use]
    pub fn peer_of_host(&self, host: &str) -> Option<&Peer> {
        let ranked = self.peers.values().filter_map(|peer| Some((peer.names_host(host)?, peer)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, peer)| peer)
    }

    /// Whether an archive is one of a peer's: in its name space, or made by the host of its name.
    #[must_use]
    pub fn is_of_peer(&self, archive: &Archive, peer: &Peer) -> bool {
        let of = self.peer_at(&archive.location, &archive.origin);
        of.is_some_and(|of| of.name == peer.name)
    }

    /// The peer whose archives rest at this location under this origin, where they are another
    /// instance's.
    #[must_use]
    pub fn peer_at(&self, location: &PlaceName, origin: &InstanceName) -> Option<&Peer> {
        let place = self.locations.get(location);
        match place.and_then(|place| place.owner.as_ref()) {
            // Whatever a peer calls itself in what it sends, it is that peer.
            Some(owner) => self.peers.get(owner),
            None => self.peer_of_origin(origin),
        }
    }

    /// Whether what rests at this location under this origin was made by this instance, also under
    /// an earlier name. What a peer sent was not, whatever it says.
    #[must_use]
    pub fn is_ours(&self, location: &PlaceName, origin: &InstanceName) -> bool {
        !location.is_name_space() && self.instance.is_or_was(origin)
    }

    /// Whether an archive is one of this instance's own.
    #[must_use]
    pub fn owns(&self, archive: &Archive) -> bool {
        self.is_ours(&archive.location, &archive.origin)
    }

    /// The job that bears this name, or else the one that bore it.
    #[must_use]
    pub fn job_of(&self, name: &JobName) -> Option<&Job> {
        self.jobs.get(name).or_else(|| self.jobs.values().find(|job| job.is_or_was(name)))
    }

    /// A series as people are shown it: as it is written, with the name of its peer.
    #[must_use]
    pub fn shown_series(&self, series: &Series) -> String {
        let peer = self.peer_at(&series.location, &series.origin).map(|peer| peer.name.as_str());
        let origin = shown_host(series.origin.as_str(), peer);
        format!("{origin}/{} at {}", series.job, series.location)
    }

    /// The peer whose archives these are, where they are another instance's.
    #[must_use]
    pub fn peer_of_origin(&self, origin: &InstanceName) -> Option<&Peer> {
        if self.instance.is_or_was(origin) { None } else { self.peer_of_host(origin.as_str()) }
    }

    /// Every secret that the configuration refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let passwords = self.jobs.values().filter_map(|job| match &job.source {
            JobSource::Mysql(database) | JobSource::Postgresql(database) => {
                database.password.as_ref()
            }
            JobSource::CustomDir(_) | JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => {
                None
            }
        });
        let tokens = self.peers.values().filter_map(|peer| match &peer.kind {
            PeerKind::Instance { token, .. } => token.as_ref(),
            PeerKind::BackupChannel { .. } | PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => {
                None
            }
        });
        let targets = self.notify.values().filter_map(|notify| match &notify.target {
            NotifyTarget::Url(secret) | NotifyTarget::PingUrl(secret) => Some(secret),
            NotifyTarget::MailTo(_) => None,
        });
        let identities = self.locations.values().filter_map(|location| location.identity.as_ref());
        passwords.chain(tokens).chain(targets).chain(identities)
    }

    /// The configuration as it is written: jobs with `*` in the place of their series.
    #[must_use]
    pub fn declared(&self) -> Self {
        let mut declared = self.clone();
        declared.jobs.retain(|name, _| !name.is_series());
        declared.jobs.append(&mut declared.templates);
        declared
    }

    /// The name space of a peer that may store archives here: a location of its own, below the one
    /// that its `accept` names.
    #[must_use]
    pub fn name_space(&self, peer: &PlaceName) -> Option<PlaceName> {
        let accept = self.peers.get(peer)?.accept.as_ref()?;
        Some(PlaceName::name_space(&accept.location, peer))
    }

    /// Until when nothing that a peer stored here can be deleted, whoever asks: by this host's clock.
    /// `None` for what no peer stored, and once that time is over.
    #[must_use]
    pub fn immutable_until(&self, archive: &Archive, now: Timestamp) -> Option<Timestamp> {
        let is_owner =
            |peer: &&Peer| self.name_space(&peer.name).as_ref() == Some(&archive.location);
        let sender = match &archive.how {
            How::Received { from } => self.peers.get(from),
            How::Scheduled | How::Manual | How::Adopted | How::Copied { .. } => None,
        };
        let accept = self.peers.values().find(is_owner).or(sender)?.accept.as_ref()?;
        // What was never recorded counts as if it came just now: its sender's clock proves nothing.
        let arrived = archive.received_at.unwrap_or(now);
        let until = arrived.checked_add(accept.immutable_for).unwrap_or(Timestamp::MAX);
        (now < until).then_some(until)
    }

    /// Whether a peer may take an archive of ours: the original of a job that sends its copies there.
    /// Where such copies are to be encrypted, one that is not is none.
    #[must_use]
    pub fn offers(&self, archive: &Archive, peer: &PlaceName) -> bool {
        let made_here = match archive.how {
            How::Scheduled | How::Manual | How::Adopted | How::Copied { .. } => true,
            How::Received { .. } => false,
        };
        let job = self.job_of(&archive.job);
        let is_original = made_here && job.is_some_and(|job| job.location == archive.location);
        self.destination(archive, peer)
            .filter(|_| is_original)
            .is_some_and(|copy| copy.encrypt_to.iter().all(|one| archive.recipients.contains(one)))
    }

    /// What the job of one of our archives says about copies at a place.
    #[must_use]
    pub fn destination(&self, archive: &Archive, to: &PlaceName) -> Option<&SendTo> {
        if !self.instance.is_or_was(&archive.origin) {
            return None;
        }
        self.job_of(&archive.job)?.send_to.iter().find(|copy| copy.to == *to)
    }

    /// The series of a job with `*`, as far as they are known.
    pub fn series_of<'a>(&'a self, template: &'a JobName) -> impl Iterator<Item = &'a Job> {
        self.jobs
            .values()
            .filter(move |job| job.name.is_series() && job.name.declared() == template.as_str())
    }
}
