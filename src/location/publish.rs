//! Publishing: a written file becomes an archive, in one step that replaces nothing.
//!
//! In this order: the file is flushed; an intent says which names are about to be taken; both
//! descriptions are written, flushed and take their names; **the archive takes its name, and that
//! is the commit point**; the directory is flushed; the intent is removed. A crash before the
//! commit point leaves descriptions without an archive, and the intent tells the
//! [sweep](super::sweep) that they are no history but left-overs.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::names::{self, Files};
use super::{ArchiveStore, Incoming, LocationError, Writer, sidecar};
use crate::durable;
use crate::model::archive::{Archive, ArchiveId};
use crate::model::name::ArchiveName;

/// What stands behind the writer in an intent's file name.
pub(super) const INTENT: &str = ".intent.json";

/// Which names somebody is about to take.
#[derive(Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) id: uuid::Uuid,
    pub(super) name: String,
    /// YunoHost's description, since it does not say whose it is.
    pub(super) info: String,
}

pub(super) fn publish(
    folder: &Folder,
    incoming: &Incoming,
    archive: &Archive,
    info_json: &[u8],
) -> Result<(), LocationError> {
    folder.require()?;
    let intent = intent_path(folder, incoming.writer);
    let result = write_down(folder, incoming, archive, info_json, &intent)
        .and_then(|()| take_names(folder, incoming, archive, info_json));
    if let Err(error) = result {
        // The first error is the one to tell; what cannot be removed now is swept later.
        match incoming.writer {
            Writer::Run(run) => drop(folder.discard(run)),
            // It came over a network, and can be published later as it is.
            Writer::Upload(_) => {}
        }
        let _ = folder.remove_if_there(&intent);
        return Err(error);
    }
    folder.sync(&folder.path)?;
    // The archive is there and durable: a left-over intent changes nothing.
    let _ = folder.remove_if_there(&intent);
    Ok(())
}

/// Everything that must be durable before the first name is taken.
fn write_down(
    folder: &Folder,
    incoming: &Incoming,
    archive: &Archive,
    info_json: &[u8],
    intent: &Path,
) -> Result<(), LocationError> {
    check_file(folder, incoming, archive.file_size)?;
    let access = durable::set_access(&incoming.file, &incoming.path, folder.access());
    folder.io("set the mode of", &incoming.path, access)?;
    let flushed = durable::sync_file(&incoming.file, &incoming.path);
    folder.io("flush", &incoming.path, flushed)?;

    let taken = names::archive_taken(&folder.path, &archive.name);
    if folder.io("look into", &folder.path, taken)? {
        return Err(folder.taken(&archive.name));
    }
    let text = serde_json::to_vec(&Intent {
        id: archive.id.0,
        name: archive.name.to_string(),
        info: String::from_utf8_lossy(info_json).into_owned(),
    })
    .expect("strings are JSON");
    folder.remove_if_there(intent)?;
    folder.io("write", intent, durable::write_new(intent, &text, 0o600))?;
    folder.sync(&folder.incoming_dir())
}

fn check_file(folder: &Folder, incoming: &Incoming, expected: u64) -> Result<(), LocationError> {
    let path = &incoming.path;
    let open = folder.io("look at", path, incoming.file.metadata())?;
    let named = folder.io("look at", path, fs::symlink_metadata(path))?;
    if (open.dev(), open.ino()) != (named.dev(), named.ino()) {
        return Err(LocationError::Gone { path: path.clone() });
    }
    if open.len() != expected || expected == 0 {
        let (path, actual) = (path.clone(), open.len());
        return Err(LocationError::Incomplete { path, actual, expected });
    }
    Ok(())
}

