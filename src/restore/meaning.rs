//! From the catalogue and the configuration to what an order says of an archive.

use std::path::PathBuf;

use super::order::{Access, Content};
use crate::model::archive::Archive;
use crate::model::desired::Desired;
use crate::model::job::{Database, Job, JobSource, JobType};
use crate::model::name::JobName;

/// The job that an archive is of, today.
#[must_use]
pub fn job_of<'a>(desired: &'a Desired, name: &JobName) -> Option<&'a Job> {
    desired.jobs.get(name).or_else(|| {
        // What a job with `*` stands for may not be known yet.
        desired.jobs.values().chain(desired.templates.values()).find(|job| {
            job.formerly.contains(name)
                || job.name.as_str() == name.declared()
                || job.formerly.iter().any(|old| old.as_str() == name.declared())
        })
    })
}

/// What an archive holds and where that belongs: as the job says today, else as it said then.
#[must_use]
pub fn content_of(archive: &Archive, job: Option<&Job>, at_home: bool) -> Content {
    let then: serde_json::Value = archive
        .job_json
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let word = |key: &str| then.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let member = member_of_series(archive).map(str::to_owned);
    match archive.job_type {
        JobType::CustomDir => {
            let archived = word("source_path").map(PathBuf::from).filter(|path| path.is_absolute());
            let root = match job.map(|job| &job.source) {
                Some(JobSource::CustomDir(dir)) => Some(dir.source_path.clone()),
                Some(_) | None => archived.clone(),
            };
            let is_file = archive.counts.directories == 0 && archive.counts.files == 1;
            Content::CustomDir { archived, root, is_file }
        }
        JobType::Mysql | JobType::Postgresql => {
            let access = access_of(job).map(Access::from).unwrap_or_default();
            let named = access_name(job).or_else(|| word("database")).filter(|name| name != "*");
            let database = member.or(named).unwrap_or_else(|| archive.label.to_string());
            if archive.job_type == JobType::Mysql {
                Content::Mysql { database, access }
            } else {
                Content::Postgresql { database, access }
            }
        }
        JobType::YnhApp => {
            let declared = match job.map(|job| &job.source) {
                Some(JobSource::YnhApp { app_id, .. }) => Some(app_id.clone()),
                Some(_) | None => None,
            };
            let named = declared.or_else(|| word("app_id")).filter(|id| id != "*");
            let app = member.or(named).unwrap_or_else(|| archive.label.to_string());
            Content::YnhApp { app, at_home }
        }
        JobType::YnhSystem => {
            let parts = match job.map(|job| &job.source) {
                Some(JobSource::YnhSystem { parts }) => parts.clone(),
                Some(_) | None => Vec::new(),
            };
            Content::YnhSystem { parts, at_home }
        }
    }
}

/// The part of a name behind the declared job: `nextcloud` of `apps/nextcloud`.
fn member_of_series(archive: &Archive) -> Option<&str> {
    archive.job.as_str().split_once('/').map(|(_, member)| member)
}

/// How the server of a job's database is reached.
#[must_use]
pub fn access_of(job: Option<&Job>) -> Option<&Database> {
    match &job?.source {
        JobSource::Mysql(database) | JobSource::Postgresql(database) => Some(database),
        JobSource::CustomDir(_) | JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => None,
    }
}

fn access_name(job: Option<&Job>) -> Option<String> {
    access_of(job).map(|database| database.database.clone())
}
