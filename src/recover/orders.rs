//! From the newest archive of each job to what its restore needs to know.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::RecoverError;
use super::look::Copy;
use super::series::Series;
use crate::model::desired::Desired;
use crate::model::job::JobType;
use crate::model::name::JobName;
use crate::model::size::Bytes;
use crate::restore::{ArchiveFile, Content, CopyPlace, Restore, restoring_job, without_job};
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
    /// The zone in which it is said when an archive was made.
    pub zone: TimeZone,
}

/// What each series needs. Users, units and commands are those of the configuration that was taken
/// back; a job that it does not have gets its files or its database only. `identity` names the file
/// with the age identity.
///
/// # Errors
/// When nothing could prove an archive.
pub fn items<'a>(
    series: &[Series<'a>],
    desired: &Desired,
    identity: Option<&Path>,
) -> Result<Vec<Item<'a>>, RecoverError> {
    series.iter().map(|one| item(one, desired, identity)).collect()
}

fn item<'a>(
    series: &Series<'a>,
    desired: &Desired,
    identity: Option<&Path>,
) -> Result<Item<'a>, RecoverError> {
    let archive = &series.copy.archive;
    let job = restoring_job(desired, &series.job);
    let job = job.filter(|job| job.source.job_type() == archive.job_type);
    let location = job.and_then(|job| desired.locations.get(&job.location));
    let mut notes = Vec::new();
    if job.is_none() {
        notes.push(without_job(&series.job));
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
    let zone = desired.instance.timezone.clone();
    let restore = Restore {
        archive: file_of(series.copy, &zone)?,
        content: Content::of(archive, job, is_yunohosts),
        to: None,
        paths: Vec::new(),
        only: Vec::new(),
        safety: true,
        identity: identity.filter(|_| !archive.recipients.is_empty()).map(Path::to_owned),
        location_identity: location.and_then(|place| place.identity.clone()),
        spare_dir: PathBuf::from("/var/tmp"),
        seen: None,
        steps: job.map(|job| job.restore.clone()).unwrap_or_default(),
        notes,
    };
    Ok(Item { job: series.job.clone(), copy: series.copy, restore, home, zone })
}

/// A copy as it is restored.
pub(super) fn file_of(copy: &Copy, zone: &TimeZone) -> Result<ArchiveFile, RecoverError> {
    let folder = copy.file.parent().unwrap_or(Path::new("/"));
    let place = CopyPlace::Path(folder.to_owned());
    ArchiveFile::of(&copy.archive, copy.file.clone(), place, zone).map_err(|refusal| {
        RecoverError::Archive {
            archive: copy.archive.name.to_string(),
            why: refusal.why,
            hint: "use another copy of this archive".to_owned(),
        }
    })
}
