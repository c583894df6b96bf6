//! The loop itself: observe, decide, queue, start what is next, wait.
//!
//! **Invariant:** while nothing happened, a turn reads no record and makes no plan: an idle daemon
//! costs nothing, however much it keeps.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::watch::Change;
use crate::engine::core::{Core, Running};
use crate::engine::observe::{clock, uncovered, wildcards};
use crate::engine::peers::contacts;
use crate::engine::requests::{Reply, Request};
use crate::engine::runs::context::with_causes;
use crate::engine::runs::{executor, fetch, pending_after};
use crate::engine::{Autonomy, answer, configuration, look, recovery};
use crate::model::archive::CopyKey;
use crate::model::run::{Cause, Lane, Run, RunStatus, Work};
use crate::reconcile::turns;
use crate::stop::Stopped;

/// The longest time between two turns: locations come and go without telling.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The longest time between two turns while the state cannot be written or read.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What waits for the next turn.
#[derive(Default)]
struct Waiting {
    /// Whether the files are to be read again.
    reload: bool,
    /// Who waits for that, or for the next view alone.
    replies: Vec<Reply<()>>,
}

/// What is known between two turns.
struct Turns {
    clock: clock::Clock,
    /// Whether anything happened since the last view.
    changed: bool,
    wake_at: Option<Timestamp>,
    looked_at: Instant,
    told: fetch::Told,
}

/// Runs until the engine is asked to stop and nothing is under way any more.
pub(crate) async fn run(
    core: Arc<Core>,
    mut requests: mpsc::UnboundedReceiver<Request>,
    mut changes: Option<mpsc::Receiver<Change>>,
) {
    let mut workers: JoinSet<()> = JoinSet::new();
    // Apart from the others: whether a peer answers is nothing that a daemon has to finish.
    let mut asking: JoinSet<()> = JoinSet::new();
    let mut waiting = Waiting::default();
    let mut turns = Turns {
        clock: clock::Clock::start(),
        changed: true,
        wake_at: None,
        looked_at: Instant::now(),
        told: fetch::Told::default(),
    };
    pending_after::make_up(&core, &mut workers);
    loop {
        core.beat();
        contacts::begin_where_due(&core, &mut asking);
        let went_well = tokio::select! {
            went_well = turn(&core, &mut turns, &mut waiting, &mut workers) => went_well,
            // What the turn writes, it writes as if the machine had stopped in between.
            _ = core.stop.requested() => break,
        };
        let open = if went_well { core.state.open_runs().ok() } else { None };
        start_runs(&core, &mut workers, open.as_deref().unwrap_or_default());
        let is_idle =
            workers.is_empty() && (asking.is_empty() || core.options.autonomy != Autonomy::Apply);
        tell_whether_settled(&core, is_idle, open.as_deref());
        let pause = if open.is_none() || !core.unrecorded().is_empty() {
            TRY_AGAIN
        } else {
            until(turns.wake_at, core.now())
        };
        tokio::select! {
            // `recv` is cancel safe: a request that was not taken stays in the channel.
            Some(request) = requests.recv() => {
                turns.changed = true;
                // Before it is answered: whoever asked and then waits must not be told what was
                // so before.
                core.settled.send_replace(false);
                tokio::select! {
                    () = handle_all(&core, request, &mut requests, &mut waiting) => {}
                    // Whose request was not answered learns that the daemon is stopping.
                    _ = core.stop.requested() => break,
                }
            }
            // `join_next` is cancel safe: a worker that ended stays in the set.
            Some(_) = workers.join_next(), if !workers.is_empty() => turns.changed = true,
            // The same.
            Some(_) = asking.join_next(), if !asking.is_empty() => turns.changed = true,
            // `recv` is cancel safe, and one change more or less is one reload.
            Some(_) = next_change(changes.as_mut()), if changes.is_some() => {
                turns.changed = true;
                waiting.reload = true;
            }
            // A timer that is dropped is set again from the next plan.
            () = tokio::time::sleep(pause) => {}
            // Waits for a flag that stays set.
            _ = core.stop.requested() => break,
        }
    }
    // Askers learn at once that nobody answers any more.
    drop(requests);
    wildcards::give_up(&core);
    while workers.join_next().await.is_some() {}
    while asking.join_next().await.is_some() {}
}

