//! The way into the engine for everybody else.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::location::LocationError;
use crate::model::archive::Series;
use crate::model::desired::Desired;
use crate::model::job::{Job, Via};
use crate::model::name::{JobName, ObjectName, PlaceName};
use crate::model::restore::RestoreRequest;
use crate::model::run::{RunId, Work};
use crate::reconcile::drills;
use crate::reconcile::situation::Situation;
use crate::restore::Plan;
use crate::state::StateError;
use crate::stop::{Stop, Stopped};

use super::core::Core;
use super::requests::{Reply, Request};
use super::{
    ArchiveKey, Autonomy, Event, Listening, RequestError, Tally, TestedNotice, View, context,
    notices, restore,
};

mod history;
mod peers;

/// The way in for everybody else. Clones share the engine.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) core: Arc<Core>,
    /// Set when the loop has ended.
    ended: watch::Receiver<bool>,
}

/// Asks to stop when it is dropped.
struct Ends(Stop);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.request(Stopped::Cancelled);
    }
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

    /// The configuration in force. It is the next view's: an edit counts from here on, however
    /// long looking at the disks takes.
    #[must_use]
    pub fn desired(&self) -> Arc<Desired> {
        self.core.desired()
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

    /// Lists what a job with `*` stands for, and queues a backup of all of it now. A series that is
    /// queued or running already is among the answers as it is.
    ///
    /// # Errors
    /// No such job, it cannot be listed and never was, it stands for nothing, or all of it is
    /// queued already.
    pub async fn run_all(&self, template: &JobName) -> Result<Vec<RunId>, RequestError> {
        self.ask(|reply| Request::List(template.clone(), reply)).await?;
        let desired = self.core.desired();
        let (mut runs, mut is_new) = (Vec::new(), false);
        for job in desired.series_of(template) {
            match self.run_job(&job.name).await {
                Ok(run) => {
                    runs.push(run);
                    is_new = true;
                }
                Err(RequestError::Busy(run)) => runs.push(run),
                Err(error) => return Err(error),
            }
        }
        match runs.first() {
            None => Err(RequestError::Refused {
                why: format!("`{template}` stands for nothing that is there now"),
                hint: Some("`larder coverage` shows what is there".to_owned()),
            }),
            // One whose runs are all there already is as busy as a single one.
            Some(first) if runs.len() == 1 && !is_new => Err(RequestError::Busy(*first)),
            Some(_) => Ok(runs),
        }
    }

    /// Queues a verification.
    ///
    /// # Errors
    /// No such archive.
    pub async fn verify(&self, key: &ArchiveKey) -> Result<RunId, RequestError> {
        self.queue(Work::Verify { archive: key.id, location: key.location.clone() }).await
    }

    /// Queues a drill of the newest good archive of a job, or of a series (`apps/nextcloud`); of
    /// each of its series for a job that has many.
    ///
    /// # Errors
    /// No such job, no good archive of it in reach, or it is queued already.
    pub async fn drill(&self, job: &JobName) -> Result<Vec<RunId>, RequestError> {
        let wanted = {
            let view = self.view();
            let desired = &view.desired;
            let mut of: Vec<&Job> = desired.jobs.get(job).into_iter().collect();
            if of.is_empty() && desired.templates.contains_key(job) {
                of.extend(desired.series_of(job));
            }
            if of.is_empty() {
                return Err(RequestError::NotFound(format!("there is no job `{job}`")));
            }
            let situation = Situation::new(desired, &view.observed, &view.at);
            let works = of.into_iter().filter_map(|one| {
                let archive = drills::candidate(&situation, one, true)?;
                let location = archive.location.clone();
                Some(Work::Drill { job: one.name.clone(), archive: archive.id, location })
            });
            works.collect::<Vec<_>>()
        };
        if wanted.is_empty() {
            return Err(RequestError::Refused {
                why: format!("there is no good archive of `{job}` in reach"),
                hint: Some(format!("make one (`larder run {job}`), or mount its location")),
            });
        }
        let many = wanted.len() > 1;
        let mut runs = Vec::new();
        for work in wanted {
            match self.queue(work).await {
                Ok(run) => runs.push(run),
                Err(RequestError::Busy(run)) if many => runs.push(run),
                Err(error) => return Err(error),
            }
        }
        Ok(runs)
    }

    /// Queues a copy of an archive to another location, or to a peer, however it travels there.
    ///
    /// # Errors
    /// No such archive or place, or nothing is sent there.
    pub async fn send(
        &self,
        key: &ArchiveKey,
        to: &PlaceName,
        via: Via,
    ) -> Result<RunId, RequestError> {
        let from = key.location.clone();
        self.queue(Work::Send { archive: key.id, from, to: to.clone(), via }).await
    }

    /// Queues a restore.
    ///
    /// # Errors
    /// No such archive, one that cannot be read, or the same is queued already.
    pub async fn restore(
        &self,
        key: &ArchiveKey,
        request: RestoreRequest,
    ) -> Result<RunId, RequestError> {
        let (archive, location) = (key.id, key.location.clone());
        self.queue(Work::Restore { archive, location, request: Box::new(request) }).await
    }

    /// Queues the undoing of a restore.
    ///
    /// # Errors
    /// No such run, or it was no restore.
    pub async fn undo_restore(&self, run: RunId) -> Result<RunId, RequestError> {
        let run = self.run(run).await?;
        let work = restore::undoing(&run).ok_or_else(|| RequestError::Refused {
            why: format!("run {} is no restore that could be undone", run.id),
            hint: Some("`larder runs` lists the runs".to_owned()),
        })?;
        if !run.status.is_final() {
            return Err(RequestError::Refused {
                why: format!("run {} is not over", run.id),
                hint: Some(format!("cancel it first: `larder cancel {}`", run.id)),
            });
        }
        self.queue(work).await
    }

    /// Looks at an archive and at this host, and says what a restore would do.
    ///
    /// # Errors
    /// It cannot be done; the remedy is with the error.
    pub async fn plan_restore(
        &self,
        key: &ArchiveKey,
        request: RestoreRequest,
    ) -> Result<Plan, RequestError> {
        let (core, key) = (Arc::clone(&self.core), key.clone());
        let stop = self.core.stop.child();
        // Whoever asked may be gone before a large archive is read.
        let _ends = Ends(stop.clone());
        tokio::task::spawn_blocking(move || restore::plan(&core, &key, &request, &stop))
            .await
            .map_err(|error| RequestError::Failed(error.to_string()))?
            .map_err(|failure| RequestError::Refused { why: failure.summary, hint: failure.hint })
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

    /// Ends the recovery of an instance on a new machine: from now on its jobs run. Whether there
    /// was one.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn end_recovery(&self) -> Result<bool, RequestError> {
        self.ask(Request::EndRecovery).await
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

    /// Tells in every view where the API is served.
    pub fn set_listening(&self, listening: Listening) {
        self.core.listening.store(Arc::new(listening));
        self.core.tell(Event::View);
    }

    /// Returns when there is a view that shows everything that is so by now.
    pub(super) async fn looked(&self) {
        // An engine that is stopping shows nothing more.
        let _ = self.ask(Request::Look).await;
    }

    /// When the loop last moved: one that hangs does not move any more.
    #[must_use]
    pub fn last_beat(&self) -> Instant {
        self.core.last_beat()
    }

    /// Opens a copy for reading.
    ///
    /// # Errors
    /// No such archive, its location or its file is not there, or it cannot be opened.
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
            store.open(&archive).map_err(|error| match error {
                // Why stands with the location: whoever downloads need not know this host's paths.
                LocationError::Unavailable { location, .. } => {
                    RequestError::Unavailable(format!("location `{location}` is not available"))
                }
                LocationError::Gone { .. } => not_found(format!(
                    "the file of `{}` is not at `{}` any more",
                    archive.name, key.location
                )),
                error => RequestError::Failed(context::with_causes(&error)),
            })
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

    /// Sends a test to one notification target, or to all of them.
    ///
    /// # Errors
    /// There is no such target, or none at all. One that cannot be reached is no error.
    pub async fn test_notices(
        &self,
        only: Option<&ObjectName>,
    ) -> Result<Vec<TestedNotice>, RequestError> {
        notices::test(&self.core, only).await
    }

    /// Ends the loop: what runs is interrupted, what is queued stays queued. `larder apply` tells
    /// before that what there is to tell, for a minute at most.
    pub async fn shutdown(&self) {
        if self.core.options.autonomy == Autonomy::Apply {
            let core = Arc::clone(&self.core);
            // Whoever reads the log of a run that failed reads why; this only tells about it.
            let _ = tokio::task::spawn_blocking(move || notices::decide_at_end(&core)).await;
            notices::flush(&self.core).await;
        }
        self.core.stop.request(Stopped::Shutdown);
        self.ended().await;
    }

    /// Waits until the loop has ended: nothing happens any more.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // An error means that the loop is gone already.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// What became of the runs of this process.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.core.tally()
    }
}
