//! Dumps: the database's statement and rights first, then all that is in it.
//!
//! **Invariant:** a dump counts when its program ended with 0 *and* wrote its last line. What the
//! user has no right to read is told as missing, though the program says nothing of it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::client::{CLIENT, Client, DUMP, RunError, find, identifier, text};
use super::rights::Rights;
use super::{missing_program, schema};
use crate::database::spool::Spool;
use crate::database::{DatabaseError, Dump};
use crate::model::dump::file_stem;
use crate::model::job::Database;
use crate::progress::Progress;
use crate::source::{Findings, Member, Source, SourceError, What};
use crate::stop::Stop;

/// What the last line of a whole dump begins with.
const TRAILER: &str = "-- Dump completed";

/// Why there is no dump.
#[derive(Debug)]
pub(super) enum Trouble {
    Database(DatabaseError),
    /// There is no room for it, or its disk fails.
    Spool(io::Error),
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        Trouble::Database(error)
    }
}

impl From<RunError> for Trouble {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Database(error) => Trouble::Database(error),
            RunError::Taker(error) => Trouble::Spool(error),
        }
    }
}

/// A dump that is to be made.
#[derive(Debug)]
pub(super) struct Dumper {
    pub(super) access: Database,
    pub(super) name: String,
    pub(super) timeout: Duration,
    pub(super) stop: Stop,
    pub(super) findings: Findings,
}

impl Dumper {
    pub(super) fn sql_name(&self) -> String {
        format!("{}.sql", file_stem(&self.name))
    }

    pub(super) fn create_name(&self) -> String {
        format!("{}.create.sql", file_stem(&self.name))
    }

    pub(super) fn client(&self) -> Result<Client, DatabaseError> {
        if let Some(gone) = missing_program() {
            return Err(DatabaseError::Missing { program: gone.program, package: gone.package });
        }
        Client::new(&self.access, self.timeout, &self.stop)
    }

    /// The database's statement and rights.
    pub(super) fn create(&self, mut spool: Spool) -> Result<Spool, Trouble> {
        let sql = schema::create_sql(&self.client()?, &self.name)?;
        spool.write(sql.as_bytes()).map_err(Trouble::Spool)?;
        Ok(spool)
    }

    /// All that is in it.
    pub(super) fn dump(&mut self, mut spool: Spool) -> Result<Spool, Trouble> {
        let client = self.client()?;
        let mut argv = client.argv(
            DUMP,
            &[
                // The program takes one or the other.
                if self.locks_all_tables() { "--lock-all-tables" } else { "--single-transaction" },
                "--quick",
                "--hex-blob",
                "--default-character-set=utf8mb4",
                // The program's own limit is lower than what a server may hold.
                "--max-allowed-packet=1G",
            ],
        )?;
        argv.extend(self.parts(&client)?);
        argv.extend(self.access.options.iter().cloned());
        argv.extend(["--".to_owned(), self.name.clone()]);
        let ended = client.run(&argv, None, &self.name, &mut |bytes| spool.write(bytes));
        match ended {
            Err(RunError::Database(DatabaseError::Unknown(_)))
                if self.name.contains(['\'', '"', '\\']) =>
            {
                // It was there a moment ago: the program looks for a name that it escaped.
                return Err(Trouble::Database(DatabaseError::Failed {
                    program: DUMP[0].to_owned(),
                    said: "it cannot dump routines, events or triggers of a database with a quote or a backslash in its name".to_owned(),
                }));
            }
            ended => ended?,
        }
        if ends_whole(spool.tail()) {
            return Ok(spool);
        }
        Err(Trouble::Database(DatabaseError::Cut {
            name: self.sql_name(),
            why: format!(
                "its last line does not begin with `{TRAILER}` (an option that removes comments does that, too)"
            ),
        }))
    }

