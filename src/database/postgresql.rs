//! PostgreSQL.
//!
//! A dump is four members: `NAME.create.sql` and `NAME.settings.sql` (how the database was: both
//! are `pg_dump`'s own words, for people who restore by hand), `globals.sql` (the server's roles) and
//! `NAME.dump` (the database, in `pg_dump`'s custom format).
//!
//! **Invariants:** no dump counts before `pg_restore` read it to its end. A load works in a new
//! database under a name of our own and swaps names at its end, in one transaction: until then
//! nobody sees it, and what is there is not touched.

use std::path::Path;

use super::{Back, DatabaseError, Dump, Load, Loaded, MissingProgram};
use crate::model::dump::file_stem;
use crate::model::job::Database;
use crate::progress::Progress;
use crate::source::Source;
use crate::stop::Stop;

mod client;
mod said;
mod statements;
mod contents;
mod dump;
mod roles;
mod load;
mod aside;
mod server;

pub use server::Server;

use client::{CLIENT_PACKAGE, Client, PATIENCE, find};
use statements::literal;

/// The member with the roles.
const GLOBALS: &str = "globals.sql";
/// The database that everybody may connect to, to ask about others.
const MAINTENANCE: &str = "postgres";
/// The beginning of the names of databases that a load has not finished with.
const UNFINISHED: &str = "larder_restoring_";
/// The most bytes of a name.
const LONGEST_NAME: usize = 63;

/// The databases that are not the server's own, nor half loaded, nor set aside.
fn list_statement() -> String {
    format!(
        "select datname from pg_catalog.pg_database \
         where not datistemplate and datallowconn and datname <> 'postgres' \
         and not starts_with(datname, {}) and not {} order by 1",
        literal(UNFINISHED),
        aside::is_marked()
    )
}

/// Whether a database holds anything that neither the server nor an extension brought along.
const IS_USED: &str = "select exists (select from pg_catalog.pg_class c \
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and not exists \
      (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'e')) \
    or exists (select from pg_catalog.pg_proc p \
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
    where n.nspname not in ('pg_catalog', 'information_schema') and not exists \
      (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')) \
    or exists (select from pg_catalog.pg_largeobject_metadata)";

/// The name of a member of the dump of a database.
fn member(database: &str, what: &str) -> String {
    format!("{}.{what}", file_stem(database))
}

/// The beginning of a name that has room for an ending of so many bytes.
fn shortened(name: &str, ending: usize) -> &str {
    let mut end = name.len().min(LONGEST_NAME - ending);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// Which database to connect to when this one is to be asked about, or renamed.
fn beside(name: &str) -> &'static str {
    if name == MAINTENANCE { "template1" } else { MAINTENANCE }
}

pub(super) fn source(dump: &Dump<'_>, stop: &Stop, progress: &Progress) -> Box<dyn Source> {
    Box::new(dump::DumpSource::new(dump, stop, progress))
}

pub(super) fn list(access: &Database, stop: &Stop) -> Result<Vec<String>, DatabaseError> {
    let client = Client::new(access, PATIENCE)?;
    let mut names = client.values(MAINTENANCE, &list_statement(), stop)?;
    if client.value(MAINTENANCE, IS_USED, stop)?.as_deref() == Some("t") {
        names.push(MAINTENANCE.to_owned());
        names.sort_unstable();
    }
    Ok(names)
}

pub(super) fn size(
    access: &Database,
    name: &str,
    stop: &Stop,
) -> Result<Option<u64>, DatabaseError> {
    let client = Client::new(access, PATIENCE)?;
    let question = format!(
        "select pg_catalog.pg_database_size(oid) from pg_catalog.pg_database where datname = {}",
        literal(name)
    );
    // Whoever may use one database only may not be let into another.
    let answer = match client.value(MAINTENANCE, &question, stop) {
        Err(DatabaseError::Refused { .. } | DatabaseError::Unknown(_)) => {
            match client.value(name, &question, stop) {
                Err(DatabaseError::Unknown(unknown)) if unknown == name => None,
                other => other?,
            }
        }
        other => other?,
    };
    Ok(answer.and_then(|bytes| bytes.parse().ok()))
}

pub(super) fn load(
    load: &Load<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<Loaded, DatabaseError> {
    load::load(load, stop, log)
}

pub(super) fn put_back(
    back: &Back<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<(), DatabaseError> {
    aside::put_back(back, stop, log)
}

pub(super) fn holds(
    access: &Database,
    name: &str,
    statement: &str,
    stop: &Stop,
) -> Result<bool, DatabaseError> {
    if statement.trim_start().starts_with('\\') {
        return Err(DatabaseError::Failed {
            program: "psql".to_owned(),
            said: "a statement of SQL is wanted, not a command of `psql`".to_owned(),
        });
    }
    let values = Client::new(access, PATIENCE)?.values(name, statement, stop)?;
    let is_true = |value: &String| matches!(value.trim(), "1" | "t" | "true");
    Ok(values.len() == 1 && values.iter().all(is_true))
}

pub(super) fn missing_program() -> Option<MissingProgram> {
    let programs = ["psql", "pg_dump", "pg_dumpall", "pg_restore"];
    let program = programs.into_iter().find(|program| find(program, CLIENT_PACKAGE).is_err())?;
    Some(MissingProgram { program, package: CLIENT_PACKAGE })
}

/// A file of a dump, opened.
fn open(directory: &Path, name: &str) -> Result<std::fs::File, DatabaseError> {
    let path = directory.join(name);
    std::fs::File::open(&path).map_err(|source| DatabaseError::Io {
        what: format!("read the dump `{}`", path.display()),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_gets_an_ending_is_cut_between_characters() {
        assert_eq!(shortened("short", 22), "short");
        assert_eq!(shortened(&"é".repeat(31), 22), "é".repeat(20));
    }
}
