//! The goal `proven`: whether a restore was proved lately, and what the last drill showed.
//!
//! A job is at risk while its last drill failed, whoever asked for it: that is known now, and stays
//! true until another drill succeeds. That a proof is impossible here, was never made or is too
//! long ago counts only against those that want one.

use jiff::Timestamp;

use super::Reason;
use crate::model::job::Job;
use crate::model::observed::{DrillOutcome, LastDrill};
use crate::reconcile::drills;
use crate::reconcile::situation::Situation;

/// What is known of the drills of a job.
pub(super) struct Proof {
    pub(super) reasons: Vec<Reason>,
    pub(super) last: Option<LastDrill>,
    pub(super) proven_at: Option<Timestamp>,
    pub(super) next: Option<Timestamp>,
}

/// `has_archive` says that there is anything to prove.
pub(super) fn judge(situation: &Situation, job: &Job, has_archive: bool) -> Proof {
    let goal = job.protect.proven;
    let is_wanted = goal.is_some() || job.drill.is_some();
    let facts = drills::facts(situation, job);
    let next = drills::next(situation, job);
    let last = facts.and_then(|facts| facts.last.clone());
    let proven_at = facts.and_then(|facts| facts.proven_at);
    let mut reasons = Vec::new();
    let of = || job.name.clone();
    if let Some(last) = &last {
        match &last.outcome {
            DrillOutcome::Failed(why) => {
                reasons.push(Reason::DrillFailed(of(), last.archive.clone(), why.clone()));
            }
            DrillOutcome::Unable(why) if is_wanted => {
                reasons.push(Reason::CannotProve(of(), why.clone()));
            }
            DrillOutcome::Unable(_) | DrillOutcome::Proven(_) => {}
        }
    }
    if let Some(goal) = goal.filter(|_| has_archive) {
        match proven_at.map(|at| situation.moment.duration_since(at)) {
            None => reasons.push(Reason::NeverProven { of: of(), goal }),
            Some(age) if age > goal => {
                reasons.push(Reason::ProvenLongAgo { of: of(), age, goal });
            }
            Some(_) => {}
        }
    }
    Proof { reasons, last, proven_at, next }
}
