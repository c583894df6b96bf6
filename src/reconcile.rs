//! The decision: what is to be done, from what is wanted and what is there.
//!
//! [`plan`] is pure, total and deterministic: no I/O, no clock, no failure. It names everything
//! it wants done, with the reason, and prints itself, so that `larder plan` shows exactly what the
//! daemon does. What woke the daemon is not one of its inputs.
//!
//! One module for each kind of work looks at the same [`Situation`](situation::Situation) and
//! contributes a [`Part`]; the plan is their sum. **Invariant:** work that is queued or running is
//! never planned again, so that planning twice changes nothing.

use jiff::{Timestamp, Zoned};
use sha2::{Digest as _, Sha256 as Hasher};

use self::expiry::{PassOutcome, SeriesPass};
use crate::model::archive::{ArchiveId, Series, Sha256};
use crate::model::desired::Desired;
use crate::model::name::{ArchiveName, JobName};
use crate::model::observed::Observed;
use crate::model::run::{Cause, Work};
use crate::model::words::words;

pub(crate) mod situation;
pub mod expand;
pub(crate) mod backups;
pub(crate) mod transfers;
pub(crate) mod drills;
pub(crate) mod checks;
pub(crate) mod turns;
pub(crate) mod failing;
pub(crate) mod guards;
pub mod watch;
pub mod judge;
pub mod expiry;
pub mod simulate;
pub mod forecast;
mod days;
pub(crate) mod show;

pub use days::{Day, simulate_days};

/// How much of a SHA-256 is given to `larder approve`, in hex digits.
const HASH_DIGITS: usize = 12;

/// What is to be done, in order, and what is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The moment that it was made for, in the instance's zone.
    pub at: Zoned,
    /// Runs to queue now. Work that is queued or running already is not repeated here.
    pub actions: Vec<Action>,
    /// Deletions that wait for somebody's approval.
    pub blocked: Vec<Blocked>,
    /// What a person should know, in order of weight.
    pub notes: Vec<Note>,
    /// What retention thinks of every series, with a verdict for each archive.
    pub passes: Vec<SeriesPass>,
    /// When to look again although nothing happened; `None` when nothing will ever be due.
    pub wake_at: Option<Timestamp>,
}

/// A run to queue, with the reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What is to be done.
    pub work: Work,
    /// Why, for the queue.
    pub cause: Cause,
    /// Why, for people: `due at 03:00 since …`, one line for each archive of an expiry.
    pub reasons: Vec<String>,
    /// Bytes that will be needed, as far as the last archive tells.
    pub needs: u64,
    /// Bytes that will be freed.
    pub frees: u64,
}

/// Deletions of one series that wait for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The series.
    pub series: Series,
    /// What to give to `larder approve`: 12 hex digits of a SHA-256 over the series and the archives.
    pub hash: String,
    /// Exactly what would be deleted, oldest first, each with its reason.
    pub archives: Vec<(ArchiveId, ArchiveName, String)>,
    /// Why it waits.
    pub reason: String,
    /// Bytes that approval would free.
    pub frees: u64,
}

words! {
    /// How much a note weighs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Weight {
        /// Somebody must act.
        Problem = "problem",
        /// Good to know.
        Remark = "remark",
    }
}

/// Something a person should know about the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it weighs.
    pub weight: Weight,
    /// The job it is about, where there is one.
    pub job: Option<JobName>,
    /// One line.
    pub text: String,
}

/// What one kind of work contributes to a plan.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) actions: Vec<Action>,
    pub(crate) blocked: Vec<Blocked>,
    pub(crate) notes: Vec<Note>,
    /// Instants after now at which this kind of work may have more to do.
    pub(crate) wakes: Vec<Timestamp>,
}

impl Part {
    fn add(&mut self, other: Part) {
        self.actions.extend(other.actions);
        self.blocked.extend(other.blocked);
        self.notes.extend(other.notes);
        self.wakes.extend(other.wakes);
    }
}

/// Decides what is to be done at `now`, which carries the instance's zone.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, now: &Zoned) -> Plan {
    let mut situation = situation::Situation::new(desired, observed, now);
    let mut sum = Part::default();
    // What frees space comes before what needs it.
    let passes = expiry::expiry(desired, observed, now);
    sum.add(retention(desired, observed, &passes, now));
    for action in &sum.actions {
        situation.note_leaving(&action.work);
    }
    sum.add(expand::part(&situation));
    sum.add(backups::part(&situation));
    sum.add(transfers::part(&situation));
    sum.add(drills::part(&situation));
    let idle = sum.actions.is_empty() && observed.open_runs.is_empty();
    sum.add(checks::part(&situation, idle));
    sum.add(failing::part(&situation, &passes));
    sum.add(guards::part(&situation));
    sum.add(watch::part(&situation));

    sum.notes.sort_by_key(|note| note.weight);
    let moment = now.timestamp();
    Plan {
        at: now.clone(),
        actions: sum.actions,
        blocked: sum.blocked,
        notes: sum.notes,
        passes,
        wake_at: sum.wakes.into_iter().filter(|wake| *wake > moment).min(),
    }
}

impl Plan {
    /// What to give to `larder approve` for all blocked deletions at once: the hash of the only
    /// series, or 12 hex digits of a SHA-256 over the hashes of all. `None` when nothing is blocked.
    #[must_use]
    pub fn deletions_hash(&self) -> Option<String> {
        match self.blocked.as_slice() {
            [] => None,
            [only] => Some(only.hash.clone()),
            all => {
                let mut digest = Hasher::new();
                for blocked in all {
                    digest.update(&blocked.hash);
                }
                let digest = Sha256(digest.finalize().into());
                Some(digest.to_string().chars().take(HASH_DIGITS).collect())
            }
        }
    }
}

/// What retention wants deleted, and what it holds back.
fn retention(desired: &Desired, observed: &Observed, passes: &[SeriesPass], now: &Zoned) -> Part {
    let mut part = Part::default();
    for pass in passes {
        let remark = |text| Note {
            weight: Weight::Remark,
            job: Some(pass.series.job.clone()),
            text: format!("{}: {text}", desired.shown_series(&pass.series)),
        };
        if let Some(reason) = pass.orphaned() {
            let count = pass.verdicts.len();
            part.notes.push(remark(format!("orphaned and kept, {count} archives: {reason}")));
        }
        part.notes.extend(pass.notes.iter().map(|note| remark(note.clone())));
        match &pass.outcome {
            PassOutcome::Rests(_) | PassOutcome::NothingToDo => {}
            PassOutcome::Expire(action) => part.actions.push(action.clone()),
            PassOutcome::Blocked(blocked) => part.blocked.push(blocked.clone()),
        }
    }
    // While anything is odd, people may want deleted archives back.
    if observed.freezes.is_empty() {
        part.actions.extend(expiry::empty_trash(observed, now));
        part.wakes.extend(expiry::next_wake(observed, now.timestamp()));
    }
    part
}

#[cfg(test)]
pub(crate) mod world;
#[cfg(test)]
mod tests;
