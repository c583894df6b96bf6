//! A server of nobody: for drills, and gone with them.
//!
//! **Invariants:** it listens on a socket in its own directory and nowhere else; it ends when this
//! value is dropped, when the run stops and, by the kernel's hand, when we are killed. It is fast
//! at the price of everything that a crash would cost: nobody will miss its data.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::client::{Client, PATIENCE, find};
use crate::database::said::{Said, cut_short};
use crate::database::{DatabaseError, Throwaway, place_for_servers};
use crate::model::job::Database;
use crate::process::{Pipe, PipeError};
use crate::stop::{Stop, Stopped};

/// Debian's package of the server.
const PACKAGE: &str = "mariadb-server";
const SERVER: [&str; 2] = ["mariadbd", "mysqld"];
const INSTALL: [&str; 2] = ["mariadb-install-db", "mysql_install_db"];
/// How long it may take until it answers.
const STARTING: Duration = Duration::from_mins(2);
/// The longest path of a socket that the kernel takes.
const LONGEST_SOCKET: usize = 107;
/// Between two looks at whether it answers.
const PAUSE: Duration = Duration::from_millis(30);

/// A server of nobody.
#[derive(Debug)]
pub struct Server {
    access: Database,
    stop: Stop,
    /// Where its socket lies, when that is not in the directory itself.
    _elsewhere: Option<tempfile::TempDir>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one below an empty directory.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn start(dir: &Path, stop: &Stop) -> Result<Self, DatabaseError> {
        let missing = |program| DatabaseError::Missing { program, package: PACKAGE };
        let server = find(SERVER).ok_or(missing(SERVER[0]))?;
        let install = find(INSTALL).ok_or(missing(INSTALL[0]))?;
        let owner = Owner::choose(dir)?;
        let (socket, elsewhere) = socket_for(dir, &owner)?;
        let data = dir.join("data");
        let stop = stop.child();
        install_into(&install, dir, &data, &owner, &stop)?;
        let said = Arc::new(Mutex::new(Said::default()));
        let thread =
            serve(owner.wrap(server_argv(server, dir, &data, &socket, &owner)), &said, &stop)?;
        let access = Database {
            database: "*".to_owned(),
            except: Vec::new(),
            host: None,
            port: None,
            socket: Some(socket),
            user: Some("root".to_owned()),
            password: None,
            options: Vec::new(),
        };
        let server = Self { access, stop, _elsewhere: elsewhere, thread: Some(thread) };
        server.wait_until_it_answers(&said)?;
        Ok(server)
    }

