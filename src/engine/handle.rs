//! The way into the engine for everybody else.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::model::archive::Series;
use crate::model::name::{JobName, PlaceName};
use crate::model::run::{Run, RunId, Work};
use crate::progress::Snapshot;
use crate::state::{self, StateError};
use crate::stop::Stopped;

use super::core::Core;
use super::requests::{Reply, Request};
use super::{ArchiveKey, Event, RequestError, RunFilter, View, context};

/// The way in for everybody else. Clones share the engine.
#[derive(Debug, Clone)]
pub struct Handle {
    core: Arc<Core>,
    /// Set when the loop has ended.
    ended: watch::Receiver<bool>,
}

impl Handle {
    pub(crate) fn new(core: Arc<Core>, ended: watch::Receiver<bool>) -> Self {
        Self { core, ended }
    }

    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.core.view.load_full()
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, RequestError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.core.requests.send(request(reply)).map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)?
    }

    async fn queue(&self, work: Work) -> Result<RunId, RequestError> {
        self.ask(|reply| Request::Queue(work, reply)).await
    }

    /// Reads from the state, off the async threads.
    async fn read<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Core) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, RequestError> {
        let core = Arc::clone(&self.core);
        tokio::task::spawn_blocking(move || body(&core))
            .await
            .map_err(|error| RequestError::Failed(error.to_string()))?
            .map_err(|error| RequestError::Failed(context::with_causes(&error)))
    }

    /// Queues a backup of a job now.
    ///
    /// # Errors
    /// No such job, an ended job, or it is queued already.
    pub async fn run_job(&self, job: &JobName) -> Result<RunId, RequestError> {
        self.queue(Work::Backup { job: job.clone() }).await
    }

    /// Queues a verification.
    ///
    /// # Errors
    /// No such archive.
    pub async fn verify(&self, key: &ArchiveKey) -> Result<RunId, RequestError> {
        self.queue(Work::Verify { archive: key.id, location: key.location.clone() }).await
    }

    /// Queues a copy of an archive to another location.
    ///
    /// # Errors
    /// No such archive or place.
    pub async fn send(&self, key: &ArchiveKey, to: &PlaceName) -> Result<RunId, RequestError> {
        let from = key.location.clone();
        self.queue(Work::Send { archive: key.id, from, to: to.clone() }).await
    }

    /// Queues the deletion of one copy (to the trash).
    ///
    /// # Errors
    /// No such archive; pinned; the last good one of its series; more than the brake allows in 7 days.
    pub async fn delete(&self, key: &ArchiveKey) -> Result<RunId, RequestError> {
        let archive = self.core.catalogue.get(key).ok_or_else(|| {
            RequestError::NotFound(format!("there is no archive {} at `{}`", key.id, key.location))
        })?;
        self.queue(Work::Expire { series: archive.series(), archives: vec![key.id] }).await
    }

    /// Queues the adoption of a foreign file.
    ///
    /// # Errors
    /// No such file or job.
    pub async fn adopt(
        &self,
        location: &PlaceName,
        file_name: &str,
        job: &JobName,
    ) -> Result<RunId, RequestError> {
        self.queue(Work::Adopt {
            location: location.clone(),
            file_name: file_name.to_owned(),
            job: job.clone(),
        })
        .await
    }

    /// Takes a deleted copy back from the trash, and pins it: otherwise the next pass of retention
    /// would delete again what somebody just took back.
    ///
    /// # Errors
    /// It is not in the trash, or its name is taken.
    pub async fn undelete(&self, key: &ArchiveKey) -> Result<(), RequestError> {
        self.ask(|reply| Request::Undelete(key.clone(), reply)).await
    }

    /// Pins or unpins a copy.
    ///
    /// # Errors
    /// No such archive, or its sidecar cannot be written.
    pub async fn set_pinned(&self, key: &ArchiveKey, pinned: bool) -> Result<(), RequestError> {
        self.ask(|reply| Request::SetPinned(key.clone(), pinned, reply)).await
    }

    /// Lets exactly the deletions with this hash happen: one series' hash or the whole plan's.
    ///
    /// # Errors
    /// No blocked deletions have this hash.
    pub async fn approve(&self, hash: &str) -> Result<Vec<Series>, RequestError> {
        self.ask(|reply| Request::Approve(hash.to_owned(), reply)).await
    }

    /// Cancels a queued or running run.
    ///
    /// # Errors
    /// No such run, or it is over.
    pub async fn cancel(&self, run: RunId) -> Result<(), RequestError> {
        self.ask(|reply| Request::Cancel(run, reply)).await
    }

    /// Reads the configuration again, soon.
    pub fn reload(&self) {
        // A closed channel means that the engine is stopping: nothing to reload for.
        let _ = self.core.requests.send(Request::Reload(None));
    }

    /// Reads the configuration again; returns when the first view of it is there.
    ///
    /// # Errors
    /// The engine is stopping. A configuration with mistakes is no error: the view tells them.
    pub async fn reloaded(&self) -> Result<(), RequestError> {
        self.ask(|reply| Request::Reload(Some(reply))).await
    }

    /// When the loop last moved: one that hangs does not move any more.
    #[must_use]
    pub fn last_beat(&self) -> Instant {
        self.core.last_beat()
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

    /// Opens a copy for reading.
    ///
    /// # Errors
    /// No such archive, or it cannot be opened.
    pub async fn open_archive(&self, key: &ArchiveKey) -> Result<std::fs::File, RequestError> {
        let core = Arc::clone(&self.core);
        let key = key.clone();
        tokio::task::spawn_blocking(move || {
            let not_found = |what: String| RequestError::NotFound(what);
            let archive = core.catalogue.get(&key).ok_or_else(|| {
                not_found(format!("there is no archive {} at `{}`", key.id, key.location))
            })?;
            let store = core
                .store(&key.location)
                .ok_or_else(|| not_found(format!("there is no location `{}`", key.location)))?;
            store.open(&archive).map_err(|error| RequestError::Failed(context::with_causes(&error)))
        })
        .await
        .map_err(|error| RequestError::Failed(error.to_string()))?
    }

    /// Waits until nothing runs, nothing that may start is queued, and the plan wants nothing more now.
    pub async fn settled(&self) {
        let mut settled = self.core.settled.subscribe();
        // An error means that the engine is gone: nothing will move any more.
        let _ = settled.wait_for(|settled| *settled).await;
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.core.events.subscribe()
    }

    /// Ends the loop: what runs is interrupted, what is queued stays queued.
    pub async fn shutdown(&self) {
        self.core.stop.request(Stopped::Shutdown);
        let mut ended = self.ended.clone();
        // An error means that the loop is gone already.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}
