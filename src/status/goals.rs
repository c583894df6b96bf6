//! The goals of `protect`, against the archives that are there.

use jiff::{SignedDuration, Timestamp};

use super::Reason;
use crate::model::archive::{Archive, Condition, Outcome};
use crate::model::job::Job;
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;
use crate::reconcile::situation::Situation;

/// A place that holds a good archive which is young enough.
pub(super) struct Place<'a> {
    name: &'a PlaceName,
    pub(super) offsite: bool,
}

impl Place<'_> {
    pub(super) fn name(&self) -> PlaceName {
        self.name.clone()
    }
}

/// The places that count as copies, in the order of their names. Of those on the file system of
/// the job's source only one counts, the job's own location first.
pub(super) fn places<'a>(
    situation: &Situation<'a>,
    job: &Job,
    archives: &[&'a Archive],
    max_age: SignedDuration,
) -> Vec<Place<'a>> {
    let Some(newest) = situation.newest_good(archives) else { return Vec::new() };
    let oldest = situation.moment.saturating_sub(max_age);
    let oldest = oldest.unwrap_or(Timestamp::MIN).min(newest.created_at);
    let mut names: Vec<&PlaceName> = archives
        .iter()
        .filter(|archive| archive.is_good() && !situation.is_dated_ahead(archive))
        .filter(|archive| archive.created_at >= oldest && is_reachable(situation, archive))
        .map(|archive| &archive.location)
        .collect();
    names.sort_unstable();
    names.dedup();
    // What one disk takes along with the source is one copy, however many places it has there.
    let beside = |name: &PlaceName| {
        situation.observed.beside_source.contains(&(job.name.clone(), name.clone()))
    };
    let first = names.iter().copied().find(|name| *name == &job.location && beside(name));
    let first = first.or_else(|| names.iter().copied().find(|name| beside(name)));
    names.retain(|name| !beside(name) || Some(*name) == first);
    names.into_iter().map(|name| Place { name, offsite: is_offsite(situation, name) }).collect()
}

/// A disk that is unplugged now and then holds its copies all the same.
fn is_reachable(situation: &Situation, archive: &Archive) -> bool {
    match archive.condition {
        Condition::Present => true,
        Condition::Unavailable => situation
            .desired
            .locations
            .get(&archive.location)
            .is_some_and(|location| location.removable),
        Condition::Corrupt | Condition::Lost | Condition::Trashed { .. } => false,
    }
}

fn is_offsite(situation: &Situation, place: &PlaceName) -> bool {
    let desired = situation.desired;
    desired.locations.get(place).is_some_and(|location| location.offsite)
        || desired.peers.get(place).is_some_and(|peer| peer.offsite)
}

/// What is wrong with the archives of a job, by its goals.
pub(super) fn reasons(
    situation: &Situation,
    job: &Job,
    archives: &[&Archive],
    places: &[Place],
    max_age: SignedDuration,
) -> Vec<Reason> {
    let mut found = Vec::new();
    match situation.newest_good(archives) {
        None => found.push(Reason::NoArchive),
        Some(newest) => {
            let age: SignedDuration = situation.moment.duration_since(newest.created_at);
            if age > max_age {
                found.push(Reason::TooOld { age, max_age });
            }
            if places.len() < job.protect.copies as usize {
                let have = places.iter().map(Place::name).collect();
                let held_beside = archives.iter().any(|archive| {
                    let place = &archive.location;
                    archive.is_good()
                        && !places.iter().any(|counted| counted.name == place)
                        && situation
                            .observed
                            .beside_source
                            .contains(&(job.name.clone(), place.clone()))
                });
                found.push(Reason::Copies { have, want: job.protect.copies, held_beside });
            }
            let offsite = places.iter().filter(|place| place.offsite).count();
            if offsite < job.protect.offsite as usize {
                found.push(Reason::Offsite { have: offsite, want: job.protect.offsite });
            }
        }
    }
    found.extend(newest_at_home(situation, job, archives));
    found.extend(home(situation, job));
    found
}

/// What is wrong with the newest archive at the job's own location.
fn newest_at_home(situation: &Situation, job: &Job, archives: &[&Archive]) -> Option<Reason> {
    let mut newest_first = archives.iter().rev();
    let newest = newest_first.find(|archive| {
        archive.location == job.location
            && !situation.is_dated_ahead(archive)
            && !matches!(archive.condition, Condition::Trashed { .. })
    })?;
    let name = || newest.name.clone();
    match newest.condition {
        Condition::Corrupt => return Some(Reason::Damaged(name(), newest.location.clone())),
        Condition::Lost => return Some(Reason::Lost(name(), newest.location.clone())),
        Condition::Present | Condition::Unavailable | Condition::Trashed { .. } => {}
    }
    if let Some(why) = &newest.refuted {
        return Some(Reason::Refuted(name(), why.clone()));
    }
    match &newest.outcome {
        Outcome::Suspect(why) => Some(Reason::Suspect(name(), why.clone())),
        Outcome::Partial if !newest.partial_allowed => Some(Reason::Partial(name())),
        Outcome::Partial | Outcome::Good => None,
    }
}

/// What is wrong with the job's own location.
fn home(situation: &Situation, job: &Job) -> Option<Reason> {
    let why = match situation.observed.locations.get(&job.location)? {
        LocationState::Available { .. } => return None,
        LocationState::Unavailable(why) | LocationState::Suspect(why) => why,
    };
    // Its absence is no failure before the goal's age is reached.
    let expected = situation.absent_removable(&job.location).is_some();
    (!expected).then(|| Reason::Location(job.location.clone(), why.clone()))
}
