//! Loads: the dump is proved whole, what is there is set aside, then it is replaced.
//!
//! The server cannot undo what it was told about tables, so this is not all or nothing by itself:
//! where a load fails, what was set aside is loaded again, and the error says how that went.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::client::{CLIENT, Client, NO_COMMANDS, RunError, identifier};
use super::dump::{Dumper, Trouble, ends_whole, knows_sandbox};
use super::{exists, schema};
use crate::database::said::cut_short;
use crate::database::spool::Spool;
use crate::database::{DatabaseError, Load, Loaded};
use crate::model::dump::file_stem;
use crate::process::with_us;
use crate::source::{Findings, What};
use crate::stop::Stop;

/// The largest `DATABASE.create.sql` that is read.
const LARGEST: u64 = 16 << 20;

pub(super) fn load(
    load: &Load<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<Loaded, DatabaseError> {
    let files = Files::open(load.dumps, load.name)?;
    let mut client = Client::new(load.access, load.timeout, stop)?;
    let mut loaded = Loaded::default();
    let is_there = exists(&client, load.name)?;
    if is_there && let Some(dir) = load.aside {
        log(&format!("setting the database `{}` aside", load.name));
        set_aside(load, dir, stop)?;
        loaded.set_aside = Some(dir.display().to_string());
    }
    log(&format!("loading the database `{}`", load.name));
    if let Err(failed) = replace(&client, load.name, &files) {
        // Whoever asked to stop does not want half a database.
        client.set_stop(&Stop::new());
        return Err(undo(&client, load, failed, loaded.set_aside.is_some(), log));
    }
    loaded.remarks = give_rights(&client, &files);
    loaded.tables = client.number(&format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {};\n",
        super::client::text(load.name)
    ))?;
    Ok(loaded)
}

/// The dumps of one database.
struct Files {
    sql: PathBuf,
    create: String,
}

impl Files {
    fn open(dir: &Path, name: &str) -> Result<Self, DatabaseError> {
        let stem = file_stem(name);
        let file_name = format!("{stem}.sql");
        let sql = dir.join(&file_name);
        let cut = |why: &str| DatabaseError::Cut { name: file_name.clone(), why: why.to_owned() };
        let tail = tail_of(&sql).map_err(|source| unreadable(&sql, source))?;
        if tail.is_empty() {
            return Err(cut("it is empty"));
        }
        if !ends_whole(&tail) {
            return Err(cut("its last line is missing"));
        }
        let path = dir.join(format!("{stem}.create.sql"));
        let mut create = String::new();
        File::open(&path)
            .and_then(|file| file.take(LARGEST).read_to_string(&mut create))
            .map_err(|source| unreadable(&path, source))?;
        if schema::statements(&create).is_none() {
            return Err(DatabaseError::Cut {
                name: format!("{stem}.create.sql"),
                why: "it does not say how the database is made".to_owned(),
            });
        }
        Ok(Self { sql, create })
    }

    fn statements(&self) -> (&str, Vec<&str>) {
        schema::statements(&self.create).expect("looked at when it was opened")
    }
}

fn unreadable(path: &Path, source: io::Error) -> DatabaseError {
    DatabaseError::Io { what: format!("read the dump `{}`", path.display()), source }
}

fn tail_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(1024)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

/// Why a load failed, and whether anything was changed by then.
struct Failed {
    error: DatabaseError,
    dropped: bool,
}

fn replace(client: &Client, name: &str, files: &Files) -> Result<(), Failed> {
    let before = |error| Failed { error, dropped: false };
    let after = |error| Failed { error, dropped: true };
    let mut options =
        vec!["--batch", "--default-character-set=utf8mb4", "--max-allowed-packet=1G", NO_COMMANDS];
    if knows_sandbox(client) {
        // A dump is data: it does not run programs here.
        options.push("--sandbox");
    }
    options.push("--");
    // Should we be killed, it does not go on alone.
    let mut argv = with_us();
    argv.extend(client.argv(CLIENT, &options).map_err(before)?);
    argv.push(name.to_owned());
    let file = File::open(&files.sql).map_err(|error| before(unreadable(&files.sql, error)))?;
    let (create, _) = files.statements();
    client
        .query(None, &format!("DROP DATABASE IF EXISTS {};\n", identifier(name)))
        .map_err(before)?;
    client.query(None, &format!("{create}\n")).map_err(after)?;
    client.run(&argv, Some(file), name, &mut |_| Ok(())).map_err(|error| match error {
        RunError::Database(error) => after(error),
        RunError::Taker(error) => {
            after(DatabaseError::Io { what: "read what the client says".to_owned(), source: error })
        }
    })
}

