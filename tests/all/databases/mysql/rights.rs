//! A user who may not read all of a database: what is missing is told.

use larder::source::What;

use super::*;

/// The findings of a dump by a user with these grants on a database with everything.
fn check(server: &Shared, number: &str, grants: &[&str]) -> Vec<String> {
    let (name, user) = (format!("rights{number}"), format!("reader{number}"));
    server.create(&name);
    server.sql(Some(&name), &format!("SET sql_mode = 'NO_ENGINE_SUBSTITUTION';\n{EVERYTHING}"));
    server.sql(None, &format!("CREATE USER {user}@localhost"));
    for grant in grants {
        server.sql(None, &format!("GRANT {} TO {user}@localhost", grant.replace("DB", &name)));
    }
    let access = Database { user: Some(user), ..server.access.clone() };
    let (members, findings) = dump(&access, &name).unwrap();
    assert_eq!(members.len(), 2);
    // What is only a note, on tables without transactions, is no part that is missing.
    let missing = findings.remarks.iter().filter(|remark| !matches!(remark.what, What::Note(_)));
    assert_eq!(findings.unreadable, missing.clone().count() as u64);
    let create = String::from_utf8_lossy(&members[0].1).into_owned();
    assert!(create.contains("CREATE DATABASE IF NOT EXISTS"), "{create}");
    let missing = missing.map(|remark| {
        assert_eq!(remark.path, format!("{name}.sql"));
        let what = remark.what.to_string();
        what["could not be read: ".len()..].split(" are missing").next().unwrap().to_owned()
    });
    missing.collect()
}

#[test]
fn what_a_user_may_not_read_is_missed_loudly() {
    let server = shared_or_skip!();
    let none = [""; 0];
    assert_eq!(check(&server, "1", &["ALL ON DB.*", "SELECT ON mysql.proc"]), none);
    assert_eq!(check(&server, "2", &["SELECT ON *.*", "SHOW VIEW, EVENT, TRIGGER ON DB.*"]), none);
    assert_eq!(check(&server, "3", &["ALL ON DB.*"]), ["routines"]);
    assert_eq!(check(&server, "4", &["SELECT, SHOW VIEW, EVENT, TRIGGER ON DB.*"]), ["routines"]);
    assert_eq!(
        check(&server, "5", &["SELECT, LOCK TABLES ON DB.*"]),
        ["triggers", "events", "routines", "views", "views"]
    );
}

#[test]
fn a_user_who_made_all_routines_misses_none_and_finds_its_own_rights() {
    let server = shared_or_skip!();
    server.create("own");
    let dir = crate::support::dir();
    server.sql(
        None,
        "CREATE USER maker@localhost IDENTIFIED BY 'm'; GRANT ALL ON own.* TO maker@localhost",
    );
    let access = with_password(&server, "maker", "m", dir.path());
    server.sql(
        Some("own"),
        "CREATE TABLE t (i INT); CREATE DEFINER = maker@localhost PROCEDURE p() SELECT 1;",
    );
    let (members, findings) = dump(&access, "own").unwrap();
    assert_eq!(findings.remarks, []);
    let create = String::from_utf8_lossy(&members[0].1);
    for part in [
        "-- the rights of others could not be read",
        "CREATE USER IF NOT EXISTS `maker`@`localhost` IDENTIFIED BY PASSWORD '*",
        "GRANT ALL PRIVILEGES ON `own`.* TO",
    ] {
        assert!(create.contains(part), "{part} in {create}");
    }
    assert!(String::from_utf8_lossy(&members[1].1).contains("PROCEDURE `p`"));
}

#[test]
fn a_user_who_sees_one_table_of_two_misses_tables() {
    let server = shared_or_skip!();
    server.create("some");
    server.sql(Some("some"), "CREATE TABLE a (i INT); CREATE TABLE b (i INT);");
    server.sql(
        None,
        "CREATE USER some@localhost; GRANT SELECT ON some.a TO some@localhost;
         GRANT SHOW VIEW, TRIGGER, EVENT, EXECUTE ON some.* TO some@localhost",
    );
    let access = Database { user: Some("some".to_owned()), ..server.access.clone() };
    match dump(&access, "some") {
        Ok((_, findings)) => {
            let remarks: Vec<String> = findings.remarks.iter().map(ToString::to_string).collect();
            assert_eq!(remarks.len(), 1, "{remarks:?}");
            assert!(remarks[0].contains("tables are missing"), "{remarks:?}");
        }
        // It may also fail at the table that it sees and cannot read.
        Err(error) => assert!(told(&error).contains("refuses `some`"), "{}", told(&error)),
    }
}

#[test]
fn a_database_with_nothing_in_it_is_doubted() {
    let server = shared_or_skip!();
    server.create("nothing");
    let (_, findings) = dump(&server.access, "nothing").unwrap();
    assert!(findings.doubt.unwrap().contains("`nothing` has nothing in it"));
}

#[test]
fn tables_that_no_transaction_holds_still_are_told() {
    let server = shared_or_skip!();
    server.create("still");
    server.sql(
        Some("still"),
        "CREATE TABLE a (id INT) ENGINE=InnoDB; CREATE TABLE b (id INT) ENGINE=MyISAM; \
         CREATE TABLE c (id INT) ENGINE=Aria; CREATE VIEW v AS SELECT * FROM b;",
    );
    let told = |access: &Database| {
        let findings = dump(access, "still").unwrap().1;
        assert_eq!(findings.unreadable, 0);
        findings.remarks.iter().map(|remark| remark.what.to_string()).collect::<Vec<_>>()
    };
    let remarks = told(&server.access);
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].starts_with("2 of its tables have no transactions"), "{remarks:?}");
    let mut locking = server.access.clone();
    locking.options.push("--lock-all-tables".to_owned());
    assert_eq!(told(&locking), Vec::<String>::new());
}
