//! The archive of each type as others read it: `tar`, `python3`, `sha256sum` and the programs that
//! decode, never our own types.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::Command;

use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::stop::Stop;

use crate::support::{self, root_or_skip, skipped};
use crate::walk::instance::{Instance, sh, text};
use crate::yunohost::host;

/// What reads an archive, by words that have nothing in common with ours.
const READER: &str = include_str!("contract/reader.py");

/// Programs without which nobody reads every encoding.
macro_rules! readers_or_skip {
    () => {
        for program in ["python3", "tar", "zstd", "gzip", "sha256sum"] {
            let found = Command::new(program).arg("--version").output();
            if !found.is_ok_and(|output| output.status.success()) {
                skipped!("`{program}` is not here");
            }
        }
    };
}

/// Has every archive of a directory read; `expected` are Python's words on what must be in it.
#[track_caller]
fn check(dir: &Path, kind: &str, expected: &str) {
    let script = dir.join("reader.py");
    fs::write(&script, READER).unwrap();
    let mut reader = Command::new("python3");
    let output = reader.arg(&script).args([kind, expected]).current_dir(dir).output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{kind}: {said}");
    assert!(said.contains("every field was read"), "{kind}: {said}");
    fs::remove_file(script).unwrap();
}

/// Every encoding that a location may have, each with its settings.
fn encodings(instance: &Instance) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("plain", String::new()),
        ("gz", "compress = \"gzip\"\n".to_owned()),
        ("zst", "compress = \"zstd\"\n".to_owned()),
    ];
    if cfg!(feature = "encrypt") && Command::new("age").arg("--version").output().is_ok() {
        let key = instance.ok(&["identity", "new"]);
        let at = key.find("age1").unwrap();
        let recipient: String = key[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
        fs::write(instance.path("key.txt"), key).unwrap();
        all.push(("age", format!("encrypt_to = [\"{recipient}\"]\n")));
        all.push(("zst-age", format!("compress = \"zstd\"\nencrypt_to = [\"{recipient}\"]\n")));
    }
    all
}

/// A job in every encoding, run by the binary and read by others.
fn in_every_encoding(instance: &Instance, kind: &str, job: &str, expected: &str) {
    for (name, settings) in encodings(instance) {
        let location = format!(
            "[location.{name}]\npath = \"../{name}\"\nmin_free = \"1 MiB\"\n{settings}\
             [job.it-{name}]\ntype = \"{kind}\"\nlocation = \"{name}\"\nlabel = \"it\"\n{job}"
        );
        instance.write("jobs.toml", &location);
        instance.ok(&["run", &format!("it-{name}")]);
        check(&instance.path(name), kind, expected);
    }
}

/// A server of nobody and its directory.
fn throwaway(kind: Kind) -> Option<(Box<dyn Throwaway>, tempfile::TempDir)> {
    let dir = support::dir();
    match database::throwaway(kind, dir.path(), &Stop::new()) {
        Ok(server) => Some((server, dir)),
        Err(DatabaseError::Missing { .. }) => None,
        Err(error) => panic!("{error}: {}", error.hint()),
    }
}

#[test]
fn a_custom_dir_is_what_the_contract_says_in_every_encoding() {
    readers_or_skip!();
    let instance = Instance::new("");
    instance.source("src/a b.txt", b"alpha\n");
    instance.source("src/sub/empty", b"");
    instance.source("src/quo\"te", b"q");
    sh(
        "ln -s 'a b.txt' src/link; ln src/a\\ b.txt src/sub/hard; mkfifo src/pipe; mkdir src/void; \
         chmod 2711 src/void; truncate -s 1M src/holes; printf end >> src/holes; \
         touch -d '2001-02-03 04:05:06.789 UTC' src/sub/empty",
        &instance.path("."),
    );
    let root = instance.path(".").canonicalize().unwrap().join("src");
    let expected = format!("{{'source': {:?}}}", root.display().to_string());
    in_every_encoding(&instance, "custom_dir", "source_path = \"../src\"\n", &expected);
}

#[test]
fn a_dump_of_mariadb_is_what_the_contract_says_in_every_encoding() {
    readers_or_skip!();
    let Some((server, _dir)) = throwaway(Kind::Mysql) else { skipped!("there is no mariadbd") };
    let socket = server.access().socket.clone().unwrap().display().to_string();
    let sql = "CREATE DATABASE shop; CREATE TABLE shop.t (i INT); INSERT INTO shop.t VALUES (1)";
    sh(&format!("mariadb --no-defaults -uroot --socket={socket} -e '{sql}'"), Path::new("/"));
    let job = format!("database = \"shop\"\nuser = \"root\"\nsocket = \"{socket}\"\n");
    in_every_encoding(&Instance::new(""), "mysql", &job, "{'database': 'shop'}");
}

#[test]
fn a_dump_of_postgresql_is_what_the_contract_says_in_every_encoding() {
    readers_or_skip!();
    let Some((server, _dir)) = throwaway(Kind::Postgresql) else {
        skipped!("there is no postgres");
    };
    let socket = server.access().socket.clone().unwrap().display().to_string();
    let psql = format!("psql -XAtqw -U postgres -h {socket} -v ON_ERROR_STOP=1");
    sh(&format!("{psql} -d postgres -c 'create database shop'"), Path::new("/"));
    let sql = "create table t (i int); insert into t values (1)";
    sh(&format!("{psql} -d shop -c '{sql}'"), Path::new("/"));
    let job = format!("database = \"shop\"\nuser = \"postgres\"\nsocket = \"{socket}\"\n");
    in_every_encoding(&Instance::new(""), "postgresql", &job, "{'database': 'shop'}");
}

#[test]
fn what_yunohost_makes_of_an_app_is_described_as_the_contract_says() {
    root_or_skip!();
    readers_or_skip!();
    for core_only in [false, true] {
        let more = if core_only { "core_only = true\n" } else { "" };
        let (instance, _host) = host::server(&format!(
            "[job.it-plain]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\nlabel = \"it\"\n{more}"
        ));
        instance.ok(&["run", "it-plain"]);
        let python = if core_only { "True" } else { "False" };
        let expected = format!("{{'app': 'nextcloud', 'core_only': {python}}}");
        check(&instance.path("archives"), "ynh_app", &expected);
    }
}

#[test]
fn what_yunohost_makes_of_its_system_is_described_as_the_contract_says() {
    root_or_skip!();
    readers_or_skip!();
    let (instance, _host) = host::server("[job.it-plain]\ntype = \"ynh_system\"\nlabel = \"it\"\n");
    instance.ok(&["run", "it-plain"]);
    check(&instance.path("archives"), "ynh_system", "{'parts': ['conf_ldap', 'data_home']}");
}
