//! `RESTORE.txt`, followed to the letter by somebody who has ordinary programs only.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use larder::archive::{Content, Spec, read_member, write};
use larder::database::{self, Dump};
use larder::model::archive::ArchiveId;
use larder::model::job::{Database, JobType};
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::stop::Stop;

use super::scene::{
    KIND, TIMEOUT, assert_same, databases, drop_database, fingerprint, fresh, psql, server_or_skip,
};
use crate::support;

/// An archive of a database and its `RESTORE.txt` in a directory.
fn archived(access: &Database, name: &str, directory: &Path) {
    let spec = Spec {
        id: ArchiveId(uuid::Uuid::from_u128(9)),
        name: "jerry_shop_20260508".parse().unwrap(),
        origin: "jerry".parse().unwrap(),
        instance_url: None,
        job: "shop".parse().unwrap(),
        job_type: JobType::Postgresql,
        label: "shop".parse().unwrap(),
        created_at: "2026-05-08T03:00:00[Europe/Paris]".parse().unwrap(),
        yunohost_version: None,
        config_generation: 1,
        codec: Codec::Zstd(3),
        recipients: Vec::new(),
        content: Content::Database(name.to_owned()),
    };
    let path = directory.join("jerry_shop_20260508.tar.zst");
    let dump = Dump { access, name, spool: directory, timeout: TIMEOUT };
    let source = database::source(KIND, &dump, &Stop::new(), &Progress::new());
    let file = File::create_new(&path).unwrap();
    let (written, _) = write(source, &spec, file, &Stop::new(), &Progress::new()).unwrap();
    let sidecar = format!("{{\"file_sha256\":\"{}\"}}", written.file_sha256);
    fs::write(directory.join("jerry_shop_20260508.larder.json"), sidecar).unwrap();
    let text = read_member(&path, spec.codec, None, "RESTORE.txt", 1 << 20).unwrap().unwrap();
    fs::write(directory.join("RESTORE.txt"), text).unwrap();
}

/// Follows it; whether it ended well, and what it said.
fn follow(access: &Database, directory: &Path) -> (bool, String) {
    // Nothing else is to be found: neither this program nor anything it may have installed.
    let bin = directory.join("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        let programs = "sh tar zstd psql pg_restore createdb dropdb cat cut grep sha256sum mkdir date id test runuser";
        for program in programs.split(' ') {
            let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            let path = String::from_utf8(found.unwrap().stdout).unwrap();
            let path = Path::new(path.trim());
            let path = if path.is_absolute() { path } else { Path::new("/usr/bin/test") };
            std::os::unix::fs::symlink(path, bin.join(program)).unwrap();
        }
        support_traversal(directory);
    }
    let output = Command::new("sh")
        .arg("RESTORE.txt")
        .current_dir(directory)
        .env_clear()
        .env("PATH", &bin)
        .env("LC_ALL", "C.UTF-8")
        .env("PGHOST", access.socket.as_ref().unwrap())
        .env("PGUSER", "postgres")
        .env("TO", directory.join("out"))
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Programs run as another user are found through this directory.
fn support_traversal(directory: &Path) {
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    fs::set_permissions(directory, open).unwrap();
}

#[test]
fn restore_txt_is_followed_literally() {
    let access = server_or_skip!();
    let name = "it's a \"shop\"";
    psql(
        access,
        "postgres",
        "create role txt_owner login password 'secret'; create role txt_stays login password 'old';",
    );
    fresh(access, name, "
        create table t (i int primary key, x text); insert into t select i, md5(i::text) from generate_series(1, 999) i;
        alter table t owner to txt_owner; create sequence s start 7; select nextval('s'); select lo_from_bytea(99, 'abc');
        grant select on t to txt_stays; comment on table t is 'kept';
    ");
    psql(access, "postgres", "
        alter database \"it's a \"\"shop\"\"\" owner to txt_owner; alter database \"it's a \"\"shop\"\"\" set work_mem = '7MB';
        revoke connect on database \"it's a \"\"shop\"\"\" from public; comment on database \"it's a \"\"shop\"\"\" is 'a shop';
    ");
    let before = fingerprint(access, name);
    let dir = support::dir();
    archived(access, name, dir.path());
    let role = "select rolpassword from pg_authid where rolname = 'txt_owner';";
    let password = psql(access, "postgres", role);

    // On a server that has nothing of it.
    drop_database(access, name);
    psql(access, "postgres", "drop role txt_owner; alter role txt_stays password 'new';");
    let stays = "select rolpassword from pg_authid where rolname = 'txt_stays';";
    let new_password = psql(access, "postgres", stays);
    let (done, said) = follow(access, dir.path());
    assert!(done && said.is_empty(), "{said}");
    assert_same(&fingerprint(access, name), &before);
    assert_eq!(psql(access, "postgres", role), password);
    assert_eq!(
        psql(access, "postgres", stays),
        new_password,
        "a role that is there stays as it is"
    );

    // Over what is there, which is kept under another name.
    psql(access, name, "insert into t values (0, 'newer');");
    let newer = fingerprint(access, name);
    let (done, said) = follow(access, dir.path());
    assert!(done && said.is_empty(), "{said}");
    assert_same(&fingerprint(access, name), &before);
    let of_shop = |all: Vec<String>| -> Vec<String> {
        all.into_iter().filter(|other| other.starts_with("it's a") && other != name).collect()
    };
    let kept = of_shop(databases(access));
    assert!(kept.len() == 1 && kept[0].starts_with("it's a \"shop\"_before_2"), "{kept:?}");
    let rows = "select count(*) from t;";
    assert_eq!(psql(access, &kept[0], rows).trim(), "1000");
    assert!(newer.contains("newer"));

    // What fails in the middle replaces nothing.
    let text = fs::read_to_string(dir.path().join("RESTORE.txt")).unwrap();
    let without = text.replace(".dump\"\n}", ".create.sql\"\n}");
    assert_ne!(text, without);
    fs::write(dir.path().join("RESTORE.txt"), without).unwrap();
    let (done, said) = follow(access, dir.path());
    assert!(!done && said.contains("nothing was replaced"), "{said}");
    assert_same(&fingerprint(access, name), &before);
    assert_eq!(of_shop(databases(access)), kept);
    assert!(!databases(access).iter().any(|name| name.starts_with("restoring_")));
    for name in [name, &kept[0]] {
        drop_database(access, name);
    }
    psql(access, "postgres", "drop role txt_owner, txt_stays;");
}
