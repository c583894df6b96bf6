//! One restore: the plan that was shown, carried out step by step.
//!
//! Here an archive of the catalogue and the job of the configuration become an order; everything
//! that is done stands in [`crate::restore`]. Where this process may not write what has to be
//! written, another one carries the order out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::model::archive::{Archive, Condition};
use crate::model::desired::Desired;
use crate::model::job::JobType;
use crate::model::name::PlaceName;
use crate::model::peer::shown_host;
use crate::model::restore::RestoreRequest;
use crate::model::run::{RunId, Work};
use crate::process::Runner;
use crate::progress::Progress;
use crate::reconcile::expiry::Lineage;
use crate::reconcile::show;
use crate::restore::{
    self, Access, Content, FileFacts, Order, Original, Plan, Record, Restore, Secret, Steps, Task,
    Trouble, Undo, Watch, access_of, content_of, job_of,
};
use crate::stop::Stop;
use crate::yunohost;

use super::ArchiveKey;
use super::context::{Context, Done, Failure};
use super::core::Core;

/// The directory of records below the state.
const WORK_DIR: &str = "restores";
/// How long a look at the files is good for the run that follows it.
const FRESH: Duration = Duration::from_mins(10);

/// What somebody saw when a plan was shown: the run that follows need not look again.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    key: ArchiveKey,
    request: RestoreRequest,
    files: FileFacts,
    at: Instant,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self { stopped: trouble.stopped, hint: trouble.hint, ..Self::new(trouble.why) }
    }
}

/// Restores an archive, or undoes a restore.
pub(crate) fn restore(
    cx: &Context,
    key: &ArchiveKey,
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
    key: &ArchiveKey,
    request: &RestoreRequest,
    stop: &Stop,
) -> Result<Plan, Failure> {
    let desired = core.desired();
    let restore = Restore { seen: None, ..order(core, &desired, key, request)? };
    // The number of the run to come is not known yet; it names directories only.
    let next = core.state.runs(&crate::state::RunFilter::default(), None, 1)?;
    let next = RunId(next.first().map_or(1, |run| run.id.0 + 1));
    let order = complete(&desired, next, Task::Undo(Undo { of: 0, access: None }));
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
    Err(Failure::new(why).hint(original(core, &core.desired(), archive, PathBuf::new()).remedy()))
}

fn complete(desired: &Desired, run: RunId, task: Task) -> Order {
    let timeout = job_timeout(desired, &task);
    Order { run: run.0, work_dir: desired.instance.state_dir.join(WORK_DIR), timeout, task }
}

/// Commands have the time-out of their job; what has no job, a day.
fn job_timeout(desired: &Desired, task: &Task) -> u64 {
    let job = match task {
        Task::Restore(restore) => restore.archive.job.parse().ok(),
        Task::Undo(_) => None,
    };
    let job = job.and_then(|name| job_of(desired, &name));
    job.and_then(|job| u64::try_from(job.timeout.as_secs()).ok()).unwrap_or(24 * 3600)
}

