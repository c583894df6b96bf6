//! Judges the archives of one series against a policy.
//!
//! Retention is where backup programs destroy data, so this is one pure function, small enough to
//! be read in one sitting and compared with a naive model by random search.
//!
//! **Invariants:** the newest good archive is always kept. Time alone removes no good archive:
//! every window is counted back from the newest good archive, never from today. An archive that is
//! not good, or that stands outside the rules, changes nothing for those that are good. The result
//! depends neither on the order of the input nor on the zone of the machine.

use std::cmp::Reverse;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::model::archive::ArchiveId;
use crate::model::retention::Policy;

mod reason;
mod rules;
mod leaves;
mod suspicion;

pub(crate) use leaves::Leaving;
pub use leaves::{Pace, leaves_on};
pub(crate) use reason::Days;
pub use reason::{Expired, Hold, Reason};
pub use suspicion::{Newcomer, suspicion};

/// How far ahead of the clock an archive may be dated before it counts as dated in the future.
pub const FUTURE_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// How many partial archives are kept while they are newer than the last good one.
const PARTIAL_KEPT: usize = 3;

/// How long archives stay that stand outside the policy: knobs of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Suspect ones.
    pub suspect_keep: SignedDuration,
    /// Those of manual runs.
    pub manual_keep: SignedDuration,
}

impl Default for Keep {
    /// What a job has that says nothing, and every received series: 14 and 30 days.
    fn default() -> Self {
        Self {
            suspect_keep: SignedDuration::from_hours(14 * 24),
            manual_keep: SignedDuration::from_hours(30 * 24),
        }
    }
}

/// What an archive is to retention. Only good ones fill slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Good, of a scheduled run, received, copied or adopted.
    Good,
    /// Some files could not be read, and the job does not allow that.
    Partial,
    /// Complete but unlikely.
    Suspect,
    /// Of a manual run.
    Manual,
    /// There, and its bytes are not those that were recorded.
    Damaged,
    /// Without a recorded hash: nothing can be said of it, so it is never deleted.
    Unrecorded,
    /// Not there any more: nothing is left to delete.
    Lost,
}

/// An archive before its judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its identity; decides between equal times.
    pub id: ArchiveId,
    /// When reading started.
    pub created_at: Timestamp,
    /// Since when it is here: `created_at`, or when it was received or adopted.
    pub arrived: Timestamp,
    /// Its civil day, as recorded; of receipt for received ones.
    pub day: Date,
    /// What it is.
    pub class: Class,
    /// Whether somebody pinned it.
    pub pinned: bool,
    /// Whether a peer sent it: then only the newest of a day is a candidate for a slot.
    pub received: bool,
    /// What needs it at the moment.
    pub holds: Vec<Hold>,
}

/// What becomes of an archive, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The archive.
    pub id: ArchiveId,
    /// Whether it stays.
    pub keep: bool,
    /// Everything that keeps it, or the one reason why it leaves; never empty.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// The reasons as one text.
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        words.join(", ")
    }
}

