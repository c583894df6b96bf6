//! The whole program: a job of type `mysql` becomes an archive that anybody can read, or a failure
//! that says why.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::server::processes_with;
use super::*;
use crate::support::{full, skipped, wait_for};
use crate::walk::instance::{Instance, sh, text};

/// The configuration of a job that reads a database.
fn job(server: &Shared, name: &str, more: &str) -> String {
    format!(
        "[job.db]\ntype = \"mysql\"\ndatabase = {}\nuser = \"root\"\nsocket = \"{}\"\nretries = 0\n{more}\n",
        Value::from(name),
        server.socket().display()
    )
}

#[test]
fn a_job_becomes_an_archive_that_anybody_can_read() {
    let server = shared_or_skip!();
    server.create("mabase");
    server.sql(Some("mabase"), &format!("SET sql_mode = 'NO_ENGINE_SUBSTITUTION';\n{EVERYTHING}"));
    let before = picture(&server, "mabase");
    let instance = Instance::new(&job(&server, "mabase", ""));
    assert_eq!(instance.larder(&["check", "--live"]).status.code(), Some(0));
    instance.ok(&["apply"]);
    let archives = instance.archives();
    let name = archives[0]["name"].as_str().unwrap();
    assert!(name.starts_with("jerry_mysql_mabase_"), "{name}");
    assert_eq!(instance.runs()[0]["status"], "success", "{:?}", instance.runs());

    let out = instance.path("out");
    std::fs::create_dir(&out).unwrap();
    let members =
        sh(&format!("tar -tf ../archives/{name}.tar; tar -xf ../archives/{name}.tar"), &out);
    let members: Vec<&str> = members.lines().collect();
    assert_eq!(
        members,
        [
            "backup_info.json",
            "backup.csv",
            "RESTORE.txt",
            "data/mysql/mabase.create.sql",
            "data/mysql/mabase.sql",
            "manifest.jsonl.zst",
            "info.json"
        ]
    );
    let read = |path: &str| std::fs::read(out.join(path)).unwrap();
    let json = |path: &str| serde_json::from_slice::<Value>(&read(path)).unwrap();
    let info = json("info.json");
    assert_eq!(
        read("info.json"),
        std::fs::read(instance.path(&format!("archives/{name}.info.json"))).unwrap()
    );
    assert_eq!(info["description"], "larder: mysql db on jerry");
    assert_eq!((&info["apps"], &info["system"]), (&serde_json::json!({}), &serde_json::json!({})));
    assert_eq!(info["size_details"], serde_json::json!({"system": {}, "apps": {}}));
    let size = read("data/mysql/mabase.sql").len() + read("data/mysql/mabase.create.sql").len();
    assert_eq!(info["size"], size);
    let backup = json("backup_info.json");
    for (key, value) in
        [("type", "mysql"), ("job", "db"), ("app", "mysql_mabase"), ("instance_name", "jerry")]
    {
        assert_eq!(backup[key], value, "{key}");
    }
    assert!(read("backup.csv").is_empty());
    assert!(read("data/mysql/mabase.create.sql").starts_with(b"-- How the database was made"));

    // The plain commands of the archive, with nothing but ordinary programs.
    server
        .sql(Some("mabase"), "DELETE FROM child; CREATE TABLE newer (i INT); DROP PROCEDURE act;");
    assert_ne!(picture(&server, "mabase"), before);
    follow(&server, &instance, name);
    assert_eq!(picture(&server, "mabase"), before);
    server.sql(None, "DROP DATABASE mabase");
    follow(&server, &instance, name);
    assert_eq!(picture(&server, "mabase"), before);
}

/// The one run that made, or did not make, an archive.
fn backup_of(instance: &Instance) -> Value {
    let runs = instance.runs();
    runs.into_iter().find(|run| run["kind"] == "backup").unwrap()
}

