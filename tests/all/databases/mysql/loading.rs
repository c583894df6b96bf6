//! Loads that are refused, or fail: what was there stays, or comes back.

use super::*;
use larder::database::DatabaseError;

use crate::support::skipped;

/// What somebody does to a dump.
type Spoil = fn(&str) -> String;

/// A database and its dump; then the database changes, and the dump is spoiled.
fn check(
    name: &str,
    spoil: impl FnOnce(&str) -> String,
    aside: bool,
) -> Option<(Result<database::Loaded, DatabaseError>, bool, Vec<String>)> {
    let server = match Shared::get() {
        Ok(server) => server,
        Err(why) => {
            crate::support::say_skipped(&why);
            return None;
        }
    };
    server.create(name);
    server.sql(Some(name), &format!("SET sql_mode = 'NO_ENGINE_SUBSTITUTION';\n{EVERYTHING}"));
    let dir = crate::support::dir();
    dump_into(&server.access, name, dir.path());
    let file = dir.path().join(format!("{name}.sql"));
    let spoiled = spoil(&std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, spoiled).unwrap();
    server
        .sql(Some(name), "INSERT INTO parent (name) VALUES ('newer'); CREATE TABLE newer (i INT);");
    let before = picture(&server, name);
    let kept = dir.path().join("aside");
    let load = Load {
        aside: aside.then_some(kept.as_path()),
        ..load_of(&server.access, name, dir.path())
    };
    let mut log = Vec::new();
    let result =
        database::load(Kind::Mysql, &load, &Stop::new(), &mut |line| log.push(line.to_owned()));
    let same = server.has(name) && picture(&server, name) == before;
    if let Ok(loaded) = &result
        && let Some(set_aside) = &loaded.set_aside
    {
        // What was set aside is a dump like any other.
        let load = load_of(&server.access, name, Path::new(set_aside));
        database::load(Kind::Mysql, &load, &Stop::new(), &mut |_| {}).unwrap();
        assert_eq!(picture(&server, name), before);
    }
    Some((result, same, log))
}

#[test]
fn what_is_replaced_is_set_aside_and_can_be_loaded_again() {
    let Some((result, same, _)) = check("replaced", str::to_owned, true) else { return };
    let loaded = result.unwrap();
    assert!(!same && loaded.set_aside.is_some() && loaded.remarks.is_empty(), "{loaded:?}");
}

#[test]
fn a_cut_dump_is_refused_before_anything_changes() {
    let cuts: [(&str, Spoil); 3] = [
        ("cut1", |sql| sql[..sql.len() / 2].to_owned()),
        ("cut2", |sql| sql[..sql.rfind("-- Dump completed").unwrap()].to_owned()),
        ("cut3", |_| String::new()),
    ];
    for (name, cut) in cuts {
        let Some((result, same, _)) = check(name, cut, true) else { return };
        let error = result.unwrap_err();
        assert!(matches!(error, DatabaseError::Cut { .. }), "{error}");
        assert!(same && error.hint().contains("nothing was changed"), "{name}");
    }
}

/// A row that the server refuses, with a value that nobody should read in a log.
fn broken(sql: &str) -> String {
    let secret = "canary-row-".repeat(100_000);
    let trailer = sql.rfind("-- Dump completed").unwrap();
    format!(
        "{}INSERT INTO parent VALUES ('{secret}', oh no);\n{}",
        &sql[..trailer],
        &sql[trailer..]
    )
}

#[test]
fn a_load_that_fails_in_the_middle_puts_back_what_was_there() {
    let Some((result, same, log)) = check("middle", broken, true) else { return };
    let error = result.unwrap_err();
    assert!(same, "{error}");
    let text = error.to_string();
    assert!(text.contains("what was there before was put back"), "{text}");
    assert!(text.len() < 600 && !log.join("\n").contains("canary"), "{text}");
}

#[test]
fn without_setting_aside_no_half_of_a_database_stays() {
    let Some((result, same, _)) = check("half", broken, false) else { return };
    assert!(
        !same && result.unwrap_err().to_string().contains("the half that was loaded was removed")
    );
    assert!(!Shared::get().unwrap().has("half"));
}

