//! How fast the other side moves while we wait for it.
//!
//! Time in which nobody waits for it does not count: a handler that takes long to store what came
//! is not the client's fault.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::Rate;

/// A window is looked at in so many parts, so that a stall in the middle of two is seen as well.
const PARTS: u32 = 10;

/// The most that may be waited at a time: a part of a window without end would overflow the clock.
const LONGEST: Duration = Duration::from_hours(24);

#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// What moved in each of the last parts.
    moved: [u64; PARTS as usize],
    current: usize,
    /// How much of the current part was waited.
    waited: Duration,
    /// How many parts are over, up to all of them.
    over: u32,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    is_too_slow: bool,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        let mut moved = [0; PARTS as usize];
        // What comes at the end of a wait belongs to it, and is counted with the next.
        moved[0] = rate.bytes.div_ceil(u64::from(PARTS));
        Self {
            rate,
            moved,
            current: 0,
            waited: Duration::ZERO,
            over: 0,
            waiting_since: None,
            timer: None,
            is_too_slow: false,
        }
    }

    fn part(&self) -> Duration {
        (self.rate.window / PARTS).clamp(Duration::from_millis(1), LONGEST)
    }

    /// So many bytes moved: the wait is over.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.advance(since.elapsed());
        }
        self.moved[self.current] =
            self.moved[self.current].saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// To be asked whenever the other side is waited for: ready when it is too slow.
    pub(super) fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            if let Some(since) = self.waiting_since.replace(now) {
                self.advance(now.duration_since(since));
            }
            if self.is_too_slow {
                return Poll::Ready(());
            }
            let next = now + self.part().saturating_sub(self.waited);
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    fn advance(&mut self, waited: Duration) {
        self.waited = self.waited.saturating_add(waited);
        let part = self.part();
        while self.waited >= part && !self.is_too_slow {
            self.waited -= part;
            self.over = (self.over + 1).min(PARTS);
            let total = self.moved.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
            self.is_too_slow = self.over == PARTS && total < self.rate.bytes;
            self.current = (self.current + 1) % self.moved.len();
            self.moved[self.current] = 0;
            if self.rate.bytes == 0 {
                // However long it was: nothing is demanded.
                self.waited = Duration::ZERO;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(Rate { bytes: 1000, window: Duration::from_secs(10) })
    }

    /// Waits `seconds` for each of these numbers of bytes.
    fn after(pace: &mut Pace, seconds: u64, bytes: &[u64]) -> bool {
        for bytes in bytes {
            pace.advance(Duration::from_secs(seconds));
            pace.moved[pace.current] += bytes;
        }
        pace.is_too_slow
    }

    #[test]
    fn what_keeps_the_rate_is_never_too_slow() {
        assert!(!after(&mut pace(), 1, &[100; 500]));
        assert!(!after(&mut pace(), 9, &[1000; 100]));
    }

    #[test]
    fn silence_ends_after_one_window() {
        assert!(!after(&mut pace(), 9, &[0]));
        assert!(after(&mut pace(), 10, &[0]));
    }

    #[test]
    fn half_the_rate_ends_after_one_window() {
        assert!(!after(&mut pace(), 1, &[50; 9]));
        assert!(after(&mut pace(), 1, &[50; 10]));
    }

    #[test]
    fn a_good_beginning_does_not_pay_for_a_stall() {
        let mut pace = pace();
        assert!(!after(&mut pace, 1, &[1_000_000]));
        assert!(!after(&mut pace, 1, &[0; 9]));
        assert!(after(&mut pace, 1, &[0; 2]));
    }

    #[test]
    fn where_nothing_is_demanded_nobody_is_too_slow() {
        let mut pace = Pace::new(Rate::ANY);
        pace.advance(Duration::from_hours(24 * 365));
        assert!(!pace.is_too_slow);
    }
}
