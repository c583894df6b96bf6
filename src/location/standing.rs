//! How locations stand: whether they answer, whether they are the ones that were recorded, and
//! how much room there is.
//!
//! **Invariant:** whoever asks has an answer within [`crate::patience::LIMIT`], whatever hangs.

use std::path::Path;
use std::sync::Arc;

use super::LocationError;
use super::folder::Folder;
use super::seen::{self, Inside, Seen};
use crate::model::observed::LocationState;
use crate::patience::Attendant;

/// How a location stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it can be used.
    pub state: LocationState,
    /// What it lies on.
    pub file_system: FileSystem,
}

/// The file system of a path, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// The one with this number.
    Known(u64),
    /// None: nothing is there.
    Nothing,
    /// It does not answer.
    Silent,
}

/// How many locations stand, in their order. Those that do not answer are waited for together.
#[must_use]
pub fn of(folders: &[&Folder]) -> Vec<Standing> {
    let paths: Vec<&Path> = folders.iter().map(|folder| folder.path.as_path()).collect();
    let pairs = folders.iter().zip(seen::at_all(&paths));
    pairs.map(|(folder, seen)| folder.standing(seen)).collect()
}

/// Looks at many places at once: those that do not answer are waited for together, and by nobody
/// who asks for one of them next.
pub fn look_at_all<'a>(places: impl Iterator<Item = &'a Path>) {
    let places: Vec<&Path> = places.collect();
    drop(seen::at_all(&places));
}

impl Folder {
    /// Whether it stands for this path.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// With the attendant of another one that stands for the same place: what was left behind
    /// there is still there.
    #[must_use]
    pub fn attended_as(mut self, other: &Self) -> Self {
        if self.path == other.path {
            self.attendant = Arc::clone(&other.attendant);
        }
        self
    }

    /// Who does work here that may come to hang. While something of it is left behind, the location
    /// is not available.
    #[must_use]
    pub fn attendant(&self) -> &Arc<Attendant> {
        &self.attendant
    }

    /// An error unless the folder is the one that was recorded.
    pub(super) fn require(&self) -> Result<(), LocationError> {
        self.inside().map(drop).map_err(|reason| self.unavailable(reason))
    }

    /// An error where the place does not answer at all.
    pub(super) fn require_answer(&self) -> Result<(), LocationError> {
        let seen = self.answer(|| seen::at(&self.path));
        seen.map(drop).map_err(|reason| self.unavailable(reason))
    }

    pub(super) fn state_now(&self) -> LocationState {
        self.state_of(self.inside())
    }

    pub(super) fn free(&self) -> u64 {
        self.inside().ok().and_then(|inside| inside.room.ok()).map_or(0, |room| room.free)
    }

    /// What the folder shows of itself; or why it cannot be used.
    fn inside(&self) -> Result<Inside, String> {
        self.answer(|| seen::at(&self.path)).and_then(|seen| self.inside_of(self.to_be(seen)))
    }

    /// What is at the path; or that it does not answer.
    fn answer(&self, look: impl FnOnce() -> Option<Seen>) -> Result<Seen, String> {
        let seen = if self.attendant.is_left_behind() { None } else { look() };
        seen.ok_or_else(|| format!("`{}` does not answer", self.path.display()))
    }

    fn inside_of(&self, seen: Seen) -> Result<Inside, String> {
        if let Some(twin) = self.twin.lock().as_ref() {
            let path = self.path.display();
            return Err(format!("`{path}` is the folder of location `{twin}`, or a copy of it"));
        }
        let recorded = self.recorded();
        if self.is_yet_to_be_made() {
            return seen.inside_unmarked(&self.path, self.require_mount);
        }
        seen.inside(&self.path, self.require_mount, recorded.as_deref())
    }

    fn standing(&self, seen: Option<Seen>) -> Standing {
        let seen = self.answer(|| seen).map(|seen| self.to_be(seen));
        let file_system = match &seen {
            Ok(seen) => seen.device().map_or(FileSystem::Nothing, FileSystem::Known),
            Err(_) => FileSystem::Silent,
        };
        let inside = seen.and_then(|seen| self.inside_of(seen));
        Standing { state: self.state_of(inside), file_system }
    }

    fn state_of(&self, inside: Result<Inside, String>) -> LocationState {
        let inside = match inside {
            Ok(inside) => inside,
            Err(reason) => return LocationState::Unavailable(reason),
        };
        if let Some(reason) = self.suspect.lock().clone() {
            return LocationState::Suspect(reason);
        }
        match inside.room {
            Err(error) => LocationState::Suspect(format!("its size cannot be told: {error}")),
            Ok(room) if room.is_read_only => {
                LocationState::Suspect("its file system is mounted read-only".to_owned())
            }
            Ok(room) => LocationState::Available { free: room.free, total: room.total },
        }
    }
}
