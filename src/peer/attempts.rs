//! How often something is tried again while a peer does not answer, and how long is waited before.
//!
//! **Invariant:** whatever waits for a peer takes its pauses from here.

use std::time::Duration;

/// Pauses that grow: each is twice as long as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The first, and the shortest.
    pub first: Duration,
    /// The longest, however many there were.
    pub longest: Duration,
}

/// How peers are waited for.
pub const USUAL: BackOff =
    BackOff { first: Duration::from_secs(1), longest: Duration::from_mins(5) };

impl BackOff {
    /// The pause after so many failures in a row.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        spread(doubled.min(self.longest)).max(self.first)
    }
}

/// Three quarters of a pause to all of it: those that failed together do not come back together.
#[must_use]
pub fn spread(pause: Duration) -> Duration {
    let least = pause / 4 * 3;
    let rest = u64::try_from(pause.saturating_sub(least).as_millis()).unwrap_or(0);
    // Without a source of chance, everybody waits the same time.
    let chance = getrandom::u64().unwrap_or(0) % rest.saturating_add(1);
    least.saturating_add(Duration::from_millis(chance))
}

/// Attempts at something that goes on where it broke off.
#[derive(Debug, Clone)]
pub struct Attempts {
    back_off: BackOff,
    most: u32,
    failed: u32,
}

impl Attempts {
    /// How often something is tried again without any progress between.
    pub const USUAL: u32 = 5;

    /// At most so many after the first, each of which follows no progress.
    #[must_use]
    pub fn new(back_off: BackOff, most: u32) -> Self {
        Self { back_off, most, failed: 0 }
    }

    /// Something came forward: what failed before no longer counts.
    pub fn forward(&mut self) {
        self.failed = 0;
    }

    /// How long to wait before the next attempt; `None` when it is given up.
    pub fn again(&mut self) -> Option<Duration> {
        if self.failed >= self.most {
            return None;
        }
        self.failed += 1;
        Some(self.back_off.pause(self.failed))
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new(USUAL, Self::USUAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_chance_moves_them_by_a_quarter_at_most() {
        let pauses = [1, 2, 3, 5, 9, 10, 31, 32, u32::MAX].map(|n| USUAL.pause(n).as_millis());
        let most = [1, 2, 4, 16, 256, 300, 300, 300, 300].map(|seconds| seconds * 1000);
        for (pause, most) in pauses.iter().zip(most) {
            let least = (most * 3 / 4).max(1000);
            assert!((least..=most).contains(pause), "{pauses:?}");
        }
    }

    #[test]
    fn attempts_end_where_nothing_comes_forward_and_only_there() {
        let mut attempts = Attempts::new(USUAL, 2);
        assert!(attempts.again().is_some() && attempts.again().is_some());
        assert_eq!(attempts.again(), None);
        attempts.forward();
        assert_eq!(attempts.again(), Some(Duration::from_secs(1)));
    }
}
