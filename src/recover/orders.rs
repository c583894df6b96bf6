//! From the newest archive of each job to what its restore needs to know.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::look::Copy;
use super::series::Series;
use crate::model::archive::Archive;
use crate::model::desired::Desired;
use crate::model::job::JobType;
use crate::model::name::JobName;
use crate::model::size::Bytes;
use crate::restore::{Original, Restore, Secret, Steps, content_of, job_of};
use crate::yunohost;

/// One job to bring back.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// The job.
    pub job: JobName,
    /// The archive that it comes back from.
    pub copy: &'a Copy,
    /// What is to be restored.
    pub restore: Restore,
    /// YunoHost restores only what lies in its own folder: where the archive goes first.
    pub home: Option<PathBuf>,
}

/// What each series needs. Users, units and commands are those of the configuration that was taken
/// back; a job that it does not have gets its files or its database only. `identity` names the file
/// with the age identity.
#[must_use]
pub fn items<'a>(
    series: &[Series<'a>],
    desired: &Desired,
    identity: Option<&Path>,
) -> Vec<Item<'a>> {
    series.iter().map(|one| item(one, desired, identity)).collect()
}

fn item<'a>(series: &Series<'a>, desired: &Desired, identity: Option<&Path>) -> Item<'a> {
    let archive = &series.copy.archive;
    let job = job_of(desired, &series.job).filter(|job| job.source.job_type() == archive.job_type);
    let location = job.and_then(|job| desired.locations.get(&job.location));
    let mut notes = Vec::new();
    if job.is_none() {
        notes.push(format!(
            "job `{}` is not in the configuration: files and database only, as they were",
            series.job
        ));
    }
    if let Some((name, why)) = &series.passed_over {
        notes.push(format!("`{name}` is newer, and {why}"));
    }
    let folder = series.copy.file.parent().unwrap_or(Path::new("/"));
    let is_yunohosts = matches!(archive.job_type, JobType::YnhApp | JobType::YnhSystem);
    let lies_home = folder == Path::new(yunohost::ARCHIVES);
    let home = (is_yunohosts && !lies_home).then(|| PathBuf::from(yunohost::ARCHIVES));
    if let Some(home) = &home {
        notes.push(format!(
            "{} go to `{}` first, where YunoHost looks",
            Bytes(archive.stream_size),
            home.display()
        ));
    }
    let restore = Restore {
        content: content_of(archive, job, is_yunohosts),
        to: None,
        paths: Vec::new(),
        only: Vec::new(),
        safety: true,
        identity: identity.filter(|_| !archive.recipients.is_empty()).map(Path::to_owned),
        location_identity: location.and_then(|place| place.identity.as_ref()).map(Secret::from),
        spare_dir: PathBuf::from("/var/tmp"),
        seen: None,
        steps: job.map(|job| Steps::from(&job.restore)).unwrap_or_default(),
        notes,
        archive: original(archive, series.copy.file.clone(), &desired.instance.timezone),
    };
    Item { job: series.job.clone(), copy: series.copy, restore, home }
}

fn original(archive: &Archive, file: PathBuf, zone: &TimeZone) -> Original {
    let folder = file.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    Original {
        name: archive.name.to_string(),
        job: archive.job.to_string(),
        made: Original::made_word(archive.created_at, zone),
        location: folder,
        file,
        codec: Original::codec_word(archive.codec),
        recipients: archive.recipients.clone(),
        sha256: archive.file_sha256.map(|hash| hash.to_string()).unwrap_or_default(),
        file_size: archive.file_size,
        content_size: archive.content_size,
        other_copies: Vec::new(),
    }
}
