//! Which pings a dead-man's switch is due: one for each backup that succeeded or failed.
//!
//! A backup that begins is told when it begins; that is no decision, and not made here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Facts;
use crate::model::name::JobName;
use crate::model::run::{RunId, Work};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A backup began.
    Start,
    /// It succeeded.
    Success,
    /// It failed.
    Fail,
}

/// What was pinged last of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// When the success was that was pinged last.
    pub success: Option<Timestamp>,
    /// The failed run that was pinged last.
    pub failed: Option<RunId>,
}

/// What was pinged last, by job. A job without an entry is new: what happened before is not told.
pub type Pinged = BTreeMap<JobName, Mark>;

/// A ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The job.
    pub job: JobName,
    /// What is told.
    pub sign: Sign,
    /// The run that failed.
    pub run: Option<RunId>,
}

/// What is due, and what was pinged then.
#[must_use]
pub fn pings(pinged: &Pinged, facts: &Facts) -> (Pinged, Vec<Ping>) {
    let mut due = Vec::new();
    let mut marks = Pinged::new();
    for job in facts.desired.jobs.values().filter(|job| !job.is_template() && job.ended.is_none()) {
        let remembered = facts.observed.jobs.get(&job.name);
        let of_job = |work: &Work| matches!(work, Work::Backup { job: of } if *of == job.name);
        let failed = facts.failed.iter().find(|run| of_job(&run.work)).map(|run| run.id);
        let now = Mark { success: remembered.and_then(|facts| facts.last_success), failed };
        let Some(before) = pinged.get(&job.name) else {
            marks.insert(job.name.clone(), now);
            continue;
        };
        if now.success.is_some() && now.success != before.success {
            due.push(Ping { job: job.name.clone(), sign: Sign::Success, run: None });
        }
        if now.failed.is_some() && now.failed != before.failed {
            due.push(Ping { job: job.name.clone(), sign: Sign::Fail, run: now.failed });
        }
        let mark = Mark { success: now.success, failed: now.failed.or(before.failed) };
        marks.insert(job.name.clone(), mark);
    }
    (marks, due)
}
