//! Which archives are restored into a scratch place, to prove that they can be.
//!
//! A job with `drill = { schedule }` is drilled at the instants of that schedule; a missed one is
//! made up for once. A job with the goal `protect.proven` is drilled besides, when no instant of a
//! schedule comes before the goal is missed: the outcome was declared, so it is brought about.
//! The newest good archive is drilled, at the job's own location where it is there.
//!
//! **Invariants:** one drill at a time, behind every backup; a drill deletes nothing and decides
//! nothing but what is known of its archive.

use jiff::{SignedDuration, Timestamp};

use super::situation::Situation;
use super::{Action, Note, Part, Weight, show};
use crate::model::archive::{Archive, Condition, Outcome};
use crate::model::job::Job;
use crate::model::name::JobName;
use crate::model::observed::DrillFacts;
use crate::model::run::{Cause, Work};

/// How long before a goal is missed its drill begins, at most; a tenth of the goal where that is
/// less.
const AHEAD: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How often a drill that was interrupted is begun anew before the schedule asks again.
const MOST_INTERRUPTED: u32 = 3;

/// What is to become of the drills of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision<'a> {
    /// None is wanted.
    Off,
    /// One waits or is under way.
    Open,
    /// This archive is drilled.
    Drill { archive: &'a Archive, cause: Cause, why: String },
    /// One is due, and there is nothing to drill now.
    Held { why: String },
    /// Not now, but at the given time.
    Later { at: Option<Timestamp> },
}

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    if situation.in_recovery() {
        return part;
    }
    let mut due: Vec<(Timestamp, Action)> = Vec::new();
    let mut next: Option<(Timestamp, JobName)> = None;
    for job in situation.desired.jobs.values() {
        match decide(situation, job) {
            Decision::Off | Decision::Open => {}
            Decision::Drill { archive, cause, why } => {
                let order = match cause {
                    Cause::Due { due, .. } => due,
                    Cause::First | Cause::Manual | Cause::Reconcile => situation.moment,
                };
                due.push((order, drill(job.name.clone(), archive, cause, &why)));
            }
            Decision::Held { why } => {
                let weight = Weight::Remark;
                part.notes.push(Note { weight, job: Some(job.name.clone()), text: why });
            }
            Decision::Later { at } => {
                let at = at.filter(|at| *at > situation.moment);
                part.wakes.extend(at);
                let sooner = |at: &Timestamp| next.as_ref().is_none_or(|(first, _)| at < first);
                next = at.filter(sooner).map(|at| (at, job.name.clone())).or(next);
            }
        }
    }
    let is_open = situation.observed.open_runs.iter().any(|run| is_drill(&run.work));
    due.sort_by_key(|(order, _)| *order);
    // The end of a drill is what the next one waits for.
    part.actions.extend(due.into_iter().map(|(_, action)| action).take(usize::from(!is_open)));
    part.notes.extend(next.map(|(at, job)| {
        let text = format!("the next drill is of `{job}`, {}", show::moment(at, situation.now));
        Note { weight: Weight::Remark, job: Some(job), text }
    }));
    part
}

fn is_drill(work: &Work) -> bool {
    matches!(work, Work::Drill { .. })
}

fn drill(job: JobName, archive: &Archive, cause: Cause, why: &str) -> Action {
    Action {
        work: Work::Drill { job, archive: archive.id, location: archive.location.clone() },
        cause,
        reasons: vec![format!("{} at {}, {why}", archive.name, archive.location)],
        needs: 0,
        frees: 0,
    }
}

/// What is remembered of the drills of a job, under its earlier names too.
pub(crate) fn facts<'a>(situation: &Situation<'a>, job: &Job) -> Option<&'a DrillFacts> {
    let drills = &situation.observed.drills;
    let mut names = std::iter::once(&job.name).chain(&job.formerly);
    names.find_map(|name| drills.get(name))
}

/// The archive that a drill of a job restores: the newest good one of the job's own
/// location, or of another place where that has none. With `also_refuted`, one that did not stand
/// its last drill may stand the next.
pub(crate) fn candidate<'a>(
    situation: &Situation<'a>,
    job: &Job,
    also_refuted: bool,
) -> Option<&'a Archive> {
    let archives = situation.archives(job);
    let mut readable = archives.iter().rev().copied().filter(|archive| {
        let is_fit = if also_refuted { is_complete(archive) } else { archive.is_good() };
        is_fit
            && archive.condition == Condition::Present
            && !situation.is_dated_ahead(archive)
            && !situation.leaves(archive)
            && situation.is_available(&archive.location)
    });
    let home = readable.clone().find(|archive| archive.location == job.location);
    home.or_else(|| readable.next())
}