async fn next_change(changes: Option<&mut mpsc::Receiver<Change>>) -> Option<Change> {
    match changes {
        Some(changes) => changes.recv().await,
        None => std::future::pending().await,
    }
}

fn until(wake_at: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = wake_at
        .map(|at| at.duration_since(now))
        .and_then(|wait| Duration::try_from(wait).ok().or(Some(Duration::ZERO)));
    // Not zero: a plan that is due and cannot be queued must not spin.
    wait.unwrap_or(LOOK_AGAIN).clamp(Duration::from_millis(20), LOOK_AGAIN)
}

async fn handle_all(
    core: &Arc<Core>,
    first: Request,
    requests: &mut mpsc::UnboundedReceiver<Request>,
    waiting: &mut Waiting,
) {
    handle(core, first, waiting).await;
    while let Ok(request) = requests.try_recv() {
        handle(core, request, waiting).await;
    }
}

async fn handle(core: &Arc<Core>, request: Request, waiting: &mut Waiting) {
    if let Request::Reload(reply) = request {
        waiting.reload = true;
        waiting.replies.extend(reply);
        return;
    }
    if let Request::Look(reply) = request {
        waiting.replies.push(reply);
        return;
    }
    let core = Arc::clone(core);
    let answered = tokio::task::spawn_blocking(move || answer::answer(&core, request)).await;
    if answered.is_err() {
        tracing::error!("a request failed by an error in larder itself");
    }
}

/// One turn: the files if they are to be read again, then a look. Returns whether it went well.
async fn turn(
    core: &Arc<Core>,
    turns: &mut Turns,
    waiting: &mut Waiting,
    workers: &mut JoinSet<()>,
) -> bool {
    if std::mem::take(&mut waiting.reload) {
        reload_config(core).await;
    }
    // Before the look: what is being listed keeps its series waiting, and nothing else.
    wildcards::begin_where_due(core, workers);
    uncovered::begin_where_due(core);
    let shared = Arc::clone(core);
    let mut clock = turns.clock.clone();
    let (changed, wake_at, since) = (turns.changed, turns.wake_at, turns.looked_at.elapsed());
    let result = tokio::task::spawn_blocking(move || {
        let looked = look::look_if_needed(&shared, &mut clock, changed, wake_at, since);
        (looked, clock)
    })
    .await;
    let trouble = match result {
        Ok((Ok(looked), clock)) => {
            turns.clock = clock;
            if let look::Looked::Anew { wake_at } = looked {
                turns.wake_at = wake_at;
                turns.looked_at = Instant::now();
                turns.changed = false;
                if core.options.autonomy != Autonomy::OnRequest {
                    fetch::tell_again(core, &turns.told);
                }
            }
            None
        }
        Ok((Err(error), _)) => Some(with_causes(&error)),
        Err(error) => Some(format!("an error in larder itself: {error}")),
    };
    if let Some(trouble) = &trouble {
        tracing::error!(error = %trouble, "cannot look or plan; trying again");
        turns.changed = true;
        look::tell_trouble(core, trouble);
    }
    for reply in waiting.replies.drain(..) {
        // The asker may be gone.
        let _ = reply.send(Ok(()));
    }
    trouble.is_none()
}

async fn reload_config(core: &Arc<Core>) {
    let shared = Arc::clone(core);
    let result = tokio::task::spawn_blocking(move || configuration::reload(&shared)).await;
    match result {
        Ok(Ok(changed)) => {
            let report = Arc::clone(&core.wanted.load().report);
            if report.valid {
                tracing::info!(changed, "configuration read");
            } else {
                tracing::error!(
                    changed,
                    stale = report.stale.join("; "),
                    "the configuration has errors: what was last good stays in force (`larder check`)"
                );
            }
        }
        Ok(Err(error)) => {
            tracing::error!(error = %with_causes(&error), "the configuration cannot be read: what was last good stays in force");
        }
        Err(_) => tracing::error!("reading the configuration failed by an error in larder itself"),
    }
}

