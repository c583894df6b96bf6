//! Which file system a path lies on: asked at every look, and remembered while it does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use crate::location::standing::FileSystem;
use crate::patience::Asker;

/// How long a source may take. There may be many, and nothing depends on the answer of any.
const LIMIT: Duration = Duration::from_secs(2);

/// How long it may take while a run waits for it: one that is mounted at the first touch takes long.
const LIMIT_OF_A_RUN: Duration = Duration::from_secs(10);

/// The file systems of sources and locations.
#[derive(Debug)]
pub(crate) struct Devices {
    asker: Asker<Option<u64>>,
    /// What was seen last. A path that hangs is where it was: else a copy on its disk would count.
    known: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Default for Devices {
    fn default() -> Self {
        let device = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.dev());
        Self { asker: Asker::with_limit(LIMIT, device), known: Mutex::default() }
    }
}

impl Devices {
    /// Asks about these sources. What is known of them, and of the locations of which this was
    /// `seen`.
    pub(crate) fn look(
        &self,
        sources: &BTreeSet<&Path>,
        seen: &[(&Path, FileSystem)],
    ) -> BTreeMap<PathBuf, u64> {
        let sources: Vec<&Path> = sources.iter().copied().collect();
        let answers = self.asker.ask_all(&sources);
        let mut known = self.known.lock();
        let sources = sources.into_iter().zip(answers).map(|(path, answer)| match answer {
            Some(Some(device)) => (path, FileSystem::Known(device)),
            Some(None) => (path, FileSystem::Nothing),
            None => (path, FileSystem::Silent),
        });
        let mut now = BTreeMap::new();
        for (path, file_system) in sources.chain(seen.iter().copied()) {
            let device = match file_system {
                FileSystem::Known(device) => Some(device),
                FileSystem::Nothing => None,
                FileSystem::Silent => known.get(path).copied(),
            };
            now.extend(device.map(|device| (path.to_owned(), device)));
        }
        known.clone_from(&now);
        now
    }

    /// Whether a source answers a run that wants to read it.
    pub(crate) fn answers(&self, source: &Path) -> bool {
        self.asker.ask_for(LIMIT_OF_A_RUN, source).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_source_that_hangs_is_on_the_disk_where_it_was() {
        let (hangs, held) = mpsc::channel::<u64>();
        let held = Mutex::new(held);
        let asker = Asker::with_limit(Duration::from_millis(20), move |_| held.lock().recv().ok());
        let devices = Devices { asker, known: Mutex::default() };
        let source = Path::new("/srv/data");
        let look = || devices.look(&[source].into(), &[]).get(source).copied();
        assert_eq!(look(), None, "nothing was ever known of it");
        hangs.send(7).unwrap();
        while look() != Some(7) {
            std::thread::yield_now();
        }
        assert_eq!(look(), Some(7), "it hangs again");
        drop(hangs);
        while look().is_some() {
            std::thread::yield_now();
        }
    }
}
