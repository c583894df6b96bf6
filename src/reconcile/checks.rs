//! Which archives are read back and compared with their hash.
//!
//! Every new archive once, behind the run that made it; then every one again within 30 days,
//! one at a time. The oldest comes first. Where many would be due at once (after a catalogue was
//! rebuilt, say), the first ones come earlier, so that a day has no more than its share of them.
//! From [`IDLE_FOR`] before its time an archive is read while there is nothing else to do; on an
//! instance that always has, it is read then all the same, a day before the 30 are over.

use jiff::{SignedDuration, Timestamp};

use super::situation::Situation;
use super::{Action, Part, show};
use crate::model::archive::{Archive, Condition};
use crate::model::run::{Cause, Work};

/// When an archive is read again at the latest; it has a day to be read to its end.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(29 * 24);
/// How long before that an idle moment is taken for it.
const IDLE_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Over how long verifications are spread that would all be due at the same time.
const SPREAD: SignedDuration = SignedDuration::from_hours(10 * 24);
/// The longest time between two of them.
const LONGEST_PACE: SignedDuration = SignedDuration::from_hours(24);
/// The most verifications that one plan asks for: a catalogue that was rebuilt has thousands of
/// archives to read back, and the queue is read by people.
const AT_ONCE: usize = 50;

/// `idle` says that nothing else is planned, queued or running.
pub(super) fn part(situation: &Situation, idle: bool) -> Part {
    let mut part = Part::default();
    let mut never: Vec<&Archive> = Vec::new();
    let mut again: Vec<(Timestamp, &Archive)> = Vec::new();
    for archive in &situation.observed.archives {
        let readable = archive.condition == Condition::Present && archive.file_sha256.is_some();
        if !readable || !situation.is_available(&archive.location) {
            continue;
        }
        if situation.rests(archive.id, &archive.location) || situation.leaves(archive) {
            continue;
        }
        match archive.verified_at {
            None => never.push(archive),
            Some(at) => again.push((at, archive)),
        }
    }
    let open = situation.observed.open_runs.iter();
    let open = open.filter(|run| matches!(run.work, Work::Verify { .. })).count();
    never.sort_by_key(|archive| (archive.created_at, archive.id));
    never.truncate(AT_ONCE.saturating_sub(open));
    let idle = idle && never.is_empty();
    part.actions.extend(
        never
            .iter()
            .map(|archive| verify(archive, format!("{} has not been read back yet", archive.name))),
    );
    if let Some((latest, last, archive)) = oldest(again) {
        let early = latest.saturating_sub(IDLE_FOR).unwrap_or(Timestamp::MIN);
        part.wakes.extend([early, latest].into_iter().filter(|at| *at > situation.moment));
        let is_late = latest <= situation.moment && open == 0;
        if early <= situation.moment && (idle || is_late) {
            let age = show::duration(situation.moment.duration_since(last));
            part.actions.push(verify(archive, format!("{} was read {age} ago", archive.name)));
        }
    }
    part
}

/// When an archive that was last read at the given time is late.
pub(crate) fn late_at(last: Timestamp) -> Timestamp {
    last.saturating_add(AGAIN_AFTER).unwrap_or(Timestamp::MAX)
}

/// The archive that was read longest ago, when it must be read, and when it was read.
///
/// It is due so early that all the others can follow at an even pace and none is late.
fn oldest(mut again: Vec<(Timestamp, &Archive)>) -> Option<(Timestamp, Timestamp, &Archive)> {
    again.sort_unstable_by_key(|(at, archive)| (*at, archive.id));
    let (last, archive) = again.first().copied()?;
    let count = i32::try_from(again.len()).unwrap_or(i32::MAX);
    let pace = (SPREAD / count).min(LONGEST_PACE);
    let latest = |(place, (at, _)): (i32, &(Timestamp, &Archive))| {
        late_at(*at).saturating_sub(pace.saturating_mul(place)).unwrap_or(Timestamp::MIN)
    };
    let due = (0..).zip(&again).map(latest).min()?;
    Some((due, last, archive))
}

fn verify(archive: &Archive, why: String) -> Action {
    Action {
        work: Work::Verify { archive: archive.id, location: archive.location.clone() },
        cause: Cause::Reconcile,
        reasons: vec![why],
        needs: 0,
        frees: 0,
    }
}
