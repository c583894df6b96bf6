//! Whose archives lie in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::RecoverError;
use crate::location::ArchiveStore as _;
use crate::location::folder::Folder;
use crate::location::is_marked;
use crate::location::sidecar::EXTENSION;
use crate::model::archive::Archive;
use crate::model::desired::Place;
use crate::model::job::CONFIGURATION_JOB;
use crate::model::location::{Codec, Location};
use crate::model::name::InstanceName;
use crate::model::size::Bytes;

/// How deep folders are looked into: a location has a folder for each peer.
const DEPTH: usize = 2;

/// An archive in the folder.
#[derive(Debug, Clone)]
pub struct Copy {
    /// What is known of it.
    pub archive: Archive,
    /// Its file.
    pub file: PathBuf,
}

/// The archives of one instance.
#[derive(Debug, Clone)]
pub struct Found {
    /// Whose they are.
    pub instance: InstanceName,
    /// All of them, oldest first.
    pub copies: Vec<Copy>,
}

impl Found {
    /// The archives of its configuration, oldest first.
    #[must_use]
    pub fn configurations(&self) -> impl DoubleEndedIterator<Item = &Copy> {
        self.copies.iter().filter(|copy| copy.archive.job.as_str() == CONFIGURATION_JOB)
    }

    /// The newest of all.
    #[must_use]
    pub fn newest(&self) -> Option<&Copy> {
        self.copies.last()
    }
}

/// Finds the instances whose archives lie in `dir` or up to two folders below it, those with the
/// newest archive first. What cannot be read is told in the second part.
///
/// # Errors
/// When the folder cannot be read, or holds no archive with a description.
pub fn look(dir: &Path) -> Result<(Vec<Found>, Vec<String>), RecoverError> {
    let trouble = |why: String| RecoverError::Folder { dir: dir.to_owned(), why };
    let dir = &dir.canonicalize().map_err(|error| trouble(error.to_string()))?;
    let mut folders = Vec::new();
    walk(dir, DEPTH, &mut folders).map_err(|error| trouble(error.to_string()))?;
    let mut found: BTreeMap<InstanceName, Vec<Copy>> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut unmarked = None;
    for path in folders {
        let folder = Folder::open(&location(&path), None);
        let scan = match folder.scan() {
            Ok(scan) => scan,
            Err(error) => {
                problems.push(format!("`{}`: {error}", path.display()));
                let count = described(&path);
                if count > 0 && unmarked.is_none() && !is_marked(&path) {
                    unmarked = Some(RecoverError::Unmarked { dir: path, count });
                }
                continue;
            }
        };
        problems.extend(scan.problems);
        for archive in scan.archives {
            let file = folder.path_of(&archive);
            found.entry(archive.origin.clone()).or_default().push(Copy { archive, file });
        }
    }
    let mut found: Vec<Found> = found
        .into_iter()
        .map(|(instance, mut copies)| {
            copies.sort_by_key(|copy| (copy.archive.created_at, copy.archive.id));
            Found { instance, copies }
        })
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.newest().map(|copy| copy.archive.created_at)));
    if found.is_empty() {
        return Err(unmarked.unwrap_or_else(|| RecoverError::Nothing(dir.clone())));
    }
    Ok((found, problems))
}

/// How many descriptions of archives lie in a folder.
fn described(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let is_sidecar = |name: &std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.ends_with(EXTENSION) && !name.starts_with('.'))
    };
    names.filter(is_sidecar).count()
}

/// Makes a directory one that [`look`] finds archives in.
///
/// # Errors
/// It cannot be made or marked.
pub fn make_ready(dir: &Path) -> Result<(), RecoverError> {
    let made = Folder::open(&location(dir), None).ensure();
    made.map(|_| ())
        .map_err(|error| RecoverError::Folder { dir: dir.to_owned(), why: error.to_string() })
}

/// The folder and the visible ones below it; a link is not followed.
fn walk(dir: &Path, depth: usize, folders: &mut Vec<PathBuf>) -> std::io::Result<()> {
    folders.push(dir.to_owned());
    if depth == 0 {
        return Ok(());
    }
    let mut below = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.file_type()?.is_dir() {
            below.push(entry.path());
        }
    }
    below.sort();
    for path in below {
        // A folder that we may not enter holds nothing for us; the first one must be readable.
        let _ = walk(&path, depth - 1, folders);
    }
    Ok(())
}

/// A folder as a location that nobody configured.
fn location(path: &Path) -> Location {
    Location {
        name: "recovery".parse().expect("a name"),
        path: path.to_owned(),
        codec: Codec::None,
        encrypt_to: Vec::new(),
        removable: true,
        require_mount: false,
        min_free: Bytes(0),
        offsite: false,
        identity: None,
        trash: jiff::SignedDuration::ZERO,
        owner: None,
        place: Place::built_in(),
    }
}
