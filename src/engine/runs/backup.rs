//! One backup: commands before, the archive, commands after, publication.
//!
//! Nothing counts before the archive has its final name at its location and its record in the
//! state. See [`crate::engine::runs::commands`] for the commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;

use crate::archive;
use crate::database;
use crate::engine::runs::commands::{between_commands, with_after};
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::engine::runs::room::make_room;
use crate::engine::runs::{mounted, suspicion};
use crate::location::ArchiveStore;
use crate::model::archive::{Archive, ArchiveId, Condition, How, Outcome};
use crate::model::job::{CustomDir, Database, Job, JobSource};
use crate::model::location::Location;
use crate::model::name::JobName;
use crate::model::run::{Cause, RunId, Work};
use crate::model::size::Bytes;
use crate::source::Source;
use crate::source::directory::Directory;
use crate::yunohost::Target;

pub(crate) mod yunohost;

/// Makes an archive of a job.
pub(crate) fn backup(cx: &Context, name: &JobName) -> Result<Done, Failure> {
    let job = cx.desired.jobs.get(name).ok_or_else(|| {
        Failure::new(format!("job `{name}` is not in the configuration any more"))
    })?;
    let location = cx.desired.locations.get(&job.location).ok_or_else(|| {
        Failure::new(format!("location `{}` is not in the configuration any more", job.location))
    })?;
    if let Some(earlier) = given_up(cx, name) {
        return Err(Failure::new(format!("run {earlier} of `{name}` was given up and hangs still"))
            .hint("a disk or a network file system may be hanging (`dmesg`); it runs again when that one has ended"));
    }
    let (store, free) = cx.available(&job.location)?;
    require_answer(cx, &job.source)?;
    make_room(cx, job, location, store.as_ref(), free)?;
    let kept = match Maker::of(&job.source) {
        Maker::Larder(kept) => kept,
        Maker::Yunohost(target) => return yunohost::backup(cx, job, store.as_ref(), &target),
    };

    let (read, after) =
        between_commands(cx, job, || read(cx, job, &kept, location, store.as_ref()))?;
    with_after(publish(cx, job, store.as_ref(), read), after)
}

/// A source that hangs already is not even begun: nothing could end the run before its time-out.
fn require_answer(cx: &Context, source: &JobSource) -> Result<(), Failure> {
    let path = match source {
        JobSource::CustomDir(directory) => &directory.source_path,
        JobSource::Mysql(_)
        | JobSource::Postgresql(_)
        | JobSource::YnhApp { .. }
        | JobSource::YnhSystem { .. } => return Ok(()),
    };
    if cx.core.devices.answers(path) {
        return Ok(());
    }
    Err(Failure::new(format!("the source `{}` does not answer", path.display())).hint(
        "a disk or a network file system is hanging (`dmesg`); nothing was begun, nothing deleted",
    ))
}

/// An earlier run of the job that was given up and whose thread still works: its commands `after`
/// would come into the middle of ours.
fn given_up(cx: &Context, name: &JobName) -> Option<RunId> {
    let given_up = cx.core.given_up();
    let mut same =
        given_up.iter().filter(|(_, work)| matches!(work, Work::Backup { job } if job == name));
    same.next().map(|(id, _)| *id)
}

/// Who makes the archives of a job, and of what.
enum Maker<'a> {
    Larder(Kept<'a>),
    Yunohost(Target),
}

