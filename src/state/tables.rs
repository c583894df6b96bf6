//! The tables: which key leads to what. Values are JSON of the structs in `stored`.
//!
//! [`VERSION`] counts changes that a default cannot bridge; `create` migrates older files.

use std::collections::BTreeSet;

use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, TableHandle,
    WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;

/// Of the tables and of what is in them.
pub(super) const VERSION: u64 = 1;

/// A copy of an archive: its location and the archive's id.
pub(super) type CopyRow = (&'static str, &'static [u8; 16]);

/// Counters and versions, as JSON numbers.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Runs by number.
pub(super) const RUNS: TableDefinition<u64, &[u8]> = TableDefinition::new("runs");
/// Job or nothing, kind, status, number: each run stands here once without its job and, if it has
/// one, once with it.
pub(super) const RUN_INDEX: TableDefinition<(&str, &str, &str, u64), ()> =
    TableDefinition::new("run-index");
/// The catalogue.
pub(super) const ARCHIVES: TableDefinition<CopyRow, &[u8]> = TableDefinition::new("archives");
/// Jobs by name.
pub(super) const JOBS: TableDefinition<&str, &[u8]> = TableDefinition::new("jobs");
/// Drills by the name of the job or series.
pub(super) const DRILLS: TableDefinition<&str, &[u8]> = TableDefinition::new("drills");
/// Series by origin, job and location.
pub(super) const SERIES: TableDefinition<(&str, &str, &str), &[u8]> =
    TableDefinition::new("series");
/// Approved deletions by their hash.
pub(super) const APPROVALS: TableDefinition<&str, &[u8]> = TableDefinition::new("approvals");
/// The marker that was seen at a location, by the location's name.
pub(super) const MARKERS: TableDefinition<&str, &[u8]> = TableDefinition::new("markers");
/// Deletions under way.
pub(super) const TOMBSTONES: TableDefinition<CopyRow, &[u8]> = TableDefinition::new("tombstones");
/// Verifications and copies that rest.
pub(super) const NOT_BEFORE: TableDefinition<CopyRow, &[u8]> = TableDefinition::new("not-before");
/// Why retention rests, by kind.
pub(super) const FREEZES: TableDefinition<&str, &[u8]> = TableDefinition::new("freezes");
/// What jobs with `*` stand for, by the job's name.
pub(super) const LISTINGS: TableDefinition<&str, &[u8]> = TableDefinition::new("listings");
/// Uploads by their number.
pub(super) const UPLOADS: TableDefinition<&[u8; 16], &[u8]> = TableDefinition::new("uploads");
/// The hash of each chunk that was received, by its upload and its place there.
pub(super) const CHUNKS: TableDefinition<(&[u8; 16], u32), &[u8]> =
    TableDefinition::new("upload-chunks");
/// What is remembered of peers, by the peer's name.
pub(super) const CONTACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("contacts");
/// How much room there was at locations, by location and day.
pub(super) const SPACE: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("space");
/// Small things.
pub(super) const VALUES: TableDefinition<&str, &[u8]> = TableDefinition::new("values");

/// Keys of [`META`].
pub(super) mod meta {
    /// [`super::VERSION`] of the file.
    pub(in crate::state) const VERSION: &str = "version";
    /// The number that the next run gets.
    pub(in crate::state) const NEXT_RUN: &str = "next-run";
    /// Which attempt to change something was the last that arrived.
    pub(in crate::state) const LAST_COMMIT: &str = "last-commit";
}

/// Whether every table is there.
pub(super) fn are_complete(database: &Database) -> Result<bool, StateError> {
    let txn = database.begin_read()?;
    let there: BTreeSet<String> = txn.list_tables()?.map(|table| table.name().to_owned()).collect();
    Ok(NAMES.iter().all(|name| there.contains(*name)))
}

/// Makes every table that is not there yet, so that readers always find them.
pub(super) fn ensure(txn: &WriteTransaction) -> Result<(), TableError> {
    txn.open_table(META)?;
    txn.open_table(RUNS)?;
    txn.open_table(RUN_INDEX)?;
    txn.open_table(ARCHIVES)?;
    txn.open_table(JOBS)?;
    txn.open_table(DRILLS)?;
    txn.open_table(SERIES)?;
    txn.open_table(APPROVALS)?;
    txn.open_table(MARKERS)?;
    txn.open_table(TOMBSTONES)?;
    txn.open_table(NOT_BEFORE)?;
    txn.open_table(FREEZES)?;
    txn.open_table(LISTINGS)?;
    txn.open_table(UPLOADS)?;
    txn.open_table(CHUNKS)?;
    txn.open_table(CONTACTS)?;
    txn.open_table(SPACE)?;
    txn.open_table(VALUES)?;
    Ok(())
}

/// The tables that [`ensure`] makes.
const NAMES: [&str; 18] = [
    "meta",
    "runs",
    "run-index",
    "archives",
    "jobs",
    "drills",
    "series",
    "approvals",
    "markers",
    "tombstones",
    "not-before",
    "freezes",
    "listings",
    "uploads",
    "upload-chunks",
    "contacts",
    "space",
    "values",
];

/// The bytes of a record.
pub(super) fn encode(table: &str, record: &impl Serialize) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(record)
        .map_err(|source| StateError::Record { table: table.to_owned(), source })
}

/// The record of the bytes.
pub(super) fn decode<T: DeserializeOwned>(table: &str, bytes: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(bytes)
        .map_err(|source| StateError::Record { table: table.to_owned(), source })
}

/// A number of [`META`]; 0 when it was never written.
pub(super) fn number(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<u64, StateError> {
    match table.get(key)? {
        Some(bytes) => decode("meta", bytes.value()),
        None => Ok(0),
    }
}

/// Every record of a table, in the order of its keys.
pub(super) fn all<K, T>(
    name: &str,
    table: &impl ReadableTable<K, &'static [u8]>,
) -> Result<Vec<T>, StateError>
where
    K: redb::Key + 'static,
    T: DeserializeOwned,
{
    table.iter()?.map(|entry| decode(name, entry?.1.value())).collect()
}

/// Writes the record of a text.
pub(super) fn put_text(
    txn: &WriteTransaction,
    table: TableDefinition<'static, &'static str, &'static [u8]>,
    key: &str,
    record: &impl Serialize,
) -> Result<(), StateError> {
    let name = table.name().to_owned();
    txn.open_table(table)?.insert(key, encode(&name, record)?.as_slice())?;
    Ok(())
}

/// Removes the record of a text; `false` when there was none.
pub(super) fn drop_text(
    txn: &WriteTransaction,
    table: TableDefinition<'static, &'static str, &'static [u8]>,
    key: &str,
) -> Result<bool, StateError> {
    Ok(txn.open_table(table)?.remove(key)?.is_some())
}

/// Writes the record of a copy.
pub(super) fn put_copy(
    txn: &WriteTransaction,
    table: TableDefinition<'static, CopyRow, &'static [u8]>,
    key: (&str, &[u8; 16]),
    record: &impl Serialize,
) -> Result<(), StateError> {
    let name = table.name().to_owned();
    txn.open_table(table)?.insert(key, encode(&name, record)?.as_slice())?;
    Ok(())
}

/// Removes the record of a copy; `false` when there was none.
pub(super) fn drop_copy(
    txn: &WriteTransaction,
    table: TableDefinition<'static, CopyRow, &'static [u8]>,
    key: (&str, &[u8; 16]),
) -> Result<bool, StateError> {
    Ok(txn.open_table(table)?.remove(key)?.is_some())
}
