//! How long what did not succeed is left alone, unless somebody asks for it.
//!
//! Without a rest the plan would ask for the same again at once. What rests is no secret: the plan
//! tells what failed and is still to be done for as long as that is so.

use jiff::{SignedDuration, Timestamp};

use crate::model::archive::ArchiveId;
use crate::model::name::PlaceName;
use crate::state::{State, StateError};

/// A copy or a deletion; and an archive that may not go any more, before it is judged again.
pub(crate) const SOON: SignedDuration = SignedDuration::from_mins(15);
/// Reading an archive back; and a copy that somebody has to look at.
pub(crate) const LATER: SignedDuration = SignedDuration::from_hours(6);
/// A copy that has no place at a peer, or no leave to be there.
pub(crate) const REFUSED: SignedDuration = SignedDuration::from_hours(1);
/// A copy of which nothing got through although the peer answers.
pub(crate) const STUCK: SignedDuration = SignedDuration::from_mins(5);
/// What talked to a peer when the daemon or the machine stopped under it.
pub(crate) const AFTER_A_CRASH: SignedDuration = SignedDuration::from_mins(1);
/// A drill, beside its schedule.
pub(crate) const FAILED_DRILL: SignedDuration = SignedDuration::from_hours(24);
/// A drill that the end of the daemon or of the machine broke off.
pub(crate) const INTERRUPTED_DRILL: SignedDuration = SignedDuration::from_hours(1);

/// When a rest is over that begins at `from`.
pub(crate) fn until(from: Timestamp, span: SignedDuration) -> Timestamp {
    from.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// Lets work on an archive at a place rest from now on.
pub(crate) fn put_off(
    state: &State,
    archive: ArchiveId,
    place: &PlaceName,
    (now, span): (Timestamp, SignedDuration),
) -> Result<(), StateError> {
    state.put_not_before(archive, place, until(now, span))
}
