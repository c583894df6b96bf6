//! What is asked of single archives and changes their files.

use std::sync::Arc;

use super::{failed, present, refused};
use crate::engine::attend::attend;
use crate::engine::core::Core;
use crate::engine::{ArchiveKey, RequestError};
use crate::location::ArchiveStore;
use crate::model::archive::{Archive, Condition};

/// Does what changes files of a location. The loop goes on without the answer of one that hangs.
pub(super) fn at_location(
    core: &Arc<Core>,
    key: ArchiveKey,
    work: impl FnOnce(&Core, &ArchiveKey) -> Result<(), RequestError> + Send + 'static,
) -> Result<(), RequestError> {
    let Some(folder) = core.folder(&key.location) else { return work(core, &key) };
    let location = key.location.clone();
    let done = attend(core, &location, &folder, move |core, _| work(core, &key));
    done.unwrap_or_else(|| {
        Err(RequestError::Unavailable(format!("location `{location}` does not answer")))
    })
}

pub(super) fn undelete(core: &Core, key: &ArchiveKey) -> Result<(), RequestError> {
    let store = store_of(core, key)?;
    let moving = core.moving(&key.location, store.as_ref());
    let _moving = moving.map_err(|error| failed(&error))?;
    let archive = present(core, key)?;
    if !matches!(archive.condition, Condition::Trashed { .. }) {
        return Err(RequestError::Refused {
            why: format!("`{}` is not in the trash", archive.name),
            hint: None,
        });
    }
    // Pinned: otherwise the next pass would delete again what somebody just took back. It is in
    // the description that is written before the archive moves: a crash anywhere leaves it in the
    // trash, or here and pinned. Read back again, since what damaged it may have been forgotten.
    let pinned = Archive { pinned: true, verified_at: None, ..archive };
    store.untrash(&pinned).map_err(|error| failed(&error))?;
    let back = Archive { condition: Condition::Present, ..pinned };
    store.update(&back).map_err(|error| failed(&error))?;
    core.catalogue.put(&core.state, back).map_err(|error| failed(&error))
}

fn store_of(core: &Core, key: &ArchiveKey) -> Result<Arc<dyn ArchiveStore>, RequestError> {
    present(core, key)?;
    core.store(&key.location)
        .ok_or_else(|| RequestError::NotFound(format!("there is no location `{}`", key.location)))
}

pub(super) fn set_pinned(core: &Core, key: &ArchiveKey, pinned: bool) -> Result<(), RequestError> {
    let store = store_of(core, key)?;
    let moving = core.moving(&key.location, store.as_ref());
    let _moving = moving.map_err(|error| failed(&error))?;
    let archive = present(core, key)?;
    if let Condition::Trashed { .. } = archive.condition {
        return Err(refused(
            format!("`{}` is in the trash", archive.name),
            "take it back first: `larder archive undelete`",
        ));
    }
    core.catalogue
        .modify(&core.state, store.as_ref(), key, |archive| archive.pinned = pinned)
        .map(drop)
        .map_err(|error| failed(&error))
}
