//! What only a YunoHost server can tell: its command, its apps, its folder.

use std::cell::OnceCell;
use std::path::Path;

use super::Host;
use crate::model::job::{Job, JobSource};
use crate::model::location::Location;
use crate::yunohost::{self, App, YunohostError};

/// The server, asked once for all jobs.
#[derive(Default)]
pub(super) struct Server {
    apps: OnceCell<Result<Vec<App>, YunohostError>>,
}

impl Server {
    /// Whether YunoHost can make the archives of a job where they are to be.
    pub(super) fn check(&self, host: &mut Host, job: &Job, location: Option<&Location>) {
        let app = match &job.source {
            JobSource::YnhApp { app_id, .. } => Some(app_id),
            JobSource::YnhSystem { .. } => None,
            JobSource::CustomDir(_) | JobSource::Mysql(_) | JobSource::Postgresql(_) => return,
        };
        if !yunohost::is_there() {
            let missing = YunohostError::Missing;
            return host.error(&job.place, missing.to_string(), &missing.hint());
        }
        if let Some(location) = location
            && !same_folder(&location.path, Path::new(yunohost::ARCHIVES))
        {
            host.error(
                &location.place,
                format!(
                    "`{}` is not YunoHost's folder, and `{}` needs it",
                    location.path.display(),
                    job.name
                ),
                &format!(
                    "YunoHost makes its archives in {} only: write that, or give the job such a location",
                    yunohost::ARCHIVES
                ),
            );
        }
        if host.user != 0 {
            let message = "YunoHost answers root only: whether it can save this is not known";
            return host.warning(&job.place, message, "run the check as root");
        }
        match self.apps.get_or_init(yunohost::apps_now) {
            Err(error) => host.error(&job.place, error.to_string(), &error.hint()),
            Ok(apps) => {
                let missing = app.filter(|id| *id != "*" && !apps.iter().any(|app| app.id == **id));
                if let Some(id) = missing {
                    let message = format!("the app `{id}` is not installed");
                    host.error(&job.place, message, "`yunohost app list` shows those that are");
                }
            }
        }
    }
}

/// Whether both are one folder, links followed. YunoHost makes its own with its first archive.
fn same_folder(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_same_through_links_and_before_it_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let (real, link) = (dir.path().join("disk"), dir.path().join("archives"));
        assert!(same_folder(&link, &link));
        assert!(!same_folder(&real, &link));
        std::fs::create_dir(&real).expect("a directory");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        assert!(same_folder(&real, &link));
        assert!(!same_folder(dir.path(), &link));
    }
}
