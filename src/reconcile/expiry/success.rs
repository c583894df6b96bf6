//! What one more good archive of a job would let go: for those who need its room.

use jiff::Zoned;
use uuid::Uuid;

use super::lineage::Lineage;
use super::{PassOutcome, SeriesPass, expiry};
use crate::model::archive::{Archive, ArchiveId, Condition, How, Outcome, Series};
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::name::ArchiveName;
use crate::model::observed::Observed;
use crate::model::run::Work;
use crate::reconcile::Blocked;

/// What would leave a job's own location.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AfterSuccess {
    /// Once the job succeeds.
    pub releases: Vec<ArchiveName>,
    /// Once the job succeeds and somebody approves what the plan says then.
    pub asks_for: Vec<ArchiveName>,
    /// As soon as somebody approves what waits now: its hash, and what it is.
    pub waiting: Option<(String, Vec<ArchiveName>)>,
}

/// Judges the series of a job with and without a good archive of now, which is `made` so.
#[must_use]
pub fn after_success(
    desired: &Desired,
    observed: &Observed,
    job: &Job,
    made: How,
    now: &Zoned,
) -> AfterSuccess {
    let lineage = Lineage::of(desired);
    let origin = desired.instance.name.clone();
    let series = Series { origin, job: job.name.clone(), location: job.location.clone() };
    let line = (series, None);
    let is_there = |one: &&Archive| !matches!(one.condition, Condition::Trashed { .. });
    let of_line = observed.archives.iter().filter(is_there).filter(|one| lineage.line(one) == line);
    let mut of_line: Vec<&Archive> = of_line.collect();
    of_line.sort_by_key(|one| (one.created_at, one.id));
    let Some(newest) = of_line.last() else { return AfterSuccess::default() };
    let names = |ids: &[ArchiveId]| -> Vec<ArchiveName> {
        let named = of_line.iter().filter(|one| ids.contains(&one.id));
        named.map(|one| one.name.clone()).collect()
    };
    let supposed = Archive {
        id: ArchiveId(Uuid::max()),
        origin: line.0.origin.clone(),
        job: job.name.clone(),
        created_at: now.timestamp(),
        day: now.date(),
        outcome: Outcome::Good,
        how: made,
        received_at: None,
        pinned: false,
        condition: Condition::Present,
        refuted: None,
        file_sha256: newest.stream_sha256.or(newest.file_sha256),
        ..Archive::clone(newest)
    };
    let before = outcome(desired, observed, &line.0, now);
    let mut then = observed.clone();
    then.archives.push(supposed);
    let after = outcome(desired, &then, &line.0, now);

    let waits = |outcome: &Option<PassOutcome>| match outcome {
        Some(PassOutcome::Blocked(Blocked { hash, archives, .. })) => {
            Some((hash.clone(), archives.iter().map(|(id, ..)| *id).collect::<Vec<_>>()))
        }
        Some(PassOutcome::Rests(_) | PassOutcome::NothingToDo | PassOutcome::Expire(_)) | None => {
            None
        }
    };
    let goes = |outcome: &Option<PassOutcome>| match outcome {
        Some(PassOutcome::Expire(action)) => {
            if let Work::Expire { archives, .. } = &action.work {
                archives.clone()
            } else {
                Vec::new()
            }
        }
        Some(PassOutcome::Rests(_) | PassOutcome::NothingToDo | PassOutcome::Blocked(_)) | None => {
            Vec::new()
        }
    };
    let waiting = waits(&before);
    let goes_anyway = goes(&before);
    let mut releases = goes(&after);
    releases.retain(|id| !goes_anyway.contains(id));
    let mut asks_for = waits(&after).map(|(_, ids)| ids).unwrap_or_default();
    asks_for.retain(|id| waiting.as_ref().is_none_or(|(_, ids)| !ids.contains(id)));
    AfterSuccess {
        releases: names(&releases),
        asks_for: names(&asks_for),
        waiting: waiting.map(|(hash, ids)| (hash, names(&ids))),
    }
}

fn outcome(
    desired: &Desired,
    observed: &Observed,
    series: &Series,
    now: &Zoned,
) -> Option<PassOutcome> {
    // What a peer sent in the name of this series comes behind it.
    let is_own = |pass: &SeriesPass| pass.series == *series;
    expiry(desired, observed, now).into_iter().find(is_own).map(|pass| pass.outcome)
}
