//! What runs do with archives: the one table that retention and those who delete by hand go by.

use crate::model::archive::ArchiveId;
use crate::model::run::{Run, RunStatus, Work};
use crate::reconcile::judge::Hold;

/// The archive that an open run needs, and what for. It is needed wherever it rests: where one copy
/// turns out to be damaged, another one is what is left.
pub(super) fn need_of(run: &Run) -> Option<(ArchiveId, Hold)> {
    let reads = || Hold::InUse(run.id);
    match &run.work {
        Work::Send { archive, to, .. } => Some((*archive, Hold::TransferTo(to.clone()))),
        // What somebody wants back stays from the moment that it is asked for.
        Work::Restore { archive, .. } => Some((*archive, reads())),
        // One that only waits to be read is not in use: the space that an expiry frees must not
        // wait for all verifications of a night.
        Work::Verify { archive, .. } | Work::Drill { archive, .. } => {
            (run.status == RunStatus::Running).then(|| (*archive, reads()))
        }
        Work::Backup { .. }
        | Work::Expire { .. }
        | Work::EmptyTrash { .. }
        | Work::Fetch { .. }
        | Work::Prune { .. }
        | Work::Adopt { .. } => None,
    }
}
