//! Turns what the engine tells into events, as long as anybody may want them.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::hub::Events;
use super::message::{About, Message, Subject};
use crate::api::dto;
use crate::engine::{Event, Handle, View};
use crate::model::run::{Run, RunId, RunStatus};
use crate::progress::Snapshot;

/// How often the progress of one run is told at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Feeds the events until the engine has ended or nobody can follow any more.
pub(super) async fn feed(to: Weak<Mutex<Events>>, handle: Handle, mut from: Receiver<Event>) {
    let mut teller = Teller::new(&handle.view());
    loop {
        tokio::select! {
            biased;
            // An event that is not taken stays in the channel.
            event = from.recv() => {
                if matches!(event, Err(RecvError::Closed)) {
                    break;
                }
                let told = teller.tell(&handle, event.ok()).await;
                let Some(events) = to.upgrade() else { return };
                let mut events = events.lock();
                told.messages.iter().for_each(|message| events.tell(message));
                if told.rights_changed {
                    events.part_from_guests();
                }
            }
            // Waits for a flag that stays set; what was told before it is in the channel.
            () = handle.ended() => {
                if from.is_empty() {
                    break;
                }
            }
        }
    }
    if let Some(events) = to.upgrade() {
        events.lock().end();
    }
}

/// What an event of the engine means for those who follow.
struct Told {
    messages: Vec<Message>,
    rights_changed: bool,
}

/// What was told last, so that only changes are.
struct Teller {
    open: BTreeMap<RunId, Run>,
    progress_at: BTreeMap<RunId, Instant>,
    overview: dto::Overview,
    config: dto::ConfigHealth,
}

impl Teller {
    fn new(view: &View) -> Self {
        Self {
            open: view.observed.open_runs.iter().map(|run| (run.id, run.clone())).collect(),
            progress_at: BTreeMap::new(),
            overview: dto::Overview::new(view),
            config: dto::ConfigHealth::from(view.config.as_ref()),
        }
    }

    /// `None` when events were lost.
    async fn tell(&mut self, handle: &Handle, event: Option<Event>) -> Told {
        let view = handle.view();
        let mut rights_changed = false;
        let messages = match event {
            Some(Event::Run(run)) => vec![self.run(&view, *run, handle)],
            Some(Event::Progress(run, snapshot)) => {
                self.progress(&view, handle, run, snapshot).await.into_iter().collect()
            }
            Some(Event::View) => {
                let applied = self.config.applied.clone();
                let messages = self.view(&view);
                rights_changed = applied != self.config.applied;
                messages
            }
            None => {
                *self = Self::new(&view);
                // Whether rights changed meanwhile is not known.
                rights_changed = true;
                let reason = "more happened at once than could be told".to_owned();
                vec![Message::new(About::Gap, "reset", &dto::Reset { reason })]
            }
        };
        Told { messages, rights_changed }
    }

    fn run(&mut self, view: &View, run: Run, handle: &Handle) -> Message {
        let name = match run.status {
            RunStatus::Queued => "queued",
            RunStatus::Running => "started",
            RunStatus::Success
            | RunStatus::Warning
            | RunStatus::Error
            | RunStatus::Cancelled
            | RunStatus::Interrupted => "finished",
        };
        let progress = handle.progress(run.id).filter(|_| !run.status.is_final());
        let message = about_run(view, &run, progress, name);
        self.progress_at.remove(&run.id);
        if run.status.is_final() {
            self.open.remove(&run.id);
        } else {
            self.open.insert(run.id, run);
        }
        message
    }

    async fn progress(
        &mut self,
        view: &View,
        handle: &Handle,
        id: RunId,
        snapshot: Snapshot,
    ) -> Option<Message> {
        let is_fresh = self.progress_at.get(&id).is_some_and(|at| at.elapsed() < PROGRESS_EVERY);
        if is_fresh {
            return None;
        }
        if self.open.get(&id).is_none_or(|run| run.status != RunStatus::Running) {
            // It began before anybody followed.
            let run = handle.run(id).await.ok()?;
            self.open.insert(id, run);
        }
        let run = self.open.get(&id)?;
        self.progress_at.insert(id, Instant::now());
        let message = about_run(view, run, Some(snapshot), "progress");
        Some(Message { is_kept: false, ..message })
    }

    fn view(&mut self, view: &View) -> Vec<Message> {
        let mut messages = Vec::new();
        let config = dto::ConfigHealth::from(view.config.as_ref());
        if config != self.config {
            messages.push(Message::new(About::Instance, "config", &config));
            self.config = config;
        }
        let overview = dto::Overview::new(view);
        if overview != self.overview {
            messages.push(Message::new(About::Instance, "view", &overview));
            self.overview = overview;
        }
        messages
    }
}

fn about_run(view: &View, run: &Run, progress: Option<Snapshot>, name: &'static str) -> Message {
    let shown = dto::Run::new(view, run, progress);
    let subject = Subject::new(run, shown.job_id.clone());
    Message::new(About::Run(subject), name, &shown)
}