#[test]
fn a_dump_is_data_and_runs_no_program() {
    let dir = crate::support::dir();
    let mark = dir.path().join("mark");
    let line = format!("\\! touch {}\n", mark.display());
    // The mark of the dump program itself is taken away.
    let spoil = |sql: &str| format!("{line}{}", &sql[sql.find('\n').unwrap() + 1..]);
    let Some((result, _, _)) = check("program", spoil, true) else { return };
    assert!(!mark.exists(), "{result:?}");
}

#[test]
fn a_right_that_cannot_be_given_is_a_remark() {
    let server = shared_or_skip!();
    server.create("remarked");
    server.sql(Some("remarked"), "CREATE TABLE t (i INT)");
    let dir = crate::support::dir();
    dump_into(&server.access, "remarked", dir.path());
    let file = dir.path().join("remarked.create.sql");
    let mut sql = std::fs::read_to_string(&file).unwrap();
    sql.push_str(
        "GRANT SELECT ON `remarked`.`gone` TO `nobody`@`nowhere`;\nSET GLOBAL general_log = 1;\n",
    );
    std::fs::write(&file, sql).unwrap();
    let load = load_of(&server.access, "remarked", dir.path());
    let loaded = database::load(Kind::Mysql, &load, &Stop::new(), &mut |_| {}).unwrap();
    assert_eq!(loaded.remarks.len(), 2, "{:?}", loaded.remarks);
    assert!(loaded.remarks[0].contains("`nobody`@`nowhere`"), "{:?}", loaded.remarks);
    assert!(loaded.remarks[1].starts_with("not carried out: SET GLOBAL"), "{:?}", loaded.remarks);
}

/// The client runs a program of the shell when it reads `\!` or `system`.
#[test]
fn nothing_in_an_archive_runs_a_program() {
    let server = match Shared::get() {
        Ok(server) => server,
        Err(why) => skipped!("{why}"),
    };
    server.create("canary");
    server.sql(Some("canary"), &format!("SET sql_mode = 'NO_ENGINE_SUBSTITUTION';\n{EVERYTHING}"));
    let before = picture(&server, "canary");
    let dir = crate::support::dir();
    dump_into(&server.access, "canary", dir.path());
    let ran = dir.path().join("ran");
    let command = format!("\\! touch {}", ran.display());
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let (create, sql) = (read("canary.create.sql"), read("canary.sql"));
    let load = || {
        let load = load_of(&server.access, "canary", dir.path());
        database::load(Kind::Mysql, &load, &Stop::new(), &mut |_| {})
    };

    // Rights: one that is refused is a remark.
    let spoiled = format!("{create}GRANT SELECT ON canary.* TO PUBLIC {command};\n");
    std::fs::write(dir.path().join("canary.create.sql"), spoiled).unwrap();
    let loaded = load().unwrap();
    assert!(!ran.exists(), "a right ran a program");
    assert!(loaded.remarks.iter().any(|remark| remark.contains("GRANT SELECT")), "{loaded:?}");
    assert_eq!(picture(&server, "canary"), before);

    // The database itself.
    let at = create.find("CREATE DATABASE ").unwrap();
    let end = at + create[at..].find(';').unwrap();
    let spoiled = format!("{} {command}{}", &create[..end], &create[end..]);
    std::fs::write(dir.path().join("canary.create.sql"), spoiled).unwrap();
    load().unwrap_err();
    assert!(!ran.exists(), "the statement that makes the database ran a program");
    std::fs::write(dir.path().join("canary.create.sql"), &create).unwrap();

    // Its tables.
    for line in [&command, &format!("system touch {}", ran.display()), "source /etc/hostname"] {
        std::fs::write(dir.path().join("canary.sql"), format!("{line}\n{sql}")).unwrap();
        load().unwrap_err();
        assert!(!ran.exists(), "`{line}` in the dump ran a program");
    }
    std::fs::write(dir.path().join("canary.sql"), &sql).unwrap();
    load().unwrap();
    assert_eq!(picture(&server, "canary"), before);
}
