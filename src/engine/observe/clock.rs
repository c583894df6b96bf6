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
        self.compare(state, now, since_boot())
    }

    fn compare(
        &mut self,
        state: &State,
        now: Timestamp,
        monotonic: SignedDuration,
    ) -> Result<bool, StateError> {
        let mark = match self.stored {
            Some(mark) => Some(mark),
            None => state.clock()?,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observed::Freeze;

    const NOON: &str = "2026-05-08T12:00:00Z";

    /// A clock that was started on a state, and looked at whenever somebody says what it shows.
    struct Watched {
        dir: tempfile::TempDir,
        state: Option<State>,
        clock: Clock,
    }

    impl Watched {
        /// Looked at for the first time at noon, one hour after the machine started.
        fn since_noon() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (state, _) = State::open(&dir.path().join("state")).unwrap();
            let mut watched = Self { dir, state: Some(state), clock: Clock::start() };
            assert!(!watched.jumped(NOON, 60));
            watched
        }

        fn state(&self) -> &State {
            self.state.as_ref().unwrap()
        }

        /// Whether a jump is noticed when it is so late, so many minutes after the machine started.
        fn jumped(&mut self, now: &str, up_for: i64) -> bool {
            let state = self.state.as_ref().unwrap();
            let up_for = SignedDuration::from_mins(up_for);
            self.clock.compare(state, now.parse().unwrap(), up_for).unwrap()
        }

        fn restart(&mut self) {
            self.state = None;
            self.state = Some(State::open(&self.dir.path().join("state")).unwrap().0);
            self.clock = Clock::start();
        }

        fn why_retention_rests(&self) -> Vec<String> {
            let freezes = self.state().freezes().unwrap().into_iter();
            let words = |freeze| match freeze {
                Freeze::Clock(why) => why,
                other => panic!("{other:?}"),
            };
            freezes.map(words).collect()
        }
    }

    #[test]
    fn a_clock_that_goes_back_freezes_retention_once_in_the_state() {
        let mut watched = Watched::since_noon();
        assert!(!watched.jumped("2026-05-08T13:00:00Z", 120));
        assert_eq!(watched.why_retention_rests(), Vec::<String>::new());
        assert!(watched.jumped("2026-05-07T13:00:00Z", 121));
        let why = watched.why_retention_rests();
        assert_eq!(
            why,
            ["the clock says 2026-05-07T13:00:00Z, and it was 2026-05-08T13:00:00Z already"]
        );
        // It goes on from there: one jump is one freeze, which stays until a run ends it.
        assert!(!watched.jumped("2026-05-07T13:01:00Z", 122));
        assert_eq!(watched.why_retention_rests(), why);
    }

    #[test]
    fn a_clock_that_jumps_ahead_of_the_one_since_the_start_freezes_retention() {
        let mut watched = Watched::since_noon();
        assert!(watched.jumped("2026-05-10T13:00:00Z", 120));
        let why = watched.why_retention_rests();
        assert!(why[0].contains("48 h more than went by"), "{why:?}");
    }

    #[test]
    fn a_machine_that_slept_for_days_freezes_nothing() {
        let mut watched = Watched::since_noon();
        assert!(!watched.jumped("2026-05-18T12:00:00Z", 60 + 10 * 24 * 60));
        assert_eq!(watched.why_retention_rests(), Vec::<String>::new());
    }

    #[test]
    fn a_clock_that_went_back_while_larder_was_off_is_noticed_at_the_start() {
        let mut watched = Watched::since_noon();
        // Nothing to compare the clock since the start with: the machine was started anew.
        watched.restart();
        assert!(!watched.jumped("2026-07-08T12:00:00Z", 1));
        watched.restart();
        assert!(watched.jumped("2026-05-08T12:00:00Z", 1));
        assert_eq!(watched.why_retention_rests().len(), 1);
    }

    #[test]
    fn what_the_clock_shows_is_stored_no_more_than_once_a_minute() {
        let mut watched = Watched::since_noon();
        let stored = |watched: &Watched| watched.state().clock().unwrap().unwrap().to_string();
        watched.jumped("2026-05-08T12:00:59Z", 60);
        assert_eq!(stored(&watched), NOON);
        watched.jumped("2026-05-08T12:01:00Z", 61);
        assert_eq!(stored(&watched), "2026-05-08T12:01:00Z");
    }
}
