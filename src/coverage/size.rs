//! How large directories are, as long as that is cheap.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Cover, Item};
use crate::stop::Stop;

/// The most entries that are looked at in one directory.
const ENTRIES: usize = 20_000;
/// The most time for all of them.
const TIME: Duration = Duration::from_secs(3);

/// Measures what no job covers, below the root that was looked at. What would take long stays
/// without a size.
pub fn measure(root: &Path, items: &mut [Item], stop: &Stop) {
    let end = Instant::now() + TIME;
    for item in items.iter_mut().filter(|item| item.cover != Cover::Covered) {
        let Some(path) = &item.path else { continue };
        let below = path.strip_prefix("/").unwrap_or(path);
        item.size = size(&root.join(below), end, stop);
    }
}

fn size(path: &Path, end: Instant, stop: &Stop) -> Option<u64> {
    let mut left = ENTRIES;
    let mut sum = 0;
    let mut waiting = vec![path.to_owned()];
    while let Some(dir) = waiting.pop() {
        if stop.reason().is_some() || Instant::now() > end {
            return None;
        }
        for entry in std::fs::read_dir(&dir).ok()?.flatten() {
            left = left.checked_sub(1)?;
            let metadata = entry.metadata().ok()?;
            sum += metadata.blocks() * 512;
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Some(sum)
}
