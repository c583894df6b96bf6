//! What breaks a dump: each leaves an error that says what to do, and never a member.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use larder::database::Throwaway as _;
use larder::database::postgresql::Server;
use larder::model::job::Database;
use larder::source::{Findings, SourceError};
use larder::stop::{Stop, Stopped};

use super::scene::{TIMEOUT, dump_into, dumped, fresh, psql, psql_command, server_or_skip, told};
use crate::support;

/// Rows enough to be under way, and a large object, on which a dump can be made to wait.
pub(super) const LONG: &str = "create table rows as select i, md5(i::text) as x from generate_series(1, 50000) i; \
    select lo_from_bytea(0, '\\x00ff');";

/// Holds every dump of a database before its large objects: all rows are under way by then.
pub(super) struct Hold(Child, Command);

impl Hold {
    pub(super) fn new(access: &Database, name: &str) -> Self {
        let mut command = psql_command(access, name);
        command.args([
            "-c",
            "begin",
            "-c",
            "lock table pg_largeobject",
            "-c",
            "select pg_sleep(600)",
        ]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let question = format!(
            "select count(*) from pg_locks l join pg_database d on d.oid = l.database \
            where datname = '{name}' and relation = 'pg_largeobject'::regclass and granted and mode = 'AccessExclusiveLock';"
        );
        support::wait_for("the lock", || psql(access, "postgres", &question).trim() == "1");
        let mut end = psql_command(access, "postgres");
        end.args([
            "-c",
            &format!(
                "select pg_terminate_backend(pid) from pg_stat_activity \
            where datname = '{name}' and query = 'select pg_sleep(600)'"
            ),
        ]);
        end.stdout(Stdio::null()).stderr(Stdio::null());
        Self(child, end)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Its server would go on sleeping; or is gone.
        let _ = self.1.status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn wait_until_it_hangs(access: &Database, name: &str) {
    let question = format!(
        "select count(*) from pg_stat_activity where datname = '{name}' \
        and wait_event_type = 'Lock' and application_name in ('pg_dump', 'larder');"
    );
    support::wait_for("a dump that waits", || psql(access, "postgres", &question).trim() == "1");
}

/// Begins a dump that hangs in its middle, does something, and returns what came of it.
fn dump_while(
    access: &Database,
    name: &str,
    stop: &Stop,
    timeout: Duration,
    meanwhile: impl FnOnce(),
) -> Result<Findings, SourceError> {
    let dir = support::dir();
    thread::scope(|scope| {
        let dumping =
            scope.spawn(|| dump_into(access, name, dir.path(), dir.path(), stop, timeout));
        wait_until_it_hangs(access, name);
        meanwhile();
        let result = dumping.join().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was yielded");
        result
    })
}

/// The `pg_dump` that reads this database.
fn pg_dump_of(name: &str) -> u32 {
    let output = Command::new("pgrep").args(["-f", &format!("pg_dump .*dbname='{name}'")]).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

#[test]
fn a_client_that_is_killed_in_the_middle_fails_the_dump() {
    let access = server_or_skip!();
    fresh(access, "killed", LONG);
    let hold = Hold::new(access, "killed");
    let result = dump_while(access, "killed", &Stop::new(), TIMEOUT, || {
        let process = rustix::process::Pid::from_raw(pg_dump_of("killed").cast_signed()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    });
    let error = result.unwrap_err();
    assert!(matches!(error, SourceError::Program { .. }), "{error:?}");
    assert!(told(&error).contains("`pg_dump` failed: was killed by signal 9"), "{}", told(&error));
    drop(hold);
    dumped(access, "killed");
}

#[test]
fn a_stop_and_a_time_out_end_a_dump_in_its_middle() {
    let access = server_or_skip!();
    fresh(access, "stopped", LONG);
    let _hold = Hold::new(access, "stopped");
    let stop = Stop::new();
    let result = dump_while(access, "stopped", &stop, TIMEOUT, || stop.request(Stopped::Cancelled));
    assert!(matches!(result, Err(SourceError::Stopped(Stopped::Cancelled))), "{result:?}");
    let result = dump_while(access, "stopped", &Stop::new(), Duration::from_secs(5), || ());
    let error = result.unwrap_err();
    assert!(
        told(&error).contains("`pg_dump` was ended since it took longer than 5 s"),
        "{}",
        told(&error)
    );
}

#[test]
fn a_server_that_goes_in_the_middle_fails_the_dump() {
    if super::scene::shared().is_none() {
        support::skipped!("postgresql is not installed");
    }
    let dir = support::dir();
    let server = Server::start(dir.path(), &Stop::new()).unwrap();
    let access = server.access().clone();
    fresh(&access, "gone", LONG);
    let _hold = Hold::new(&access, "gone");
    let result = dump_while(&access, "gone", &Stop::new(), TIMEOUT, move || drop(server));
    let error = result.unwrap_err();
    let text = told(&error);
    assert!(text.contains("the server cannot be reached") && !text.contains('\n'), "{text}");
    assert!(error.hint().contains("does the server run?"));
    // And one that is not there at all.
    let empty = support::dir();
    let result = dump_into(&access, "gone", empty.path(), empty.path(), &Stop::new(), TIMEOUT);
    assert!(told(&result.unwrap_err()).contains("the server cannot be reached"));
}

#[test]
fn a_full_disk_is_the_locations_trouble_and_not_the_databases() {
    let access = server_or_skip!();
    let disk = match support::disk::Disk::tmpfs(256) {
        Ok(disk) => disk,
        Err(why) => support::skipped!("{why}"),
    };
    fresh(access, "toolarge", LONG);
    let out = support::dir();
    let result = dump_into(access, "toolarge", out.path(), &disk.path(), &Stop::new(), TIMEOUT);
    let error = result.unwrap_err();
    assert!(matches!(error, SourceError::Spool { .. }), "{error:?}");
    assert!(told(&error).contains("No space left on device"), "{}", told(&error));
    assert!(error.hint().contains("make room at the location"));
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0);
    let error =
        dump_into(access, "toolarge", out.path(), Path::new("/nonexistent"), &Stop::new(), TIMEOUT);
    assert!(matches!(error, Err(SourceError::Spool { .. })));
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let access = server_or_skip!();
    let dir = support::dir();
    let result = dump_into(access, "no such", dir.path(), dir.path(), &Stop::new(), TIMEOUT);
    let error = result.unwrap_err();
    assert!(told(&error).ends_with("there is no database `no such`"), "{}", told(&error));
    assert!(error.hint().contains("absent"));
}

#[test]
fn an_option_that_makes_another_kind_of_dump_makes_no_archive() {
    let access = server_or_skip!();
    fresh(access, "options", LONG);
    let dir = support::dir();
    let check = |options: &[&str]| {
        let mut access = access.clone();
        access.options = options.iter().map(|&option| option.to_owned()).collect();
        dump_into(&access, "options", dir.path(), dir.path(), &Stop::new(), TIMEOUT)
    };
    let elsewhere = dir.path().join("elsewhere");
    for options in
        [vec!["-f", "/nonexistent/x"], vec!["--nonsense"], vec!["-f", elsewhere.to_str().unwrap()]]
    {
        assert!(matches!(check(&options), Err(SourceError::Program { .. })), "{options:?}");
    }
    // Ours is the last word on the format.
    check(&["-Fp", "-Z9"]).unwrap();
}

/// As a role of its own, over the same socket.
fn by(access: &Database, role: &str) -> Database {
    let mut access = access.clone();
    access.user = Some(role.to_owned());
    access
}

#[test]
fn whoever_may_not_read_everything_makes_no_dump() {
    let access = server_or_skip!();
    psql(access, "postgres", "create role break_owner login; create role break_guest login;");
    fresh(
        access,
        "rights",
        "create table mine (i int); alter table mine owner to break_owner; insert into mine values (1);",
    );
    let dir = support::dir();
    let check = |role: &str| {
        let (access, dir) = (by(access, role), support::dir());
        dump_into(&access, "rights", dir.path(), dir.path(), &Stop::new(), TIMEOUT)
    };
    // Somebody without the passwords of roles dumps them without.
    let findings = check("break_owner").unwrap();
    assert_eq!(findings.unreadable, 0);
    assert_eq!(
        findings.remarks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "`globals.sql`: without the passwords of roles, which `break_owner` may not read: a superuser may"
        ]
    );
    let error = check("break_guest").unwrap_err();
    assert!(told(&error).contains("permission denied for table mine"), "{}", told(&error));
    assert!(told(&error).contains("pg_read_all_data"), "{}", told(&error));
    // Rows that a policy hides are never left out in silence.
    psql(
        access,
        "rights",
        "grant select on mine to break_guest; alter table mine enable row level security;",
    );
    let error = check("break_guest").unwrap_err();
    assert!(told(&error).contains("row-level security"), "{}", told(&error));
    let nobody = check("break_nobody").unwrap_err();
    assert!(told(&nobody).contains("the server refuses `break_nobody`"), "{}", told(&nobody));
    drop(dir);
    super::scene::drop_database(access, "rights");
    psql(access, "postgres", "drop role break_owner, break_guest;");
}
