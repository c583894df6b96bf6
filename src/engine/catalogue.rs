//! The archives that are known, in memory, written through to the sidecar and to the state.
//!
//! **Invariants:** every change of an archive's record goes through here, one after the other, so that
//! a verification that ends and a pin that is set at the same time cannot undo each other; nobody who
//! looks waits for a disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::location::{ArchiveStore, LocationError};
use crate::model::archive::{Archive, Condition};
use crate::model::name::PlaceName;
use crate::model::observed::{Foreign, LocationState};
use crate::state::{State, StateError, Transaction};

use super::ArchiveKey;
use super::doors::Doors;

/// Why a record could not be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    /// There is no such copy.
    #[error("no archive {0} at `{1}`")]
    Unknown(crate::model::archive::ArchiveId, PlaceName),
    /// The sidecar could not be written.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The state could not be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The archives and foreign files of every location.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    inner: Mutex<Inner>,
    /// Held while a sidecar is replaced: never together with what is above, which nobody may keep
    /// while a disk is at work.
    changing: Doors,
}

#[derive(Debug, Default)]
struct Inner {
    archives: BTreeMap<ArchiveKey, Archive>,
    foreign: BTreeMap<PlaceName, Vec<Foreign>>,
}

impl Catalogue {
    /// A catalogue of the records that the state remembers.
    pub(crate) fn new(archives: Vec<Archive>) -> Self {
        let archives = archives.into_iter().map(|archive| (key_of(&archive), archive)).collect();
        let inner = Mutex::new(Inner { archives, foreign: BTreeMap::new() });
        Self { inner, changing: Doors::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in a run must not take the catalogue with it: each change below is one assignment.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All archives, to look at: without the tables of their jobs, which are most of a record and
    /// matter only where it is written.
    pub(crate) fn archives(&self) -> Vec<Archive> {
        let lean = |archive: &Archive| Archive { job_json: None, ..archive.clone() };
        self.lock().archives.values().map(lean).collect()
    }

    /// The archives that `wanted` says, and no copy of any other.
    pub(crate) fn select(&self, wanted: impl Fn(&Archive) -> bool) -> Vec<Archive> {
        self.lock().archives.values().filter(|archive| wanted(archive)).cloned().collect()
    }

    /// All foreign files.
    pub(crate) fn foreign(&self) -> Vec<Foreign> {
        self.lock().foreign.values().flatten().cloned().collect()
    }

    /// One copy.
    pub(crate) fn get(&self, key: &ArchiveKey) -> Option<Archive> {
        self.lock().archives.get(key).cloned()
    }

    /// Whether a location's name is taken by an archive of the catalogue.
    pub(crate) fn has_name(&self, location: &PlaceName, name: &str) -> bool {
        self.lock()
            .archives
            .values()
            .any(|archive| archive.location == *location && archive.name.as_str() == name)
    }

    /// Records an archive whose file and sidecar are in place.
    pub(crate) fn put(&self, state: &State, archive: Archive) -> Result<(), StateError> {
        let mut inner = self.lock();
        state.put_archive(&archive)?;
        inner.archives.insert(key_of(&archive), archive);
        Ok(())
    }

    /// Records many archives at once, with what else `also` writes.
    pub(crate) fn put_all(
        &self,
        state: &State,
        archives: Vec<Archive>,
        also: impl FnOnce(&mut Transaction<'_>) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut inner = self.lock();
        state.commit(|txn| {
            also(txn)?;
            archives.iter().try_for_each(|archive| txn.put_archive(archive))
        })?;
        inner.archives.extend(archives.into_iter().map(|archive| (key_of(&archive), archive)));
        Ok(())
    }

    /// Forgets an archive that is gone for good.
    pub(crate) fn drop(&self, state: &State, key: &ArchiveKey) -> Result<(), StateError> {
        let mut inner = self.lock();
        state.drop_archive(key.id, &key.location)?;
        inner.archives.remove(key);
        Ok(())
    }

    /// Changes a record, in its sidecar first and then in the state.
    pub(crate) fn modify(
        &self,
        state: &State,
        store: &dyn ArchiveStore,
        key: &ArchiveKey,
        change: impl Fn(&mut Archive),
    ) -> Result<Archive, CatalogueError> {
        let unknown = || CatalogueError::Unknown(key.id, key.location.clone());
        let _changing = self.changing.enter(&key.location, || match store.state() {
            LocationState::Available { .. } | LocationState::Suspect(_) => Ok(()),
            LocationState::Unavailable(reason) => {
                Err(LocationError::Unavailable { location: key.location.clone(), reason })
            }
        })?;
        let mut archive = self.get(key).ok_or_else(unknown)?;
        change(&mut archive);
        store.update(&archive)?;
        // What else became of it meanwhile stays.
        let mut inner = self.lock();
        let mut archive = inner.archives.get(key).cloned().ok_or_else(unknown)?;
        change(&mut archive);
        state.put_archive(&archive)?;
        inner.archives.insert(key.clone(), archive.clone());
        Ok(archive)
    }

    /// Changes a record where its sidecar cannot or need not say so (its condition).
    pub(crate) fn set_condition(
        &self,
        state: &State,
        key: &ArchiveKey,
        condition: Condition,
    ) -> Result<(), StateError> {
        let mut inner = self.lock();
        let Some(archive) = inner.archives.get_mut(key) else { return Ok(()) };
        if archive.condition == condition {
            return Ok(());
        }
        let changed = Archive { condition, ..archive.clone() };
        state.put_archive(&changed)?;
        *archive = changed;
        Ok(())
    }

    /// The foreign files of a location.
    pub(crate) fn foreign_at(&self, location: &PlaceName) -> Vec<Foreign> {
        self.lock().foreign.get(location).cloned().unwrap_or_default()
    }

    /// Sets the foreign files of a location.
    pub(crate) fn set_foreign(&self, location: &PlaceName, files: Vec<Foreign>) {
        self.lock().foreign.insert(location.clone(), files);
    }

    /// Drops one of a location's foreign files: it was adopted, or is not there any more.
    pub(crate) fn forget_foreign(&self, location: &PlaceName, file_name: &str) {
        if let Some(files) = self.lock().foreign.get_mut(location) {
            files.retain(|file| file.file_name != file_name);
        }
    }

    /// Copies what a location's state means for its archives: nothing is known of those at a
    /// place that is not there, and what was only out of reach is there again when the place is.
    pub(crate) fn apply_location_states(&self, states: &BTreeMap<PlaceName, LocationState>) {
        for archive in self.lock().archives.values_mut() {
            let there = matches!(
                states.get(&archive.location),
                Some(LocationState::Available { .. } | LocationState::Suspect(_))
            );
            match archive.condition {
                Condition::Present if !there => archive.condition = Condition::Unavailable,
                Condition::Unavailable if there => archive.condition = Condition::Present,
                Condition::Present
                | Condition::Unavailable
                | Condition::Corrupt
                | Condition::Lost
                | Condition::Trashed { .. } => {}
            }
        }
    }
}

/// Which copy a record is of.
pub(crate) fn key_of(archive: &Archive) -> ArchiveKey {
    ArchiveKey { id: archive.id, location: archive.location.clone() }
}
