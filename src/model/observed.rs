//! What is really there: the facts that a plan is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::archive::{Archive, ArchiveId, CopyKey, Series};
use super::contact::Contact;
use super::members::Members;
use super::name::{ArchiveName, JobName, PlaceName};
use super::retention::Policy;
use super::run::{Run, RunId, RunStatus, Work};
use super::words::words;

/// Whether a location can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocationState {
    /// It is there, with so many bytes free.
    Available {
        /// Bytes that may still be written.
        free: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Its directory, mount or marker is not there; with the reason.
    Unavailable(String),
    /// It answered with an I/O error; nothing is written until a probe passes.
    Suspect(String),
}

words! {
    impl LocationState {
        Available = "available",
        Unavailable = "unavailable",
        Suspect = "suspect",
    }
}

/// A file at a location that this program did not make: listed, never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Where it is.
    pub location: PlaceName,
    /// Its file name.
    pub file_name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Timestamp,
    /// Why it counts as foreign, where that is worth telling.
    pub note: Option<String>,
}

/// What is remembered of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    /// When this instance first knew the job: times before were never missed.
    pub first_seen: Timestamp,
    /// The newest due time that a run was queued for, whatever came of it.
    pub last_due: Option<Timestamp>,
    /// How the last attempt at that due time ended, and when; `None` while it waits or runs.
    pub last_attempt: Option<Attempt>,
    /// When a run last succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether the newest run of any cause failed, with its one line.
    pub last_failure: Option<String>,
    /// Its table as it was seen last; `None` before it was looked at.
    pub table: Option<JobTable>,
    /// On which mount its source lay when it was last archived; `None` on the file system of `/`.
    pub source: Option<SourceSeen>,
}

/// A source that lay on a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSeen {
    /// The source, as the job named it.
    pub source_path: PathBuf,
    /// The directory that its file system was mounted at.
    pub mount: PathBuf,
}

/// A job's table at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobTable {
    /// SHA-256 of the effective table, in hex.
    pub hash: String,
    /// Since when this instance has known it as it is.
    pub since: Timestamp,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 0 for the first.
    pub number: u32,
    /// How it ended.
    pub status: RunStatus,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// What is remembered of the drills of a job, or of one series of a job that has many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrillFacts {
    /// Since when this instance knows a schedule of its drills: instants before were never missed.
    pub known_since: Option<Timestamp>,
    /// The newest instant of the schedule that a drill was queued for, whatever came of it.
    pub last_due: Option<Timestamp>,
    /// How many drills in a row were broken off by the end of the daemon or of the machine.
    pub interrupted: u32,
    /// Nothing but the schedule asks for a drill before this moment.
    pub rest_until: Option<Timestamp>,
    /// The last drill that came to an end.
    pub last: Option<LastDrill>,
    /// When a drill last proved that a restore works.
    pub proven_at: Option<Timestamp>,
}

/// A drill that came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDrill {
    /// The run.
    pub run: RunId,
    /// What was to be brought back.
    pub archive: ArchiveName,
    /// From where.
    pub location: PlaceName,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub took: SignedDuration,
    /// What it showed.
    pub outcome: DrillOutcome,
}

/// What a drill showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillOutcome {
    /// Everything came back as it was; with what was looked at.
    Proven(String),
    /// It did not; with the reason.
    Failed(String),
    /// It cannot be found out on this host as it is; with the reason.
    Unable(String),
}

words! {
    impl DrillOutcome {
        Proven = "proven",
        Failed = "failed",
        Unable = "unable",
    }
}

impl DrillOutcome {
    /// What was looked at, or why not.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            DrillOutcome::Proven(text)
            | DrillOutcome::Failed(text)
            | DrillOutcome::Unable(text) => text,
        }
    }
}

/// What is remembered of a series' retention.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesFacts {
    /// The newest good archive and the policy that the last finished pass judged:
    /// while neither changes, nothing expires.
    pub judged: Option<(ArchiveId, Policy)>,
    /// Deletions of good archives in the last 7 days (time, how many), for the brake that adds up.
    pub recent_deletions: Vec<(Timestamp, u32)>,
    /// Whether the series came from a folder that was adopted and no pass has run since.
    pub adopted: bool,
    /// Since when a copy that the goals want is missing, by archive.
    pub waiting_for_copies: BTreeMap<ArchiveId, Timestamp>,
}

