//! The end that loses no work: what runs comes to its end, and nothing new begins. It is for a newer
//! program that waits to take the place of this one.

use std::sync::atomic::Ordering;

use tokio::sync::broadcast::error::RecvError;

use crate::engine::Handle;
use crate::engine::core::Core;
use crate::model::run::{Run, Work};

impl Handle {
    /// Begins no run any more: what is queued stays queued.
    pub fn begin_no_more(&self) {
        self.core.finishing.store(true, Ordering::Release);
    }

    /// Begins no run any more, and waits until none is under way that would have to be begun anew.
    /// What is queued stays queued. Who goes away while it waits, and asks again, waits on.
    pub async fn finish(&self) {
        // Before the first look: the end of a run between the two is an event.
        let mut events = self.subscribe();
        self.begin_no_more();
        while self.finishes().is_some() {
            match events.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// The run that [`finish`](Self::finish) waits for.
    #[must_use]
    pub fn finishes(&self) -> Option<Run> {
        under_way(&self.core)
    }
}

fn under_way(core: &Core) -> Option<Run> {
    let desired = core.desired();
    core.running().values().map(|running| &running.run).find(|run| keeps(run, &desired)).cloned()
}

/// Whether the work of a run is lost when it is interrupted. What goes over a network goes on where
/// it broke off, and a reading that nobody waits for is made again.
fn keeps(run: &Run, desired: &crate::model::desired::Desired) -> bool {
    match &run.work {
        Work::Backup { .. }
        | Work::Expire { .. }
        | Work::EmptyTrash { .. }
        | Work::Adopt { .. }
        | Work::Restore { .. }
        | Work::Drill { .. } => true,
        Work::Send { to, .. } => !desired.peers.contains_key(to),
        Work::Verify { .. } | Work::Fetch { .. } | Work::Prune { .. } => false,
    }
}
