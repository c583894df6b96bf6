//! Which jobs run now: due, missed, tried again, or for the first time.
//!
//! A job is due when its schedule named an instant that no run was queued for yet. However many
//! instants passed, that is one run, for the newest of them. **Invariant:** an instant before the
//! job was known is never due, a removable location that is away fails nothing, and no clock that
//! was wrong once keeps a job from running now that it is right.

use jiff::{SignedDuration, Timestamp};

use super::situation::Situation;
use super::{Action, Note, Part, Weight, show};
use crate::model::job::{CatchUp, Job};
use crate::model::run::{Cause, RunStatus, Work};

/// When a failed attempt is tried again: after the first, the second, and every later one.
const RETRY_AFTER: [SignedDuration; 3] =
    [SignedDuration::from_mins(15), SignedDuration::from_hours(1), SignedDuration::from_hours(4)];

/// What is to become of a job now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is disabled or ended.
    Off,
    /// Its backup is queued or running.
    Open(RunStatus),
    /// It runs.
    Run { cause: Cause, why: String },
    /// It would run, and something has to change first.
    Held { why: String, weight: Weight },
    /// Not now, but at the given time.
    Later { at: Option<Timestamp>, missed: Option<Timestamp> },
}

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    let mut due: Vec<(Timestamp, Action)> = Vec::new();
    for job in situation.desired.jobs.values() {
        let decision = decide(situation, job);
        if decision != Decision::Off {
            part.wakes.extend(next_scheduled(situation, job));
        }
        match decision {
            Decision::Off | Decision::Open(_) => {}
            Decision::Run { cause, why } => {
                let order = match cause {
                    Cause::Due { due, .. } => due,
                    Cause::First | Cause::Manual | Cause::Reconcile => situation.moment,
                };
                let action = Action {
                    work: Work::Backup { job: job.name.clone() },
                    cause,
                    reasons: vec![why],
                    needs: usual_size(situation, job),
                    frees: 0,
                };
                due.push((order, action));
            }
            Decision::Held { why, weight } => {
                part.notes.push(Note { weight, job: Some(job.name.clone()), text: why });
            }
            Decision::Later { at, missed } => {
                part.wakes.extend(at);
                let note = match missed {
                    Some(missed) => Some(missed_note(situation, job, missed, at)),
                    None => waits_for_its_first(situation, job, at),
                };
                part.notes.extend(note);
            }
        }
    }
    due.sort_by_key(|(order, _)| *order);
    part.actions.extend(due.into_iter().map(|(_, action)| action));
    part
}

/// The first instant after now that the schedule of a job names.
pub(crate) fn next_scheduled(situation: &Situation, job: &Job) -> Option<Timestamp> {
    Some(job.schedule.next_after(situation.now)?.timestamp())
}

pub(crate) fn decide(situation: &Situation, job: &Job) -> Decision {
    if job.ended.is_some() || !job.enabled {
        return Decision::Off;
    }
    if let Some(status) = situation.open_backup(&job.name) {
        return Decision::Open(status);
    }
    if job.is_template() {
        return Decision::Later { at: next_scheduled(situation, job), missed: None };
    }
    let decision = by_time(situation, job);
    if !matches!(decision, Decision::Run { .. }) {
        return decision;
    }
    if situation.in_recovery() {
        let why = format!("`{}` does not run before `larder recover` is done", job.name);
        return Decision::Held { why, weight: Weight::Problem };
    }
    if situation.is_being_listed(job) {
        let why = format!(
            "`{}` waits for the list of what `{}` stands for",
            job.name,
            job.name.declared()
        );
        return Decision::Held { why, weight: Weight::Remark };
    }
    if let Some((location, reason)) = situation.absent_removable(&job.location) {
        let why = format!(
            "`{}` waits for location `{}`, which is not there: {reason}",
            job.name, location.name
        );
        return Decision::Held { why, weight: Weight::Remark };
    }
    decision
}

/// The instant that a run was queued for last. Where that is not known any more, an archive tells
/// whether the one that was `named` last was kept: what ran then must not run again at another time.
fn handled(situation: &Situation, job: &Job, named: Option<Timestamp>) -> Option<Timestamp> {
    let last_due = situation.facts(job).and_then(|facts| facts.last_due)?;
    situation.remembered(last_due).or_else(|| {
        named.filter(|named| {
            let made = situation.archives(job);
            made.iter().any(|made| (*named..=situation.moment).contains(&made.created_at))
        })
    })
}

