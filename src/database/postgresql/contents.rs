//! What is in a dump, by the word of `pg_restore`: whether it is whole, and how its database was.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{CLIENT_PACKAGE, find, listen, reopen, unwrapped};
use super::said::Said;
use super::statements::{ENCODING, after, encoding_of, name, put_foreign, statements};
use crate::database::DatabaseError;
use crate::process::Pipe;
use crate::stop::Stop;

/// The most bytes of a list of a dump's entries.
const LIST: usize = 256 << 20;
/// Words before what we note in the description for ourselves.
const NOTE: &str = "-- larder: ";

/// How the statement begins that gives a database its comment.
pub(super) const COMMENT: &[u8] = b"COMMENT ON DATABASE ";

/// How a database was, beside what is in it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// What follows its name in `CREATE DATABASE`.
    pub(super) create: Vec<u8>,
    /// Its owner, as SQL writes the name.
    pub(super) owner: Option<Vec<u8>>,
    /// The encoding of all this, when it is told.
    encoding: Option<String>,
    /// Its settings, rights and comment, which name it.
    pub(super) settings: Vec<Vec<u8>>,
    /// Whether it holds anything that somebody made.
    pub(super) empty: bool,
}

/// What only the server can tell, noted in the description.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Note {
    /// The roles that the database needs: owners, those with rights, and their groups and members.
    pub(super) roles: Vec<String>,
}

/// Reads a dump to its end, as `pg_restore` does when it restores.
///
/// # Errors
/// [`DatabaseError::Cut`] when it is not whole.
pub(super) fn prove(
    dump: &File,
    called: &str,
    timeout: Duration,
    stop: &Stop,
) -> Result<(), DatabaseError> {
    // `pg_restore -l` reads the list only, and takes what is cut behind it for whole.
    pg_restore(dump, called, &["-f", "/dev/null"], timeout, stop).map(drop)
}

impl Contents {
    /// Reads how the database of a dump was.
    ///
    /// # Errors
    /// [`DatabaseError::Cut`] when the dump does not tell.
    pub(super) fn read(
        dump: &File,
        called: &str,
        timeout: Duration,
        stop: &Stop,
    ) -> Result<Self, DatabaseError> {
        let list = pg_restore(dump, called, &["-C", "-l"], timeout, stop)?;
        let of_database: Vec<&[u8]> =
            list.split(|byte| *byte == b'\n').filter(|line| is_of_database(line)).collect();
        let mut kept = tempfile::NamedTempFile::new().map_err(cannot_keep)?;
        kept.write_all(&of_database.join(&b'\n')).map_err(cannot_keep)?;
        let path = kept.path().display().to_string();
        let script = pg_restore(dump, called, &["-C", "-L", &path, "-f", "-"], timeout, stop)?;
        let mut contents = Self::of_script(&script);
        contents.empty = !list.split(|byte| *byte == b'\n').any(is_somebodys);
        if contents.create.is_empty() {
            let why = "it does not tell how its database was".to_owned();
            return Err(DatabaseError::Cut { name: called.to_owned(), why });
        }
        Ok(contents)
    }

    fn of_script(script: &[u8]) -> Self {
        let mut contents = Self::default();
        for statement in statements(script) {
            if let Some(rest) = after(&statement, "CREATE DATABASE ") {
                contents.create = name(rest).map_or_else(Vec::new, |(_, _, rest)| rest.to_vec());
            } else if statement.starts_with(b"SET client_encoding") {
                contents.encoding = encoding_of(&statement);
            } else if statement.starts_with(b"SET ") || statement.starts_with(b"SELECT ") {
            } else if let Some(owner) = owner_of(&statement) {
                contents.owner = Some(owner);
            } else {
                contents.settings.push(statement);
            }
        }
        contents
    }

    /// The script that makes the database, under the name that psql's variable `new` has.
    pub(super) fn create_sql(&self, note: &Note) -> Vec<u8> {
        let mut text = b"-- How the database was made, by whatever name the variable `new` has:\n\
            -- psql -X -v ON_ERROR_STOP=1 -v new=NAME -d postgres -f THIS_FILE\n"
            .to_vec();
        text.extend_from_slice(NOTE.as_bytes());
        text.extend(serde_json::to_vec(note).expect("plain structs always serialise"));
        text.push(b'\n');
        self.put_encoding(&mut text);
        put(&mut text, &[b"CREATE DATABASE :\"new\" ", &self.create]);
        if let Some(owner) = &self.owner {
            put(&mut text, &[b"ALTER DATABASE :\"new\" OWNER TO ", owner]);
        }
        text
    }

    /// The script that gives the database its settings, rights and comment, once it has its name.
    pub(super) fn settings_sql(&self) -> Vec<u8> {
        let mut text =
            b"-- Settings, rights and comment of the database, once it has its name.\n".to_vec();
        self.put_encoding(&mut text);
        for statement in &self.settings {
            put(&mut text, &[statement]);
        }
        text
    }