    /// Which parts the dump has, by what the user may read; what it may not is told.
    fn parts(&mut self, client: &Client) -> Result<Vec<String>, DatabaseError> {
        let name = text(&self.name);
        let grants = client.query(None, "SHOW GRANTS;\n")?;
        let lines = grants.iter().filter_map(|row| row.first()).map(String::as_str);
        let rights = Rights::of(lines, &self.name);
        let count = |what: &str, schema: &str, more: &str| {
            client.number(&format!(
                "SELECT COUNT(*) FROM information_schema.{what} WHERE {schema} = {name} {more};\n"
            ))
        };
        let tables = count("TABLES", "TABLE_SCHEMA", "")?;
        let routines = count("ROUTINES", "ROUTINE_SCHEMA", "")?;
        let events = count("EVENTS", "EVENT_SCHEMA", "")?;
        let mut parts = Vec::new();
        if !rights.has("SELECT") {
            self.miss("tables", "those that the user may not read", "SELECT");
        }
        if rights.has("TRIGGER") {
            parts.push("--triggers".to_owned());
        } else {
            parts.push("--skip-triggers".to_owned());
            self.miss("triggers", "the user may not see whether there are any", "TRIGGER");
        }
        if rights.has("EVENT") {
            parts.push("--events".to_owned());
        } else {
            self.miss("events", "the user may not see whether there are any", "EVENT");
        }
        let hidden = count("ROUTINES", "ROUTINE_SCHEMA", "AND ROUTINE_DEFINITION IS NULL")?;
        if rights.reads_all_routines() || hidden == 0 {
            parts.push("--routines".to_owned());
        }
        if !rights.reads_all_routines() && hidden > 0 {
            let why = format!("the user may not read {hidden} of {routines}");
            self.miss_with("routines", &why, "`GRANT SELECT ON mysql.proc`");
        } else if !rights.sees_all_routines() {
            let why = "the user may not see whether there are any";
            self.miss_with("routines", why, "`GRANT SELECT ON mysql.proc`");
        }
        if !rights.has("SHOW VIEW") {
            let views = client.query(
                None,
                &format!(
                    "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {name};\n"
                ),
            )?;
            for view in views.into_iter().filter_map(|row| row.into_iter().next()) {
                parts.push(format!("--ignore-table={}.{view}", self.name));
                let why = format!("the user may not read `{view}`");
                self.miss("views", &why, "SHOW VIEW");
            }
        }
        self.tell_of_tables_without_transactions(count(
            "TABLES",
            "TABLE_SCHEMA",
            "AND TABLE_TYPE = 'BASE TABLE' AND ENGINE IN \
             (SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS = 'NO')",
        )?);
        if tables + routines + events == 0 {
            self.findings.doubt = Some(format!(
                "the database `{}` has nothing in it: no table, view, routine or event",
                self.name
            ));
        }
        Ok(parts)
    }

    /// Whether everybody who writes waits until the dump is made.
    fn locks_all_tables(&self) -> bool {
        let mut options = self.access.options.iter();
        options.any(|option| matches!(option.as_str(), "--lock-all-tables" | "-x"))
    }

    /// A single transaction holds such tables still for nobody.
    fn tell_of_tables_without_transactions(&mut self, tables: u64) {
        let locks = ["--lock-all-tables", "-x"];
        if tables == 0 || self.access.options.iter().any(|option| locks.contains(&option.as_str()))
        {
            return;
        }
        let path = self.sql_name();
        let note = format!(
            "{tables} of its tables have no transactions (MyISAM, Aria, …): what is written to them \
             during a dump may not fit the rest; stop who writes in `before`, or give \
             `options = [\"--lock-all-tables\"]`"
        );
        self.findings.record(path.as_bytes(), What::Note(note));
    }

    fn miss(&mut self, what: &str, why: &str, right: &str) {
        let remedy = format!("`GRANT {right} ON {}.*`", identifier(&self.name));
        self.miss_with(what, why, &remedy);
    }

