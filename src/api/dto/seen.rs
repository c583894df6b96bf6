//! What a peer is told where others are told everything.
//!
//! **Invariant:** each is a type of its own, without paths, tables and texts of this host: a field
//! that is added to the whole reaches no peer before somebody writes it here. The name of every
//! field is that of the whole, so that one reader serves both.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Health, Job, Location, Moment, Run, Verdict};

/// `GET /health`, for a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthSummary {
    /// `ok`, or `degraded` when somebody should look.
    pub status: String,
    /// The instance's name.
    pub instance: String,
    /// The program's version.
    pub version: String,
    /// The oldest API that is served.
    pub api_min: u32,
    /// The newest API that is served.
    pub api_max: u32,
}

/// How well a job is protected, for a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerdictSummary {
    /// The job.
    pub job: String,
    /// `protected`, `at_risk` or `unprotected`.
    pub verdict: String,
    /// When a run last succeeded, or when its newest good archive was made.
    pub last_success: Option<Moment>,
    /// When the next archive is expected.
    pub next_run: Option<Moment>,
}

/// A job, for a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSummary {
    /// The job's name: it is its identity.
    pub id: String,
    /// The job's name, as in `id`.
    pub name: String,
    /// `custom_dir`, `mysql`, `postgresql`, `ynh_app` or `ynh_system`.
    #[serde(rename = "type")]
    pub job_type: String,
    /// Always `null`.
    pub config: Option<String>,
    /// Whether it runs at all.
    pub enabled: bool,
    /// When it will run.
    pub next_run: Option<Moment>,
    /// Its newest backup run.
    pub last_run: Option<LastRun>,
}

/// The newest backup run of a job, for a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LastRun {
    /// `queued`, `running`, `success`, `warning`, `error`, `cancelled` or `interrupted`.
    pub status: String,
    /// When it began.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub finished_at: Option<Moment>,
}

/// A run about archives of the peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSummary {
    /// Its number.
    pub id: u64,
    /// The job of the archive, as its sender calls it.
    pub job_id: Option<String>,
    /// When it began.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub finished_at: Option<Moment>,
    /// `queued`, `running`, `success`, `warning`, `error`, `cancelled` or `interrupted`.
    pub status: String,
    /// Always `null`.
    pub log_text: Option<String>,
    /// The archive that was made.
    pub archive_name: Option<String>,
    /// Bytes of that archive's file.
    pub size_bytes: Option<u64>,
    /// What it does: `verify`, `expire`, …
    pub kind: String,
    /// When it was queued.
    pub queued_at: Moment,
    /// The archive that it works on.
    pub archive_id: Option<String>,
}

/// The peer's own name space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationSummary {
    /// Its name.
    pub name: String,
    /// `available`, `unavailable`, `suspect`, or `unknown` before anybody looked.
    pub state: String,
    /// Archives that rest here, without those in the trash.
    pub archives: u64,
    /// Bytes of their files.
    pub size: u64,
    /// Archives in its trash.
    pub trashed: u64,
}

macro_rules! seen {
    ($($(#[$doc:meta])* $name:ident: $whole:ident or $summary:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
        #[serde(untagged)]
        pub enum $name {
            /// Everything.
            Whole(Box<$whole>),
            /// What a peer is told.
            Summary(Box<$summary>),
        }

        impl $name {
            /// Everything, or what a peer is told.
            #[must_use]
            pub fn new(whole: $whole, is_peer: bool) -> Self {
                if is_peer {
                    Self::Summary(Box::new($summary::from(whole)))
                } else {
                    Self::Whole(Box::new(whole))
                }
            }
        }
    )+};
}

seen! {
    /// The health of this instance, as far as the asker is told.
    SeenHealth: Health or HealthSummary;
    /// How well a job is protected, as far as the asker is told.
    SeenVerdict: Verdict or VerdictSummary;
    /// A job, as far as the asker is told.
    SeenJob: Job or JobSummary;
    /// A run, as far as the asker is told.
    SeenRun: Run or RunSummary;
    /// A location, as far as the asker is told.
    SeenLocation: Location or LocationSummary;
}

impl From<Health> for HealthSummary {
    fn from(whole: Health) -> Self {
        Self {
            status: whole.status,
            instance: whole.instance,
            version: whole.version,
            api_min: whole.api_min,
            api_max: whole.api_max,
        }
    }
}

impl From<Verdict> for VerdictSummary {
    fn from(whole: Verdict) -> Self {
        Self {
            job: whole.job,
            verdict: whole.verdict,
            last_success: whole.last_success,
            next_run: whole.next_run,
        }
    }
}

impl From<Job> for JobSummary {
    fn from(whole: Job) -> Self {
        Self {
            id: whole.id,
            name: whole.name,
            job_type: whole.job_type,
            config: None,
            enabled: whole.enabled,
            next_run: whole.next_run,
            last_run: whole.last_run.map(|run| LastRun {
                status: run.status,
                started_at: run.started_at,
                finished_at: run.finished_at,
            }),
        }
    }
}

impl From<Run> for RunSummary {
    fn from(whole: Run) -> Self {
        Self {
            id: whole.id,
            job_id: whole.job_id,
            started_at: whole.started_at,
            finished_at: whole.finished_at,
            status: whole.status,
            log_text: None,
            archive_name: whole.archive_name,
            size_bytes: whole.size_bytes,
            kind: whole.kind,
            queued_at: whole.queued_at,
            archive_id: whole.archive_id,
        }
    }
}

impl From<Location> for LocationSummary {
    fn from(whole: Location) -> Self {
        Self {
            name: whole.name,
            state: whole.state,
            archives: whole.archives,
            size: whole.size,
            trashed: whole.trashed,
        }
    }
}
