//! What PostgreSQL's programs say, and what it means.

use std::process::ExitStatus;

use crate::database::DatabaseError;
use crate::database::said::without_values;
use crate::process::{ProcessError, explain};

/// The most characters that are told of a message: it may hold data.
const LONGEST: usize = 300;
/// The most lines that are kept of a program.
const MOST: usize = 40;

/// The first lines of a program's standard error.
#[derive(Debug, Default)]
pub(super) struct Said {
    lines: Vec<String>,
}

impl Said {
    pub(super) fn push(&mut self, line: &str) {
        if self.lines.len() < MOST && !line.trim().is_empty() {
            self.lines.push(cut(line));
        }
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(super) fn contains(&self, words: &str) -> bool {
        self.lines.iter().any(|line| line.contains(words))
    }

    /// The line that tells most: the first error, else the last line.
    fn first(&self) -> String {
        let is_error = |line: &&String| {
            ["error:", "ERROR:", "FATAL:", "PANIC:"].iter().any(|word| line.contains(word))
        };
        let line = self.lines.iter().find(is_error).or(self.lines.last());
        line.map_or_else(String::new, |line| without_values(plain(line)))
    }

    /// What it means that a program ended with this status and these words.
    pub(super) fn judge(&self, program: &str, status: ExitStatus, user: &str) -> DatabaseError {
        let said = self.first();
        if status.code().is_none() {
            return DatabaseError::Failed { program: program.to_owned(), said: explain(status) };
        }
        let connecting = self.lines.iter().find(|line| {
            line.contains("connection to server") && line.contains("failed:")
                || line.contains("could not translate host name")
        });
        if let Some(line) = connecting {
            return of_connecting(line, user);
        }
        let gone = [
            "server closed the connection",
            "terminating connection",
            "connection to server was lost",
            "no connection to the server",
            "could not receive data from server",
            "could not send data to server",
        ];
        if gone.iter().any(|words| self.contains(words)) {
            return DatabaseError::Unreachable { said };
        }
        let said = if said.is_empty() { explain(status) } else { said };
        DatabaseError::Failed { program: program.to_owned(), said: with_remedy(said) }
    }
}

/// The client could not connect. Its own words are English; the server's may not be, but an
/// answer of the server is marked as fatal in every language that it speaks.
fn of_connecting(line: &str, user: &str) -> DatabaseError {
    let said = plain(line).to_owned();
    let passing = [
        "starting up",
        "shutting down",
        "recovery mode",
        "too many clients",
        "remaining connection slots",
    ];
    if passing.iter().any(|words| said.contains(words)) {
        return DatabaseError::Unreachable { said };
    }
    if let Some(name) = between(&said, "database \"", "\" does not exist") {
        return DatabaseError::Unknown(name.to_owned());
    }
    let refused = said.contains("failed: FATAL")
        || said.contains("no password supplied")
        || said.contains("authentication");
    if refused {
        DatabaseError::Refused { user: user.to_owned(), said }
    } else {
        DatabaseError::Unreachable { said }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.find(after).map(|end| &rest[..end])
}

/// What people would have to look up otherwise.
fn with_remedy(said: String) -> String {
    let remedy = if said.contains("locale") || said.contains("collat") {
        "; the host lacks what the database sorts by: `dpkg-reconfigure locales`, then restart PostgreSQL"
    } else if said.contains("is not available") && said.contains("extension") {
        "; install the package of the extension"
    } else if said.contains("row-level security") {
        "; dump as the owner, or as a role with BYPASSRLS"
    } else if said.contains("permission denied") || said.contains("must be owner") {
        "; it takes the owner or a superuser, to dump also a member of `pg_read_all_data`"
    } else {
        ""
    };
    said + remedy
}

/// The program could not be run, under the name by which people know it.
pub(super) fn of_process(error: ProcessError, name: &str) -> DatabaseError {
    let program = name.to_owned();
    DatabaseError::from(match error {
        ProcessError::Start { source, .. } => ProcessError::Start { program, source },
        ProcessError::Failed { explanation, tail, .. } => {
            ProcessError::Failed { program, explanation, tail: cut(&tail) }
        }
        ProcessError::TimedOut { after, tail, .. } => {
            ProcessError::TimedOut { program, after, tail: cut(&tail) }
        }
        ProcessError::Stopped { reason, .. } => ProcessError::Stopped { program, reason },
        ProcessError::TooMuch { cap, .. } => ProcessError::TooMuch { program, cap },
        ProcessError::Lost { source, .. } => ProcessError::Lost { program, source },
        error @ (ProcessError::Empty | ProcessError::NotFound { .. }) => error,
    })
}

/// A message without who says it.
fn plain(line: &str) -> &str {
    let line = line.trim();
    for program in ["psql", "pg_dump", "pg_dumpall", "pg_restore", "initdb"] {
        let Some(rest) = line.strip_prefix(program) else { continue };
        if let Some(rest) = rest.strip_prefix(": error: ") {
            return rest;
        }
        if rest.starts_with(':') {
            // `psql:<stdin>:3: ERROR:  …`
            return rest.find(": ").map_or(line, |start| rest[start + 2..].trim_start());
        }
    }
    line
}

/// One line of bounded length.
pub(super) fn cut(text: &str) -> String {
    let line = text.replace(['\n', '\t'], " ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn check(code: i32, lines: &[&str]) -> String {
        let mut said = Said::default();
        for line in lines {
            said.push(line);
        }
        format!("{:?}", said.judge("pg_dump", ExitStatus::from_raw(code << 8), "tom"))
    }

    #[test]
    fn every_kind_of_trouble_has_a_name() {
        let socket = "connection to server on socket \"/x/.s.PGSQL.5432\" failed:";
        for (line, expected) in [
            (format!("psql: error: {socket} FATAL:  database \"a b\" does not exist"), "Unknown"),
            (format!("psql: error: {socket} FATAL:  role \"tom\" does not exist"), "Refused"),
            (format!("pg_dump: error: {socket} FATAL:  Peer-Authentifizierung fehlgeschlagen"), "Refused"),
            (format!("psql: error: {socket} fe_sendauth: no password supplied"), "Refused"),
            (format!("psql: error: {socket} No such file or directory"), "Unreachable"),
            (format!("psql: error: {socket} FATAL:  the database system is starting up"), "Unreachable"),
            ("pg_dump: error: could not translate host name \"x\" to address".to_owned(), "Unreachable"),
            ("pg_dump: detail: Error message from server: server closed the connection unexpectedly".to_owned(), "Unreachable"),
            ("pg_dump: error: query failed: ERROR:  permission denied for table t".to_owned(), "Failed"),
        ] {
            assert!(check(1, &[&line]).starts_with(expected), "{line}: {}", check(1, &[&line]));
        }
    }

    #[test]
    fn little_is_told_of_what_may_be_data() {
        let long = format!("psql:<stdin>:3: ERROR:  bad value {}", "x".repeat(5_000));
        let told = check(3, &["psql:<stdin>:2: NOTICE: something", &long, "LINE 1: secret"]);
        assert!(told.len() < 450 && told.contains("ERROR:  bad value xx"), "{told}");
        assert!(!told.contains("secret") && !told.contains("stdin"));
    }
}
