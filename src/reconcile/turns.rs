//! Whose turn it is in a lane, and what leaves the lane to others.
//!
//! Reading back is for idle times: it leaves the lane at once when anything is due or asked for,
//! and goes on later where it stopped. On an instance that is never idle it would never end: one
//! that is late has its turn among what is due, and keeps the lane for [`SLICE`] each time.

use jiff::{SignedDuration, Timestamp};

use super::checks;
use crate::model::run::{Cause, Run, RunId, Work};

/// How long a verification that is late goes on although something waits.
pub(crate) const SLICE: SignedDuration = SignedDuration::from_mins(1);

/// What is known of the reading that a run is for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    /// When the archive was last read to its end.
    pub(crate) last: Option<Timestamp>,
    /// When this reading last left the lane to others.
    pub(crate) gave_way_at: Option<Timestamp>,
}

/// The rank of a run in its lane, lowest first: see [`Run::rank`].
pub(crate) fn rank(run: &Run, reading: Reading, now: Timestamp) -> (u8, Timestamp, RunId) {
    match late_since(run, reading, now) {
        // Behind what was due before it last gave way: it has had its turn.
        Some(late) => (2, reading.gave_way_at.map_or(late, |at| at.max(late)), run.id),
        None => run.rank(),
    }
}

/// Whether a run that is under way leaves the lane to one that waits.
pub(crate) fn gives_way(running: &Run, reading: Reading, waiting: &Run, now: Timestamp) -> bool {
    let began = running.started_at.unwrap_or(now);
    is_aside(running)
        && !waiting.is_background()
        && (late_since(running, reading, now).is_none() || now.duration_since(began) >= SLICE)
}

/// A verification that nobody asked for.
pub(crate) fn is_aside(run: &Run) -> bool {
    matches!(run.work, Work::Verify { .. }) && run.cause == Cause::Reconcile
}

/// Since when a verification that nobody asked for is late, if it is.
fn late_since(run: &Run, reading: Reading, now: Timestamp) -> Option<Timestamp> {
    // One that was never read is so from the moment that it was to be.
    let late = checks::late_at(reading.last.unwrap_or(run.queued_at));
    (is_aside(run) && late <= now).then_some(late)
}
