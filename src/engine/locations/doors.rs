//! What only one may do at a location at a time. A location that hangs keeps those who want to do
//! the same at another one from nothing.
//!
//! **Invariants:** nobody waits at a door for ever, whatever hangs behind it; nobody who was asked to
//! stop goes through one. Those who wait go in by the order in which they came.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::location::LocationError;
use crate::model::name::PlaceName;
use crate::stop::{Stop, Stopped};

/// How long whoever waits at a door waits before it asks whether there is any hope.
const ASK: Duration = Duration::from_millis(500);
/// How long work waits that the loop attends: less than what counts as silence there.
const OF_THE_LOOP: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// How long a run waits: what others flush there may take as long, and its lane is not free meanwhile.
const OF_A_RUN: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 120 });
/// How long a request of a peer waits, which may come again later.
const OF_A_PEER: Duration = Duration::from_mins(1);

/// Who wants to go through a door, which says how long it waits there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Visitor<'a> {
    /// Work that the loop attends: everything else waits with it.
    Loop,
    /// A run, until it is asked to stop.
    Run(&'a Stop),
    /// A request of a peer, on a thread of its own.
    Peer,
}

impl Visitor<'_> {
    fn patience(self) -> Duration {
        match self {
            Visitor::Loop => OF_THE_LOOP,
            Visitor::Run(_) => OF_A_RUN,
            Visitor::Peer => OF_A_PEER,
        }
    }

    fn check(self) -> Result<(), Stopped> {
        match self {
            Visitor::Run(stop) => stop.check(),
            Visitor::Loop | Visitor::Peer => Ok(()),
        }
    }
}

/// Why a door stayed shut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Shut {
    /// The location is not there, or does not answer.
    #[error(transparent)]
    Away(#[from] LocationError),
    /// Whoever is behind it does not come to an end.
    #[error("something else is under way at location `{location}`, for {} s by now", .since.as_secs())]
    Busy {
        /// Where.
        location: PlaceName,
        /// For how long it has been.
        since: Duration,
    },
    /// Whoever waited was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Shut {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Shut::Away(error) => error.hint(),
            Shut::Busy { .. } => Some(
                "nothing was changed; try again later, and look at the disk (`dmesg`) if that stays so"
                    .to_owned(),
            ),
            Shut::Stopped(_) => None,
        }
    }
}

/// One door for each location.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    lines: Mutex<BTreeMap<PlaceName, Line>>,
    moved: Condvar,
}

/// Those who came to a door, in their order; the first one has it.
#[derive(Debug)]
struct Line {
    tickets: VecDeque<u64>,
    next: u64,
    /// Since when the first one has it.
    since: Instant,
    /// Whether it was told that the first one does not come to an end.
    is_told: bool,
}

impl Line {
    fn new() -> Self {
        Self { tickets: VecDeque::new(), next: 0, since: Instant::now(), is_told: false }
    }

    fn come(&mut self) -> u64 {
        self.next += 1;
        self.tickets.push_back(self.next);
        self.next
    }

    fn leave(&mut self, ticket: u64) {
        if self.tickets.front() == Some(&ticket) {
            (self.since, self.is_told) = (Instant::now(), false);
        }
        self.tickets.retain(|one| *one != ticket);
    }
}

/// The right to what is behind a door, until it is dropped.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    doors: &'a Doors,
    of: PlaceName,
    ticket: u64,
}

impl Doors {
    /// Waits for the door of a location: for as long as that visitor waits, and `hope` does not say
    /// that it is in vain.
    pub(crate) fn enter(
        &self,
        of: &PlaceName,
        visitor: Visitor<'_>,
        mut hope: impl FnMut() -> Result<(), LocationError>,
    ) -> Result<Door<'_>, Shut> {
        let came_at = Instant::now();
        let mut asked_at = came_at;
        let mut lines = self.lines.lock();
        let ticket = lines.entry(of.clone()).or_insert_with(Line::new).come();
        let has_it = |lines: &BTreeMap<PlaceName, Line>| {
            lines.get(of).is_none_or(|line| line.tickets.front() == Some(&ticket))
        };
        // Whoever gives up leaves the line with it: the lock is free then.
        let door = Door { doors: self, of: of.clone(), ticket };
        while !has_it(&lines) {
            self.moved.wait_for(&mut lines, ASK);
            if has_it(&lines) || asked_at.elapsed() < ASK {
                continue;
            }
            drop(lines);
            visitor.check()?;
            hope()?;
            self.is_worth_it(of, visitor, came_at)?;
            asked_at = Instant::now();
            lines = self.lines.lock();
        }
        drop(lines);
        // It may have waited long.
        visitor.check()?;
        Ok(door)
    }

    /// An error where a visitor has waited long enough; what keeps the loop waiting keeps it once.
    fn is_worth_it(
        &self,
        of: &PlaceName,
        visitor: Visitor<'_>,
        came_at: Instant,
    ) -> Result<(), Shut> {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(of) else { return Ok(()) };
        let (patience, since) = (visitor.patience(), line.since.elapsed());
        let waits_long = came_at.elapsed() >= patience;
        let is_known = matches!(visitor, Visitor::Loop) && since >= patience;
        if !waits_long && !is_known {
            return Ok(());
        }
        if !std::mem::replace(&mut line.is_told, true) {
            tracing::error!(location = %of, "what is under way at the location does not come to an end: what else is to be done there waits, everything else goes on");
        }
        Err(Shut::Busy { location: of.clone(), since })
    }

    /// How many wait at a door.
    #[cfg(test)]
    pub(crate) fn waiting(&self, of: &PlaceName) -> usize {
        self.lines.lock().get(of).map_or(0, |line| line.tickets.len().saturating_sub(1))
    }
}

