//! A new machine in an old name: the state is new, and archives of this instance are somewhere
//! already: at a location, which may come later, or at a peer.
//!
//! Until somebody says what that means nothing is backed up, copied or deleted: what runs here now
//! may be an empty application, and its archive must not count as a good one. **Invariant:** a state
//! remembers when it was made until somebody has said so once; before, no archive of ours that is
//! older and unknown to it is taken in as if nothing were.

use std::fmt::Display;

use jiff::Timestamp;

use crate::engine::core::Core;
use crate::engine::peers::contacts;
use crate::model::archive::{Archive, ArchiveId};
use crate::model::contact::RemoteCopy;
use crate::model::name::{InstanceName, PlaceName};
use crate::model::observed::Freeze;
use crate::model::run::Work;
use crate::reconcile::show;
use crate::state::{Opened, State, StateError};

/// Where the state keeps that no location was looked at since it was made.
const NEW: &str = "never-looked";
/// Where the state keeps when it was made.
const BORN: &str = "born-at";

/// Something of ours that rests somewhere.
struct Found<'a> {
    id: ArchiveId,
    origin: &'a InstanceName,
    name: &'a dyn Display,
    created_at: Timestamp,
}

/// Remembers that the state is new, and since when. A damaged one that was set aside is no new
/// machine.
pub(crate) fn note_opened(
    state: &State,
    opened: &Opened,
    now: Timestamp,
) -> Result<(), StateError> {
    if !opened.fresh || opened.set_aside.is_some() {
        return Ok(());
    }
    state.commit(|txn| {
        txn.put_value(NEW, "yes")?;
        // Archives are dated by the second.
        txn.put_value(BORN, &now.as_second().to_string())
    })
}

/// Looks at archives of a location that nobody recorded: those of this instance that are older than
/// the state, or there at its very first look, are the work of an earlier machine.
pub(crate) fn guard(core: &Core, at: &PlaceName, found: &[Archive]) -> Result<(), StateError> {
    let found = found.iter().map(|archive| Found {
        id: archive.id,
        origin: &archive.origin,
        name: &archive.name,
        created_at: archive.created_at,
    });
    look(core, at, found.collect())
}

/// Looks for archives of this instance among what a peer says that it holds, before anybody acts
/// upon it.
pub(crate) fn guard_held(
    core: &Core,
    peer: &PlaceName,
    copies: &[RemoteCopy],
) -> Result<(), StateError> {
    if core.state.value(BORN)?.is_none() {
        return Ok(());
    }
    let contact = contacts::known(core).get(peer).cloned();
    let before = contact.as_ref().and_then(|contact| contact.holdings.as_ref());
    // What was known to be there: of an archive that was adopted here it may be all that is left.
    let was_known = |id| before.is_some_and(|held| held.copies.iter().any(|copy| copy.id == id));
    let found = copies.iter().filter(|copy| !was_known(copy.id)).map(|copy| Found {
        id: copy.id,
        origin: &copy.origin,
        name: &copy.name,
        created_at: copy.created_at,
    });
    look(core, peer, found.collect())
}

fn look(core: &Core, at: &PlaceName, mut found: Vec<Found>) -> Result<(), StateError> {
    if found.is_empty() {
        return Ok(());
    }
    let born = core.state.value(BORN)?.and_then(|at| at.parse().ok());
    let born = born.and_then(|second| Timestamp::from_second(second).ok());
    let is_new = core.state.value(NEW)?.is_some();
    let desired = core.desired();
    let instance = &desired.instance;
    found.retain(|one| {
        (is_new || born.is_some_and(|born| one.created_at < born))
            && instance.is_or_was(one.origin)
            && core.catalogue.select(|known| known.id == one.id).is_empty()
    });
    let Some(newest) = found.iter().max_by_key(|one| one.created_at) else { return Ok(()) };
    if is_under_way(core)? {
        return Ok(());
    }
    let remembered = match born {
        Some(born) if !is_new => format!(
            "nothing from before {} is remembered here",
            show::dated(born, &instance.timezone)
        ),
        Some(_) | None => "nothing is remembered here".to_owned(),
    };
    let reason = format!(
        "{remembered}, and `{}` has archives already, the newest found is `{}` at `{at}`",
        newest.origin, newest.name
    );
    tracing::error!("{reason}: everything rests until `larder recover` or `larder recover --done`");
    core.state.put_freeze(&Freeze::Recovery(reason))
}

/// Remembers that a location was looked at.
pub(crate) fn looked(core: &Core) -> Result<(), StateError> {
    if core.state.value(NEW)?.is_some() { core.state.drop_value(NEW) } else { Ok(()) }
}

/// Whether everything rests for it.
fn is_under_way(core: &Core) -> Result<bool, StateError> {
    Ok(core.state.freezes()?.iter().any(|freeze| matches!(freeze, Freeze::Recovery(_))))
}

/// Whether this work rests for it, be it queued already.
pub(crate) fn holds_back(core: &Core, work: &Work) -> Result<bool, StateError> {
    match work {
        Work::Backup { .. } | Work::Expire { .. } | Work::Send { .. } | Work::Prune { .. } => {
            is_under_way(core)
        }
        Work::EmptyTrash { .. }
        | Work::Verify { .. }
        | Work::Adopt { .. }
        | Work::Restore { .. }
        | Work::Fetch { .. }
        | Work::Drill { .. } => Ok(false),
    }
}

/// Ends it: somebody says that there is nothing to take back, or that it was taken back. What turns
/// up later is known to be there. Returns whether anything rested for it.
pub(crate) fn end(core: &Core) -> Result<bool, StateError> {
    let mut freezes = core.state.freezes()?;
    freezes.retain(|freeze| matches!(freeze, Freeze::Recovery(_)));
    core.state.commit(|txn| {
        txn.drop_value(NEW)?;
        txn.drop_value(BORN)?;
        freezes.iter().try_for_each(|freeze| txn.drop_freeze(freeze))
    })?;
    Ok(!freezes.is_empty())
}
