//! Which archives are sent to peers.
//!
//! What `send_to` wants minus what the peer said that it holds is the work: what it was sent before is
//! no argument. While it is not known what it holds, or it does not answer, copies wait.

use std::collections::BTreeMap;

use super::{candidates, missing, send};
use crate::model::archive::Archive;
use crate::model::contact::{Contact, Presence};
use crate::model::job::Job;
use crate::model::name::PlaceName;
use crate::model::peer::{Peer, PeerKind};
use crate::reconcile::show::moment;
use crate::reconcile::situation::Situation;
use crate::reconcile::{Action, Note, Part, Weight};

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    let mut sends: Vec<(&Archive, Action)> = Vec::new();
    let mut waiting: BTreeMap<&PlaceName, u32> = BTreeMap::new();
    for job in situation.desired.jobs.values().filter(|job| job.enabled && job.ended.is_none()) {
        for destination in &job.send_to {
            let to = &destination.to;
            let Some(peer) = situation.desired.peers.get(to).filter(|peer| is_sent_to(peer)) else {
                continue;
            };
            let contact = situation.observed.contacts.get(to);
            for archive in wanted(situation, job, contact.map(AsRef::as_ref)) {
                if !contact.is_some_and(|contact| is_ready(contact)) {
                    *waiting.entry(&peer.name).or_default() += 1;
                } else if situation.is_available(&job.location) && !situation.rests(archive.id, to)
                {
                    sends.push((archive, send(job, archive, to)));
                }
            }
        }
    }
    sends.sort_by_key(|(archive, _)| (archive.created_at, archive.id));
    part.actions.extend(sends.into_iter().map(|(_, action)| action));
    part.notes.extend(waiting.into_iter().map(|(peer, count)| {
        let copies = if count == 1 { "1 copy waits" } else { &format!("{count} copies wait") };
        let text = format!("{copies} for peer `{peer}`: {}", why(situation, peer));
        Note { weight: Weight::Remark, job: None, text }
    }));
    // When a peer is asked next, more may be known.
    part.wakes.extend(situation.observed.contacts.values().map(|contact| contact.check_at));
    part
}

/// How many archives are to go to each peer and are not there yet.
pub(in crate::reconcile) fn lacking<'a>(situation: &Situation<'a>) -> BTreeMap<&'a PlaceName, u64> {
    let mut found = BTreeMap::new();
    for job in situation.desired.jobs.values().filter(|job| job.enabled && job.ended.is_none()) {
        for destination in &job.send_to {
            let peer = situation.desired.peers.get(&destination.to);
            let Some(peer) = peer.filter(|peer| is_sent_to(peer)) else { continue };
            let contact = situation.observed.contacts.get(&peer.name).map(AsRef::as_ref);
            *found.entry(&peer.name).or_default() += wanted(situation, job, contact).len() as u64;
        }
    }
    found
}

/// Whether archives are pushed there: others come and fetch, or only show what is in a location.
fn is_sent_to(peer: &Peer) -> bool {
    match &peer.kind {
        PeerKind::Instance { url, .. } => url.is_some(),
        PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => true,
        PeerKind::BackupChannel { .. } => false,
    }
}

pub(super) fn is_ready(contact: &Contact) -> bool {
    contact.presence == Presence::Online && contact.holdings.is_some()
}

fn why(situation: &Situation, peer: &PlaceName) -> String {
    let Some(contact) = situation.observed.contacts.get(peer) else {
        return "it was not asked yet".to_owned();
    };
    let why = contact.why.as_deref().unwrap_or("it has not told what it holds");
    match contact.last_seen {
        Some(at) => format!("{why}; last seen {}", moment(at, situation.now)),
        None => why.to_owned(),
    }
}

/// The archives of a job at its own location of which the peer lacks a copy, oldest first.
fn wanted<'a>(situation: &Situation<'a>, job: &Job, contact: Option<&Contact>) -> Vec<&'a Archive> {
    let held = contact.and_then(|contact| contact.holdings.as_ref());
    let all = || held.iter().flat_map(|held| &held.copies);
    let copies = || all().filter(|copy| situation.is_copy_of(job, copy));
    let newest = copies().map(|copy| copy.created_at).max();
    missing(candidates(situation, job), newest, |id| copies().any(|copy| copy.id == id))
}
