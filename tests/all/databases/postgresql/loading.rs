//! All or nothing: what is there stays until what comes is complete.

use std::process::{Child, Stdio};
use std::{fs, io};

use larder::database::DatabaseError;
use larder::model::job::Database;

use super::scene::{
    Before, assert_same, databases, drop_database, dumped, fingerprint, fresh, load_from, loaded,
    psql, psql_command, server_or_skip,
};
use crate::support;

/// Somebody who is connected and stays so.
fn connected(access: &Database, database: &str) -> Child {
    let mut command = psql_command(access, database);
    command.args(["-c", "select pg_sleep(600)"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let question = format!(
        "select count(*) from pg_stat_activity where datname = '{database}' and query like '%pg_sleep(600)%';"
    );
    support::wait_for("a connection", || psql(access, "postgres", &question).trim() == "1");
    child
}

fn nothing_is_left_of_a_load(access: &Database, name: &str) {
    let left = databases(access);
    let is_ours = |other: &String| other.starts_with("larder_") && other.ends_with(name);
    assert!(!left.iter().any(is_ours), "{left:?}");
}

#[test]
fn what_was_there_is_set_aside_although_somebody_uses_it() {
    let access = server_or_skip!();
    fresh(access, "aside", "create table t (i int); insert into t values (1);");
    let old = fingerprint(access, "aside");
    let (dir, _) = dumped(access, "aside");
    psql(access, "aside", "insert into t values (2);");
    let newer = fingerprint(access, "aside");
    let mut somebody = connected(access, "aside");
    let first = load_from(access, "aside", dir.path(), &Before::Aside).unwrap();
    assert!(!somebody.wait().unwrap().success(), "the connection is ended");
    assert_same(&fingerprint(access, "aside"), &old);
    let set_aside = first.set_aside.unwrap();
    assert!(set_aside.starts_with("aside_before_2"), "{set_aside}");
    // Its comment marks it; else it is what it was.
    psql(access, "postgres", &format!("comment on database {set_aside} is null;"));
    assert_same(&fingerprint(access, &set_aside), &newer);
    // At once again: the earlier one is not in the way.
    let second = load_from(access, "aside", dir.path(), &Before::Aside).unwrap().set_aside.unwrap();
    assert_ne!(second, set_aside);
    for name in ["aside", &set_aside, &second] {
        drop_database(access, name);
    }
    // And where nothing is there, nothing is set aside.
    let third = load_from(access, "aside", dir.path(), &Before::Aside).unwrap();
    assert_eq!((third.set_aside, third.tables), (None, 1));
}

#[test]
fn a_load_that_fails_in_the_middle_leaves_what_is_there() {
    let access = server_or_skip!();
    // Its rows can be inserted under its own name only: a load works under another.
    let script = "create table a (i int); insert into a select generate_series(1, 1000); \
        create table z (i int constraint here check (current_database() = 'half')); \
        insert into z values (42);";
    fresh(access, "half", script);
    let (dir, _) = dumped(access, "half");
    psql(access, "half", "insert into a values (0);");
    let before = fingerprint(access, "half");
    for way in [Before::Aside, Before::Dropped] {
        let error = load_from(access, "half", dir.path(), &way).unwrap_err();
        assert!(error.to_string().contains("violates check constraint \"here\""), "{error}");
        assert!(error.to_string().len() < 450 && !error.to_string().contains('\n'), "{error}");
        assert_same(&fingerprint(access, "half"), &before);
    }
    nothing_is_left_of_a_load(access, "half");
    let before = |name: &String| name.starts_with("half_before_");
    assert!(!databases(access).iter().any(before));
    drop_database(access, "half");
    assert!(load_from(access, "half", dir.path(), &Before::Aside).is_err());
    assert!(!databases(access).contains(&"half".to_owned()));
}

#[test]
fn a_dump_that_is_cut_anywhere_is_refused_before_anything_happens() {
    let access = server_or_skip!();
    let script = "create table a as select i, md5(i::text) from generate_series(1, 3000) i; \
        create table b as select 1 as i; select lo_from_bytea(0, decode(repeat('ab', 9000), 'hex'));";
    fresh(access, "cut", script);
    let (dir, _) = dumped(access, "cut");
    psql(access, "cut", "insert into b values (2);");
    let before = fingerprint(access, "cut");
    let path = dir.path().join("cut.dump");
    let whole = fs::read(&path).unwrap();
    let mut cuts: Vec<usize> = (0..16).map(|part| part * whole.len() / 16).collect();
    cuts.extend([1, 2, 4, 5, 6, 8, 9, 16, 33].map(|short| whole.len() - short));
    for length in cuts {
        fs::write(&path, &whole[..length]).unwrap();
        match load_from(access, "cut", dir.path(), &Before::Dropped) {
            Err(DatabaseError::Cut { name, why }) => {
                assert_eq!(name, "cut.dump");
                assert!(!why.is_empty());
            }
            other => panic!("{length} of {}: {other:?}", whole.len()),
        }
    }
    assert_same(&fingerprint(access, "cut"), &before);
    fs::remove_file(&path).unwrap();
    let error = load_from(access, "cut", dir.path(), &Before::Dropped).unwrap_err();
    assert!(
        matches!(error, DatabaseError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    );
    fs::write(&path, &whole).unwrap();
    loaded(access, "cut", dir.path());
}

#[test]
fn missing_roles_are_made_as_they_were_and_others_are_left_alone() {
    let access = server_or_skip!();
    psql(access, "postgres", "
        create role roles_group; create role roles_login login password 'tiger' valid until '2099-01-01';
        create role \"Roles Odd\"; create role roles_stays login password 'old'; create role roles_unrelated superuser;
        grant roles_group to roles_login with admin option; grant roles_login to roles_stays;
        comment on role \"Roles Odd\" is 'it''s; odd'; alter role roles_login set work_mem = '3MB';
    ");
    fresh(access, "roles", "
        create table t (i int); alter table t owner to roles_group; grant select on t to \"Roles Odd\";
        create table u (i int); alter table u owner to roles_stays;
        alter database roles owner to roles_group;
    ");
    let known = "select rolname, rolsuper, rolcanlogin, rolpassword, rolvaliduntil, shobj_description(oid, 'pg_authid'), \
        (select setconfig from pg_db_role_setting where setrole = a.oid and setdatabase = 0), \
        (select array_agg((roleid::regrole, admin_option)::text order by 1) from pg_auth_members where member = a.oid) \
        from pg_authid a where rolname ilike 'roles%' and rolname <> 'roles_stays' and rolname <> 'roles_unrelated' order by 1;";
    let of_database = fingerprint(access, "roles");
    let before = psql(access, "postgres", known);
    let (dir, _) = dumped(access, "roles");
    drop_database(access, "roles");
    psql(
        access,
        "postgres",
        "drop role roles_group, roles_login, \"Roles Odd\", roles_unrelated; \
        alter role roles_stays password 'new' nologin;",
    );
    let password = "select rolpassword, rolcanlogin from pg_authid where rolname = 'roles_stays';";
    let new_password = psql(access, "postgres", password);
    let result = loaded(access, "roles", dir.path());
    assert_eq!(result.remarks, [""; 0]);
    assert_eq!(psql(access, "postgres", known), before);
    assert_eq!(psql(access, "postgres", password), new_password);
    assert_same(&fingerprint(access, "roles"), &of_database);
    // What belongs to other databases does not come back with this one.
    let count = "select count(*) from pg_roles where rolname = 'roles_unrelated';";
    assert_eq!(psql(access, "postgres", count).trim(), "0");

    // Without the globals an owner who is not there is an error, and nothing was changed.
    drop_database(access, "roles");
    psql(access, "postgres", "drop role \"Roles Odd\", roles_login, roles_group;");
    let globals = fs::read(dir.path().join("globals.sql")).unwrap();
    fs::remove_file(dir.path().join("globals.sql")).unwrap();
    let error = load_from(access, "roles", dir.path(), &Before::Dropped).unwrap_err();
    assert!(error.to_string().contains("role \"roles_group\" does not exist"), "{error}");
    // A role that cannot be made is told by its name, and does not stop the others.
    let broken = String::from_utf8(globals)
        .unwrap()
        .replace("CREATE ROLE roles_login;", "CREATE ROLE roles_login SUPERNOTHING;");
    fs::write(dir.path().join("globals.sql"), broken).unwrap();
    let result = loaded(access, "roles", dir.path());
    assert!(result.remarks[0].starts_with("role `roles_login`: "), "{:?}", result.remarks);
    assert!(!result.remarks.iter().any(|remark| remark.contains("SCRAM")), "{:?}", result.remarks);
    assert_same(&fingerprint(access, "roles"), &of_database);
    drop_database(access, "roles");
    psql(access, "postgres", "drop role \"Roles Odd\", roles_group, roles_stays;");
    nothing_is_left_of_a_load(access, "roles");
}

/// psql runs a program of the shell when it reads `\!`, wherever in a statement that stands.
#[test]
fn nothing_in_an_archive_runs_a_program() {
    use std::os::unix::fs::PermissionsExt as _;
    let access = server_or_skip!();
    fresh(access, "canary", "create table t (i int); comment on database canary is 'a\\b';");
    let (dir, _) = dumped(access, "canary");
    let before = fingerprint(access, "canary");
    // Who would run it may be the server's owner.
    let open = support::dir();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let ran = open.path().join("r");
    let command = format!("\\! touch {}", ran.display());

    // Roles: without the description, all of them are made.
    fs::remove_file(dir.path().join("canary.create.sql")).unwrap();
    let globals = dir.path().join("globals.sql");
    let mut text = fs::read_to_string(&globals).unwrap();
    for statement in [
        &format!("CREATE ROLE canary_1 {command}\n"),
        &format!("CREATE ROLE canary_2 /* ' */ {command}\n/* ' */"),
        "CREATE ROLE canary_3",
        "SET standard_conforming_strings = off",
        &format!("COMMENT ON ROLE canary_3 IS '\\' ' {command}\n"),
    ] {
        text += statement;
        text += ";\n";
    }
    fs::write(&globals, text).unwrap();
    let made = loaded(access, "canary", dir.path());
    assert!(!ran.exists(), "a statement about roles ran a program");
    let remarks = made.remarks.join("\n");
    assert!(remarks.contains("role `canary_1`: syntax error"), "{remarks}");
    assert_same(&fingerprint(access, "canary"), &before);
    let roles =
        psql(access, "postgres", "select count(*) from pg_roles where rolname = 'canary_3';");
    assert_eq!(roles.trim(), "1");

    // What the dump itself says of its database.
    let dump = dir.path().join("canary.dump");
    let whole = fs::read(&dump).unwrap();
    let words = b"CREATE DATABASE canary WITH ";
    let at = whole.windows(words.len()).position(|window| window == words).unwrap() + words.len();
    let end = at + whole[at..].iter().position(|byte| *byte == b';').unwrap();
    let mut spoiled = whole.clone();
    let command = format!("{command:<width$}", width = end - at);
    assert_eq!(command.len(), end - at, "there is no room for it");
    spoiled[at..end].copy_from_slice(command.as_bytes());
    fs::write(&dump, spoiled).unwrap();
    let error = load_from(access, "canary", dir.path(), &Before::Dropped).unwrap_err();
    assert!(!ran.exists(), "the statement that makes the database ran a program");
    assert!(error.to_string().contains("syntax error"), "{error}");
    assert_same(&fingerprint(access, "canary"), &before);
}
