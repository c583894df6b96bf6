//! A server for all tests of this process, databases in it, and what they hold as text.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use larder::database::postgresql::Server;
use larder::database::{self, DatabaseError, Dump, Load, Loaded, Throwaway as _};
use larder::model::job::Database;
use larder::progress::Progress;
use larder::source::{Findings, Kind, SourceError};
use larder::stop::Stop;
use tempfile::TempDir;

use crate::support;

pub(super) const KIND: database::Kind = database::Kind::Postgresql;
pub(super) const TIMEOUT: Duration = Duration::from_mins(2);

/// The way to the server that tests share; `None` where there is none to start.
pub(super) fn shared() -> Option<&'static Database> {
    type Kept = Mutex<(Server, Child)>;
    static SHARED: OnceLock<Option<(Database, Kept)>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let dir = support::dir().keep();
        let sweeper = sweep_when_we_end(&dir);
        match Server::start(&dir, &Stop::new()) {
            Ok(server) => Some((server.access().clone(), Mutex::new((server, sweeper)))),
            Err(DatabaseError::Missing { .. }) => None,
            Err(error) => panic!("{error}: {}", error.hint()),
        }
    });
    shared.as_ref().map(|(access, _)| access)
}

/// The shared server, or the end of the test with a remark.
macro_rules! server_or_skip {
    () => {
        match super::scene::shared() {
            Some(server) => server,
            None => crate::support::skipped!("postgresql is not installed"),
        }
    };
}
pub(super) use server_or_skip;