    /// `IS '…'`: what follows the name of the database in its comment.
    pub(super) fn comment(&self) -> Option<&[u8]> {
        let comment = self.settings.iter().find_map(|one| one.strip_prefix(COMMENT))?;
        name(comment).map(|(_, _, rest)| rest)
    }

    pub(super) fn put_encoding(&self, text: &mut Vec<u8>) {
        if let Some(encoding) = &self.encoding {
            put(text, &[b"SET client_encoding = '", encoding.as_bytes(), b"'"]);
        }
        put(text, &[b"SET standard_conforming_strings = on"]);
    }

    /// Adds a statement with parts out of the dump to a script that psql reads here.
    pub(super) fn put(&self, script: &mut Vec<u8>, parts: &[&[u8]]) {
        put_foreign(script, self.encoding.as_deref().unwrap_or(ENCODING), parts);
    }
}

impl Note {
    /// The note in a description, when there is one.
    pub(super) fn of(create_sql: &[u8]) -> Option<Self> {
        let mut lines = create_sql.split(|byte| *byte == b'\n');
        let json = lines.find_map(|line| line.strip_prefix(NOTE.as_bytes()))?;
        serde_json::from_slice(json).ok()
    }
}

/// Adds a statement of these parts.
pub(super) fn put(script: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        script.extend_from_slice(part);
    }
    script.extend_from_slice(b";\n");
}

fn cannot_keep(source: std::io::Error) -> DatabaseError {
    DatabaseError::Io { what: "keep the list of a dump".to_owned(), source }
}

/// `ALTER DATABASE x OWNER TO y`.
fn owner_of(statement: &[u8]) -> Option<Vec<u8>> {
    let (_, _, rest) = name(after(statement, "ALTER DATABASE ")?)?;
    after(rest, "OWNER TO ").map(<[u8]>::to_vec)
}

/// What an entry of a list is: `215; 1259 16386 TABLE public t postgres` is `TABLE public t …`.
fn entry(line: &[u8]) -> Option<&[u8]> {
    if line.starts_with(b";") {
        return None;
    }
    let mut rest = line;
    for _ in 0..3 {
        rest = &rest[rest.iter().position(|byte| *byte == b' ')? + 1..];
    }
    Some(rest)
}

fn is_of_database(line: &[u8]) -> bool {
    const WORDS: [&str; 5] = [
        "DATABASE - ",
        "DATABASE PROPERTIES - ",
        "COMMENT - DATABASE ",
        "ACL - DATABASE ",
        "SECURITY LABEL - DATABASE ",
    ];
    entry(line).is_some_and(|entry| WORDS.iter().any(|word| entry.starts_with(word.as_bytes())))
}

/// Whether an entry is something that a database does not have by itself.
fn is_somebodys(line: &[u8]) -> bool {
    const WORDS: [&str; 7] =
        ["DATABASE", "SCHEMA", "EXTENSION", "COMMENT", "ACL", "SECURITY LABEL", "DEFAULT ACL"];
    entry(line).is_some_and(|entry| {
        let is = |word: &str| after(entry, word).is_some_and(|rest| rest.starts_with(b" "));
        !WORDS.into_iter().any(is)
    })
}

/// What `pg_restore` writes when it reads a dump; it must like it.
fn pg_restore(
    dump: &File,
    called: &str,
    arguments: &[&str],
    timeout: Duration,
    stop: &Stop,
) -> Result<Vec<u8>, DatabaseError> {
    let mut argv = vec![unwrapped(find("pg_restore", CLIENT_PACKAGE)?, "pg_restore")];
    argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
    let input = reopen(dump).map_err(|source| DatabaseError::Io {
        what: format!("read the dump `{called}`"),
        source,
    })?;
    let mut kept = Vec::new();
    let pipe = Pipe { argv: &argv, env: &[], input: Some(input), timeout };
    let taken = listen(pipe, "pg_restore", stop, &mut |bytes| {
        if kept.len() + bytes.len() > LIST {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        kept.extend_from_slice(bytes);
        Ok(())
    });
    let (said, outcome) = taken.map_err(|trouble| trouble.or_io("pg_restore"))?;
    if outcome.status.success() {
        return Ok(kept);
    }
    Err(match (outcome.status.code(), said.judge("pg_restore", outcome.status, "")) {
        // A signal says nothing of the dump.
        (Some(_), DatabaseError::Failed { said: why, .. }) => {
            DatabaseError::Cut { name: called.to_owned(), why }
        }
        (_, error) => error,
    })
}

/// Only for its lines: warnings of a program that succeeded.
pub(super) fn warnings(said: &Said) -> impl Iterator<Item = &String> {
    said.lines().iter().filter(|line| line.contains("warning:") || line.contains("WARNING:"))
}
