//! Which message is due to one target now.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::status::Verdict;

use super::{Condition, Episode, Event, Facts, Item, REMIND, Told, Wanted};

/// What is nearly due for a reminder goes along with another: one message a day, not many.
const GOES_ALONG: SignedDuration = SignedDuration::from_hours(23);
/// News within so much time of a message are gathered for the next.
const GATHER: SignedDuration = SignedDuration::from_mins(1);

/// What follows from one look for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was told then.
    pub told: Told,
    /// What to tell now, the heaviest first; nothing when empty.
    pub items: Vec<Item>,
    /// When to look again although nothing happens.
    pub wake_at: Option<Timestamp>,
}

/// Compares what was told with what is so.
#[must_use]
pub fn due(told: &Told, wanted: &Wanted, conditions: &[Condition], facts: &Facts) -> Step {
    let now = facts.plan.at.timestamp();
    let heard: Vec<&Condition> =
        conditions.iter().filter(|condition| wanted.contains(&condition.event)).collect();
    let mut step = Step { told: Told::default(), items: Vec::new(), wake_at: None };
    step.told.last_message = told.last_message;
    let mut due: BTreeSet<&str> = BTreeSet::new();
    for condition in &heard {
        let known = told.episodes.get(&condition.key);
        let since = known.map_or(now, |episode| episode.since.min(now));
        // A clock that went back must not silence it for longer than it would have been silent.
        let told_at = known.and_then(|episode| episode.told_at).map(|at| at.min(now));
        let at = match told_at {
            Some(at) => at.saturating_add(REMIND),
            None => since.saturating_add(condition.patience),
        };
        let at = at.unwrap_or(Timestamp::MAX);
        if at <= now {
            due.insert(&condition.key);
        } else {
            wake(&mut step.wake_at, at);
        }
        let episode = Episode {
            event: condition.event,
            job: condition.job.clone(),
            since,
            told_at,
            recovers: condition.recovers,
            text: condition.text.clone(),
        };
        step.told.episodes.insert(condition.key.clone(), episode);
    }
    if wanted.contains(&Event::Recovery) {
        step.items = ended(told, &heard, &due, facts);
    }
    if step.items.is_empty() {
        if due.is_empty() {
            return step;
        }
        let until = told.last_message.and_then(|last| last.min(now).checked_add(GATHER).ok());
        if let Some(until) = until.filter(|until| *until > now) {
            wake(&mut step.wake_at, until);
            return step;
        }
    }
    for condition in &heard {
        let Some(episode) = step.told.episodes.get_mut(&condition.key) else { continue };
        let age = episode.told_at.map(|at| now.duration_since(at));
        if !due.contains(condition.key.as_str()) && age.is_none_or(|age| age < GOES_ALONG) {
            continue;
        }
        step.items.push(item_of(condition, episode.since, episode.told_at.is_some()));
        episode.told_at = Some(now);
        wake(&mut step.wake_at, now.saturating_add(REMIND).unwrap_or(Timestamp::MAX));
    }
    step.told.last_message = Some(now);
    step.items.sort_by(|a, b| (a.event, a.reminder, &a.job).cmp(&(b.event, b.reminder, &b.job)));
    step
}

fn wake(wake_at: &mut Option<Timestamp>, at: Timestamp) {
    *wake_at = Some(wake_at.map_or(at, |earlier| earlier.min(at)));
}

fn item_of(condition: &Condition, since: Timestamp, reminder: bool) -> Item {
    Item {
        event: condition.event,
        job: condition.job.clone(),
        run: condition.run,
        verdict: condition.verdict,
        since,
        reminder,
        text: format!("{}{}", condition.text, condition.next),
    }
}

/// What was told and is over: one item for each job of which nothing is wrong any more, and for
/// each thing that has no job. What left the configuration ends in silence.
fn ended(told: &Told, heard: &[&Condition], due: &BTreeSet<&str>, facts: &Facts) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (key, episode) in &told.episodes {
        let lasts = heard.iter().any(|condition| condition.key == *key);
        if lasts || !episode.recovers || episode.told_at.is_none() {
            continue;
        }
        let verdict = match &episode.job {
            None => None,
            Some(job) => {
                // What nobody was told of yet does not stand in the way.
                let was_told = |key: &str| {
                    told.episodes.get(key).is_some_and(|episode| episode.told_at.is_some())
                };
                let still = |condition: &&Condition| {
                    condition.job.as_ref() == Some(job)
                        && condition.recovers
                        && (was_told(&condition.key) || due.contains(condition.key.as_str()))
                };
                let verdict = facts.verdicts.iter().find(|verdict| verdict.job == *job);
                let is_meant = facts.desired.jobs.get(job).is_some_and(|job| job.enabled);
                if heard.iter().any(still) || !is_meant {
                    continue;
                }
                let Some(verdict) = verdict else { continue };
                Some(verdict.verdict)
            }
        };
        let known = |item: &&mut Item| item.job.is_some() && item.job == episode.job;
        if let Some(item) = items.iter_mut().find(known) {
            item.since = item.since.min(episode.since);
            continue;
        }
        let text = match (&episode.job, verdict) {
            (Some(job), Some(verdict)) => {
                let now = match verdict {
                    Verdict::Protected => "is well again".to_owned(),
                    Verdict::AtRisk | Verdict::Unprotected => {
                        format!("is {} still", verdict.words())
                    }
                };
                format!("this is over: {}; `{job}` {now}", episode.text)
            }
            _ => format!("this is over: {}", episode.text),
        };
        items.push(Item {
            event: Event::Recovery,
            job: episode.job.clone(),
            run: None,
            verdict,
            since: episode.since,
            reminder: false,
            text,
        });
    }
    items
}
