//! The file names of an archive, and which names are taken.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::archive::Archive;
use crate::model::name::ArchiveName;

use super::sidecar;

/// What can stand behind an archive's name, longest first.
pub(super) const EXTENSIONS: [&str; 6] =
    [".tar.zst.age", ".tar.gz.age", ".tar.age", ".tar.zst", ".tar.gz", ".tar"];

/// What YunoHost's description has behind the name.
pub(super) const INFO: &str = ".info.json";

/// What a file name says about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An archive, with one of [`EXTENSIONS`].
    Archive(&'static str),
    /// Our description.
    Sidecar,
    /// YunoHost's description.
    Info,
}

/// Splits a file name into the archive's name and the kind of file; `None` for hidden files and
/// all others.
pub(super) fn split(file_name: &str) -> Option<(&str, Kind)> {
    if file_name.starts_with('.') {
        return None;
    }
    if let Some(base) = file_name.strip_suffix(sidecar::EXTENSION) {
        return Some((base, Kind::Sidecar));
    }
    if let Some(base) = file_name.strip_suffix(INFO) {
        return Some((base, Kind::Info));
    }
    let (base, extension) = EXTENSIONS
        .iter()
        .find_map(|extension| Some((file_name.strip_suffix(extension)?, *extension)))?;
    Some((base, Kind::Archive(extension)))
}

/// The three files of an archive in one directory.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) tar: PathBuf,
    pub(super) sidecar: PathBuf,
    pub(super) info: PathBuf,
}

impl Files {
    pub(super) fn of(archive: &Archive, dir: &Path) -> Self {
        let extension = archive.codec.extension(!archive.recipients.is_empty());
        Self {
            tar: dir.join(format!("{}{extension}", archive.name)),
            sidecar: dir.join(format!("{}{}", archive.name, sidecar::EXTENSION)),
            info: dir.join(format!("{}{INFO}", archive.name)),
        }
    }
}

/// Whether an archive of this name is in `dir`, in whatever encoding.
pub(super) fn archive_taken(dir: &Path, name: &ArchiveName) -> io::Result<bool> {
    any_there(dir, name, &EXTENSIONS)
}

/// Whether any file of an archive of this name is in `dir`.
pub(super) fn anything_taken(dir: &Path, name: &ArchiveName) -> io::Result<bool> {
    Ok(archive_taken(dir, name)? || any_there(dir, name, &[sidecar::EXTENSION, INFO])?)
}

fn any_there(dir: &Path, name: &ArchiveName, endings: &[&str]) -> io::Result<bool> {
    for ending in endings {
        if is_there(&dir.join(format!("{name}{ending}")))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a name is taken, be it by a dangling link. Not knowing is an error.
pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_told_apart_and_hidden_files_are_none() {
        assert_eq!(split("a.b.tar"), Some(("a.b", Kind::Archive(".tar"))));
        assert_eq!(split("a.tar.zst.age"), Some(("a", Kind::Archive(".tar.zst.age"))));
        assert_eq!(split("a.tar.gz"), Some(("a", Kind::Archive(".tar.gz"))));
        assert_eq!(split("a.larder.json"), Some(("a", Kind::Sidecar)));
        assert_eq!(split("a.info.json"), Some(("a", Kind::Info)));
        assert_eq!(split(".tar"), None);
        assert_eq!(split("notes.txt"), None);
    }
}
