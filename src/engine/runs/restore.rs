//! One restore: the plan that was shown, carried out step by step.
//!
//! Here an archive of the catalogue and the job of the configuration become an order; everything
//! that is done stands in [`crate::restore`]. Where this process may not write what has to be
//! written, another one carries the order out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::engine::core::Core;
use crate::engine::runs::context::{Context, Done, Failure};
use crate::model::archive::{Archive, Condition, CopyKey};
use crate::model::desired::Desired;
use crate::model::location::Location;
use crate::model::restore::RestoreRequest;
use crate::model::run::{RunId, Work};
use crate::process::Runner;
use crate::progress::Progress;
use crate::reconcile::expiry::Lineage;
use crate::reconcile::show;
use crate::restore::{
    self, ArchiveFile, Content, CopyPlace, FileFacts, Order, Permit, Plan, Record, Refusal,
    Restore, Task, Trouble, Undo, Watch, access_of, permit, remedy, restoring_job,
};
use crate::stop::Stop;
use crate::yunohost;

/// The directory of records below the state.
const WORK_DIR: &str = "restores";
/// How long a look at the files is good for the run that follows it.
const FRESH: Duration = Duration::from_mins(10);

/// What somebody saw when a plan was shown: the run that follows need not look again.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    key: CopyKey,
    request: RestoreRequest,
    files: FileFacts,
    at: Instant,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self { stopped: trouble.stopped, hint: trouble.hint, ..Self::new(trouble.why) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Trouble::from(refusal).into()
    }
}

/// Restores an archive, or undoes a restore.
pub(crate) fn restore(
    cx: &Context,
    key: &CopyKey,
    request: &RestoreRequest,
) -> Result<Done, Failure> {
    let task = match request.undo {
        Some(of) => Task::Undo(undo(cx, key, of)),
        None => Task::Restore(Box::new(order(&cx.core, &cx.desired, key, request)?)),
    };
    let order = complete(&cx.desired, cx.run.id, task);
    let runner = Runner::outside_sandbox();
    let mut log = |line: &str| cx.log(line);
    let mut watch = Watch { stop: &cx.stop, progress: &cx.progress, log: &mut log };
    let result = match runner {
        Runner::Direct => restore::carry_out(&order, &mut watch),
        Runner::SystemdRun => restore::relay(order, runner, &mut watch),
    };
    match result {
        Ok(record) => ended(&record),
        Err(trouble) => {
            if trouble.corrupt {
                cx.core.catalogue.set_condition(&cx.core.state, key, Condition::Corrupt)?;
            }
            Err(trouble.into())
        }
    }
}

/// What the steps amount to.
fn ended(record: &Record) -> Result<Done, Failure> {
    let summary = record.summary();
    if record.is_complete() {
        return Ok(Done { warned: record.is_warned(), summary, ..Done::default() });
    }
    let hint = record.steps.iter().find_map(|step| step.hint.clone());
    Err(Failure { hint, ..Failure::new(summary) })
}

/// Says what a restore would do.
pub(crate) fn plan(
    core: &Core,
    key: &CopyKey,
    request: &RestoreRequest,
    stop: &Stop,
) -> Result<Plan, Failure> {
    let desired = core.desired();
    let restore = Restore { seen: None, ..order(core, &desired, key, request)? };
    // The number of the run to come is not known yet; it names directories only.
    let next = core.state.runs(&crate::state::RunFilter::default(), None, 1)?;
    let next = RunId(next.first().map_or(1, |run| run.id.0 + 1));
    let order = complete(&desired, next, Task::Undo(Undo { of: RunId(0), access: None }));
    let plan = restore::prepare(&order, &restore, stop, &Progress::new())?;
    *core.seen() = plan.files.clone().map(|files| Seen {
        key: key.clone(),
        request: request.clone(),
        files,
        at: Instant::now(),
    });
    Ok(plan)
}

/// The record of a restore, if it came so far.
pub(crate) fn record(core: &Core, run: RunId) -> std::io::Result<Option<Record>> {
    Record::read(&core.desired().instance.state_dir.join(WORK_DIR), run.0)
}

/// Whether a copy can be read at all; otherwise why not, and what to do.
pub(crate) fn may_restore(core: &Core, archive: &Archive) -> Result<(), Failure> {
    let (name, location) = (&archive.name, &archive.location);
    let why = match &archive.condition {
        Condition::Present => return Ok(()),
        Condition::Corrupt => {
            format!(
                "`{name}` at `{location}` is corrupt: its bytes are not those that were written"
            )
        }
        Condition::Lost => format!("`{name}` is gone from `{location}`"),
        Condition::Unavailable => format!("`{location}`, where `{name}` rests, is not available"),
        Condition::Trashed { until } => {
            let desired = core.desired();
            let now = core.now().to_zoned(desired.instance.timezone.clone());
            let until = show::moment(*until, &now);
            return Err(Failure::new(format!("`{name}` is in the trash until {until}"))
                .hint("take it back first: `larder archive undelete`"));
        }
    };
    Err(Failure::new(why).hint(remedy(&other_copies(core, archive))))
}

