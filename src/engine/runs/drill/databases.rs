//! Proving a dump: it is loaded into a throw-away server, and what was asserted must hold there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::database::{self, DatabaseError, Kind, Load, Throwaway};

use crate::model::archive::Archive;
use crate::model::hex;

use super::scratch::Scratch;
use super::{Ended, Fault, Shown};
use crate::engine::runs::context::{Context, with_causes};

/// What a server of nobody takes by itself, in bytes.
const SERVER: u64 = 300 << 20;
/// How much larger a database is than its dump, at most and without guessing too high.
const GROWTH: u64 = 4;

/// Bytes that a server takes with the dump of an archive in it.
pub(super) fn needed(archive: &Archive) -> u64 {
    archive.stream_size.saturating_mul(GROWTH).saturating_add(SERVER)
}

/// Starts the server; first of all, since most of what can be missing is missing here.
pub(super) fn start(
    cx: &Context,
    kind: Kind,
    archive: &Archive,
    scratch: &mut Scratch,
) -> Result<Box<dyn Throwaway>, Ended> {
    cx.progress.enter("starting a server");
    let dir = scratch
        .for_server(cx, needed(archive))
        .map_err(|error| Shown::unable(format!("cannot make a directory for a server: {error}")))?;
    database::throwaway(kind, &dir, &cx.stop).map_err(|error| match error {
        DatabaseError::Stopped(stopped) => stopped.into(),
        DatabaseError::Missing { .. } => {
            Shown::Unable { why: with_causes(&error), hint: Some(error.hint()) }.into()
        }
        error => {
            let why = format!("a throw-away {} server: {}", kind.name(), with_causes(&error));
            Shown::unable(why).into()
        }
    })
}

/// Loads the dump below `data` and runs the assertions. Returns what was seen, in words.
pub(super) fn prove(
    cx: &Context,
    kind: Kind,
    server: &dyn Throwaway,
    scratch: &Scratch,
    (assertions, timeout): (&[String], Duration),
) -> Result<String, Ended> {
    let dumps = scratch.path().join("archive/data").join(kind.word());
    let failed = |why: String, fault| Ended::Shown(Shown::Failed { why, fault });
    let name = match dump_in(kind, &dumps) {
        Ok(Some(name)) => name,
        Ok(None) => return Err(failed("there is no dump in it".to_owned(), Fault::Archive)),
        Err(error) => {
            return Err(Shown::unable(format!("cannot read `{}`: {error}", dumps.display())).into());
        }
    };
    cx.progress.enter("loading");
    let load = Load { access: server.access(), name: &name, dumps: &dumps, aside: None, timeout };
    let loaded = database::load(kind, &load, &cx.stop, &mut |line| cx.log(line));
    let loaded = loaded.map_err(|error| after_load(kind, &error, scratch))?;
    for remark in &loaded.remarks {
        cx.log(&format!("loading: {remark}"));
    }
    cx.log(&format!("`{name}` was loaded, with {} tables", loaded.tables));
    if loaded.tables == 0 {
        return Err(failed(format!("`{name}` has no table after it was loaded"), Fault::Archive));
    }
    cx.progress.enter("asserting");
    for statement in assertions {
        match database::holds(kind, server.access(), &name, statement, &cx.stop) {
            Ok(true) => cx.log(&format!("holds: {statement}")),
            Ok(false) => {
                let why = format!("it was loaded, and `{statement}` does not hold");
                return Err(failed(why, Fault::Archive));
            }
            Err(DatabaseError::Stopped(stopped)) => return Err(stopped.into()),
            // The statement may be wrong as well as the data.
            Err(error) => {
                let why =
                    format!("the assertion `{statement}` cannot be run: {}", with_causes(&error));
                return Err(failed(why, Fault::Elsewhere));
            }
        }
    }
    let asserted = match assertions.len() {
        0 => String::new(),
        1 => ", its assertion holds".to_owned(),
        count => format!(", all {count} assertions hold"),
    };
    let tables = if loaded.tables == 1 { "1 table" } else { &format!("{} tables", loaded.tables) };
    Ok(format!("loaded into a throw-away {} server: {tables}{asserted}", kind.name()))
}

/// What a failed load shows: that the dump is bad, or that it could not be tried.
fn after_load(kind: Kind, error: &DatabaseError, scratch: &Scratch) -> Ended {
    let why = format!("the dump cannot be loaded into {}: {}", kind.name(), with_causes(error));
    let shown = match error {
        DatabaseError::Stopped(stopped) => return Ended::Stopped(*stopped),
        DatabaseError::Cut { .. } | DatabaseError::Failed { .. } | DatabaseError::Unknown(_)
            if !scratch.is_full() =>
        {
            Shown::Failed { why, fault: Fault::Archive }
        }
        DatabaseError::Missing { .. } => Shown::Unable { why, hint: Some(error.hint()) },
        DatabaseError::Cut { .. }
        | DatabaseError::Failed { .. }
        | DatabaseError::Unknown(_)
        | DatabaseError::Refused { .. }
        | DatabaseError::Unreachable { .. }
        | DatabaseError::Io { .. }
        | DatabaseError::Secret(_)
        | DatabaseError::Process(_) => Shown::unable(why),
    };
    shown.into()
}

/// The database whose dump lies in a directory.
fn dump_in(kind: Kind, dir: &Path) -> std::io::Result<Option<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let database = match kind {
            Kind::Mysql => name.strip_suffix(".sql").filter(|name| !name.ends_with(".create")),
            Kind::Postgresql => name.strip_suffix(".dump"),
        };
        names.extend(database.map(decoded));
    }
    names.sort();
    Ok(names.into_iter().next())
}

/// The name of a database of which a file is named: `%` and two digits are a byte that no file
/// should have in its name.
fn decoded(stem: &str) -> String {
    let mut bytes = Vec::with_capacity(stem.len());
    let mut rest = stem.as_bytes();
    while let [first, behind @ ..] = rest {
        match behind.first_chunk().and_then(|digits| hex::byte(*digits)) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            Some(_) | None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::file_stem;

    #[test]
    fn the_name_of_a_database_is_found_again_in_that_of_its_dump() {
        for name in ["nextcloud", "a/b%", ".hidden", "été-1", "with space", "100%25"] {
            assert_eq!(decoded(&file_stem(name)), name);
        }
    }
}
