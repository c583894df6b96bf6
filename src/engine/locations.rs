//! The locations of the configuration: how they stand, and who may change something there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::core::Core;
use crate::engine::locations::doors::{Door, Shut, Visitor};
use crate::location::folder::Folder;
use crate::location::standing::{self, Standing};
use crate::location::{ArchiveStore, LocationError};
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;

pub(super) mod doors;
pub(super) mod attend;

impl Core {
    /// The store of a location of the configuration.
    pub(crate) fn store(&self, name: &PlaceName) -> Option<Arc<dyn ArchiveStore>> {
        let stores = self.stores.read();
        stores.get(name).map(|folder| Arc::clone(folder) as Arc<dyn ArchiveStore>)
    }

    /// The folder of a location, for what only folders can do.
    pub(crate) fn folder(&self, name: &PlaceName) -> Option<Arc<Folder>> {
        self.stores.read().get(name).cloned()
    }

    /// All stores.
    pub(crate) fn stores(&self) -> BTreeMap<PlaceName, Arc<Folder>> {
        self.stores.read().clone()
    }

    /// How every location of the configuration stands. Those that do not answer are waited for
    /// together, and once.
    pub(crate) fn standings(&self) -> BTreeMap<PlaceName, Standing> {
        let stores = self.stores();
        let folders: Vec<&Folder> = stores.values().map(AsRef::as_ref).collect();
        let standings = standing::of(&folders);
        stores.into_keys().zip(standings).collect()
    }

    /// The state of every location of the configuration.
    pub(crate) fn location_states(&self) -> BTreeMap<PlaceName, LocationState> {
        self.states_of(&self.standings())
    }

    pub(crate) fn states_of(
        &self,
        standings: &BTreeMap<PlaceName, Standing>,
    ) -> BTreeMap<PlaceName, LocationState> {
        let stores = self.stores();
        // A name space that no peer ever used is neither there nor missing.
        let is_known = |name: &PlaceName| {
            stores.get(name).is_some_and(|folder| !folder.awaits_its_first_upload())
        };
        let known = standings.iter().filter(|(name, _)| is_known(name));
        known.map(|(name, standing)| (name.clone(), standing.state.clone())).collect()
    }

    /// The right to move files of archives of a location; released when it is dropped. An error
    /// where somebody has it at a location that does not answer, or for too long.
    pub(crate) fn moving(
        &self,
        location: &PlaceName,
        store: &dyn ArchiveStore,
        visitor: Visitor<'_>,
    ) -> Result<Door<'_>, Shut> {
        let hope = || is_there(location, store);
        self.entering(location, visitor, || self.moving.enter(location, visitor, hope))
    }

    /// Keeps files of uploads at a location where they are, until it is dropped. Name spaces in one
    /// location share its disk.
    pub(crate) fn hold_still(
        &self,
        location: &PlaceName,
        visitor: Visitor<'_>,
    ) -> Result<Door<'_>, Shut> {
        let shared = location.above().unwrap_or_else(|| location.clone());
        let hope = || match self.store(&shared) {
            Some(store) => is_there(&shared, store.as_ref()),
            None => Ok(()),
        };
        self.entering(location, visitor, || self.uploads.files.enter(&shared, visitor, hope))
    }

    /// What the loop attends came as far as a door when it waits there: how long that may take, the
    /// door says, and none of it is the silence of the place whose work it is.
    fn entering<T>(
        &self,
        location: &PlaceName,
        visitor: Visitor<'_>,
        enter: impl FnOnce() -> T,
    ) -> T {
        let folder = self.folder(location).filter(|_| matches!(visitor, Visitor::Loop));
        let moves = || {
            if let Some(folder) = &folder {
                folder.attendant().moves();
            }
        };
        moves();
        let entered = enter();
        moves();
        entered
    }
}

/// Whether there is any hope that whoever is busy at a location comes to an end.
fn is_there(location: &PlaceName, store: &dyn ArchiveStore) -> Result<(), LocationError> {
    match store.state() {
        LocationState::Available { .. } | LocationState::Suspect(_) => Ok(()),
        LocationState::Unavailable(reason) => {
            Err(LocationError::Unavailable { location: location.clone(), reason })
        }
    }
}
