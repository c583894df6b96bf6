//! A state that was found damaged, mostly at a start: told until somebody has said that it is known.
//!
//! What it costs is history, approvals and what was going to be told; archives are found again from
//! what lies beside them. Somebody must hear of it all the same, by whatever command or page comes
//! first, and that may be days later: so the state that took its place remembers it, and
//! `larder approve` ends it.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::engine::core::Core;
use crate::model::observed::Damage;
use crate::reconcile::guards::damage_hash;
use crate::state::{Opened, State, StateError};

/// Where the state keeps what it has to tell, one line each.
const VALUE: &str = "damage";
/// The words of the lines: `set-aside TIME FILE` and `rolled-back TIME`.
const SET_ASIDE: &str = "set-aside";
const ROLLED_BACK: &str = "rolled-back";

/// Remembers how opening the state went.
pub(crate) fn note_opened(
    state: &State,
    opened: &Opened,
    now: Timestamp,
) -> Result<(), StateError> {
    let mut found = read(state)?;
    if opened.rolled_back {
        // Once is enough, however often it happens.
        found.retain(|damage| !matches!(damage, Damage::RolledBack { .. }));
        found.push(Damage::RolledBack { at: now });
    }
    if let Some(path) = &opened.set_aside {
        found.push(Damage::SetAside { at: now, path: path.clone() });
    }
    if opened.rolled_back || opened.set_aside.is_some() { write(state, &found) } else { Ok(()) }
}

/// Remembers that the state went back while it was in use.
pub(crate) fn note_in_use(core: &Core, now: Timestamp) -> Result<(), StateError> {
    if !core.state.went_back() {
        return Ok(());
    }
    note_opened(&core.state, &Opened { rolled_back: true, ..Opened::default() }, now)?;
    core.state.note_went_back();
    Ok(())
}

/// What is to be told.
pub(crate) fn known(core: &Core) -> Result<Vec<Damage>, StateError> {
    read(&core.state)
}

/// Somebody knows of the one with this hash. Returns whether there was one.
pub(crate) fn seen(core: &Core, hash: &str) -> Result<bool, StateError> {
    let mut found = read(&core.state)?;
    let before = found.len();
    found.retain(|damage| damage_hash(damage) != hash);
    if found.len() == before {
        return Ok(false);
    }
    write(&core.state, &found)?;
    Ok(true)
}

fn read(state: &State) -> Result<Vec<Damage>, StateError> {
    let of_line = |line: &str| {
        let (word, rest) = line.split_once(' ')?;
        match word {
            SET_ASIDE => {
                let (at, file) = rest.split_once(' ')?;
                let path = state.dir().join(file);
                Some(Damage::SetAside { at: at.parse().ok()?, path })
            }
            ROLLED_BACK => Some(Damage::RolledBack { at: rest.parse().ok()? }),
            _ => None,
        }
    };
    let stored = state.value(VALUE)?.unwrap_or_default();
    Ok(stored.lines().filter_map(of_line).collect())
}

fn write(state: &State, found: &[Damage]) -> Result<(), StateError> {
    if found.is_empty() {
        return state.drop_value(VALUE);
    }
    let lines = found.iter().map(|damage| match damage {
        // It lies in the state's directory, which may be moved.
        Damage::SetAside { at, path } => {
            let file = path.file_name().map(PathBuf::from).unwrap_or_default();
            format!("{SET_ASIDE} {at} {}", file.display())
        }
        Damage::RolledBack { at } => format!("{ROLLED_BACK} {at}"),
    });
    state.put_value(VALUE, &lines.collect::<Vec<_>>().join("\n"))
}