/// An archive and what is asked for as an order.
fn order(
    core: &Core,
    desired: &Desired,
    key: &ArchiveKey,
    request: &RestoreRequest,
) -> Result<Restore, Failure> {
    let archive = core.catalogue.get(key).ok_or_else(|| {
        Failure::new(format!("archive {} is not at `{}` any more", key.id, key.location))
    })?;
    may_restore(core, &archive)?;
    let folder = core.folder(&key.location).ok_or_else(|| {
        Failure::new(format!("location `{}` is not in the configuration", key.location))
    })?;
    let location = desired.locations.get(&key.location);
    let is_ours = archive.origin == desired.instance.name
        || desired.instance.formerly.contains(&archive.origin);
    let peer = desired.peer_at(&archive.location, &archive.origin);
    let maker = shown_host(archive.origin.as_str(), peer.map(|peer| peer.name.as_str()));
    let is_taken_over = !is_ours && taken_over(desired, &archive, request)?;
    // A job of the same name on another instance is another job, unless somebody says otherwise.
    let job = job_of(desired, &archive.job)
        .filter(|job| (is_ours || is_taken_over) && job.source.job_type() == archive.job_type);
    let mut notes = Vec::new();
    if is_taken_over && request.to.is_none() {
        notes.push(format!(
            "`{maker}` made it on another host; {}",
            match job {
                Some(job) =>
                    format!("it comes back here as job `{}` of this configuration says", job.name),
                None => "no job of its name is configured here: files go to where they were there"
                    .to_owned(),
            }
        ));
    }
    if !is_ours && !is_taken_over && request.to.is_none() {
        return Err(Failure::new(format!(
            "`{}` was made by `{maker}`, and its places are those of that host",
            archive.name
        ))
        .hint("lay it elsewhere with `--to DIR`, say with `--from PEER` whose it is if it is to come back here, or name that instance in `instance.formerly` if this host takes its place"));
    }
    if job.is_none() && is_ours && request.to.is_none() {
        notes.push(format!(
            "job `{}` is not in the configuration: files and database only, as they were",
            archive.job
        ));
    }
    notes.extend(passed_over(core, desired, &archive));
    let untrusted = untrusted_sender(desired, &archive);
    if let Some(peer) = untrusted
        && request.to.is_none()
        && matches!(archive.job_type, JobType::YnhApp | JobType::YnhSystem)
    {
        return Err(Failure::new(format!(
            "`{}` came from peer `{peer}`, and YunoHost would run as root what is in it",
            archive.name
        ))
        .hint(format!("lay its files elsewhere with `--to DIR`, or write `trust = \"restore\"` into `[peer.{peer}.accept]`")));
    }
    let mut steps = job.map(|job| Steps::from(&job.restore)).unwrap_or_default();
    if let Some(peer) = untrusted
        && steps != Steps::default()
    {
        steps = Steps::default();
        notes.push(format!(
            "it came from peer `{peer}`: users, units and commands are left out, since a unit would be the archive's own"
        ));
    }
    // It may be a link to where it really is.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let home = real(Path::new(yunohost::ARCHIVES));
    let at_home = location.is_some_and(|place| real(&place.path) == home);
    let content = content_of(&archive, job, at_home);
    if let Content::CustomDir { archived: Some(archived), root: Some(root), .. } = &content
        && archived != root
        && request.to.is_none()
    {
        notes.push(format!(
            "it was `{}` then; the job's source is `{}` today, and that is where it goes",
            archived.display(),
            root.display()
        ));
    }
    Ok(Restore {
        content,
        to: request.to.clone(),
        paths: request.paths.clone(),
        only: request.only.iter().map(|part| part.word().to_owned()).collect(),
        safety: request.safety,
        identity: request.identity.clone(),
        location_identity: location.and_then(|place| place.identity.as_ref()).map(Secret::from),
        spare_dir: location.map_or_else(PathBuf::new, |place| place.path.clone()),
        seen: seen(core, key, request),
        steps,
        notes,
        archive: original(core, desired, &archive, folder.path_of(&archive)),
    })
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

/// The peer in whose name space an archive rests, where nothing of it may run here.
fn untrusted_sender<'a>(desired: &'a Desired, archive: &Archive) -> Option<&'a PlaceName> {
    let owner = desired.locations.get(&archive.location)?.owner.as_ref()?;
    let accept = desired.peers.get(owner).and_then(|peer| peer.accept.as_ref());
    (!accept.is_some_and(|accept| accept.trust_restore)).then_some(owner)
}

/// Whether somebody said whose archive this is, and that it is to come back on this host.
fn taken_over(
    desired: &Desired,
    archive: &Archive,
    request: &RestoreRequest,
) -> Result<bool, Failure> {
    let Some(from) = &request.from else { return Ok(false) };
    let peer = desired.peers.get(from).filter(|peer| desired.is_of_peer(archive, peer));
    let Some(peer) = peer else {
        return Err(Failure::new(format!("`{}` is no archive of peer `{from}`", archive.name))
            .hint("`larder archive show` says whose it is"));
    };
    let is_sent = desired.locations.get(&archive.location).is_some_and(|at| at.owner.is_some());
    let is_trusted = !is_sent || peer.accept.as_ref().is_some_and(|accept| accept.trust_restore);
    // Dumps and YunoHost's archives are programs: whoever loads them lets their maker act here.
    if archive.job_type != JobType::CustomDir && !is_trusted && request.to.is_none() {
        return Err(Failure::new(format!(
            "`{}` of peer `{from}` would run what `{from}` wrote into it",
            archive.name
        ))
        .hint(format!(
            "lay it elsewhere with `--to DIR`, or trust it: `trust = \"restore\"` in `[peer.{from}.accept]`"
        )));
    }
    Ok(true)
}

fn seen(core: &Core, key: &ArchiveKey, request: &RestoreRequest) -> Option<FileFacts> {
    let seen = core.seen().take()?;
    let is_same = seen.key == *key && seen.request == *request && seen.at.elapsed() < FRESH;
    is_same.then_some(seen.files)
}

fn original(core: &Core, desired: &Desired, archive: &Archive, file: PathBuf) -> Original {
    let others = core.catalogue.select(|other| {
        other.id == archive.id
            && other.location != archive.location
            && other.condition == Condition::Present
    });
    Original {
        name: archive.name.to_string(),
        job: archive.job.to_string(),
        made: Original::made_word(archive.created_at, &desired.instance.timezone),
        location: archive.location.to_string(),
        file,
        codec: Original::codec_word(archive.codec),
        recipients: archive.recipients.clone(),
        sha256: archive.file_sha256.map(|hash| hash.to_string()).unwrap_or_default(),
        file_size: archive.file_size,
        content_size: archive.content_size,
        other_copies: others.iter().map(|other| other.location.to_string()).collect(),
    }
}

fn undo(cx: &Context, key: &ArchiveKey, of: RunId) -> Undo {
    // The archive may be gone; its record is not.
    let known = cx.core.catalogue.get(key).map(|archive| archive.job);
    let job = known.or_else(|| record(&cx.core, of).ok().flatten()?.job.parse().ok());
    let job = job.and_then(|name| job_of(&cx.desired, &name));
    Undo { of: of.0, access: access_of(job).map(Access::from) }
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
