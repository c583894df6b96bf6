//! Dumps that fail: always an error with what to do, never a green archive.

use super::server::processes_with;
use super::*;
use crate::support::disk::Disk;
use crate::support::{skipped, wait_for};
use larder::stop::Stopped;

#[test]
fn a_server_that_refuses_says_so_and_the_password_is_not_told() {
    let server = shared_or_skip!();
    server.create("refused");
    let dir = crate::support::dir();
    server.sql(None, "CREATE USER shut@localhost IDENTIFIED BY 'right'");
    let access = with_password(&server, "shut", "canary-wrong-1f3", dir.path());
    let error = told(&dump(&access, "refused").unwrap_err());
    assert!(error.starts_with("cannot read `refused`: "), "{error}");
    assert!(
        error.contains("refuses `shut`") && error.contains("check `user` and `password`"),
        "{error}"
    );
    assert!(!error.contains("canary"), "{error}");
    // The right password, and no right.
    let access = with_password(&server, "shut", "right", dir.path());
    let error = told(&dump(&access, "refused").unwrap_err());
    assert!(error.contains("refuses `shut`"), "{error}");
}

#[test]
fn what_is_not_there_is_named() {
    let server = shared_or_skip!();
    let error = told(&dump(&server.access, "no-such").unwrap_err());
    assert!(
        error.contains("there is no database `no-such`") && error.contains("check `database`"),
        "{error}"
    );
    for access in [
        Database { socket: Some("/nonexistent/socket".into()), ..server.access.clone() },
        Database {
            socket: None,
            host: Some("127.0.0.1".to_owned()),
            port: Some(1),
            ..server.access.clone()
        },
    ] {
        let error = told(&dump(&access, "x").unwrap_err());
        assert!(
            error.contains("cannot be reached") && error.contains("does the server run?"),
            "{error}"
        );
    }
    server.create("argued");
    let access = Database { options: vec!["--skip-comments".to_owned()], ..server.access.clone() };
    assert!(told(&dump(&access, "argued").unwrap_err()).contains("is not whole"));
}

#[test]
fn a_name_that_the_dump_program_cannot_take_is_said_to_be_one() {
    let server = shared_or_skip!();
    server.create("it's");
    server.sql(
        Some("it's"),
        "CREATE TABLE t (i INT); CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1;",
    );
    match dump(&server.access, "it's") {
        Ok((members, _)) => {
            assert!(String::from_utf8_lossy(&members[1].1).contains("CREATE*/ /*!50117 DEFINER"));
        }
        Err(error) => assert!(told(&error).contains("with a quote"), "{}", told(&error)),
    }
}

/// What comes of a dump to which something happens while it reads a table.
fn check(server: &Shared, name: &str, stop: &Stop, happens: impl FnOnce(u32)) -> String {
    server.create(name);
    server.sql(
        Some(name),
        "CREATE TABLE a (i INT); INSERT INTO a VALUES (1); CREATE TABLE t (i INT)",
    );
    let held = server.hold(name, "t");
    let spool = crate::support::dir();
    let mark = format!("--\0{name}\0");
    std::thread::scope(|scope| {
        let dumping = scope.spawn(|| dump_with(&server.access, name, spool.path(), stop));
        let dump = || {
            processes_with(&mark).into_iter().find(|pid| {
                std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| {
                    words
                        .split(|byte| *byte == 0)
                        .next()
                        .is_some_and(|program| program.ends_with(b"/mariadb-dump"))
                })
            })
        };
        wait_for("the dump waits for the table", || {
            dump().is_some()
                && server.sql(None, "SHOW PROCESSLIST").contains("Waiting for table metadata lock")
        });
        happens(dump().unwrap());
        let result = dumping.join().unwrap();
        drop(held);
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
        match result {
            Ok(_) => panic!("a dump came of it"),
            Err(SourceError::Stopped(stopped)) => format!("stopped: {stopped}"),
            Err(error) => told(&error),
        }
    })
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_client_that_is_killed_leaves_no_dump() {
    let server = match Shared::alone() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    let error = check(&server, "killed", &Stop::new(), kill);
    assert!(error.contains("`mariadb-dump` failed: ") && error.contains("signal 9"), "{error}");
}

#[test]
fn a_server_that_goes_away_leaves_no_dump() {
    let server = match Shared::alone() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    let pid_file = server.socket().with_file_name("pid");
    let pid = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    let error = check(&server, "gone", &Stop::new(), |_| kill(pid));
    assert!(error.contains("cannot be reached") && error.contains("2013"), "{error}");
}

#[test]
fn a_dump_ends_when_it_is_told_to() {
    let server = match Shared::alone() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    let stop = Stop::new();
    let said = check(&server, "told", &stop, |_| stop.request(Stopped::Cancelled));
    assert_eq!(said, "stopped: cancelled");
    assert!(processes_with("--\0told\0").is_empty());
}

#[test]
fn a_dump_that_takes_too_long_is_ended() {
    let server = match Shared::alone() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.create("slow");
    server.sql(Some("slow"), "CREATE TABLE t (i INT)");
    let _held = server.hold("slow", "t");
    let spool = crate::support::dir();
    let timeout = Duration::from_secs(2);
    let dump = Dump { access: &server.access, name: "slow", spool: spool.path(), timeout };
    let mut source = database::source(Kind::Mysql, &dump, &Stop::new(), &Progress::new());
    source.next().unwrap();
    let error = told(&source.next().unwrap_err());
    assert!(error.contains("took longer than 2 s"), "{error}");
}

#[test]
fn a_full_disk_is_the_locations_fault_and_leaves_nothing() {
    let server = shared_or_skip!();
    let disk = match Disk::tmpfs(512) {
        Ok(disk) => disk,
        Err(why) => skipped!("{why}"),
    };
    server.create("full");
    server.sql(
        Some("full"),
        "CREATE TABLE t (b LONGBLOB); INSERT INTO t VALUES (REPEAT('x', 2000000))",
    );
    let error = dump_with(&server.access, "full", &disk.path(), &Stop::new()).unwrap_err();
    assert!(
        matches!(&error, SourceError::Spool { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error:?}"
    );
    assert!(told(&error).contains("make room at the location"));
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0);
}
