//! The way into the engine for everybody else.

use std::sync::Arc;

use tokio::sync::watch;

use crate::engine::core::Core;
use crate::engine::requests::{Reply, Request};
use crate::engine::runs::context;
use crate::engine::{
    Autonomy, Beat, Event, Listening, RequestError, Tally, TestedNotice, View, notices,
};
use crate::location::LocationError;
use crate::model::archive::{CopyKey, Series};
use crate::model::desired::Desired;
use crate::model::name::ObjectName;
use crate::model::run::RunId;
use crate::state::StateError;
use crate::stop::Stopped;

mod contents;
mod history;
mod orders;
mod peers;

pub(crate) use contents::Turns;
pub use contents::{OpenWith, Reading};

/// The way in for everybody else. Clones share the engine.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) core: Arc<Core>,
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

    /// Takes a deleted copy back from the trash, and pins it: otherwise the next pass of retention
    /// would delete again what somebody just took back.
    ///
    /// # Errors
    /// It is not in the trash, or its name is taken.
    pub async fn undelete(&self, key: &CopyKey) -> Result<(), RequestError> {
        self.ask(|reply| Request::Undelete(key.clone(), reply)).await
    }

    /// Pins or unpins a copy.
    ///
    /// # Errors
    /// No such archive, or its sidecar cannot be written.
    pub async fn set_pinned(&self, key: &CopyKey, pinned: bool) -> Result<(), RequestError> {
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

    /// Looks now for files at a location, or at all of them, that larder did not make. Returns when
    /// there is a view that shows them.
    pub async fn look_for_foreign(&self, location: Option<&str>) {
        let location = location.map(ToOwned::to_owned);
        if self.ask(|reply| Request::LookForForeign(location, reply)).await.unwrap_or(false) {
            self.looked().await;
        }
    }

    /// Whether the loop still moves: one that hangs does not.
    #[must_use]
    pub fn beat(&self) -> &Beat {
        &self.core.beat
    }

    /// Opens a copy for reading.
    ///
    /// # Errors
    /// No such archive, its location or its file is not there, or it cannot be opened.
    pub async fn open_archive(&self, key: &CopyKey) -> Result<std::fs::File, RequestError> {
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

    /// Whether the state has taken everything that was done.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.core.unrecorded().is_empty() && self.core.catalogue.is_recorded()
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
