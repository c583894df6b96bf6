//! Databases of a burned server come back into the servers of the new one.

use std::process::{Command, Stdio};

use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::stop::Stop;
use serde_json::Value;

use crate::support::skipped;
use crate::walk::instance::{Instance, sh, text};

/// A server of each kind, and where their files are.
type Servers = (Box<dyn Throwaway>, Box<dyn Throwaway>, [tempfile::TempDir; 2]);

/// Two servers of nobody, for both kinds.
fn servers() -> Result<Servers, String> {
    let dirs = [(); 2].map(|()| tempfile::Builder::new().prefix("l-").tempdir_in("/tmp").unwrap());
    let start = |kind, dir: &tempfile::TempDir| {
        database::throwaway(kind, dir.path(), &Stop::new()).map_err(|error| match error {
            DatabaseError::Missing { .. } => error.to_string(),
            error => panic!("{error}"),
        })
    };
    let (mysql, postgresql) = (start(Kind::Mysql, &dirs[0])?, start(Kind::Postgresql, &dirs[1])?);
    Ok((mysql, postgresql, dirs))
}

fn value(text: &str) -> Value {
    Value::from(text)
}

#[test]
fn dumps_are_loaded_after_the_files_and_answer_as_before() {
    let (mysql, postgresql, _dirs) = match servers() {
        Ok(servers) => servers,
        Err(why) => skipped!("{why}"),
    };
    let socket = |server: &dyn Throwaway| server.access().socket.clone().unwrap();
    let (my, pg) = (socket(mysql.as_ref()), socket(postgresql.as_ref()));
    let pg_user = postgresql.access().user.clone().unwrap_or_else(|| "postgres".to_owned());
    let run = |program: &str, arguments: &[&str], statement: &str| {
        let output =
            Command::new(program).args(arguments).arg(statement).stdin(Stdio::null()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{statement}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let my_socket = format!("--socket={}", my.display());
    let mariadb =
        |sql: &str| run("mariadb", &["--no-defaults", "-uroot", "-N", &my_socket, "-e"], sql);
    let psql = |database: &str, sql: &str| {
        let host = pg.display().to_string();
        run("psql", &["-XAtq", "-h", &host, "-U", &pg_user, "-d", database, "-c"], sql)
    };
    mariadb(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, word VARCHAR(9)); INSERT INTO shop.t VALUES (1,'one'),(2,'two')",
    );
    psql("postgres", "CREATE DATABASE club");
    psql("club", "CREATE TABLE m (id int, name text); INSERT INTO m VALUES (1,'ann'),(2,'bob')");

    let instance = Instance::new(&format!(
        "[job.shop]\ntype = \"mysql\"\ndatabase = \"shop\"\nuser = \"root\"\nsocket = {}\n\
         [job.club]\ntype = \"postgresql\"\ndatabase = \"club\"\nuser = {}\nsocket = {}\n\
         [job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n",
        value(my.to_str().unwrap()),
        value(&pg_user),
        value(pg.to_str().unwrap())
    ));
    instance.write("recovery.toml", "");
    instance.source("notes/a", b"a");
    instance.ok(&["apply"]);
    // The server burned; the new one has servers with nothing in them.
    mariadb("DROP DATABASE shop");
    psql("postgres", "DROP DATABASE club");
    sh("rm -rf etc state public notes control.sock", &instance.path(""));

    let archives = instance.path("archives").display().to_string();
    let plan = instance.ok(&["recover", &archives, "--dry-run"]);
    let at = |part: &str| plan.find(part).unwrap_or_else(|| panic!("`{part}` is not in {plan}"));
    assert!(at("files       notes") < at("database    club"), "{plan}");
    assert!(at("database    club") < at("database    shop"), "{plan}");
    instance.ok(&["recover", &archives, "--yes"]);
    assert_eq!(mariadb("SELECT GROUP_CONCAT(word ORDER BY id) FROM shop.t").trim(), "one,two");
    assert_eq!(psql("club", "SELECT string_agg(name, ',' ORDER BY id) FROM m").trim(), "ann,bob");
    assert!(instance.path("notes/a").exists());
}