/// What larder itself reads.
enum Kept<'a> {
    Directory(&'a CustomDir),
    Database(database::Kind, &'a Database),
}

impl<'a> Maker<'a> {
    fn of(source: &'a JobSource) -> Self {
        match source {
            JobSource::CustomDir(directory) => Maker::Larder(Kept::Directory(directory)),
            JobSource::Mysql(database) => {
                Maker::Larder(Kept::Database(database::Kind::Mysql, database))
            }
            JobSource::Postgresql(database) => {
                Maker::Larder(Kept::Database(database::Kind::Postgresql, database))
            }
            JobSource::YnhApp { app_id, core_only, .. } => {
                Maker::Yunohost(Target::App { id: app_id.clone(), core_only: *core_only })
            }
            JobSource::YnhSystem { parts } => {
                Maker::Yunohost(Target::System { parts: parts.clone() })
            }
        }
    }
}

/// The archive that was read and written, not yet published.
struct Read {
    incoming: crate::location::Incoming,
    written: archive::Written,
    created_at: Zoned,
    id: ArchiveId,
    name: crate::model::name::ArchiveName,
    /// The mount that the source lay on.
    on: Option<PathBuf>,
}

fn read(
    cx: &Context,
    job: &Job,
    kept: &Kept<'_>,
    location: &Location,
    store: &dyn ArchiveStore,
) -> Result<Read, Failure> {
    // The day and the time of an archive are those when reading starts.
    let created_at = cx.now().to_zoned(cx.desired.instance.timezone.clone());
    let opened = Opened::of(kept)?;
    let on = match &opened {
        Opened::Directory(directory, source) => mounted::require(cx, job, directory, source)?,
        Opened::Database(..) => None,
    };
    let instance = &cx.desired.instance;
    let name = store.free_name(&instance.name, &job.label, created_at.date(), &|name| {
        cx.core.catalogue.has_name(&job.location, name.as_str())
    })?;
    let id = ArchiveId(uuid::Uuid::new_v4());
    let spec = archive::Spec {
        id,
        name: name.clone(),
        origin: instance.name.clone(),
        instance_url: instance.url.clone(),
        job: job.name.clone(),
        job_type: job.source.job_type(),
        label: job.label.clone(),
        created_at: created_at.clone(),
        yunohost_version: cx.core.yunohost_version(),
        config_generation: cx.core.generation(),
        codec: location.codec,
        recipients: recipients(job, location),
        content: opened.content(),
    };
    cx.log(&format!("reading {} into `{name}` at `{}`", opened.shown(), location.name));
    cx.progress.enter("reading");
    let incoming = store.begin(cx.run.id)?;
    let source = opened.into_source(cx, job, &incoming.path);
    let file =
        incoming.file.try_clone().map_err(|error| store.failed("use", &incoming.path, error))?;
    let result = archive::write(source, &spec, file, &cx.stop, &cx.progress);
    match result {
        Ok((written, _)) => Ok(Read { incoming, written, created_at, id, name, on }),
        Err(error) => {
            let failure = explain(error, store, &incoming.path);
            // Its own part goes at once: after a full disk its space is needed.
            cx.discard(store);
            Err(failure)
        }
    }
}

/// What a job reads: proved to be there where that costs nothing.
enum Opened<'a> {
    Directory(&'a CustomDir, Box<Directory>),
    Database(database::Kind, &'a Database),
}

impl<'a> Opened<'a> {
    fn of(kept: &Kept<'a>) -> Result<Self, Failure> {
        match kept {
            Kept::Directory(directory) => {
                let source = Directory::open(directory).map_err(|error| {
                    Failure::new(with_causes(&error)).hint(
                        "nothing was deleted; check the path, or end the job with `state = \"absent\"`",
                    )
                })?;
                Ok(Opened::Directory(directory, Box::new(source)))
            }
            Kept::Database(kind, database) => Ok(Opened::Database(*kind, database)),
        }
    }

    fn content(&self) -> archive::Content {
        match self {
            Opened::Directory(directory, _) => {
                archive::Content::Directory(directory.source_path.clone())
            }
            Opened::Database(_, database) => archive::Content::Database(database.database.clone()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Opened::Directory(directory, _) => format!("`{}`", directory.source_path.display()),
            Opened::Database(kind, database) => {
                format!("the {} database `{}`", kind.name(), database.database)
            }
        }
    }

    /// A dump rests beside the archive that it goes into: there is a real disk, whose room was
    /// looked at.
    fn into_source(self, cx: &Context, job: &Job, incoming: &Path) -> Box<dyn Source> {
        match self {
            Opened::Directory(_, source) => source,
            Opened::Database(kind, database) => {
                let dump = database::Dump {
                    access: database,
                    name: &database.database,
                    spool: incoming.parent().unwrap_or(incoming),
                    timeout: Duration::try_from(job.timeout).unwrap_or(Duration::from_hours(6)),
                };
                database::source(kind, &dump, &cx.stop, &cx.progress)
            }
        }
    }
}

/// What a failed write means: a stop, an error of the source, or one of the location.
fn explain(
    error: archive::WriteError,
    store: &dyn ArchiveStore,
    path: &std::path::Path,
) -> Failure {
    match error {
        archive::WriteError::Stopped(stopped) => Failure::from(stopped),
        archive::WriteError::Destination(error) => store.failed("write", path, error).into(),
        error @ (archive::WriteError::Source(_)
        | archive::WriteError::Original(_)
        | archive::WriteError::Identity(_)
        | archive::WriteError::Path { .. }) => {
            let failure = Failure::new(with_causes(&error));
            match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        }
    }
}

fn publish(cx: &Context, job: &Job, store: &dyn ArchiveStore, read: Read) -> Result<Done, Failure> {
    let Read { incoming, written, created_at, id, name, on } = read;
    if let Err(stopped) = cx.stop.check() {
        cx.discard(store);
        return Err(stopped.into());
    }
    cx.progress.enter("publishing");
    for remark in &written.remarks {
        cx.log(&remark.to_string());
    }
    let outcome = suspicion::of(cx, job, &written, created_at.timestamp());
    let archive = Archive {
        id,
        name: name.clone(),
        origin: cx.desired.instance.name.clone(),
        job: job.name.clone(),
        job_type: job.source.job_type(),
        label: job.label.clone(),
        location: job.location.clone(),
        created_at: created_at.timestamp(),
        day: created_at.date(),
        zone: created_at.time_zone().iana_name().unwrap_or("UTC").to_owned(),
        content_size: written.content_size,
        stream_size: written.stream_size,
        file_size: written.file_size,
        stream_sha256: Some(written.stream_sha256),
        file_sha256: Some(written.file_sha256),
        codec: cx.desired.locations[&job.location].codec,
        recipients: recipients(job, &cx.desired.locations[&job.location]),
        outcome: outcome.clone(),
        partial_allowed: job.allow_partial,
        how: if cx.run.cause == Cause::Manual { How::Manual } else { How::Scheduled },
        received_at: None,
        pinned: false,
        condition: Condition::Present,
        verified_at: None,
        refuted: None,
        counts: written.counts,
        config_hash: Some(cx.desired.hash.clone()),
        config_commit: cx.core.config_commit(),
        job_json: Some(job.effective_json.clone()),
    };
    store.publish(incoming, &archive, &written.info_json)?;
    // From here on the archive exists, whatever happens to its record: the next start finds it.
    cx.core.catalogue.put_published(&cx.core.state, archive);
    if !matches!(outcome, Outcome::Suspect(_)) {
        mounted::remember(cx, job, on);
    }
    Ok(done(&written, &outcome, name))
}

/// Who can open the archive: whom the location names, and whom the job adds.
fn recipients(job: &Job, location: &Location) -> Vec<String> {
    let mut all = location.encrypt_to.clone();
    all.extend(job.encrypt_to.iter().filter(|one| !location.encrypt_to.contains(one)).cloned());
    all
}

fn done(
    written: &archive::Written,
    outcome: &Outcome,
    name: crate::model::name::ArchiveName,
) -> Done {
    let counts = written.counts;
    let mut summary = match counts.files {
        1 => format!("{name}: 1 file, {}", Bytes(written.content_size)),
        files => format!("{name}: {files} files, {}", Bytes(written.content_size)),
    };
    let mut remark = |number: u64, what: &str| {
        if number > 0 {
            summary.push_str(", ");
            summary.push_str(&number.to_string());
            summary.push(' ');
            summary.push_str(what);
        }
    };
    remark(counts.changed, "changed while being read");
    remark(counts.vanished, "vanished while being read");
    remark(counts.unreadable, "could not be read");
    let warned = counts.changed + counts.vanished + counts.unreadable > 0
        || !matches!(outcome, Outcome::Good);
    if let Outcome::Suspect(reason) = outcome {
        summary.push_str("; suspect: ");
        summary.push_str(reason);
    }
    let made = Some((name, written.file_size));
    Done { warned, summary, archive: made, ..Done::default() }
}
