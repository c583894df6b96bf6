//! The kernel's events: hints that it is worth looking.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;

use super::fingerprint::{Fingerprint, Identity, Target};

/// What the watching thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Something that may matter has happened.
    Touched,
    /// Nobody watches any longer.
    Stop,
}

/// Most directories that are watched because links lead into them. With more, looking often has to
/// do: the kernel's watches are counted, and are for others too.
const MOST_BEYOND: usize = 256;

/// Paths that matter wherever they are: what links lead over and to.
type Targets = Arc<Mutex<BTreeSet<PathBuf>>>;

/// Watches the directory, every directory below it, the one that it is in, and those that links
/// lead into.
pub(super) struct Events {
    parent: Option<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Identity>,
    targets: Targets,
    is_complete: bool,
}

impl Events {
    pub(super) fn new(dir: &Path, signals: Sender<Signal>) -> Self {
        let watched_dir = dir.to_owned();
        let targets = Targets::default();
        let known = Arc::clone(&targets);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| matters(&watched_dir, &known, &event)) {
                let _ = signals.send(Signal::Touched);
            }
        });
        Self {
            parent: dir.parent().map(Path::to_owned),
            watcher: watcher.ok(),
            watched: BTreeMap::new(),
            targets,
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
        self.is_complete = beyond(found, &mut wanted, &self.targets);
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

/// Adds the directories that links lead into, and notes what matters there. Whether there was room
/// for all of them.
///
/// The kernel has one watch for a directory, whatever it is called: one that is wanted already is
/// known by the name that it is wanted by.
fn beyond(found: &Fingerprint, wanted: &mut BTreeMap<PathBuf, Identity>, known: &Targets) -> bool {
    let mut names: BTreeMap<Identity, PathBuf> =
        wanted.iter().map(|(path, identity)| (*identity, path.clone())).collect();
    let most = wanted.len() + MOST_BEYOND;
    let mut targets = BTreeSet::new();
    let mut has_room = true;
    for Target { dir, identity, name } in &found.targets {
        if !names.contains_key(identity) {
            if wanted.len() >= most {
                has_room = false;
                continue;
            }
            wanted.insert(dir.clone(), *identity);
            names.insert(*identity, dir.clone());
            // That the directory itself goes away.
            targets.insert(dir.clone());
        }
        targets.extend(names.get(identity).map(|dir| dir.join(name)));
    }
    *known.lock() = targets;
    has_room
}

/// Whether an event can mean that the configuration is another one.
fn matters(dir: &Path, targets: &Targets, event: &notify::Event) -> bool {
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
    let targets = targets.lock();
    event.paths.iter().any(|path| {
        if path == dir || targets.contains(path) {
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
