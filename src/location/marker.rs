//! The marker file: by its id a location is recognised, so that an unplugged disk is *not
//! available* and never an empty directory on the root file system.
//!
//! **Invariant:** a directory is made, or marked, only while no marker of it was ever recorded, and
//! never by somebody who only looks.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::durable;

/// The marker's file name.
pub(super) const MARKER: &str = ".larder-location";

#[derive(Serialize, Deserialize)]
struct Marker {
    id: String,
    /// For people who find the disk.
    #[serde(default)]
    note: String,
}

/// The id in a directory's marker; `None` without one.
pub(super) fn read(dir: &Path) -> io::Result<Option<String>> {
    let text = match fs::read(dir.join(MARKER)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let marker: Marker = serde_json::from_slice(&text)?;
    Ok(Some(marker.id))
}

/// Whether a directory has a marker, one that can be read or not.
#[must_use]
pub fn is_marked(dir: &Path) -> bool {
    dir.join(MARKER).symlink_metadata().is_ok()
}

/// Marks a directory and returns the id; the one that is there already, where there is one.
pub(super) fn place(dir: &Path) -> io::Result<String> {
    if let Some(id) = read(dir)? {
        return Ok(id);
    }
    let id = uuid::Uuid::new_v4().to_string();
    let marker = Marker { id: id.clone(), note: "larder knows this folder by this id".to_owned() };
    let text = serde_json::to_vec_pretty(&marker)?;
    let temporary = dir.join(format!("{MARKER}.{id}{}", durable::TEMPORARY));
    durable::write_new(&temporary, &text, 0o600)?;
    if let Err(error) = durable::publish_new(&temporary, &dir.join(MARKER)) {
        // The first error is the one to tell; a left-over is swept at the next start.
        let _ = durable::remove(&temporary);
        return Err(error);
    }
    durable::sync_dir(dir)?;
    Ok(id)
}

/// Makes a directory and those above it that are missing, durably.
pub(super) fn make_dirs(dir: &Path) -> io::Result<()> {
    match durable::make_dir(dir, 0o700) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(above) = dir.parent() else { return Err(error) };
            make_dirs(above)?;
            durable::make_dir(dir, 0o700)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        other => other?,
    }
    dir.parent().map_or(Ok(()), durable::sync_dir)
}

/// Whether a path, or what is there of it, lies on another file system than `/`.
pub(super) fn is_on_a_mount(path: &Path) -> io::Result<bool> {
    let root = fs::metadata("/")?.dev();
    let there = path.ancestors().find(|ancestor| ancestor.exists());
    Ok(fs::metadata(there.unwrap_or(Path::new("/")))?.dev() != root)
}
