//! What is so now and worth telling.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::{Condition, Event, Facts};
use crate::model::archive::Archive;
use crate::model::job::Job;
use crate::model::name::JobName;
use crate::model::observed::{Freeze, LocationState};
use crate::model::run::{Lane, Run, RunStatus, Work};
use crate::reconcile::guards::{self, Overdue};
use crate::reconcile::situation::Situation;
use crate::reconcile::watch;
use crate::status::{JobVerdict, Reason};

/// A location may be away so long: a remount is no failure.
const AWAY: SignedDuration = SignedDuration::from_mins(15);
/// A goal beside the age may be missed so long: copies and proofs follow a backup by themselves.
const FOLLOWS: SignedDuration = SignedDuration::from_hours(24);
/// Somebody may be in the middle of an edit.
const EDITING: SignedDuration = SignedDuration::from_mins(5);
/// A backup that waits or runs may make up for being late.
const MAKING_UP: SignedDuration = SignedDuration::from_hours(1);
/// A failure that nothing follows is old news after that.
const OLD_NEWS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A failure of what somebody asked for and nobody repeats is old news after that.
const ONCE: SignedDuration = SignedDuration::from_hours(23);

const AT_ONCE: SignedDuration = SignedDuration::ZERO;

/// Everything that is so now, one condition for each key, the heaviest first.
#[must_use]
pub fn conditions(facts: &Facts) -> Vec<Condition> {
    let situation = Situation::new(facts.desired, facts.observed, &facts.plan.at);
    let mut found = Vec::new();
    found.extend(facts.failed.iter().filter_map(|run| failed(facts, run)));
    for verdict in facts.verdicts {
        let Some(job) = living(facts, &verdict.job) else { continue };
        found.extend(wrong(verdict));
        found.extend(overdue(facts, &situation, job, verdict));
    }
    found.extend(locations(facts, &situation));
    found.extend(peers(facts, &situation));
    found.extend(damaged_state(facts));
    found.extend(blocked(facts));
    let mut seen = BTreeSet::new();
    found.retain(|condition: &Condition| seen.insert(condition.key.clone()));
    found.sort_by_key(|condition| condition.event);
    found
}

/// Of these runs, the newest of each subject that ended in error and that no success followed.
/// Cancelled and interrupted runs say nothing.
#[must_use]
pub fn still_failing(runs: Vec<Run>, archives: &[Archive], now: Timestamp) -> Vec<Run> {
    let mut newest: BTreeMap<String, Run> = BTreeMap::new();
    let speaks = |run: &Run| run.status == RunStatus::Error || run.status.is_success();
    for run in runs.into_iter().filter(speaks) {
        let key = subject(&run, archives).0;
        match newest.get(&key) {
            Some(other) if other.finished_at >= run.finished_at => {}
            _ => {
                newest.insert(key, run);
            }
        }
    }
    newest.retain(|_, run| {
        let age = run.finished_at.map(|at| now.duration_since(at)).unwrap_or_default();
        let limit = match &run.work {
            // As long as it fails: its job remembers.
            Work::Backup { .. } => SignedDuration::MAX,
            Work::Adopt { .. } | Work::Restore { .. } => ONCE,
            Work::Expire { .. }
            | Work::EmptyTrash { .. }
            | Work::Verify { .. }
            | Work::Send { .. }
            | Work::Fetch { .. }
            | Work::Prune { .. }
            | Work::Drill { .. } => OLD_NEWS,
        };
        run.status == RunStatus::Error && age <= limit
    });
    newest.into_values().collect()
}

/// What a run is about, as a key, and the job behind it.
fn subject(run: &Run, archives: &[Archive]) -> (String, Option<JobName>) {
    let of = |id| archives.iter().find(|archive| archive.id == id).map(|a| a.job.clone());
    let words = |job: &Option<JobName>| job.as_ref().map_or("-", JobName::as_str).to_owned();
    match &run.work {
        Work::Backup { job } => (format!("backup {job}"), Some(job.clone())),
        Work::Drill { job, .. } => (format!("drill {job}"), Some(job.clone())),
        Work::Expire { series, .. } => (format!("expire {series}"), Some(series.job.clone())),
        Work::EmptyTrash { location, .. } => (format!("trash {location}"), None),
        Work::Verify { archive, location } => {
            (format!("verify {archive} {location}"), of(*archive))
        }
        Work::Send { archive, to, .. } => {
            let job = of(*archive);
            (format!("copy {} {to}", words(&job)), job)
        }
        Work::Fetch { peer, .. } => (format!("fetch {peer}"), None),
        Work::Prune { peer, .. } => (format!("prune {peer}"), None),
        Work::Adopt { job, .. } => (format!("run {}", run.id), Some(job.clone())),
        Work::Restore { archive, .. } => (format!("run {}", run.id), of(*archive)),
    }
}

