//! Archives at a host that has no larder: what is there is read from the descriptions beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::location::sidecar;
use crate::model::archive::Archive;
use crate::model::contact::RemoteCopy;
use crate::model::desired::Instance;
use crate::model::name::PlaceName;
use crate::model::upload::FileName;
use crate::peer::PeerError;
use crate::peer::ssh::hold::Hold;
use crate::peer::ssh::rsync::Listed;
use crate::stop::Stop;

/// What stands behind an archive's name in YunoHost's description of it.
pub(in crate::engine) const INFO: &str = ".info.json";

/// The files of a folder there.
#[derive(Debug)]
pub(in crate::engine) struct Folder {
    sizes: BTreeMap<String, u64>,
}

impl Folder {
    /// What is there now.
    pub(in crate::engine) fn look(hold: &Hold<'_>, stop: &Stop) -> Result<Self, PeerError> {
        Ok(Self::of(hold.list(stop)?))
    }

    fn of(files: Vec<Listed>) -> Self {
        Self { sizes: files.into_iter().map(|file| (file.name, file.size)).collect() }
    }

    /// Whether a file is there.
    pub(in crate::engine) fn has(&self, file: &str) -> bool {
        self.sizes.contains_key(file)
    }

    /// Whether anything has this name, in whatever encoding.
    pub(in crate::engine) fn has_name(&self, name: &str) -> bool {
        let dotted = format!("{name}.");
        let mut behind = self.sizes.range(dotted.clone()..);
        behind.next().is_some_and(|(file, _)| file.starts_with(&dotted)) || self.has(name)
    }

    /// The archives that have descriptions: the file of each, and its bytes.
    fn archives(&self) -> impl Iterator<Item = (&str, FileName, u64)> {
        let files = self.sizes.iter();
        let named = files.filter_map(|(file, size)| {
            let name: FileName = file.parse().ok()?;
            Some((file.as_str(), name, *size))
        });
        named.filter(|(_, file, _)| self.has(&described(file.name.as_str())))
    }

    /// The files of an archive, the one that says that it is there first.
    pub(in crate::engine) fn files_of(&self, name: &str) -> Vec<String> {
        let mut files: Vec<String> = Vec::new();
        for (file, is_archive) in
            self.sizes.keys().map(|file| (file, file.parse::<FileName>().ok()))
        {
            if is_archive.is_some_and(|archive| archive.name.as_str() == name) {
                files.push(file.clone());
            }
        }
        let beside = [format!("{name}{INFO}"), described(name)];
        files.extend(beside.into_iter().filter(|file| self.has(file)));
        files
    }
}

/// The file that describes an archive.
pub(in crate::engine) fn described(name: &str) -> String {
    format!("{name}{}", sidecar::EXTENSION)
}

/// The descriptions of these archives, as far as they are there and can be read.
pub(in crate::engine) fn descriptions(
    hold: &Hold<'_>,
    names: &BTreeSet<String>,
    peer: &PlaceName,
    stop: &Stop,
) -> Result<BTreeMap<String, Archive>, PeerError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let dir = scratch()?;
    let files: Vec<String> = names.iter().map(|name| described(name)).collect();
    hold.take(&files, dir.path(), stop)?;
    let read = |name: &String| {
        let archive = read(&dir.path().join(described(name)), peer)?;
        (archive.name.as_str() == name).then(|| (name.clone(), archive))
    };
    Ok(names.iter().filter_map(read).collect())
}

/// What stands beside an archive there, as if it rested at `to`: its description, and what `YunoHost`
/// is told of it. `None` where it is not described any more.
pub(in crate::engine) fn beside(
    hold: &Hold<'_>,
    name: &str,
    to: &PlaceName,
    stop: &Stop,
) -> Result<Option<(Archive, Vec<u8>)>, PeerError> {
    let dir = scratch()?;
    let info = format!("{name}{INFO}");
    hold.take(&[described(name), info.clone()], dir.path(), stop)?;
    let archive = read(&dir.path().join(described(name)), to);
    let info_json = std::fs::read(dir.path().join(info)).unwrap_or_else(|_| b"{}".to_vec());
    Ok(archive.filter(|archive| archive.name.as_str() == name).map(|found| (found, info_json)))
}

/// The name of an archive's own file.
pub(in crate::engine) fn file_name(archive: &Archive) -> String {
    format!("{}{}", archive.name, archive.codec.extension(!archive.recipients.is_empty()))
}

fn scratch() -> Result<tempfile::TempDir, PeerError> {
    tempfile::tempdir().map_err(|source| PeerError::Local {
        what: "cannot make a folder for descriptions".to_owned(),
        source,
    })
}

fn read(path: &Path, peer: &PlaceName) -> Option<Archive> {
    let metadata = path.symlink_metadata().ok()?;
    if !metadata.is_file() || metadata.len() > sidecar::MAX {
        return None;
    }
    sidecar::from_text(&std::fs::read(path).ok()?, peer).ok()
}

/// Our archives that are there. What was known of a file that is as long as it was need not be
/// read again.
pub(in crate::engine) fn copies(
    hold: &Hold<'_>,
    folder: &Folder,
    known: &[RemoteCopy],
    instance: &Instance,
    peer: &PlaceName,
    stop: &Stop,
) -> Result<Vec<RemoteCopy>, PeerError> {
    let mut copies = Vec::new();
    let mut unknown = BTreeMap::new();
    for (_, file, size) in folder.archives() {
        let name = file.name.as_str();
        let before = known.iter().find(|copy| copy.name == name && copy.file_size == size);
        match before.filter(|copy| copy.is_good && copy.file_sha256.is_some()) {
            Some(copy) => copies.push(copy.clone()),
            None => {
                unknown.insert(name.to_owned(), (file, size));
            }
        }
    }
    let names: BTreeSet<String> = unknown.keys().cloned().collect();
    for (name, archive) in descriptions(hold, &names, peer, stop)? {
        let (file, size) = &unknown[&name];
        let is_ours = instance.is_or_was(&archive.origin);
        let is_of_this_file = file.encrypted != archive.recipients.is_empty()
            && file.codec.extension(false) == archive.codec.extension(false);
        if is_ours && is_of_this_file {
            copies.push(RemoteCopy {
                name,
                file_size: *size,
                is_good: *size == archive.file_size && archive.is_good(),
                ..RemoteCopy::of(&archive)
            });
        }
    }
    copies.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> Folder {
        Folder::of(names.iter().map(|name| Listed { name: (*name).to_owned(), size: 1 }).collect())
    }

    #[test]
    fn a_name_is_taken_in_any_encoding_and_by_what_was_left() {
        let folder = folder(&["a.tar.zst", "a.larder.json", "b.info.json", "ab.tar", "c"]);
        for (name, taken) in [("a", true), ("b", true), ("c", true), ("ab", true), ("a-2", false)] {
            assert_eq!(folder.has_name(name), taken, "{name}");
        }
        assert_eq!(folder.files_of("a"), ["a.tar.zst", "a.larder.json"]);
        let described: Vec<&str> = folder.archives().map(|(file, ..)| file).collect();
        assert_eq!(described, ["a.tar.zst"]);
    }
}
