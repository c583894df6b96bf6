use std::path::Path;

use super::*;
use crate::coverage::{App, Directory, Server, What, Yunohost};
use crate::database::Kind;

fn directory(path: &str) -> Directory {
    let what = match path.strip_prefix("/var/lib/docker/volumes/") {
        Some(name) => What::Volume {
            engine: "docker",
            name: name.strip_suffix("/_data").unwrap_or(name).to_owned(),
        },
        None => What::Data,
    };
    Directory { path: path.into(), what, mount: "/".into(), files_of: None }
}

fn server(kind: Kind, databases: Result<&[&str], &str>) -> Server {
    let socket = match kind {
        Kind::Mysql => "/run/mysqld/mysqld.sock",
        Kind::Postgresql => "/run/postgresql/.s.PGSQL.5432",
    };
    let databases =
        databases.map(|list| list.iter().map(ToString::to_string).collect()).map_err(str::to_owned);
    Server { kind, socket: socket.into(), databases }
}

fn host(directories: &[&str]) -> Facts {
    Facts {
        hostname: "jerry.example.org".to_owned(),
        directories: directories.iter().map(|path| directory(path)).collect(),
        ..Facts::default()
    }
}

/// The file of jobs, which must be valid together with the other one.
fn check(facts: &Facts) -> String {
    both(facts, &Wishes::default()).1
}

/// The file of the instance and that of jobs, which must be valid together.
fn both(facts: &Facts, wishes: &Wishes) -> (String, String) {
    let [instance, jobs, _] = files(facts, wishes);
    let files = crate::config::Files::default()
        .with(instance.0, instance.1.clone())
        .with(jobs.0, jobs.1.clone());
    let parsed = crate::config::parse(&files, Path::new("/etc/larder"));
    assert!(parsed.diagnostics.is_empty(), "{:#?}\n{}", parsed.diagnostics, jobs.1);
    (instance.1, jobs.1)
}

