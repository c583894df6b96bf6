//! What the directory looks like from outside: enough to notice any change, cheap enough to take
//! at any time.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::read::is_ours;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// A file by its identity, its size and its times.
type Stamp = (Identity, u64, (i64, i64), (i64, i64), u32);

/// All files and directories that count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fingerprint {
    pub(super) directories: BTreeMap<PathBuf, Identity>,
    files: BTreeMap<PathBuf, Option<Stamp>>,
}

/// Deeper directories are no configuration.
const DEEPEST: usize = 16;

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
            if meta.as_ref().is_some_and(fs::Metadata::is_dir) {
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
