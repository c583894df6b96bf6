//! A dump as members: how the database was, the roles, and the database itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::client::{Client, Trouble, conninfo};
use super::contents::{Contents, Note, prove, warnings};
use super::{GLOBALS, member};
use crate::database::{DatabaseError, Dump};
use crate::model::job::Database;
use crate::progress::Progress;
use crate::source::{
    Content, FileBody, Findings, Kind, Member, Metadata, Remark, Source, SourceError, Time, What,
};
use crate::stop::Stop;

/// The roles that a database needs: who owns or may use anything of it, their groups and members.
/// What the server brought along (`oid` below 16384) leads no further: everybody is in it.
const ROLES: &str = "with recursive \
    me as (select oid, datdba from pg_catalog.pg_database where datname = current_database()), \
    direct as ( \
      select d.refobjid as oid from pg_catalog.pg_shdepend d, me \
        where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and (d.dbid = me.oid \
        or (d.dbid = 0 and d.classid = 'pg_catalog.pg_database'::pg_catalog.regclass and d.objid = me.oid)) \
      union select datdba from me \
      union select s.setrole from pg_catalog.pg_db_role_setting s, me where s.setdatabase = me.oid), \
    needed as ( \
      select oid from direct \
      union select case when m.roleid = n.oid then m.member else m.roleid end \
        from needed n join pg_catalog.pg_auth_members m on n.oid >= 16384 and n.oid in (m.roleid, m.member)) \
    select r.rolname from pg_catalog.pg_roles r join needed using (oid) order by 1";

/// The dump of one database, made when its first member is asked for.
pub(super) struct DumpSource {
    access: Database,
    name: String,
    spool: PathBuf,
    timeout: Duration,
    stop: Stop,
    progress: Progress,
    /// `None` before it is made.
    members: Option<VecDeque<Member>>,
    findings: Findings,
}

impl DumpSource {
    pub(super) fn new(dump: &Dump<'_>, stop: &Stop, progress: &Progress) -> Self {
        Self {
            access: dump.access.clone(),
            name: dump.name.to_owned(),
            spool: dump.spool.to_owned(),
            timeout: dump.timeout,
            stop: stop.clone(),
            progress: progress.clone(),
            members: None,
            findings: Findings::default(),
        }
    }

    fn make(&mut self) -> Result<VecDeque<Member>, Trouble> {
        self.progress.enter("dumping");
        let client = Client::new(&self.access, self.timeout)?;
        // Asked first: whoever is not let in is told so in plain words.
        let note = Note { roles: client.values(&self.name, ROLES, &self.stop)? };
        let dump = self.pg_dump(&client)?;
        self.progress.enter("proving");
        let called = member(&self.name, "dump");
        let size = dump.metadata().map_err(Trouble::Kept)?.len();
        prove(&dump, &called, self.timeout, &self.stop)?;
        let contents = Contents::read(&dump, &called, self.timeout, &self.stop)?;
        if contents.empty {
            self.findings.doubt =
                Some(format!("the database `{}` holds nothing: no table, no function", self.name));
        }
        let globals = self.pg_dumpall(&client)?;
        self.progress.enter("reading");
        let small = [
            (member(&self.name, "create.sql"), contents.create_sql(&note)),
            (member(&self.name, "settings.sql"), contents.settings_sql()),
            (GLOBALS.to_owned(), globals),
        ];
        let mut members: VecDeque<Member> = small
            .into_iter()
            .map(|(path, bytes)| file(&path, bytes.len() as u64, Box::new(Bytes(bytes))))
            .collect();
        members.push_back(file(&called, size, Box::new(Spooled(dump))));
        self.progress.expect_bytes(members.iter().map(length).sum());
        Ok(members)
    }

    /// The database in a file without a name, at the location: its length is not known before.
    fn pg_dump(&mut self, client: &Client) -> Result<File, Trouble> {
        let spool = tempfile::tempfile_in(&self.spool).map_err(Trouble::Kept)?;
        // Ours come last, and so win.
        let mut arguments = self.access.options.clone();
        arguments.extend(["-Fc".to_owned(), "-d".to_owned(), conninfo(&self.name)]);
        let take = &mut |bytes: &[u8]| (&spool).write_all(bytes);
        let said = client.run("pg_dump", &arguments, None, &self.stop, take)?;
        self.remark(&member(&self.name, "dump"), warnings(&said).cloned().collect());
        Ok(spool)
    }

    /// Roles and their memberships; with their passwords where we may read them.
    fn pg_dumpall(&mut self, client: &Client) -> Result<Vec<u8>, DatabaseError> {
        let mut arguments =
            vec!["--globals-only".to_owned(), "-l".to_owned(), conninfo(&self.name)];
        match client.output("pg_dumpall", &arguments, &self.stop) {
            Err(DatabaseError::Failed { said, .. }) if said.contains("pg_authid") => {
                let user = client.user();
                self.remark(
                    GLOBALS,
                    vec![format!(
                        "without the passwords of roles, which `{user}` may not read: a superuser may"
                    )],
                );
                arguments.push("--no-role-passwords".to_owned());
                client.output("pg_dumpall", &arguments, &self.stop)
            }
            other => other,
        }
    }

    fn remark(&mut self, path: &str, texts: Vec<String>) {
        let remarks = texts.into_iter().map(|text| Remark::new(path.as_bytes(), What::Note(text)));
        self.findings.remarks.extend(remarks);
    }

    fn trouble(&self, trouble: Trouble) -> SourceError {
        let what = format!("the database {}", self.name);
        match trouble {
            Trouble::Kept(source) => SourceError::Spool { what, source },
            Trouble::Database(DatabaseError::Stopped(stopped)) => SourceError::Stopped(stopped),
            Trouble::Database(error) => {
                SourceError::Program { what, hint: error.hint(), source: Box::new(error) }
            }
        }
    }
}

impl Source for DumpSource {
    fn next(&mut self) -> Result<Option<Member>, SourceError> {
        if self.members.is_none() {
            let made = self.make().map_err(|trouble| self.trouble(trouble))?;
            self.members = Some(made);
        }
        Ok(self.members.as_mut().and_then(VecDeque::pop_front))
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

fn length(member: &Member) -> u64 {
    match &member.kind {
        Kind::File(body) => body.size,
        Kind::Directory
        | Kind::HardLink { .. }
        | Kind::Symlink { .. }
        | Kind::Fifo
        | Kind::CharDevice { .. }
        | Kind::BlockDevice { .. } => 0,
    }
}

fn file(path: &str, size: u64, content: Box<dyn Content>) -> Member {
    let now = jiff::Timestamp::now();
    let metadata = Metadata {
        mode: 0o600,
        user: Some("root".into()),
        group: Some("root".into()),
        modified: Time { seconds: now.as_second(), nanoseconds: 0 },
        ..Metadata::default()
    };
    let kind = Kind::File(FileBody { size, data: None, content });
    Member { path: path.as_bytes().to_vec(), metadata, kind }
}

/// A member that is in memory. It may hold what roles prove themselves with.
struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

impl Content for Bytes {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.0.get(start..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

/// A member that rests in a file that nobody else can reach.
#[derive(Debug)]
struct Spooled(File);

impl Content for Spooled {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}
