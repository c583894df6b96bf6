//! A new machine in an old name: the state is new, and archives of this instance are there already.
//!
//! Until somebody says what that means nothing is backed up, copied or deleted: what runs here now
//! may be an empty application, and its archive must not count as a good one.

use crate::model::archive::Archive;
use crate::model::observed::Freeze;
use crate::state::{Opened, State, StateError};

use super::core::Core;

/// Where the state keeps that no location was looked at since it was made.
const NEW: &str = "never-looked";

/// Remembers that the state is new, until the locations were looked at. A damaged one that was set
/// aside is no new machine.
pub(crate) fn note_opened(state: &State, opened: &Opened) -> Result<(), StateError> {
    if opened.fresh && opened.set_aside.is_none() { state.put_value(NEW, "yes") } else { Ok(()) }
}

/// Looks at archives that nobody recorded here: those of this instance, in a new state, are the
/// work of an earlier machine.
pub(crate) fn guard(core: &Core, found: &[Archive]) -> Result<(), StateError> {
    let desired = core.desired();
    let instance = &desired.instance;
    let ours = |archive: &&Archive| {
        archive.origin == instance.name || instance.formerly.contains(&archive.origin)
    };
    let Some(newest) = found.iter().filter(ours).max_by_key(|archive| archive.created_at) else {
        return Ok(());
    };
    if core.state.value(NEW)?.is_none() {
        return Ok(());
    }
    let known = core.state.freezes()?.iter().any(|freeze| matches!(freeze, Freeze::Recovery(_)));
    if known {
        return Ok(());
    }
    let reason = format!(
        "nothing is remembered here, and `{}` has archives already, the newest found is `{}`",
        newest.origin, newest.name
    );
    tracing::error!("{reason}: everything rests until `larder recover` or `larder recover --done`");
    core.state.put_freeze(&Freeze::Recovery(reason))
}

/// Remembers that the locations that are there were looked at.
pub(crate) fn looked(core: &Core) -> Result<(), StateError> {
    if core.state.value(NEW)?.is_some() { core.state.drop_value(NEW) } else { Ok(()) }
}

/// Whether everything rests for it.
pub(crate) fn is_under_way(core: &Core) -> Result<bool, StateError> {
    Ok(core.state.freezes()?.iter().any(|freeze| matches!(freeze, Freeze::Recovery(_))))
}

/// Ends it: somebody says that there is nothing to take back, or that it was taken back.
pub(crate) fn end(core: &Core) -> Result<bool, StateError> {
    let mut any = false;
    for freeze in core.state.freezes()? {
        if matches!(freeze, Freeze::Recovery(_)) {
            core.state.drop_freeze(&freeze)?;
            any = true;
        }
    }
    Ok(any)
}
