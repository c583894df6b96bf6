//! What is known of peers: asked in the background, remembered over restarts.
//!
//! A peer is asked when it is due ([`Contact::check_at`]), when this process or its table is new, and
//! when somebody wants to know; one that has no address comes to us, and is seen by that. What it
//! said stays known while it is away, with the time at which it said so. **Invariants:** asking runs
//! beside everything else, within its limit, and each peer is asked by one at a time; only [`change`]
//! changes what is known, in the state first; a request that a peer makes here writes nothing, but
//! once a minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::JoinSet;

use crate::model::contact::{Contact, Holdings, Presence, Told};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::peer::Peer;
use crate::model::run::Work;
use crate::peer::PeerError;
use crate::state::{State, StateError};
use crate::stop::Stopped;

pub(crate) use self::met::{is_online, note_failure, note_success};
use self::probe::Seen;
use crate::engine::core::Core;
use crate::engine::requests::Request;
use crate::engine::runs::context::with_causes;
use crate::engine::{Autonomy, RequestError, recovery};

pub(crate) mod hand;
mod instance;
mod host;
mod met;
mod pause;
mod channel;
pub(crate) mod probe;

/// The most time that asking a peer may take.
const LIMIT: Duration = Duration::from_mins(2);
/// How often a peer that uses its token here is noted.
const NOTED: Duration = Duration::from_mins(1);
/// How long one that comes to us may stay away before it counts as off.
const AWAY: SignedDuration = SignedDuration::from_hours(24);
/// How long a peer that left the configuration is remembered since anything was heard of it.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// No pause is that long: a clock that went back must not make us wait for the old time.
const CLOCK_WENT_BACK: SignedDuration = SignedDuration::from_hours(1);

/// What is known of every peer, as the state has it.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    known: Mutex<BTreeMap<PlaceName, Arc<Contact>>>,
    /// The peers that this process asked, as they were configured then.
    asked: Mutex<BTreeMap<PlaceName, Peer>>,
    /// Whose turn it is to ask a peer.
    turns: Mutex<BTreeMap<PlaceName, Arc<AsyncMutex<()>>>>,
    /// When a peer that uses its token here was noted last.
    came: Mutex<BTreeMap<PlaceName, Instant>>,
}

// Each change behind these is one assignment: a panic elsewhere leaves it usable.
impl Contacts {
    /// What the state remembers.
    pub(crate) fn new(state: &State) -> Result<Self, StateError> {
        let known = state.contacts()?.into_iter().map(|(peer, one)| (peer, Arc::new(one)));
        Ok(Self { known: Mutex::new(known.collect()), ..Self::default() })
    }

    fn get(&self, peer: &PlaceName) -> Option<Arc<Contact>> {
        self.known.lock().get(peer).cloned()
    }

    fn turn(&self, peer: &PlaceName) -> Arc<AsyncMutex<()>> {
        Arc::clone(self.turns.lock().entry(peer.clone()).or_default())
    }

    /// Whether this process asked a peer as it is configured now.
    fn was_asked(&self, peer: &Peer) -> bool {
        self.asked.lock().get(&peer.name) == Some(peer)
    }
}

/// What is known of the peers of the configuration now.
pub(crate) fn known(core: &Core) -> BTreeMap<PlaceName, Arc<Contact>> {
    let desired = core.desired();
    let known = core.contacts.known.lock();
    known
        .iter()
        .filter(|(peer, _)| desired.peers.contains_key(*peer))
        .map(|(peer, contact)| (peer.clone(), Arc::clone(contact)))
        .collect()
}

/// Changes what is known of a peer, in the state first; of one that is not known yet, from nothing.
/// Blocks. Whoever changes something that counts asks the loop to look.
pub(crate) fn change(
    core: &Core,
    peer: &PlaceName,
    change: impl FnOnce(&mut Contact),
) -> Result<(), StateError> {
    let mut known = core.contacts.known.lock();
    let now = core.now();
    let mut contact = known.get(peer).map_or_else(|| Contact::new(now), |one| (**one).clone());
    change(&mut contact);
    core.state.commit(|txn| txn.put_contact(peer, &contact))?;
    known.insert(peer.clone(), Arc::new(contact));
    Ok(())
}

