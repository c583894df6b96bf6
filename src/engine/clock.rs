//! Watches the wall clock: retention rests when it went back or jumped ahead.

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use crate::reconcile::expiry::freeze::{self, Elapsed};
use crate::state::{State, StateError};

/// How often the high-water mark is stored; a crash loses no more of it.
const STORE_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Wall clock and monotonic clock at the last look.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    last: Option<(Timestamp, SignedDuration)>,
    stored: Option<Timestamp>,
}

impl Clock {
    /// Begins to watch.
    pub(crate) fn start() -> Self {
        Self { last: None, stored: None }
    }

    /// Compares both clocks and the stored mark; a jump freezes retention until a scheduled run succeeded.
    /// Returns whether there was one.
    pub(crate) fn check(&mut self, state: &State, now: Timestamp) -> Result<bool, StateError> {
        let mark = match self.stored {
            Some(mark) => Some(mark),
            None => state.clock()?,
        };
        let monotonic = since_boot();
        let elapsed =
            self.last.map(|(since, before)| Elapsed { since, monotonic: monotonic - before });
        let frozen = freeze::guards_clock(mark, now, elapsed);
        if let Some(frozen) = &frozen {
            tracing::warn!(reason = ?frozen, "the clock jumped: retention rests until a scheduled run succeeded");
            state.put_freeze(frozen)?;
        }
        self.last = Some((now, monotonic));
        self.stored = mark;
        if mark.is_none_or(|mark| now.duration_since(mark).abs() >= STORE_EVERY) {
            // Back to what the clock says now, once that was noticed: one jump is one freeze.
            state.reset_clock(now)?;
            self.stored = Some(now);
        }
        Ok(frozen.is_some())
    }
}

/// The clock that only goes forward and counts while the machine is suspended.
fn since_boot() -> SignedDuration {
    let time = clock_gettime(ClockId::Boottime);
    SignedDuration::new(time.tv_sec, i32::try_from(time.tv_nsec).unwrap_or(0))
}
