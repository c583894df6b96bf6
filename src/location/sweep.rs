//! What a crash left: finished where somebody had begun, removed where nobody owns it.
//!
//! **Invariants:** no archive is ever removed here, in the folder or in the trash; nothing is touched
//! that another instance, which shares the folder, may have under way ([`super::signer`]).

use std::fs;
use std::io;
use std::path::Path;

use super::folder::Folder;
use super::names::{self, Files, Kind};
use super::signer::is_forgotten;
use super::{ArchiveStore, LocationError, Writer, publish, repair, scan, trash};
use crate::durable;
use crate::model::archive::Archive;

pub(super) fn sweep(folder: &Folder, keep: &[Writer]) -> Result<Vec<String>, LocationError> {
    let mut done = Vec::new();
    sweep_incoming(folder, keep, &mut done)?;
    folder.sweep_landings(keep, &mut done)?;
    repair_trash(folder, &mut done)?;
    repair::forget_damaged(folder, &mut done)?;
    for dir in [&folder.path, &folder.trash_dir()] {
        for name in file_names(folder, dir)? {
            let is_temporary = name.starts_with('.') && name.ends_with(durable::TEMPORARY);
            if is_temporary && is_left_over(folder, dir, &name) {
                folder.remove_if_there(&dir.join(&name))?;
                done.push(format!("removed the temporary file `{name}`"));
            }
        }
    }
    Ok(done)
}

/// Whether a temporary file is one that nobody goes on with: who shares the folder writes those of
/// his own archives alone.
fn is_left_over(folder: &Folder, dir: &Path, name: &str) -> bool {
    // On its way into the trash or back, an archive is described on one side only.
    let describes_ours = |sidecar: &str| {
        [&folder.path, &folder.trash_dir()].into_iter().any(|dir| {
            let described = scan::read_sidecar(&dir.join(sidecar), &folder.name);
            described.is_ok_and(|archive| folder.is_changed_by_us_alone(&archive.origin))
        })
    };
    let is_ours = || {
        let file = durable::behind_temporary(name);
        let sidecar = file.filter(|file| matches!(names::split(file), Some((_, Kind::Sidecar))));
        folder.is_not_shared() || sidecar.is_some_and(describes_ours)
    };
    let path = dir.join(name);
    !durable::is_busy_with(&path) && (is_ours() || is_forgotten(&path))
}

fn sweep_incoming(
    folder: &Folder,
    keep: &[Writer],
    done: &mut Vec<String>,
) -> Result<(), LocationError> {
    let dir = folder.incoming_dir();
    let mut names = file_names(folder, &dir)?;
    names.retain(|name| {
        let Some(name) = folder.sweepable(&dir, name) else { return false };
        let writer = name.split('.').next().and_then(|writer| writer.parse().ok());
        writer.is_none_or(|writer| !keep.contains(&writer))
    });
    // Intents first: while one is there, the descriptions that it names can be told from history.
    names.sort_by_key(|name| !name.ends_with(publish::INTENT));
    for name in names {
        let path = dir.join(&name);
        if name.ends_with(publish::INTENT)
            && let Some(intent) = folder.io("read", &path, publish::read_intent(&path))?
            && publish::take_back(folder, &intent)?
        {
            done.push(format!("removed the description of `{}`, never published", intent.name));
        }
        folder.remove_if_there(&path)?;
        done.push(format!("removed `{name}`, which no run owns"));
    }
    Ok(())
}

fn repair_trash(folder: &Folder, done: &mut Vec<String>) -> Result<(), LocationError> {
    let dir = folder.trash_dir();
    for name in file_names(folder, &dir)? {
        let Some((_, Kind::Sidecar)) = names::split(&name) else { continue };
        let path = dir.join(&name);
        let archive = match scan::read_sidecar(&path, &folder.name) {
            Ok(archive) => archive,
            Err(scan::Unreadable::Io(error)) => return Err(folder.failed("read", &path, error)),
            // The scan reports it.
            Err(scan::Unreadable::Sidecar(_)) => continue,
        };
        // Who shares the folder may be just about to move it.
        if folder.is_changed_by_us_alone(&archive.origin) || is_forgotten(&path) {
            repair_trashed(folder, &archive, done)?;
        }
    }
    Ok(())
}

fn repair_trashed(
    folder: &Folder,
    archive: &Archive,
    done: &mut Vec<String>,
) -> Result<(), LocationError> {
    let here = Files::of(archive, &folder.path);
    let there = Files::of(archive, &folder.trash_dir());
    if folder.is_there(&there.tar)? {
        let described_here =
            matches!(folder.owner(&here.sidecar), Ok(Some(id)) if id == archive.id);
        if described_here && !folder.is_there(&here.tar)? {
            trash::clear_here(folder, archive, &here, &there)?;
            done.push(format!("finished moving `{}` into the trash", archive.name));
        }
    } else {
        // It never came, or has gone for good.
        trash::clear_trash(folder, archive, &there)?;
        done.push(format!("removed the description of `{}` from the trash", archive.name));
    }
    Ok(())
}

/// The names of the files in a directory, sorted; none when it is not there.
pub(super) fn file_names(folder: &Folder, dir: &Path) -> Result<Vec<String>, LocationError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => folder.io("list", dir, other)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = folder.io("list", dir, entry)?;
        if entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
