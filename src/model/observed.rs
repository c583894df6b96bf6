//! What is really there: the facts that a plan is made from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::archive::{Archive, ArchiveId, Series};
use super::name::{JobName, PlaceName};
use super::retention::Policy;
use super::run::{Run, RunStatus};

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
    /// More than half of the jobs went in one reload.
    JobsVanished(String),
    /// The state is empty and archives of this instance exist: a new machine in an old name.
    Recovery(String),
}

/// The facts of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Since when this process (or an unbroken row of them) has been awake: due times before were missed.
    pub awake_since: Timestamp,
    /// Every archive of the catalogue, whatever its condition.
    pub archives: Vec<Archive>,
    /// Files that are not ours.
    pub foreign: Vec<Foreign>,
    /// Locations of the configuration.
    pub locations: BTreeMap<PlaceName, LocationState>,
    /// Runs that wait or are under way.
    pub open_runs: Vec<Run>,
    /// Jobs that are or were in the configuration.
    pub jobs: BTreeMap<JobName, JobFacts>,
    /// Series by what retention remembers of them.
    pub series: BTreeMap<Series, SeriesFacts>,
    /// Hashes of deletions that somebody approved.
    pub approvals: BTreeSet<String>,
    /// Why retention rests, if it does.
    pub freezes: Vec<Freeze>,
    /// Locations that lie on the file system of a job's source: one disk takes both along.
    pub beside_source: BTreeSet<(JobName, PlaceName)>,
    /// Verifications and copies that failed lately: not tried again before the given time.
    pub not_before: BTreeMap<(ArchiveId, PlaceName), Timestamp>,
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
            open_runs: Vec::new(),
            jobs: BTreeMap::new(),
            series: BTreeMap::new(),
            approvals: BTreeSet::new(),
            freezes: Vec::new(),
            beside_source: BTreeSet::new(),
            not_before: BTreeMap::new(),
        }
    }
}