/// What the clock says, whatever stands in the way.
fn by_time(situation: &Situation, job: &Job) -> Decision {
    let facts = situation.facts(job);
    let named = job.schedule.last_at_or_before(situation.now).map(|due| due.timestamp());
    let first_seen = facts.map_or(Some(situation.moment), |facts| {
        // Known since a time that is not known: for long enough.
        situation.remembered(facts.first_seen)
    });
    let last_due = handled(situation, job, named);
    let last_attempt = facts.and_then(|facts| facts.last_attempt.as_ref());

    let pending = named.filter(|due| {
        first_seen.is_none_or(|known| *due >= known)
            && last_due.is_none_or(|handled| handled < *due)
    });
    let later =
        |at, missed| Decision::Later { at: min(at, next_scheduled(situation, job)), missed };

    if let Some(due) = pending {
        let missed = due < situation.observed.awake_since;
        return match (missed, job.catch_up) {
            (true, CatchUp::Next) => later(None, Some(due)),
            (true, CatchUp::Now) | (false, CatchUp::Now | CatchUp::Next) => Decision::Run {
                cause: Cause::Due { due, attempt: 0 },
                why: due_words(situation, job, due, missed),
            },
        };
    }
    if let Some(attempt) = last_attempt {
        let failed = match attempt.status {
            RunStatus::Error | RunStatus::Interrupted => true,
            RunStatus::Queued
            | RunStatus::Running
            | RunStatus::Success
            | RunStatus::Warning
            | RunStatus::Cancelled => false,
        };
        // What was missed since it failed is not made up for by trying again.
        let finished_at = situation.remembered(attempt.finished_at);
        let missed = job.catch_up == CatchUp::Next
            && finished_at.is_none_or(|at| at <= situation.observed.awake_since);
        if !failed || missed || attempt.number >= job.retries {
            return later(None, None);
        }
        let nth = usize::try_from(attempt.number).unwrap_or(usize::MAX).min(RETRY_AFTER.len() - 1);
        let after = |at: Timestamp| at.saturating_add(RETRY_AFTER[nth]).unwrap_or(Timestamp::MAX);
        if let Some(at) = finished_at.map(after).filter(|at| *at > situation.moment) {
            return later(Some(at), None);
        }
        // A first run has no due time of its own; the moment the job became known stands for it.
        let due = last_due.or(first_seen).unwrap_or(situation.moment);
        let number = attempt.number + 1;
        return Decision::Run {
            cause: Cause::Due { due, attempt: number },
            why: retry_words(situation, job, last_due, number),
        };
    }
    if ran(situation, job) || job.catch_up == CatchUp::Next {
        return later(None, None);
    }
    Decision::Run { cause: Cause::First, why: format!("never ran yet, at {}", place(job)) }
}

/// Whether a job was ever begun because it was due, or ever made anything.
fn ran(situation: &Situation, job: &Job) -> bool {
    situation
        .facts(job)
        .is_some_and(|facts| facts.last_due.is_some() || facts.last_success.is_some())
        || !situation.archives(job).is_empty()
}

fn min(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

fn due_words(situation: &Situation, job: &Job, due: Timestamp, missed: bool) -> String {
    let time = show::moment(due, situation.now);
    let (schedule, place) = (job.schedule.text(), place(job));
    if missed {
        format!("missed at {time} while larder did not run ({schedule}), at {place}")
    } else {
        format!("due since {time} ({schedule}), at {place}")
    }
}

fn retry_words(situation: &Situation, job: &Job, due: Option<Timestamp>, number: u32) -> String {
    let of = due.map_or_else(
        || "its first run".to_owned(),
        |due| format!("the run due at {}", show::moment(due, situation.now)),
    );
    let failure = situation.facts(job).and_then(|facts| facts.last_failure.as_deref());
    let because = failure.map(|failure| format!(", which failed: {failure}")).unwrap_or_default();
    format!("retry {number} of {} of {of}{because}", job.retries)
}

fn missed_note(
    situation: &Situation,
    job: &Job,
    missed: Timestamp,
    next: Option<Timestamp>,
) -> Note {
    let [missed, next] =
        [Some(missed), next].map(|at| at.map(|at| show::moment(at, situation.now)));
    let text = format!(
        "`{}` missed {} while larder did not run and waits for {}, as `catch_up = \"next\"` says",
        job.name,
        missed.unwrap_or_default(),
        next.unwrap_or_else(|| "ever".to_owned())
    );
    Note { weight: Weight::Remark, job: Some(job.name.clone()), text }
}

/// That a job which never ran has no archive before its next time, where its neighbours do not wait.
fn waits_for_its_first(situation: &Situation, job: &Job, next: Option<Timestamp>) -> Option<Note> {
    if job.is_template() || job.catch_up == CatchUp::Now || ran(situation, job) {
        return None;
    }
    let next = next.map_or_else(|| "ever".to_owned(), |at| show::moment(at, situation.now));
    let why = if job.before.is_empty() { "`catch_up = \"next\"`" } else { "it has `before`" };
    let text = format!(
        "`{0}` never ran; it waits for {next} ({why}); `larder run {0}` does it now",
        job.name
    );
    Some(Note { weight: Weight::Remark, job: Some(job.name.clone()), text })
}

fn place(job: &Job) -> String {
    job.place.line()
}

/// The size of the newest archive at the job's own location: what the next one will need.
fn usual_size(situation: &Situation, job: &Job) -> u64 {
    let archives = situation.archives(job);
    let newest = archives.iter().rev().find(|archive| archive.location == job.location);
    newest.map_or(0, |archive| archive.file_size)
}
