//! Carries out what others ask of the loop, one request after the other.

use std::sync::Arc;

use crate::engine::core::Core;
use crate::engine::observe::{inventory, wildcards};
use crate::engine::requests::Request;
use crate::engine::runs::context::with_causes;
use crate::engine::runs::{expire, push, record, restore};
use crate::engine::{Autonomy, Event, RequestError, damage, recovery};
use crate::location::LocationError;
use crate::model::archive::{Archive, Condition, CopyKey, Series};
use crate::model::desired::Desired;
use crate::model::job::Via;
use crate::model::location::Location;
use crate::model::name::PlaceName;
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};
use crate::reconcile::expiry;
use crate::reconcile::guards::freeze_hash;
use crate::stop::Stopped;

mod archives;

use archives::Order;

/// Answers one request. The asker may be gone; then nobody hears the answer.
pub(crate) fn answer(core: &Arc<Core>, request: Request) {
    match request {
        Request::Queue(work, reply) => {
            let _ = reply.send(queue(core, work));
        }
        Request::List(job, reply) => wildcards::ask(core, &job, reply),
        Request::Listed(listed) => wildcards::take_in(core, *listed),
        Request::Undelete(key, reply) => {
            let _ = reply.send(archives::at_location(core, key, Order::Undelete));
        }
        Request::SetPinned(key, pinned, reply) => {
            let order = if pinned { Order::Pin } else { Order::Unpin };
            let _ = reply.send(archives::at_location(core, key, order));
        }
        Request::LookForForeign(location, reply) => {
            let _ = reply.send(Ok(look_for_foreign(core, location.as_deref())));
        }
        Request::Approve(hash, reply) => {
            let _ = reply.send(approve(core, &hash));
        }
        Request::EndRecovery(reply) => {
            let _ = reply.send(recovery::end(core).map_err(|error| failed(&error)));
        }
        Request::Cancel(run, reply) => {
            let _ = reply.send(cancel(core, run));
        }
        // The loop takes these itself.
        Request::Reload(_) | Request::Look(_) => {}
    }
}

fn failed(error: &dyn std::error::Error) -> RequestError {
    RequestError::Failed(with_causes(error))
}

fn out_of_reach(error: &LocationError) -> RequestError {
    match error {
        LocationError::Unavailable { .. } => RequestError::Unavailable(with_causes(error)),
        error => failed(error),
    }
}

/// Looks at a location, or at all of them, for files that larder did not make. Returns whether
/// there are others than before.
fn look_for_foreign(core: &Arc<Core>, location: Option<&str>) -> bool {
    let mut is_new = false;
    for name in core.stores().into_keys() {
        if location.is_some_and(|location| name.as_str() != location) {
            continue;
        }
        match inventory::look_for_foreign(core, &name) {
            Ok(found) => is_new |= found,
            // The view says what is wrong with it.
            Err(error) => {
                tracing::debug!(location = %name, error = %with_causes(&error), "cannot look for foreign files");
            }
        }
    }
    is_new
}

fn refused(why: String, hint: &str) -> RequestError {
    RequestError::Refused { why, hint: Some(hint.to_owned()) }
}

fn queue(core: &Arc<Core>, work: Work) -> Result<RunId, RequestError> {
    may_queue(core, &work)?;
    // What is asked for is not begun before, and a run that is over and not recorded is no answer.
    record::catch_up(core).map_err(|error| failed(&error))?;
    let open = core.state.open_runs().map_err(|error| failed(&error))?;
    if let Some(same) = open.iter().find(|run| is_same(&run.work, &work)) {
        // Without a daemon, what an earlier process left in the queue is this command's to do.
        if core.options.autonomy == Autonomy::OnRequest && same.status == RunStatus::Queued {
            core.requested().insert(same.id);
            return Ok(same.id);
        }
        // Somebody waits for it from now on.
        core.requested().insert(same.id);
        return Err(RequestError::Busy(same.id));
    }
    let run = core
        .state
        .enqueue(work, Cause::Manual, core.now(), Some(core.desired().hash.clone()))
        .map_err(|error| failed(&error))?;
    core.log_line(run.id, "queued: somebody asked");
    core.requested().insert(run.id);
    let id = run.id;
    core.tell(Event::Run(Box::new(run)));
    Ok(id)
}