    fn wait_until_it_answers(&self, said: &Mutex<Said>) -> Result<(), DatabaseError> {
        let began = Instant::now();
        let client = Client::new(&self.access, PATIENCE, &self.stop)?;
        loop {
            self.stop.check()?;
            let there = self.access.socket.as_deref().is_some_and(Path::exists);
            if there && client.query(None, "SELECT 1;\n").is_ok() {
                return Ok(());
            }
            let is_over = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            if is_over || began.elapsed() > STARTING {
                let said = said.lock();
                let otherwise = if is_over { "it ended at once" } else { "it does not answer" };
                return Err(failed(SERVER[0], &said, otherwise));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Throwaway for Server {
    fn access(&self) -> &Database {
        &self.access
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.request(Stopped::Cancelled);
        if let Some(thread) = self.thread.take() {
            // It ends the whole group, and returns when that is gone.
            let _ = thread.join();
        }
    }
}

/// Who the server runs as.
#[derive(Debug)]
enum Owner {
    /// Whoever we are.
    Ourselves,
    /// Root, since the server's own user cannot get to the directory.
    Root,
    /// The server's own user, by name.
    Mysql,
}

impl Owner {
    /// The server's own user where we are root, where there is one, and where it can get there; the
    /// directory is given to it.
    fn choose(dir: &Path) -> Result<Self, DatabaseError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Owner::Ourselves);
        }
        let user = nix::unistd::User::from_name("mysql").ok().flatten();
        let Some(user) = user.filter(|_| find(["setpriv", "setpriv"]).is_some()) else {
            return Ok(Owner::Root);
        };
        if !dir.ancestors().skip(1).all(|above| may_pass(above, user.uid.as_raw())) {
            return Ok(Owner::Root);
        }
        give(dir, &user)?;
        Ok(Owner::Mysql)
    }

    /// The words that make a program run as this owner, and end when we do.
    fn wrap(&self, argv: Vec<String>) -> Vec<String> {
        let Some(setpriv) = find(["setpriv", "setpriv"]) else { return argv };
        let mut words = vec![setpriv, "--pdeathsig=KILL".to_owned()];
        if matches!(self, Owner::Mysql) {
            words.extend(["--reuid=mysql", "--regid=mysql", "--init-groups"].map(str::to_owned));
        }
        words.push("--".to_owned());
        words.extend(argv);
        words
    }
}

fn may_pass(dir: &Path, uid: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(dir).is_ok_and(|meta| {
        meta.mode() & 0o001 != 0 || (meta.uid() == uid && meta.mode() & 0o100 != 0)
    })
}

fn give(dir: &Path, user: &nix::unistd::User) -> Result<(), DatabaseError> {
    std::os::unix::fs::chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(
        |source| DatabaseError::Io {
            what: format!("give `{}` to the user `{}`", dir.display(), user.name),
            source,
        },
    )
}

/// Where the socket is: in the directory, or, where its path is too long, in one of its own.
fn socket_for(
    dir: &Path,
    owner: &Owner,
) -> Result<(PathBuf, Option<tempfile::TempDir>), DatabaseError> {
    let socket = dir.join("socket");
    if socket.as_os_str().len() <= LONGEST_SOCKET {
        return Ok((socket, None));
    }
    let place = place_for_servers(Path::new("/tmp"));
    let short =
        tempfile::Builder::new().prefix("larder-").tempdir_in(&place).map_err(|source| {
            DatabaseError::Io { what: "make a directory for a socket".to_owned(), source }
        })?;
    if let Owner::Mysql = owner
        && let Ok(Some(user)) = nix::unistd::User::from_name("mysql")
    {
        give(short.path(), &user)?;
    }
    Ok((short.path().join("socket"), Some(short)))
}

fn install_into(
    install: &str,
    dir: &Path,
    data: &Path,
    owner: &Owner,
    stop: &Stop,
) -> Result<(), DatabaseError> {
    let mut argv = vec![install.to_owned(), "--no-defaults".to_owned()];
    argv.push(format!("--datadir={}", data.display()));
    // A server that starts removes temporary tables from this directory, other servers' as well.
    argv.push(format!("--tmpdir={}", dir.display()));
    argv.extend(
        ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
            .map(str::to_owned),
    );
    argv.extend(fast().map(str::to_owned));
    if let Owner::Root = owner {
        argv.push("--user=root".to_owned());
    }
    let argv = owner.wrap(argv);
    let mut said = Said::default();
    let pipe = Pipe { argv: &argv, env: &[], input: None, timeout: STARTING };
    match pipe.run(stop, &mut |_| Ok(()), &mut |line| said.hear(line)) {
        Ok(outcome) if outcome.status.success() => Ok(()),
        Ok(outcome) => Err(failed(INSTALL[0], &said, &crate::process::explain(outcome.status))),
        Err(PipeError::Process(error)) => Err(error.into()),
        Err(PipeError::Taker(source)) => {
            Err(DatabaseError::Io { what: "read what a program says".to_owned(), source })
        }
    }
}

/// Small and fast, and without what makes data safe.
fn fast() -> [&'static str; 11] {
    [
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=64M",
        "--innodb-doublewrite=0",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=nosync",
        "--innodb-use-native-aio=0",
        "--aria-pagecache-buffer-size=8M",
        "--key-buffer-size=1M",
        "--performance-schema=OFF",
        "--skip-log-bin",
        "--max-allowed-packet=1G",
    ]
}

fn server_argv(
    server: String,
    dir: &Path,
    data: &Path,
    socket: &Path,
    owner: &Owner,
) -> Vec<String> {
    let mut argv = vec![server, "--no-defaults".to_owned()];
    argv.push(format!("--datadir={}", data.display()));
    // A server that starts removes temporary tables from this directory, other servers' as well.
    argv.push(format!("--tmpdir={}", dir.display()));
    argv.push(format!("--socket={}", socket.display()));
    argv.push(format!("--pid-file={}", dir.join("pid").display()));
    argv.extend(fast().map(str::to_owned));
    argv.extend(
        [
            "--skip-networking",
            // Its data is not wanted any more by then.
            "--innodb-fast-shutdown=2",
            "--skip-name-resolve",
            // What a dump holds stays in the directory: no files of the host, no events that run.
            "--skip-symbolic-links",
            "--local-infile=0",
            "--event-scheduler=OFF",
        ]
        .map(str::to_owned),
    );
    argv.push(format!("--secure-file-priv={}", data.display()));
    if let Owner::Root = owner {
        argv.push("--user=root".to_owned());
    }
    argv
}

/// Runs the server in a thread of its own, which lives as long as it: the kernel counts the end of
/// the thread that started a program as the end of its parent.
fn serve(
    argv: Vec<String>,
    said: &Arc<Mutex<Said>>,
    stop: &Stop,
) -> Result<JoinHandle<()>, DatabaseError> {
    let (said, stop) = (Arc::clone(said), stop.clone());
    let run = move || {
        let pipe = Pipe { argv: &argv, env: &[], input: None, timeout: Duration::MAX };
        let ended = pipe.run(&stop, &mut |_| Ok(()), &mut |line| {
            if line.contains("[ERROR]") {
                said.lock().hear(line);
            }
        });
        if let Err(error) = ended {
            said.lock().hear(&error.to_string());
        }
    };
    let builder = std::thread::Builder::new().name("throw-away server".to_owned());
    builder
        .spawn(run)
        .map_err(|source| DatabaseError::Io { what: "start a thread".to_owned(), source })
}

fn failed(program: &str, said: &Said, otherwise: &str) -> DatabaseError {
    DatabaseError::Failed { program: program.to_owned(), said: cut_short(&said.or(otherwise)) }
}
