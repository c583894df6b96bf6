//! A database comes back through its own server, and what was in it can come back too.

use std::path::Path;
use std::process::{Command, Stdio};

use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::stop::Stop;
use serde_json::Value;

use crate::support::{skipped, wait_for};
use crate::walk::instance::{Instance, TmpFs, sh, text};

/// A server of nobody, with a database.
struct Server {
    server: Box<dyn Throwaway>,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Result<Self, String> {
        let dir = crate::support::dir();
        match database::throwaway(Kind::Mysql, dir.path(), &Stop::new()) {
            Ok(server) => Ok(Self { server, _dir: dir }),
            Err(error @ DatabaseError::Missing { .. }) => Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    fn socket(&self) -> &Path {
        self.server.access().socket.as_deref().unwrap()
    }

    fn sql(&self, statements: &str) -> String {
        let output = Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "--batch", "--skip-column-names"])
            .arg(format!("--socket={}", self.socket().display()))
            .args(["-e", statements])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn instance(&self) -> Instance {
        Instance::new(&format!(
            "[job.db]\ntype = \"mysql\"\ndatabase = \"shop\"\nuser = \"root\"\nsocket = {}\nretries = 0\n",
            Value::from(self.socket().to_str().unwrap())
        ))
    }
}

const SHOP: &str = "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, word VARCHAR(9)); \
                    INSERT INTO shop.t VALUES (1, 'one'), (2, 'two');";
const WORDS: &str = "SELECT GROUP_CONCAT(word ORDER BY id) FROM shop.t";

#[test]
fn it_comes_back_over_the_one_that_is_there_and_that_one_comes_back_with_the_undoing() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.sql(SHOP);
    let instance = server.instance();
    instance.ok(&["run", "db"]);
    server.sql("UPDATE shop.t SET word = 'bad'");
    let plan = instance.ok(&["restore", "db@latest", "--dry-run"]);
    for part in [
        "to database shop",
        "1. database: MariaDB database `shop`",
        "exists: it is there, ",
        "dumped and set aside",
    ] {
        assert!(plan.contains(part), "`{part}` is not in {plan}");
    }
    assert_eq!(server.sql(WORDS), "bad,bad\n");
    instance.ok(&["restore", "db@latest", "--yes"]);
    assert_eq!(server.sql(WORDS), "one,two\n");
    let id = instance.runs()[0]["id"].to_string();
    let log = instance.ok(&["log", &id]);
    assert!(log.contains("set aside: database `shop` in "), "{log}");
    let left = std::fs::read_dir(instance.path("state/restores")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with('.')), "{left:?}");
    instance.ok(&["restore", "--undo", &id, "--yes"]);
    assert_eq!(server.sql(WORDS), "bad,bad\n");
}

#[test]
fn one_that_was_dropped_comes_back_and_nothing_is_set_aside() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.sql(SHOP);
    let instance = server.instance();
    instance.ok(&["run", "db"]);
    server.sql("DROP DATABASE shop");
    let plan = instance.ok(&["restore", "db@latest", "--dry-run"]);
    assert!(!plan.contains("exists:"), "{plan}");
    instance.ok(&["restore", "db@latest", "--yes"]);
    assert_eq!(server.sql(WORDS), "one,two\n");
    assert_eq!(instance.runs()[0]["status"], "success");
    assert!(!instance.runs()[0]["summary"].as_str().unwrap().contains("--undo"));
    // A dump is files as well.
    let to = instance.path("elsewhere").display().to_string();
    instance.ok(&["restore", "db@latest", "--to", &to, "--yes"]);
    let dump = std::fs::read_to_string(instance.path("elsewhere/shop.sql")).unwrap();
    assert!(dump.contains("'one'"), "{dump}");
    let said = instance.fails(1, &["restore", "db@latest", "--path", "shop.sql", "--yes"]);
    assert!(said.contains("a database is restored as a whole"), "{said}");
}

#[test]
fn a_server_that_is_down_fails_the_run_and_says_so_before() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.sql(SHOP);
    let instance = server.instance();
    instance.ok(&["run", "db"]);
    drop(server);
    let plan = instance.ok(&["restore", "db@latest", "--dry-run"]);
    assert!(plan.contains("warning: the server could not be asked"), "{plan}");
    let said = instance.fails(1, &["restore", "db@latest", "--yes"]);
    assert!(said.contains("database failed"), "{said}");
    assert_eq!(instance.runs()[0]["status"], "error");
}