/// Forgets peers that left the configuration long ago. One that comes back before, comes back with
/// all that was known of it.
pub(crate) fn forget_departed(core: &Core) -> Result<(), StateError> {
    let (desired, now) = (core.desired(), core.now());
    let mut known = core.contacts.known.lock();
    let heard = |one: &Contact| [one.checked_at, one.last_seen].into_iter().flatten().max();
    let is_over =
        |one: &Contact| now.duration_since(heard(one).unwrap_or(one.created_at)) > REMEMBERED;
    let gone: Vec<PlaceName> = known
        .iter()
        .filter(|(peer, one)| !desired.peers.contains_key(*peer) && is_over(one))
        .map(|(peer, _)| peer.clone())
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    core.state.commit(|txn| gone.iter().try_for_each(|peer| txn.drop_contact(peer).map(drop)))?;
    known.retain(|peer, _| !gone.contains(peer));
    Ok(())
}

/// Whether a peer is to be asked now.
fn is_due(core: &Core, desired: &Desired, peer: &Peer, now: Timestamp) -> bool {
    match core.options.autonomy {
        Autonomy::OnRequest => return false,
        // Once, and only those that something may have to go to, or come from.
        Autonomy::Apply => {
            return is_needed(core, desired, peer) && !core.contacts.was_asked(peer);
        }
        Autonomy::Daemon => {}
    }
    let Some(contact) = core.contacts.get(&peer.name) else { return true };
    if !probe::is_asked(peer) {
        return contact.check_at <= now;
    }
    let is_far = contact.check_at.duration_since(now) > CLOCK_WENT_BACK;
    contact.check_at <= now || is_far || !core.contacts.was_asked(peer)
}

/// Whether what this process is for may need a peer.
fn is_needed(core: &Core, desired: &Desired, peer: &Peer) -> bool {
    let only = &core.options.only;
    let is_ours = |job: &crate::model::name::JobName| {
        only.is_empty() || only.iter().any(|one| one == job || one.as_str() == job.declared())
    };
    let mut jobs = desired.jobs.values().filter(|job| job.enabled && job.ended.is_none());
    probe::is_asked(peer)
        && (!peer.fetch_from.is_empty() && only.is_empty()
            || jobs.any(|job| is_ours(&job.name) && job.send_to.iter().any(|s| s.to == peer.name)))
}

/// Whether any peer is to be asked before this process can say that it is done.
pub(crate) fn is_busy(core: &Core) -> bool {
    if core.options.autonomy != Autonomy::Apply {
        return false;
    }
    let (desired, now) = (core.desired(), core.now());
    desired.peers.values().any(|peer| is_due(core, &desired, peer, now))
}

/// Begins to ask every peer that is due. What comes of it is known when the worker has ended.
pub(crate) fn begin_where_due(core: &Arc<Core>, workers: &mut JoinSet<()>) {
    if core.stop.reason().is_some() {
        return;
    }
    let (desired, now) = (core.desired(), core.now());
    for peer in desired.peers.values().filter(|peer| is_due(core, &desired, peer, now)) {
        // Somebody is asking it just now: the end of that is a reason to look again.
        let Ok(turn) = core.contacts.turn(&peer.name).try_lock_owned() else { continue };
        workers.spawn(ask_in_turn(Arc::clone(core), peer.clone(), turn));
    }
}

async fn ask_in_turn(core: Arc<Core>, peer: Peer, turn: OwnedMutexGuard<()>) {
    if probe::is_asked(&peer) {
        // What came of it is known by now.
        let _ = ask(&core, &peer).await;
    } else {
        let name = peer.name.clone();
        let shared = Arc::clone(&core);
        let changed = tokio::task::spawn_blocking(move || {
            let now = shared.now();
            change(&shared, &name, |contact| wait_for(contact, now))
        });
        tell_if_forgotten(&peer.name, changed.await);
    }
    drop(turn);
}

