//! Which archives are taken from peers: those that `fetch_from` names; and whole copies of what is
//! damaged or lost here, from another location where one is there, else from a peer.
//!
//! What a peer offers minus what rests in its name space is the work, by the same rule as sending:
//! nothing older than the newest that is here, and of a job of which nothing is here, the newest
//! alone. So what our policy expired is never fetched again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::archive::{Archive, Condition};
use crate::model::contact::{Contact, Presence, RemoteCopy};
use crate::model::job::Via;
use crate::model::name::{InstanceName, JobName, PlaceName};
use crate::model::peer::Peer;
use crate::model::run::{Cause, Work};
use crate::reconcile::judge::FUTURE_TOLERANCE;
use crate::reconcile::situation::{Situation, is_kept};
use crate::reconcile::{Action, Note, Part, Weight};

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    repairs(situation, &mut part);
    for peer in situation.desired.peers.values().filter(|peer| !peer.fetch_from.is_empty()) {
        fetches(situation, peer, &mut part);
    }
    part
}

fn fetches(situation: &Situation, peer: &Peer, part: &mut Part) {
    let (Some(contact), Some(space)) =
        (situation.observed.contacts.get(&peer.name), space_of(situation, peer))
    else {
        return;
    };
    let missing = missing(situation, peer, contact, space);
    if missing.is_empty() {
        return;
    }
    if contact.presence != Presence::Online || !is_usable(situation, space) {
        let count = missing.len();
        let archives =
            if count == 1 { "1 archive waits" } else { &format!("{count} archives wait") };
        let text = format!("{archives} to be fetched from peer `{}`", peer.name);
        part.notes.push(Note { weight: Weight::Remark, job: None, text });
        return;
    }
    for copy in missing {
        if situation.rests(copy.id, space) {
            continue;
        }
        part.actions.push(Action {
            work: Work::Fetch { archive: copy.id, peer: peer.name.clone(), to: space.clone() },
            cause: Cause::Reconcile,
            reasons: vec![format!(
                "{} of `{}` is offered by `{}` and not here yet, at {}",
                copy.name,
                copy.job,
                peer.name,
                peer.place.line()
            )],
            needs: copy.file_size,
            frees: 0,
        });
    }
}

/// Where what a peer made rests here.
fn space_of<'a>(situation: &Situation<'a>, peer: &Peer) -> Option<&'a PlaceName> {
    let own = situation.desired.name_space(&peer.name)?;
    situation.desired.locations.keys().find(|name| **name == own)
}

/// How many archives are to come from a peer that answers, those included whose fetch rests after a
/// failure.
pub(in crate::reconcile) fn missing_from(situation: &Situation, name: &PlaceName) -> usize {
    let Some(peer) = situation.desired.peers.get(name) else { return 0 };
    let contact = situation.observed.contacts.get(name).map(AsRef::as_ref);
    let Some(contact) = contact.filter(|contact| contact.presence == Presence::Online) else {
        return 0;
    };
    let space = space_of(situation, peer)
        .filter(|space| !peer.fetch_from.is_empty() && is_usable(situation, space));
    let wanted = space.map_or(0, |space| missing(situation, peer, contact, space).len());
    let is_from = |archive: &&Archive| matches!(whole(situation, archive), Some(Whole::AtPeer(at)) if at == name);
    wanted + broken(situation).filter(is_from).count()
}

/// How many archives at a place are damaged or lost there, and can be brought back from another
/// location.
pub(super) fn repairable_at(situation: &Situation, place: &PlaceName) -> usize {
    let there = broken(situation).filter(|archive| archive.location == *place);
    let is_near = |archive: &&Archive| matches!(whole(situation, archive), Some(Whole::Here(_)));
    there.filter(is_near).count()
}

/// What of the jobs that are wanted is offered and not here, oldest first.
fn missing<'a>(
    situation: &Situation,
    peer: &Peer,
    contact: &'a Contact,
    space: &PlaceName,
) -> Vec<&'a RemoteCopy> {
    let latest = situation.moment.saturating_add(FUTURE_TOLERANCE).unwrap_or(Timestamp::MAX);
    let is_wanted = |job: &JobName| {
        let names = peer.fetch_from.iter().map(AsRef::<str>::as_ref);
        names.into_iter().any(|name| name == job.as_str() || name == job.declared())
    };
    let mut offered: BTreeMap<(&InstanceName, &JobName), Vec<&RemoteCopy>> = BTreeMap::new();
    for copy in &contact.offered {
        if copy.is_good && copy.created_at <= latest && is_wanted(&copy.job) {
            offered.entry((&copy.origin, &copy.job)).or_default().push(copy);
        }
    }
    let mut missing = Vec::new();
    for ((origin, job), mut copies) in offered {
        copies.sort_by_key(|copy| (copy.created_at, copy.id));
        let here = || {
            let all = situation.observed.archives.iter();
            all.filter(|one| one.location == *space && is_kept(one))
                .filter(|one| one.origin == *origin && one.job == *job)
        };
        match here().map(|one| one.created_at).max() {
            Some(newest) => copies
                .retain(|copy| copy.created_at >= newest && !here().any(|one| one.id == copy.id)),
            None => drop(copies.drain(..copies.len() - 1)),
        }
        missing.extend(copies);
    }
    missing.sort_by_key(|copy| (copy.created_at, copy.id));
    missing
}

