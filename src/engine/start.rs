//! What happens before the first look: the state is opened, and what a crash left is put right.
//!
//! Runs that were under way are interrupted; locations are opened. What rests in them is put right
//! by the first look (see [`crate::engine::observe::inventory`]), so that a lost state costs the history and nothing
//! else.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{broadcast, mpsc, watch};

use crate::config::{self, Severity};
use crate::engine::catalogue::Catalogue;
use crate::engine::core::{Core, stored_after_pending};
use crate::engine::locations::attend::attend;
use crate::engine::locations::doors::Doors;
use crate::engine::notices::Notices;
use crate::engine::observe::awake::Awake;
use crate::engine::observe::devices::Devices;
use crate::engine::observe::uncovered::Uncovered;
use crate::engine::observe::wildcards;
use crate::engine::observe::wildcards::Listings;
use crate::engine::peers::contacts;
use crate::engine::peers::contacts::Contacts;
use crate::engine::peers::receive;
use crate::engine::peers::receive::Uploads;
use crate::engine::requests::Request;
use crate::engine::runs::context::{Failure, with_causes};
use crate::engine::runs::{backoff, drill, push, record};
use crate::engine::{
    Autonomy, Beat, Options, StartError, View, configuration, damage, handle, recovery,
};
use crate::location::folder::Folder;
use crate::location::signer::Signer;
use crate::location::{ArchiveStore as _, LocationError, standing};
use crate::model::desired::Desired;
use crate::model::location::Location;
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;
use crate::model::run::{Lane, Run, RunStatus};
use crate::state::{HistoryKeep, State, StateError};
use crate::stop::Stop;

/// How many events a slow listener may lag behind.
const EVENTS: usize = 1024;

/// Opens everything. Blocking.
pub(crate) fn start(
    options: Options,
    requests: mpsc::UnboundedSender<Request>,
) -> Result<Arc<Core>, StartError> {
    let state_error = |error: StateError| StartError::State(with_causes(&error));
    let state_dir = state_dir(&options)?;
    let (state, opened) = State::open(&state_dir).map_err(|error| match error {
        StateError::InUse { dir, holder } => StartError::InUse { dir, holder },
        error => StartError::State(with_causes(&error)),
    })?;
    if opened.rolled_back {
        tracing::warn!(
            "the newest changes of the state were damaged; the locations are looked at again"
        );
    }
    if let Some(aside) = &opened.set_aside {
        tracing::error!(
            set_aside = %aside.display(),
            "the state was damaged and set aside; the catalogue is rebuilt from the archives' sidecars, history is lost"
        );
    }
    let now = Timestamp::now();
    recovery::note_opened(&state, &opened, now).map_err(state_error)?;
    damage::note_opened(&state, &opened, now).map_err(state_error)?;
    let known = state.members().map_err(state_error)?;
    let wanted = configuration::put_in_force(&options.config_dir, &state, &known, None)?;
    let catalogue = Catalogue::new(state.archives().map_err(state_error)?);
    let notices = Notices::load(&state, now).map_err(state_error)?;
    let (events, _) = broadcast::channel(EVENTS);
    let (settled, _) = watch::channel(false);
    let view = first_view(&wanted, now);
    let core = Arc::new(Core {
        awake: Awake::begin(&options, &state, now).map_err(state_error)?,
        after_pending: Mutex::new(stored_after_pending(&state).map_err(state_error)?),
        after_taken: Mutex::default(),
        uploads: Uploads::new(&state).map_err(state_error)?,
        turns: handle::Turns::default(),
        contacts: Contacts::new(&state).map_err(state_error)?,
        options,
        started_at: now,
        state,
        catalogue,
        wanted: ArcSwap::from_pointee(wanted),
        listings: Mutex::new(Listings::new(known)),
        lister: Arc::new(wildcards::ask_the_host),
        uncovered: Mutex::new(Uncovered::new()),
        notices,
        stores: RwLock::default(),
        listening: Arc::clone(&view.listening),
        beat: view.beat.clone(),
        view: ArcSwap::from_pointee(view),
        events,
        requests,
        running: Mutex::default(),
        requested: Mutex::default(),
        stop: Stop::new(),
        settled,
        yunohost: OnceLock::new(),
        stock_taken: Mutex::default(),
        space: Mutex::default(),
        pruned_at: Mutex::default(),
        unrecorded: Mutex::default(),
        unseen: Mutex::default(),
        given_up: Mutex::default(),
        making_up: false.into(),
        finishing: false.into(),
        moving: Doors::default(),
        devices: Devices::default(),
        pairing: Mutex::default(),
        seen: parking_lot::Mutex::default(),
        half_read: parking_lot::Mutex::default(),
        tally: Mutex::default(),
    });
    core.beat();
    interrupt_what_ran(&core, now).map_err(state_error)?;
    open_locations(&core, None);
    receive::settle(&core);
    drill::sweep(&core);
    Ok(core)
}

