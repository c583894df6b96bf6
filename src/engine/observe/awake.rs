//! Since when due times were not missed: since the machine was last off or asleep, or larder did not
//! run. A job with `catch_up = "next"` stops something while it runs, and must not do so in the
//! morning because the night was missed.

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use rustix::time::{ClockId, clock_gettime};

use crate::engine::core::Core;
use crate::engine::runs::record;
use crate::engine::{Autonomy, Event, Options, look};
use crate::model::job::CatchUp;
use crate::model::run::{Cause, Run, RunStatus, Work};
use crate::state::{State, StateError};

/// When larder was last awake, in the state.
pub(crate) const AWAKE_AT: &str = "awake-at";
/// How often that is stored.
const STORE_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// As long as a restart or an upgrade takes: nothing is missed by it.
const RESTART: SignedDuration = SignedDuration::from_mins(15);
/// How far apart calls of `larder apply` (by cron) may be that are awake between, too: else such a
/// job would never run under it.
const APPLY_GAP: SignedDuration = SignedDuration::from_hours(30);
/// By how much a clock may be set back without that meaning anything.
const SET_BACK: SignedDuration = SignedDuration::from_mins(5);
/// Why a run that waited is not begun any more.
const MISSED: &str = "missed while the machine was off or asleep, or larder did not run; it waits for its next time (`catch_up = \"next\"`)";

/// Watches for times that were slept through.
#[derive(Debug)]
pub(crate) struct Awake(Mutex<Known>);

#[derive(Debug)]
struct Known {
    since: Timestamp,
    /// The last look.
    seen: Timestamp,
    /// How long the machine was asleep since it was started, as of the last look.
    asleep: SignedDuration,
    stored: Option<Timestamp>,
    /// Whether what waited in the queue was not looked at since something was missed.
    is_back: bool,
}

impl Awake {
    /// What the state remembers of the time before this process.
    pub(crate) fn begin(
        options: &Options,
        state: &State,
        now: Timestamp,
    ) -> Result<Self, StateError> {
        let gap = match options.autonomy {
            Autonomy::Daemon => Some(RESTART),
            Autonomy::Apply => Some(APPLY_GAP),
            Autonomy::OnRequest => None,
        };
        let last = awake_at(options, state)?;
        let is_near = |at: &Timestamp| {
            *at <= now && gap.is_some_and(|longest| now.duration_since(*at) <= longest)
        };
        let last = last.filter(is_near);
        Ok(Self(Mutex::new(Known {
            since: last.unwrap_or(now),
            seen: now,
            asleep: asleep(),
            stored: None,
            is_back: last.is_none() && gap.is_some(),
        })))
    }

    /// Since when nothing was missed.
    pub(crate) fn since(&self) -> Timestamp {
        self.known().since
    }

    /// Notices that the machine was asleep, and withdraws what waited meanwhile and shall not run now.
    pub(crate) fn look(&self, core: &Core, now: Timestamp) -> Result<(), StateError> {
        let is_back = {
            let mut known = self.known();
            let slept = asleep() - known.asleep;
            known.asleep += slept;
            // What the clock named before it was set back was not missed, and is not to come again.
            let was_set_back = known.seen.duration_since(now) > SET_BACK;
            if was_set_back || known.since > now {
                known.since = now;
            }
            known.seen = now;
            if slept > RESTART && core.options.autonomy == Autonomy::Daemon {
                (known.since, known.is_back) = (now, true);
            }
            known.is_back
        };
        if is_back {
            withdraw(core, now)?;
            self.known().is_back = false;
        }
        Ok(())
    }

    /// Remembers that what was due by now is queued.
    pub(crate) fn note(&self, core: &Core, now: Timestamp) -> Result<(), StateError> {
        let stored = self.known().stored;
        let is_recent = |at: Timestamp| match core.options.autonomy {
            Autonomy::Daemon => now.duration_since(at).abs() < STORE_EVERY,
            // What it leaves undone, the next call finds as it was.
            Autonomy::Apply => true,
            Autonomy::OnRequest => false,
        };
        if core.options.autonomy == Autonomy::OnRequest || stored.is_some_and(is_recent) {
            return Ok(());
        }
        for key in keys(&core.options) {
            core.state.put_value(&key, &now.to_string())?;
        }
        self.known().stored = Some(now);
        Ok(())
    }

    /// As if nothing had been missed since then.
    #[cfg(test)]
    pub(crate) fn set_since(&self, since: Timestamp) {
        self.known().since = since;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change behind it is one: a panic elsewhere leaves it usable.
        self.0.lock()
    }
}

/// When larder was last awake for what this process is for. With `apply --job` that is for those jobs
/// alone: what else came due is nothing that it queued.
fn awake_at(options: &Options, state: &State) -> Result<Option<Timestamp>, StateError> {
    let read = |key: &str| -> Result<Option<Timestamp>, StateError> {
        Ok(state.value(key)?.and_then(|at| at.parse().ok()))
    };
    let mut last = None;
    for (index, key) in keys(options).iter().enumerate() {
        let at = read(key)?;
        last = if index == 0 { at } else { last.min(at) };
    }
    if options.only.is_empty() { Ok(last) } else { Ok(last.max(read(AWAKE_AT)?)) }
}

/// Where the state keeps that.
fn keys(options: &Options) -> Vec<String> {
    if options.only.is_empty() {
        return vec![AWAKE_AT.to_owned()];
    }
    options.only.iter().map(|job| format!("{AWAKE_AT} {job}")).collect()
}

/// Ends the queued runs that came of a schedule and wait for their next time.
fn withdraw(core: &Core, now: Timestamp) -> Result<(), StateError> {
    let desired = core.desired();
    let waits = |run: &Run| match &run.work {
        Work::Backup { job } => {
            let job = desired.jobs.get(job);
            run.status == RunStatus::Queued
                && matches!(run.cause, Cause::Due { .. })
                && job.is_some_and(|job| job.catch_up == CatchUp::Next)
        }
        _ => false,
    };
    let mut missed = core.state.open_runs()?;
    missed.retain(|run| waits(run) && look::is_wanted(core, &run.work));
    if missed.is_empty() {
        return Ok(());
    }
    for run in &mut missed {
        run.status = RunStatus::Cancelled;
        run.finished_at = Some(now);
        MISSED.clone_into(&mut run.summary);
    }
    core.state.commit(|txn| missed.iter().try_for_each(|run| record::write(txn, run, None)))?;
    for run in missed {
        core.log_line(run.id, MISSED);
        core.tell(Event::Run(Box::new(run)));
    }
    Ok(())
}

/// How long the machine was asleep since it was started: one clock counts that, the other does not.
fn asleep() -> SignedDuration {
    let read = |clock| {
        let time = clock_gettime(clock);
        SignedDuration::new(time.tv_sec, i32::try_from(time.tv_nsec).unwrap_or(0))
    };
    let awake = read(ClockId::Monotonic);
    read(ClockId::Boottime) - awake
}
