//! The verdict: how well each job is protected, judged from what is really there.
//!
//! | verdict | when |
//! |---|---|
//! | unprotected | no good archive at all, or none within reach, or the newest is older than twice what the goal allows |
//! | at risk | some goal is not met, or something is wrong that will break one |
//! | protected | neither |
//!
//! The copies of a job are the places that hold one of its good archives which is young enough
//! for `max_age` (or which is the newest there is). **Invariant:** pure, like the plan: the same
//! facts give the same verdict, whoever asks.

use jiff::{SignedDuration, Timestamp, Zoned};

use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::{LastDrill, Observed};
use crate::model::words::words;
use crate::reconcile::backups::{self, Decision};
use crate::reconcile::situation::Situation;
use crate::reconcile::{Blocked, Plan, expand, show};

mod reason;
mod goals;
mod proof;
mod nagios;
pub mod days;

pub use nagios::{Check, check};
pub use reason::{Heard, Reason, Resting};

words! {
    /// How well a job is protected.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Verdict {
        /// Every goal is met.
        Protected = "protected",
        /// Some goal is not met.
        AtRisk = "at_risk",
        /// There is nothing to restore from that is worth it.
        Unprotected = "unprotected",
    }
}

impl Verdict {
    /// The verdict for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Protected => "protected",
            Verdict::AtRisk => "at risk",
            Verdict::Unprotected => "unprotected",
        }
    }
}

/// The verdict on one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobVerdict {
    /// The job.
    pub job: JobName,
    /// How well it is protected: the worst that any reason says.
    pub verdict: Verdict,
    /// Why, one line each, the worst first.
    pub reasons: Vec<Reason>,
    /// The first instant strictly after now that its schedule names.
    pub next_scheduled: Option<Timestamp>,
    /// When it will really run: now when it is due, queued or running; `None` when nothing is
    /// foreseen.
    pub next_run: Option<Timestamp>,
    /// When a run last succeeded, or when its newest good archive was made.
    pub last_success: Option<Timestamp>,
    /// The last drill that came to an end; of a job with many series, the one that ended last.
    pub last_drill: Option<LastDrill>,
    /// When a drill last proved that a restore works; of a job with many series, when that was
    /// true of all of them.
    pub proven_at: Option<Timestamp>,
    /// When the next drill is foreseen: now when it is due, queued or running.
    pub next_drill: Option<Timestamp>,
    /// Whether its newest good archive is older than its goal.
    pub overdue: bool,
    /// The places that count as copies.
    pub copies: Vec<PlaceName>,
    /// Those of them that are off-site.
    pub offsite: Vec<PlaceName>,
    /// What was heard of peers that hold copies, and when.
    pub heard: Vec<Heard>,
    /// When its next archive is to be there at the latest; nothing is expected of a disabled one.
    pub expected_by: Option<Timestamp>,
    /// How old its newest good archive may get.
    pub max_age: SignedDuration,
}

/// Judges every living job, disabled ones included, in the order of their names.
#[must_use]
pub fn judge(desired: &Desired, observed: &Observed, now: &Zoned) -> Vec<JobVerdict> {
    judge_with(desired, observed, &crate::reconcile::plan(desired, observed, now))
}

/// Judges every living job like [`judge`], for those who have the plan of these facts already.
#[must_use]
pub fn judge_with(desired: &Desired, observed: &Observed, plan: &Plan) -> Vec<JobVerdict> {
    let situation = Situation::new(desired, observed, &plan.at);
    let living = desired.jobs.values().filter(|job| job.ended.is_none());
    let mut verdicts: Vec<JobVerdict> = living
        .filter(|job| !job.is_template())
        .map(|job| judge_job(&situation, job, &plan.blocked))
        .collect();
    let written = desired.jobs.values().filter(|job| job.is_template());
    let replaced = desired.templates.values();
    let replaced = replaced.filter(|job| !desired.jobs.contains_key(&job.name));
    verdicts.extend(written.map(|job| judge_template(&situation, job)));
    // Its series speak for themselves, as long as they are known for certain.
    let in_trouble = replaced.filter(|job| job.enabled && failed(&situation, job).is_some());
    verdicts.extend(in_trouble.map(|job| judge_template(&situation, job)));
    verdicts.sort_by(|one, other| one.job.cmp(&other.job));
    verdicts
}

/// How many jobs are named in one line.
const NAMED: usize = 5;

/// The jobs of which every copy lies on the disk of what it saves, in one line. No goal speaks of
/// it, so that it changes no verdict.
#[must_use]
pub fn one_disk(observed: &Observed, verdicts: &[JobVerdict]) -> Option<String> {
    let beside = |job: &JobName, place: &PlaceName| {
        observed.beside_source.contains(&(job.clone(), place.clone()))
    };
    let found = verdicts.iter().filter(|one| {
        !one.copies.is_empty() && one.copies.iter().all(|place| beside(&one.job, place))
    });
    let mut names: Vec<String> = found.map(|one| format!("`{}`", one.job)).collect();
    if names.is_empty() {
        return None;
    }
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        1 => " and of 1 more job".to_owned(),
        more => format!(" and of {more} more jobs"),
    };
    names.truncate(NAMED);
    Some(format!(
        "every copy of {}{more} lies on the disk of what it saves, and is lost with it: send copies \
         to a location on another disk, or to a peer",
        names.join(", ")
    ))
}

