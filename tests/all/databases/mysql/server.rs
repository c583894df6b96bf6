//! The server that the tests share, and what a throw-away server promises.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::model::job::Database;
use larder::stop::{Stop, Stopped};

use crate::support::{skipped, wait_for};

/// A server, gone with the last test that holds it.
pub(super) struct Shared {
    pub(super) access: Database,
    _server: Mutex<Box<dyn Throwaway>>,
    _dir: tempfile::TempDir,
}

impl Shared {
    /// One of its own, for what harms it.
    pub(super) fn alone() -> Result<Self, String> {
        let dir = crate::support::dir();
        match database::throwaway(Kind::Mysql, dir.path(), &Stop::new()) {
            Ok(server) => {
                Ok(Self { access: server.access().clone(), _server: Mutex::new(server), _dir: dir })
            }
            Err(error @ DatabaseError::Missing { .. }) => Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The one that all tests share.
    pub(super) fn get() -> Result<Arc<Self>, String> {
        static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::alone()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.access.socket.clone().unwrap()
    }

    /// The client, as the server's root.
    pub(super) fn client(&self, database: Option<&str>) -> Command {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "-uroot", "--batch", "--skip-column-names"]);
        command.args(["--default-character-set=utf8mb4", "--unbuffered"]);
        command.arg(format!("--socket={}", self.socket().display())).arg("--").args(database);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs statements that must succeed, and returns their answers.
    pub(super) fn sql(&self, database: Option<&str>, statements: &str) -> String {
        let mut child = self.client(database).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(statements.as_bytes()).unwrap();
        input.write_all(b"\n").unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}\n{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes an empty database.
    pub(super) fn create(&self, name: &str) {
        self.sql(None, &format!("CREATE DATABASE `{}`", name.replace('`', "``")));
    }

    /// Whether there is such a database.
    pub(super) fn has(&self, name: &str) -> bool {
        self.sql(None, "SHOW DATABASES").lines().any(|line| line == name)
    }

    /// Holds a table, so that whoever reads it waits until this is dropped.
    pub(super) fn hold(&self, database: &str, table: &str) -> Held {
        let mut client = self.client(Some(database)).spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        writeln!(input, "LOCK TABLES {table} WRITE; SELECT 'held';").unwrap();
        input.flush().unwrap();
        let mut answer = [0; 5];
        std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut answer).unwrap();
        assert_eq!(&answer, b"held\n");
        Held { client, _input: input }
    }
}

/// A table that nobody else can read.
pub(super) struct Held {
    client: Child,
    _input: std::process::ChildStdin,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// The shared server, or the end of the test with a remark.
macro_rules! shared_or_skip {
    () => {
        match $crate::databases::mysql::server::Shared::get() {
            Ok(server) => server,
            Err(why) => $crate::support::skipped!("{why}"),
        }
    };
}
pub(super) use shared_or_skip;

/// The processes whose arguments hold a text.
pub(super) fn processes_with(text: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(text)
    })
    .collect()
}

fn start(dir: &Path, stop: &Stop) -> Option<Box<dyn Throwaway>> {
    match database::throwaway(Kind::Mysql, dir, stop) {
        Ok(server) => Some(server),
        Err(DatabaseError::Missing { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_server_of_nobody_is_gone_with_its_value_and_with_a_stop() {
    let dir = crate::support::dir();
    let mark = dir.path().display().to_string();
    let Some(server) = start(dir.path(), &Stop::new()) else { skipped!("no mariadbd") };
    assert!(!processes_with(&mark).is_empty());
    assert!(database::list(Kind::Mysql, server.access(), &Stop::new()).unwrap().is_empty());
    drop(server);
    wait_for("nothing of it runs", || processes_with(&mark).is_empty());

    let (dir, stop) = (crate::support::dir(), Stop::new());
    let mark = dir.path().display().to_string();
    let server = start(dir.path(), &stop).unwrap();
    stop.request(Stopped::Shutdown);
    wait_for("nothing of it runs after a stop", || processes_with(&mark).is_empty());
    drop(server);
    let error = database::throwaway(Kind::Mysql, crate::support::dir().path(), &stop).err();
    assert!(matches!(error, Some(DatabaseError::Stopped(Stopped::Shutdown))), "{error:?}");
}

#[test]
fn a_server_of_nobody_runs_as_its_own_user_where_that_can_get_there() {
    crate::support::root_or_skip!();
    let outer = crate::support::dir();
    std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    // So long that no socket can be in it.
    let dir = outer.path().join("x".repeat(90));
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    let Some(server) = start(&dir, &Stop::new()) else { skipped!("no mariadbd") };
    let owner = std::fs::metadata(&dir).unwrap().uid();
    assert_ne!(owner, 0);
    let data = dir.join("data").display().to_string();
    for pid in processes_with(&data) {
        assert_eq!(std::fs::metadata(format!("/proc/{pid}")).unwrap().uid(), owner);
    }
    let socket = server.access().socket.clone().unwrap();
    assert!(socket.exists());
    drop(server);
    assert!(!socket.parent().unwrap().exists());
    assert!(processes_with(&data).is_empty());
}

const CHILD_DIR: &str = "LARDER_TEST_THROWAWAY_DIR";

/// Not a test of its own: the process that is killed by the next one.
#[test]
fn child_that_starts_a_server_and_waits() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let dir = PathBuf::from(dir);
    let server = start(&dir.join("server"), &Stop::new()).unwrap();
    std::fs::write(dir.join("ready"), "").unwrap();
    loop {
        std::thread::park();
        assert!(server.access().socket.is_some());
    }
}

#[test]
fn a_server_of_nobody_is_gone_when_we_are_killed() {
    if let Err(why) = Shared::get() {
        skipped!("{why}");
    }
    let dir = crate::support::dir();
    std::fs::create_dir(dir.path().join("server")).unwrap();
    let mark = dir.path().join("server").display().to_string();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "databases::mysql::server::child_that_starts_a_server_and_waits"])
        .env(CHILD_DIR, dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the child's server answers", || dir.path().join("ready").exists());
    assert!(!processes_with(&mark).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("its server is gone", || processes_with(&mark).is_empty());
}
