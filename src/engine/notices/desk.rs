//! What one target was told, and what waits to leave for it.

use jiff::{SignedDuration, Timestamp};

use crate::causes::with_causes;
use crate::delivery::{Content, DeliveryError, Ping, PingSign};
use crate::model::name::ObjectName;
use crate::notices::{Pinged, Told};

/// The most that may wait for one target; the oldest goes first.
const OUTBOX: usize = 32;
/// How long until the next attempt, after so many.
pub(super) fn back_off(attempts: u32) -> SignedDuration {
    SignedDuration::from_mins(match attempts {
        0 | 1 => 1,
        2 => 5,
        3 => 30,
        _ => 120,
    })
}

/// How long something is tried.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);
/// What one target was told, and what waits to leave for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Desk {
    pub(super) told: Told,
    pub(super) pinged: Pinged,
    /// In the order in which it leaves.
    pub(super) outbox: Vec<Letter>,
    pub(super) next_id: u64,
    pub(super) last_success: Option<Timestamp>,
    pub(super) failing_since: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    /// How many were given up since the last success.
    pub(super) lost: u64,
}

/// Something that waits to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) id: u64,
    pub(super) content: Content,
    pub(super) queued_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) next_at: Timestamp,
    /// Whether this process has tried.
    pub(super) tried: bool,
}

impl Desk {
    /// Queues something.
    pub(super) fn push(&mut self, target: &ObjectName, content: Content, now: Timestamp) {
        if self.outbox.len() >= OUTBOX {
            tracing::error!(%target, "too much waits for a target that cannot be reached: the oldest message is given up");
            self.outbox.remove(0);
            self.lost += 1;
        }
        // What waits for another attempt goes ahead of the news, and both go now.
        self.go_on(now);
        let id = self.next_id;
        self.next_id += 1;
        let letter =
            Letter { id, content, queued_at: now, attempts: 0, next_at: now, tried: false };
        self.outbox.push(letter);
    }

    /// Lets the next attempt be made now.
    pub(super) fn go_on(&mut self, now: Timestamp) {
        self.outbox.iter_mut().for_each(|letter| letter.next_at = now);
    }

    /// Queues a ping. An earlier one of the same job that could not be delivered is old news.
    pub(super) fn push_ping(&mut self, target: &ObjectName, ping: Ping, now: Timestamp) {
        self.outbox.retain(|letter| match &letter.content {
            Content::Ping(old) => {
                old.job != ping.job || (old.sign == PingSign::Start && !letter.tried)
            }
            Content::Message(_) => true,
        });
        self.push(target, Content::Ping(ping), now);
    }

    /// Something was delivered: this letter, or a test.
    pub(super) fn succeeded(&mut self, letter: Option<u64>, now: Timestamp) {
        self.outbox.retain(|other| Some(other.id) != letter);
        (self.last_success, self.failing_since, self.last_error) = (Some(now), None, None);
        self.lost = 0;
        self.go_on(now);
    }

    /// An attempt failed. It is made again later, and all others with it; what is old is given up.
    pub(super) fn failed(
        &mut self,
        target: &ObjectName,
        letter: &Letter,
        error: &DeliveryError,
        now: Timestamp,
    ) {
        let text = with_causes(error);
        let age = now.duration_since(letter.queued_at);
        let is_start =
            matches!(&letter.content, Content::Ping(ping) if ping.sign == PingSign::Start);
        let is_hopeless = matches!(error, DeliveryError::OtherKind { .. });
        let attempts = letter.attempts + 1;
        let again = back_off(attempts);
        self.failing_since.get_or_insert(now);
        self.last_error = Some(text.clone());
        if is_start || is_hopeless || age >= GIVE_UP {
            self.outbox.retain(|other| other.id != letter.id);
            if !is_start {
                self.lost += 1;
            }
            tracing::error!(%target, attempts, hint = error.hint(), "somebody could not be told, and this is given up: {text}");
        } else {
            tracing::warn!(%target, attempts, hint = error.hint(), "somebody could not be told, tried again in {again:#}: {text}");
        }
        let next = now.saturating_add(again).unwrap_or(Timestamp::MAX);
        for other in &mut self.outbox {
            if other.id == letter.id {
                other.attempts = attempts;
            }
            // Nobody behind it is better off.
            (other.next_at, other.tried) = (next, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> ObjectName {
        "alive".parse().unwrap()
    }

    fn ping(job: &str, sign: PingSign) -> Ping {
        Ping { job: job.to_owned(), sign, body: String::new(), wrong: Vec::new() }
    }

    fn refused() -> DeliveryError {
        DeliveryError::Refused { host: "hc.example.org".to_owned(), status: 503 }
    }

    fn waiting(desk: &Desk) -> Vec<(String, PingSign)> {
        let of = |letter: &Letter| match &letter.content {
            Content::Ping(ping) => (ping.job.clone(), ping.sign),
            Content::Message(_) => panic!("no message was queued"),
        };
        desk.outbox.iter().map(of).collect()
    }

    #[test]
    fn what_cannot_be_delivered_is_tried_less_and_less_and_given_up_after_a_day() {
        let start: Timestamp = "2026-05-08T03:00:00Z".parse().unwrap();
        let (mut desk, mut now) = (Desk::default(), start);
        desk.push_ping(&target(), ping("web", PingSign::Fail), now);
        let mut pauses = Vec::new();
        while let Some(letter) = desk.outbox.first().cloned() {
            desk.failed(&target(), &letter, &refused(), now);
            let next = desk.outbox.first().map_or(now, |letter| letter.next_at);
            pauses.push(next.duration_since(now).as_mins());
            now = next;
        }
        assert_eq!(pauses[..5], [1, 5, 30, 120, 120]);
        assert!(now.duration_since(start) >= SignedDuration::from_hours(24));
        assert_eq!((pauses.len(), desk.lost, desk.failing_since), (16, 1, Some(start)));
        assert_eq!(desk.last_error.as_deref(), Some("`hc.example.org` answered 503"));
        desk.succeeded(None, now);
        assert_eq!((desk.lost, desk.failing_since, desk.last_error), (0, None, None));
    }

    #[test]
    fn what_waits_for_one_target_is_bounded() {
        let now = Timestamp::UNIX_EPOCH;
        let mut desk = Desk::default();
        for number in 0..OUTBOX + 3 {
            desk.push_ping(&target(), ping(&format!("job{number}"), PingSign::Fail), now);
        }
        assert_eq!((desk.outbox.len(), desk.lost), (OUTBOX, 3));
        assert_eq!(waiting(&desk)[0].0, "job3", "the oldest are given up");
    }

    #[test]
    fn an_old_ping_of_a_job_is_no_news_and_a_beginning_is_tried_once() {
        let now = Timestamp::UNIX_EPOCH;
        let mut desk = Desk::default();
        desk.push_ping(&target(), ping("web", PingSign::Fail), now);
        desk.push_ping(&target(), ping("db", PingSign::Fail), now);
        desk.push_ping(&target(), ping("web", PingSign::Start), now);
        desk.push_ping(&target(), ping("web", PingSign::Success), now);
        let (web, db) = ("web".to_owned(), "db".to_owned());
        assert_eq!(
            waiting(&desk),
            [
                (db.clone(), PingSign::Fail),
                (web.clone(), PingSign::Start),
                (web.clone(), PingSign::Success)
            ]
        );
        let begin = desk.outbox[1].clone();
        desk.failed(&target(), &begin, &refused(), now);
        assert_eq!(waiting(&desk), [(db, PingSign::Fail), (web, PingSign::Success)]);
        assert_eq!(desk.lost, 0);
    }
}
