//! What the loop, the requests and the runs share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::{broadcast, mpsc, watch};

use crate::archive::HalfRead;
use crate::engine::catalogue::Catalogue;
use crate::engine::configuration::Wanted;
use crate::engine::handle::Turns;
use crate::engine::locations::doors::Doors;
use crate::engine::notices::Notices;
use crate::engine::observe::awake::Awake;
use crate::engine::observe::devices::Devices;
use crate::engine::observe::inventory::Stock;
use crate::engine::observe::uncovered::Uncovered;
use crate::engine::observe::wildcards::{Lister, Listings};
use crate::engine::peers::contacts::Contacts;
use crate::engine::peers::receive::Uploads;
use crate::engine::requests::Request;
use crate::engine::{Beat, Event, Listening, Options, Tally, View};
use crate::location::folder::Folder;
use crate::model::archive::{Archive, CopyKey, Series};
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::name::{JobName, PlaceName};
use crate::model::run::{Lane, Run, RunId, Work};
use crate::model::space::SpaceHistory;
use crate::progress::Progress;
use crate::reconcile::expiry::BRAKE_WINDOW;
use crate::state::{State, StateError};
use crate::stop::Stop;
use crate::yunohost;

/// Where the state keeps whose commands `after` have not run yet.
const AFTER_PENDING: &str = "after-pending";

/// How long a run that was asked to stop may take to do so.
const PATIENCE: Duration = Duration::from_mins(1);

/// A run that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) run: Run,
    /// The lane that it was begun in: what is configured since then does not move it.
    pub(crate) lane: Lane,
    pub(crate) stop: Stop,
    /// Asked when something waits that comes first. A verification that nobody waits for obeys it,
    /// and is queued again.
    pub(crate) give_way: Stop,
    pub(crate) progress: Progress,
    /// How long it may take to stop once it was asked to: the commands `after` run in it.
    pub(crate) patience: Duration,
}

impl Running {
    /// With a stop of its own, which the engine's includes.
    pub(crate) fn new(core: &Core, run: &Run) -> Self {
        let stop = core.stop.child();
        let lane = run.lane(&core.desired());
        let (give_way, progress) = (stop.child(), Progress::new());
        Self { run: run.clone(), lane, give_way, stop, progress, patience: PATIENCE }
    }
}

/// A reading that left its lane to others.
#[derive(Debug)]
pub(crate) struct GaveWay {
    pub(crate) half: HalfRead,
    pub(crate) at: Timestamp,
}

/// What the loop, the requests and the runs share.
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) started_at: Timestamp,
    /// Since when nothing was missed.
    pub(crate) awake: Awake,
    pub(crate) state: State,
    pub(crate) catalogue: Catalogue,
    pub(crate) wanted: ArcSwap<Wanted>,
    /// What jobs with `*` stand for.
    pub(crate) listings: Mutex<Listings>,
    pub(crate) lister: Lister,
    /// What of this host no job covers.
    pub(crate) uncovered: Mutex<Uncovered>,
    /// Who was told what.
    pub(crate) notices: Notices,
    pub(crate) stores: RwLock<BTreeMap<PlaceName, Arc<Folder>>>,
    pub(crate) view: ArcSwap<View>,
    pub(crate) listening: Arc<ArcSwap<Listening>>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) requests: mpsc::UnboundedSender<Request>,
    pub(crate) running: Mutex<BTreeMap<Lane, Running>>,
    /// Runs that this process was asked for; the only ones that it executes in `OnRequest`.
    pub(crate) requested: Mutex<BTreeSet<RunId>>,
    pub(crate) stop: Stop,
    pub(crate) settled: watch::Sender<bool>,
    pub(crate) yunohost: OnceLock<Option<String>>,
    /// When each location was last looked at as a whole.
    pub(crate) stock_taken: Mutex<BTreeMap<PlaceName, Stock>>,
    /// How much room there was at locations, once it was read from the state.
    pub(crate) space: Mutex<Option<Arc<SpaceHistory>>>,
    /// When old history was last dropped.
    pub(crate) pruned_at: Mutex<Option<Timestamp>>,
    /// Runs whose record could not be written yet; nothing is begun while there are any.
    pub(crate) unrecorded: Mutex<Vec<Run>>,
    /// Runs that are over, and whose effect no view shows yet.
    pub(crate) unseen: Mutex<BTreeSet<RunId>>,
    /// What peers send.
    pub(crate) uploads: Uploads,
    /// Whose turn it is to have an archive listed.
    pub(crate) turns: Turns,
    /// What is known of peers.
    pub(crate) contacts: Contacts,
    /// How far archives were read back whose verification left its lane to others.
    pub(crate) half_read: Mutex<BTreeMap<CopyKey, GaveWay>>,
    /// Runs that are recorded as over and whose thread still works.
    pub(crate) given_up: Mutex<BTreeMap<RunId, Work>>,
    /// Whose commands `after` have not run yet; written through to the state.
    pub(crate) after_pending: Mutex<BTreeMap<RunId, JobName>>,
    /// Those of them that somebody in this process runs now, or has begun to.
    pub(crate) after_taken: Mutex<BTreeSet<RunId>>,
    /// Whether commands `after` of interrupted runs are being made up for.
    pub(crate) making_up: AtomicBool,
    /// Set when nothing is to begin any more: see [`crate::engine::drain`].
    pub(crate) finishing: AtomicBool,
    /// Held while files of an archive change their place: an archive is pinned, deleted or taken
    /// back, never two of these at once at one location.
    pub(crate) moving: Doors,
    /// Which file system sources and locations lie on.
    pub(crate) devices: Devices,
    /// Held while an invitation is made, accepted or forgotten.
    pub(crate) pairing: Mutex<()>,
    /// What the last plan of a restore saw.
    pub(crate) seen: Mutex<Option<crate::engine::runs::restore::Seen>>,
    /// What became of the runs of this process.
    pub(crate) tally: Mutex<Tally>,
    /// When the loop last moved.
    pub(crate) beat: Beat,
}

