//! Notices that the configuration may have changed.
//!
//! The kernel's events only say that it is worth looking; what decides is a fingerprint of every
//! file (device, inode, size, times). Where files are links, the places that they lead to are
//! watched as well. The fingerprint is also taken again every 30 s, because a replaced directory or
//! a switched link above the configuration makes no event at all. Changes are told when nothing
//! has happened for a second (or, under constant change, 1.8 s after the first event), and not
//! while git is at work in the directory.
//!
//! **Invariant:** this is the only module that knows the `notify` crate.

use std::path::{Path, PathBuf};
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::commit::git_dir;

mod events;
mod fingerprint;

use events::{Events, Signal};
use fingerprint::Fingerprint;

/// What was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The files are not what they were: read them again.
    Edited,
    /// The directory is gone. Told once; its return is an [`Edited`](Change::Edited).
    Vanished,
}

/// How patient the watcher is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long nothing must have happened.
    pub quiet: Duration,
    /// How long after the first event a change is told under constant change.
    pub at_most: Duration,
    /// How often the fingerprint is compared without any event.
    pub rescan: Duration,
    /// How long git's lock is respected.
    pub lock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(1),
            at_most: Duration::from_millis(1_800),
            rescan: Duration::from_secs(28),
            lock: Duration::from_secs(30),
        }
    }
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    signals: blocking::Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

/// Changes that nobody has taken yet; one that waits stands for all that follow.
const BACKLOG: usize = 4;

impl Watcher {
    /// Begins to watch. Start it before the first reading, so that no change falls between.
    #[must_use]
    pub fn start(dir: &Path) -> (Self, mpsc::Receiver<Change>) {
        Self::start_with(dir, Patience::default())
    }

    /// Begins to watch like [`start`](Self::start), with other times.
    ///
    /// # Panics
    /// When the system lets the process start no thread.
    #[must_use]
    pub fn start_with(dir: &Path, patience: Patience) -> (Self, mpsc::Receiver<Change>) {
        let dir = super::last_good::absolute(dir);
        let (changes, receiver) = mpsc::channel(BACKLOG);
        let (signals, incoming) = blocking::channel();
        let mut events = Events::new(&dir, signals.clone());
        // Watched before it is looked at, and both before this returns: what happens from here on
        // is noticed.
        let mut seen = Fingerprint::of(&dir);
        events.follow(&seen);
        seen = Fingerprint::of(&dir);
        let watch = Watch { dir, patience, events, incoming, changes, seen };
        let thread = std::thread::Builder::new()
            .name("watch-config".to_owned())
            .spawn(move || watch.run())
            .expect("a thread can be started at the start of the program");
        (Self { signals, thread: Some(thread) }, receiver)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.signals.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How often git's lock is looked at while it is there.
const LOCK_POLL: Duration = Duration::from_millis(50);

struct Watch {
    dir: PathBuf,
    patience: Patience,
    events: Events,
    incoming: blocking::Receiver<Signal>,
    changes: mpsc::Sender<Change>,
    seen: Fingerprint,
}

/// Events that were not answered yet: the first and the last one.
#[derive(Clone, Copy)]
struct Pending {
    first: Instant,
    last: Instant,
}

impl Watch {
    fn run(mut self) {
        let mut pending: Option<Pending> = None;
        let mut rescan_at = Instant::now() + self.rescan_every();
        loop {
            let now = Instant::now();
            let wake_at = match pending {
                Some(pending) => self.due(pending).max(now).min(rescan_at),
                None => rescan_at,
            };
            match self.incoming.recv_timeout(wake_at.saturating_duration_since(now)) {
                Ok(Signal::Stop) | Err(blocking::RecvTimeoutError::Disconnected) => return,
                Ok(Signal::Touched) => {
                    let last = Instant::now();
                    let first = pending.map_or(last, |pending| pending.first);
                    pending = Some(Pending { first, last });
                }
                Err(blocking::RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= rescan_at {
                rescan_at = now + self.rescan_every();
                // What is found without an event goes the same way as what made one.
                if pending.is_none() && Fingerprint::of(&self.dir) != self.seen {
                    pending = Some(Pending { first: now, last: now });
                }
            }
            if pending.is_some_and(|pending| now >= self.due(pending)) {
                pending = None;
                if self.look() == Listeners::Gone {
                    return;
                }
            }
        }
    }

    /// When to look: after quiet, but not too late; and while git is at work, a little later.
    fn due(&self, pending: Pending) -> Instant {
        let due = (pending.last + self.patience.quiet).min(pending.first + self.patience.at_most);
        let now = Instant::now();
        let patient_until = pending.first + self.patience.lock;
        if now >= due && now < patient_until && self.is_locked() {
            return (now + LOCK_POLL).min(patient_until);
        }
        due
    }

    fn is_locked(&self) -> bool {
        std::fs::canonicalize(&self.dir)
            .ok()
            .and_then(|dir| git_dir(&dir))
            .is_some_and(|git| git.join("index.lock").exists())
    }

    fn rescan_every(&self) -> Duration {
        // Without events, looking is all there is.
        if self.events.work() { self.patience.rescan } else { self.patience.quiet }
    }

    fn look(&mut self) -> Listeners {
        let mut found = Fingerprint::of(&self.dir);
        if !found.has_places_of(&self.seen) {
            // What came into a new directory before it was watched must not be missed.
            self.events.follow(&found);
            found = Fingerprint::of(&self.dir);
        }
        if found == self.seen {
            return Listeners::There;
        }
        let change = if found.is_there() { Change::Edited } else { Change::Vanished };
        self.seen = found;
        match self.changes.try_send(change) {
            // A full queue is fine: whoever takes the first of it reads what is there then.
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Listeners::There,
            Err(mpsc::error::TrySendError::Closed(_)) => Listeners::Gone,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Listeners {
    There,
    Gone,
}
