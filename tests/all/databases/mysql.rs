//! MariaDB.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod dumping;
mod failing;
mod loading;
mod rights;
mod server;
mod whole;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use larder::database::{self, Dump, Kind, Load};
use larder::model::desired::SecretRef;
use larder::model::job::Database;
use larder::progress::Progress;
use larder::source::{Findings, Kind as MemberKind, SourceError};
use larder::stop::Stop;
use server::{Shared, shared_or_skip};

const LONG: Duration = Duration::from_mins(2);

/// A database with everything that a database has.
const EVERYTHING: &str = r"
CREATE TABLE parent (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL) AUTO_INCREMENT = 17;
INSERT INTO parent (name) VALUES ('one'), ('two 🦆'), ('it''s \\ a \n line'), ('');
CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id));
INSERT INTO child VALUES (1, 17), (2, NULL);
CREATE TABLE bytes (id INT PRIMARY KEY, content LONGBLOB, flag BIT(3));
INSERT INTO bytes VALUES (1, NULL, b'101'), (2, '', NULL);
INSERT INTO bytes SELECT 3, UNHEX(GROUP_CONCAT(LPAD(HEX(seq), 2, '0') ORDER BY seq SEPARATOR '')), b'0' FROM seq_0_to_255;
CREATE TABLE odd (d DATE, t TIMESTAMP NULL, n DECIMAL(30,10), g INT AS (n * 2) STORED, v INT AS (n + 1) VIRTUAL, j JSON, e ENUM('a','b'));
INSERT INTO odd (d, t, n, j, e) VALUES ('0000-00-00', NULL, 1.5, JSON_OBJECT('a', 1), 'b'), ('2026-02-00', '2026-05-08 03:00:00', -3, NULL, NULL);
CREATE TABLE old (word VARCHAR(20)) ENGINE = MyISAM CHARACTER SET latin1;
INSERT INTO old VALUES ('été');
CREATE TABLE `wei``rd name` (`a b` INT);
INSERT INTO `wei``rd name` VALUES (5);
CREATE SEQUENCE numbers START WITH 100;
CREATE VIEW seen AS SELECT p.name, c.id FROM parent p LEFT JOIN child c ON c.parent = p.id;
CREATE VIEW above AS SELECT * FROM seen WHERE name <> '';
DELIMITER //
CREATE PROCEDURE act(IN x INT) COMMENT 'a; b' BEGIN SELECT x; SELECT 'é'; END//
CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN x * 2//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM child WHERE id < 0; END//
CREATE TRIGGER guard BEFORE INSERT ON child FOR EACH ROW BEGIN SET NEW.id = NEW.id; END//
DELIMITER ;
";

/// Everything that can be told of a database, as text.
fn picture(server: &Shared, name: &str) -> String {
    let quoted = format!("'{}'", name.replace('\'', "''"));
    let id = |name: &str| format!("`{}`", name.replace('`', "``"));
    let column = |statement: &str, at: usize| -> Vec<String> {
        let rows = server.sql(Some(name), statement);
        rows.lines().map(|row| row.split('\t').nth(at).unwrap_or_default().to_owned()).collect()
    };
    let mut script = format!("SHOW CREATE DATABASE {};\n", id(name));
    for table in column("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'", 0) {
        writeln!(script, "SHOW CREATE TABLE {0};\nCHECKSUM TABLE {0};", id(&table)).unwrap();
    }
    for view in column("SHOW FULL TABLES WHERE Table_type = 'VIEW'", 0) {
        writeln!(script, "SHOW CREATE VIEW {};", id(&view)).unwrap();
    }
    writeln!(
        script,
        "SELECT ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, DEFINER, SQL_MODE, ROUTINE_COMMENT
         FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {quoted} ORDER BY 1;
         SELECT EVENT_NAME, EVENT_DEFINITION, INTERVAL_VALUE, INTERVAL_FIELD, STATUS
         FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {quoted} ORDER BY 1;
         SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT, ACTION_TIMING
         FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {quoted} ORDER BY 1;
         SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES
         WHERE TABLE_SCHEMA = {quoted} ORDER BY 1, 2;
         SELECT GRANTEE, TABLE_NAME, PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES
         WHERE TABLE_SCHEMA = {quoted} ORDER BY 1, 2, 3;"
    )
    .unwrap();
    server.sql(Some(name), &script)
}

/// What a dump yields: the members by name, and what is missing.
type Dumped = (Vec<(String, Vec<u8>)>, Findings);

/// Reads a dump to its end, as an archive would.
fn dump_with(
    access: &Database,
    name: &str,
    spool: &Path,
    stop: &Stop,
) -> Result<Dumped, SourceError> {
    let dump = Dump { access, name, spool, timeout: LONG };
    let mut source = database::source(Kind::Mysql, &dump, stop, &Progress::new());
    let mut members = Vec::new();
    while let Some(member) = source.next()? {
        let MemberKind::File(mut body) = member.kind else { panic!("a dump is a file") };
        assert_eq!(member.metadata.mode, 0o600);
        let mut content = vec![0; usize::try_from(body.size).unwrap()];
        let mut at = 0;
        while at < content.len() {
            let read = body.content.read_at(at as u64, &mut content[at..]).unwrap();
            assert!(read > 0);
            at += read;
        }
        members.push((String::from_utf8(member.path).unwrap(), content));
    }
    Ok((members, source.findings().clone()))
}

fn dump(access: &Database, name: &str) -> Result<Dumped, SourceError> {
    let spool = crate::support::dir();
    dump_with(access, name, spool.path(), &Stop::new())
}

/// A dump as the files that a restore takes it from.
fn dump_into(access: &Database, name: &str, dir: &Path) -> Dumped {
    let dumped = dump(access, name).unwrap();
    for (file, content) in &dumped.0 {
        std::fs::write(dir.join(file), content).unwrap();
    }
    dumped
}

fn load_of<'a>(access: &'a Database, name: &'a str, dumps: &'a Path) -> Load<'a> {
    Load { access, name, dumps, aside: None, timeout: LONG }
}

/// An error of a dump with its causes and its hint.
fn told(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        write!(text, ": {error}").unwrap();
        cause = error.source();
    }
    format!("{text}; {}", error.hint())
}

/// A file with a password, and the access with it.
fn with_password(server: &Shared, user: &str, password: &str, dir: &Path) -> Database {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file: PathBuf = dir.join(format!("{user}.password"));
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    std::io::Write::write_all(&mut options.open(&file).unwrap(), password.as_bytes()).unwrap();
    Database {
        user: Some(user.to_owned()),
        password: Some(SecretRef::File(file)),
        ..server.access.clone()
    }
}