#[test]
fn a_host_with_nothing_has_a_valid_configuration() {
    insta::assert_snapshot!(check(&Facts::default()), @r#"
    # What is kept. One table for each job; the name is yours.

    # Nothing was found that is worth keeping.
    # [job.data]
    # type = "custom_dir"
    # source_path = "/srv/data"
    "#);
}

#[test]
fn a_server_of_containers_and_databases() {
    let mut facts = host(&[
        "/etc",
        "/home/ada",
        "/opt/gitea",
        "/srv/My Files",
        "/srv/pg",
        "/var/www/blog",
        "/var/lib/docker/volumes/grafana-data/_data",
        "/var/lib/docker/volumes/db/_data",
        "/var/lib/docker/volumes/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/_data",
    ]);
    facts.directories[1].mount = "/home/ada".into();
    facts.directories[2].what = What::Compose;
    facts.directories[4].files_of = Some(Kind::Postgresql);
    facts.directories[7].files_of = Some(Kind::Mysql);
    facts.servers = vec![
        server(Kind::Mysql, Ok(&["blog", "shop"])),
        server(Kind::Postgresql, Err("the server refuses `postgres`")),
    ];
    insta::assert_snapshot!(check(&facts), @r#"
    # What is kept. One table for each job; the name is yours.

    # every database of MariaDB at /run/mysqld/mysqld.sock, now: blog, shop
    [job.mysql]
    type = "mysql"
    database = "*"

    # left out: the databases of PostgreSQL could not be listed: the server refuses `postgres`
    # A copy of a server's files is no backup while it runs. Once `larder check --live` is content:
    # [job.postgresql]
    # type = "postgresql"
    # database = "*"

    # the configuration of this host
    [job.etc]
    type = "custom_dir"
    source_path = "/etc"

    # what people keep here
    [job.home]
    type = "custom_dir"
    source_path = "/home"
    excludes = [".cache/", "node_modules/", "/yunohost.backup/", "/*/.local/share/containers/"]   # gitignore syntax

    # /home/ada is a file system of its own
    [job.home-ada]
    type = "custom_dir"
    source_path = "/home/ada"

    # web sites
    [job.www]
    type = "custom_dir"
    source_path = "/var/www"
    excludes = ["cache/", "*.tmp"]   # gitignore syntax

    # programs from outside the distribution, often with their data
    [job.opt-gitea]
    type = "custom_dir"
    source_path = "/opt/gitea"
    excludes = ["*.tmp"]   # gitignore syntax
    # a project of containers, which go on writing while it is read; to stop them meanwhile:
    # before = [["docker", "compose", "--project-directory", "/opt/gitea", "stop"]]
    # after = [["docker", "compose", "--project-directory", "/opt/gitea", "start"]]

    # data that this host serves
    [job.srv-my-files]
    type = "custom_dir"
    source_path = "/srv/My Files"
    excludes = ["*.tmp"]   # gitignore syntax

    # left out: /srv/pg holds the files of a PostgreSQL server; a copy of them is no backup while it runs: dump it

    # a volume of docker
    [job.volume-grafana-data]
    type = "custom_dir"
    source_path = "/var/lib/docker/volumes/grafana-data/_data"

    # left out: the docker volume db holds the files of a MariaDB server;
    # a copy of them is no backup while it runs: dump it, or stop it with `before` and `after`:
    # [job.volume]
    # type = "custom_dir"
    # source_path = "/var/lib/docker/volumes/db/_data"

    # left out: the docker volume 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef has no name; such ones go with their container
    "#);
}

#[test]
fn a_yunohost_server() {
    let mut facts = host(&[
        "/etc",
        "/home/ada",
        "/home/yunohost.app/nextcloud",
        "/var/mail",
        "/var/www/nextcloud",
    ]);
    let app = App {
        id: "nextcloud".to_owned(),
        database: Some("nextcloud".to_owned()),
        install_dir: Some("/var/www/nextcloud".into()),
        data_dir: Some("/home/yunohost.app/nextcloud".into()),
    };
    facts.yunohost = Some(Yunohost { apps: vec![app] });
    facts.servers = vec![
        server(Kind::Mysql, Ok(&["mine", "nextcloud"])),
        server(Kind::Postgresql, Ok(&["nextcloud"])),
    ];
    insta::assert_snapshot!(check(&facts), @r#"
    # What is kept. One table for each job; the name is yours.

    # every app of YunoHost, now: nextcloud
    # one that is installed later is kept from then on; with its database and its data
    [job.apps]
    type = "ynh_app"
    app_id = "*"
    # except = ["my_webapp"]

    # YunoHost itself: its settings, users, domains and mail
    [job.system]
    type = "ynh_system"

    # every database of MariaDB at /run/mysqld/mysqld.sock, now: mine
    [job.mysql]
    type = "mysql"
    database = "*"
    # these belong to apps and are kept with them
    except = ["nextcloud"]

    # left out: every database of PostgreSQL at /run/postgresql/.s.PGSQL.5432 belongs to an app and is kept with it: nextcloud

    # the configuration of this host
    [job.etc]
    type = "custom_dir"
    source_path = "/etc"

    # what people keep here
    # /home/yunohost.app/nextcloud belongs to an app and is kept with it
    [job.home]
    type = "custom_dir"
    source_path = "/home"
    excludes = [".cache/", "node_modules/", "/yunohost.backup/", "/*/.local/share/containers/", "/yunohost.app/nextcloud/"]   # gitignore syntax

    # left out: all of /var/www belongs to apps and is kept with them

    # left out: mail in /var/mail is kept with the system
    "#);
}

#[test]
fn names_are_unique_and_short_enough_whatever_the_directories_are_called() {
    let mut facts = host(&[
        "/srv/a b",
        "/srv/a.b",
        "/srv/...",
        "/srv/été",
        "/srv/\u{1b}[2J",
        "/srv/a-very-long-name-that-no-archive-could-ever-have-in-its-name",
        "/srv/a-very-long-name-that-no-archive-could-ever-have-in-its-name-2",
        "/srv/quo\"te\\",
    ]);
    facts.hostname = "a-host-name-of-more-than-twenty-characters".to_owned();
    check(&facts);
}

#[test]
fn the_name_of_the_instance_is_the_host_without_its_domain() {
    let table: toml::Table = instance_file(&host(&[]), &Wishes::default()).parse().unwrap();
    assert_eq!(table["instance"]["name"].as_str(), Some("jerry"));
    assert_eq!(instance_name("-odd-"), "myhost");
}

#[test]
fn a_proxy_that_authenticates_and_a_directory_of_its_own_are_written_down() {
    let wishes = Wishes {
        url: Some("https://jerry.example.org/larder".to_owned()),
        listen: vec!["127.0.0.1:8471".to_owned(), "unix:/run/larder/web.sock".to_owned()],
        page: Some(PageWish {
            user_header: "YNH_USER".to_owned(),
            users: vec!["alice".to_owned(), "o\"brien".to_owned()],
        }),
        data_dir: Some("/home/yunohost.app/larder".into()),
    };
    let (instance, _) = both(&host(&[]), &wishes);
    let (_, instance) = instance.split_once("[instance]\n").unwrap();
    let (instance, _) = instance.split_once("\n\n").unwrap();
    insta::assert_snapshot!(instance, @r#"
    # Signs the archives and stands at the beginning of their names.
    name = "jerry"
    # The one zone of schedules, days and names; the system's without.
    # timezone = "Europe/Paris"
    # Where others reach it.
    url = "https://jerry.example.org/larder"
    # Where the page, monitors and a proxy reach it, each with a token (`larder token new`).
    listen = ["127.0.0.1:8471", "unix:/run/larder/web.sock"]
    # Whom the proxy lets into the page without a token, each an administrator of larder;
    # `["*"]` means everybody whom it lets through.
    page = { user_header = "YNH_USER", users = ["alice", 'o"brien'] }
    # History and the index of archives; the JSON that it generates.
    state_dir = "/home/yunohost.app/larder/state"
    publish_dir = "/home/yunohost.app/larder/public"
    "#);
}
