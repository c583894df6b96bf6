//! Runs: queue and history.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Moment, words};
use crate::engine::View;
use crate::model::archive::{Archive, ArchiveId};
use crate::model::run::{self as model, Cause, RunId, Work};
use crate::progress::Snapshot;

/// An attempt at a piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its number.
    pub id: u64,
    /// The job that it is done for, where there is one.
    #[schema(required)]
    pub job_id: Option<String>,
    /// When it began.
    #[schema(required)]
    pub started_at: Option<Moment>,
    /// When it ended.
    #[schema(required)]
    pub finished_at: Option<Moment>,
    /// `queued`, `running`, `success`, `warning`, `error`, `cancelled` or `interrupted`.
    #[schema(value_type = words::RunStatus)]
    pub status: String,
    /// Its log: `/runs/{id}` has it for administrators, lists do not.
    #[schema(required)]
    pub log_text: Option<String>,
    /// The archive that was made.
    #[schema(required)]
    pub archive_name: Option<String>,
    /// Bytes of that archive's file.
    #[schema(required)]
    pub size_bytes: Option<u64>,

    /// `backup`, `expire`, `empty-trash`, `verify`, `send` or `adopt`.
    #[schema(value_type = words::RunKind)]
    pub kind: String,
    /// What it does, in words.
    pub what: String,
    /// Why it was queued: `due`, `first`, `manual` or `reconcile`.
    #[schema(value_type = words::RunCause)]
    pub cause: String,
    /// The scheduled instant of a run that was due.
    #[schema(required)]
    pub due: Option<Moment>,
    /// 0 for the first attempt at that instant.
    #[schema(required)]
    pub attempt: Option<u32>,
    /// When it was queued.
    pub queued_at: Moment,
    /// One line: what came of it, or why it failed.
    pub summary: String,
    /// What to do about a failure.
    #[schema(required)]
    pub hint: Option<String>,
    /// The archive that it works on.
    #[schema(value_type = Option<words::ArchiveId>, required)]
    pub archive_id: Option<String>,
    /// The location that it works at.
    #[schema(required)]
    pub location: Option<String>,
    /// Where a copy goes.
    #[schema(required)]
    pub to: Option<String>,
    /// A hash of the configuration that it started with.
    #[schema(required)]
    pub config_hash: Option<String>,
    /// How far it is, while it is under way.
    #[schema(required)]
    pub progress: Option<Progress>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes expected; 0 when nobody knows.
    pub expected_bytes: u64,
    /// Members done.
    pub members: u64,
    /// What is being done now.
    pub phase: String,
}

/// What was asked for is queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The number of the run, or of the first of them.
    pub run_id: u64,
    /// Of all of them, where a job has many series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_ids: Option<Vec<u64>>,
}

impl From<Snapshot> for Progress {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            bytes: snapshot.bytes,
            expected_bytes: snapshot.expected_bytes,
            members: snapshot.members,
            phase: snapshot.phase.to_owned(),
        }
    }
}

impl Run {
    /// The run, with times in the view's zone and names from its catalogue.
    #[must_use]
    pub fn new(view: &View, run: &model::Run, progress: Option<Snapshot>) -> Self {
        let find = |id: ArchiveId| view.observed.archives.iter().find(|archive| archive.id == id);
        Self::with(view, &find, run, progress)
    }

    /// Many runs: the catalogue is gone through once, and not for each of them.
    #[must_use]
    pub fn list(
        view: &View,
        runs: &[model::Run],
        progress: impl Fn(RunId) -> Option<Snapshot>,
    ) -> Vec<Self> {
        let wanted: BTreeSet<ArchiveId> =
            runs.iter().filter_map(|run| Subject::of(&run.work).archive).collect();
        let expired = runs.iter().filter_map(|run| match &run.work {
            Work::Expire { archives, .. } => archives.first().copied(),
            Work::Backup { .. }
            | Work::EmptyTrash { .. }
            | Work::Verify { .. }
            | Work::Send { .. }
            | Work::Fetch { .. }
            | Work::Prune { .. }
            | Work::Adopt { .. }
            | Work::Restore { .. }
            | Work::Drill { .. } => None,
        });
        let wanted: BTreeSet<ArchiveId> = wanted.into_iter().chain(expired).collect();
        let mut known: BTreeMap<ArchiveId, &Archive> = BTreeMap::new();
        for archive in view.observed.archives.iter().filter(|one| wanted.contains(&one.id)) {
            known.entry(archive.id).or_insert(archive);
        }
        let find = |id: ArchiveId| known.get(&id).copied();
        runs.iter().map(|run| Self::with(view, &find, run, progress(run.id))).collect()
    }

