//! A database of PostgreSQL comes back through its own server, and so does what was in its place.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::stop::Stop;
use serde_json::Value;

use crate::support::{skipped, wait_for};
use crate::walk::instance::{Instance, text};

/// A server of nobody.
struct Server {
    server: Box<dyn Throwaway>,
    _dir: tempfile::TempDir,
}

/// A server with the shop, or the end of the test.
macro_rules! shop_or_skip {
    () => {
        match Server::start() {
            Ok(server) => {
                server.sql("postgres", "create database shop");
                server.sql("shop", SHOP);
                server.sql("postgres", "comment on database shop is 'it''s a \\ shop'");
                server
            }
            Err(why) => skipped!("{why}"),
        }
    };
}

const SHOP: &str = "create table t (id int primary key, word text, at timestamptz default now()); \
    insert into t (id, word) select i, md5(i::text) from generate_series(1, 500) i; \
    create view v as select count(*) from t; select lo_from_bytea(77, 'large');";

impl Server {
    fn start() -> Result<Self, String> {
        let dir = crate::support::dir();
        match database::throwaway(Kind::Postgresql, dir.path(), &Stop::new()) {
            Ok(server) => Ok(Self { server, _dir: dir }),
            Err(error @ DatabaseError::Missing { .. }) => Err(error.to_string()),
            Err(error) => panic!("{error}: {}", error.hint()),
        }
    }

    fn socket(&self) -> &Path {
        self.server.access().socket.as_deref().unwrap()
    }