impl Drop for Door<'_> {
    fn drop(&mut self) {
        let mut lines = self.doors.lines.lock();
        if let Some(line) = lines.get_mut(&self.of) {
            line.leave(self.ticket);
            if line.tickets.is_empty() {
                lines.remove(&self.of);
            }
        }
        self.doors.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PlaceName {
        name.parse().unwrap()
    }

    fn hopeless() -> Result<(), LocationError> {
        let reason = "it hangs".to_owned();
        Err(LocationError::Unavailable { location: place("main"), reason })
    }

    fn until_there_wait(doors: &Doors, number: usize) {
        while doors.waiting(&place("main")) != number {
            std::thread::yield_now();
        }
    }

    #[test]
    fn whoever_is_at_one_location_keeps_nobody_from_another() {
        let doors = Doors::default();
        let _here = doors.enter(&place("main"), Visitor::Peer, hopeless).unwrap();
        assert!(doors.enter(&place("usb"), Visitor::Peer, hopeless).is_ok());
        let shut = doors.enter(&place("main"), Visitor::Peer, hopeless).unwrap_err();
        assert!(matches!(shut, Shut::Away(_)), "{shut}");
        assert_eq!(doors.waiting(&place("main")), 0, "whoever gives up is gone");
    }

    #[test]
    fn a_door_is_for_one_at_a_time_and_in_the_order_in_which_they_came() {
        let doors = Doors::default();
        let door = doors.enter(&place("main"), Visitor::Peer, || Ok(())).unwrap();
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for number in 1..=3 {
                let (doors, order) = (&doors, &order);
                scope.spawn(move || {
                    let door = doors.enter(&place("main"), Visitor::Peer, || Ok(())).unwrap();
                    order.lock().push(number);
                    drop(door);
                });
                until_there_wait(doors, number);
            }
            assert!(order.lock().is_empty());
            drop(door);
        });
        assert_eq!(*order.lock(), [1, 2, 3]);
    }

    #[test]
    fn the_loop_waits_at_a_door_for_a_while_and_not_again_for_the_same() {
        let doors = Doors::default();
        let door = doors.enter(&place("main"), Visitor::Peer, || Ok(())).unwrap();
        let waits = || {
            let start = Instant::now();
            let shut = doors.enter(&place("main"), Visitor::Loop, || Ok(())).unwrap_err();
            assert!(matches!(shut, Shut::Busy { .. }), "{shut}");
            start.elapsed()
        };
        assert!(waits() >= OF_THE_LOOP);
        assert!(waits() < OF_THE_LOOP);
        drop(door);
        assert!(doors.enter(&place("main"), Visitor::Loop, || Ok(())).is_ok());
    }

    #[test]
    fn a_run_that_was_asked_to_stop_goes_through_no_door() {
        let (doors, stop) = (Doors::default(), Stop::new());
        let door = doors.enter(&place("main"), Visitor::Peer, || Ok(())).unwrap();
        std::thread::scope(|scope| {
            let waits = scope
                .spawn(|| doors.enter(&place("main"), Visitor::Run(&stop), || Ok(())).map(drop));
            until_there_wait(&doors, 1);
            stop.request(Stopped::Cancelled);
            // However short the time between both.
            drop(door);
            assert!(matches!(waits.join().unwrap(), Err(Shut::Stopped(Stopped::Cancelled))));
        });
        assert!(doors.enter(&place("main"), Visitor::Peer, || Ok(())).is_ok());
    }
}
