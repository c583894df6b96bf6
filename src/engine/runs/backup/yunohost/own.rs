//! Which archives are YunoHost's own files, so that it deletes them and not we.

use std::io;

use crate::location::ArchiveStore;
use crate::model::archive::{Archive, Condition, How};
use crate::model::job::JobType;
use crate::yunohost::{self, YunohostError};

use super::{by_yunohost, failure};
use crate::engine::core::Core;
use crate::engine::runs::context::Failure;

/// Whether an archive can be a file that YunoHost made where it is. Copies are ordinary files.
fn may_be(archive: &Archive) -> bool {
    let is_copy = match archive.how {
        How::Received { .. } | How::Copied { .. } => true,
        How::Scheduled | How::Manual | How::Adopted => false,
    };
    let is_its_type = match archive.job_type {
        JobType::YnhApp | JobType::YnhSystem => true,
        JobType::CustomDir | JobType::Mysql | JobType::Postgresql => false,
    };
    let is_there = match archive.condition {
        Condition::Present | Condition::Corrupt | Condition::Unavailable => true,
        Condition::Lost | Condition::Trashed { .. } => false,
    };
    is_its_type && is_there && !is_copy
}

/// Whether an archive is YunoHost's own file. It is asked, since it may have an archive of the
/// same name somewhere else. One that is gone was its own, and a deletion of it got that far.
pub(crate) fn is_its_own(core: &Core, archive: &Archive) -> Result<bool, Failure> {
    if !may_be(archive) {
        return Ok(false);
    }
    let Some(folder) = core.folder(&archive.location) else { return Ok(false) };
    let (name, path) = (archive.name.as_str(), folder.path_of(archive));
    if is_gone(&path) {
        return Ok(true);
    }
    let ask = || -> Result<bool, YunohostError> {
        if !yunohost::archives(&core.stop)?.iter().any(|listed| listed == name) {
            return Ok(false);
        }
        let theirs = yunohost::path_of(name, &core.stop)?.canonicalize().ok();
        Ok(theirs.is_some() && theirs == path.canonicalize().ok())
    };
    ask().map_err(|error| {
        let mut failure = failure(&error);
        failure.summary = format!("`{name}` is left alone: {}", failure.summary);
        failure
    })
}

/// Deletes an archive that is YunoHost's own, and our description of it. There is no way back.
pub(crate) fn delete(
    core: &Core,
    store: &dyn ArchiveStore,
    archive: &Archive,
) -> Result<(), Failure> {
    if let Some(folder) = core.folder(&archive.location) {
        let path = folder.path_of(archive);
        if !is_gone(&path) {
            by_yunohost(archive.name.as_str(), &path, &core.stop, &mut |line| {
                tracing::debug!(archive = %archive.name, "{line}");
            })?;
        }
    }
    Ok(store.unlink(archive)?)
}

fn is_gone(path: &std::path::Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
