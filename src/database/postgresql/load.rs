//! Putting a database back: all of it, or nothing.

use std::fs::{self, File};
use std::io::Read as _;

use super::client::{Client, PATIENCE, conninfo, reopen};
use super::contents::{COMMENT, Contents, Note, prove, put};
use super::statements::{identifier, literal};
use super::{GLOBALS, UNFINISHED, aside, beside, member, open, roles, shortened};
use crate::database::{DatabaseError, Load, Loaded};
use crate::stop::Stop;

/// How often names are swapped before somebody who keeps connecting has won.
const ATTEMPTS: usize = 3;
/// The beginning of the name of a database that is replaced and about to be dropped.
pub(super) const DROPPING: &str = "larder_dropping_";
/// The most bytes of what stands beside a dump.
const SMALL: u64 = 64 << 20;
/// Tables, those in parts once.
const TABLES: &str = "select count(*) from pg_catalog.pg_class c \
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p') and not c.relispartition \
    and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')";

/// See [`load`](super::super::load).
pub(super) fn load(
    load: &Load<'_>,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<Loaded, DatabaseError> {
    let called = member(load.name, "dump");
    let dump = open(load.dumps, &called)?;
    prove(&dump, &called, load.timeout, stop)?;
    let contents = Contents::read(&dump, &called, load.timeout, stop)?;
    log(&format!("the dump `{called}` is whole"));

    let client = Client::new(load.access, load.timeout)?;
    let loading = Loading {
        load,
        client: &client,
        beside: beside(load.name),
        unfinished: format!("{UNFINISHED}{}", shortened(load.name, UNFINISHED.len())),
        stop,
    };
    let (mut remarks, tablespaces) = loading.make_roles(log)?;
    // What an interrupted load left behind.
    loading.drop_database(&loading.unfinished, stop)?;
    let loaded = loading.fill(&dump, &contents, tablespaces, &mut remarks, log);
    let loaded = loaded.and_then(|tables| {
        let set_aside = loading.swap(&contents, &mut remarks, log)?;
        Ok(Loaded { tables, remarks, set_aside })
    });
    if loaded.is_err() {
        // Also when somebody asked to stop.
        let _ = loading.drop_database(&loading.unfinished, &Stop::new());
    }
    loaded
}

struct Loading<'a> {
    load: &'a Load<'a>,
    client: &'a Client,
    /// The database that we are connected to meanwhile.
    beside: &'static str,
    /// The name that the new database has until it is complete.
    unfinished: String,
    stop: &'a Stop,
}

