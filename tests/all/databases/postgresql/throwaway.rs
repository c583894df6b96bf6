//! A server of nobody: it starts anywhere, proves a dump, and is gone.

use std::path::Path;
use std::process::{Command, Stdio};

use larder::database::{DatabaseError, throwaway};
use larder::stop::{Stop, Stopped};
use rustix::process::{Pid, test_kill_process};

use super::scene::{KIND, assert_same, dumped, fingerprint, fresh, loaded, psql, server_or_skip};
use crate::support;

const HOLD: &str = "LARDER_TEST_HOLDS_A_SERVER";

fn process_of(dir: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(dir.join("data/postmaster.pid")).ok()?;
    // The file is written in parts.
    (text.lines().count() >= 8).then(|| Pid::from_raw(text.lines().next()?.parse().ok()?))?
}

#[test]
fn a_dump_is_proved_in_it_with_its_roles_and_it_is_gone_afterwards() {
    let access = server_or_skip!();
    psql(access, "postgres", "create role proof_owner login password 'x';");
    fresh(
        access,
        "proof",
        "create table t (i int); alter table t owner to proof_owner; insert into t values (1);",
    );
    let before = fingerprint(access, "proof");
    let (dump, _) = dumped(access, "proof");
    let dir = support::dir();
    let server = throwaway(KIND, dir.path(), &Stop::new()).unwrap();
    assert_eq!(loaded(server.access(), "proof", dump.path()).tables, 1);
    assert_same(&fingerprint(server.access(), "proof"), &before);
    assert_eq!(psql(server.access(), "proof", "show listen_addresses;").trim(), "");
    let process = process_of(dir.path()).unwrap();
    assert!(test_kill_process(process).is_ok());
    drop(server);
    assert!(test_kill_process(process).is_err(), "it is gone when it is dropped");
    assert!(!dir.path().join(".s.PGSQL.5432").exists());
    super::scene::drop_database(access, "proof");
    psql(access, "postgres", "drop role proof_owner;");
}

#[test]
fn a_long_path_is_no_hindrance() {
    let _ = server_or_skip!();
    let dir = support::dir();
    let long = dir.path().join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    if let Ok(()) = support::root() {
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(dir.path(), closed).unwrap();
        // Here the directory above is closed to the server's user: that is told.
        let error = throwaway(KIND, &long, &Stop::new()).err().unwrap();
        assert!(error.to_string().contains("a directory above it is closed"), "{error}");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(dir.path(), open).unwrap();
    }
    let server = throwaway(KIND, &long, &Stop::new()).unwrap();
    let socket = server.access().socket.clone().unwrap();
    assert!(!socket.starts_with(&long) && socket.exists());
    assert_eq!(psql(server.access(), "postgres", "select 1;").trim(), "1");
    drop(server);
    assert!(!socket.exists());
}

#[test]
fn a_stop_ends_its_start() {
    let _ = server_or_skip!();
    let (dir, stop) = (support::dir(), Stop::new());
    stop.request(Stopped::Cancelled);
    let error = throwaway(KIND, dir.path(), &stop).err().unwrap();
    assert!(matches!(error, DatabaseError::Stopped(Stopped::Cancelled)), "{error:?}");
}

#[test]
fn it_goes_with_us_when_we_are_killed() {
    if let Some(dir) = std::env::var_os(HOLD) {
        let _server = throwaway(KIND, Path::new(&dir), &Stop::new()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let _ = server_or_skip!();
    let dir = support::dir();
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(this)
        .args(["--exact", "databases::postgresql::throwaway::it_goes_with_us_when_we_are_killed"])
        .env(HOLD, dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut process = None;
    support::wait_for("its server", || {
        process = process_of(dir.path());
        process.is_some()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let process = process.unwrap();
    support::wait_for("the server's end", || test_kill_process(process).is_err());
}