/// A client that stops in the middle of a load for as long as there is a file `hold`; it says so
/// with a file `held`.
fn hold(instance: &Instance) {
    let dir = instance.path(".").canonicalize().unwrap();
    let real = sh("command -v mariadb", &dir);
    let script = format!(
        "#!/bin/bash\ncase \"$*\" in *max-allowed-packet*)\n\
         exec {} \"$@\" < <(head -c 2500; touch {dir}/held; \
         while [ -e {dir}/hold ]; do sleep 0.02; done; cat);;\nesac\nexec {} \"$@\"\n",
        real.trim(),
        real.trim(),
        dir = dir.display()
    );
    let stub = instance.source("bin/mariadb", script.as_bytes());
    sh("chmod 755 bin/mariadb; touch hold", &dir);
    assert!(stub.exists());
}

fn start(instance: &Instance) -> std::process::Child {
    instance
        .command(&["restore", "db@latest", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

const TALLER: &str = "USE shop; INSERT INTO t SELECT seq, LEFT(MD5(seq), 9) FROM seq_3_to_500;";
const SUM: &str = "SELECT COUNT(*), SUM(CRC32(word)) FROM shop.t";

#[test]
fn a_restore_that_is_killed_in_a_load_leaves_no_program_behind_and_is_given_again() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.sql(SHOP);
    server.sql(TALLER);
    let before = server.sql(SUM);
    let instance = server.instance();
    instance.ok(&["run", "db"]);
    server.sql("UPDATE shop.t SET word = 'bad'");
    let ruined = server.sql(SUM);
    hold(&instance);
    let mut restore = start(&instance);
    instance.wait("the load is in its middle", || instance.path("held").exists());
    let children = format!("/proc/{}/task", restore.id());
    let mut clients = Vec::new();
    for task in std::fs::read_dir(children).unwrap().filter_map(Result::ok) {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        clients.extend(text.split_whitespace().map(str::to_owned));
    }
    assert_eq!(clients.len(), 1, "{clients:?}");
    let client = Path::new("/proc").join(&clients[0]);
    restore.kill().unwrap();
    restore.wait().unwrap();
    wait_for("the client is gone", || {
        // Nobody may be there to reap it.
        let status = std::fs::read_to_string(client.join("stat")).unwrap_or_default();
        status.is_empty() || status.contains(") Z ")
    });
    std::fs::remove_file(instance.path("hold")).unwrap();
    std::fs::remove_file(instance.path("bin/mariadb")).unwrap();
    let killed = instance.runs()[0].clone();
    assert_eq!(killed["status"], "interrupted", "{killed}");
    instance.ok(&["restore", "db@latest", "--yes"]);
    assert_eq!(server.sql(SUM), before);
    let second = instance.runs()[0]["id"].to_string();
    instance.ok(&["restore", "--undo", &second, "--yes"]);
    instance.ok(&["restore", "--undo", &killed["id"].to_string(), "--yes"]);
    assert_eq!(server.sql(SUM), ruined);
}

#[test]
fn a_server_that_goes_in_the_middle_of_a_load_fails_the_run_and_what_was_set_aside_is_told() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.sql(SHOP);
    server.sql(TALLER);
    let instance = server.instance();
    instance.ok(&["run", "db"]);
    hold(&instance);
    let restore = start(&instance);
    instance.wait("the load is in its middle", || instance.path("held").exists());
    drop(server);
    std::fs::remove_file(instance.path("hold")).unwrap();
    let output = restore.wait_with_output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("database failed") && said.contains("cannot be reached"), "{said}");
    assert!(said.contains("could NOT be put back") && said.contains("it lies in `"), "{said}");
    let run = instance.runs()[0].clone();
    assert_eq!(run["status"], "error", "{run}");
    let aside = instance.path(&format!("state/restores/aside-{}", run["id"]));
    let dump = std::fs::read_to_string(aside.join("shop.sql")).unwrap();
    assert!(dump.contains("-- Dump completed"), "what was there is kept whole");
}

#[test]
fn a_disk_that_is_full_while_a_restore_works_there_changes_nothing() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.sql(SHOP);
    // The dump fits into 4 MiB; it and what is set aside do not.
    server.sql("CREATE TABLE shop.b AS SELECT REPEAT('x', 2600000) AS b");
    let instance = server.instance();
    instance.ok(&["run", "db"]);
    server.sql("UPDATE shop.t SET word = 'now'");
    let work = instance.path("state/restores");
    std::fs::create_dir_all(&work).unwrap();
    let Some(disk) = TmpFs::mount(&work) else { skipped!("nothing can be mounted here") };
    let said = instance.fails(1, &["restore", "db@latest", "--yes"]);
    assert!(said.contains("database failed"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(server.sql(WORDS), "now,now\n");
    let left = sh("find . -type f | sort", &work);
    assert!(!left.contains(".larder-restore"), "{left}");
    drop(disk);
    instance.ok(&["restore", "db@latest", "--yes"]);
    assert_eq!(server.sql(WORDS), "one,two\n");
}
