//! What was done, and how far what is under way is.

use std::sync::Arc;

use crate::engine::{RequestError, RunFilter, restore};
use crate::model::archive::ArchiveId;
use crate::model::run::{Run, RunId, Work};
use crate::progress::Snapshot;
use crate::restore::Record;
use crate::state;

use super::Handle;

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

    /// Runs, newest first.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<Run>, RequestError> {
        let RunFilter { job, status, kind, before, limit } = filter;
        let filter = state::RunFilter { job, kind, status };
        self.read(move |core| core.state.runs(&filter, before, limit)).await
    }

    /// One run.
    ///
    /// # Errors
    /// No such run.
    pub async fn run(&self, id: RunId) -> Result<Run, RequestError> {
        self.read(move |core| core.state.run(id))
            .await?
            .ok_or_else(|| RequestError::NotFound(format!("there is no run {id}")))
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
