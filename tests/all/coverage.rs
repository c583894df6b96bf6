//! `larder init` and `larder coverage` on hosts that are made up: a directory with the files that
//! such a host has.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

use larder::database::{self, DatabaseError, Kind};
use larder::stop::Stop;
use serde_json::Value;

use crate::support;

/// The files of a host, and a configuration of larder beside them.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new(files: &[&str]) -> Self {
        let host = Self { dir: support::dir() };
        std::fs::create_dir_all(host.root()).unwrap();
        host.write("etc/hostname", "jerry.example.org\n");
        for file in files {
            host.write(file, "content\n");
        }
        host
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn larder(&self, line: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        command.args(line.split_whitespace()).arg("--config").arg(self.config());
        let output = command.env("NO_COLOR", "1").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn ok(&self, line: &str) -> String {
        let (code, out, err) = self.larder(line);
        assert_eq!(code, 0, "larder {line}: {out}{err}");
        out
    }

    /// Writes a first configuration, which must be valid, and returns the files.
    fn init(&self) -> String {
        let (code, out, err) = self.larder(&format!("init --root {}", self.root().display()));
        assert_eq!(code, 0, "{out}{err}");
        self.ok("check");
        std::fs::read_to_string(self.config().join("jobs.toml")).unwrap()
    }

    /// What is covered by what: `yes /srv/web by web`.
    fn coverage(&self) -> Vec<String> {
        let out = self.ok(&format!("coverage --format json --root {}", self.root().display()));
        let items: Vec<Value> = serde_json::from_str(&out).unwrap();
        let line = |item: &Value| {
            let text = |key: &str| item[key].as_str().unwrap().to_owned();
            let jobs: Vec<&str> =
                item["jobs"].as_array().unwrap().iter().map(|job| job.as_str().unwrap()).collect();
            let by =
                if jobs.is_empty() { String::new() } else { format!(" by {}", jobs.join(", ")) };
            let note = item["note"].as_str().map_or_else(String::new, |note| format!(" ({note})"));
            format!("{} {} {}{by}{note}", text("covered"), text("kind"), text("name"))
        };
        items.iter().map(line).collect()
    }

    /// A configuration with these jobs.
    fn jobs(&self, toml: &str) {
        std::fs::create_dir_all(self.config()).unwrap();
        let base = "[instance]\nname = \"jerry\"\nstate_dir = \"../state\"\npublish_dir = \"../public\"\n\
            control_socket = \"../control.sock\"\n\
            [defaults]\nschedule = \"0 2 * * *\"\nretention = { mode = \"count\", value = 7 }\n\
            location = \"main\"\n[location.main]\npath = \"/srv/archives\"\n";
        std::fs::write(self.config().join("all.toml"), format!("{base}{toml}")).unwrap();
    }
}

const SERVER: [&str; 9] = [
    "etc/fstab",
    "home/ada/notes.txt",
    "home/grace/site/compose.yaml",
    "opt/gitea/docker-compose.yml",
    "srv/web/index.html",
    "srv/archives/old.tar",
    "var/www/blog/index.html",
    "var/lib/docker/volumes/grafana/_data/grafana.db",
    "var/lib/containers/storage/volumes/wiki/_data/wiki.db",
];

#[test]
fn what_init_writes_covers_what_there_is() {
    let host = Host::new(&SERVER);
    let jobs = host.init();
    for table in ["[job.etc]", "[job.opt-gitea]", "[job.srv-web]", "[job.volume-grafana]"] {
        assert!(jobs.contains(table), "{table}\n{jobs}");
    }
    let missing: Vec<String> =
        host.coverage().into_iter().filter(|line| !line.starts_with("yes")).collect();
    assert_eq!(missing, [""; 0], "{jobs}");
    assert!(host.config().join("secrets").is_dir());
    assert_eq!(
        std::fs::read_to_string(host.config().join(".gitignore")).unwrap(),
        "# secrets stay on this host\nsecrets/\n"
    );
}

#[test]
fn init_on_a_host_with_nothing_is_valid_and_nothing_is_overwritten() {
    let host = Host::new(&[]);
    std::fs::remove_dir_all(host.root()).unwrap();
    std::fs::create_dir_all(host.root()).unwrap();
    std::fs::create_dir_all(host.config()).unwrap();
    std::fs::write(host.config().join(".gitignore"), "mine\n").unwrap();
    let jobs = host.init();
    assert!(jobs.contains("# [job.data]"), "{jobs}");
    assert_eq!(std::fs::read_to_string(host.config().join(".gitignore")).unwrap(), "mine\n");
    assert_eq!(host.coverage(), [""; 0]);
    let (code, _, err) = host.larder("init");
    assert_eq!(code, 1);
    assert!(err.contains("there is a configuration already"), "{err}");
}

#[test]
fn the_same_host_gets_the_same_files() {
    let (one, other) = (Host::new(&SERVER), Host::new(&SERVER));
    assert_eq!(one.init(), other.init());
}

