//! What is ordered: each of these becomes a run.

use std::sync::Arc;

use super::Handle;
use crate::engine::requests::Request;
use crate::engine::runs::restore;
use crate::engine::{RequestError, answer};
use crate::model::archive::{ArchiveId, CopyKey};
use crate::model::job::{Job, Via};
use crate::model::name::{JobName, PlaceName};
use crate::model::restore::RestoreRequest;
use crate::model::run::{RunId, Work};
use crate::reconcile::drills;
use crate::reconcile::situation::Situation;
use crate::restore::Plan;
use crate::stop::{Stop, Stopped};

/// Asks to stop when it is dropped.
pub(super) struct Ends(pub(super) Stop);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.request(Stopped::Cancelled);
    }
}

impl Handle {
    async fn queue(&self, work: Work) -> Result<RunId, RequestError> {
        self.ask(|reply| Request::Queue(work, reply)).await
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
    pub async fn verify(&self, key: &CopyKey) -> Result<RunId, RequestError> {
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
        key: &CopyKey,
        to: &PlaceName,
        via: Via,
    ) -> Result<RunId, RequestError> {
        let from = key.location.clone();
        self.queue(Work::Send { archive: key.id, from, to: to.clone(), via }).await
    }

    /// Queues the fetching of an archive that a peer holds into a location.
    ///
    /// # Errors
    /// No such peer or location, or the same is queued already.
    pub async fn fetch(
        &self,
        archive: ArchiveId,
        peer: &PlaceName,
        to: &PlaceName,
    ) -> Result<RunId, RequestError> {
        self.queue(Work::Fetch { archive, peer: peer.clone(), to: to.clone() }).await
    }

    /// Queues a restore.
    ///
    /// # Errors
    /// No such archive, one that cannot be read, or the same is queued already.
    pub async fn restore(
        &self,
        key: &CopyKey,
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
        key: &CopyKey,
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
    pub async fn delete(&self, key: &CopyKey) -> Result<RunId, RequestError> {
        let archive = self.core.catalogue.get(key).ok_or_else(|| {
            RequestError::NotFound(format!("there is no archive {} at `{}`", key.id, key.location))
        })?;
        self.queue(Work::Expire { series: archive.written_series(), archives: vec![key.id] }).await
    }

    /// Whether [`delete`](Self::delete) would be refused now, for whoever asks somebody before.
    ///
    /// # Errors
    /// As there.
    pub async fn may_delete(&self, key: &CopyKey) -> Result<(), RequestError> {
        let (core, key) = (Arc::clone(&self.core), key.clone());
        tokio::task::spawn_blocking(move || answer::may_delete_copy(&core, &key))
            .await
            .map_err(|error| RequestError::Failed(error.to_string()))?
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
}
