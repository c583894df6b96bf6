//! What a restore could make of an archive that another program made: asked before it is adopted.

use std::fs::File;
use std::path::Path;

use super::Trouble;
use super::files::{self, FilesError};
use super::original::whereabouts;
use crate::archive::{OpenError, Survey, directory_prefix};
use crate::model::job::{Job, JobSource};
use crate::model::location::Codec;
use crate::stop::Stop;

/// Where what is in such an archive can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// To where the job's own archives go: it is as good as one of them.
    Home,
    /// Below another directory only; with the reason.
    Elsewhere(String),
}

/// Where what is in the archive at `path`, open as `file`, can go as one of a job.
///
/// # Errors
/// When no restore would take it, when it cannot be read, and when somebody asked to stop.
pub fn takes(
    file: &File,
    path: &Path,
    codec: Codec,
    survey: &Survey,
    job: &Job,
    stop: &Stop,
) -> Result<Takes, Trouble> {
    let original = files::Original {
        file,
        codec,
        identity: None,
        sha256: survey.file_sha256,
        size: survey.file_size,
        content_size: None,
    };
    let judge = |prefix: &[u8]| match files::judge(&original, prefix, stop) {
        Ok(()) => Ok(Ok(())),
        Err(FilesError::Stopped(stopped) | FilesError::Original(OpenError::Stopped(stopped))) => {
            Err(Trouble::from(stopped))
        }
        Err(error) => Ok(Err(Trouble::of(&error))),
    };
    let dump = |prefix: &[u8]| {
        judge(prefix)?.map(|()| Takes::Home).map_err(|trouble| {
            Trouble::new(format!("it holds no dump as job `{}` makes them: {trouble}", job.name))
                .hint("nothing was changed; adopted for a job of type `custom_dir`, its files can be laid elsewhere: `larder restore NAME --to DIR`")
        })
    };
    let source = match &job.source {
        JobSource::CustomDir(dir) => &dir.source_path,
        JobSource::Mysql(_) => return dump(b"data/mysql"),
        JobSource::Postgresql(_) => return dump(b"data/postgresql"),
        JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } if survey.has_info => {
            return Ok(Takes::Home);
        }
        JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => {
            return Err(Trouble::new("it is none of YunoHost's: it has no `info.json`")
                .hint("nothing was changed; adopted for a job of type `custom_dir`, its files can be laid elsewhere: `larder restore NAME --to DIR`"));
        }
    };
    if judge(&directory_prefix(source))?.is_ok() {
        return Ok(Takes::Home);
    }
    let was = match whereabouts(path, codec, None, Some(source), stop) {
        Ok(was) => was,
        Err(OpenError::Stopped(stopped)) => return Err(stopped.into()),
        Err(error) => return Err(Trouble::of(&error)),
    };
    let (prefix, why) = match &was {
        Some(was) => (
            directory_prefix(was),
            format!(
                "it is of `{}`, and the source of the job is `{}`",
                was.display(),
                source.display()
            ),
        ),
        None => (
            Vec::new(),
            "larder did not make it, and its members have names of their own".to_owned(),
        ),
    };
    judge(&prefix)?.map(|()| Takes::Elsewhere(why)).map_err(|trouble| {
        trouble.hint("nothing was changed; unpack it by hand, where it can do no harm, and pack it anew with names that are relative: `tar -C DIR -cf FILE .`")
    })
}
