//! Roles that a database needs and the server lacks, made from what `pg_dumpall` wrote.
//!
//! **Invariant:** a role that is there is not altered: it may have got another password since.
//! Tablespaces are not made: their directories belong to the host.

use std::collections::BTreeSet;

use super::client::Client;
use super::contents::Note;
use super::said::cut;
use super::statements::{ENCODING, after, encoding_of, name, put_foreign, statements};
use crate::database::DatabaseError;
use crate::stop::Stop;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// What could not be made.
    pub(super) remarks: Vec<String>,
    /// Tablespaces that the dump may name and the server lacks.
    pub(super) tablespaces: Vec<String>,
}

/// Makes the roles that are missing; with a note only those that it names.
///
/// # Errors
/// When the server cannot be asked. What it refuses is a remark.
pub(super) fn make_missing(
    client: &Client,
    maintenance: &str,
    globals: &[u8],
    note: Option<&Note>,
    stop: &Stop,
) -> Result<Made, DatabaseError> {
    let set = |names: Vec<String>| names.into_iter().collect::<BTreeSet<String>>();
    let question = "select rolname from pg_catalog.pg_roles";
    let there = set(client.values(maintenance, question, stop)?);
    let question = "select spcname from pg_catalog.pg_tablespace";
    let spaces = set(client.values(maintenance, question, stop)?);
    let all = statements(globals);
    let new: BTreeSet<String> = all
        .iter()
        .filter_map(|statement| Some(name(after(statement, "CREATE ROLE ")?)?.1))
        .filter(|role| !there.contains(role))
        .filter(|role| note.is_none_or(|note| note.roles.contains(role)))
        .collect();
    let tablespaces = all
        .iter()
        .filter_map(|statement| Some(name(after(statement, "CREATE TABLESPACE ")?)?.1))
        .filter(|space| !spaces.contains(space));
    let mut made = Made { tablespaces: tablespaces.collect(), ..Made::default() };
    if new.is_empty() {
        return Ok(made);
    }
    let is_there = |role: &str| there.contains(role) || new.contains(role);
    let chosen = all.iter().filter_map(|statement| choose(statement, &new, &is_there));
    let mut script = b"\\set ON_ERROR_STOP off\n".to_vec();
    let encoding = all.iter().find_map(|statement| encoding_of(statement));
    let encoding = encoding.as_deref().unwrap_or(ENCODING);
    // Each is one line, by whose number psql names it; the first line is ours.
    let mut about: Vec<String> = Vec::new();
    for (statement, role) in chosen {
        put_foreign(&mut script, encoding, &[&statement]);
        about.push(role);
    }
    let said = client.script(maintenance, &script, stop)?;
    for line in said.lines() {
        let Some((place, message)) = line.split_once("ERROR:") else { continue };
        // `psql:<stdin>:12: ERROR:  …`
        let number = place.trim_end_matches([':', ' ']).rsplit(':').next();
        let number = number.and_then(|number| number.parse::<usize>().ok()).unwrap_or(0);
        let role = number.checked_sub(2).and_then(|at| about.get(at)).map_or("", String::as_str);
        made.remarks.push(cut(&format!("role `{role}`: {}", message.trim())));
    }
    Ok(made)
}

/// A statement when it makes something of a new role, and that role's name.
fn choose(
    statement: &[u8],
    new: &BTreeSet<String>,
    is_there: &dyn Fn(&str) -> bool,
) -> Option<(Vec<u8>, String)> {
    if statement.starts_with(b"SET ") {
        return Some((statement.to_vec(), String::new()));
    }
    for words in ["CREATE ROLE ", "ALTER ROLE ", "COMMENT ON ROLE ", "SECURITY LABEL ON ROLE "] {
        if let Some((_, role, _)) = after(statement, words).and_then(name) {
            return new.contains(&role).then(|| (statement.to_vec(), role));
        }
    }
    let (_, group, rest) = name(after(statement, "GRANT ")?)?;
    if let Some((written, member, options)) = after(rest, "TO ").and_then(name) {
        if !(new.contains(&member) || new.contains(&group)) {
            return None;
        }
        if !is_there(&member) || !is_there(&group) {
            return None;
        }
        // Whoever granted it may be nobody here.
        let by = b"GRANTED BY ";
        let grantor = options.windows(by.len()).position(|words| words == by);
        let keeps = grantor.is_none_or(|at| {
            name(&options[at + by.len()..]).is_some_and(|(_, role, _)| is_there(&role))
        });
        if keeps {
            return Some((statement.to_vec(), member));
        }
        let group = &statement[..statement.len() - rest.len()];
        let kept = options[..grantor.unwrap_or(0)].trim_ascii_end();
        let whole = [group, b"TO ", written, b" ", kept].concat();
        return Some((whole.trim_ascii_end().to_vec(), member));
    }
    // `GRANT SET ON PARAMETER x TO role`
    let to = b" TO ";
    let at = rest.windows(to.len()).rposition(|words| words == to)?;
    let (_, role, _) = name(&rest[at + to.len()..])?;
    (rest.starts_with(b"ON PARAMETER ") && new.contains(&role)).then(|| (statement.to_vec(), role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_makes_a_new_role_is_chosen() {
        let new: BTreeSet<String> = ["tom", "My Role"].map(str::to_owned).into();
        let is_there = |role: &str| new.contains(role) || ["postgres", "old"].contains(&role);
        let check = |statement: &str| {
            choose(statement.as_bytes(), &new, &is_there)
                .map(|(chosen, _)| String::from_utf8(chosen).unwrap())
        };
        for kept in [
            "SET client_encoding = 'UTF8'",
            "CREATE ROLE tom",
            "ALTER ROLE \"My Role\" WITH LOGIN PASSWORD 'SCRAM'",
            "COMMENT ON ROLE tom IS 'x; y'",
            "GRANT old TO tom GRANTED BY postgres",
            "GRANT tom TO old WITH ADMIN OPTION GRANTED BY postgres",
            "GRANT SET ON PARAMETER work_mem TO tom",
        ] {
            assert_eq!(check(kept).as_deref(), Some(kept));
        }
        for left in [
            "CREATE ROLE old",
            "ALTER ROLE postgres WITH SUPERUSER PASSWORD 'x'",
            "GRANT old TO postgres GRANTED BY postgres",
            "GRANT gone TO tom GRANTED BY postgres",
            "GRANT SET ON PARAMETER work_mem TO old",
            "GRANT CREATE ON TABLESPACE fast TO tom",
            "CREATE TABLESPACE fast OWNER tom LOCATION '/mnt/fast'",
            "DROP ROLE tom",
        ] {
            assert_eq!(check(left), None, "{left}");
        }
        assert_eq!(
            check("GRANT old TO \"My Role\" WITH ADMIN OPTION GRANTED BY gone").as_deref(),
            Some("GRANT old TO \"My Role\" WITH ADMIN OPTION")
        );
        assert_eq!(check("GRANT old TO tom GRANTED BY gone").as_deref(), Some("GRANT old TO tom"));
    }
}