/// The state's directory, as far as the files still say; the usual directory has the usual state,
/// where what was last good may be.
fn state_dir(options: &Options) -> Result<std::path::PathBuf, StartError> {
    let dir = &options.config_dir;
    match config::read_dir(dir) {
        Ok((files, mut diagnostics)) => {
            if let Some(state_dir) = config::instance_paths(Some(&files), dir).state_dir {
                return Ok(state_dir);
            }
            diagnostics.extend(config::parse(&files, dir).diagnostics);
            let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
            Err(StartError::Config { dir: dir.clone(), errors, diagnostics })
        }
        Err(error) => match config::instance_paths(None, dir).state_dir {
            Some(usual) if usual.join("state.redb").exists() => Ok(usual),
            Some(_) | None => Err(StartError::Read(with_causes(&error))),
        },
    }
}

fn first_view(wanted: &configuration::Wanted, now: Timestamp) -> View {
    let at = now.to_zoned(wanted.desired.instance.timezone.clone());
    let observed = crate::model::observed::Observed::nothing(now);
    View {
        started_at: now,
        desired: Arc::clone(&wanted.desired),
        config: Arc::clone(&wanted.report),
        observed: Arc::new(observed),
        plan: Arc::new(crate::reconcile::Plan {
            at: at.clone(),
            actions: Vec::new(),
            blocked: Vec::new(),
            notes: Vec::new(),
            passes: Vec::new(),
            wake_at: None,
        }),
        verdicts: Arc::default(),
        space: Arc::default(),
        foreseen: crate::engine::Foreseen::default(),
        uncovered: None,
        stalled: None,
        listening: Arc::default(),
        beat: Beat::default(),
        notices: Arc::default(),
        at,
    }
}

/// Nothing can be under way at a start: what the state calls running was interrupted.
fn interrupt_what_ran(core: &Core, now: Timestamp) -> Result<(), StateError> {
    let mut runs = core.state.open_runs()?;
    runs.retain(|run| run.status == RunStatus::Running);
    if runs.is_empty() {
        return Ok(());
    }
    for run in &mut runs {
        tracing::warn!(run = run.id.0, work = run.work.word(), "run was interrupted");
        run.status = RunStatus::Interrupted;
        run.finished_at = Some(now);
        "the daemon ended or the machine stopped under it".clone_into(&mut run.summary);
    }
    let desired = core.desired();
    core.state.commit(|txn| {
        runs.iter().try_for_each(|run: &Run| {
            record::write(txn, run, None)?;
            // It may be what stopped the machine; what goes to a peer only reads and talks.
            let rest = (run.lane(&desired) == Lane::Network).then_some(backoff::AFTER_A_CRASH);
            record::put_off(txn, run, now, rest)
        })
    })?;
    for run in &runs {
        core.log_line(run.id, "interrupted: larder ended while it ran");
    }
    Ok(())
}

/// Opens the locations of the configuration in force. Those that are as they were `before` stay
/// open: what is known of their health stays known.
pub(crate) fn open_locations(core: &Arc<Core>, before: Option<&Desired>) {
    let desired = core.desired();
    // Without the recorded ids a folder on an unmounted path could be taken for a new one.
    let markers = match core.state.markers() {
        Ok(markers) => markers,
        Err(error) => {
            tracing::error!(error = %with_causes(&error), "cannot read the locations' ids");
            return;
        }
    };
    // Those that do not answer are waited for once.
    standing::look_at_all(desired.locations.values().map(|location| location.path.as_path()));
    let open = core.stores();
    let mut stores = BTreeMap::new();
    let mut locations: Vec<&Location> = desired.locations.values().collect();
    // Where two are one folder, the one that jobs use is it.
    locations.sort_by_key(|location| (!is_used(&desired, &location.name), &location.name));
    for location in locations {
        let recorded = markers.get(&location.name).cloned();
        let is_same = before.is_some_and(|before| {
            Signer::of(&before.instance) == Signer::of(&desired.instance)
                && before.locations.get(&location.name).is_some_and(|known| {
                    known.path == location.path
                        && known.require_mount == location.require_mount
                        && known.owner == location.owner
                })
        });
        if let Some(folder) = open.get(&location.name).filter(|_| is_same && recorded.is_some()) {
            stores.insert(location.name.clone(), Arc::clone(folder));
            continue;
        }
        let mut folder =
            Folder::open(location, recorded.as_deref()).signed_by(Signer::of(&desired.instance));
        if core.options.autonomy == Autonomy::OnRequest {
            // Who only asks makes nothing: the disk that belongs there may be mounted later.
            folder = folder.made_on_use();
        }
        if let Some(same) = open.values().find(|known| known.is_at(&location.path)) {
            folder = folder.attended_as(same);
        }
        let folder = Arc::new(folder);
        ensure(core, &location.name, &folder, |location, error| {
            tracing::warn!(%location, error = %with_causes(&error), "location is not available");
        });
        core.stock_taken.lock().remove(&location.name);
        stores.insert(location.name.clone(), folder);
    }
    *core.stores.write() = stores;
}

