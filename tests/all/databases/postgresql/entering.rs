//! Ways into a server: over TCP with a password, over the socket with one, and as who we are.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use larder::database::{list, size};
use larder::model::desired::SecretRef;
use larder::model::job::Database;
use larder::stop::Stop;
use nix::unistd::User;
use tempfile::TempDir;

use super::breaking::{Hold, LONG, wait_until_it_hangs};
use super::scene::{KIND, TIMEOUT, dump_into, dumped, fresh, psql, server_or_skip, told};
use crate::support;

/// What no other process may ever see.
const CANARY: &str = "canary:7f3a\\9c sings";

/// A server that asks who comes.
struct Guarded {
    dir: TempDir,
    port: u16,
    server: Child,
}

impl Guarded {
    fn start() -> Self {
        let dir = support::dir();
        let owner = User::from_name("postgres").unwrap().unwrap();
        chown(dir.path(), Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bin = fs::read_dir("/usr/lib/postgresql").unwrap();
        let bin = bin.map(|entry| entry.unwrap().path().join("bin")).max().unwrap();
        let data = dir.path().join("data");
        let run = |program: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            command.args(["--pdeathsig=QUIT", "--"]).arg(bin.join(program)).arg("-D").arg(&data);
            command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
            command
        };
        let made = run("initdb").args(["-A", "peer", "-E", "UTF8", "--no-sync"]).status().unwrap();
        assert!(made.success());
        let rules = "local all boss trust\nlocal all postgres peer\nlocal all all scram-sha-256\n\
            host all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = run("postgres")
            .args(["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-p", &port.to_string()])
            .arg("-k")
            .arg(dir.path())
            .spawn()
            .unwrap();
        let guarded = Self { dir, port, server };
        let peer = guarded.peer();
        support::wait_for("the server", || list(KIND, &peer, &Stop::new()).is_ok());
        let statement = "create role boss superuser login";
        let made = Command::new("setpriv")
            .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "psql", "-Xq"])
            .args(["-p", &port.to_string(), "-d", "postgres", "-c", statement, "-h"])
            .arg(guarded.dir.path())
            .current_dir("/")
            .status();
        assert!(made.unwrap().success());
        guarded
    }

    /// As nobody in particular, over the socket.
    fn peer(&self) -> Database {
        Database {
            database: "guarded".to_owned(),
            except: Vec::new(),
            host: None,
            port: None,
            socket: Some(self.dir.path().join(format!(".s.PGSQL.{}", self.port))),
            user: None,
            password: None,
            options: Vec::new(),
        }
    }

    /// As somebody whom it trusts, for the test itself.
    fn boss(&self) -> Database {
        Database {
            port: Some(self.port),
            socket: Some(self.dir.path().to_owned()),
            user: Some("boss".to_owned()),
            ..self.peer()
        }
    }

    /// As `tom`, with a password.
    fn tom(&self, password: &str) -> Database {
        let path = self.dir.path().join(format!("secret{}", password.len()));
        fs::write(&path, password).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Database {
            user: Some("tom".to_owned()),
            password: Some(SecretRef::File(path)),
            ..self.peer()
        }
    }

    fn over_tcp(&self, access: Database) -> Database {
        let host = Some("127.0.0.1".to_owned());
        Database { host, port: Some(self.port), socket: None, ..access }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::QUIT);
        let _ = self.server.wait();
    }
}

/// What a database of `tom` needs.
fn prepare(guarded: &Guarded) -> Database {
    let boss = guarded.boss();
    let password = CANARY.replace('\'', "''");
    psql(&boss, "postgres", &format!("create role tom login superuser password '{password}';"));
    fresh(&boss, "guarded", LONG);
    boss
}

#[test]
fn only_who_may_comes_in_and_the_others_are_told_why() {
    support::root_or_skip!();
    let _ = server_or_skip!();
    let guarded = Guarded::start();
    let boss = prepare(&guarded);
    for access in [
        guarded.peer(),
        guarded.tom(CANARY),
        guarded.over_tcp(guarded.tom(CANARY)),
        Database { user: Some("postgres".to_owned()), ..guarded.peer() },
    ] {
        let (dir, _) = dumped(&access, "guarded");
        assert!(dir.path().join("guarded.dump").metadata().unwrap().len() > 100_000);
        assert_eq!(list(KIND, &access, &Stop::new()).unwrap(), ["guarded"]);
        assert!(size(KIND, &access, "guarded", &Stop::new()).unwrap().is_some());
    }
    let refused = |access: &Database| {
        let dir = support::dir();
        let error = dump_into(access, "guarded", dir.path(), dir.path(), &Stop::new(), TIMEOUT);
        let error = error.unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        (told(&error), error.hint().to_owned())
    };
    let wrong = guarded.over_tcp(guarded.tom("not it"));
    let (text, hint) = refused(&wrong);
    assert!(text.contains("the server refuses `tom`: "), "{text}");
    assert!(text.contains("password authentication failed"), "{text}");
    assert!(hint.contains("check `user` and `password`"), "{hint}");
    assert!(!text.contains("not it"));
    let (text, _) = refused(&Database { password: None, ..wrong.clone() });
    assert!(text.contains("the server refuses `tom`: "), "{text}");
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (text, hint) = refused(&Database { port: Some(unused), ..wrong });
    assert!(text.contains("the server cannot be reached: ") && text.contains("refused"), "{text}");
    assert!(hint.contains("does the server run?"), "{hint}");
    let gone = SecretRef::File(guarded.dir.path().join("nowhere"));
    let (text, _) = refused(&Database { password: Some(gone), ..guarded.tom("x") });
    assert!(text.contains("the password cannot be read"), "{text}");
    psql(&boss, "postgres", "alter role tom nologin;");
    let (text, _) = refused(&guarded.tom(CANARY));
    assert!(text.contains("is not permitted to log in"), "{text}");
}

/// Whether a process other than this one shows some bytes to those who look.
fn shown(needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        for file in ["cmdline", "environ"] {
            let Ok(bytes) = fs::read(path.join(file)) else { continue };
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(format!("{}/{file}", path.display()));
            }
        }
    }
    found
}

#[test]
fn a_password_is_seen_nowhere_while_a_dump_runs() {
    support::root_or_skip!();
    let _ = server_or_skip!();
    let guarded = Guarded::start();
    let boss = prepare(&guarded);
    let access = guarded.over_tcp(guarded.tom(CANARY));
    let hold = Hold::new(&boss, "guarded");
    let (dir, stop) = (support::dir(), Stop::new());
    thread::scope(|scope| {
        let dumping =
            scope.spawn(|| dump_into(&access, "guarded", dir.path(), dir.path(), &stop, TIMEOUT));
        wait_until_it_hangs(&boss, "guarded");
        // The search finds what is there: the options of the program that reads now.
        assert!(!shown("dbname='guarded'").is_empty());
        for part in ["7f3a", "canary:7", "canary\\:7"] {
            assert_eq!(shown(part), [""; 0], "{part}");
        }
        drop(hold);
        let findings = dumping.join().unwrap().unwrap();
        assert!(findings.remarks.is_empty());
    });
    for entry in fs::read_dir(dir.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"7f3a"));
    }
}
