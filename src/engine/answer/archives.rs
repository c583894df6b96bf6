//! What is asked of single archives and changes their files.

use std::sync::Arc;

use super::{failed, present, refused};
use crate::engine::catalogue::CatalogueError;
use crate::engine::core::Core;
use crate::engine::locations::attend::attend;
use crate::engine::locations::doors::{Shut, Visitor};
use crate::engine::runs::context::with_causes;
use crate::engine::{Autonomy, RequestError};
use crate::location::ArchiveStore as _;
use crate::location::folder::Folder;
use crate::model::archive::{Archive, Condition, CopyKey};
use crate::patience::Silent;

/// What somebody wants of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Pin,
    Unpin,
    Undelete,
}

/// Does what changes files of a location. The loop goes on without the answer of one that hangs.
pub(super) fn at_location(
    core: &Arc<Core>,
    key: CopyKey,
    order: Order,
) -> Result<(), RequestError> {
    let (archive, location) = (present(core, &key)?, key.location.clone());
    let folder = core
        .folder(&location)
        .ok_or_else(|| RequestError::NotFound(format!("there is no location `{location}`")))?;
    let done = attend(core, &location, &folder, move |core, folder| match order {
        Order::Pin | Order::Unpin => set_pinned(core, folder, &key, order == Order::Pin),
        Order::Undelete => undelete(core, folder, &key),
    });
    done.unwrap_or_else(|silent| {
        let what = what_becomes(core, &archive, order, silent);
        Err(RequestError::Unavailable(format!("location `{location}` does not answer: {what}")))
    })
}

/// What becomes of an order that nobody waits for any more. One that keeps an archive is carried
/// out; one that lets it go is not: whoever was told that it failed does not expect it.
fn what_becomes(core: &Core, archive: &Archive, order: Order, silent: Silent) -> String {
    let name = &archive.name;
    let later = match (silent, order) {
        (Silent::NotBegun, _) => return format!("nothing was done with `{name}`"),
        (Silent::LeftBehind, Order::Unpin) => return format!("`{name}` stays pinned"),
        (Silent::LeftBehind, Order::Pin) => "is pinned",
        (Silent::LeftBehind, Order::Undelete) => "is taken back",
    };
    match core.options.autonomy {
        Autonomy::Daemon => {
            format!("`{name}` {later} as soon as it does, unless larder ends before")
        }
        // This process ends before.
        Autonomy::Apply | Autonomy::OnRequest => {
            format!("whether `{name}` {later} shows when it does")
        }
    }
}

fn shut(shut: &Shut) -> RequestError {
    let why = with_causes(shut);
    RequestError::Unavailable(match shut.hint() {
        Some(hint) => format!("{why}: {hint}"),
        None => why,
    })
}

fn undelete(core: &Core, folder: &Arc<Folder>, key: &CopyKey) -> Result<(), RequestError> {
    let moving = core.moving(&key.location, folder.as_ref(), Visitor::Loop);
    let _moving = moving.map_err(|error| shut(&error))?;
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
    folder.untrash(&pinned).map_err(|error| failed(&error))?;
    let back = Archive { condition: Condition::Present, ..pinned };
    folder.update(&back).map_err(|error| failed(&error))?;
    core.catalogue.put(&core.state, back).map_err(|error| failed(&error))
}

fn set_pinned(
    core: &Core,
    folder: &Arc<Folder>,
    key: &CopyKey,
    pinned: bool,
) -> Result<(), RequestError> {
    let moving = core.moving(&key.location, folder.as_ref(), Visitor::Loop);
    let _moving = moving.map_err(|error| shut(&error))?;
    let archive = present(core, key)?;
    if let Condition::Trashed { .. } = archive.condition {
        return Err(refused(
            format!("`{}` is in the trash", archive.name),
            "take it back first: `larder archive undelete`",
        ));
    }
    let is_late = || !pinned && folder.attendant().is_left_behind();
    let changed = core.catalogue.modify_unless(
        &core.state,
        (folder.as_ref(), Visitor::Loop),
        key,
        |archive| archive.pinned = pinned,
        is_late,
    );
    match changed {
        Ok(_) => Ok(()),
        Err(CatalogueError::Shut(error)) => Err(shut(&error)),
        Err(error @ CatalogueError::Late) => {
            if let Err(error) = folder.take_back(&archive) {
                tracing::error!(archive = %archive.name, location = %key.location, error = %with_causes(&error), "an archive was to stay pinned, and its description says that it is not: pin it again");
            }
            Err(failed(&error))
        }
        Err(error) => Err(failed(&error)),
    }
}
