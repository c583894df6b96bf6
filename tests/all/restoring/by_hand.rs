//! `RESTORE.txt` of a database's archive, followed to the letter in every encoding, with nothing in
//! `PATH` but the programs that it names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::stop::Stop;

use crate::support::{self, skipped};
use crate::walk::instance::{Instance, sh, text};

/// How a location encodes, and how that is taken off by hand.
fn encodings(instance: &Instance) -> Vec<(&'static str, String, &'static str)> {
    let mut all = vec![("zst", "compress = \"zstd\"".to_owned(), "zstd -dc")];
    if cfg!(feature = "encrypt") && Command::new("age").arg("--version").output().is_ok() {
        let key = instance.ok(&["identity", "new"]);
        let at = key.find("age1").unwrap();
        let recipient: String = key[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
        fs::write(instance.path("key.txt"), key).unwrap();
        let encrypt = format!("encrypt_to = [\"{recipient}\"]");
        let both = format!("compress = \"zstd\"\n{encrypt}");
        let gzip = format!("compress = \"gzip\"\n{encrypt}");
        all.push(("age", encrypt, "age -d -i ../key.txt"));
        all.push(("zst-age", both, "age -d -i ../key.txt | zstd -dc"));
        all.push(("gz-age", gzip, "age -d -i ../key.txt | gzip -dc"));
    }
    all
}

/// Follows the commands in the directory of an archive. What was taken out is in `taken out` of the
/// directory that it returns.
fn follow(dir: &Path, decode: &str, programs: &str, env: &[(&str, &Path)]) -> tempfile::TempDir {
    let archive = sh("ls | grep '[.]tar'", dir);
    let script = sh(&format!("cat {} | {decode} | tar -xOf - RESTORE.txt", archive.trim()), dir);
    let own = support::dir();
    // Programs that run as another user are found through it.
    fs::set_permissions(own.path(), fs::Permissions::from_mode(0o711)).unwrap();
    for program in programs.split(' ') {
        let path = sh(&format!("command -v {program}"), dir);
        std::os::unix::fs::symlink(path.trim(), own.path().join(program)).unwrap();
    }
    fs::write(own.path().join("RESTORE.txt"), &script).unwrap();
    let output = Command::new("sh")
        .arg(own.path().join("RESTORE.txt"))
        .current_dir(dir)
        .env_clear()
        .env("PATH", own.path())
        .env("LC_ALL", "C.UTF-8")
        .env("IDENTITY", "../key.txt")
        .env("TO", own.path().join("taken out"))
        .envs(env.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{script}");
    own
}

/// Archives the database `shop` in each encoding, spoils it, follows the commands, looks.
fn check(
    kind: Kind,
    access: &str,
    programs: &str,
    env: &[(&str, &Path)],
    sql: &dyn Fn(&str, &str) -> String,
    look: &str,
) {
    let instance = Instance::new("");
    let before = sql("shop", look);
    for (name, settings, decode) in encodings(&instance) {
        instance.write(
            "jobs.toml",
            &format!(
                "[location.{name}]\npath = \"../{name}\"\nmin_free = \"1 MiB\"\n{settings}\n\
                 [job.it-{name}]\ntype = \"{}\"\nlocation = \"{name}\"\ndatabase = \"shop\"\n{access}",
                kind.word()
            ),
        );
        instance.ok(&["run", &format!("it-{name}")]);
        sql("shop", "update t set word = 'spoiled'");
        assert_ne!(sql("shop", look), before);
        let mut all = format!("sh tar cat cut grep sha256sum mkdir {programs}");
        for program in ["age", "zstd", "gzip"].into_iter().filter(|word| decode.contains(word)) {
            all = format!("{all} {program}");
        }
        follow(&instance.path(name), decode, &all, env);
        assert_eq!(sql("shop", look), before, "{name}");
    }
}

fn server(kind: Kind) -> Option<(Box<dyn Throwaway>, tempfile::TempDir)> {
    let dir = support::dir();
    match database::throwaway(kind, dir.path(), &Stop::new()) {
        Ok(server) => Some((server, dir)),
        Err(DatabaseError::Missing { .. }) => None,
        Err(error) => panic!("{error}: {}", error.hint()),
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_copy_comes_back_by_hand_under_the_ending_that_it_has() {
    let instance = Instance::new("");
    let source = instance.source("notes/one", b"one");
    let all = encodings(&instance);
    let places: Vec<String> = all.iter().map(|(name, _, _)| format!("\"{name}\"")).collect();
    let location = |(name, settings, _): &(&str, String, &str)| {
        format!("[location.{name}]\npath = \"../{name}\"\nmin_free = \"1 MiB\"\n{settings}\n")
    };
    let toml = format!(
        "{}[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\nsend_to = [{}]\n",
        all.iter().map(location).collect::<String>(),
        places.join(", ")
    );
    instance.write("jobs.toml", &toml);
    instance.ok(&["apply"]);
    for (name, _, decode) in &all {
        let dir = instance.path(name);
        let copy = sh("ls | grep '[.]tar'", &dir);
        let mut programs = "sh tar cat cut grep sha256sum mkdir".to_owned();
        for program in ["age", "zstd", "gzip"].into_iter().filter(|word| decode.contains(word)) {
            programs = format!("{programs} {program}");
        }
        let own = follow(&dir, decode, &programs, &[("ARCHIVE", Path::new(copy.trim()))]);
        let below = source.strip_prefix("/").unwrap();
        assert_eq!(fs::read(own.path().join("taken out").join(below)).unwrap(), b"one", "{name}");
    }
}

#[test]
fn a_dump_of_mariadb_comes_back_by_hand_in_every_encoding() {
    let Some((server, _dir)) = server(Kind::Mysql) else { skipped!("there is no mariadbd") };
    let socket = server.access().socket.clone().unwrap();
    let sql = |database: &str, statements: &str| {
        run(Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "--batch", "--skip-column-names"])
            .arg(format!("--socket={}", socket.display()))
            .args(["-e", statements, "--", database]))
    };
    sql("mysql", "CREATE DATABASE shop");
    sql(
        "shop",
        "CREATE TABLE t (id INT PRIMARY KEY, word TEXT); \
         INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_300",
    );
    let home = support::dir();
    let config = format!("[client]\nuser=root\nsocket={}\n", socket.display());
    fs::write(home.path().join(".my.cnf"), config).unwrap();
    check(
        Kind::Mysql,
        &format!("user = \"root\"\nsocket = \"{}\"\n", socket.display()),
        "mariadb tail",
        &[("HOME", home.path())],
        &sql,
        "SELECT * FROM t ORDER BY id",
    );
}

#[test]
fn a_dump_of_postgresql_comes_back_by_hand_in_every_encoding() {
    let Some((server, _dir)) = server(Kind::Postgresql) else { skipped!("there is no postgres") };
    let socket = server.access().socket.clone().unwrap();
    let sql = |database: &str, statements: &str| {
        run(Command::new("psql")
            .args(["-XAtqw", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-d", database])
            .args(["-c", statements, "-h"])
            .arg(&socket))
    };
    sql("postgres", "create database shop");
    sql(
        "shop",
        "create table t (id int primary key, word text); \
         insert into t select i, md5(i::text) from generate_series(1, 300) i",
    );
    let as_root = if support::root().is_ok() { " runuser" } else { "" };
    check(
        Kind::Postgresql,
        &format!("user = \"postgres\"\nsocket = \"{}\"\n", socket.display()),
        &format!("psql pg_restore createdb dropdb date id test{as_root}"),
        &[("PGHOST", &socket), ("PGUSER", Path::new("postgres"))],
        &sql,
        "select * from t order by id",
    );
}
