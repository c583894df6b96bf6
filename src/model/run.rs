//! Runs: the one concept of work. Queue and history are the same thing at different times.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::archive::{ArchiveId, Series};
use super::desired::Desired;
use super::job::Via;
use super::name::{ArchiveName, JobName, PlaceName};
use super::restore::RestoreRequest;
use super::words::words;

/// The number of a run: grows, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a run does, and to what. Names everything; leaves no choice to the execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Makes an archive of a job.
    Backup {
        /// The job.
        job: JobName,
    },
    /// Deletes exactly these archives of a series.
    Expire {
        /// The series.
        series: Series,
        /// Which ones; all good reasons stand in the plan that queued this.
        archives: Vec<ArchiveId>,
    },
    /// Unlinks trashed archives whose time is over.
    EmptyTrash {
        /// The location.
        location: PlaceName,
        /// Which ones.
        archives: Vec<ArchiveId>,
    },
    /// Reads an archive's file and compares its hash.
    Verify {
        /// The archive.
        archive: ArchiveId,
        /// Where the copy rests.
        location: PlaceName,
    },
    /// Copies an archive to another location, or to a peer.
    Send {
        /// The archive.
        archive: ArchiveId,
        /// Where it is read.
        from: PlaceName,
        /// Where it goes: a location or a peer, which share one name space.
        to: PlaceName,
        /// How it travels to a peer; `Auto` for what the configuration says.
        via: Via,
    },
    /// Takes an archive from a peer that offers it, or that holds a good copy of a damaged one.
    Fetch {
        /// The archive.
        archive: ArchiveId,
        /// The peer.
        peer: PlaceName,
        /// Where it goes.
        to: PlaceName,
    },
    /// Deletes exactly these of our archives at a peer of an SSH kind with `prune = true`.
    Prune {
        /// The peer.
        peer: PlaceName,
        /// Which ones.
        archives: Vec<ArchiveId>,
    },
    /// Takes a foreign file of a location into the catalogue: reads it whole and writes its sidecar.
    Adopt {
        /// Where it rests.
        location: PlaceName,
        /// Its file name.
        file_name: String,
        /// The job whose series it joins.
        job: JobName,
    },
    /// Brings back what an archive holds.
    Restore {
        /// The archive.
        archive: ArchiveId,
        /// Where it is read.
        location: PlaceName,
        /// What of it, and where to.
        request: Box<RestoreRequest>,
    },
    /// Proves in a scratch place that an archive can be restored.
    Drill {
        /// The job that it is proved for.
        job: JobName,
        /// The archive.
        archive: ArchiveId,
        /// Where it is read.
        location: PlaceName,
    },
}

words! {
    impl Work {
        Backup = "backup",
        Expire = "expire",
        EmptyTrash = "empty-trash",
        Verify = "verify",
        Send = "send",
        Adopt = "adopt",
        Restore = "restore",
        Drill = "drill",
        Fetch = "fetch",
        Prune = "prune",
    }
}

impl Work {
    /// The job it is done for, where there is one.
    #[must_use]
    pub fn job(&self) -> Option<&JobName> {
        match self {
            Work::Backup { job } | Work::Adopt { job, .. } | Work::Drill { job, .. } => Some(job),
            Work::Expire { series, .. } => Some(&series.job),
            Work::EmptyTrash { .. }
            | Work::Verify { .. }
            | Work::Send { .. }
            | Work::Fetch { .. }
            | Work::Prune { .. }
            | Work::Restore { .. } => None,
        }
    }
}

/// Why a run was queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Its schedule named this instant.
    Due {
        /// The instant.
        due: Timestamp,
        /// 0 for the first attempt, then 1, 2, 3.
        attempt: u32,
    },
    /// The job never ran and `catch_up = "now"`.
    First,
    /// Somebody asked.
    Manual,
    /// It follows from what is there: expiry after a backup, a verification whose time has come.
    Reconcile,
}

words! {
    impl Cause {
        Due = "due",
        First = "first",
        Manual = "manual",
        Reconcile = "reconcile",
    }
}

/// Which of the two serial lanes a run waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Everything that reads sources or changes locations.
    Local,
    /// Everything that talks to peers.
    Network,
}

words! {
    /// Where a run stands.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum RunStatus {
        /// Waits for its turn.
        Queued = "queued",
        /// Is under way.
        Running = "running",
        /// Did what it was to do.
        Success = "success",
        /// Did it, and there is something to look at.
        Warning = "warning",
        /// Could not do it.
        Error = "error",
        /// Was stopped by somebody.
        Cancelled = "cancelled",
        /// The daemon ended or the machine stopped under it.
        Interrupted = "interrupted",
    }
}

impl RunStatus {
    /// Whether the run is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, RunStatus::Queued | RunStatus::Running)
    }

    /// Whether the run is over and did what it was to do.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, RunStatus::Success | RunStatus::Warning)
    }
}

/// An attempt at a piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// What it does.
    pub work: Work,
    /// Why it was queued.
    pub cause: Cause,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// One line: what came of it, or why it failed.
    pub summary: String,
    /// What to do about a failure, where that is known.
    pub hint: Option<String>,
    /// The archive that was made.
    pub archive: Option<ArchiveName>,
    /// Size of that archive's file, in bytes.
    pub size_bytes: Option<u64>,
    /// A hash of the configuration it started with, in hex.
    pub config_hash: Option<String>,
}

/// The rank of what can wait until everything is done that is due.
const BACKGROUND: u8 = 3;

impl Run {
    /// Its lane, with this configuration. Copies between locations of this host are local work.
    #[must_use]
    pub fn lane(&self, desired: &Desired) -> Lane {
        match &self.work {
            Work::Send { to, .. } if desired.peers.contains_key(to) => Lane::Network,
            Work::Fetch { .. } | Work::Prune { .. } => Lane::Network,
            Work::Backup { .. }
            | Work::Expire { .. }
            | Work::EmptyTrash { .. }
            | Work::Verify { .. }
            | Work::Send { .. }
            | Work::Adopt { .. }
            | Work::Restore { .. }
            | Work::Drill { .. } => Lane::Local,
        }
    }

    /// Its rank in its lane, lowest first: restores, manual, due (oldest first), the rest,
    /// drills among them.
    #[must_use]
    pub fn rank(&self) -> (u8, Timestamp, RunId) {
        match (&self.work, &self.cause) {
            (Work::Restore { .. }, _) => (0, self.queued_at, self.id),
            (_, Cause::Manual) => (1, self.queued_at, self.id),
            // A proof can wait until everything is kept that is due.
            (Work::Drill { .. }, Cause::Due { .. } | Cause::First) => {
                (BACKGROUND, self.queued_at, self.id)
            }
            (_, Cause::Due { due, .. }) => (2, *due, self.id),
            (_, Cause::First) => (2, self.queued_at, self.id),
            // What a finished backup releases comes before the next one needs the space.
            (Work::Expire { .. } | Work::EmptyTrash { .. }, Cause::Reconcile) => {
                (2, Timestamp::MIN, self.id)
            }
            (_, Cause::Reconcile) => (BACKGROUND, self.queued_at, self.id),
        }
    }

    /// Whether it can wait until everything is done that is due or that somebody asked for.
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.rank().0 >= BACKGROUND
    }

    /// How long it took, where it is over.
    #[must_use]
    pub fn duration(&self) -> Option<SignedDuration> {
        Some(self.finished_at?.duration_since(self.started_at?))
    }
}
