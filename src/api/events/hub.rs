//! The last events, and everybody who follows them.
//!
//! An `id` is `PROCESS-NUMBER`: another process, or a number that is forgotten, is answered with
//! `reset`. **Invariants:** at most [`KEPT`] events are remembered, [`LISTENERS`] clients followed
//! and [`QUEUE`] events wait for each; whoever does not keep up is dropped and may come back.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::feed;
use super::message::{About, Message, Wants};
use crate::api::dto;
use crate::engine::Handle;

/// How many events are remembered.
pub(super) const KEPT: usize = 1000;
/// How many clients may follow at once.
pub(super) const LISTENERS: usize = 64;
/// How many events may wait for one client.
pub(super) const QUEUE: usize = 256;
/// How long clients wait before they come back, in milliseconds.
const RETRY: u32 = 3000;

/// The events of one engine. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::api) struct Hub(Arc<Mutex<Events>>);

/// What the hub knows.
#[derive(Debug)]
pub(super) struct Events {
    /// Tells this process from others.
    process: String,
    /// The number of the newest event that is kept.
    last: u64,
    kept: VecDeque<(u64, About, Bytes)>,
    listeners: Vec<Listener>,
    is_fed: bool,
    has_ended: bool,
}

#[derive(Debug)]
struct Listener {
    wants: Wants,
    queue: mpsc::Sender<Bytes>,
}

/// What a client gets.
#[derive(Debug)]
pub(super) struct Subscription {
    /// At once: what it missed.
    pub(super) missed: VecDeque<Bytes>,
    /// Then what comes; closed when there will be nothing more for this client.
    pub(super) queue: mpsc::Receiver<Bytes>,
}

/// Why nobody more can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There are too many already.
    Full,
    /// The daemon is stopping.
    Ended,
}

impl Hub {
    /// Without anybody who follows. Nothing is remembered before the first one comes: nobody could
    /// ask for it.
    pub(in crate::api) fn new() -> Self {
        let process = uuid::Uuid::new_v4().simple().to_string();
        Self(Arc::new(Mutex::new(Events {
            process: process.chars().take(12).collect(),
            last: 0,
            kept: VecDeque::new(),
            listeners: Vec::new(),
            is_fed: false,
            has_ended: false,
        })))
    }

    /// Follows the events of this engine, from the one behind `last` on where that is known.
    pub(super) fn subscribe(
        &self,
        handle: &Handle,
        wants: Wants,
        last: Option<&str>,
    ) -> Result<Subscription, Refused> {
        let mut events = self.0.lock();
        if !events.is_fed {
            events.is_fed = true;
            let (from, handle) = (handle.subscribe(), handle.clone());
            tokio::spawn(feed::feed(Arc::downgrade(&self.0), handle, from));
        }
        events.subscribe(wants, last)
    }
}

/// What is guarded is changed in single steps, so a panic elsewhere leaves it usable.
impl Events {
    fn subscribe(&mut self, wants: Wants, last: Option<&str>) -> Result<Subscription, Refused> {
        if self.has_ended {
            return Err(Refused::Ended);
        }
        self.listeners.retain(|listener| !listener.queue.is_closed());
        if self.listeners.len() >= LISTENERS {
            return Err(Refused::Full);
        }
        let mut missed = VecDeque::new();
        match last.map(|last| self.known(last)) {
            // The number stands in the first lines, so that a client knows where it was even when
            // it is cut off before anything happened.
            None => missed.push_back(format!("retry: {RETRY}\nid: {}\n\n", self.id()).into()),
            Some(Some(seen)) => {
                missed.push_back(format!("retry: {RETRY}\n\n").into());
                let behind = self
                    .kept
                    .iter()
                    .filter(|(number, about, _)| *number > seen && wants.includes(about));
                missed.extend(behind.map(|(_, _, frame)| frame.clone()));
            }
            Some(None) => {
                missed.push_back(format!("retry: {RETRY}\n\n").into());
                let reason = "what came after that event is not known any more".to_owned();
                let reset = Message::new(About::Gap, "reset", &dto::Reset { reason });
                missed.push_back(reset.frame(&self.id()));
            }
        }
        let (sender, queue) = mpsc::channel(QUEUE);
        self.listeners.push(Listener { wants, queue: sender });
        Ok(Subscription { missed, queue })
    }

    /// The number of an event behind which nothing is forgotten.
    fn known(&self, id: &str) -> Option<u64> {
        let (process, number) = id.rsplit_once('-')?;
        let number: u64 = number.parse().ok()?;
        let oldest = self.last - self.kept.len() as u64;
        (process == self.process && (oldest..=self.last).contains(&number)).then_some(number)
    }

    fn id(&self) -> String {
        format!("{}-{}", self.process, self.last)
    }

    /// Tells everybody whom it concerns. Whoever has no room for it is dropped, but for progress,
    /// which comes again.
    pub(super) fn tell(&mut self, message: &Message) {
        if message.is_kept {
            self.last += 1;
        }
        let frame = message.frame(&self.id());
        self.listeners.retain(|listener| {
            if !listener.wants.includes(&message.about) {
                return !listener.queue.is_closed();
            }
            match listener.queue.try_send(frame.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => !message.is_kept,
                Err(TrySendError::Closed(_)) => false,
            }
        });
        if message.is_kept {
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back((self.last, message.about.clone(), frame));
        }
    }

    /// Ends everybody's stream whose rights the configuration gives: they come back, and are asked
    /// who they are.
    pub(super) fn part_from_guests(&mut self) {
        self.listeners.retain(|listener| listener.wants.is_local);
    }

    /// Ends every stream.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
        self.listeners.clear();
    }
}

#[cfg(test)]
mod tests;
