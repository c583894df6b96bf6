//! Instances watch each other: who has not been heard of, and whose archives are overdue.
//!
//! A peer told when each of its jobs is to have made its next archive; what arrived here since then
//! puts that off. So an instance that is dead is missed by those who knew it. Of one that never tells
//! (it comes to us, and is not asked), what it used to send says when more was to be expected.
//! **Invariant:** judged by the clock of this instance, from what it saw itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, Zoned};

use super::situation::Situation;
use super::{Note, Part, Weight, show, transfers};
use crate::model::archive::Archive;
use crate::model::contact::{Contact, Expected, Presence};
use crate::model::desired::Desired;
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::Observed;
use crate::model::peer::Peer;

/// How long nothing may be heard of a peer.
pub(crate) const SILENCE: SignedDuration = SignedDuration::from_hours(24);
/// How late what used to come may be at least.
const LATE: SignedDuration = SignedDuration::from_hours(48);
/// So many archives of a job must have come before anything is expected of it.
const HABIT: usize = 3;
/// How many of the newest ones make the habit.
const NEWEST: usize = 10;
/// How many jobs of a peer are named in one line.
const NAMED: usize = 3;

/// When the next archive of a job of a peer is to be there at the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The peer.
    pub peer: PlaceName,
    /// Its job.
    pub job: JobName,
    /// Until when.
    pub by: Timestamp,
    /// When its newest archive came here.
    pub received_at: Option<Timestamp>,
    /// Whether the peer said so itself; else it is what it used to do.
    pub is_told: bool,
}

impl Awaited {
    /// Whether it did not come.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.by < now
    }
}

/// What is awaited of every peer.
#[must_use]
pub fn awaited(desired: &Desired, observed: &Observed) -> Vec<Awaited> {
    let mut found = Vec::new();
    for peer in desired.peers.values() {
        let told = observed.contacts.get(&peer.name).and_then(|contact| contact.told.as_ref());
        let received = received(desired, observed, peer);
        match told {
            Some(told) => {
                found.extend(told.expected.iter().map(|expected| said(peer, expected, &received)));
            }
            None => found.extend(usual(peer, &received)),
        }
    }
    found
}

/// How many archives are to go to each peer and are not there yet.
#[must_use]
pub fn waiting(desired: &Desired, observed: &Observed, now: &Zoned) -> BTreeMap<PlaceName, u64> {
    let situation = Situation::new(desired, observed, now);
    let found = transfers::peers::lacking(&situation).into_iter();
    found.map(|(peer, count)| (peer.clone(), count)).collect()
}

/// What came from a peer, with the moment at which it did.
fn received<'a>(
    desired: &Desired,
    observed: &'a Observed,
    peer: &Peer,
) -> Vec<(Timestamp, &'a Archive)> {
    let Some(place) = desired.name_space(&peer.name) else { return Vec::new() };
    let there = observed.archives.iter().filter(|archive| archive.location == place);
    let good = there.filter(|archive| archive.is_good());
    good.filter_map(|archive| Some((archive.received_at?, archive))).collect()
}

fn said(peer: &Peer, expected: &Expected, received: &[(Timestamp, &Archive)]) -> Awaited {
    let of_job = received.iter().filter(|(_, archive)| archive.job == expected.job);
    let received_at = of_job.map(|(at, _)| *at).max();
    let put_off = received_at.zip(expected.max_age).and_then(|(at, age)| at.checked_add(age).ok());
    Awaited {
        peer: peer.name.clone(),
        job: expected.job.clone(),
        by: put_off.map_or(expected.by, |by| by.max(expected.by)),
        received_at,
        is_told: true,
    }
}

/// What a peer that tells nothing used to send: the next one is late after twice the longest time
/// that lay between two of the last ones.
fn usual(peer: &Peer, received: &[(Timestamp, &Archive)]) -> Vec<Awaited> {
    let mut jobs: Vec<&JobName> = received.iter().map(|(_, archive)| &archive.job).collect();
    jobs.sort_unstable();
    jobs.dedup();
    let mut found = Vec::new();
    for job in jobs {
        let of_job = received.iter().filter(|(_, archive)| archive.job == *job);
        let mut times: Vec<Timestamp> = of_job.map(|(at, _)| *at).collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        times.truncate(NEWEST);
        let Some(newest) = times.first().copied().filter(|_| times.len() >= HABIT) else {
            continue;
        };
        let gaps = times.windows(2).map(|pair| pair[0].duration_since(pair[1]));
        let most = gaps.max().unwrap_or_default().saturating_mul(2).max(LATE);
        found.push(Awaited {
            peer: peer.name.clone(),
            job: job.clone(),
            by: newest.checked_add(most).unwrap_or(Timestamp::MAX),
            received_at: Some(newest),
            is_told: false,
        });
    }
    found
}

/// Since when nothing was heard of a peer, where that is too long ago.
pub(crate) fn silent_since(contact: &Contact, now: Timestamp) -> Option<Timestamp> {
    let since = contact.last_seen.unwrap_or(contact.created_at);
    let is_away = match contact.presence {
        Presence::Offline | Presence::Error => true,
        Presence::Online | Presence::Unknown => false,
    };
    (is_away && now.duration_since(since) >= SILENCE).then_some(since)
}

/// A peer of which nothing was heard for too long, in one line.
pub(crate) fn silence(situation: &Situation, peer: &PlaceName) -> Option<String> {
    let contact = situation.observed.contacts.get(peer)?;
    let since = silent_since(contact, situation.moment)?;
    let seen = match contact.last_seen {
        Some(at) => format!("was last seen {}", show::moment(at, situation.now)),
        None => format!("was never seen since {}", show::moment(since, situation.now)),
    };
    let why = contact.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("peer `{peer}` {seen}{why}"))
}

/// What a peer did not do in time, in one line.
pub(crate) fn overdue(situation: &Situation, peer: &PlaceName) -> Option<String> {
    let mut late = awaited(situation.desired, situation.observed);
    late.retain(|one| one.peer == *peer && one.is_overdue(situation.moment));
    late.sort_by(|one, other| (one.by, &one.job).cmp(&(other.by, &other.job)));
    let first = late.first()?;
    let mut named: Vec<String> = late
        .iter()
        .take(NAMED)
        .map(|one| format!("`{}` since {}", one.job, show::moment(one.by, situation.now)))
        .collect();
    if late.len() > NAMED {
        named.push(format!("{} more", late.len() - NAMED));
    }
    let basis = if first.is_told {
        let contact = situation.observed.contacts.get(peer)?;
        let told = contact.told.as_ref()?;
        let is_dead = contact.presence != Presence::Online;
        let last = show::moment(told.at, situation.now);
        if is_dead { format!("it last told of them {last}") } else { format!("as it told {last}") }
    } else {
        "as often as they came until then".to_owned()
    };
    Some(format!("archives of peer `{peer}` are overdue: {} ({basis})", named.join(", ")))
}

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    for peer in situation.desired.peers.keys() {
        let found = [silence(situation, peer), overdue(situation, peer)];
        let problem = |text| Note { weight: Weight::Problem, job: None, text };
        part.notes.extend(found.into_iter().flatten().map(problem));
    }
    let just_after = |at: Timestamp| at.saturating_add(SignedDuration::from_secs(1)).ok();
    let awaited = awaited(situation.desired, situation.observed);
    part.wakes.extend(awaited.iter().filter_map(|one| just_after(one.by)));
    let silent = situation.observed.contacts.values().filter_map(|contact| {
        contact.last_seen.unwrap_or(contact.created_at).saturating_add(SILENCE).ok()
    });
    part.wakes.extend(silent);
    part
}
