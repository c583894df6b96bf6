//! One look: gather the facts, plan, queue what the plan wants, show it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::core::Core;
use crate::engine::observe::{clock, inventory, space, uncovered};
use crate::engine::peers::receive;
use crate::engine::runs::record;
use crate::engine::{Autonomy, Event, View, damage, notices, observe, start};
use crate::model::archive::{CopyKey, Series};
use crate::model::desired::Desired;
use crate::model::observed::{LocationState, Observed, SeriesFacts};
use crate::model::run::{Cause, Run, Work};
use crate::model::space::SpaceHistory;
use crate::reconcile::{self, Action, Note, Plan, Weight};
use crate::state::StateError;
use crate::status;

/// How old a view gets although nothing happens.
const LOOK_ANEW: Duration = Duration::from_mins(10);

/// What came of a look.
pub(crate) enum Looked {
    /// Nothing was new: the last view stands.
    Nothing,
    /// There is a new view, and another will be needed then.
    Anew { wake_at: Option<Timestamp> },
}

/// Does what each turn of the loop has to, and looks if there is a reason to: something happened, a
/// time has come, a location came or went.
///
/// Each turn records ends of runs that could not be recorded before, compares the clocks and lets
/// uploads expire that nobody goes on with; while nothing runs, it also drops old history and takes
/// stock of locations, where either is due.
pub(crate) fn look_if_needed(
    core: &Arc<Core>,
    clock: &mut clock::Clock,
    changed: bool,
    wake_at: Option<Timestamp>,
    since: Duration,
) -> Result<Looked, StateError> {
    let now = core.now();
    record::catch_up(core)?;
    damage::note_in_use(core, now)?;
    let frozen = clock.check(&core.state, now)?;
    core.awake.look(core, now)?;
    receive::expire(core, now);
    let taken = if core.running().is_empty() {
        start::prune_where_due(core)?;
        inventory::take_where_due(core)?
    } else {
        false
    };
    let is_due = wake_at.is_some_and(|at| at <= now) || since >= LOOK_ANEW;
    if changed || frozen || taken || is_due || locations_moved(core) {
        return look(core, now).map(|wake_at| Looked::Anew { wake_at });
    }
    core.awake.note(core, now)?;
    let view = core.view.load_full();
    let at = now.to_zoned(view.desired.instance.timezone.clone());
    core.view.store(Arc::new(View { at, ..View::clone(&view) }));
    Ok(Looked::Nothing)
}

/// Whether a location came, went, or has noticeably more or less room than the last view says.
fn locations_moved(core: &Core) -> bool {
    let view = core.view.load();
    let states = core.location_states();
    states.len() != view.observed.locations.len()
        || states.iter().any(|(name, state)| match (state, view.observed.locations.get(name)) {
            (
                LocationState::Available { free, total },
                Some(LocationState::Available { free: before, .. }),
            ) => free.abs_diff(*before) > total / 100,
            (state, before) => before != Some(state),
        })
}

/// Observes, plans, queues and shows. Returns when to look again.
pub(crate) fn look(core: &Arc<Core>, now: Timestamp) -> Result<Option<Timestamp>, StateError> {
    let desired = core.desired();
    let zoned = now.to_zoned(desired.instance.timezone.clone());
    let ended = core.unseen.lock().clone();
    let mut observed = observe::observe(core, &desired, now)?;
    let mut plan = reconcile::plan(&desired, &observed, &zoned);
    let recorded = record_passes(core, &desired, &plan, &observed)?;
    let queued = core.options.autonomy != Autonomy::OnRequest && queue(core, &plan, now)?;
    if recorded || queued {
        observe::observe_again(core, &desired, now, &mut observed)?;
        plan = reconcile::plan(&desired, &observed, &zoned);
    }
    core.awake.note(core, now)?;
    let planned = plan.wake_at;
    let space = space::note(core, &observed, &zoned);
    let wake_at = publish_view(core, &zoned, desired, observed, plan, space);
    core.unseen.lock().retain(|run| !ended.contains(run));
    Ok([planned, wake_at].into_iter().flatten().min())
}

/// Queues the plan's actions, all of them with what they mean for their jobs, or none. Returns
/// whether anything was queued.
fn queue(core: &Core, plan: &Plan, now: Timestamp) -> Result<bool, StateError> {
    let wanted: Vec<&Action> =
        plan.actions.iter().filter(|action| is_wanted(core, &action.work)).collect();
    if wanted.is_empty() {
        return Ok(false);
    }
    let hash = core.desired().hash.clone();
    let runs: Vec<Run> = core.state.commit(|txn| {
        let mut runs = Vec::with_capacity(wanted.len());
        for action in &wanted {
            let (work, cause) = (action.work.clone(), action.cause.clone());
            runs.push(txn.enqueue(work, cause, now, Some(hash.clone()))?);
            if let (Work::Drill { job, .. }, Cause::Due { due, .. }) = (&action.work, &action.cause)
            {
                let mut facts = txn.drill_facts(job)?;
                facts.last_due = Some(*due);
                txn.put_drill_facts(job, &facts)?;
            }
            let Work::Backup { job } = &action.work else { continue };
            let Some(mut facts) = txn.job_facts(job)? else { continue };
            if let Cause::Due { due, .. } = action.cause {
                facts.last_due = Some(due);
            }
            facts.last_attempt = None;
            txn.put_job_facts(job, &facts)?;
        }
        Ok(runs)
    })?;
    for (run, action) in runs.into_iter().zip(&wanted) {
        for reason in &action.reasons {
            core.log_line(run.id, &format!("queued: {reason}"));
        }
        core.tell(Event::Run(Box::new(run)));
    }
    Ok(true)
}