    #[track_caller]
    fn sql(&self, database: &str, statements: &str) -> String {
        let output = Command::new("psql")
            .args(["-XAtqw", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-d", database])
            .args(["-c", statements, "-h"])
            .arg(self.socket())
            .output()
            .unwrap();
        assert!(output.status.success(), "{statements}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Every row, the large object and the comment.
    #[track_caller]
    fn rows(&self, database: &str) -> String {
        self.sql(
            database,
            "select t.*, (select * from v), lo_get(77), \
             shobj_description((select oid from pg_database where datname = current_database()), \
             'pg_database') from t order by id",
        )
    }

    fn databases(&self) -> Vec<String> {
        let names = self.sql(
            "postgres",
            "select datname from pg_database where not datistemplate and datname <> 'postgres' \
             order by 1",
        );
        names.lines().map(str::to_owned).collect()
    }

    fn instance(&self, database: &str) -> Instance {
        Instance::new(&format!(
            "[job.db]\ntype = \"postgresql\"\ndatabase = \"{database}\"\nuser = \"postgres\"\n\
             socket = {}\nretries = 0\n",
            Value::from(self.socket().to_str().unwrap())
        ))
    }
}

#[test]
fn one_that_was_dropped_comes_back_row_by_row() {
    let server = shop_or_skip!();
    let before = server.rows("shop");
    let instance = server.instance("shop");
    instance.ok(&["apply"]);
    server.sql("postgres", "drop database shop");
    let plan = instance.ok(&["restore", "db@latest", "--dry-run"]);
    assert!(plan.contains("1. database: PostgreSQL database `shop`"), "{plan}");
    assert!(!plan.contains("exists:"), "{plan}");
    instance.ok(&["restore", "db@latest", "--yes"]);
    assert_eq!(server.rows("shop"), before);
    assert_eq!(server.databases(), ["shop"]);
    let run = &instance.runs()[0];
    assert_eq!(run["status"], "success", "{run}");
    assert!(!run["summary"].as_str().unwrap().contains("--undo"), "{run}");
}

#[test]
fn what_was_there_is_set_aside_under_another_name_and_comes_back_with_the_undoing() {
    let server = shop_or_skip!();
    let before = server.rows("shop");
    let instance = server.instance("*");
    instance.ok(&["apply"]);
    let archive = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    server.sql("shop", "delete from t where id > 3; update t set word = 'bad'");
    let ruined = server.rows("shop");
    let plan = instance.ok(&["restore", &archive, "--dry-run"]);
    assert!(plan.contains("set aside under another name"), "{plan}");
    assert!(!plan.contains("state/restores"), "{plan}");
    instance.ok(&["restore", &archive, "--yes"]);
    assert_eq!(server.rows("shop"), before);
    let kept = server.databases();
    assert!(kept.len() == 2 && kept[1].starts_with("shop_before_2"), "{kept:?}");
    let access = server.server.access();
    // What is set aside is no member of `*`; a database of somebody that is called like it is.
    server.sql("postgres", "create database own_before_20260508030000");
    let listed = database::list(Kind::Postgresql, access, &Stop::new()).unwrap();
    assert_eq!(listed, ["own_before_20260508030000", "shop"]);

    let run = instance.runs()[0].clone();
    let id = run["id"].to_string();
    assert!(run["summary"].as_str().unwrap().contains(&format!("--undo {id}")), "{run}");
    let log = instance.ok(&["log", &id]);
    assert!(log.contains(&format!("set aside: database `shop` in {}", kept[1])), "{log}");
    instance.ok(&["restore", "--undo", &id, "--yes"]);
    assert_eq!(server.rows("shop"), ruined, "its comment too");
    assert_eq!(server.databases(), ["own_before_20260508030000", "shop"]);
    let listed = database::list(Kind::Postgresql, access, &Stop::new()).unwrap();
    assert_eq!(listed, ["own_before_20260508030000", "shop"]);
    let said = instance.fails(1, &["restore", "--undo", &id, "--yes"]);
    assert!(said.contains("was undone already"), "{said}");
}

#[test]
fn what_somebody_removed_or_took_over_is_told_by_the_undoing() {
    let server = shop_or_skip!();
    let instance = server.instance("shop");
    instance.ok(&["run", "db"]);
    instance.ok(&["restore", "db@latest", "--yes"]);
    let id = instance.runs()[0]["id"].to_string();
    let kept = server.databases()[1].clone();
    server.sql("postgres", &format!("alter database {kept} rename to mine"));
    let listed = database::list(Kind::Postgresql, server.server.access(), &Stop::new()).unwrap();
    assert_eq!(listed, ["mine", "shop"], "a name that somebody gave it makes it theirs");
    server.sql("postgres", "drop database mine");
    let before = server.rows("shop");
    let said = instance.fails(1, &["restore", "--undo", &id, "--yes"]);
    assert!(
        said.contains(&format!("`{kept}`, where `shop` was set aside, is not there")),
        "{said}"
    );
    assert_eq!(server.rows("shop"), before);
}

#[test]
fn without_safety_nothing_is_kept() {
    let server = shop_or_skip!();
    let before = server.rows("shop");
    let instance = server.instance("shop");
    instance.ok(&["run", "db"]);
    server.sql("shop", "truncate t");
    let plan = instance.ok(&["restore", "db@latest", "--no-safety", "--dry-run"]);
    assert!(plan.contains("; dropped"), "{plan}");
    instance.ok(&["restore", "db@latest", "--no-safety", "--yes"]);
    assert_eq!(server.rows("shop"), before);
    assert_eq!(server.databases(), ["shop"]);
    let id = instance.runs()[0]["id"].to_string();
    let said = instance.fails(1, &["restore", "--undo", &id, "--yes"]);
    assert!(said.contains("set nothing aside"), "{said}");
}

#[test]
fn elsewhere_its_dump_is_laid_as_files() {
    let server = shop_or_skip!();
    let instance = server.instance("shop");
    instance.ok(&["run", "db"]);
    server.sql("shop", "truncate t");
    let to = instance.path("elsewhere").display().to_string();
    instance.ok(&["restore", "db@latest", "--to", &to, "--yes"]);
    for name in ["shop.dump", "shop.create.sql", "shop.settings.sql", "globals.sql"] {
        assert!(instance.path("elsewhere").join(name).is_file(), "{name}");
    }
    let dump = fs::read(instance.path("elsewhere/shop.dump")).unwrap();
    assert_eq!(&dump[..5], b"PGDMP");
    assert_eq!(server.sql("shop", "select count(*) from t"), "0\n", "the server was left alone");
    let said = instance.fails(1, &["restore", "db@latest", "--path", "shop.dump", "--yes"]);
    assert!(said.contains("a database is restored as a whole"), "{said}");
}

#[test]
fn a_server_that_is_down_fails_the_run_and_says_so_before() {
    let server = shop_or_skip!();
    let instance = server.instance("shop");
    instance.ok(&["run", "db"]);
    drop(server);
    let plan = instance.ok(&["restore", "db@latest", "--dry-run"]);
    assert!(plan.contains("warning: the server could not be asked"), "{plan}");
    let said = instance.fails(1, &["restore", "db@latest", "--yes"]);
    assert!(said.contains("database failed") && said.contains("cannot be reached"), "{said}");
    assert!(said.contains("does the server run?"), "{said}");
    assert_eq!(instance.runs()[0]["status"], "error");
}

/// A shop whose dump, when it is loaded, waits in its middle for as long as the server says so.
const WAITS: &str = "create function wait() returns boolean language plpgsql as \
    'begin if current_setting(''larder.waits'', true) = ''yes'' then perform pg_sleep(600); end if; \
     return true; end'; create table z (i int check (public.wait())); insert into z values (1)";

/// The processes of `pg_restore` that load into this server.
fn loading(server: &Server) -> usize {
    let socket = server.socket().display().to_string();
    let lines = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = lines.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| text(&line))
        .filter(|line| line.contains(&socket) && line.contains("--single-transaction"))
        .count()
}

/// Whether a load is in its middle.
fn waits(server: &Server) -> bool {
    let question = "select count(*) from pg_stat_activity where datname = 'larder_restoring_shop' \
        and wait_event = 'PgSleep'";
    server.sql("postgres", question) == "1\n"
}

#[test]
fn a_restore_that_is_killed_in_a_load_leaves_no_program_behind_and_is_given_again() {
    let server = shop_or_skip!();
    server.sql("shop", WAITS);
    let before = server.rows("shop");
    let instance = server.instance("shop");
    instance.ok(&["run", "db"]);
    server.sql("shop", "delete from t where id > 3");
    let ruined = server.rows("shop");
    server.sql("postgres", "alter role postgres set larder.waits = 'yes'");
    let mut restore = instance
        .command(&["restore", "db@latest", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the load is in its middle", || waits(&server));
    assert_eq!(loading(&server), 1);
    restore.kill().unwrap();
    restore.wait().unwrap();
    wait_for("no program is left", || loading(&server) == 0);
    assert_eq!(server.rows("shop"), ruined, "nothing was replaced");
    let listed = database::list(Kind::Postgresql, server.server.access(), &Stop::new()).unwrap();
    assert_eq!(listed, ["shop"], "what is half loaded is nobody's");
    server.sql("postgres", "alter role postgres reset larder.waits");
    instance.ok(&["restore", "db@latest", "--yes"]);
    assert_eq!(server.rows("shop"), before);
    assert_eq!(server.databases().len(), 2, "the half is gone: {:?}", server.databases());
    let id = instance.runs()[0]["id"].to_string();
    instance.ok(&["restore", "--undo", &id, "--yes"]);
    assert_eq!(server.rows("shop"), ruined);
}

#[test]
fn a_server_that_goes_in_the_middle_of_a_load_fails_the_run() {
    let server = shop_or_skip!();
    server.sql("shop", WAITS);
    let instance = server.instance("shop");
    instance.ok(&["run", "db"]);
    server.sql("postgres", "alter role postgres set larder.waits = 'yes'");
    let restore = instance
        .command(&["restore", "db@latest", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the load is in its middle", || waits(&server));
    drop(server);
    let output = restore.wait_with_output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("database failed") && said.contains("cannot be reached"), "{said}");
    let run = &instance.runs()[0];
    assert_eq!(run["status"], "error", "{run}");
    assert!(!run["summary"].as_str().unwrap().contains("--undo"), "{run}");
    let left = fs::read_dir(instance.path("state/restores")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "only its record: {left:?}");
}
