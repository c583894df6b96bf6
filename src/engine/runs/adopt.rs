//! Takes a file that another program made into the catalogue: read whole, hashed, given a sidecar.

use jiff::Timestamp;

use crate::archive::{self, Survey};
use crate::engine::runs::backup::yunohost;
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::model::archive::{Archive, ArchiveId, Condition, How, MemberCounts, Outcome};
use crate::model::job::Job;
use crate::model::location::Codec;
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::size::Bytes;
use crate::restore::{self, Takes};

/// Adopts a foreign file into the series of a job.
pub(crate) fn adopt(
    cx: &Context,
    location: &PlaceName,
    file_name: &str,
    job: &JobName,
) -> Result<Done, Failure> {
    if let Some(result) = yunohost::owed::adopt(cx, location, file_name, job) {
        return result;
    }
    let (store, _) = cx.available(location)?;
    let job =
        cx.desired.jobs.get(job).ok_or_else(|| {
            Failure::new(format!("job `{job}` is not in the configuration any more"))
        })?;
    let (stem, codec) = split(file_name).ok_or_else(|| {
        Failure::new(format!("`{file_name}` is not a tar archive by its name"))
            .hint("it must end in .tar, .tar.gz or .tar.zst; encrypted files cannot be adopted")
    })?;
    let name: ArchiveName = stem.parse().map_err(|error| {
        Failure::new(format!("`{file_name}` cannot be adopted under its name: {error}"))
            .hint("rename it first")
    })?;
    cx.progress.enter("reading");
    let folder = cx.core.folder(location).ok_or_else(|| {
        Failure::new(format!("location `{location}` is not in the configuration"))
    })?;
    let file = folder.open_foreign(file_name)?;
    let modified = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok());
    let survey =
        archive::survey(&file, codec, &cx.stop, &cx.progress).map_err(|error| match error {
            archive::OpenError::Stopped(stopped) => Failure::from(stopped),
            error => Failure::new(format!(
                "`{file_name}` is not a complete tar archive: {}",
                with_causes(&error)
            ))
            .hint("nothing was changed"),
        })?;
    let path = folder.path_in(file_name);
    let takes = restore::takes(&file, &path, codec, &survey, job, &cx.stop).map_err(|trouble| {
        let failure = Failure::from(trouble);
        let why = failure.summary;
        let summary =
            format!("`{file_name}` is not adopted, since no restore would take it: {why}");
        Failure { summary, ..failure }
    })?;
    let created_at = survey.created_at.or(modified).unwrap_or_else(|| cx.now());
    let mut archive = surveyed(cx, job, name.clone(), location.clone(), created_at, &survey);
    archive.codec = codec;
    archive.how = How::Adopted;
    archive.received_at = Some(cx.now());
    archive.verified_at = Some(cx.now());
    // Nobody knows what it was made with, nor whether it was allowed to be partial.
    archive.partial_allowed = false;
    (archive.config_hash, archive.config_commit) = (None, None);
    let series = archive.written_series();
    let mut summary = format!("`{name}` adopted into {series}, {}", Bytes(survey.file_size));
    let mut warned = false;
    match takes {
        Takes::Home => {
            // First: if the machine stops in between, nothing of the series goes without approval.
            cx.core.mark_adopted(&series)?;
        }
        // Kept until somebody unpins it, and never counted: it replaces no archive of the job.
        Takes::Elsewhere(why) => {
            archive.outcome = Outcome::Suspect(format!("it can be restored only elsewhere: {why}"));
            archive.pinned = true;
            // A restore asks the archive itself where its files were.
            archive.job_json = None;
            warned = true;
            summary = format!(
                "{summary}; {why}: it is kept, pinned, and does not count as an archive of the job; `larder restore {name} --to DIR` lays its files below DIR"
            );
        }
    }
    store.adopt(&archive)?;
    cx.core.catalogue.put(&cx.core.state, archive)?;
    cx.core.catalogue.forget_foreign(location, file_name);
    Ok(Done { summary, warned, archive: Some((name, survey.file_size)), ..Done::default() })
}

fn split(file_name: &str) -> Option<(&str, Codec)> {
    [(".tar", Codec::None), (".tar.gz", Codec::GZIP), (".tar.zst", Codec::ZSTD)]
        .into_iter()
        .find_map(|(ending, codec)| Some((file_name.strip_suffix(ending)?, codec)))
}

/// The record of a file that was read whole: a good archive of this job, made by us on schedule.
pub(in crate::engine) fn surveyed(
    cx: &Context,
    job: &Job,
    name: ArchiveName,
    location: PlaceName,
    created_at: Timestamp,
    survey: &Survey,
) -> Archive {
    let zoned = created_at.to_zoned(cx.desired.instance.timezone.clone());
    Archive {
        id: ArchiveId(uuid::Uuid::new_v4()),
        name,
        origin: cx.desired.instance.name.clone(),
        job: job.name.clone(),
        job_type: job.source.job_type(),
        label: job.label.clone(),
        location,
        created_at,
        day: zoned.date(),
        zone: zoned.time_zone().iana_name().unwrap_or("UTC").to_owned(),
        content_size: survey.content_size,
        stream_size: survey.stream_size,
        file_size: survey.file_size,
        stream_sha256: Some(survey.stream_sha256),
        file_sha256: Some(survey.file_sha256),
        codec: Codec::None,
        recipients: Vec::new(),
        outcome: Outcome::Good,
        partial_allowed: job.allow_partial,
        how: How::Scheduled,
        received_at: None,
        pinned: false,
        condition: Condition::Present,
        // It was read whole just now, but from memory as likely as from the disk.
        verified_at: None,
        refuted: None,
        counts: MemberCounts {
            files: survey.files,
            directories: survey.directories,
            ..MemberCounts::default()
        },
        config_hash: Some(cx.desired.hash.clone()),
        config_commit: cx.core.config_commit(),
        job_json: Some(job.effective_json.clone()),
    }
}
