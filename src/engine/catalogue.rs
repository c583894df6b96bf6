//! The archives that are known, in memory, written through to the sidecar and to the state.
//!
//! **Invariants:** every change of an archive's record goes through here, one after the other, so that
//! a verification that ends and a pin that is set at the same time cannot undo each other; nobody who
//! looks waits for a disk.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use crate::causes::with_causes;
use crate::engine::locations::doors::{Doors, Shut, Visitor};
use crate::location::{ArchiveStore, LocationError};
use crate::model::archive::{Archive, Condition, CopyKey};
use crate::model::name::PlaceName;
use crate::model::observed::{Foreign, LocationState};
use crate::state::{State, StateError, Transaction};

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
    /// Another change does not come to an end.
    #[error(transparent)]
    Shut(#[from] Shut),
    /// It was not wanted any more once its sidecar was written.
    #[error("it came too late")]
    Late,
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
    archives: BTreeMap<CopyKey, Archive>,
    foreign: BTreeMap<PlaceName, Vec<Foreign>>,
    /// Copies whose record the state could not take yet.
    unrecorded: BTreeSet<CopyKey>,
}

impl Catalogue {
    /// A catalogue of the records that the state remembers.
    pub(crate) fn new(archives: Vec<Archive>) -> Self {
        let archives = archives.into_iter().map(|archive| (archive.key(), archive)).collect();
        let inner = Mutex::new(Inner { archives, ..Inner::default() });
        Self { inner, changing: Doors::default() }
    }

    /// All archives, to look at: without the tables of their jobs, which are most of a record and
    /// matter only where it is written.
    pub(crate) fn archives(&self) -> Vec<Archive> {
        let lean = |archive: &Archive| Archive { job_json: None, ..archive.clone() };
        self.inner.lock().archives.values().map(lean).collect()
    }

    /// The archives that `wanted` says, and no copy of any other.
    pub(crate) fn select(&self, wanted: impl Fn(&Archive) -> bool) -> Vec<Archive> {
        self.inner.lock().archives.values().filter(|archive| wanted(archive)).cloned().collect()
    }

    /// All foreign files.
    pub(crate) fn foreign(&self) -> Vec<Foreign> {
        self.inner.lock().foreign.values().flatten().cloned().collect()
    }

    /// One copy.
    pub(crate) fn get(&self, key: &CopyKey) -> Option<Archive> {
        self.inner.lock().archives.get(key).cloned()
    }

    /// Whether a location's name is taken by an archive of the catalogue.
    pub(crate) fn has_name(&self, location: &PlaceName, name: &str) -> bool {
        self.inner
            .lock()
            .archives
            .values()
            .any(|archive| archive.location == *location && archive.name.as_str() == name)
    }

    /// Records an archive whose file and sidecar are in place.
    pub(crate) fn put(&self, state: &State, archive: Archive) -> Result<(), StateError> {
        let mut inner = self.inner.lock();
        state.put_archive(&archive)?;
        inner.archives.insert(archive.key(), archive);
        Ok(())
    }

    /// Records an archive that was just published: it exists, whatever the state says of it. What the
    /// state cannot take now is written by [`catch_up`](Self::catch_up).
    pub(crate) fn put_published(&self, state: &State, archive: Archive) {
        let mut inner = self.inner.lock();
        let key = archive.key();
        if let Err(error) = state.put_archive(&archive) {
            tracing::error!(archive = %archive.name, error = %with_causes(&error), "cannot record an archive that was made; trying again");
            inner.unrecorded.insert(key.clone());
        }
        inner.archives.insert(key, archive);
    }

    /// Writes what could not be recorded before. An error means that it still cannot.
    pub(crate) fn catch_up(&self, state: &State) -> Result<(), StateError> {
        let mut inner = self.inner.lock();
        if inner.unrecorded.is_empty() {
            return Ok(());
        }
        let made = inner.unrecorded.iter().filter_map(|key| inner.archives.get(key));
        state.commit(|txn| made.into_iter().try_for_each(|archive| txn.put_archive(archive)))?;
        inner.unrecorded.clear();
        Ok(())
    }

    /// Whether the state has a record of everything.
    pub(crate) fn is_recorded(&self) -> bool {
        self.inner.lock().unrecorded.is_empty()
    }

    /// Records many archives at once, with what else `also` writes.
    pub(crate) fn put_all(
        &self,
        state: &State,
        archives: Vec<Archive>,
        also: impl FnOnce(&mut Transaction<'_>) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut inner = self.inner.lock();
        state.commit(|txn| {
            also(txn)?;
            archives.iter().try_for_each(|archive| txn.put_archive(archive))
        })?;
        inner.archives.extend(archives.into_iter().map(|archive| (archive.key(), archive)));
        Ok(())
    }

    /// Forgets an archive that is gone for good.
    pub(crate) fn drop(&self, state: &State, key: &CopyKey) -> Result<(), StateError> {
        let mut inner = self.inner.lock();
        state.drop_archive(key.id, &key.location)?;
        inner.archives.remove(key);
        Ok(())
    }

    /// Changes a record, in its sidecar first and then in the state.
    pub(crate) fn modify(
        &self,
        state: &State,
        (store, visitor): (&dyn ArchiveStore, Visitor<'_>),
        key: &CopyKey,
        change: impl Fn(&mut Archive),
    ) -> Result<Archive, CatalogueError> {
        self.modify_unless(state, (store, visitor), key, change, || false)
    }

    /// Changes a record unless that is too late: where it is once the sidecar was written, the
    /// record stays, and the sidecar is the caller's to write again.
    pub(crate) fn modify_unless(
        &self,
        state: &State,
        (store, visitor): (&dyn ArchiveStore, Visitor<'_>),
        key: &CopyKey,
        change: impl Fn(&mut Archive),
        is_late: impl Fn() -> bool,
    ) -> Result<Archive, CatalogueError> {
        let unknown = || CatalogueError::Unknown(key.id, key.location.clone());
        let hope = || match store.state() {
            LocationState::Available { .. } | LocationState::Suspect(_) => Ok(()),
            LocationState::Unavailable(reason) => {
                Err(LocationError::Unavailable { location: key.location.clone(), reason })
            }
        };
        let _changing = self.changing.enter(&key.location, visitor, hope)?;
        let mut archive = self.get(key).ok_or_else(unknown)?;
        change(&mut archive);
        store.update(&archive)?;
        if is_late() {
            return Err(CatalogueError::Late);
        }
        // What else became of it meanwhile stays.
        let mut inner = self.inner.lock();
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
        key: &CopyKey,
        condition: Condition,
    ) -> Result<(), StateError> {
        let mut inner = self.inner.lock();
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
        self.inner.lock().foreign.get(location).cloned().unwrap_or_default()
    }

    /// Sets the foreign files of a location.
    pub(crate) fn set_foreign(&self, location: &PlaceName, files: Vec<Foreign>) {
        self.inner.lock().foreign.insert(location.clone(), files);
    }

    /// Drops one of a location's foreign files: it was adopted, or is not there any more.
    pub(crate) fn forget_foreign(&self, location: &PlaceName, file_name: &str) {
        if let Some(files) = self.inner.lock().foreign.get_mut(location) {
            files.retain(|file| file.file_name != file_name);
        }
    }

    /// Copies what a location's state means for its archives: nothing is known of those at a
    /// place that is not there, and what was only out of reach is there again when the place is.
    pub(crate) fn apply_location_states(&self, states: &BTreeMap<PlaceName, LocationState>) {
        for archive in self.inner.lock().archives.values_mut() {
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