/// Makes sure that a location is there: marks it where it was never there before, and records its
/// id, unless it is that of another location. Why it is not there is for `away`, unless it is a name
/// space that waits for its peer.
pub(crate) fn ensure(
    core: &Arc<Core>,
    name: &PlaceName,
    folder: &Arc<Folder>,
    away: impl FnOnce(&PlaceName, LocationError),
) {
    let is_awaited = folder.awaits_its_first_upload();
    let place = name.clone();
    let ensured = attend(core, name, folder, move |core, folder| {
        let found = folder.found_marker();
        folder.note_twin(found.and_then(|id| twin_of(core, &place, &id)));
        folder.ensure()
    });
    match ensured {
        Ok(Ok(id)) => record_marker(core, name, &id),
        Ok(Err(error)) if !is_awaited && !waits_to_be_made(folder) => away(name, error),
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Whether nothing is wrong with a location but that no run has written there yet.
fn waits_to_be_made(folder: &Folder) -> bool {
    folder.is_yet_to_be_made() && matches!(folder.state(), LocationState::Available { .. })
}

/// Makes a location that waited for the first run that writes there, which is about to.
pub(crate) fn make(core: &Core, name: &PlaceName, folder: &Folder) -> Result<(), Failure> {
    let id = folder.make()?;
    record_marker(core, name, &id);
    // What was there before was looked at by now.
    recovery::looked(core)?;
    Ok(())
}

/// Records a location's id, where none is.
pub(crate) fn record_marker(core: &Core, name: &PlaceName, id: &str) {
    let recorded = core.state.markers().and_then(|markers| {
        if markers.contains_key(name) {
            Ok(id.to_owned())
        } else {
            core.state.record_marker(name, id)
        }
    });
    match recorded {
        Ok(counts) if counts == id => {}
        Ok(counts) => {
            tracing::error!(location = %name, found = id, recorded = counts, "another location has its place");
        }
        Err(error) => {
            tracing::error!(location = %name, error = %with_causes(&error), "cannot record the location's id");
        }
    }
}

fn is_used(desired: &Desired, location: &PlaceName) -> bool {
    desired.jobs.values().any(|job| job.location == *location)
}

/// The location that a folder with this id belongs to, where that is another one than `name`: one
/// folder under two names would be two series of the same files, and each would let go what the other
/// keeps. Of those that were recorded with one id, the one that jobs use is it, else the first.
fn twin_of(core: &Core, name: &PlaceName, id: &str) -> Option<PlaceName> {
    let desired = core.desired();
    let markers = core.state.markers().ok()?;
    let uses = |place: &PlaceName| is_used(&desired, place);
    let same = markers.iter().filter(|(place, known)| {
        *known == id && *place != name && desired.locations.contains_key(*place)
    });
    let twin = same.map(|(place, _)| place).min_by_key(|place| (!uses(place), *place))?;
    let is_the_one = markers.get(name).is_some_and(|known| known == id)
        && (!uses(name), name) < (!uses(twin), twin);
    (!is_the_one).then(|| twin.clone())
}

/// Drops old history and its logs, and what has rested long enough, once a day.
pub(crate) fn prune_where_due(core: &Arc<Core>) -> Result<(), StateError> {
    let now = core.now();
    {
        let mut pruned = core.pruned_at.lock();
        if pruned.is_some_and(|at| now.duration_since(at).abs() < SignedDuration::from_hours(24)) {
            return Ok(());
        }
        *pruned = Some(now);
    }
    let mut over = core.state.not_before()?;
    over.retain(|_, until| *until <= now);
    if !over.is_empty() {
        core.state.commit(|txn| {
            over.keys().try_for_each(|copy| txn.drop_not_before(copy.id, &copy.location))
        })?;
    }
    push::sweep(core);
    contacts::forget_departed(core)?;
    let dropped = core.state.prune_history(now, &HistoryKeep::default())?;
    if dropped > 0 {
        tracing::debug!(dropped, "old runs left the history");
    }
    Ok(())
}
