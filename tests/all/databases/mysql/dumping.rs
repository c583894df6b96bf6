//! Dump, drop, restore, equal.

use super::*;

#[test]
fn everything_in_a_database_comes_back() {
    let server = shared_or_skip!();
    for (number, name) in ["all", "-o d`d ñ 100%.x/y#"].into_iter().enumerate() {
        let id = format!("`{}`", name.replace('`', "``"));
        server.sql(None, &format!(
            "CREATE DATABASE {id} CHARACTER SET latin1 COLLATE latin1_german2_ci;
             CREATE USER `us'er{number}`@`%` IDENTIFIED BY 'pass''word'; CREATE USER two{number}@localhost;
             CREATE ROLE readers{number};"
        ));
        server.sql(Some(name), &format!("SET sql_mode = 'NO_ENGINE_SUBSTITUTION';\n{EVERYTHING}"));
        server.sql(Some(name), &format!(
            "GRANT SELECT, INSERT ON {id}.* TO `us'er{number}`@`%` WITH GRANT OPTION;
             GRANT SELECT (name), UPDATE ON {id}.parent TO two{number}@localhost;
             GRANT EXECUTE ON PROCEDURE {id}.act TO two{number}@localhost;
             GRANT SHOW VIEW ON {id}.* TO readers{number}; GRANT readers{number} TO two{number}@localhost;"
        ));
        let accounts = format!(
            "SHOW GRANTS FOR `us'er{number}`; SHOW GRANTS FOR two{number}@localhost; SHOW GRANTS FOR readers{number};"
        );
        let before = (picture(&server, name), server.sql(None, &accounts));
        let dir = crate::support::dir();
        let (members, findings) = dump_into(&server.access, name, dir.path());
        assert!(findings.unreadable == 0 && findings.doubt.is_none(), "{findings:?}");
        let stem = larder::model::dump::file_stem(name);
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [format!("{stem}.create.sql"), format!("{stem}.sql")]);

        server.sql(None, &format!(
            "DROP DATABASE {id}; DROP USER `us'er{number}`; DROP USER two{number}@localhost; DROP ROLE readers{number};"
        ));
        let load = load_of(&server.access, name, dir.path());
        let loaded = database::load(Kind::Mysql, &load, &Stop::new(), &mut |_| {}).unwrap();
        assert_eq!(loaded.remarks, [""; 0]);
        assert_eq!((loaded.tables, loaded.set_aside), (9, None));
        let after = (picture(&server, name), server.sql(None, &accounts));
        assert_eq!(before, after);
    }
}

#[test]
fn databases_are_listed_measured_and_asked() {
    let server = shared_or_skip!();
    server.create("asked");
    server.sql(Some("asked"), "CREATE TABLE t (i INT); INSERT INTO t VALUES (1), (2)");
    let stop = Stop::new();
    let list = database::list(Kind::Mysql, &server.access, &stop).unwrap();
    assert!(list.contains(&"asked".to_owned()), "{list:?}");
    assert!(list.iter().all(|name| name != "mysql" && name != "information_schema"), "{list:?}");
    let size = |name: &str| database::size(Kind::Mysql, &server.access, name, &stop).unwrap();
    assert!(size("asked").unwrap() >= 16384);
    assert_eq!(size("ASKED"), None);
    assert_eq!(size("nowhere"), None);
    let holds = |line: &str| database::holds(Kind::Mysql, &server.access, "asked", line, &stop);
    for (line, holding) in [
        ("select count(*) > 0 from t", true),
        ("SELECT count(*) = 2 FROM t;", true),
        ("select count(*) > 5 from t -- why", false),
        ("select i from t", false),
        ("select 1, 1", false),
        ("select null", false),
        ("select 'true'", true),
        ("select i from t where i = 9", false),
    ] {
        assert_eq!(holds(line).unwrap(), holding, "{line}");
    }
    let error = holds("select * from gone").unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
    assert!(matches!(
        database::holds(Kind::Mysql, &server.access, "nowhere", "select 1", &stop).unwrap_err(),
        database::DatabaseError::Unknown(name) if name == "nowhere"
    ));
}

#[test]
fn any_password_opens_the_door() {
    let server = shared_or_skip!();
    let dir = crate::support::dir();
    let passwords = [
        "plain",
        "with space ",
        " # no comment",
        "a\"b",
        "it's",
        "back\\slash\\n",
        "\"quoted\"",
        "'single'",
        "$HOME `id`; --",
        "pässwörd 🔑",
        "end\\",
        "tab\there",
        "[client]",
        "a=b!include x",
    ];
    for (number, password) in passwords.into_iter().enumerate() {
        let user = format!("door{number}");
        let escaped = password.replace('\\', "\\\\").replace('\'', "''");
        server.sql(None, &format!("CREATE USER {user}@localhost IDENTIFIED BY '{escaped}'"));
        let access = with_password(&server, &user, password, dir.path());
        let list = database::list(Kind::Mysql, &access, &Stop::new());
        assert!(list.is_ok(), "{password}: {list:?}");
    }
}

#[test]
fn large_values_are_dumped_and_loaded() {
    let server = shared_or_skip!();
    server.create("large");
    server.sql(
        Some("large"),
        "CREATE TABLE t (b LONGBLOB); INSERT INTO t VALUES (REPEAT(UNHEX('00FF27'), 6000000))",
    );
    let before = picture(&server, "large");
    let dir = crate::support::dir();
    dump_into(&server.access, "large", dir.path());
    let load = load_of(&server.access, "large", dir.path());
    database::load(Kind::Mysql, &load, &Stop::new(), &mut |_| {}).unwrap();
    assert_eq!(picture(&server, "large"), before);
}