/// Follows RESTORE.txt of an archive to the letter.
fn follow(server: &Shared, instance: &Instance, name: &str) {
    let bin = tempfile::tempdir().unwrap();
    for program in ["sh", "tar", "mariadb", "sha256sum", "cut", "grep", "cat", "mkdir", "tail"] {
        let path = sh(&format!("command -v {program}"), bin.path());
        std::os::unix::fs::symlink(path.trim(), bin.path().join(program)).unwrap();
    }
    let config = format!("[client]\nuser=root\nsocket={}\n", server.socket().display());
    std::fs::write(bin.path().join(".my.cnf"), config).unwrap();
    let archives = instance.path("archives");
    let script = sh(&format!("tar -xOf {name}.tar RESTORE.txt"), &archives);
    let output = Command::new("sh")
        .args(["-uc", &script])
        .env_clear()
        .env("PATH", bin.path())
        .env("HOME", bin.path())
        .env("TO", bin.path().join("taken out"))
        .current_dir(&archives)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{script}");
}

#[test]
fn what_a_user_may_not_read_makes_the_archive_partial_and_the_run_warn() {
    let server = shared_or_skip!();
    server.create("partly");
    server.sql(Some("partly"), &format!("SET sql_mode = 'NO_ENGINE_SUBSTITUTION';\n{EVERYTHING}"));
    server.sql(None, "CREATE USER partly@localhost; GRANT ALL ON partly.* TO partly@localhost");
    let toml = job(&server, "partly", "").replace("\"root\"", "\"partly\"");
    let instance = Instance::new(&toml);
    instance.larder(&["apply"]);
    let run = &backup_of(&instance);
    assert_eq!(run["status"], "warning", "{run}");
    let log = instance.ok(&["log", &run["id"].to_string()]);
    assert!(log.contains("routines are missing: the user may not read 2 of 2"), "{log}");
    let shown = instance.archives()[0].to_string();
    assert!(shown.contains("partial"), "{shown}");
}

#[test]
fn an_empty_database_is_never_a_green_archive() {
    let server = shared_or_skip!();
    server.create("hollow");
    let instance = Instance::new(&job(&server, "hollow", ""));
    instance.larder(&["apply"]);
    let run = &backup_of(&instance);
    assert_eq!(run["status"], "warning", "{run}");
    assert!(instance.archives()[0].to_string().contains("suspect"));
}

#[test]
fn a_dump_program_that_fails_in_any_way_leaves_no_archive() {
    let server = shared_or_skip!();
    server.create("stubbed");
    server.sql(Some("stubbed"), "CREATE TABLE t (i INT); INSERT INTO t VALUES (1)");
    let real = "/usr/bin/mariadb-dump \"$@\"";
    for (script, said) in [
        (format!("{real} | head -n 12"), "is not whole"),
        ("exit 0".to_owned(), "is not whole"),
        (format!("{real}; exit 3"), "exit status 3"),
        (format!("{real}; kill -9 $$"), "signal 9"),
        (
            format!(
                "{real}; head -c 100000 /dev/zero | tr '\\0' x >&2; echo canary-end >&2; exit 2"
            ),
            "exit status 2",
        ),
    ] {
        let instance = Instance::new(&job(&server, "stubbed", ""));
        let stub = instance.source("bin/mariadb-dump", format!("#!/bin/sh\n{script}\n").as_bytes());
        sh(&format!("chmod 755 {}", stub.display()), &instance.path("bin"));
        let path = format!("{}:{}", instance.path("bin").display(), std::env::var("PATH").unwrap());
        let output = instance.command(&["apply"]).env("PATH", path).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{script}");
        let run = &instance.runs()[0];
        assert_eq!(run["status"], "error", "{script}: {run}");
        let log = instance.ok(&["log", &run["id"].to_string()]);
        assert!(log.contains(said) && log.len() < 2000, "{script}: {log}");
        assert_eq!(instance.files(), [""; 0], "{script}");
        let incoming = std::fs::read_dir(instance.path("archives/.incoming"));
        assert_eq!(incoming.map_or(0, Iterator::count), 0, "{script}");
    }
}

const CANARY: &str = "canary-9b1f \"'\\ #x";

