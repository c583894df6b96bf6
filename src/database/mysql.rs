//! MariaDB and MySQL, through their client programs.
//!
//! A dump is two members: `DATABASE.create.sql`, the database's own statement and the rights on it,
//! and `DATABASE.sql`, all that is in it.

use std::time::Duration;

use super::{DatabaseError, Dump, Load, Loaded, MissingProgram};
use crate::model::job::Database;
use crate::progress::Progress;
use crate::source::Source;
use crate::stop::Stop;

mod client;
mod rights;
mod schema;
mod dump;
mod load;
mod server;

pub use server::Server;

use client::{Client, PATIENCE, text};

/// How long a statement of a drill may take.
const ASSERTION: Duration = Duration::from_mins(10);

pub(super) fn source(dump: &Dump<'_>, stop: &Stop, progress: &Progress) -> Box<dyn Source> {
    dump::source(dump, stop, progress)
}

pub(super) fn list(access: &Database, stop: &Stop) -> Result<Vec<String>, DatabaseError> {
    let client = Client::new(access, PATIENCE, stop)?;
    let rows = client.query(
        None,
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN \
         ('information_schema', 'performance_schema', 'mysql', 'sys') ORDER BY 1;\n",
    )?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

pub(super) fn size(
    access: &Database,
    name: &str,
    stop: &Stop,
) -> Result<Option<u64>, DatabaseError> {
    let client = Client::new(access, PATIENCE, stop)?;
    if !exists(&client, name)? {
        return Ok(None);
    }
    let size = client.number(&format!(
        "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS UNSIGNED) \
         FROM information_schema.TABLES WHERE TABLE_SCHEMA = {};\n",
        text(name)
    ))?;
    Ok(Some(size))
}

/// Whether there is a database of exactly this name that the user can see.
fn exists(client: &Client, name: &str) -> Result<bool, DatabaseError> {
    let name = text(name);
    let found = client.number(&format!(
        "SELECT COUNT(*) FROM information_schema.SCHEMATA \
         WHERE SCHEMA_NAME = {name} AND BINARY SCHEMA_NAME = BINARY {name};\n"
    ))?;
    Ok(found > 0)
}

pub(super) fn load(
    load: &Load<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<Loaded, DatabaseError> {
    load::load(load, stop, log)
}

pub(super) fn holds(
    access: &Database,
    name: &str,
    statement: &str,
    stop: &Stop,
) -> Result<bool, DatabaseError> {
    let client = Client::new(access, ASSERTION, stop)?;
    let statement = statement.trim().trim_end_matches(';');
    let rows = client.query(Some(name), &format!("{statement}\n;\n"))?;
    let [row] = rows.as_slice() else { return Ok(false) };
    let [value] = row.as_slice() else { return Ok(false) };
    Ok(["1", "t", "true"].iter().any(|yes| value.eq_ignore_ascii_case(yes)))
}

pub(super) fn missing_program() -> Option<MissingProgram> {
    client::missing_program()
}