fn is_complete(archive: &Archive) -> bool {
    let complete = match archive.outcome {
        Outcome::Good => true,
        Outcome::Partial => archive.partial_allowed,
        Outcome::Suspect(_) => false,
    };
    complete && archive.file_sha256.is_some()
}

pub(crate) fn decide<'a>(situation: &Situation<'a>, job: &Job) -> Decision<'a> {
    let wanted = job.drill.is_some() || job.protect.proven.is_some();
    if job.ended.is_some() || !job.enabled || !wanted {
        return Decision::Off;
    }
    let open = |work: &Work| matches!(work, Work::Drill { job: of, .. } if *of == job.name);
    if situation.observed.open_runs.iter().any(|run| open(&run.work)) {
        return Decision::Open;
    }
    let nothing = DrillFacts::default();
    let facts = facts(situation, job).unwrap_or(&nothing);
    let (cause, why) = match by_time(situation, job, facts) {
        Ok(due) => due,
        Err(at) => return Decision::Later { at },
    };
    match candidate(situation, job, false) {
        Some(archive) => Decision::Drill { archive, cause, why },
        None if situation.newest_good(&situation.archives(job)).is_some() => Decision::Held {
            why: format!(
                "a drill of `{}` is due and waits for a location: no good archive of it is in reach",
                job.name
            ),
        },
        // That there is no good archive at all is told by others.
        None => Decision::Later { at: None },
    }
}

/// What the clock says, whatever there is to drill: that one is due, or when one will be.
fn by_time(
    situation: &Situation,
    job: &Job,
    facts: &DrillFacts,
) -> Result<(Cause, String), Option<Timestamp>> {
    let place = job.place.line();
    let mut next = None;
    let last_due = facts.last_due.and_then(|at| situation.remembered(at));
    if let Some(drill) = &job.drill {
        // Known since a time that is not known: for long enough.
        let since = facts.known_since.map_or(Some(situation.moment), |at| situation.remembered(at));
        let named = drill.schedule.last_at_or_before(situation.now).map(|due| due.timestamp());
        let pending =
            named.filter(|due| since <= Some(*due) && last_due.is_none_or(|last| last < *due));
        if let Some(due) = pending {
            let time = show::moment(due, situation.now);
            let why = format!("due since {time} ({}), at {place}", drill.schedule.text());
            return Ok((Cause::Due { due, attempt: 0 }, why));
        }
        next = drill.schedule.next_after(situation.now).map(|next| next.timestamp());
    }
    if let Some(until) = facts.rest_until.filter(|until| *until > situation.moment) {
        return Err(min(next, Some(until)));
    }
    if (1..=MOST_INTERRUPTED).contains(&facts.interrupted) {
        let cause = match last_due {
            Some(due) => Cause::Due { due, attempt: facts.interrupted },
            None => Cause::Reconcile,
        };
        return Ok((cause, "the last one was interrupted".to_owned()));
    }
    let Some(goal) = job.protect.proven else { return Err(next) };
    let has_ended_badly = facts.last.as_ref().is_some_and(|last| Some(last.at) > facts.proven_at);
    if job.drill.is_some() && has_ended_badly {
        // Tried again at the next instant of the schedule.
        return Err(next);
    }
    let Some(proven_at) = facts.proven_at else {
        let goal = show::duration(goal);
        return Ok((Cause::Reconcile, format!("never proved yet, {goal} is the goal, at {place}")));
    };
    let missed_at = proven_at.saturating_add(goal).unwrap_or(Timestamp::MAX);
    if next.is_some_and(|next| next <= missed_at) {
        return Err(next);
    }
    let ahead = AHEAD.min(goal / 10);
    let due = missed_at.saturating_sub(ahead).unwrap_or(Timestamp::MIN);
    if due > situation.moment {
        return Err(min(next, Some(due)));
    }
    let (age, goal) =
        (show::duration(situation.moment.duration_since(proven_at)), show::duration(goal));
    Ok((Cause::Reconcile, format!("last proved {age} ago, {goal} is the goal, at {place}")))
}

/// When the next drill of a job is foreseen; now when one is due or under way.
pub(crate) fn next(situation: &Situation, job: &Job) -> Option<Timestamp> {
    match decide(situation, job) {
        Decision::Off | Decision::Held { .. } => None,
        Decision::Open | Decision::Drill { .. } => Some(situation.moment),
        Decision::Later { at } => at,
    }
}

fn min(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