#[test]
fn a_password_is_nowhere_but_in_its_file() {
    let Ok(server) = Shared::alone() else { skipped!("no mariadbd") };
    server.create("secret");
    server.sql(Some("secret"), "CREATE TABLE t (i INT)");
    let escaped = CANARY.replace('\\', "\\\\").replace('\'', "''");
    server.sql(None, &format!(
        "CREATE USER keeper@localhost IDENTIFIED BY '{escaped}'; GRANT ALL ON *.* TO keeper@localhost"
    ));
    let toml = job(&server, "secret", "password = { file = \"../password\" }");
    let instance = Instance::new(&toml.replace("\"root\"", "\"keeper\""));
    with_password(&server, "keeper", CANARY, &instance.path(""));
    std::fs::rename(instance.path("keeper.password"), instance.path("password")).unwrap();
    let held = server.hold("secret", "t");
    let mark = "--\0secret\0";
    let mut larder =
        instance.command(&["apply"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the dump waits for the table", || {
        !processes_with(mark).is_empty()
            && server.sql(None, "SHOW PROCESSLIST").contains("Waiting for table metadata lock")
    });
    let mut seen = 0;
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            seen += usize::from(!bytes.is_empty());
            assert!(!String::from_utf8_lossy(&bytes).contains("canary-9b1f"), "{:?}", entry.path());
        }
    }
    assert!(seen > 2);
    drop(held);
    assert!(larder.wait().unwrap().success());
    std::fs::remove_file(instance.path("password")).unwrap();
    let everything =
        format!("grep -rl canary-9b1f {} /dev/shm/.larder* || true", instance.path("").display());
    assert_eq!(sh(&everything, &instance.path("")), "");
}

#[test]
fn a_check_of_this_host_names_what_is_missing() {
    let server = shared_or_skip!();
    server.create("checked");
    let check = |name: &str, more: &str| {
        let instance = Instance::new(&job(&server, name, more));
        instance.fails(3, &["check", "--live"])
    };
    let said = check("gone", "");
    assert!(said.contains("there is no MariaDB database `gone`"), "{said}");
    server.sql(None, "CREATE USER checker@localhost IDENTIFIED BY 'x'");
    let instance = Instance::new(&job(&server, "checked", "").replace("\"root\"", "\"checker\""));
    let said = instance.fails(3, &["check", "--live"]);
    assert!(said.contains("refuses `checker`"), "{said}");
    let instance = Instance::new(&job(&server, "checked", ""));
    let empty = instance.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let output = instance.command(&["check", "--live"]).env("PATH", empty).output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(said.contains("`mariadb-dump` is not installed"), "{said}");
    assert!(said.contains("apt install mariadb-client"), "{said}");
}

#[test]
fn a_large_dump_takes_no_more_memory_than_a_small_one() {
    let server = shared_or_skip!();
    let megabytes = if full() { 1024 } else { 24 };
    server.create("heavy");
    let mut script = "CREATE TABLE t (b LONGBLOB);\n".to_owned();
    for _ in 0..megabytes / 8 {
        // In hexadecimal they are twice as long.
        let _ = writeln!(script, "INSERT INTO t VALUES (REPEAT(UNHEX(MD5(RAND())), 262144));");
    }
    server.sql(Some("heavy"), &script);
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let instance = Instance::below(temporary, &job(&server, "heavy", ""));
    let mut larder = instance.command(&["apply"]).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", larder.id());
    let mut peak = 0;
    let code = loop {
        // Asked before it ended, the number stays: it is the most that there ever was.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0_u64));
        if let Some(code) = larder.try_wait().unwrap() {
            break code;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    assert!(code.success());
    let size = instance.archives()[0]["size_bytes"].as_u64().unwrap_or(0);
    server.sql(None, "DROP DATABASE heavy");
    println!("{megabytes} MB: archive of {size} bytes, peak {peak} kB");
    assert!(peak > 0 && peak < 64 << 10, "{peak} kB");
}
