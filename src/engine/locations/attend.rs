//! Work at locations that the loop and the start do: none of it may keep them, whatever hangs.
//!
//! **Invariant:** at a location where something was left behind nothing is begun until that has
//! come back: it counts as one that is not there.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::core::Core;
use crate::location::folder::Folder;
use crate::model::name::PlaceName;
use crate::patience::Silent;

/// How long nothing of such work may move: an overloaded disk takes long to flush.
const LIMIT: Duration = Duration::from_secs(15);

/// Does work at a location, and waits for it as long as it moves. Only the loop and the start may
/// call it: they do one piece after the other.
pub(crate) fn attend<T: Send + 'static>(
    core: &Arc<Core>,
    location: &PlaceName,
    folder: &Arc<Folder>,
    work: impl FnOnce(&Arc<Core>, &Arc<Folder>) -> T + Send + 'static,
) -> Result<T, Silent> {
    let (shared, place) = (Arc::clone(core), Arc::clone(folder));
    let attendant = Arc::clone(folder.attendant());
    let done = attendant.attend(LIMIT, || core.beat(), move || work(&shared, &place));
    core.beat();
    if let Err(Silent::LeftBehind) = &done {
        tracing::error!(%location, "the location does not answer: everything else goes on without it");
    }
    done
}