fn complete(desired: &Desired, run: RunId, task: Task) -> Order {
    let timeout = job_timeout(desired, &task);
    Order { run, work_dir: desired.instance.state_dir.join(WORK_DIR), timeout, task }
}

/// Commands have the time-out of their job; what has no job, a day.
fn job_timeout(desired: &Desired, task: &Task) -> Duration {
    let job = match task {
        Task::Restore(restore) => restoring_job(desired, &restore.archive.job),
        Task::Undo(_) => None,
    };
    job.and_then(|job| job.timeout.try_into().ok()).unwrap_or(Duration::from_hours(24))
}

/// An archive and what is asked for as an order.
fn order(
    core: &Core,
    desired: &Desired,
    key: &CopyKey,
    request: &RestoreRequest,
) -> Result<Restore, Failure> {
    let archive = core.catalogue.get(key).ok_or_else(|| {
        Failure::new(format!("archive {} is not at `{}` any more", key.id, key.location))
    })?;
    may_restore(core, &archive)?;
    let folder = core.folder(&key.location).ok_or_else(|| {
        Failure::new(format!("location `{}` is not in the configuration", key.location))
    })?;
    let Permit { job, steps, mut notes } = permit(desired, &archive, request)?;
    let location = desired.locations.get(&key.location);
    let content = Content::of(&archive, job, location.is_some_and(is_yunohosts_folder));
    notes.extend(passed_over(core, desired, &archive));
    notes.extend(content.moved().filter(|_| request.to.is_none()));
    let place = CopyPlace::Location(archive.location.clone());
    let zone = &desired.instance.timezone;
    let mut file = ArchiveFile::of(&archive, folder.path_of(&archive), place, zone)?;
    file.other_copies = other_copies(core, &archive);
    Ok(Restore {
        archive: file,
        content,
        to: request.to.clone(),
        paths: request.paths.clone(),
        only: request.only.clone(),
        safety: request.safety,
        identity: request.identity.clone(),
        location_identity: location.and_then(|place| place.identity.clone()),
        spare_dir: location.map_or_else(PathBuf::new, |place| place.path.clone()),
        seen: seen(core, key, request),
        steps,
        notes,
    })
}

/// Whether a location is where YunoHost looks: it may be a link to where it really is.
fn is_yunohosts_folder(location: &Location) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(&location.path) == real(Path::new(yunohost::ARCHIVES))
}

/// That a newer archive of the same job was passed over since it is not good, wherever it rests. One
/// in the trash is nobody's newest; and where a good one is newer, this one was meant.
fn passed_over(core: &Core, desired: &Desired, archive: &Archive) -> Option<String> {
    let lineage = Lineage::of(desired);
    let maker = |one: &Archive| {
        let (series, from) = lineage.line(one);
        (series.origin, series.job, from)
    };
    let ours = maker(archive);
    let mut newer = core.catalogue.select(|other| {
        (other.created_at, other.id) > (archive.created_at, archive.id)
            && !matches!(other.condition, Condition::Trashed { .. })
            && maker(other) == ours
    });
    if newer.iter().any(Archive::is_good) {
        return None;
    }
    // Of several copies, the one that is there tells most.
    newer.sort_by_key(|one| (one.created_at, one.id, one.condition == Condition::Present));
    let newest = newer.last()?;
    Some(format!("`{}` is newer, and {}", newest.name, newest.flaw()?))
}

fn seen(core: &Core, key: &CopyKey, request: &RestoreRequest) -> Option<FileFacts> {
    let seen = core.seen().take()?;
    let is_same = seen.key == *key && seen.request == *request && seen.at.elapsed() < FRESH;
    is_same.then_some(seen.files)
}

/// Where else an archive rests, and is there.
fn other_copies(core: &Core, archive: &Archive) -> Vec<CopyPlace> {
    let others = core.catalogue.select(|other| {
        other.id == archive.id
            && other.location != archive.location
            && other.condition == Condition::Present
    });
    others.into_iter().map(|other| CopyPlace::Location(other.location)).collect()
}

fn undo(cx: &Context, key: &CopyKey, of: RunId) -> Undo {
    // The archive may be gone; its record is not.
    let known = cx.core.catalogue.get(key).map(|archive| archive.job);
    let job = known.or_else(|| record(&cx.core, of).ok().flatten()?.job.parse().ok());
    let job = job.and_then(|name| restoring_job(&cx.desired, &name));
    Undo { of, access: access_of(job).cloned() }
}

/// The restore that a run was, for its undoing.
pub(crate) fn undoing(run: &crate::model::run::Run) -> Option<Work> {
    let Work::Restore { archive, location, request } = &run.work else { return None };
    if request.undo.is_some() {
        return None;
    }
    let undo = RestoreRequest { undo: Some(run.id), ..RestoreRequest::whole() };
    Some(Work::Restore { archive: *archive, location: location.clone(), request: Box::new(undo) })
}
