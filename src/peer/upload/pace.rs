//! How fast bytes may go.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The most that may have been saved up while nothing was sent.
const SAVED: Duration = Duration::from_millis(500);
/// The most bytes that are handed over at once.
const PIECE: u64 = 256 << 10;
/// How often a second something is handed over where there is a limit.
const BEATS: u64 = 8;

/// A limit of bytes a second over a whole stream, whatever is repeated in it.
#[derive(Debug)]
pub struct Pace {
    rate: Option<u64>,
    /// When everything that was taken has been paid for.
    paid_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most this many bytes a second; as many as there are with `None`.
    #[must_use]
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.map(|rate| rate.max(1)), paid_at: Mutex::new(None) }
    }

    /// How many bytes to hand over at once.
    #[must_use]
    pub fn piece(&self) -> usize {
        let piece = self.rate.map_or(PIECE, |rate| (rate / BEATS).clamp(1, PIECE));
        usize::try_from(piece).unwrap_or(usize::MAX)
    }

    /// Takes so many bytes at `now`: how long to wait before they may go.
    pub fn take(&self, now: Instant, bytes: usize) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let mut paid_at = self.paid_at.lock();
        let earliest = now.checked_sub(SAVED).unwrap_or(now);
        let before = paid_at.unwrap_or(now).max(earliest);
        let nanos = (bytes as u128 * 1_000_000_000) / u128::from(rate);
        let costs = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let after = before + costs;
        *paid_at = Some(after);
        before.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes go within a time, in pieces as they are handed over.
    fn sent_within(pace: &Pace, span: Duration) -> u64 {
        let begun = Instant::now();
        let (mut now, mut sent) = (begun, 0);
        loop {
            let piece = pace.piece();
            now += pace.take(now, piece);
            if now - begun > span {
                return sent;
            }
            sent += piece as u64;
        }
    }

    #[test]
    fn a_stream_is_as_fast_as_it_may_be_and_no_faster() {
        for rate in [10_000, 1 << 20, 100 << 20] {
            let sent = sent_within(&Pace::new(Some(rate)), Duration::from_secs(20));
            let most = rate * 20 + rate;
            assert!(sent <= most && sent >= rate * 19, "{sent} at {rate}");
        }
        assert_eq!(Pace::new(None).take(Instant::now(), 1 << 30), Duration::ZERO);
    }

    #[test]
    fn a_pause_saves_up_little() {
        let pace = Pace::new(Some(1000));
        let now = Instant::now();
        assert_eq!(pace.take(now, 1000), Duration::ZERO);
        assert_eq!(pace.take(now, 1000), Duration::from_secs(1));
        let later = now + Duration::from_mins(1);
        assert_eq!(pace.take(later, 500), Duration::ZERO);
        assert_eq!(pace.take(later, 1000), Duration::ZERO);
        assert_eq!(pace.take(later, 1), Duration::from_secs(1));
    }
}
