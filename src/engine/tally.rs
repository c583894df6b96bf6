//! What became of the runs of this process: counted as they end, for those who draw curves.
//!
//! The history is in the state and is dropped some day; a counter must never go down while the
//! process lives, so it is one of its own.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::model::run::Run;

/// The upper bounds of the classes of duration, in seconds; what is longer is in none.
pub const BOUNDS: [u32; 10] = [1, 5, 15, 60, 300, 900, 3_600, 7_200, 21_600, 43_200];

/// Runs that ended since the process started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// How many, by kind (`Work::word`) and status (`RunStatus::word`).
    pub ended: BTreeMap<(&'static str, &'static str), u64>,
    /// How long they took, by kind; without those that never began.
    pub durations: BTreeMap<&'static str, Durations>,
}

/// Durations in classes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Durations {
    /// How many were not longer than each of [`BOUNDS`].
    pub within: [u64; BOUNDS.len()],
    /// How many there were.
    pub count: u64,
    /// All of them together.
    pub sum: SignedDuration,
}

impl Tally {
    /// Counts a run that ended; one that is not over is not counted.
    pub(crate) fn note(&mut self, run: &Run) {
        if !run.status.is_final() {
            return;
        }
        *self.ended.entry((run.work.word(), run.status.word())).or_default() += 1;
        if let Some(took) = run.duration() {
            self.durations.entry(run.work.word()).or_default().note(took);
        }
    }
}

impl Durations {
    fn note(&mut self, took: SignedDuration) {
        // The clock may have been put back meanwhile.
        let took = took.max(SignedDuration::ZERO);
        for (within, bound) in self.within.iter_mut().zip(BOUNDS) {
            *within += u64::from(took <= SignedDuration::from_secs(i64::from(bound)));
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_every_class_that_is_not_shorter() {
        let mut durations = Durations::default();
        for seconds in [-5, 0, 1, 2, 15, 100_000] {
            durations.note(SignedDuration::from_secs(seconds));
        }
        assert_eq!(durations.within, [3, 4, 5, 5, 5, 5, 5, 5, 5, 5]);
        assert_eq!((durations.count, durations.sum.as_secs()), (6, 100_018));
    }
}
