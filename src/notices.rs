//! Who is told what: which messages are due, from what was told and from what is so now.
//!
//! | event | when |
//! |---|---|
//! | failure | a run ended in error; an archive is damaged, lost or suspect, or does not restore; a location cannot be used; the state was found damaged |
//! | overdue | no good archive within the job's goal; another goal (copies, off-site, proofs) not met for a day |
//! | blocked | deletions wait for approval; everything rests (a new machine in an old name, a jump of the clock, jobs that vanished); the files of the configuration have mistakes |
//! | recovery | what was told as failure or overdue is well again |
//!
//! A [`Condition`] is something that is so now and lasts. Each has a key; the first look that sees
//! a key begins an episode, which is told once, reminded of every [`REMIND`] while it lasts, and
//! forgotten at its end. **Invariants:** the decision is made from what is there and from what
//! was told, never from events: a daemon that was down tells what is so when it is back, and
//! nothing twice. Several things of one look are one message for each target. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::desired::Desired;
use crate::model::name::JobName;
use crate::model::observed::Observed;
use crate::model::run::{Run, RunId};
use crate::reconcile::Plan;
use crate::status::{JobVerdict, Verdict};

mod conditions;
mod due;
mod pings;
mod words;

pub use crate::model::desired::Event;
pub use conditions::{conditions, still_failing};
pub use due::{Step, due};
pub use pings::{Mark, Ping, Pinged, Sign, pings};
pub use words::{one_line, text, title};

/// How often somebody is reminded of what lasts.
pub const REMIND: SignedDuration = SignedDuration::from_hours(24);

/// What the decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What is wanted.
    pub desired: &'a Desired,
    /// What is there.
    pub observed: &'a Observed,
    /// What is held back, and the moment.
    pub plan: &'a Plan,
    /// How well each job is protected.
    pub verdicts: &'a [JobVerdict],
    /// The newest run of each subject that ended in error and that no success followed; see
    /// [`still_failing`].
    pub failed: &'a [Run],
    /// What is wrong with the files of the configuration, one line each.
    pub configuration: &'a [String],
}

/// Something that is so now, that lasts, and that somebody may want to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is, the same at every look.
    pub key: String,
    /// Why it is told; never [`Event::Recovery`].
    pub event: Event,
    /// The job it is about.
    pub job: Option<JobName>,
    /// The run that showed it.
    pub run: Option<RunId>,
    /// How well the job is protected.
    pub verdict: Option<Verdict>,
    /// What, and why.
    pub text: String,
    /// What happens next, or what to do; begins like the end of a sentence.
    pub next: String,
    /// It is told when it has lasted so long: most of what comes and goes is nobody's business.
    pub patience: SignedDuration,
    /// Whether its end is worth a message.
    pub recovers: bool,
}

/// What one target was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The episodes that last, by key.
    pub episodes: BTreeMap<String, Episode>,
    /// When the last message was made.
    pub last_message: Option<Timestamp>,
}

/// Something that lasted at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Why it is told.
    pub event: Event,
    /// The job it is about.
    pub job: Option<JobName>,
    /// Since when it is seen.
    pub since: Timestamp,
    /// When it was told last.
    pub told_at: Option<Timestamp>,
    /// Whether its end is worth a message.
    pub recovers: bool,
    /// What was told, for the message about its end.
    pub text: String,
}

/// One thing in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Why it is told.
    pub event: Event,
    /// The job it is about.
    pub job: Option<JobName>,
    /// The run that showed it.
    pub run: Option<RunId>,
    /// How well the job is protected now.
    pub verdict: Option<Verdict>,
    /// Since when it is so.
    pub since: Timestamp,
    /// Whether it was told before.
    pub reminder: bool,
    /// What, why, and what happens next or what to do.
    pub text: String,
}

/// Which events a target wants to hear of.
pub type Wanted = BTreeSet<Event>;
