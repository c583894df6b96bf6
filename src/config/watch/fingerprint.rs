//! What the directory looks like from outside: enough to notice any change, cheap enough to take
//! at any time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::config::read::is_ours;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// A file by its identity, its size and its times.
type Stamp = (Identity, u64, (i64, i64), (i64, i64), u32);

/// All files and directories that count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fingerprint {
    pub(super) directories: BTreeMap<PathBuf, Identity>,
    /// What links among them lead over and to, wherever that is.
    pub(super) targets: BTreeSet<Target>,
    files: BTreeMap<PathBuf, Option<Stamp>>,
}

/// Something that a link leads over or to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The directory that it is in; its path has no links.
    pub(super) dir: PathBuf,
    pub(super) identity: Identity,
    pub(super) name: OsString,
}

/// Deeper directories are no configuration.
const DEEPEST: usize = 16;
/// More links, one after another, are not followed: the kernel gives up as well.
const MOST_HOPS: usize = 40;

impl Fingerprint {
    pub(super) fn of(dir: &Path) -> Self {
        let mut found = Self::default();
        found.add(dir, &mut Vec::new());
        found
    }

    /// Whether there is a directory at all.
    pub(super) fn is_there(&self) -> bool {
        !self.directories.is_empty()
    }

    /// Whether what is to be watched is the same.
    pub(super) fn has_places_of(&self, other: &Self) -> bool {
        (&self.directories, &self.targets) == (&other.directories, &other.targets)
    }

    fn add(&mut self, dir: &Path, above: &mut Vec<Identity>) {
        let Ok(meta) = fs::metadata(dir) else { return };
        let identity = (meta.dev(), meta.ino());
        if !meta.is_dir() || above.contains(&identity) || above.len() > DEEPEST {
            return;
        }
        self.directories.insert(dir.to_owned(), identity);
        let Ok(entries) = fs::read_dir(dir) else { return };
        above.push(identity);
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let path = entry.path();
            let meta = fs::metadata(&path).ok();
            let is_dir = meta.as_ref().is_some_and(fs::Metadata::is_dir);
            if (is_dir || is_ours(name)) && entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                trace(dir, name, &mut self.targets);
            }
            if is_dir {
                self.add(&path, above);
            } else if is_ours(name) {
                let stamp = meta.map(|meta| {
                    let modified = (meta.mtime(), meta.mtime_nsec());
                    let changed = (meta.ctime(), meta.ctime_nsec());
                    ((meta.dev(), meta.ino()), meta.len(), modified, changed, meta.mode())
                });
                self.files.insert(path, stamp);
            }
        }
        above.pop();
    }
}

/// Follows a link by hand: every link on its way, and where it ends, or where nothing is yet.
fn trace(dir: &Path, name: &str, targets: &mut BTreeSet<Target>) {
    let Ok(mut here) = fs::canonicalize(dir) else { return };
    let mut ahead: VecDeque<OsString> = VecDeque::from([name.into()]);
    let mut hops = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let path = here.join(&name);
        let link = fs::read_link(&path).ok();
        let is_end = ahead.is_empty() || fs::symlink_metadata(&path).is_err();
        if link.is_some() || is_end {
            let Ok(meta) = fs::metadata(&here) else { return };
            targets.insert(Target { dir: here.clone(), identity: (meta.dev(), meta.ino()), name });
        }
        let Some(link) = link else {
            if is_end {
                return;
            }
            here = path;
            continue;
        };
        hops += 1;
        if hops > MOST_HOPS {
            return;
        }
        for part in link.components().rev() {
            match part {
                Component::Normal(_) | Component::ParentDir => {
                    ahead.push_front(part.as_os_str().to_owned());
                }
                Component::RootDir => here = PathBuf::from("/"),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }
}