/// Whether this process is for this work: with `apply --job`, only for what those jobs need.
pub(crate) fn is_wanted(core: &Core, work: &Work) -> bool {
    let only = &core.options.only;
    if only.is_empty() {
        return true;
    }
    let job = match work {
        Work::Backup { job } | Work::Adopt { job, .. } | Work::Drill { job, .. } => {
            Some(job.clone())
        }
        Work::Expire { series, .. } => Some(series.job.clone()),
        Work::Verify { archive, location }
        | Work::Restore { archive, location, .. }
        | Work::Send { archive, from: location, .. } => {
            let key = CopyKey::new(*archive, location);
            core.catalogue.get(&key).map(|archive| archive.job)
        }
        Work::EmptyTrash { .. } | Work::Fetch { .. } | Work::Prune { .. } => None,
    };
    job.is_some_and(|job| only.iter().any(|one| *one == job || one.as_str() == job.declared()))
}

/// Remembers the passes of retention that are over, so that nothing expires in a series until its
/// newest good archive or its policy changes. Returns whether anything was new.
fn record_passes(
    core: &Core,
    desired: &Desired,
    plan: &Plan,
    observed: &Observed,
) -> Result<bool, StateError> {
    let since = core.now();
    let adopting = |pass: &reconcile::expiry::SeriesPass| {
        let mut open = observed.open_runs.iter();
        open.any(|run| matches!(&run.work, Work::Adopt { job, .. } if *job == pass.series.job))
    };
    let nothing = SeriesFacts::default();
    let changed: Vec<_> = plan
        .passes
        .iter()
        .filter(|pass| {
            let known = observed.series.get(&pass.series).unwrap_or(&nothing);
            let waits_for = |id| known.waiting_for_copies.contains_key(id);
            pass.record.is_some()
                || pass.waiting.len() != known.waiting_for_copies.len()
                || !pass.waiting.iter().all(waits_for)
        })
        .collect();
    if changed.is_empty() {
        return Ok(false);
    }
    core.state.commit(|txn| {
        for pass in &changed {
            // What a run remembered meanwhile stays.
            let mut facts = txn.series_facts(&pass.series)?.unwrap_or_default();
            if let Some(record) = pass.record {
                facts.judged = Some(record);
                facts.adopted &= adopting(pass);
            }
            facts.waiting_for_copies.retain(|id, _| pass.waiting.contains(id));
            for id in &pass.waiting {
                facts.waiting_for_copies.entry(*id).or_insert(since);
            }
            txn.put_series_facts(&pass.series, &facts)?;
            let adopted = observed.series.iter().filter(|(_, facts)| facts.adopted);
            for (earlier, _) in adopted.filter(|(other, _)| was(desired, other, &pass.series)) {
                if pass.record.is_some() && !adopting(pass) {
                    let mut facts = txn.series_facts(earlier)?.unwrap_or_default();
                    facts.adopted = false;
                    txn.put_series_facts(earlier, &facts)?;
                }
            }
        }
        Ok(true)
    })
}

/// Whether a series is another one under an earlier name of its job or of this instance.
fn was(desired: &Desired, earlier: &Series, today: &Series) -> bool {
    let is_renamed =
        || desired.jobs.get(&today.job).is_some_and(|job| job.formerly.contains(&earlier.job));
    earlier != today
        && earlier.location == today.location
        && (earlier.origin == today.origin || desired.instance.formerly.contains(&earlier.origin))
        && (earlier.job == today.job || is_renamed())
}

/// Tells people what is due, and shows everything. Returns when to look again to tell more.
fn publish_view(
    core: &Core,
    now: &jiff::Zoned,
    desired: Arc<Desired>,
    observed: Observed,
    plan: Plan,
    space: Arc<SpaceHistory>,
) -> Option<Timestamp> {
    let verdicts = status::judge_with(&desired, &observed, &plan);
    let found =
        notices::Found { desired: &desired, observed: &observed, plan: &plan, verdicts: &verdicts };
    let wake_at = notices::decide(core, &found);
    let targets = notices::targets(core, &desired);
    core.view.store(Arc::new(View {
        at: now.clone(),
        started_at: core.started_at,
        desired,
        config: Arc::clone(&core.wanted.load().report),
        observed: Arc::new(observed),
        plan: Arc::new(plan),
        verdicts: Arc::new(verdicts),
        space,
        foreseen: crate::engine::Foreseen::default(),
        uncovered: uncovered::line(core),
        stalled: None,
        listening: Arc::clone(&core.listening),
        beat: core.beat.clone(),
        notices: Arc::new(targets),
    }));
    core.tell(Event::View);
    wake_at
}

/// Shows that looking failed: the last view, with what is wrong at the top of its notes.
pub(crate) fn tell_trouble(core: &Core, trouble: &str) {
    let view = core.view.load_full();
    let text = format!("nothing is planned or begun now, tried again in a moment: {trouble}");
    let mut plan = Plan::clone(&view.plan);
    plan.actions.clear();
    plan.notes.retain(|note| !note.text.starts_with("nothing is planned or begun now"));
    plan.notes.insert(0, Note { weight: Weight::Problem, job: None, text });
    core.view.store(Arc::new(View {
        at: core.now().to_zoned(view.desired.instance.timezone.clone()),
        config: Arc::clone(&core.wanted.load().report),
        plan: Arc::new(plan),
        stalled: Some(trouble.to_owned()),
        ..View::clone(&view)
    }));
    core.tell(Event::View);
}