/// A job that is there and meant to run. Of a disabled one nothing is expected.
fn living<'a>(facts: &Facts<'a>, name: &JobName) -> Option<&'a Job> {
    let desired = facts.desired;
    let job = desired.jobs.get(name).or_else(|| desired.templates.get(name))?;
    (job.enabled && job.ended.is_none()).then_some(job)
}

fn failed(facts: &Facts, run: &Run) -> Option<Condition> {
    let (key, job) = subject(run, &facts.observed.archives);
    let verdict = job.as_ref().and_then(|job| facts.verdicts.iter().find(|v| v.job == *job));
    let of = job.as_ref().map_or_else(String::new, |job| format!(" of `{job}`"));
    let is_backup = matches!(run.work, Work::Backup { .. });
    if is_backup {
        living(facts, job.as_ref()?)?;
    }
    let what = match &run.work {
        Work::Backup { .. } => format!("the backup{of}"),
        Work::Drill { .. } => format!("the drill{of}"),
        Work::Expire { series, .. } => {
            format!("deleting expired archives{of} at `{}`", series.location)
        }
        Work::EmptyTrash { location, .. } => format!("emptying the trash of `{location}`"),
        Work::Verify { location, .. } => format!("reading back an archive{of} at `{location}`"),
        Work::Send { to, .. } => format!("copying an archive{of} to `{to}`"),
        Work::Fetch { peer, .. } => format!("fetching an archive from `{peer}`"),
        Work::Prune { peer, .. } => format!("deleting expired archives at `{peer}`"),
        Work::Adopt { file_name, .. } => format!("taking in `{}`", file_name.escape_default()),
        Work::Restore { .. } => format!("the restore of an archive{of}"),
    };
    let text = format!("{what} failed: {}", run.summary);
    let mut next = run.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    if is_backup {
        next.push_str(&again(facts, verdict));
    }
    let _ = write!(next, "; `larder log {}` says more", run.id);
    let is_peer = run.lane(facts.desired) == Lane::Network;
    let is_once = matches!(run.work, Work::Adopt { .. } | Work::Restore { .. });
    Some(Condition {
        key,
        event: Event::Failure,
        verdict: verdict.map(|verdict| verdict.verdict),
        job,
        run: Some(run.id),
        text,
        next,
        patience: if is_peer { FOLLOWS } else { AT_ONCE },
        recovers: !is_once,
    })
}

/// When a job is tried again.
fn again(facts: &Facts, verdict: Option<&JobVerdict>) -> String {
    let now = facts.plan.at.timestamp();
    match verdict.and_then(|verdict| verdict.next_run) {
        None => "; nothing is planned before somebody acts".to_owned(),
        Some(at) if at <= now => "; it is tried again now".to_owned(),
        Some(at) => {
            let at = at.to_zoned(facts.plan.at.time_zone().clone());
            format!("; it is tried again at {}", at.strftime("%Y-%m-%d %H:%M"))
        }
    }
}

fn of_job(
    verdict: &JobVerdict,
    event: Event,
    key: &str,
    reason: &Reason,
    patience: SignedDuration,
) -> Condition {
    Condition {
        key: format!("{key} {}", verdict.job),
        event,
        job: Some(verdict.job.clone()),
        run: None,
        verdict: Some(verdict.verdict),
        text: format!("`{}`: {reason}", verdict.job),
        next: String::new(),
        patience,
        recovers: true,
    }
}

/// What the verdict says beside the age of the newest archive. Several reasons of one kind are one
/// condition; the worst stands first in the verdict.
fn wrong(verdict: &JobVerdict) -> Vec<Condition> {
    let mut found = Vec::new();
    for reason in &verdict.reasons {
        let (event, key, patience) = match reason {
            Reason::Damaged(..) | Reason::Lost(..) => (Event::Failure, "damage", AT_ONCE),
            Reason::Suspect(..) | Reason::Partial(_) => (Event::Failure, "doubt", AT_ONCE),
            Reason::Refuted(..) | Reason::DrillFailed(..) => (Event::Failure, "drill", AT_ONCE),
            Reason::Unlisted(Some(_)) | Reason::ListedBefore { .. } => {
                (Event::Failure, "listing", AWAY)
            }
            Reason::Copies { .. } => (Event::Overdue, "copies", FOLLOWS),
            Reason::Offsite { .. } => (Event::Overdue, "offsite", FOLLOWS),
            Reason::NeverProven { .. } | Reason::ProvenLongAgo { .. } | Reason::CannotProve(..) => {
                (Event::Overdue, "proof", FOLLOWS)
            }
            // Told by the run, by the age, once for all jobs, or not wrong.
            Reason::LastRunFailed(_)
            | Reason::NoArchive
            | Reason::TooOld { .. }
            | Reason::Location(..)
            | Reason::Blocked { .. }
            | Reason::Frozen(_)
            | Reason::Unlisted(None)
            | Reason::SenderCanDelete(_)
            | Reason::NoMembers
            | Reason::Disabled => continue,
        };
        found.push(of_job(verdict, event, key, reason, patience));
    }
    found
}

