//! Whether the loop still moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long the loop may not move before people are told. It moves every 30 s at least, and while
/// it looks at a slow disk as well.
const STANDS_STILL: Duration = Duration::from_mins(2);

/// When the loop last moved: as it is, not as it was when a view was made. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Beat(Arc<Mutex<Option<Instant>>>);

impl Beat {
    /// The loop moves.
    pub(crate) fn now(&self) {
        self.set(Instant::now());
    }

    fn set(&self, at: Instant) {
        *self.0.lock() = Some(at);
    }

    /// How long ago it last moved; `None` where there is no loop.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.0.lock().map(|at| at.elapsed())
    }

    /// How long it has stood still, where that is longer than anything may take.
    #[must_use]
    pub fn stands_still(&self) -> Option<Duration> {
        self.age().filter(|age| *age >= STANDS_STILL)
    }

    /// One that stands still for so long.
    #[cfg(test)]
    pub(crate) fn of_long_ago(age: Duration) -> Self {
        let beat = Self::default();
        beat.set(Instant::now().checked_sub(age).unwrap());
        beat
    }
}
