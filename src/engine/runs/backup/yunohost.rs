//! Backups that YunoHost makes: it writes and owns the tar, we read it whole and describe it.
//!
//! YunoHost writes under the final name from the start, and answers only at its end. So what is
//! about to be made is remembered first ([`owed`]): a file of that name is ours, complete or not.
//! **Invariant:** nothing that YunoHost did not finish, or did not call saved, comes into the
//! catalogue.

use std::path::Path;
use std::time::Duration;

use crate::archive::{self, Survey, Written};
use crate::location::ArchiveStore;
use crate::location::folder::Folder;
use crate::model::archive::{Archive, How, MemberCounts, Outcome};
use crate::model::job::Job;
use crate::model::location::Codec;
use crate::model::run::Cause;
use crate::model::size::Bytes;
use crate::stop::{Stop, Stopped};
use crate::yunohost::{self, Made, Target, YunohostError};

use super::Maker;
use crate::engine::runs::adopt::surveyed;
use crate::engine::runs::commands::{between_commands, with_after};
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::engine::runs::suspicion;

mod info;
pub(crate) mod owed;
pub(crate) mod own;

use owed::Owed;

/// What YunoHost compresses with: the level does not matter for reading.
const GZIP: Codec = Codec::Gzip(9);
/// How much of what YunoHost says goes into the log of a run, in bytes.
const MOST_SAID: usize = 256 << 10;

/// Lets YunoHost make an archive of a job, and takes it into the catalogue.
pub(super) fn backup(
    cx: &Context,
    job: &Job,
    store: &dyn ArchiveStore,
    target: &Target,
) -> Result<Done, Failure> {
    let ((owed, made), after) = between_commands(cx, job, || create(cx, job, store, target))?;
    let described = match describe(cx, job, store, &owed, Some(&made)) {
        Ok(described) => described,
        Err(failure) => {
            clear_after(cx, &owed, failure.stopped);
            return with_after(Err(failure), after);
        }
    };
    with_after(Ok(described.enter(cx, &owed)), after)
}

fn create(
    cx: &Context,
    job: &Job,
    store: &dyn ArchiveStore,
    target: &Target,
) -> Result<(Owed, Made), Failure> {
    let created_at = cx.now().to_zoned(cx.desired.instance.timezone.clone());
    let instance = &cx.desired.instance.name;
    let name = store.free_name(instance, &job.label, created_at.date(), &|name| {
        cx.core.catalogue.has_name(&job.location, name.as_str())
    })?;
    let owed = Owed {
        run: cx.run.id,
        location: job.location.clone(),
        name,
        job: job.name.clone(),
        created_at: created_at.timestamp(),
        by_hand: cx.run.cause == Cause::Manual,
    };
    owed::remember(&cx.core, &owed)?;
    cx.log(&format!("YunoHost makes `{}`", owed.name));
    cx.progress.enter("reading");
    let description =
        format!("larder: {} {} on {instance}", job.source.job_type().word(), job.name);
    let timeout = Duration::try_from(job.timeout).unwrap_or(Duration::from_hours(6));
    let mut said = 0;
    let result = yunohost::create(
        owed.name.as_str(),
        &description,
        target,
        timeout,
        &cx.stop,
        &mut |line| say(cx, &mut said, line),
    );
    match result {
        Ok(made) => Ok((owed, made)),
        Err(error) => {
            let stopped = match &error {
                YunohostError::Stopped(reason) => Some(*reason),
                _ => None,
            };
            // Another's: YunoHost found it there and made nothing.
            let is_anothers = matches!(&error, YunohostError::Failed { said, .. } if said.contains("already exists"));
            if is_anothers {
                owed::forget(&cx.core, &owed);
            } else {
                clear_after(cx, &owed, stopped);
            }
            Err(failure(&error))
        }
    }
}

/// The log has a limit of its own, and what larder says must still fit.
fn say(cx: &Context, said: &mut usize, line: &str) {
    let before = *said;
    *said += line.len();
    if *said <= MOST_SAID {
        cx.log(&format!("  {line}"));
    } else if before <= MOST_SAID {
        cx.log("  … it says more, which is left out");
    }
}

/// What an error of YunoHost means for a run.
pub(crate) fn failure(error: &YunohostError) -> Failure {
    match error {
        YunohostError::Stopped(reason) => Failure::from(*reason),
        error => Failure::new(with_causes(error)).hint(error.hint()),
    }
}

/// An archive with its description beside it. It is ours from then on, whatever happens to its
/// record: whoever looks at the location next finds it.
struct Described {
    archive: Archive,
    file_name: String,
    done: Done,
}

impl Described {
    /// Enters it into the catalogue.
    fn enter(self, cx: &Context, owed: &Owed) -> Done {
        let Self { archive, file_name, done } = self;
        cx.core.catalogue.put_published(&cx.core.state, archive);
        cx.core.catalogue.forget_foreign(&owed.location, &file_name);
        owed::forget(&cx.core, owed);
        done
    }
}

