//! What an archive holds and where that belongs: as the configuration says today, else as the
//! archive says that it was.

use std::path::PathBuf;

use crate::database::Kind;
use crate::model::archive::Archive;
use crate::model::desired::Desired;
use crate::model::job::{Database, Job, JobSource, JobType};
use crate::model::name::JobName;

/// What an archive holds, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Files.
    CustomDir {
        /// Where they were; the archive is asked when nobody knows.
        archived: Option<PathBuf>,
        /// Where they go.
        root: Option<PathBuf>,
        /// Whether the source is a single file.
        is_file: bool,
    },
    /// A dump of MariaDB: the database, and how its server is reached.
    Mysql(Database),
    /// A dump of PostgreSQL: the database, and how its server is reached.
    Postgresql(Database),
    /// An app of YunoHost.
    YnhApp {
        /// Which.
        app: String,
        /// Whether the archive lies where YunoHost looks.
        at_home: bool,
    },
    /// YunoHost itself.
    YnhSystem {
        /// Which parts; empty means all.
        parts: Vec<String>,
        /// Whether the archive lies where YunoHost looks.
        at_home: bool,
    },
}

impl Content {
    /// What an archive holds and where that belongs: as the job says today, else as it said then.
    #[must_use]
    pub fn of(archive: &Archive, job: Option<&Job>, at_home: bool) -> Self {
        let then: serde_json::Value = archive
            .job_json
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let word = |key: &str| then.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        let member = member_of_series(archive).map(str::to_owned);
        match archive.job_type {
            JobType::CustomDir => {
                let archived =
                    word("source_path").map(PathBuf::from).filter(|path| path.is_absolute());
                let root = match job.map(|job| &job.source) {
                    Some(JobSource::CustomDir(dir)) => Some(dir.source_path.clone()),
                    Some(_) | None => archived.clone(),
                };
                let is_file = archive.counts.directories == 0 && archive.counts.files == 1;
                Content::CustomDir { archived, root, is_file }
            }
            JobType::Mysql | JobType::Postgresql => {
                let access = access_of(job);
                let named = access.map(|access| access.database.clone());
                let named = named.or_else(|| word("database")).filter(|name| name != "*");
                let name = member.or(named).unwrap_or_else(|| archive.label.to_string());
                let database = database_of(name, access);
                if archive.job_type == JobType::Mysql {
                    Content::Mysql(database)
                } else {
                    Content::Postgresql(database)
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

    /// The database in it, with its kind.
    #[must_use]
    pub fn database(&self) -> Option<(Kind, &Database)> {
        match self {
            Content::Mysql(database) => Some((Kind::Mysql, database)),
            Content::Postgresql(database) => Some((Kind::Postgresql, database)),
            Content::CustomDir { .. } | Content::YnhApp { .. } | Content::YnhSystem { .. } => None,
        }
    }

    /// That the files go to another place than the one where they were, for people.
    #[must_use]
    pub fn moved(&self) -> Option<String> {
        let Content::CustomDir { archived: Some(archived), root: Some(root), .. } = self else {
            return None;
        };
        (archived != root).then(|| {
            format!(
                "it was `{}` then; the job's source is `{}` today, and that is where it goes",
                archived.display(),
                root.display()
            )
        })
    }
}

/// The job that speaks for what a job of this name made, when that is restored. Unlike
/// [`Desired::job_of`], it finds the job with `*` as well: which series it stands for may not be
/// known yet.
#[must_use]
pub fn restoring_job<'a>(desired: &'a Desired, name: &JobName) -> Option<&'a Job> {
    desired.jobs.get(name).or_else(|| {
        desired.jobs.values().chain(desired.templates.values()).find(|job| {
            job.formerly.contains(name)
                || job.name.as_str() == name.declared()
                || job.formerly.iter().any(|old| old.as_str() == name.declared())
        })
    })
}

/// What people are told where no job speaks for an archive of ours.
#[must_use]
pub fn without_job(name: &JobName) -> String {
    format!("job `{name}` is not in the configuration: files and database only, as they were")
}

/// How the server of a job's database is reached.
#[must_use]
pub fn access_of(job: Option<&Job>) -> Option<&Database> {
    match &job?.source {
        JobSource::Mysql(database) | JobSource::Postgresql(database) => Some(database),
        JobSource::CustomDir(_) | JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => None,
    }
}

/// A database by its name, on the server that the job names: else the usual one of this host.
fn database_of(name: String, access: Option<&Database>) -> Database {
    let usual = || Database {
        database: String::new(),
        except: Vec::new(),
        host: None,
        port: None,
        socket: None,
        user: None,
        password: None,
        options: Vec::new(),
    };
    Database { database: name, except: Vec::new(), ..access.cloned().unwrap_or_else(usual) }
}

/// The part of a name behind the declared job: `nextcloud` of `apps/nextcloud`.
fn member_of_series(archive: &Archive) -> Option<&str> {
    archive.job.as_str().split_once('/').map(|(_, member)| member)
}
