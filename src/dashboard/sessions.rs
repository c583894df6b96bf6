//! Who has logged in with a token.
//!
//! A session lasts while it is used, a day at most, and no longer than its token counts: it is
//! kept in memory only, by the digest of its number, with what tells whether the token still
//! counts. **Invariant:** neither the number nor the token is kept.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest as _, Sha256};

use crate::api::access::Pass;
use crate::model::hex;

/// How long a session may be without a page being opened. What the script fetches does not count.
const IDLE: Duration = Duration::from_hours(2);
/// How long it lasts whatever happens.
const LASTS: Duration = Duration::from_hours(24);
/// How many there are at most; the one that was idle longest makes room.
const MOST: usize = 512;

/// What a session is found by.
pub(super) type SessionDigest = [u8; 32];

#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionDigest, Session>>);

#[derive(Debug, Clone, Copy)]
struct Session {
    pass: Pass,
    began: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= LASTS || now.duration_since(self.used) >= IDLE
    }
}

/// What a session's number is remembered by.
pub(super) fn digest(number: &str) -> SessionDigest {
    Sha256::digest(number.as_bytes()).into()
}

impl Sessions {
    /// Begins a session; its number, which is told to the browser and to nobody else.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn begin(&self, pass: Pass, now: Instant) -> Result<String, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let number = hex::encode(&random);
        let mut all = self.all();
        all.retain(|_, session| !session.is_over(now));
        if all.len() >= MOST
            && let Some(longest) = all.iter().min_by_key(|(_, session)| session.used)
        {
            let longest = *longest.0;
            all.remove(&longest);
        }
        all.insert(digest(&number), Session { pass, began: now, used: now });
        Ok(number)
    }

    /// What the session of this number rests on. With `is_use` it was used now.
    pub(super) fn find(&self, by: &SessionDigest, now: Instant, is_use: bool) -> Option<Pass> {
        let mut all = self.all();
        let session = all.get_mut(by)?;
        if session.is_over(now) {
            all.remove(by);
            return None;
        }
        if is_use {
            session.used = now;
        }
        Some(session.pass)
    }

    /// Ends a session.
    pub(super) fn end(&self, by: &SessionDigest) {
        self.all().remove(by);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SessionDigest, Session>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(sessions: &Sessions, now: Instant) -> SessionDigest {
        digest(&sessions.begin(Pass::of_nobody(), now).unwrap())
    }

    #[test]
    fn a_session_ends_when_it_is_idle_when_it_is_old_and_when_somebody_ends_it() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let idle = begun(&sessions, start);
        assert!(sessions.find(&idle, start + IDLE / 2, false).is_some());
        assert!(
            sessions.find(&idle, start + IDLE, true).is_none(),
            "what the script asks is no use"
        );

        let used = begun(&sessions, start);
        let mut now = start;
        while now.duration_since(start) + IDLE / 2 < LASTS {
            now += IDLE / 2;
            assert!(sessions.find(&used, now, true).is_some());
        }
        assert!(sessions.find(&used, start + LASTS, true).is_none());

        let ended = begun(&sessions, start);
        sessions.end(&ended);
        assert!(sessions.find(&ended, start, true).is_none());
        assert!(sessions.find(&digest("guessed"), start, true).is_none());
    }

    #[test]
    fn there_are_never_more_than_so_many_and_numbers_have_256_bits() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = begun(&sessions, start);
        let number = sessions.begin(Pass::of_nobody(), start + Duration::from_secs(1)).unwrap();
        assert_eq!(number.len(), 64);
        for _ in 0..MOST {
            begun(&sessions, start + Duration::from_secs(2));
        }
        assert_eq!(sessions.all().len(), MOST);
        assert!(sessions.find(&first, start, true).is_none());
        assert!(!sessions.all().contains_key(number.as_bytes().first_chunk().unwrap()));
    }
}
