//! When a peer is asked next.

use jiff::{SignedDuration, Timestamp};

/// How often a peer that answers is asked.
const USUAL: SignedDuration = SignedDuration::from_mins(10);
/// The same while something waits for what it says.
const AWAITED: SignedDuration = SignedDuration::from_mins(1);
/// The first pause after a failure; each further one doubles it.
const FIRST: SignedDuration = SignedDuration::from_secs(1);
/// The longest pause after a failure, however many there were.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// A later moment, as far as there is one.
pub(super) fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// When one is asked again that answered.
pub(super) fn after_answer(now: Timestamp, is_awaited: bool) -> Timestamp {
    later(now, spread(if is_awaited { AWAITED } else { USUAL }))
}

/// When one is asked again that did not answer, so many times in a row.
pub(super) fn after_failure(now: Timestamp, failures: u32) -> Timestamp {
    let doubled = FIRST.saturating_mul(1_i32 << failures.saturating_sub(1).min(20));
    later(now, spread(doubled.min(LONGEST)).max(FIRST))
}

/// Three quarters of a pause to all of it: peers that failed together are not asked together.
fn spread(pause: SignedDuration) -> SignedDuration {
    let least = pause / 4 * 3;
    let rest = u64::try_from((pause - least).as_millis()).unwrap_or(0);
    // Without a source of chance, everybody waits the same time.
    let chance = getrandom::u64().unwrap_or(0) % rest.saturating_add(1);
    least.saturating_add(SignedDuration::from_millis(i64::try_from(chance).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_answer_is_asked_less_and_less_often_and_for_ever() {
        let now = Timestamp::UNIX_EPOCH;
        let pause = |failures| after_failure(now, failures).duration_since(now).as_millis();
        let pauses: Vec<i128> = [1, 2, 3, 5, 9, 10, 31, 32, u32::MAX].map(pause).to_vec();
        let most = [1, 2, 4, 16, 256, 300, 300, 300, 300].map(|seconds| seconds * 1000);
        for (pause, most) in pauses.iter().zip(most) {
            let least = (most * 3 / 4).max(1000);
            assert!((least..=most).contains(pause), "{pauses:?}");
        }
    }

    #[test]
    fn a_peer_that_answers_is_asked_every_ten_minutes_or_every_minute_when_something_waits() {
        let now = Timestamp::UNIX_EPOCH;
        let pause = |awaited| after_answer(now, awaited).duration_since(now).as_secs();
        assert!((450..=600).contains(&pause(false)));
        assert!((45..=60).contains(&pause(true)));
    }
}