fn failed<'a>(situation: &Situation<'a>, template: &Job) -> Option<&'a str> {
    situation.observed.members.get(&template.name)?.failure()
}

/// The verdict on a job with `*` as such: what is known of what it stands for.
fn judge_template(situation: &Situation, job: &Job) -> JobVerdict {
    let failure = failed(situation, job).map(str::to_owned);
    let found = expand::found(job, &situation.observed.members);
    let reasons = match (failure, found) {
        _ if !job.enabled => vec![Reason::Disabled],
        (failure, None) => vec![Reason::Unlisted(failure)],
        (Some(failure), Some(found)) => {
            let at = show::moment(found.at, situation.now);
            vec![Reason::ListedBefore { failure, at }]
        }
        (None, Some(_)) => vec![Reason::NoMembers],
    };
    let next = backups::next_scheduled(situation, job).filter(|_| job.enabled);
    JobVerdict {
        job: job.name.clone(),
        verdict: reasons.first().map_or(Verdict::Protected, Reason::verdict),
        reasons,
        next_scheduled: backups::next_scheduled(situation, job),
        next_run: next,
        last_success: None,
        overdue: false,
        copies: Vec::new(),
        offsite: Vec::new(),
        heard: Vec::new(),
        expected_by: None,
        max_age: situation.max_age(job),
        last_drill: None,
        next_drill: None,
        proven_at: None,
    }
}

fn judge_job(situation: &Situation, job: &Job, blocked: &[Blocked]) -> JobVerdict {
    let archives = situation.archives(job);
    let newest = situation.newest_good(&archives);
    let facts = situation.facts(job);
    let max_age = situation.max_age(job);
    let (places, heard) = goals::places(situation, job, &archives, max_age);
    let mut reasons = goals::reasons(situation, job, &archives, &places, &heard, max_age);
    let proof = proof::judge(situation, job, newest.is_some());
    // One word for the same failure: what the last drill said of the newest archive.
    reasons.retain(|reason| match reason {
        Reason::Refuted(name, _) => !proof
            .reasons
            .iter()
            .any(|known| matches!(known, Reason::DrillFailed(_, failed, _) if failed == name)),
        _ => true,
    });
    reasons.extend(proof.reasons);
    if let Some(failure) = facts.and_then(|facts| facts.last_failure.clone()) {
        reasons.push(Reason::LastRunFailed(failure));
    }
    let ours = |blocked: &&Blocked| job.is_or_was(&blocked.series.job);
    reasons.extend(blocked.iter().filter(ours).map(|blocked| Reason::Blocked {
        location: blocked.series.location.clone(),
        archives: blocked.archives.len(),
        hash: blocked.hash.clone(),
    }));
    // The one that rests most, and not why: that is the same for every job, and told once.
    let resting = situation.observed.freezes.iter().map(Resting::for_freeze).min();
    reasons.extend(resting.map(Reason::Frozen));
    if !job.enabled {
        reasons.push(Reason::Disabled);
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict()));

    let made = newest.map(|archive| archive.created_at);
    JobVerdict {
        job: job.name.clone(),
        verdict: reasons.first().map_or(Verdict::Protected, Reason::verdict),
        last_drill: proof.last,
        proven_at: proof.proven_at,
        next_drill: proof.next,
        overdue: reasons.iter().any(|reason| matches!(reason, Reason::TooOld { .. })),
        reasons,
        next_scheduled: backups::next_scheduled(situation, job),
        next_run: next_run(situation, job),
        last_success: facts.and_then(|facts| facts.last_success).or(made),
        offsite: places.iter().filter(|place| place.offsite).map(goals::Place::name).collect(),
        copies: places.iter().map(goals::Place::name).collect(),
        heard,
        expected_by: expected_by(situation, job, made, max_age),
        max_age,
    }
}

/// When the next archive of a job is to be there at the latest: others watch for it.
fn expected_by(
    situation: &Situation,
    job: &Job,
    made: Option<Timestamp>,
    max_age: SignedDuration,
) -> Option<Timestamp> {
    let known_since = || situation.facts(job).map(|facts| facts.first_seen);
    let since = made.or_else(known_since).filter(|_| job.enabled)?;
    since.checked_add(max_age).ok()
}

fn next_run(situation: &Situation, job: &Job) -> Option<Timestamp> {
    match backups::decide(situation, job) {
        Decision::Off | Decision::Held { .. } => None,
        Decision::Open(_) | Decision::Run { .. } => Some(situation.moment),
        Decision::Later { at, .. } => at,
    }
}

#[cfg(test)]
mod tests;