/// The descriptions and then the archive; an error takes back what was taken before.
fn take_names(
    folder: &Folder,
    incoming: &Incoming,
    archive: &Archive,
    info_json: &[u8],
) -> Result<(), LocationError> {
    let files = Files::of(archive, &folder.path);
    let text = sidecar::to_text(archive);
    let left_over = match folder.owner(&files.sidecar) {
        Ok(owner) => owner.is_some_and(|id| id == archive.id),
        Err(LocationError::Foreign { .. }) => false,
        Err(error) => return Err(error),
    };
    let mut taken: Vec<&PathBuf> = Vec::new();
    let descriptions = [(&files.sidecar, text.as_bytes()), (&files.info, info_json)];
    let result = descriptions
        .into_iter()
        .try_for_each(|(path, bytes)| {
            place(folder, incoming.writer, path, bytes, left_over)
                .map_err(|error| folder.name_error(error, path, &archive.name))?;
            taken.push(path);
            Ok(())
        })
        .and_then(|()| folder.sync(&folder.path))
        .and_then(|()| {
            durable::publish_new(&incoming.path, &files.tar)
                .map_err(|error| folder.name_error(error, &files.tar, &archive.name))
        });
    // Where the error came after the step was taken, the archive is there, whole.
    let uncommitted = result.is_err() && folder.is_there(&incoming.path).unwrap_or(false);
    if uncommitted {
        for path in taken.into_iter().rev() {
            let _ = folder.remove_if_there(path);
        }
        let _ = folder.sync(&folder.path);
    }
    result
}

/// Writes a description and gives it its name. Only what an interrupted attempt at the same
/// archive left (`left_over`) is replaced.
fn place(
    folder: &Folder,
    writer: Writer,
    path: &Path,
    bytes: &[u8],
    left_over: bool,
) -> io::Result<()> {
    if left_over {
        return durable::write_atomic(path, bytes, folder.access());
    }
    let temporary = folder.hidden(&format!("{writer}.description{}", durable::TEMPORARY));
    let result = durable::write_new(&temporary, bytes, folder.access())
        .and_then(|()| durable::publish_new(&temporary, path));
    if result.is_err() && temporary.exists() {
        let _ = durable::remove(&temporary);
    }
    result
}

/// Writes the description beside a file of another program.
pub(super) fn adopt(folder: &Folder, archive: &Archive) -> Result<(), LocationError> {
    let files = Files::of(archive, &folder.path);
    match fs::symlink_metadata(&files.tar) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(super::folder::foreign(&files.tar, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(LocationError::Gone { path: files.tar });
        }
        Err(error) => return Err(folder.failed("look at", &files.tar, error)),
    }
    folder.hidden_dir(&folder.incoming_dir())?;
    let id = archive.id;
    let temporary = folder.hidden(&format!("{id}{}", durable::TEMPORARY));
    let text = sidecar::to_text(archive);
    let result = durable::write_new(&temporary, text.as_bytes(), folder.access())
        .and_then(|()| durable::publish_new(&temporary, &files.sidecar));
    if let Err(error) = result {
        let _ = folder.remove_if_there(&temporary);
        return Err(folder.name_error(error, &files.sidecar, &archive.name));
    }
    folder.sync(&folder.path)
}

pub(super) fn intent_path(folder: &Folder, writer: Writer) -> PathBuf {
    folder.hidden(&format!("{writer}{INTENT}"))
}

/// Removes the descriptions of an archive that was announced and never got its name. Says
/// whether there were any.
pub(super) fn take_back(folder: &Folder, intent: &Intent) -> Result<bool, LocationError> {
    let Ok(name) = intent.name.parse::<ArchiveName>() else { return Ok(false) };
    for dir in [&folder.path, &folder.trash_dir()] {
        let committed = names::archive_taken(dir, &name);
        if folder.io("look into", dir, committed)? {
            return Ok(false);
        }
    }
    let sidecar = folder.path.join(format!("{name}{}", sidecar::EXTENSION));
    if !matches!(folder.owner(&sidecar), Ok(Some(id)) if id == ArchiveId(intent.id)) {
        return Ok(false);
    }
    let info = folder.path.join(format!("{name}{}", names::INFO));
    if fs::read(&info).is_ok_and(|text| text == intent.info.as_bytes()) {
        folder.remove_if_there(&info)?;
    }
    folder.remove_if_there(&sidecar)?;
    folder.sync(&folder.path)?;
    Ok(true)
}

/// An intent in `.incoming`; `None` for one that a crash left unreadable: then no name was taken.
pub(super) fn read_intent(path: &Path) -> io::Result<Option<Intent>> {
    Ok(serde_json::from_reader(io::BufReader::new(File::open(path)?)).ok())
}

impl Folder {
    fn name_error(&self, error: io::Error, path: &Path, name: &ArchiveName) -> LocationError {
        if error.kind() == io::ErrorKind::AlreadyExists {
            self.taken(name)
        } else {
            self.failed("give its name to", path, error)
        }
    }
}