/// Starts the next run of every lane that is idle, and asks what only fills idle times to leave
/// a lane that something waits for.
pub(crate) fn start_runs(core: &Arc<Core>, workers: &mut JoinSet<()>, open: &[Run]) {
    // What cannot be recorded is not begun.
    if core.stop.reason().is_some()
        || core.finishing.load(Ordering::Acquire)
        || !core.unrecorded().is_empty()
    {
        return;
    }
    let (now, desired) = (core.now(), core.desired());
    for lane in [Lane::Local, Lane::Network] {
        let waiting = open
            .iter()
            .filter(|run| run.status == RunStatus::Queued && run.lane(&desired) == lane)
            .filter(|run| may_start(core, run));
        let under_way = core.running().get(&lane).cloned();
        if let Some(running) = under_way {
            give_way_to(core, &running, waiting, now);
            continue;
        }
        if lane == Lane::Local && core.making_up.load(Ordering::Acquire) {
            continue;
        }
        if let Some(run) = waiting.min_by_key(|run| turns::rank(run, reading(core, run), now)) {
            // Taken here and not in the worker, so that the next turn cannot start a second one,
            // and with the stop that the worker obeys, so that no cancellation is lost.
            let running = Running::new(core, run);
            core.running().insert(lane, running.clone());
            workers.spawn(executor::execute(Arc::clone(core), running));
        }
    }
}

/// Asks a run to leave its lane where one of those that wait comes first.
fn give_way_to<'a>(
    core: &Core,
    running: &Running,
    mut waiting: impl Iterator<Item = &'a Run>,
    now: Timestamp,
) {
    // Somebody who asked for it while it was under way waits for it.
    if running.give_way.reason().is_some() || core.requested().contains(&running.run.id) {
        return;
    }
    let read = reading(core, &running.run);
    if let Some(first) = waiting.find(|run| turns::gives_way(&running.run, read, run, now)) {
        core.log_line(
            running.run.id,
            &format!("gives way to run {} ({})", first.id, first.work.word()),
        );
        running.give_way.request(Stopped::Cancelled);
    }
}

/// What is known of the reading that a run is for.
fn reading(core: &Core, run: &Run) -> turns::Reading {
    let Work::Verify { archive, location } = &run.work else { return turns::Reading::default() };
    let key = CopyKey::new(*archive, location);
    turns::Reading {
        last: core.catalogue.get(&key).and_then(|archive| archive.verified_at),
        gave_way_at: core.half_read().get(&key).map(|gave_way| gave_way.at),
    }
}

fn may_start(core: &Core, run: &Run) -> bool {
    match core.options.autonomy {
        Autonomy::Daemon | Autonomy::Apply => {
            look::is_wanted(core, &run.work)
                && !waits_for_a_peer(core, run)
                // It was queued before anybody knew; what cannot be told now is told by the next look.
                && !recovery::holds_back(core, &run.work).unwrap_or(true)
        }
        Autonomy::OnRequest => core.requested().contains(&run.id),
    }
}

/// Whether a run is for a peer that does not answer now: it waits, and does not fail for each
/// archive anew. What somebody asked for is tried.
fn waits_for_a_peer(core: &Core, run: &Run) -> bool {
    let peer = match &run.work {
        Work::Send { to, .. } if core.desired().peers.contains_key(to) => to,
        Work::Fetch { peer, .. } | Work::Prune { peer, .. } => peer,
        Work::Backup { .. }
        | Work::Expire { .. }
        | Work::EmptyTrash { .. }
        | Work::Verify { .. }
        | Work::Send { .. }
        | Work::Adopt { .. }
        | Work::Restore { .. }
        | Work::Drill { .. } => return false,
    };
    run.cause == Cause::Reconcile && !contacts::is_online(core, peer)
}

/// Settled: nothing runs, nothing that may start is queued, and the plan wants nothing more now.
/// What is not known is not settled.
fn tell_whether_settled(core: &Core, idle: bool, open: Option<&[Run]>) {
    let nothing_queued = open.is_some_and(|open| !open.iter().any(|run| may_start(core, run)));
    let nothing_wanted = core.options.autonomy == Autonomy::OnRequest
        || !core.view.load().plan.actions.iter().any(|action| look::is_wanted(core, &action.work));
    let recorded = core.unrecorded().is_empty();
    let known = !wildcards::is_busy(core) && !contacts::is_busy(core);
    core.settled.send_replace(idle && nothing_queued && nothing_wanted && recorded && known);
}