#[test]
fn excludes_and_parts_are_seen_and_the_archives_themselves_are_not_data() {
    let host = Host::new(&SERVER);
    host.write("srv/empty/.keep", "");
    std::fs::remove_file(host.root().join("srv/empty/.keep")).unwrap();
    host.jobs(
        "[job.home]\ntype = \"custom_dir\"\nsource_path = \"/home\"\nexcludes = [\"/grace/\"]\n\
         [job.blog]\ntype = \"custom_dir\"\nsource_path = \"/var/www/blog/uploads\"\n\
         [job.opt]\ntype = \"custom_dir\"\nsource_path = \"/opt\"\nenabled = false\n\
         [job.volumes]\ntype = \"custom_dir\"\nsource_path = \"/var/lib/docker\"\n",
    );
    insta::assert_snapshot!(host.coverage().join("\n"), @r"
    no directory /etc
    yes directory /home/ada by home
    no directory /home/grace (`excludes` of `home` leave /home/grace out)
    no directory /srv/web
    partly directory /var/www/blog by blog
    no directory /home/grace/site (`excludes` of `home` leave /home/grace out)
    no directory /opt/gitea
    yes volume grafana by volumes
    no volume wiki
    ");
    let table = host.ok(&format!("coverage --missing --root {}", host.root().display()));
    assert!(table.contains("/srv/web") && !table.contains("ada"), "{table}");
}

#[test]
fn yunohost_apps_bring_their_database_and_directories_along() {
    let host = Host::new(&["etc/yunohost/installed", "var/www/nextcloud/index.php"]);
    host.write(
        "etc/yunohost/apps/nextcloud/settings.yml",
        "db_name: nextcloud\ninstall_dir: /var/www/nextcloud\ndata_dir: /home/yunohost.app/nextcloud\n",
    );
    host.write("etc/yunohost/apps/wiki/settings.yml", "install_dir: /var/www/wiki\n");
    host.write("home/yunohost.app/nextcloud/file", "x");
    host.jobs(
        "[job.apps]\ntype = \"ynh_app\"\napp_id = \"*\"\nexcept = [\"wiki\"]\ncore_only = true\n",
    );
    insta::assert_snapshot!(host.coverage().join("\n"), @r"
    partly app nextcloud by apps (`core_only` leaves /home/yunohost.app/nextcloud out)
    no app wiki
    no directory /etc
    no directory /home/yunohost.app/nextcloud
    yes directory /var/www/nextcloud by apps
    ");
    std::fs::remove_dir_all(host.config()).unwrap();
    let jobs = host.init();
    assert!(
        jobs.contains("app_id = \"*\"")
            && jobs.contains("# every app of YunoHost, now: nextcloud, wiki"),
        "{jobs}"
    );
    let toml = std::fs::read_to_string(host.config().join("larder.toml")).unwrap();
    assert!(toml.contains("path = \"/home/yunohost.backup/archives\""), "{toml}");
}

#[test]
fn a_server_that_is_down_is_told_as_unknown_and_stays_a_comment() {
    let host = Host::new(&["var/lib/mysql/ibdata1", "var/lib/postgresql/15/main/PG_VERSION"]);
    let jobs = host.init();
    assert!(jobs.contains("# left out: the databases of MariaDB could not be listed"), "{jobs}");
    assert!(!jobs.contains("\n[job.mysql]"), "{jobs}");
    let coverage = host.coverage();
    assert!(coverage[0].starts_with("unknown database *"), "{coverage:?}");
}

#[test]
fn what_links_lead_to_is_not_looked_at() {
    let host = Host::new(&[]);
    std::fs::create_dir_all(host.root().join("srv")).unwrap();
    std::os::unix::fs::symlink(Path::new("/etc"), host.root().join("srv/outside")).unwrap();
    assert!(!host.init().contains("outside"));
}

#[test]
fn the_databases_of_a_server_that_listens_are_found_and_kept() {
    let dir = support::dir();
    let server = match database::throwaway(Kind::Mysql, dir.path(), &Stop::new()) {
        Ok(server) => server,
        Err(error @ DatabaseError::Missing { .. }) => support::skipped!("{error}"),
        Err(error) => panic!("{error}"),
    };
    let socket = server.access().socket.clone().unwrap();
    let output = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "-e", "CREATE DATABASE blog; CREATE DATABASE shop"])
        .arg(format!("--socket={}", socket.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let host = Host::new(&[]);
    std::fs::create_dir_all(host.root().join("run/mysqld")).unwrap();
    std::os::unix::fs::symlink(&socket, host.root().join("run/mysqld/mysqld.sock")).unwrap();
    std::fs::remove_dir_all(host.root().join("etc")).unwrap();
    host.jobs("[job.blog]\ntype = \"mysql\"\ndatabase = \"blog\"\n");
    insta::assert_snapshot!(host.coverage().join("\n"), @r"
    yes database blog by blog
    no database shop
    ");
    std::fs::remove_dir_all(host.config()).unwrap();
    let jobs = host.init();
    assert!(
        jobs.contains("now: blog, shop\n[job.mysql]\ntype = \"mysql\"\ndatabase = \"*\""),
        "{jobs}"
    );
    assert_eq!(host.coverage(), ["yes database blog by mysql", "yes database shop by mysql"]);
}
