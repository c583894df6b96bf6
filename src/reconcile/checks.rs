//! Which archives are read back and compared with their hash.
//!
//! Every new archive once, behind the run that made it; then every one again within 30 days,
//! one at a time and only while there is nothing else to do.

use jiff::{SignedDuration, Timestamp};

use super::situation::Situation;
use super::{Action, Part, show};
use crate::model::archive::{Archive, Condition};
use crate::model::run::{Cause, Work};

/// How long a verification holds.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The most verifications that one plan asks for: a catalogue that was rebuilt has thousands of
/// archives to read back, and the queue is read by people.
const AT_ONCE: usize = 50;

/// `idle` says that nothing else is planned, queued or running.
pub(super) fn part(situation: &Situation, idle: bool) -> Part {
    let mut part = Part::default();
    let mut never: Vec<&Archive> = Vec::new();
    let mut again: Option<(Timestamp, &Archive)> = None;
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
            Some(at) => {
                let due = at.saturating_add(AGAIN_AFTER).unwrap_or(Timestamp::MAX);
                let first =
                    again.is_none_or(|(first, other)| (due, archive.id) < (first, other.id));
                if first {
                    again = Some((due, archive));
                }
            }
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
    if let Some((due, archive)) = again {
        if due > situation.moment {
            part.wakes.push(due);
        } else if idle {
            let last = archive.verified_at.unwrap_or(archive.created_at);
            let age = show::duration(situation.moment.duration_since(last));
            part.actions.push(verify(archive, format!("{} was read {age} ago", archive.name)));
        }
    }
    part
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