/// Whether a name space can be written to; one that nobody used yet is made where it belongs.
fn is_usable(situation: &Situation, space: &PlaceName) -> bool {
    situation.is_available(space)
        || (!situation.observed.locations.contains_key(space)
            && space.above().is_some_and(|above| situation.is_available(&above)))
}

/// What is damaged or lost here, and whole at another location or at a peer that answers.
fn repairs(situation: &Situation, part: &mut Part) {
    for archive in broken(situation) {
        if situation.rests(archive.id, &archive.location) {
            continue;
        }
        let what =
            if archive.condition == Condition::Lost { "is gone from" } else { "is damaged at" };
        let (work, source) = match whole(situation, archive) {
            None => continue,
            Some(Whole::Here(other)) => {
                let work = Work::Send {
                    archive: archive.id,
                    from: other.location.clone(),
                    to: archive.location.clone(),
                    via: Via::Auto,
                };
                (work, format!("a good copy is at `{}`", other.location))
            }
            Some(Whole::AtPeer(peer)) => {
                let (peer, to) = (peer.clone(), archive.location.clone());
                let source = format!("`{peer}` has a good copy");
                (Work::Fetch { archive: archive.id, peer, to }, source)
            }
        };
        part.actions.push(Action {
            work,
            cause: Cause::Reconcile,
            reasons: vec![format!("{} {what} `{}`, and {source}", archive.name, archive.location)],
            needs: archive.file_size,
            frees: 0,
        });
    }
}

/// What is damaged or lost at a location that is there, and not about to leave it.
fn broken<'a>(situation: &Situation<'a>) -> impl Iterator<Item = &'a Archive> {
    situation.observed.archives.iter().filter(|archive| {
        matches!(archive.condition, Condition::Corrupt | Condition::Lost)
            && situation.is_available(&archive.location)
            && !situation.leaves(archive)
    })
}

/// Where a whole copy can come from.
enum Whole<'a> {
    Here(&'a Archive),
    AtPeer(&'a PlaceName),
}

/// Where the whole copy of a damaged or lost archive comes from, where there is one.
fn whole<'a>(situation: &Situation<'a>, archive: &Archive) -> Option<Whole<'a>> {
    match copy_of(situation, archive) {
        // Of a place that was moved away from, people delete files by hand.
        Some(_) if archive.condition == Condition::Lost && !is_wanted(situation, archive) => None,
        Some(other) => Some(Whole::Here(other)),
        None => who_has(situation, archive).map(Whole::AtPeer),
    }
}

/// Whether a job of ours still keeps its archives where this one was.
fn is_wanted(situation: &Situation, archive: &Archive) -> bool {
    situation.desired.owns(archive)
        && situation.desired.jobs.values().any(|job| {
            job.is_or_was(&archive.job)
                && job.ended.is_none()
                && (job.location == archive.location
                    || job.send_to.iter().any(|copy| copy.to == archive.location))
        })
}

/// A good copy of an archive at another location that is there.
fn copy_of<'a>(situation: &Situation<'a>, archive: &Archive) -> Option<&'a Archive> {
    let is_same = |copy: &Archive| {
        let is_encoded_alike = copy.codec == archive.codec && copy.recipients == archive.recipients;
        (copy.file_sha256.is_some() && copy.file_sha256 == archive.file_sha256)
            || (copy.stream_sha256.is_some()
                && copy.stream_sha256 == archive.stream_sha256
                // What is encrypted cannot be encoded anew here.
                && (copy.recipients.is_empty() || is_encoded_alike))
    };
    situation.observed.archives.iter().find(|copy| {
        copy.id == archive.id
            && copy.location != archive.location
            && copy.condition == Condition::Present
            && copy.is_good()
            && is_same(copy)
            && situation.is_available(&copy.location)
            && !situation.leaves(copy)
    })
}

/// A peer that can be asked for a whole copy of an archive: the same id, and the same plain stream
/// or file.
fn who_has<'a>(situation: &Situation<'a>, archive: &Archive) -> Option<&'a PlaceName> {
    let is_same = |copy: &RemoteCopy| {
        copy.id == archive.id
            && copy.is_good
            && ((copy.stream_sha256.is_some() && copy.stream_sha256 == archive.stream_sha256)
                || (copy.file_sha256.is_some() && copy.file_sha256 == archive.file_sha256))
    };
    let mut contacts = situation.observed.contacts.iter();
    contacts
        .find(|(peer, contact)| {
            let held = contact.holdings.iter().flat_map(|held| &held.copies);
            contact.presence == Presence::Online
                && situation.desired.peers.get(*peer).is_some_and(Peer::can_be_asked)
                && held.chain(&contact.offered).any(is_same)
        })
        .map(|(peer, _)| peer)
}