    fn miss_with(&mut self, what: &str, why: &str, remedy: &str) {
        let option = format!("--skip-{what}");
        if self.access.options.contains(&option) {
            // Somebody wants none of them.
            return;
        }
        let path = self.sql_name();
        let what = What::Unreadable(format!("{what} are missing: {why}; {remedy} lets it"));
        self.findings.record(path.as_bytes(), what);
    }
}

/// Whether a dump ends as its program ends one.
pub(super) fn ends_whole(tail: &[u8]) -> bool {
    let tail = String::from_utf8_lossy(tail);
    tail.lines().rfind(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with(TRAILER))
        && tail.ends_with('\n')
}

#[derive(Debug, Clone, Copy)]
enum Next {
    Create,
    Sql,
    Nothing,
}

/// A dump as two members.
#[derive(Debug)]
struct Dumps {
    dumper: Dumper,
    spool: PathBuf,
    progress: Progress,
    next: Next,
}

impl Source for Dumps {
    fn next(&mut self) -> Result<Option<Member>, SourceError> {
        let made = match self.next {
            Next::Create => {
                self.next = Next::Sql;
                self.make(self.dumper.create_name(), |dumper, spool| dumper.create(spool))
            }
            Next::Sql => {
                self.next = Next::Nothing;
                self.progress.enter("dumping");
                let made = self.make(self.dumper.sql_name(), Dumper::dump);
                self.progress.enter("reading");
                made
            }
            Next::Nothing => return Ok(None),
        };
        made.map(Some).map_err(|trouble| self.explain(trouble))
    }

    fn findings(&self) -> &Findings {
        &self.dumper.findings
    }
}

impl Dumps {
    fn make(
        &mut self,
        path: String,
        with: impl FnOnce(&mut Dumper, Spool) -> Result<Spool, Trouble>,
    ) -> Result<Member, Trouble> {
        let began = jiff::Timestamp::now();
        let spool = Spool::new(&self.spool).map_err(Trouble::Spool)?;
        let spool = with(&mut self.dumper, spool)?;
        spool.into_member(path, began).map_err(Trouble::Spool)
    }

    fn explain(&self, trouble: Trouble) -> SourceError {
        let what = self.dumper.name.clone();
        match trouble {
            Trouble::Spool(source) => SourceError::Spool { what, source },
            Trouble::Database(DatabaseError::Stopped(stopped)) => SourceError::Stopped(stopped),
            Trouble::Database(error) => {
                SourceError::Program { what, hint: error.hint(), source: Box::new(error) }
            }
        }
    }
}

pub(super) fn source(dump: &Dump<'_>, stop: &Stop, progress: &Progress) -> Box<dyn Source> {
    Box::new(Dumps {
        dumper: Dumper {
            access: dump.access.clone(),
            name: dump.name.to_owned(),
            timeout: dump.timeout,
            stop: stop.clone(),
            findings: Findings::default(),
        },
        spool: dump.spool.to_owned(),
        progress: progress.clone(),
        next: Next::Create,
    })
}

/// Whether the client knows how to keep a dump from running commands of the shell.
pub(super) fn knows_sandbox(client: &Client) -> bool {
    let Some(program) = find(CLIENT) else { return false };
    let mut help = Vec::new();
    let _ = client.run(&[program, "--help".to_owned()], None, "", &mut |bytes| {
        help.extend_from_slice(bytes);
        Ok(())
    });
    help.windows(10).any(|window| window == b"--sandbox ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_whole_by_its_last_line_only() {
        assert!(ends_whole(b"x;\n\n-- Dump completed on 2026-05-08  3:00:00\n"));
        assert!(ends_whole(b"-- Dump completed\n"));
        for cut in [
            &b""[..],
            b"-- Dump completed on 2026-05-08\nINSERT INTO `t` VALUES (1",
            b"INSERT INTO `t` VALUES ('-- Dump completed');\n",
            b"-- Dump comple",
            b"-- Dump completed on 2026",
        ] {
            assert!(!ends_whole(cut), "{}", String::from_utf8_lossy(cut));
        }
    }
}
