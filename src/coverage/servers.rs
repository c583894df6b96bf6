//! Database servers of this host, found by their sockets and by their files.

use std::path::{Path, PathBuf};

use super::{Server, names};
use crate::database::{self, Kind};
use crate::model::job::Database;
use crate::stop::Stop;

/// Where MariaDB and MySQL listen.
const MYSQL_SOCKETS: [&str; 3] =
    ["run/mysqld/mysqld.sock", "run/mysql/mysql.sock", "tmp/mysql.sock"];
/// Where PostgreSQL listens: a directory with one socket for each server.
const POSTGRESQL_SOCKETS: &str = "run/postgresql";
/// Where their files are.
const FILES: [(Kind, &str, &str); 2] = [
    (Kind::Mysql, "var/lib/mysql", "run/mysqld/mysqld.sock"),
    (Kind::Postgresql, "var/lib/postgresql", "run/postgresql/.s.PGSQL.5432"),
];

/// Every server that listens, and those whose files are there and that do not.
pub(super) fn look(root: &Path, stop: &Stop) -> Vec<Server> {
    let mut servers = Vec::new();
    for socket in MYSQL_SOCKETS {
        if is_socket(&root.join(socket)) {
            let access = access(Some(root.join(socket)), None);
            servers.push(ask(Kind::Mysql, socket, &access, stop));
        }
    }
    for name in names(&root.join(POSTGRESQL_SOCKETS)) {
        let Some(port) = name.strip_prefix(".s.PGSQL.").and_then(|port| port.parse().ok()) else {
            continue;
        };
        let socket = format!("{POSTGRESQL_SOCKETS}/{name}");
        let directory = root.join(POSTGRESQL_SOCKETS);
        // The usual one is found by the program itself, and by a job that names none.
        let is_usual = root == Path::new("/");
        let access = access((!is_usual).then_some(directory), (port != 5432).then_some(port));
        servers.push(ask(Kind::Postgresql, &socket, &access, stop));
    }
    for (kind, files, socket) in FILES {
        let is_known = servers.iter().any(|server| server.kind == kind);
        if !is_known && !names(&root.join(files)).is_empty() {
            servers.push(Server {
                kind,
                socket: Path::new("/").join(socket),
                databases: Err(format!(
                    "its files are in /{files}, and it does not listen at /{socket}"
                )),
            });
        }
    }
    servers
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

fn access(socket: Option<PathBuf>, port: Option<u16>) -> Database {
    Database {
        database: "*".to_owned(),
        except: Vec::new(),
        host: None,
        port,
        socket,
        user: None,
        password: None,
        options: Vec::new(),
    }
}

fn ask(kind: Kind, socket: &str, access: &Database, stop: &Stop) -> Server {
    let mut databases = database::list(kind, access, stop).map_err(|error| error.to_string());
    if let Ok(list) = &mut databases {
        list.sort();
    }
    Server { kind, socket: Path::new("/").join(socket), databases }
}