fn overdue(
    facts: &Facts,
    situation: &Situation,
    job: &Job,
    verdict: &JobVerdict,
) -> Option<Condition> {
    if job.is_template() {
        return None;
    }
    let Overdue::Since { text } = guards::overdue(situation, job) else { return None };
    let is_open = facts
        .observed
        .open_runs
        .iter()
        .any(|run| matches!(&run.work, Work::Backup { job: of } if *of == job.name));
    Some(Condition {
        key: format!("overdue {}", job.name),
        event: Event::Overdue,
        job: Some(job.name.clone()),
        run: None,
        verdict: Some(verdict.verdict),
        text: format!("`{}`: {text}", job.name),
        next: again(facts, Some(verdict)),
        patience: if is_open { MAKING_UP } else { AT_ONCE },
        recovers: true,
    })
}

fn locations(facts: &Facts, situation: &Situation) -> Vec<Condition> {
    let mut found = Vec::new();
    for (name, location) in &facts.desired.locations {
        // The name space of a peer lies in a location that is looked at by itself.
        if location.owner.is_some() || situation.absent_removable(name).is_some() {
            continue;
        }
        let why = match facts.observed.locations.get(name) {
            None | Some(LocationState::Available { .. }) => continue,
            Some(LocationState::Unavailable(why)) => format!("is not there: {why}"),
            Some(LocationState::Suspect(why)) => format!("answers with errors: {why}"),
        };
        found.push(Condition {
            key: format!("location {name}"),
            event: Event::Failure,
            job: None,
            run: None,
            verdict: None,
            text: format!("location `{name}` {why}"),
            next: String::new(),
            patience: AWAY,
            recovers: true,
        });
    }
    found
}

/// Peers of which nothing is heard, and those that did not do in time what they told.
fn peers(facts: &Facts, situation: &Situation) -> Vec<Condition> {
    let of_peer = |key: String, event, text| Condition {
        key,
        event,
        job: None,
        run: None,
        verdict: None,
        text,
        next: "; `larder peer list` shows what is known of it".to_owned(),
        patience: AT_ONCE,
        recovers: true,
    };
    let mut found = Vec::new();
    for peer in facts.desired.peers.keys() {
        let silence = watch::silence(situation, peer);
        found.extend(silence.map(|text| of_peer(format!("peer {peer}"), Event::Failure, text)));
        let late = watch::overdue(situation, peer);
        let key = format!("peer-overdue {peer}");
        found.extend(late.map(|text| of_peer(key, Event::Overdue, text)));
    }
    found
}

/// A state that was found damaged, until somebody has said that it is known.
fn damaged_state(facts: &Facts) -> Vec<Condition> {
    let told = |damage| Condition {
        key: format!("state {}", guards::damage_hash(damage)),
        event: Event::Failure,
        job: None,
        run: None,
        verdict: None,
        text: guards::damaged(damage, &facts.plan.at),
        next: String::new(),
        patience: AT_ONCE,
        recovers: false,
    };
    facts.observed.damage.iter().map(told).collect()
}

fn blocked(facts: &Facts) -> Vec<Condition> {
    let waits = |key: String, job, text, next, patience| Condition {
        key,
        event: Event::Blocked,
        job,
        run: None,
        verdict: None,
        text,
        next,
        patience,
        recovers: false,
    };
    let mut found: Vec<Condition> = facts
        .plan
        .blocked
        .iter()
        .map(|blocked| {
            let count = match blocked.archives.len() {
                1 => "1 deletion waits".to_owned(),
                number => format!("{number} deletions wait"),
            };
            let series = facts.desired.shown_series(&blocked.series);
            let text = format!("{count} for approval in {series}: {}", blocked.reason);
            let next = format!(
                "; `larder plan` shows them, `larder approve {}` lets them happen",
                blocked.hash
            );
            let job = Some(blocked.series.job.clone());
            waits(format!("blocked {}", blocked.series), job, text, next, AT_ONCE)
        })
        .collect();
    for freeze in &facts.observed.freezes {
        let key = match freeze {
            Freeze::Clock(_) => "freeze clock",
            Freeze::JobsVanished(_) => "freeze jobs",
            Freeze::Recovery(_) => "freeze recovery",
        };
        found.push(waits(key.to_owned(), None, guards::frozen(freeze), String::new(), AT_ONCE));
    }
    if !facts.configuration.is_empty() {
        let text = facts.configuration.join("; ");
        let next = "; `larder check` shows the mistakes".to_owned();
        found.push(waits("configuration".to_owned(), None, text, next, EDITING));
    }
    found
}
