//! What a load set aside: another database of the server, which is known by its comment.
//!
//! Anybody may call a database of their own `shop_before_20260508030000`, so its name tells
//! nothing. **Invariant:** the name and the mark are given in one transaction; the mark goes with
//! the name when what was set aside goes back, and the comment that it had is its comment again.

use super::client::Client;
use super::load::{DROPPING, drop_database, end_connections, exists};
use super::statements::{identifier, literal};
use super::{beside, shortened};
use crate::database::{Back, DatabaseError};
use crate::stop::Stop;

/// How the comment begins of a database that a load replaced.
const MARK: &str = "larder: what this was called before is in use again";

/// The comment of a row of `pg_database`.
const COMMENT: &str = "pg_catalog.shobj_description(oid, 'pg_database')";

/// Statements that mark a database, behind the one that gave it this name. `place` is where the
/// caller noted that it sets something aside: by it the database is found when the caller is
/// killed before it hears the name.
pub(super) fn mark(name: &str, place: &str) -> String {
    let mark = format!("{MARK}\n{place}\n");
    // A comment has the encoding of its own database: one that cannot be read here is lost.
    format!(
        "do {body};\n",
        body = literal(&format!(
            "declare was text; begin \
             begin select coalesce({COMMENT}, '') into was from pg_catalog.pg_database \
             where datname = {name}; \
             execute format('comment on database %I is %L', {name}, {mark} || was); \
             exception when others then \
             execute format('comment on database %I is %L', {name}, {mark}); end; end",
            name = literal(name),
            mark = literal(&mark),
        ))
    )
}

/// Takes the mark off: the comment is what it was.
fn unmark(name: &str) -> String {
    format!(
        "do {body};\n",
        body = literal(&format!(
            "declare was text; begin \
             select pg_catalog.regexp_replace({COMMENT}, '^[^\\n]*\\n[^\\n]*\\n', '') into was \
             from pg_catalog.pg_database where datname = {name} \
             and pg_catalog.starts_with(coalesce({COMMENT}, ''), {mark}); \
             if found then execute format('comment on database %I is %L', {name}, \
             nullif(was, '')); end if; end",
            name = literal(name),
            mark = literal(MARK),
        ))
    )
}

/// The condition that a row of `pg_database` is one that a load set aside. By its name as well:
/// whoever gives it another one by hand has taken it for their own.
pub(super) fn is_marked() -> String {
    format!(
        "(pg_catalog.starts_with(coalesce({COMMENT}, ''), {}) \
         and (datname ~ '_before_[0-9]{{14}}$' or pg_catalog.starts_with(datname, {})))",
        literal(MARK),
        literal(DROPPING)
    )
}

/// Gives what was set aside its name again, in one transaction; what has the name now is dropped
/// afterwards. An interrupted one is run again.
pub(super) fn put_back(
    back: &Back<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<(), DatabaseError> {
    let client = Client::new(back.access, back.timeout)?;
    let (name, at) = (back.name, beside(back.name));
    let dropping = format!("{DROPPING}{}", shortened(name, DROPPING.len()));
    let Some(place) = find(&client, at, back.place, stop)? else {
        if exists(&client, at, &dropping, stop)? {
            // It had gone back already, and what it replaced was not gone yet.
            return drop_database(&client, at, &dropping, stop);
        }
        return Err(DatabaseError::Unknown(back.place.to_owned()));
    };
    let is_there = exists(&client, at, name, stop)?;
    if is_there {
        drop_database(&client, at, &dropping, stop)?;
    }
    stop.check()?;
    let rename = |from: &str, to: &str| {
        format!("ALTER DATABASE {} RENAME TO {};\n", identifier(from), identifier(to))
    };
    let mut script = end_connections(name) + &end_connections(&place) + "BEGIN;\n";
    if is_there {
        script.push_str(&rename(name, &dropping));
    }
    script.push_str(&rename(&place, name));
    script.push_str(&unmark(name));
    script.push_str("COMMIT;\n");
    // Short, and not to be stopped: nobody could tell whether it had come to its end.
    client.script(at, script.as_bytes(), &Stop::new())?;
    log(&format!("`{place}` is called `{name}` again"));
    if is_there { drop_database(&client, at, &dropping, &Stop::new()) } else { Ok(()) }
}

/// The database that was set aside, by its name or by the place that its mark tells.
fn find(
    client: &Client,
    at: &str,
    place: &str,
    stop: &Stop,
) -> Result<Option<String>, DatabaseError> {
    let marked = format!("{MARK}\n{place}\n");
    let question = format!(
        "select datname from pg_catalog.pg_database where datname = {} \
         or pg_catalog.starts_with(coalesce({COMMENT}, ''), {}) order by datname = {} desc",
        literal(place),
        literal(&marked),
        literal(place)
    );
    client.value(at, &question, stop)
}