    fn with<'a>(
        view: &View,
        find: &impl Fn(ArchiveId) -> Option<&'a Archive>,
        run: &model::Run,
        progress: Option<Snapshot>,
    ) -> Self {
        let zone = view.at.time_zone();
        let (due, attempt) = match run.cause {
            Cause::Due { due, attempt } => (Some(Moment::new(due, zone)), Some(attempt)),
            Cause::First | Cause::Manual | Cause::Reconcile => (None, None),
        };
        let subject = Subject::of(&run.work);
        let job = run.work.job().map(ToString::to_string);
        let job = job.or_else(|| Some(find(subject.archive?)?.job.to_string()));
        Self {
            id: run.id.0,
            job_id: job,
            started_at: run.started_at.map(|at| Moment::new(at, zone)),
            finished_at: run.finished_at.map(|at| Moment::new(at, zone)),
            status: run.status.word().to_owned(),
            log_text: None,
            archive_name: run.archive.as_ref().map(ToString::to_string),
            size_bytes: run.size_bytes,
            kind: run.work.word().to_owned(),
            what: in_words(find, &run.work),
            cause: run.cause.word().to_owned(),
            due,
            attempt,
            queued_at: Moment::new(run.queued_at, zone),
            summary: run.summary.clone(),
            hint: run.hint.clone(),
            archive_id: subject.archive.map(|id| id.to_string()),
            location: subject.location,
            to: subject.to,
            config_hash: run.config_hash.clone(),
            progress: progress.map(Progress::from),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self.status.as_str(), "queued" | "running")
    }

    /// Whether it is over and did not do what it was to do.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.status.as_str(), "error" | "cancelled" | "interrupted")
    }

    /// Seconds between its beginning and its end.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let (from, to) = (self.started_at?.timestamp(), self.finished_at?.timestamp());
        Some(to.duration_since(from).as_secs_f64())
    }
}

struct Subject {
    archive: Option<ArchiveId>,
    location: Option<String>,
    to: Option<String>,
}

impl Subject {
    fn of(work: &Work) -> Self {
        let (archive, location, to) = match work {
            Work::Backup { .. } => (None, None, None),
            Work::Expire { series, .. } => (None, Some(&series.location), None),
            Work::EmptyTrash { location, .. } | Work::Adopt { location, .. } => {
                (None, Some(location), None)
            }
            Work::Verify { archive, location }
            | Work::Restore { archive, location, .. }
            | Work::Drill { archive, location, .. } => (Some(*archive), Some(location), None),
            Work::Send { archive, from, to, .. } | Work::Fetch { archive, peer: from, to } => {
                (Some(*archive), Some(from), Some(to))
            }
            Work::Prune { peer, .. } => (None, Some(peer), None),
        };
        Self {
            archive,
            location: location.map(ToString::to_string),
            to: to.map(ToString::to_string),
        }
    }
}

/// What a piece of work does, with archives by name where the catalogue knows them.
pub(super) fn in_words<'a>(
    find: &impl Fn(ArchiveId) -> Option<&'a Archive>,
    work: &Work,
) -> String {
    let name =
        |id: ArchiveId| find(id).map_or_else(|| id.to_string(), |archive| archive.name.to_string());
    match work {
        Work::Backup { job } => format!("backup of {job}"),
        Work::Expire { series, archives } => match archives.as_slice() {
            [one] => format!("expire {} of {series}", name(*one)),
            many => format!("expire {} archives of {series}", many.len()),
        },
        Work::EmptyTrash { location, archives } => {
            format!("empty {} from the trash of {location}", archives.len())
        }
        Work::Verify { archive, location } => format!("verify {} at {location}", name(*archive)),
        Work::Send { archive, from, to, .. } => {
            format!("copy {} from {from} to {to}", name(*archive))
        }
        Work::Fetch { archive, peer, to } => {
            format!("fetch {} from {peer} to {to}", name(*archive))
        }
        Work::Prune { peer, archives } => {
            format!("delete {} archives at {peer}", archives.len())
        }
        Work::Restore { archive, location, request } => match &request.to {
            None if let Some(undone) = request.undo => {
                format!("undo run {undone}, the restore of {}", name(*archive))
            }
            None => format!("restore {} from {location}", name(*archive)),
            Some(to) => format!("restore {} from {location} to {}", name(*archive), to.display()),
        },
        Work::Drill { archive, location, .. } => {
            format!("prove that {} at {location} restores", name(*archive))
        }
        Work::Adopt { location, file_name, job } => {
            format!("adopt {file_name} at {location} into {job}")
        }
    }
}
