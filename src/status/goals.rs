//! The goals of `protect`, against the archives that are there.

use jiff::{SignedDuration, Timestamp};

use super::{Heard, Reason};
use crate::model::archive::{Archive, Condition, How, Outcome};
use crate::model::contact::RemoteCopy;
use crate::model::job::Job;
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;
use crate::reconcile::situation::Situation;

/// What a peer said that it holds counts for so long at least, whatever the goal.
const WORD: SignedDuration = SignedDuration::from_hours(48);

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

/// The places that count as copies, in the order of their names, and what was heard of the peers
/// that hold some. Of those on the file system of the job's source only one counts, the job's own
/// location first.
pub(super) fn places<'a>(
    situation: &Situation<'a>,
    job: &Job,
    archives: &[&'a Archive],
    max_age: SignedDuration,
) -> (Vec<Place<'a>>, Vec<Heard>) {
    let Some(newest) = situation.newest_good(archives) else { return (Vec::new(), Vec::new()) };
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
    let heard = peers(situation, job, archives, oldest, max_age);
    let known = situation.desired.peers.keys();
    names.extend(known.filter(|name| heard.iter().any(|one| one.counts && one.peer == **name)));
    names.sort_unstable();
    names.dedup();
    let place = |name| Place { name, offsite: is_offsite(situation, name) };
    (names.into_iter().map(place).collect(), heard)
}

/// The peers that said that they hold a good copy which is young enough.
fn peers(
    situation: &Situation,
    job: &Job,
    archives: &[&Archive],
    oldest: Timestamp,
    max_age: SignedDuration,
) -> Vec<Heard> {
    let mut heard = Vec::new();
    for name in situation.desired.peers.keys() {
        let Some(contact) = situation.observed.contacts.get(name) else { continue };
        let Some(holdings) = &contact.holdings else { continue };
        let copies = || holdings.copies.iter().filter(|copy| situation.is_copy_of(job, copy));
        if copies().any(|copy| copy.created_at >= oldest && is_good(copy, archives)) {
            let age = situation.moment.duration_since(holdings.at);
            heard.push(Heard { peer: name.clone(), age, counts: age <= max_age.max(WORD) });
        }
    }
    heard
}

/// Whether a copy is good, and the same as the archive here where it still is here.
fn is_good(copy: &RemoteCopy, archives: &[&Archive]) -> bool {
    let here = archives.iter().find(|archive| archive.id == copy.id && archive.is_good());
    copy.is_copy_of(copy.id, here.and_then(|archive| archive.stream_sha256))
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
    heard: &[Heard],
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
                let (want, heard) = (job.protect.copies, heard.to_vec());
                found.push(Reason::Copies { have, want, held_beside, heard });
            }
            let offsite = places.iter().filter(|place| place.offsite).count();
            if offsite < job.protect.offsite as usize {
                let far = heard.iter().filter(|one| is_offsite(situation, &one.peer));
                let (want, heard) = (job.protect.offsite, far.cloned().collect());
                found.push(Reason::Offsite { have: offsite, want, heard });
            }
        }
    }
    found.extend(heard.iter().filter(|one| one.counts).filter_map(|one| {
        let contact = situation.observed.contacts.get(&one.peer)?;
        let can_delete = contact.sender_can_delete == Some(true);
        can_delete.then(|| Reason::SenderCanDelete(one.peer.clone()))
    }));
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
            && !is_beside(archive)
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

/// Whether another program made an archive that does not count: it says nothing of the job's own.
fn is_beside(archive: &Archive) -> bool {
    archive.how == How::Adopted && matches!(archive.outcome, Outcome::Suspect(_))
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