fn is_same(queued: &Work, asked: &Work) -> bool {
    match (queued, asked) {
        (Work::Backup { job: a }, Work::Backup { job: b })
        | (Work::Drill { job: a, .. }, Work::Drill { job: b, .. }) => a == b,
        // However it travels.
        (Work::Send { archive: a, to: to_a, .. }, Work::Send { archive: b, to: to_b, .. }) => {
            (a, to_a) == (b, to_b)
        }
        (queued, asked) => queued == asked,
    }
}

fn may_queue(core: &Arc<Core>, work: &Work) -> Result<(), RequestError> {
    if recovery::holds_back(core, work).map_err(|error| failed(&error))? {
        return Err(refused(
            "this machine is new and has an old name: its archives come first".to_owned(),
            "`larder recover` takes back what is there; `larder recover --done` says that there is nothing to take back",
        ));
    }
    let desired = core.desired();
    match work {
        Work::Backup { job } => {
            let Some(found) = desired.jobs.get(job) else {
                return Err(RequestError::NotFound(format!("there is no job `{job}`")));
            };
            if found.ended.is_some() {
                return Err(refused(
                    format!("job `{job}` was ended with `state = \"absent\"`"),
                    "remove that line to run it again",
                ));
            }
            if found.is_template() {
                return Err(refused(
                    format!("`{job}` makes no archive of its own"),
                    "run one of its series, or all of them: `larder jobs` lists them",
                ));
            }
            Ok(())
        }
        Work::Expire { series, archives } => archives.iter().try_for_each(|id| {
            let key = CopyKey::new(*id, &series.location);
            may_delete(core, &present(core, &key)?)
        }),
        // What it set aside is there, whatever became of the archive.
        Work::Restore { request, .. } if request.undo.is_some() => Ok(()),
        Work::Restore { archive, location, .. } => {
            let key = CopyKey::new(*archive, location);
            restore::may_restore(core, &present(core, &key)?).map_err(|failure| {
                RequestError::Refused { why: failure.summary, hint: failure.hint }
            })
        }
        Work::Verify { archive, location } | Work::Drill { archive, location, .. } => {
            present(core, &CopyKey::new(*archive, location)).map(drop)
        }
        Work::Send { archive, from, to, via } => {
            present(core, &CopyKey::new(*archive, from))?;
            if let Some(peer) = desired.peers.get(to) {
                return push::may_send(peer, *via).map_err(|(why, hint)| refused(why, hint));
            }
            let Some(place) = desired.locations.get(to) else {
                return Err(RequestError::NotFound(format!("there is no location or peer `{to}`")));
            };
            if *via != Via::Auto {
                return Err(refused(
                    format!("`{to}` is a location of this host, where nothing travels"),
                    "`via` is for peers",
                ));
            }
            not_a_peers(place)?;
            if core.catalogue.get(&CopyKey::new(*archive, to)).is_some_and(|copy| {
                matches!(copy.condition, Condition::Present | Condition::Unavailable)
            }) {
                return Err(RequestError::Refused {
                    why: format!("`{to}` holds this archive already"),
                    hint: None,
                });
            }
            Ok(())
        }
        Work::Adopt { location, file_name, job } => {
            if !desired.jobs.contains_key(job) {
                return Err(RequestError::NotFound(format!("there is no job `{job}`")));
            }
            desired.locations.get(location).map_or(Ok(()), not_a_peers)?;
            let is_known = || {
                let known = core.catalogue.foreign_at(location);
                known.iter().any(|file| file.file_name == *file_name)
            };
            // It may have been put there since the last look.
            if is_known()
                || (inventory::look_for_foreign(core, location)
                    .map_err(|error| out_of_reach(&error))?
                    && is_known())
            {
                return Ok(());
            }
            Err(RequestError::NotFound(format!(
                "there is no foreign file `{file_name}` at `{location}`"
            )))
        }
        Work::EmptyTrash { .. } => Ok(()),
        Work::Fetch { peer, to, .. } => {
            a_peer(&desired, peer)?;
            let place =
                desired.locations.get(to).filter(|_| desired.name_space(peer).as_ref() != Some(to));
            place.map_or(Ok(()), not_a_peers)
        }
        Work::Prune { peer, .. } => a_peer(&desired, peer),
    }
}

