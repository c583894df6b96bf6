//! What was done, and how far what is under way is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};

use crate::engine::core::Core;
use crate::engine::runs::{record, restore};
use crate::engine::{RequestError, RunFilter};
use crate::model::archive::{ArchiveId, Condition};
use crate::model::name::JobName;
use crate::model::run::{Run, RunId, Work};
use crate::progress::Snapshot;
use crate::reconcile::expiry::Lineage;
use crate::restore::Record;
use crate::state::{self, HistoryKeep};
use crate::status::days::{self, Day, Known};

use super::Handle;

/// How long the view may take that shows what a run did.
const LOOK: Duration = Duration::from_secs(5);
/// So many runs are read at a time for a calendar,
const PAGE: usize = 500;
/// and so many in all: a job of every minute has more, and its calendar begins later.
const DAYS_OF_RUNS: usize = 5_000;

impl Handle {
    /// The newest restore of an archive that this instance remembers.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn last_restore(&self, archive: ArchiveId) -> Result<Option<Run>, RequestError> {
        let of =
            |run: &Run| matches!(&run.work, Work::Restore { archive: id, .. } if *id == archive);
        let mut filter =
            RunFilter { kind: Some("restore".to_owned()), limit: 100, ..RunFilter::default() };
        loop {
            let runs = self.runs(filter.clone()).await?;
            let last = runs.last().map(|run| run.id);
            let is_all = runs.len() < filter.limit;
            if let Some(run) = runs.into_iter().find(of) {
                return Ok(Some(run));
            }
            if is_all {
                return Ok(None);
            }
            filter.before = last;
        }
    }

    /// What a restore did so far, step by step.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub async fn restore_record(&self, run: RunId) -> Result<Option<Record>, RequestError> {
        let core = Arc::clone(&self.core);
        tokio::task::spawn_blocking(move || restore::record(&core, run))
            .await
            .map_err(|error| RequestError::Failed(error.to_string()))?
            .map_err(|error| RequestError::Failed(error.to_string()))
    }

    /// How the last `count` days of a job went, oldest first.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn days(&self, job: &JobName, count: u32) -> Result<Vec<Day>, RequestError> {
        let (view, job) = (self.view(), job.clone());
        self.read(move |core| {
            let now = &view.at;
            let filter = state::RunFilter {
                job: Some(job.clone()),
                kind: Some("backup".to_owned()),
                status: None,
            };
            let wanted = now.checked_sub(i64::from(count).days());
            let wanted = wanted.map_or(Timestamp::MIN, |wanted| wanted.timestamp());
            let (mut runs, mut before) = (Vec::new(), None);
            // What is younger than the history is long is all there, unless there is too much.
            let kept = HistoryKeep::default().age;
            let mut remembered_since = now.timestamp().checked_sub(kept).unwrap_or(Timestamp::MIN);
            loop {
                let page = core.state.runs(&filter, before, PAGE)?;
                let is_last = page.len() < PAGE;
                before = page.last().map(|run| run.id);
                let oldest = page.last().map(|run| run.queued_at);
                runs.extend(page);
                if let Some(oldest) = oldest {
                    remembered_since = remembered_since.min(oldest);
                }
                if is_last || oldest.is_none_or(|oldest| oldest < wanted) {
                    break;
                }
                if runs.len() >= DAYS_OF_RUNS {
                    remembered_since = oldest.unwrap_or(now.timestamp());
                    break;
                }
            }
            let mut archives = BTreeMap::new();
            let lineage = Lineage::of(&view.desired);
            for archive in view.observed.archives.iter().filter(|one| {
                lineage.is_of_job(one, job.as_str()) && one.condition != Condition::Lost
            }) {
                *archives.entry(archive.day).or_insert(false) |= archive.is_good();
            }
            let declared = view.desired.jobs.get(&job);
            let declared = declared.filter(|job| job.enabled && job.ended.is_none());
            let facts = view.observed.jobs.get(&job);
            if let Some(facts) = facts {
                // Before that there was no such job here, unless a run says otherwise.
                let first = runs.last().map_or(facts.first_seen, |run| run.queued_at);
                remembered_since = remembered_since.max(first.min(facts.first_seen));
            }
            let schedule = declared.zip(facts).map(|(job, facts)| {
                let since = facts.table.as_ref().map_or(facts.first_seen, |table| table.since);
                (&job.schedule, since)
            });
            let known = Known { runs: &runs, archives: &archives, remembered_since, schedule };
            Ok(days::days(&known, count, now))
        })
        .await
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<Run>, RequestError> {
        let RunFilter { job, status, kind, before, limit } = filter;
        let filter = state::RunFilter { job, kind, status };
        let read = move |core: &Core| {
            let mut runs = core.state.runs(&filter, before, limit)?;
            record::as_they_are(core, &mut runs);
            Ok(runs)
        };
        let runs = self.read(read).await?;
        self.shown(&runs).await;
        Ok(runs)
    }

    /// One run.
    ///
    /// # Errors
    /// No such run.
    pub async fn run(&self, id: RunId) -> Result<Run, RequestError> {
        let read = move |core: &Core| {
            let mut run = core.state.run(id)?;
            record::as_they_are(core, run.as_mut_slice());
            Ok(run)
        };
        let run = self.read(read).await?;
        self.shown(run.as_slice()).await;
        run.ok_or_else(|| RequestError::NotFound(format!("there is no run {id}")))
    }

    /// Waits until there is a view that shows what those of these runs did that are over: whoever
    /// reads that one has ended finds its archive, and `JOB@latest` means that.
    async fn shown(&self, runs: &[Run]) {
        let is_unseen = {
            let unseen = self.core.unseen.lock();
            runs.iter().any(|run| run.status.is_final() && unseen.contains(&run.id))
        };
        if is_unseen {
            // Where a disk hangs, the history is told all the same.
            let _ = tokio::time::timeout(LOOK, self.looked()).await;
        }
    }

    /// A run's log so far.
    ///
    /// # Errors
    /// No such run.
    pub async fn log(&self, id: RunId) -> Result<String, RequestError> {
        self.run(id).await?;
        self.read(move |core| core.state.log(id)).await
    }

    /// How far a running run is.
    #[must_use]
    pub fn progress(&self, run: RunId) -> Option<Snapshot> {
        let running = self.core.running();
        running.values().find(|r| r.run.id == run).map(|r| r.progress.snapshot())
    }
}