/// Whose commands `after` have not run yet, as the state remembers it.
pub(crate) fn stored_after_pending(state: &State) -> Result<BTreeMap<RunId, JobName>, StateError> {
    let stored = state.value(AFTER_PENDING)?.unwrap_or_default();
    let of_line = |line: &str| {
        let (run, job) = line.split_once(' ')?;
        Some((RunId(run.parse().ok()?), job.parse().ok()?))
    };
    Ok(stored.lines().filter_map(of_line).collect())
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Core {
    /// The wall clock. The only other clocks are tokio's timers and [`crate::engine::observe::clock`]'s.
    #[expect(clippy::unused_self, reason = "one place to ask for the time")]
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The configuration in force, the series of jobs with `*` in their place.
    pub(crate) fn desired(&self) -> Arc<Desired> {
        Arc::clone(&self.wanted.load().desired)
    }

    /// How many configurations were applied here.
    pub(crate) fn generation(&self) -> u64 {
        self.wanted.load().report.generation
    }

    /// The git commit of the configuration in force.
    pub(crate) fn config_commit(&self) -> Option<String> {
        self.wanted.load().report.commit.clone()
    }

    /// The runs under way.
    pub(crate) fn running(&self) -> MutexGuard<'_, BTreeMap<Lane, Running>> {
        self.running.lock()
    }

    /// The runs that this process was asked for.
    pub(crate) fn requested(&self) -> MutexGuard<'_, BTreeSet<RunId>> {
        self.requested.lock()
    }

    /// Runs whose record could not be written yet.
    pub(crate) fn unrecorded(&self) -> MutexGuard<'_, Vec<Run>> {
        self.unrecorded.lock()
    }

    /// How far archives were read back whose verification left its lane to others.
    pub(crate) fn half_read(&self) -> MutexGuard<'_, BTreeMap<CopyKey, GaveWay>> {
        self.half_read.lock()
    }

    /// Runs that are recorded as over and whose thread still works.
    pub(crate) fn given_up(&self) -> MutexGuard<'_, BTreeMap<RunId, Work>> {
        self.given_up.lock()
    }

    /// What the last plan of a restore saw.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Option<crate::engine::runs::restore::Seen>> {
        self.seen.lock()
    }

    /// The loop moves.
    pub(crate) fn beat(&self) {
        self.beat.now();
    }

    /// Writes a line into a run's log. A log that cannot be written must not fail the run.
    pub(crate) fn log_line(&self, run: RunId, line: &str) {
        let zone = self.desired().instance.timezone.clone();
        let now = self.now().to_zoned(zone);
        let stamped = format!("{} {line}\n", now.strftime("%Y-%m-%dT%H:%M:%S%:z"));
        if let Err(error) = self.state.append_log(run, &stamped) {
            tracing::debug!(run = run.0, %error, "cannot write the log of a run");
        }
    }

    /// What became of the runs of this process.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().clone()
    }

    /// Tells those who follow. Nobody may be listening.
    pub(crate) fn tell(&self, event: Event) {
        if let Event::Run(run) = &event {
            self.tally.lock().note(run);
        }
        let _ = self.events.send(event);
    }

    /// The archives of a job's series at its location, earlier names included, trashed ones not.
    pub(crate) fn series_archives(&self, desired: &Desired, job: &Job) -> Vec<Archive> {
        let ours = |archive: &Archive| {
            desired.instance.is_or_was(&archive.origin)
                && job.is_or_was(&archive.job)
                && archive.location == job.location
                && !matches!(
                    archive.condition,
                    crate::model::archive::Condition::Trashed { .. }
                        | crate::model::archive::Condition::Lost
                )
        };
        self.catalogue.select(ours)
    }

    /// Remembers that good archives of a series were deleted, for the brake that adds up.
    pub(crate) fn note_deletions(&self, series: &Series, good: u32) -> Result<(), StateError> {
        if good == 0 {
            return Ok(());
        }
        let now = self.now();
        let window = now.checked_sub(BRAKE_WINDOW).unwrap_or(Timestamp::MIN);
        self.state.commit(|txn| {
            let mut facts = txn.series_facts(series)?.unwrap_or_default();
            facts.recent_deletions.retain(|(at, _)| *at > window);
            facts.recent_deletions.push((now, good));
            txn.put_series_facts(series, &facts)
        })
    }

    /// Remembers that archives are taken in from outside: the next pass over their series deletes
    /// nothing without approval. Called before they are in the catalogue.
    pub(crate) fn mark_adopted(&self, series: &Series) -> Result<(), StateError> {
        self.state.commit(|txn| {
            let mut facts = txn.series_facts(series)?.unwrap_or_default();
            facts.adopted = true;
            txn.put_series_facts(series, &facts)
        })
    }

    /// The runs whose commands `after` have not run yet, with their jobs.
    pub(crate) fn after_pending(&self) -> BTreeMap<RunId, JobName> {
        self.after_pending.lock().clone()
    }

    /// Those of them whose turn is not come, since nobody in this process runs them or is about to.
    pub(crate) fn after_owed(&self) -> BTreeMap<RunId, JobName> {
        if self.making_up.load(Ordering::Acquire) {
            return BTreeMap::new();
        }
        let running: BTreeSet<RunId> = self.running().values().map(|one| one.run.id).collect();
        let mut owed = self.after_pending();
        let taken = self.after_taken.lock();
        owed.retain(|run, _| !running.contains(run) && !taken.contains(run));
        owed
    }

    /// Remembers that the commands `after` of a run are owed from now on.
    pub(crate) fn owe_after(&self, run: RunId, job: &JobName) -> Result<(), StateError> {
        self.change_after(|pending| {
            pending.insert(run, job.clone());
        })
    }

    /// Whether the caller is to run the commands `after` of a run: they are owed, and nobody else
    /// was told so. The thread of a run that was given up, and who gave it up, both ask.
    pub(crate) fn take_after(&self, run: RunId) -> bool {
        let pending = self.after_pending.lock();
        pending.contains_key(&run) && self.after_taken.lock().insert(run)
    }

    /// Forgets that the commands `after` of a run are owed: they ran.
    pub(crate) fn drop_after(&self, run: RunId) -> Result<(), StateError> {
        self.change_after(|pending| {
            pending.remove(&run);
        })?;
        self.after_taken.lock().remove(&run);
        Ok(())
    }

    /// A run that was given up and may end after others began: each is remembered by itself.
    fn change_after(
        &self,
        change: impl FnOnce(&mut BTreeMap<RunId, JobName>),
    ) -> Result<(), StateError> {
        let mut pending = self.after_pending.lock();
        let mut next = pending.clone();
        change(&mut next);
        if next.is_empty() {
            self.state.drop_value(AFTER_PENDING)?;
        } else {
            let lines: Vec<String> = next.iter().map(|(run, job)| format!("{run} {job}")).collect();
            self.state.put_value(AFTER_PENDING, &lines.join("\n"))?;
        }
        *pending = next;
        Ok(())
    }

    /// The installed version of YunoHost without its `~…`, asked once.
    pub(crate) fn yunohost_version(&self) -> Option<String> {
        self.yunohost.get_or_init(|| yunohost::version(&self.stop).ok()).clone()
    }
}
