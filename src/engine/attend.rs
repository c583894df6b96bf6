//! Work at locations that the loop and the start do: none of it may keep them, whatever hangs.
//!
//! **Invariant:** at a location where something was left behind nothing is begun until that has
//! come back: it counts as one that is not there.

use std::sync::Arc;
use std::time::Duration;

use crate::location::folder::Folder;
use crate::model::name::PlaceName;

use super::core::Core;

/// How long nothing of such work may move: an overloaded disk takes long to flush.
const LIMIT: Duration = Duration::from_secs(15);

/// Does work at a location, and waits for it as long as it moves; `None` where it was left behind,
/// or could not be begun.
pub(crate) fn attend<T: Send + 'static>(
    core: &Arc<Core>,
    location: &PlaceName,
    folder: &Arc<Folder>,
    work: impl FnOnce(&Arc<Core>, &Arc<Folder>) -> T + Send + 'static,
) -> Option<T> {
    let (shared, place) = (Arc::clone(core), Arc::clone(folder));
    let attendant = Arc::clone(folder.attendant());
    let was_left_behind = attendant.is_left_behind();
    let done = attendant.attend(LIMIT, || core.beat(), move || work(&shared, &place));
    core.beat();
    if done.is_none() && !was_left_behind {
        tracing::error!(%location, "the location does not answer: everything else goes on without it");
    }
    done
}
