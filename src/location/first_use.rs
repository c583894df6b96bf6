//! Locations that are made by the first run that writes there: somebody who only looks may look
//! before the disk that belongs there is mounted.

use std::sync::atomic::{AtomicBool, Ordering};

use super::folder::Folder;
use super::seen::{self, Inside, Seen};
use super::{LocationError, marker};

/// Why a location without a marker is left as it is.
const TO_BE_MADE: &str = "the first run that writes there makes it";

impl Folder {
    /// The folder of somebody who only looks, as a rule: as long as nothing marks it,
    /// [`ensure`](Self::ensure) leaves it as it is, and [`make`](Self::make) makes it.
    #[must_use]
    pub fn made_on_use(mut self) -> Self {
        self.is_made_on_use = AtomicBool::new(true);
        self
    }

    /// Whether it was never marked, and waits for the first run that writes there.
    #[must_use]
    pub fn is_yet_to_be_made(&self) -> bool {
        self.is_made_on_use.load(Ordering::Relaxed)
            && !self.is_name_space
            && self.recorded().is_none()
    }

    /// Makes the location that was yet to be made, since something is about to be written there.
    /// Returns its marker's id, to be recorded.
    ///
    /// # Errors
    /// As with [`ensure`](Self::ensure).
    pub fn make(&self) -> Result<String, LocationError> {
        self.is_made_on_use.store(false, Ordering::Relaxed);
        self.ensure()
    }

    /// The marker's id of a location that is there already.
    pub(super) fn found_without_making(&self) -> Result<String, LocationError> {
        let found = self.io("look at", &self.path, marker::read(&self.path))?;
        let id = found.ok_or_else(|| self.unavailable(TO_BE_MADE.to_owned()))?;
        self.remember(&id);
        Ok(id)
    }

    /// What is at the path, as it will be: where a directory is yet to be made, it will lie where
    /// the nearest one above it lies.
    pub(super) fn to_be(&self, seen: Seen) -> Seen {
        if !matches!(seen, Seen::Nothing) || !self.is_yet_to_be_made() {
            return seen;
        }
        let mut above = self.path.ancestors().skip(1).filter_map(seen::at);
        match above.find(|seen| !matches!(seen, Seen::Nothing)) {
            // The marker of what is above is none of this one.
            Some(Seen::Directory(inside)) => Seen::Directory(Inside { marker: Ok(None), ..inside }),
            Some(other) => other,
            None => Seen::Nothing,
        }
    }
}
