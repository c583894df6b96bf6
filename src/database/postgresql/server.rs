//! A server of nobody, for proofs: it listens on a socket in its own directory and keeps nothing.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::User;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::client::{Client, OWNER, PATIENCE, become_user, find, listen};
use crate::database::{DatabaseError, Throwaway, place_for_servers};
use crate::model::job::Database;
use crate::process::Pipe;
use crate::stop::{Stop, Stopped};

/// Debian's package of the server.
const PACKAGE: &str = "postgresql";
/// How long a server may take to answer.
const STARTING: Duration = Duration::from_mins(1);
/// How long it may take to end before it is killed.
const ENDING: Duration = Duration::from_secs(5);
/// Between two questions whether it answers.
const PAUSE: Duration = Duration::from_millis(50);
/// The name of the socket, and the most bytes of its path.
const SOCKET: &str = ".s.PGSQL.5432";
const LONGEST_SOCKET: usize = 107;

/// A server of nobody.
#[derive(Debug)]
pub struct Server {
    access: Database,
    data: PathBuf,
    /// Asks whoever runs it to end it.
    stop: Stop,
    /// Tells how it ended.
    ended: Receiver<Result<(), DatabaseError>>,
    /// For its socket, where the path of its own would be too long.
    _socket: Option<TempDir>,
}

impl Server {
    /// Starts one below an empty directory that only we can enter.
    ///
    /// As root it runs as the user `postgres`, who gets the directory.
    ///
    /// # Errors
    /// See [`DatabaseError`]; `Missing` without the server's programs.
    pub fn start(dir: &Path, stop: &Stop) -> Result<Self, DatabaseError> {
        let initdb = find("initdb", PACKAGE)?;
        let postgres = find("postgres", PACKAGE)?;
        let user = owner()?;
        let mut prefix =
            user.as_ref().map_or_else(|| vec!["setpriv".to_owned(), "--".to_owned()], become_user);
        // Should we be killed, it goes too.
        prefix.insert(1, "--pdeathsig=QUIT".to_owned());
        let socket = socket_directory(dir)?;
        let socket_dir = socket.as_ref().map_or(dir, TempDir::path);
        if let Some(user) = &user {
            give(dir, user)?;
            give(socket_dir, user)?;
            check_reachable(&prefix, dir, stop)?;
        }
        let data = dir.join("data");
        let text = |path: &Path| path.display().to_string();
        let mut argv = prefix.clone();
        argv.extend([initdb, "-D".to_owned(), text(&data)]);
        argv.extend(
            ["-A", "trust", "-U", OWNER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
                .map(str::to_owned),
        );
        run(&argv, "initdb", PATIENCE, stop)?;

        argv = prefix;
        argv.extend([postgres, "-D".to_owned(), text(&data), "-k".to_owned(), text(socket_dir)]);
        // Nothing that it holds outlives it: it need not care for the disk.
        for setting in [
            "listen_addresses=",
            "port=5432",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "wal_level=minimal",
            "max_wal_senders=0",
            "unix_socket_permissions=0700",
            "logging_collector=off",
            "jit=off",
        ] {
            argv.extend(["-c".to_owned(), setting.to_owned()]);
        }
        let (own_stop, (sender, ended)) = (Stop::new(), channel());
        let asked = own_stop.clone();
        // A thread that stays: the kernel takes the end of the one that started it for ours.
        thread::spawn(move || {
            let _ = sender.send(run(&argv, "postgres", Duration::MAX, &asked));
        });
        let access = Database {
            database: "*".to_owned(),
            except: Vec::new(),
            host: None,
            port: None,
            socket: Some(socket_dir.to_owned()),
            user: Some(OWNER.to_owned()),
            password: None,
            options: Vec::new(),
        };
        let server = Self { access, data, stop: own_stop, ended, _socket: socket };
        server.wait_until_ready(stop)?;
        Ok(server)
    }

    fn wait_until_ready(&self, stop: &Stop) -> Result<(), DatabaseError> {
        let client = Client::new(&self.access, STARTING)?;
        let deadline = Instant::now() + STARTING;
        loop {
            match client.value("template1", "select 1", stop) {
                Ok(_) => return Ok(()),
                Err(DatabaseError::Unreachable { .. }) if Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            match self.ended.recv_timeout(PAUSE) {
                Err(RecvTimeoutError::Timeout) => stop.check()?,
                Ok(Err(error)) => return Err(error),
                Ok(Ok(())) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(DatabaseError::Failed {
                        program: "postgres".to_owned(),
                        said: "it ended at once".to_owned(),
                    });
                }
            }
        }
    }

    /// The process of the server, by its own word.
    fn process(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }
}

impl Throwaway for Server {
    fn access(&self) -> &Database {
        &self.access
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The quick end that gives back what it shares with its children; killing it would not.
        if let Some(process) = self.process() {
            let _ = kill_process(process, Signal::QUIT);
            if !matches!(self.ended.recv_timeout(ENDING), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
        self.stop.request(Stopped::Cancelled);
        let _ = self.ended.recv_timeout(2 * ENDING + PAUSE);
    }
}

/// Whom the server runs as, when that is not who we are: it refuses to run as root.
fn owner() -> Result<Option<User>, DatabaseError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    match User::from_name(OWNER) {
        Ok(Some(user)) => Ok(Some(user)),
        Ok(None) | Err(_) => Err(DatabaseError::Missing { program: "postgres", package: PACKAGE }),
    }
}

fn give(dir: &Path, user: &User) -> Result<(), DatabaseError> {
    std::os::unix::fs::chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(
        |source| DatabaseError::Io {
            what: format!("give `{}` to the user `{}`", dir.display(), user.name),
            source,
        },
    )
}

/// The server's user must get into its directory: all directories above must let it through.
fn check_reachable(prefix: &[String], dir: &Path, stop: &Stop) -> Result<(), DatabaseError> {
    let mut argv = prefix.to_vec();
    argv.extend(["test", "-w"].map(str::to_owned));
    argv.push(dir.display().to_string());
    run(&argv, "test", PATIENCE, stop).map_err(|error| match error {
        DatabaseError::Failed { .. } => DatabaseError::Failed {
            program: "postgres".to_owned(),
            said: format!(
                "the user `{OWNER}` does not get into `{}`: a directory above it is closed",
                dir.display()
            ),
        },
        error => error,
    })
}

/// A short directory of its own for the socket, where the path would be too long for one.
fn socket_directory(dir: &Path) -> Result<Option<TempDir>, DatabaseError> {
    if dir.join(SOCKET).as_os_str().as_bytes().len() <= LONGEST_SOCKET {
        return Ok(None);
    }
    let failed = |source| DatabaseError::Io {
        what: "make a directory for a server's socket".to_owned(),
        source,
    };
    let place = place_for_servers(Path::new("/tmp"));
    let made = tempfile::Builder::new().prefix("larder-").tempdir_in(place).map_err(failed)?;
    fs::set_permissions(made.path(), fs::Permissions::from_mode(0o700)).map_err(failed)?;
    Ok(Some(made))
}

/// Runs a program of the server to its end; it must succeed.
fn run(
    argv: &[String],
    program: &str,
    timeout: Duration,
    stop: &Stop,
) -> Result<(), DatabaseError> {
    let pipe = Pipe { argv, env: &[], input: None, timeout };
    let (said, outcome) =
        listen(pipe, program, stop, &mut |_| Ok(())).map_err(|trouble| trouble.or_io(program))?;
    if outcome.status.success() {
        return Ok(());
    }
    Err(said.judge(program, outcome.status, OWNER))
}
