//! When a peer is asked next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::peer::attempts;

/// How often a peer that answers is asked.
const USUAL: Duration = Duration::from_mins(10);
/// How often a peer is asked while something waits for what it says.
const AWAITED: Duration = Duration::from_mins(1);

/// A later moment, as far as there is one.
pub(super) fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// When one is asked again that answered.
pub(super) fn after_answer(now: Timestamp, is_awaited: bool) -> Timestamp {
    after(now, attempts::spread(if is_awaited { AWAITED } else { USUAL }))
}

/// When one is asked again that did not answer, so many times in a row.
pub(super) fn after_failure(now: Timestamp, failures: u32) -> Timestamp {
    after(now, attempts::USUAL.pause(failures))
}

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_answer_is_asked_less_and_less_often_and_for_ever() {
        let now = Timestamp::UNIX_EPOCH;
        let pause = |failures| after_failure(now, failures).duration_since(now).as_secs();
        assert_eq!(pause(1), 1);
        assert!((225..=300).contains(&pause(u32::MAX)));
    }

    #[test]
    fn a_peer_that_answers_is_asked_every_ten_minutes_or_every_minute_when_something_waits() {
        let now = Timestamp::UNIX_EPOCH;
        let pause = |awaited| after_answer(now, awaited).duration_since(now).as_secs();
        assert!((450..=600).contains(&pause(false)));
        assert!((45..=60).contains(&pause(true)));
    }
}
