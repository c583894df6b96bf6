//! The kernel's events: hints that it is worth looking.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::fingerprint::{Fingerprint, Identity};

/// What the watching thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Something that may matter has happened.
    Touched,
    /// Nobody watches any longer.
    Stop,
}

/// Watches the directory, every directory below it, and the one that it is in.
pub(super) struct Events {
    parent: Option<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Identity>,
    is_complete: bool,
}

impl Events {
    pub(super) fn new(dir: &Path, signals: Sender<Signal>) -> Self {
        let watched_dir = dir.to_owned();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| matters(&watched_dir, &event)) {
                let _ = signals.send(Signal::Touched);
            }
        });
        Self {
            parent: dir.parent().map(Path::to_owned),
            watcher: watcher.ok(),
            watched: BTreeMap::new(),
            is_complete: true,
        }
    }

    /// Whether every directory is watched.
    pub(super) fn work(&self) -> bool {
        self.watcher.is_some() && self.is_complete
    }

    /// Watches what is there now and no longer what is gone or was replaced.
    pub(super) fn follow(&mut self, found: &Fingerprint) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted = found.directories.clone();
        if let Some(parent) = &self.parent
            && let Ok(meta) = fs::metadata(parent)
        {
            wanted.insert(parent.clone(), (meta.dev(), meta.ino()));
        }
        let outdated: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|(path, identity)| wanted.get(*path) != Some(identity))
            .map(|(path, _)| path.clone())
            .collect();
        for path in outdated {
            // The kernel has dropped the watch of what is gone: an error says nothing new.
            let _ = watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        self.is_complete = true;
        for (path, identity) in wanted {
            if self.watched.contains_key(&path) {
                continue;
            }
            if watcher.watch(&path, RecursiveMode::NonRecursive).is_ok() {
                self.watched.insert(path, identity);
            } else {
                self.is_complete = false;
            }
        }
    }
}

/// Whether an event can mean that the configuration is another one.
fn matters(dir: &Path, event: &notify::Event) -> bool {
    match event.kind {
        EventKind::Access(_) => return false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => {}
    }
    if event.need_rescan() {
        return true;
    }
    event.paths.iter().any(|path| {
        if path == dir {
            return true;
        }
        // Beside the directory everything else is somebody else's.
        let Ok(below) = path.strip_prefix(dir) else { return false };
        let is_hidden = below.iter().any(|part| {
            part.to_str().is_none_or(|part| part.starts_with('.') || part.ends_with('~'))
        });
        if is_hidden {
            return false;
        }
        let is_file_of_ours = path.extension().is_some_and(|extension| extension == "toml");
        // A directory that is gone cannot be told from a file that is gone, and looking is cheap.
        is_file_of_ours || path.extension().is_none() || path.is_dir()
    })
}