impl Loading<'_> {
    /// Roles that are missing; the remarks, and whether a tablespace is missing.
    fn make_roles(&self, log: &mut dyn FnMut(&str)) -> Result<(Vec<String>, bool), DatabaseError> {
        let Some(globals) = self.small(GLOBALS)? else {
            return Ok((vec![format!("`{GLOBALS}` is not there: no role was made")], false));
        };
        let description = self.small(&member(self.load.name, "create.sql"))?;
        let note = description.and_then(|description| Note::of(&description));
        let made =
            roles::make_missing(self.client, self.beside, &globals, note.as_ref(), self.stop)?;
        let lacking = !made.tablespaces.is_empty();
        let mut remarks = made.remarks;
        if lacking {
            remarks.push(format!(
                "the server lacks tablespaces ({}): everything lies in its usual place",
                made.tablespaces.join(", ")
            ));
        }
        for remark in &remarks {
            log(remark);
        }
        Ok((remarks, lacking))
    }

    /// A small file beside the dump, when it is there.
    fn small(&self, name: &str) -> Result<Option<Vec<u8>>, DatabaseError> {
        let mut bytes = Vec::new();
        let read = open(self.load.dumps, name).map(|file| file.take(SMALL).read_to_end(&mut bytes));
        match read {
            Err(DatabaseError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(Err(source)) => {
                Err(DatabaseError::Io { what: format!("read the dump `{name}`"), source })
            }
            Ok(Ok(_)) => Ok(Some(bytes)),
        }
    }

    /// The new database with all that is in the dump; how many tables it has.
    fn fill(
        &self,
        dump: &File,
        contents: &Contents,
        without_tablespaces: bool,
        remarks: &mut Vec<String>,
        log: &mut dyn FnMut(&str),
    ) -> Result<u64, DatabaseError> {
        let name = identifier(&self.unfinished);
        let mut create = contents.create.as_slice();
        if without_tablespaces {
            // The clause is pg_dump's last one but for what a template is.
            let at = create.windows(14).position(|words| words == b" TABLESPACE = ");
            create = at.map_or(create, |at| &create[..at]);
        }
        let mut script = Vec::new();
        contents.put_encoding(&mut script);
        contents.put(&mut script, &[b"CREATE DATABASE ", name.as_bytes(), b" ", create]);
        if let Some(owner) = &contents.owner {
            contents.put(&mut script, &[b"ALTER DATABASE ", name.as_bytes(), b" OWNER TO ", owner]);
        }
        self.client.script(self.beside, &script, self.stop)?;
        log(&format!("loading into `{}`, until it is complete", self.unfinished));
        let mut arguments: Vec<String> =
            ["--exit-on-error", "--single-transaction"].map(str::to_owned).into();
        if without_tablespaces {
            arguments.push("--no-tablespaces".to_owned());
        }
        arguments.extend(["-d".to_owned(), conninfo(&self.unfinished)]);
        let input = reopen(dump).map_err(|source| DatabaseError::Io {
            what: "read the dump again".to_owned(),
            source,
        })?;
        self.client
            .run_with_us("pg_restore", &arguments, Some(input), self.stop, &mut |_| Ok(()))
            .map_err(|trouble| trouble.or_io("pg_restore"))?;
        self.comment(contents, remarks)?;
        let tables = self.client.value(&self.unfinished, TABLES, self.stop)?;
        Ok(tables.and_then(|tables| tables.parse().ok()).unwrap_or(0))
    }

    /// The comment: its text has the encoding of its database, and is written from inside.
    fn comment(&self, contents: &Contents, remarks: &mut Vec<String>) -> Result<(), DatabaseError> {
        let Some(comment) = contents.comment() else { return Ok(()) };
        let mut script = Vec::new();
        contents.put_encoding(&mut script);
        let name = identifier(&self.unfinished);
        contents.put(&mut script, &[b"COMMENT ON DATABASE ", name.as_bytes(), b" ", comment]);
        match self.client.script(&self.unfinished, &script, self.stop) {
            Err(DatabaseError::Failed { said, .. }) => {
                remarks.push(format!("the comment of the database: {said}"));
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Gives the new database its name, settings and rights. What had the name is set aside, or
    /// dropped.
    fn swap(
        &self,
        contents: &Contents,
        remarks: &mut Vec<String>,
        log: &mut dyn FnMut(&str),
    ) -> Result<Option<String>, DatabaseError> {
        let is_there = self.exists(self.load.name)?;
        let old = if self.load.aside.is_some() {
            self.free_name()?
        } else {
            format!("{DROPPING}{}", shortened(self.load.name, DROPPING.len()))
        };
        if is_there && self.load.aside.is_none() {
            self.drop_database(&old, self.stop)?;
        }
        let script = self.swap_script(contents, is_there.then_some(&old));
        self.stop.check()?;
        let note = is_there.then_some(self.load.aside).flatten().map(|dir| dir.join("database"));
        if let Some(note) = &note {
            // From here on somebody who is killed cannot tell by themselves what was set aside.
            fs::create_dir_all(note.parent().unwrap_or(note))
                .and_then(|()| fs::write(note, &old))
                .map_err(|source| DatabaseError::Io {
                    what: format!("note in `{}` what is set aside", note.display()),
                    source,
                })?;
        }
        let mut attempt = 0;
        let said = loop {
            attempt += 1;
            // Short, and not to be stopped: nobody could tell whether it had come to its end.
            match self.client.script(self.beside, &script, &Stop::new()) {
                // Somebody connected between the end of the connections and the new name.
                Err(DatabaseError::Failed { .. }) if attempt < ATTEMPTS => {
                    log("the database is in use: trying again");
                }
                other => break other?,
            }
        };
        if let Some(note) = &note {
            let _ = fs::remove_file(note);
        }
        for line in said.lines() {
            if let Some((_, message)) = line.split_once("ERROR:") {
                let remark = format!("a setting or right of the database: {}", message.trim());
                log(&remark);
                remarks.push(remark);
            }
        }
        if !is_there {
            return Ok(None);
        }
        if self.load.aside.is_some() {
            log(&format!("what was there is the database `{old}` now"));
            return Ok(Some(old));
        }
        if let Err(error) = self.drop_database(&old, &Stop::new()) {
            remarks.push(format!("what was there is the database `{old}` now: {error}"));
        }
        Ok(None)
    }

    /// All or nothing for the names; what a setting or a right lacks is told by itself.
    fn swap_script(&self, contents: &Contents, old: Option<&String>) -> Vec<u8> {
        let (name, new) = (identifier(self.load.name), identifier(&self.unfinished));
        let mut script = end_connections(self.load.name).into_bytes();
        script.extend(end_connections(&self.unfinished).into_bytes());
        put(&mut script, &[b"BEGIN"]);
        if let Some(old) = old {
            let called = identifier(old);
            put(
                &mut script,
                &[b"ALTER DATABASE ", name.as_bytes(), b" RENAME TO ", called.as_bytes()],
            );
            let place = self.load.aside.map(|place| place.display().to_string());
            script.extend(aside::mark(old, &place.unwrap_or_default()).into_bytes());
        }
        put(&mut script, &[b"ALTER DATABASE ", new.as_bytes(), b" RENAME TO ", name.as_bytes()]);
        script.extend_from_slice(b"\\set ON_ERROR_STOP off\n\\set ON_ERROR_ROLLBACK on\n");
        contents.put_encoding(&mut script);
        for statement in contents.settings.iter().filter(|one| !one.starts_with(COMMENT)) {
            contents.put(&mut script, &[statement]);
        }
        script.extend_from_slice(b"\\set ON_ERROR_STOP on\n");
        put(&mut script, &[b"COMMIT"]);
        script
    }

    fn exists(&self, name: &str) -> Result<bool, DatabaseError> {
        exists(self.client, self.beside, name, self.stop)
    }

    /// `NAME_before_YYYYMMDDHHMMSS`, or one second later when that is taken.
    fn free_name(&self) -> Result<String, DatabaseError> {
        let mut time = jiff::Timestamp::now();
        loop {
            let ending = time.strftime("_before_%Y%m%d%H%M%S").to_string();
            let name = format!("{}{ending}", shortened(self.load.name, ending.len()));
            if !self.exists(&name)? {
                return Ok(name);
            }
            time += jiff::SignedDuration::from_secs(1);
        }
    }

    fn drop_database(&self, name: &str, stop: &Stop) -> Result<(), DatabaseError> {
        let mut client = None;
        // Tidying up after a stop gets a little time, not another time-out.
        let client = if std::ptr::eq(stop, self.stop) {
            self.client
        } else {
            &*client.insert(Client::new(self.load.access, PATIENCE)?)
        };
        drop_database(client, self.beside, name, stop)
    }
}

/// Whether the server that we ask in the database `at` has one of this name.
pub(super) fn exists(
    client: &Client,
    at: &str,
    name: &str,
    stop: &Stop,
) -> Result<bool, DatabaseError> {
    let question =
        format!("select 1 from pg_catalog.pg_database where datname = {}", literal(name));
    Ok(client.value(at, &question, stop)?.is_some())
}

/// Drops a database, if it is there.
pub(super) fn drop_database(
    client: &Client,
    at: &str,
    name: &str,
    stop: &Stop,
) -> Result<(), DatabaseError> {
    let mut script = end_connections(name).into_bytes();
    script.extend_from_slice(b"\\set QUIET on\nSET client_min_messages = error;\n");
    put(&mut script, &[b"DROP DATABASE IF EXISTS ", identifier(name).as_bytes()]);
    client.script(at, &script, stop).map(drop)
}

/// Ends what is connected to a database, as far as we may: whoever stays is told by the server.
pub(super) fn end_connections(name: &str) -> String {
    format!(
        "\\set ON_ERROR_STOP off\n\
         select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
         where datname = {} and pid <> pg_catalog.pg_backend_pid();\n\
         \\set ON_ERROR_STOP on\n",
        literal(name)
    )
}