/// One that comes to us has stayed away, or never came.
fn wait_for(contact: &mut Contact, now: Timestamp) {
    let since = contact.last_seen.filter(|at| now.duration_since(*at) >= AWAY);
    if let Some(at) = since {
        contact.presence = Presence::Offline;
        contact.why = Some(format!("it has not come since {at:.0}"));
        contact.hint = Some("look at it from there: does it run, and does it reach us?".to_owned());
    }
    contact.check_at = pause::later(now, AWAY);
}

/// Asks a peer now because somebody wants to know, and returns what is known then.
pub(crate) async fn check_now(
    core: &Arc<Core>,
    name: &PlaceName,
) -> Result<Arc<Contact>, RequestError> {
    let desired = core.desired();
    let Some(peer) = desired.peers.get(name) else {
        return Err(RequestError::NotFound(format!("there is no peer `{name}`")));
    };
    if !probe::is_asked(peer) {
        return Err(RequestError::Refused {
            why: format!("peer `{name}` has no `url`: it comes to us, and is not asked"),
            hint: Some("look at it from there, or give it a `url`".to_owned()),
        });
    }
    let turn = core.contacts.turn(name).lock_owned().await;
    let asked = ask(core, peer).await;
    drop(turn);
    asked?;
    let known = core.contacts.get(name);
    known.ok_or_else(|| RequestError::Failed(format!("nothing is known of `{name}`")))
}

/// Asks a peer within the limit, and remembers what came of it. That it does not answer is no error.
async fn ask(core: &Arc<Core>, peer: &Peer) -> Result<(), RequestError> {
    core.contacts.asked.lock().insert(peer.name.clone(), peer.clone());
    let (stop, began) = (core.stop.child(), core.now());
    let answer = tokio::select! {
        answer = tokio::time::timeout(LIMIT, probe::probe(core, peer, &stop)) => answer,
        // Nothing is known that was not known before; a thread that still asks sees the same stop.
        _ = core.stop.requested() => return Err(RequestError::Stopping),
    };
    let answer = answer.unwrap_or_else(|_| {
        stop.request(Stopped::TimedOut);
        let why = format!("no answer within {} s", LIMIT.as_secs());
        Err(PeerError::Offline { peer: peer.name.clone(), why })
    });
    let (shared, asked) = (Arc::clone(core), peer.clone());
    let taken = tokio::task::spawn_blocking(move || take_in(&shared, &asked, began, answer)).await;
    match taken {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let error = with_causes(&error);
            tracing::error!(peer = %peer.name, %error, "cannot remember what is known of a peer");
            Err(RequestError::Failed(error))
        }
        Err(error) => Err(RequestError::Failed(error.to_string())),
    }
}

fn tell_if_forgotten(
    peer: &PlaceName,
    changed: Result<Result<(), StateError>, tokio::task::JoinError>,
) {
    if let Ok(Err(error)) = changed {
        tracing::error!(%peer, error = %with_causes(&error), "cannot remember what is known of a peer");
    }
}

/// Remembers what came of asking, which began then.
fn take_in(
    core: &Core,
    peer: &Peer,
    began: Timestamp,
    answer: Result<Seen, PeerError>,
) -> Result<(), StateError> {
    // Its table changed meanwhile: it is asked again as it is now.
    if core.desired().peers.get(&peer.name) != Some(peer) {
        return Ok(());
    }
    let now = core.now();
    let is_awaited = is_awaited(core, &peer.name);
    if let Ok(Seen { holdings: Some(copies), .. }) = &answer {
        recovery::guard_held(core, &peer.name, copies)?;
    }
    change(core, &peer.name, |contact| {
        let before = contact.presence;
        contact.checked_at = Some(now);
        match answer {
            Ok(seen) => answered(contact, seen, (began, now), is_awaited),
            Err(error) => refused(contact, &error, now),
        }
        if contact.presence != before {
            let (presence, why) = (contact.presence.word(), contact.why.as_deref());
            tracing::info!(peer = %peer.name, presence, why, "what is known of a peer changed");
        }
    })
}