/// Users and rights, one by one: each failing one is a remark.
fn give_rights(client: &Client, files: &Files) -> Vec<String> {
    let (_, statements) = files.statements();
    let known = ["CREATE USER ", "ALTER USER ", "CREATE ROLE ", "GRANT "];
    let mut remarks = Vec::new();
    for statement in statements {
        if !known.iter().any(|word| statement.starts_with(word)) {
            remarks.push(format!("not carried out: {}", shown(statement)));
        } else if let Err(error) = client.query(None, &format!("{statement}\n")) {
            remarks.push(format!("{}: {error}", shown(statement)));
        }
    }
    remarks
}

/// A statement without its hash of a password.
fn shown(statement: &str) -> String {
    let end = statement.find(" IDENTIFIED ").unwrap_or(statement.len());
    cut_short(statement[..end].trim_end_matches(';'))
}

/// Dumps what is there into files of `dir`.
fn set_aside(load: &Load<'_>, dir: &Path, stop: &Stop) -> Result<(), DatabaseError> {
    let io = |source| DatabaseError::Io {
        what: format!("set the database aside in `{}`", dir.display()),
        source,
    };
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut access = load.access.clone();
    // They are for the job's own dumps, and may leave something out.
    access.options.clear();
    let mut dumper = Dumper {
        access,
        name: load.name.to_owned(),
        timeout: load.timeout,
        stop: stop.clone(),
        findings: Findings::default(),
    };
    let trouble = |trouble| match trouble {
        Trouble::Database(error) => error,
        Trouble::Spool(error) => io(error),
    };
    let spool = Spool::at(&dir.join(dumper.create_name())).map_err(io)?;
    dumper.create(spool).map_err(trouble)?.into_synced().map_err(io)?;
    let spool = Spool::at(&dir.join(dumper.sql_name())).map_err(io)?;
    dumper.dump(spool).map_err(trouble)?.into_synced().map_err(io)?;
    // A note tells of nothing that is missing.
    let mut remarks = dumper.findings.remarks.iter();
    match remarks.find(|remark| !matches!(remark.what, What::Note(_))) {
        None => Ok(()),
        Some(remark) => Err(DatabaseError::Refused {
            user: load.access.user.clone().unwrap_or_else(|| "us".to_owned()),
            said: format!(
                "what is there cannot be set aside whole, so it was left alone: {remark}"
            ),
        }),
    }
}

/// After a failure: no half of a database stays, and what was set aside comes back.
fn undo(
    client: &Client,
    load: &Load<'_>,
    failed: Failed,
    set_aside: bool,
    log: &mut dyn FnMut(&str),
) -> DatabaseError {
    let Failed { error, dropped } = failed;
    if !dropped {
        return error;
    }
    let done = if let Some(dir) = load.aside.filter(|_| set_aside) {
        log(&format!("the load failed; putting the database `{}` back", load.name));
        let back = Files::open(dir, load.name)
            .and_then(|files| replace(client, load.name, &files).map_err(|failed| failed.error));
        match back {
            Ok(()) => "what was there before was put back".to_owned(),
            Err(second) => format!(
                "what was there before could NOT be put back ({second}): it lies in `{}`",
                dir.display()
            ),
        }
    } else {
        let drop = format!("DROP DATABASE IF EXISTS {};\n", identifier(load.name));
        match client.query(None, &drop) {
            Ok(_) => "the half that was loaded was removed".to_owned(),
            Err(_) => "the half that was loaded is still there".to_owned(),
        }
    };
    log(&done);
    match error {
        DatabaseError::Stopped(stopped) => DatabaseError::Stopped(stopped),
        DatabaseError::Failed { program, said } => {
            DatabaseError::Failed { program, said: format!("{said}; {done}") }
        }
        DatabaseError::Unreachable { said } => {
            DatabaseError::Unreachable { said: format!("{said}; {done}") }
        }
        DatabaseError::Refused { user, said } => {
            DatabaseError::Refused { user, said: format!("{said}; {done}") }
        }
        other @ (DatabaseError::Missing { .. }
        | DatabaseError::Unknown(_)
        | DatabaseError::Cut { .. }
        | DatabaseError::Io { .. }
        | DatabaseError::Secret(_)
        | DatabaseError::Process(_)) => {
            let program = CLIENT[0].to_owned();
            DatabaseError::Failed { program, said: format!("{other}; {done}") }
        }
    }
}