/// Judges every archive of a series once; the verdicts are in the order of (`created_at`, id),
/// oldest first. `now` decides only what is dated in the future and how long archives stay that
/// fill no slot.
#[must_use]
pub fn judge(policy: &Policy, keep: &Keep, archives: &[Candidate], now: &Zoned) -> Vec<Verdict> {
    let mut newest_first: Vec<&Candidate> = archives.iter().collect();
    newest_first.sort_unstable_by_key(|archive| Reverse((archive.created_at, archive.id)));
    let mut verdicts: Vec<Verdict> = newest_first
        .iter()
        .map(|archive| Verdict { id: archive.id, keep: true, reasons: Vec::new() })
        .collect();

    let standing = Standing::of(&newest_first, now);
    rules::fill_slots(policy, &newest_first, &standing, &mut verdicts);
    // Before pins and holds have their say: this is what the policy itself reaches back to.
    let oldest_slot = verdicts.iter().rposition(|verdict| !verdict.reasons.is_empty());

    let mut partials = 0;
    for (position, archive) in newest_first.iter().enumerate() {
        let reasons = &mut verdicts[position].reasons;
        if standing.is_future(archive) {
            reasons.push(Reason::Future);
        }
        if archive.pinned {
            reasons.push(Reason::Pinned);
        }
        reasons.extend(archive.holds.iter().cloned().map(Reason::Held));
        match archive.class {
            Class::Good => {}
            Class::Partial => {
                let superseded = standing.newest_good.is_some_and(|newest| newest < position);
                if reasons.is_empty() && !superseded {
                    partials += 1;
                    if partials <= PARTIAL_KEPT {
                        reasons.push(Reason::Partial);
                    }
                }
            }
            Class::Suspect => {
                if let Some(until) = still_until(archive.arrived, keep.suspect_keep, now) {
                    reasons.push(Reason::Suspect { until });
                }
            }
            Class::Manual => {
                if standing.newest_manual == Some(position) {
                    reasons.push(Reason::NewestManual);
                }
                if let Some(until) = still_until(archive.arrived, keep.manual_keep, now) {
                    reasons.push(Reason::Manual { until });
                }
            }
            Class::Damaged => {
                // Parts of it may still be readable: it leaves only when nobody would want it
                // even if it were whole.
                if oldest_slot.is_none_or(|oldest| position < oldest) {
                    reasons.push(Reason::Damaged);
                }
            }
            Class::Unrecorded => reasons.push(Reason::Unrecorded),
            Class::Lost => reasons.push(Reason::Lost),
        }
        if reasons.is_empty() {
            let why = standing.why_expired(policy, keep, archive, position);
            reasons.push(Reason::Expired(why));
            verdicts[position].keep = false;
        }
    }
    verdicts.reverse();
    verdicts
}

/// The newest archive that counts as the series' newest good one: the anchor of every window, and
/// what a pass is started by. Pinned and held ones count, manual and future-dated ones do not.
#[must_use]
pub fn newest_good<'a>(archives: &'a [Candidate], now: &Zoned) -> Option<&'a Candidate> {
    archives
        .iter()
        .filter(|archive| archive.class == Class::Good && !is_future(archive, now))
        .max_by_key(|archive| (archive.created_at, archive.id))
}

/// Whether an archive is dated further ahead of `now` than clocks differ.
#[must_use]
pub fn is_future(archive: &Candidate, now: &Zoned) -> bool {
    archive.created_at > latest_credible(now)
}

fn latest_credible(now: &Zoned) -> Timestamp {
    now.timestamp().checked_add(FUTURE_TOLERANCE).unwrap_or(Timestamp::MAX)
}

/// Facts of the series that the verdicts refer to. Positions count from the newest.
struct Standing {
    latest_credible: Timestamp,
    newest_good: Option<usize>,
    newest_manual: Option<usize>,
    anchor: Option<Date>,
}

impl Standing {
    fn of(newest_first: &[&Candidate], now: &Zoned) -> Self {
        let latest_credible = latest_credible(now);
        let newest = |class: Class| {
            newest_first
                .iter()
                .position(|other| other.class == class && other.created_at <= latest_credible)
        };
        let newest_good = newest(Class::Good);
        Self {
            latest_credible,
            newest_good,
            newest_manual: newest(Class::Manual),
            anchor: newest_good.map(|position| newest_first[position].day),
        }
    }

    fn is_future(&self, archive: &Candidate) -> bool {
        archive.created_at > self.latest_credible
    }

    fn why_expired(
        &self,
        policy: &Policy,
        keep: &Keep,
        archive: &Candidate,
        position: usize,
    ) -> Expired {
        match archive.class {
            Class::Good => rules::why_expired(policy, self.anchor, archive),
            Class::Partial if self.newest_good.is_some_and(|newest| newest < position) => {
                Expired::PartialSuperseded
            }
            Class::Partial => Expired::PartialOlder,
            Class::Suspect => Expired::Suspect(keep.suspect_keep),
            Class::Manual => Expired::Manual(keep.manual_keep),
            Class::Damaged | Class::Unrecorded | Class::Lost => Expired::Damaged,
        }
    }
}

/// The day until which an archive stays for its age, while that has not passed.
fn still_until(arrived: Timestamp, keep: SignedDuration, now: &Zoned) -> Option<Date> {
    let until = arrived.checked_add(keep).unwrap_or(Timestamp::MAX);
    (until > now.timestamp()).then(|| until.to_zoned(now.time_zone().clone()).date())
}