/// Nobody drops what is static: a shell waits for our end and removes the directory.
fn sweep_when_we_end(dir: &Path) -> Child {
    let script =
        "cat > /dev/null; for i in 1 2 3 4 5 6 7 8 9; do rm -rf \"$0\" && exit; sleep 1; done";
    Command::new("sh")
        .args(["-c", script])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(super) fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

pub(super) fn psql_command(access: &Database, database: &str) -> Command {
    // Not Debian's wrapper: most of what these tests do is this.
    let direct = Path::new("/usr/lib/postgresql/15/bin/psql");
    let mut command = Command::new(if direct.exists() { direct } else { Path::new("psql") });
    command.env("PGCLIENTENCODING", "UTF8").args([
        "-XAtqw",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        &conninfo(database),
    ]);
    command.arg("-h").arg(access.socket.as_ref().unwrap());
    if let Some(port) = access.port {
        command.arg("-p").arg(port.to_string());
    }
    command.args(["-U", access.user.as_deref().unwrap_or("postgres")]);
    command
}

/// Runs statements one after the other; what they answer. They must succeed.
#[track_caller]
pub(super) fn psql(access: &Database, database: &str, script: &str) -> String {
    let mut command = psql_command(access, database);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let script_bytes = script.as_bytes().to_vec();
    let writing = std::thread::spawn(move || drop(stdin.write_all(&script_bytes)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A new database of this name, which is dropped if it is there.
pub(super) fn fresh(access: &Database, name: &str, script: &str) {
    drop_database(access, name);
    psql(access, "postgres", &format!("create database {} template template0;", quoted(name)));
    psql(access, name, script);
}

pub(super) fn drop_database(access: &Database, name: &str) {
    let script = format!(
        "set client_min_messages = error; drop database if exists {} with (force);",
        quoted(name)
    );
    psql(access, "postgres", &script);
}

pub(super) fn databases(access: &Database) -> Vec<String> {
    let names = psql(access, "postgres", "select datname from pg_database order by 1;");
    names.lines().map(str::to_owned).collect()
}

/// The members of a dump as files of a directory, and what was found.
pub(super) fn dump_into(
    access: &Database,
    name: &str,
    directory: &Path,
    spool: &Path,
    stop: &Stop,
    timeout: Duration,
) -> Result<Findings, SourceError> {
    let dump = Dump { access, name, spool, timeout };
    let mut source = database::source(KIND, &dump, stop, &Progress::new());
    while let Some(member) = source.next()? {
        let Kind::File(mut body) = member.kind else { panic!("{member:?}") };
        let path = directory.join(std::str::from_utf8(&member.path).unwrap());
        let mut file = fs::File::create_new(path).unwrap();
        let (mut buffer, mut offset) = (vec![0; 1 << 16], 0);
        loop {
            let count = body.content.read_at(offset, &mut buffer).unwrap();
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).unwrap();
            offset += count as u64;
        }
        assert_eq!(offset, body.size);
    }
    Ok(source.findings().clone())
}

/// The same, where it must succeed.
#[track_caller]
pub(super) fn dumped(access: &Database, name: &str) -> (TempDir, Findings) {
    let dir = support::dir();
    let made = dump_into(access, name, dir.path(), dir.path(), &Stop::new(), TIMEOUT);
    let findings = made.unwrap_or_else(|error| panic!("{}", told(&error)));
    (dir, findings)
}

/// An error as the log of a run tells it.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Where what is there goes.
pub(super) enum Before {
    Aside,
    Dropped,
}

pub(super) fn load_from(
    access: &Database,
    name: &str,
    dumps: &Path,
    before: &Before,
) -> Result<Loaded, DatabaseError> {
    let aside: Option<PathBuf> = matches!(before, Before::Aside).then(|| dumps.join("aside"));
    let load = Load { access, name, dumps, aside: aside.as_deref(), timeout: TIMEOUT };
    database::load(KIND, &load, &Stop::new(), &mut |_| {})
}

#[track_caller]
pub(super) fn loaded(access: &Database, name: &str, dumps: &Path) -> Loaded {
    load_from(access, name, dumps, &Before::Dropped)
        .unwrap_or_else(|error| panic!("{}: {}", told(&error), error.hint()))
}

/// Everything that a database holds, as text: each row of each table, and what stands around them.
pub(super) fn fingerprint(access: &Database, name: &str) -> String {
    const OTHERS: &str = r"
select 'database', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider,
  daticulocale, datconnlimit, (select array_agg(a::text order by a::text) from unnest(datacl) a), shobj_description(oid, 'pg_database')
  from pg_database where datname = current_database();
select 'setting', coalesce(r.rolname, '-'), s.setconfig from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole
  where setdatabase = (select oid from pg_database where datname = current_database()) order by 2;
select 'schema', nspname, pg_get_userbyid(nspowner), nspacl::text from pg_namespace where nspname !~ '^pg_' order by 2;
select 'relation', n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relacl::text, c.relrowsecurity, c.relforcerowsecurity,
  obj_description(c.oid, 'pg_class'), case when relkind in ('v','m') then pg_get_viewdef(c.oid) when relkind in ('i', 'I') then pg_get_indexdef(c.oid) end
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 2, 3;
select 'column', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attacl::text,
  pg_get_expr(d.adbin, d.adrelid), col_description(attrelid, attnum) from pg_attribute a left join pg_attrdef d on d.adrelid = attrelid and d.adnum = attnum
  join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and attnum > 0 and not attisdropped order by attrelid::regclass::text, attnum;
select 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint where conrelid >= 16384 order by conrelid::regclass::text, 3;
select 'function', p.oid::regprocedure, pg_get_userbyid(proowner), proacl::text, md5(pg_get_functiondef(p.oid)), obj_description(p.oid, 'pg_proc') from pg_proc p
  join pg_namespace n on n.oid = pronamespace where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and prokind in ('f', 'p', 'w') order by p.oid::regprocedure::text;
select 'trigger', tgrelid::regclass, tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by tgrelid::regclass::text, 3;
select 'policy', polrelid::regclass, polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid) from pg_policy order by polrelid::regclass::text, 3;
select 'extension', extname, extversion from pg_extension order by 2;
select 'type', typname, typtype, (select array_agg(enumlabel order by enumsortorder) from pg_enum e where e.enumtypid = t.oid) from pg_type t
  join pg_namespace n on n.oid = typnamespace where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and typtype in ('e', 'd') order by 2;
select 'default acl', pg_get_userbyid(defaclrole), defaclobjtype, defaclacl::text from pg_default_acl order by 2, 3;
select 'sequence', schemaname, sequencename, last_value, increment_by, max_value from pg_sequences order by 2, 3;
select 'large object', oid, pg_get_userbyid(lomowner), lomacl::text, md5(lo_get(oid)), obj_description(oid, 'pg_largeobject') from pg_largeobject_metadata order by 2;
";
    const TABLES: &str = "select format('select %L; copy (select t::text from only %s t order by 1) to stdout;', c.oid::regclass, c.oid::regclass) \
        from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'm') \
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by c.oid::regclass::text;";
    let rows = psql(access, name, &psql(access, name, TABLES));
    psql(access, name, OTHERS) + &rows
}

/// Two fingerprints are one; otherwise says where they differ.
#[track_caller]
pub(super) fn assert_same(now: &str, before: &str) {
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (now.lines().collect(), before.lines().collect());
    let only = |some: &[&str], others: &[&str]| {
        let lines = some.iter().filter(|line| !others.contains(line)).take(9);
        lines.map(|line| format!("\n  {line:.300}")).collect::<Vec<_>>().concat()
    };
    assert!(now == before, "now:{}\nbefore:{}", only(&ours, &theirs), only(&theirs, &ours));
}