fn answered(
    contact: &mut Contact,
    seen: Seen,
    (began, now): (Timestamp, Timestamp),
    is_awaited: bool,
) {
    contact.presence = Presence::Online;
    (contact.why, contact.hint) = (None, None);
    contact.last_seen = Some(now);
    contact.failures = 0;
    if let Some(mut copies) = seen.holdings {
        // What arrived there while it was asked may not be in its answer yet.
        let meanwhile = contact.holdings.take().filter(|held| held.at > began);
        for copy in meanwhile.into_iter().flat_map(|held| held.copies) {
            if !copies.iter().any(|known| known.id == copy.id) {
                copies.push(copy);
            }
        }
        contact.holdings = Some(Holdings { at: now, copies });
    }
    if let Some(offered) = seen.offered {
        contact.offered = offered;
    }
    if let Some(told) = seen.told {
        contact.told = Some(told);
    } else if let Some(version) = seen.version {
        let told = contact.told.get_or_insert_with(|| Told {
            at: now,
            version: String::new(),
            member_json: "{}".to_owned(),
            expected: Vec::new(),
        });
        told.version = version;
    }
    if seen.sender_can_delete.is_some() {
        contact.sender_can_delete = seen.sender_can_delete;
    }
    contact.check_at = pause::after_answer(now, is_awaited || contact.holdings.is_none());
}

fn refused(contact: &mut Contact, error: &PeerError, now: Timestamp) {
    contact.presence = if error.is_offline() { Presence::Offline } else { Presence::Error };
    contact.why = Some(error.why());
    contact.hint = error.hint();
    contact.failures = contact.failures.saturating_add(1);
    contact.check_at = pause::after_failure(now, contact.failures);
}

/// Whether work waits for what a peer says.
fn is_awaited(core: &Core, peer: &PlaceName) -> bool {
    core.view.load().observed.open_runs.iter().any(|run| match &run.work {
        Work::Send { to, .. } => to == peer,
        Work::Fetch { peer: from, .. } | Work::Prune { peer: from, .. } => from == peer,
        Work::Backup { .. }
        | Work::Expire { .. }
        | Work::EmptyTrash { .. }
        | Work::Verify { .. }
        | Work::Adopt { .. }
        | Work::Restore { .. }
        | Work::Drill { .. } => false,
    })
}

/// Notes that a peer used its token here: it is there. One that could not be reached before is
/// asked again at once.
pub(crate) fn came(core: &Arc<Core>, peer: &PlaceName) {
    {
        let mut came = core.contacts.came.lock();
        let moment = Instant::now();
        if came.get(peer).is_some_and(|last| moment.duration_since(*last) < NOTED) {
            return;
        }
        came.insert(peer.clone(), moment);
    }
    let (core, peer) = (Arc::clone(core), peer.clone());
    tokio::spawn(async move {
        let (shared, name) = (Arc::clone(&core), peer.clone());
        let noted = tokio::task::spawn_blocking(move || note(&shared, &name)).await;
        tell_if_forgotten(&peer, noted);
        let (reply, _) = tokio::sync::oneshot::channel();
        // A loop that is gone shows nothing more.
        let _ = core.requests.send(Request::Look(reply));
    });
}

fn note(core: &Core, name: &PlaceName) -> Result<(), StateError> {
    let (desired, now) = (core.desired(), core.now());
    let Some(peer) = desired.peers.get(name) else { return Ok(()) };
    change(core, name, |contact| {
        contact.last_seen = Some(now);
        if !probe::is_asked(peer) {
            contact.presence = Presence::Online;
            (contact.why, contact.hint) = (None, None);
            contact.check_at = pause::later(now, AWAY);
        } else if contact.failures > 0 {
            contact.check_at = now;
        }
    })
}
