//! The brake: what no pass may delete before a person has approved exactly that.

use std::collections::HashSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Sitting;
use super::group::Ruling;
use crate::model::archive::{ArchiveId, Series};
use crate::model::hex;
use crate::model::retention::Policy;
use crate::reconcile::judge::{Class, is_future};

/// How many good archives may always leave at once.
const ALWAYS: usize = 3;
/// Which share of the good archives may leave at once, in per cent.
const SHARE: usize = 30;
/// How far back the brake adds up, for received series and for deletions that were asked for: what
/// is counted, and so what has to be remembered.
pub const BRAKE_WINDOW: SignedDuration = SignedDuration::from_hours(WINDOW_DAYS * 24);
const WINDOW_DAYS: i64 = 7;

/// What approves the deletion of exactly these archives: 12 hex digits of a SHA-256 over the
/// series and the ids, in whatever order they are given.
#[must_use]
pub fn approval_hash(series: &Series, archives: &[ArchiveId]) -> String {
    let mut ids = archives.to_vec();
    ids.sort_unstable();
    let mut digest = Sha256::new();
    // Length first, so that no two lists of names run into the same bytes.
    for part in [series.origin.as_str(), series.job.as_str(), series.location.as_str()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    for id in ids {
        digest.update(id.0.as_bytes());
    }
    hex::encode(&digest.finalize()[..6])
}

/// Why `deleting` good archives more must not be deleted on request (by the API or a peer) from a
/// series that has `good` of them, if so: `recent` are the good archives that left in the last
/// days, and they count along, so that nothing can be dripped away.
#[must_use]
pub fn request_brake(
    good: usize,
    recent: &[(Timestamp, u32)],
    deleting: usize,
    now: Timestamp,
) -> Option<String> {
    let left = left_lately(recent, now);
    let most = most_at_once(good + left);
    (left + deleting > most).then(|| {
        format!(
            "{} of {} good archives would have left within {WINDOW_DAYS} days; {most} may",
            left + deleting,
            good + left
        )
    })
}

impl Sitting<'_> {
    /// Why what the verdicts say needs approval, if it does; asked only when something leaves.
    pub(super) fn brake(&self) -> Option<String> {
        let policy = match &self.group.ruling {
            Ruling::Policy(policy) => *policy,
            Ruling::Ended => return Some("its job is ended: all of it would leave".to_owned()),
            // Nothing leaves there, so that this is never asked.
            Ruling::Received => return Some("nobody said what it is".to_owned()),
            Ruling::Orphaned(reason) => return Some(reason.clone()),
        };
        if self.facts.adopted {
            return Some("it was adopted, and this is the first pass over it".to_owned());
        }
        if let Some(before) = self.shrunk_from(policy) {
            return Some(format!("its policy shrank from {before} to {policy}"));
        }
        let is_good = |(index, _): &(usize, _)| self.candidates[*index].class == Class::Good;
        let judged = self.verdicts.iter().enumerate();
        let good = judged.clone().filter(is_good).count();
        let leaving = judged.filter(is_good).filter(|(_, verdict)| !verdict.keep).count();
        let most = most_at_once(good);
        if leaving > most {
            return Some(format!("{leaving} of {good} good archives would leave; {most} may"));
        }
        if leaving == 0 || !self.group.is_received() {
            return None;
        }
        let left = left_lately(&self.facts.recent_deletions, self.now.timestamp());
        // One may leave for each day on which a good one came: that is what a policy does night
        // by night. More than that adds up.
        let most = most_at_once(good + left) + self.days_of_arrival();
        (leaving + left > most).then(|| {
            format!(
                "{} of {} good archives would have left within {WINDOW_DAYS} days; {most} may",
                leaving + left,
                good + left
            )
        })
    }

    /// The policy that the last pass judged, if the one in force now takes good archives that it
    /// would have kept.
    fn shrunk_from(&self, policy: Policy) -> Option<Policy> {
        let (_, before) = self.facts.judged.filter(|(_, before)| *before != policy)?;
        let kept_before = self.group.judge_by(&before, self.candidates, self.now);
        let loses = self.candidates.iter().zip(&kept_before).zip(self.verdicts).any(
            |((candidate, before), now)| candidate.class == Class::Good && before.keep && !now.keep,
        );
        loses.then_some(before)
    }

    /// On how many of the last days a good archive came.
    fn days_of_arrival(&self) -> usize {
        let days: HashSet<Date> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.class == Class::Good && !is_future(candidate, self.now))
            .filter(|candidate| is_recent(candidate.arrived, self.now.timestamp()))
            .map(|candidate| candidate.day)
            .collect();
        days.len()
    }
}

/// How many of so many good archives may leave without approval.
fn most_at_once(good: usize) -> usize {
    ALWAYS.max(good * SHARE / 100)
}

fn left_lately(recent: &[(Timestamp, u32)], now: Timestamp) -> usize {
    let lately = recent.iter().filter(|(at, _)| is_recent(*at, now));
    lately.map(|(_, count)| *count as usize).sum()
}

fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < BRAKE_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_or_thirty_per_cent_may_leave_at_once() {
        let most: Vec<usize> = [0, 9, 10, 13, 14, 100].map(most_at_once).to_vec();
        assert_eq!(most, [3, 3, 3, 3, 4, 30]);
    }

    #[test]
    fn deletions_on_request_add_up_over_seven_days() {
        let now = Timestamp::from_second(100 * 86_400).unwrap();
        let days_ago = |days: i64| now - SignedDuration::from_hours(days * 24);
        assert_eq!(request_brake(10, &[], 3, now), None);
        assert!(request_brake(10, &[], 4, now).is_some());
        assert!(request_brake(8, &[(days_ago(6), 1), (days_ago(1), 1)], 2, now).is_some());
        assert_eq!(request_brake(8, &[(days_ago(7), 1), (days_ago(1), 1)], 2, now), None);
    }

    #[test]
    fn a_hash_names_the_series_and_the_archives_in_any_order() {
        let series = |job: &str| Series {
            origin: "jerry".parse().unwrap(),
            job: job.parse().unwrap(),
            location: "main".parse().unwrap(),
        };
        let [a, b] = [1, 2].map(|number| ArchiveId(uuid::Uuid::from_u128(number)));
        let hash = approval_hash(&series("web"), &[a, b]);
        assert_eq!(hash.len(), 12);
        assert_eq!(hash, approval_hash(&series("web"), &[b, a]));
        assert_ne!(hash, approval_hash(&series("web"), &[a]));
        assert_ne!(hash, approval_hash(&series("db"), &[a, b]));
    }
}
