//! Which archives are copied to other locations of this host, and to [`peers`].
//!
//! A copy is wanted of every good archive that is not older than the newest copy at the
//! destination; where there is none yet, of the newest alone. So what the policy there expired,
//! or somebody deleted there, is never sent again. **Invariant:** an archive is read and written
//! only between locations that are there.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::situation::{Situation, is_kept};
use super::{Action, Note, Part, Weight};
use crate::model::archive::{Archive, ArchiveId, Condition, CopyKey};
use crate::model::job::{Job, Via};
use crate::model::name::PlaceName;
use crate::model::run::{Cause, Work};

pub(super) mod fetch;
pub(super) mod peers;
pub(crate) mod prune;

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    if situation.in_recovery() {
        return part;
    }
    part.add(prune::part(situation));
    part.add(peers::part(situation));
    part.add(fetch::part(situation));
    // What is brought back to where it was needs no copy there.
    let brought: HashSet<CopyKey> =
        part.actions.iter().filter_map(|action| way_of(&action.work)).collect();
    let mut sends: Vec<(&Archive, Action)> = Vec::new();
    let mut waiting: BTreeMap<&PlaceName, u32> = BTreeMap::new();
    for job in situation.desired.jobs.values().filter(|job| job.enabled && job.ended.is_none()) {
        for destination in &job.send_to {
            let to = &destination.to;
            if !situation.desired.locations.contains_key(to) {
                continue;
            }
            for archive in wanted(situation, job, to) {
                if brought.contains(&CopyKey::new(archive.id, to)) {
                    continue;
                }
                if !situation.is_available(to) {
                    *waiting.entry(to).or_default() += 1;
                } else if situation.is_available(&job.location) && !situation.rests(archive.id, to)
                {
                    sends.push((archive, send(job, archive, to)));
                }
            }
        }
    }
    sends.sort_by_key(|(archive, _)| (archive.created_at, archive.id));
    part.actions.extend(sends.into_iter().map(|(_, action)| action));
    part.notes.extend(waiting.into_iter().map(|(to, count)| {
        let copies = if count == 1 { "1 copy waits" } else { &format!("{count} copies wait") };
        let text = format!("{copies} for location `{to}`");
        Note { weight: Weight::Remark, job: None, text }
    }));
    part
}

/// How many archives are to go to a place that is there, those included whose copy rests after a
/// failure.
pub(super) fn missing_at(situation: &Situation, to: &PlaceName) -> usize {
    let desired = situation.desired;
    let contact = situation.observed.contacts.get(to);
    if desired.peers.contains_key(to) {
        let is_ready = contact.is_some_and(|contact| peers::is_ready(contact));
        let lacking = peers::lacking(situation).get(to).copied().filter(|_| is_ready);
        return lacking.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
    }
    if !desired.locations.contains_key(to) || !situation.is_available(to) {
        return 0;
    }
    let jobs = desired.jobs.values().filter(|job| job.enabled && job.ended.is_none());
    let jobs = jobs.filter(|job| job.send_to.iter().any(|copy| copy.to == *to));
    let copies: usize = jobs.map(|job| wanted(situation, job, to).len()).sum();
    copies + fetch::repairable_at(situation, to)
}

/// What a transfer brings, and where.
fn way_of(work: &Work) -> Option<CopyKey> {
    match work {
        Work::Send { archive, to, .. } | Work::Fetch { archive, to, .. } => {
            Some(CopyKey::new(*archive, to))
        }
        Work::Backup { .. }
        | Work::Expire { .. }
        | Work::EmptyTrash { .. }
        | Work::Verify { .. }
        | Work::Prune { .. }
        | Work::Adopt { .. }
        | Work::Restore { .. }
        | Work::Drill { .. } => None,
    }
}

/// The archives of a job at its own location of which a copy is missing, oldest first.
fn wanted<'a>(situation: &Situation<'a>, job: &Job, to: &PlaceName) -> Vec<&'a Archive> {
    let archives = situation.archives(job);
    let copies = || archives.iter().filter(|copy| copy.location == *to && is_kept(copy));
    let newest_copy = copies().map(|copy| copy.created_at).max();
    missing(candidates(situation, job), newest_copy, |id| copies().any(|copy| copy.id == id))
}

/// The archives of a job at its own location that are worth a copy, oldest first.
fn candidates<'a>(situation: &Situation<'a>, job: &Job) -> Vec<&'a Archive> {
    let archives = situation.archives(job).into_iter();
    archives
        .filter(|archive| archive.location == job.location)
        .filter(|archive| archive.condition == Condition::Present && archive.is_good())
        .filter(|archive| !situation.is_dated_ahead(archive) && !situation.leaves(archive))
        .collect()
}

/// Those of them that a place lacks which has copies up to `newest`: none that is older, and of a
/// place that has nothing yet, the newest alone.
fn missing(
    mut candidates: Vec<&Archive>,
    newest: Option<Timestamp>,
    has: impl Fn(ArchiveId) -> bool,
) -> Vec<&Archive> {
    match newest {
        Some(newest) => {
            candidates.retain(|archive| archive.created_at >= newest && !has(archive.id));
        }
        None => drop(candidates.drain(..candidates.len().saturating_sub(1))),
    }
    candidates
}

fn send(job: &Job, archive: &Archive, to: &PlaceName) -> Action {
    Action {
        work: Work::Send {
            archive: archive.id,
            from: archive.location.clone(),
            to: to.clone(),
            via: Via::Auto,
        },
        cause: Cause::Reconcile,
        reasons: vec![format!(
            "{} of `{}` is not at `{to}` yet, at {}",
            archive.name,
            job.name,
            job.place.line()
        )],
        needs: archive.file_size,
        frees: 0,
    }
}