/// Reads what YunoHost made whole, and describes it beside it. `made` is what YunoHost said of it;
/// `None` when nobody was there to hear it.
fn describe(
    cx: &Context,
    job: &Job,
    store: &dyn ArchiveStore,
    owed: &Owed,
    made: Option<&Made>,
) -> Result<Described, Failure> {
    let folder = cx.core.folder(&owed.location).ok_or_else(|| {
        Failure::new(format!("location `{}` is not in the configuration", owed.location))
    })?;
    let Some((file_name, codec)) = find(&folder, owed) else {
        return Err(Failure::new(format!(
            "YunoHost made `{}`, and not at location `{}`",
            owed.name, owed.location
        ))
        .hint(format!(
            "the location of such a job must be YunoHost's folder, {}",
            yunohost::ARCHIVES
        )));
    };
    let Maker::Yunohost(target) = Maker::of(&job.source) else {
        return Err(Failure::new(format!("`{}` is not a job of YunoHost any more", job.name)));
    };
    cx.progress.enter("hashing");
    let file = folder.open_foreign(&file_name)?;
    let survey =
        archive::survey(&file, codec, &cx.stop, &cx.progress).map_err(|error| match error {
            archive::OpenError::Stopped(stopped) => Failure::from(stopped),
            error => Failure::new(format!(
                "what YunoHost made is not a complete tar archive: `{file_name}`: {}",
                with_causes(&error)
            ))
            .hint("look at the disk, and at `yunohost log list`"),
        })?;
    let mut archive = record(cx, job, owed, codec, &survey);
    let info = folder.info_json(&archive)?;
    info::judge(&info, &target).map_err(|why| {
        Failure::new(format!("`{file_name}` does not hold what was wanted: {why}"))
            .hint("`yunohost log list` tells what happened")
    })?;
    let unheard = made.is_none() && matches!(&target, Target::System { parts } if parts.is_empty());
    archive.outcome = if unheard {
        Outcome::Suspect(
            "its run was interrupted: nobody heard whether YunoHost saved every part".to_owned(),
        )
    } else {
        suspicion::of(cx, job, &written(&survey, info), archive.created_at)
    };
    let warnings = made.map(|made| made.warnings.as_slice()).unwrap_or_default();
    let done = done(&archive, survey.files, warnings);
    store.adopt(&archive)?;
    Ok(Described { archive, file_name, done })
}

fn record(cx: &Context, job: &Job, owed: &Owed, codec: Codec, survey: &Survey) -> Archive {
    let (name, location) = (owed.name.clone(), owed.location.clone());
    let mut archive = surveyed(cx, job, name, location, owed.created_at, survey);
    archive.codec = codec;
    archive.how = if owed.by_hand { How::Manual } else { How::Scheduled };
    archive
}

fn written(survey: &Survey, info_json: Vec<u8>) -> Written {
    Written {
        content_size: survey.content_size,
        stream_size: survey.stream_size,
        file_size: survey.file_size,
        stream_sha256: survey.stream_sha256,
        file_sha256: survey.file_sha256,
        counts: MemberCounts { files: survey.files, ..MemberCounts::default() },
        remarks: Vec::new(),
        info_json,
        outcome: Outcome::Good,
    }
}

fn done(archive: &Archive, files: u64, warnings: &[String]) -> Done {
    let mut summary = match files {
        1 => format!("{}: 1 file, {}", archive.name, Bytes(archive.content_size)),
        files => format!("{}: {files} files, {}", archive.name, Bytes(archive.content_size)),
    };
    if let Outcome::Suspect(reason) = &archive.outcome {
        summary.push_str("; suspect: ");
        summary.push_str(reason);
    }
    for warning in warnings {
        summary.push_str("; ");
        summary.push_str(warning);
    }
    let warned = !warnings.is_empty() || archive.outcome != Outcome::Good;
    let made = Some((archive.name.clone(), archive.file_size));
    Done { warned, summary, archive: made, ..Done::default() }
}

/// The file that YunoHost made: `NAME.tar`, or `NAME.tar.gz` with a link `NAME.tar` to it.
fn find(folder: &Folder, owed: &Owed) -> Option<(String, Codec)> {
    let candidates =
        [(format!("{}.tar", owed.name), Codec::None), (format!("{}.tar.gz", owed.name), GZIP)];
    candidates.into_iter().find(|(file_name, _)| folder.open_foreign(file_name).is_ok())
}

/// Removes what a run that failed has made, so that nobody takes it for an archive.
fn clear_after(cx: &Context, owed: &Owed, stopped: Option<Stopped>) {
    let Some(folder) = cx.core.folder(&owed.location) else { return };
    let Some((file_name, _)) = find(&folder, owed) else {
        owed::forget(&cx.core, owed);
        return;
    };
    let path = folder.path_in(&file_name);
    if stopped == Some(Stopped::Shutdown) {
        // There is no time to ask YunoHost. A whole one is taken in at the next start; half a
        // one is no archive, and its writer is dead.
        if !owed::is_complete(&folder, owed) && crate::durable::remove(&path).is_ok() {
            owed::forget(&cx.core, owed);
        }
        return;
    }
    // Not the run's own stop: that one may have been used.
    match by_yunohost(owed.name.as_str(), &path, &Stop::new(), &mut |line| {
        cx.log(&format!("  {line}"));
    }) {
        Ok(()) => cx.log(&format!("`{file_name}`, which is not whole, was deleted by YunoHost")),
        Err(failure) => cx.log(&format!(
            "`{file_name}` is not whole and could not be deleted: {}; delete it with `yunohost backup delete {}`",
            failure.summary, owed.name
        )),
    }
    owed::forget(&cx.core, owed);
}

/// Has YunoHost delete an archive, and looks whether it did: it ends well when it could not.
fn by_yunohost(
    name: &str,
    path: &Path,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    yunohost::delete(name, stop, log).map_err(|error| failure(&error))?;
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot look at `{}`: {error}", path.display()))),
        Ok(_) => Err(Failure::new(format!(
            "YunoHost was told to delete `{name}`, and `{}` is still there",
            path.display()
        ))
        .hint("look at its owner and its attributes (`lsattr`)")),
    }
}