fn a_peer(desired: &Desired, name: &PlaceName) -> Result<(), RequestError> {
    if desired.peers.contains_key(name) {
        return Ok(());
    }
    Err(RequestError::NotFound(format!("there is no peer `{name}`")))
}

fn present(core: &Core, key: &CopyKey) -> Result<Archive, RequestError> {
    core.catalogue.get(key).ok_or_else(|| {
        RequestError::NotFound(format!("there is no archive {} at `{}`", key.id, key.location))
    })
}

/// What a peer sent, and nothing else, rests in its name space.
fn not_a_peers(place: &Location) -> Result<(), RequestError> {
    match &place.owner {
        None => Ok(()),
        Some(peer) => Err(refused(
            format!("`{}` is for what peer `{peer}` sends, and for nothing else", place.name),
            "name another location",
        )),
    }
}

/// Whether a copy may be deleted by hand.
pub(crate) fn may_delete_copy(core: &Core, key: &CopyKey) -> Result<(), RequestError> {
    may_delete(core, &present(core, key)?)
}

/// What protects an archive from a deletion by hand.
fn may_delete(core: &Core, archive: &Archive) -> Result<(), RequestError> {
    let (desired, now) = (core.desired(), core.now());
    let observed = expire::around(core, &desired, archive, now).map_err(|error| failed(&error))?;
    let zoned = now.to_zoned(desired.instance.timezone.clone());
    expiry::may_delete(&desired, &observed, archive, &zoned)
        .map_err(|refusal| RequestError::Refused { why: refusal.why, hint: refusal.hint })
}

fn approve(core: &Core, hash: &str) -> Result<Vec<Series>, RequestError> {
    let freezes = core.state.freezes().map_err(|error| failed(&error))?;
    if let Some(freeze) = freezes.iter().find(|freeze| freeze_hash(freeze).as_deref() == Some(hash))
    {
        core.state.drop_freeze(freeze).map_err(|error| failed(&error))?;
        return Ok(Vec::new());
    }
    if damage::seen(core, hash).map_err(|error| failed(&error))? {
        return Ok(Vec::new());
    }
    let view = core.view.load();
    let approved: Vec<_> = view
        .plan
        .blocked
        .iter()
        .filter(|blocked| {
            blocked.hash == hash || view.plan.deletions_hash().as_deref() == Some(hash)
        })
        .collect();
    if approved.is_empty() {
        return Err(RequestError::NotFound(format!(
            "no deletions with the hash `{hash}` wait for approval; `larder plan` shows those that do"
        )));
    }
    for blocked in &approved {
        core.state.approve(&blocked.hash, core.now()).map_err(|error| failed(&error))?;
    }
    Ok(approved.into_iter().map(|blocked| blocked.series.clone()).collect())
}

fn cancel(core: &Core, id: RunId) -> Result<(), RequestError> {
    let running =
        core.running().values().find(|running| running.run.id == id).map(|r| r.stop.clone());
    let run = core
        .state
        .run(id)
        .map_err(|error| failed(&error))?
        .ok_or_else(|| RequestError::NotFound(format!("there is no run {id}")))?;
    if run.status.is_final() {
        return Err(RequestError::Refused {
            why: format!("run {id} is over: {}", run.status.word()),
            hint: None,
        });
    }
    if let Some(stop) = running {
        stop.request(Stopped::Cancelled);
        return Ok(());
    }
    let over = Run {
        status: RunStatus::Cancelled,
        finished_at: Some(core.now()),
        summary: "cancelled before it began".to_owned(),
        ..run
    };
    core.state.commit(|txn| record::write(txn, &over, None)).map_err(|error| failed(&error))?;
    core.log_line(over.id, "cancelled before it began");
    core.tell(Event::Run(Box::new(over)));
    Ok(())
}