/// Why no retention runs at all at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// Wall time went back behind what was stored, or jumped ahead.
    Clock(String),
    /// More than half of the jobs went in one reload, or of the members of one in one listing.
    JobsVanished(String),
    /// The state is empty and archives of this instance exist: a new machine in an old name.
    Recovery(String),
}

/// The facts of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Since when larder ran on a machine that was awake: due times before were missed.
    pub awake_since: Timestamp,
    /// Every archive of the catalogue, whatever its condition.
    pub archives: Vec<Archive>,
    /// Files that are not ours.
    pub foreign: Vec<Foreign>,
    /// Locations of the configuration.
    pub locations: BTreeMap<PlaceName, LocationState>,
    /// Those of them that nothing marks yet, which the first run that writes there makes.
    pub to_be_made: BTreeSet<PlaceName>,
    /// Runs that wait or are under way.
    pub open_runs: Vec<Run>,
    /// Runs that are over, since they were given up, and whose thread still hangs somewhere.
    pub given_up: BTreeMap<RunId, Work>,
    /// Runs that were broken off before their commands `after` ran, which are owed still.
    pub after_owed: BTreeMap<RunId, JobName>,
    /// What is known of the members of jobs with `*`.
    pub members: Members,
    /// Jobs that are or were in the configuration.
    pub jobs: BTreeMap<JobName, JobFacts>,
    /// Drills, by the name of the job, or of the series (`apps/nextcloud`).
    pub drills: BTreeMap<JobName, DrillFacts>,
    /// Series by what retention remembers of them.
    pub series: BTreeMap<Series, SeriesFacts>,
    /// Hashes of deletions that somebody approved.
    pub approvals: BTreeSet<String>,
    /// Why retention rests, if it does.
    pub freezes: Vec<Freeze>,
    /// Locations that lie on the file system of a job's source: one disk takes both along.
    pub beside_source: BTreeSet<(JobName, PlaceName)>,
    /// The file system of each location, as a number: those with the same one share its room.
    pub file_systems: BTreeMap<PlaceName, u64>,
    /// Verifications and copies that failed lately: not tried again before the given time.
    pub not_before: BTreeMap<CopyKey, Timestamp>,
    /// What is known of each peer of the configuration.
    pub contacts: BTreeMap<PlaceName, Arc<Contact>>,
    /// Of each thing that was tried, the newest run that ended in error and that no success followed.
    /// How backups ended stands with their jobs.
    pub failed: Vec<Run>,
    /// What became of the state itself, until somebody has said that it is known.
    pub damage: Vec<Damage>,
}

/// What was lost with a damaged state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The file could not be used any more; a new one took its place.
    SetAside {
        /// When that was found.
        at: Timestamp,
        /// Where the damaged file lies now.
        path: PathBuf,
    },
    /// Its newest changes were damaged, and it went back to those before them.
    RolledBack {
        /// When that was found.
        at: Timestamp,
    },
}

impl Observed {
    /// Nothing at all, seen at `now`: the start of every test and of an empty machine.
    #[must_use]
    pub fn nothing(now: Timestamp) -> Self {
        Self {
            awake_since: now,
            archives: Vec::new(),
            foreign: Vec::new(),
            locations: BTreeMap::new(),
            to_be_made: BTreeSet::new(),
            open_runs: Vec::new(),
            given_up: BTreeMap::new(),
            after_owed: BTreeMap::new(),
            members: Members::new(),
            jobs: BTreeMap::new(),
            drills: BTreeMap::new(),
            series: BTreeMap::new(),
            approvals: BTreeSet::new(),
            freezes: Vec::new(),
            beside_source: BTreeSet::new(),
            file_systems: BTreeMap::new(),
            not_before: BTreeMap::new(),
            contacts: BTreeMap::new(),
            failed: Vec::new(),
            damage: Vec::new(),
        }
    }
}
