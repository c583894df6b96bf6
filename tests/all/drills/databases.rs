//! Dumps of both kinds of server: proved, cut short, and asserted of.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use larder::archive::{Content, Spec, write};
use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::model::archive::ArchiveId;
use larder::model::job::{CustomDir, JobType, SourceMount};
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::source::directory::Directory;
use larder::stop::Stop;
use serde_json::{Value, json};

use super::left_behind;
use crate::support::skipped;
use crate::walk::instance::{Instance, sh, text};

/// A real server with a database `shop`, and an instance that backs it up.
struct Scene {
    instance: Instance,
    _server: Box<dyn Throwaway>,
    _dir: tempfile::TempDir,
    kind: Kind,
}

impl Scene {
    /// `None` where the server is not installed.
    fn new(kind: Kind, assertions: &[&str]) -> Option<Self> {
        Self::with(kind, assertions, "")
    }

    /// The same with more keys of the job.
    fn with(kind: Kind, assertions: &[&str], more: &str) -> Option<Self> {
        let dir =
            tempfile::Builder::new().prefix("larder-drill-test-").tempdir_in("/var/tmp").unwrap();
        open(dir.path());
        let below = dir.path().join("server");
        fs::create_dir(&below).unwrap();
        let server = match database::throwaway(kind, &below, &Stop::new()) {
            Err(DatabaseError::Missing { program, .. }) => {
                crate::support::say_skipped(&format!("{program} is not installed"));
                return None;
            }
            other => other.unwrap(),
        };
        let socket = server.access().socket.clone().unwrap();
        let user = server.access().user.clone().unwrap_or_else(|| "postgres".to_owned());
        create(kind, &socket, &user);
        let toml = format!(
            "[job.db]\ntype = \"{}\"\ndatabase = \"shop\"\nsocket = \"{}\"\nuser = \"{user}\"\n\
             drill = {{ schedule = \"0 5 1 * *\", assert = {} }}\n{more}\n",
            kind.word(),
            socket.display(),
            json!(assertions),
        );
        let home =
            tempfile::Builder::new().prefix("larder-drill-test-").tempdir_in("/var/tmp").unwrap();
        let instance = Instance::below(home, &toml);
        instance.ok(&["run", "db"]);
        Some(Self { instance, _server: server, _dir: dir, kind })
    }

    fn drill(&self, code: i32) -> Value {
        left_behind::nothing(&self.instance);
        let output = self.instance.larder(&["drill", "db", "--format", "json"]);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{told}\n{}", text(&output.stderr));
        left_behind::nothing(&self.instance);
        serde_json::from_str::<Value>(&told).unwrap()[0].clone()
    }

    fn archive(&self) -> Value {
        self.instance.archives()[0].clone()
    }

    /// Lets a daemon drill, and waits until the dump is loaded and its server works on what is
    /// asserted. Returns the number of the run.
    fn in_the_middle(&self) -> u64 {
        left_behind::nothing(&self.instance);
        let mut asking = self.instance.command(&["drill", "db"]);
        asking.stdout(Stdio::null()).stderr(Stdio::null());
        let mut asking = asking.spawn().unwrap();
        let mut run = None;
        self.instance.wait("the dump is loaded", || {
            let drills = self.instance.runs().into_iter().find(|run| run["kind"] == "drill");
            run = drills.and_then(|run| run["id"].as_u64());
            run.is_some_and(|id| {
                self.instance.ok(&["log", &id.to_string()]).contains("`shop` was loaded")
            })
        });
        asking.kill().unwrap();
        asking.wait().unwrap();
        // What is looked for afterwards is found while it is there.
        assert!(!left_behind::processes(&self.instance).is_empty());
        assert!(!left_behind::places(&self.instance).is_empty());
        run.unwrap()
    }

    fn status_of(&self, run: u64) -> String {
        let runs = self.instance.runs();
        let run = runs.iter().find(|known| known["id"] == run).unwrap();
        run["status"].as_str().unwrap().to_owned()
    }

    /// Writes the archive anew with a dump that was changed before anything was hashed.
    fn doctor(&self, change: impl FnOnce(&Path)) {
        let archive = self.archive();
        let name = archive["name"].as_str().unwrap();
        let tar = self.instance.path(&format!("archives/{name}.tar"));
        let content = self.instance.path("content");
        fs::create_dir(&content).unwrap();
        sh(&format!("tar -xf {} -C {}", tar.display(), content.display()), Path::new("/"));
        let dumps = content.join("data").join(self.kind.word());
        change(&dumps);
        fs::remove_file(&tar).unwrap();
        let source = CustomDir {
            source_path: dumps,
            excludes: Vec::new(),
            one_file_system: true,
            mount: SourceMount::Any,
        };
        let spec = Spec {
            id: ArchiveId(archive["id"].as_str().unwrap().parse().unwrap()),
            name: name.parse().unwrap(),
            origin: "jerry".parse().unwrap(),
            instance_url: None,
            job: "db".parse().unwrap(),
            job_type: JobType::from_word(self.kind.word()).unwrap(),
            label: archive["label"].as_str().unwrap().parse().unwrap(),
            created_at: "2026-05-08T03:00:00[Europe/Paris]".parse().unwrap(),
            yunohost_version: None,
            config_generation: 1,
            codec: Codec::None,
            recipients: Vec::new(),
            content: Content::Database("shop".to_owned()),
        };
        let source = Box::new(Directory::open(&source).unwrap());
        let file = File::options().create_new(true).read(true).write(true).open(&tar).unwrap();
        let (written, _) = write(source, &spec, file, &Stop::new(), &Progress::new()).unwrap();
        let sidecar = self.instance.path(&format!("archives/{name}.larder.json"));
        let mut record: Value = serde_json::from_slice(&fs::read(&sidecar).unwrap()).unwrap();
        record["file_sha256"] = json!(written.file_sha256.to_string());
        record["stream_sha256"] = json!(written.stream_sha256.to_string());
        record["file_size"] = json!(written.file_size);
        record["stream_size"] = json!(written.stream_size);
        record["content_size"] = json!(written.content_size);
        fs::write(&sidecar, record.to_string()).unwrap();
        // What the state remembers would be another file.
        fs::remove_dir_all(self.instance.path("state")).unwrap();
    }
}

fn open(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

fn create(kind: Kind, socket: &Path, user: &str) {
    let sql = "CREATE TABLE users (id int PRIMARY KEY, name varchar(200));";
    let rows: Vec<String> = (0..2000).map(|id| format!("({id}, '{}')", "x".repeat(100))).collect();
    let sql = format!("{sql}\nINSERT INTO users VALUES {};\n", rows.join(", "));
    let mut commands: Vec<(Command, String)> = Vec::new();
    match kind {
        Kind::Mysql => {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", "-u", user, "-S"]).arg(socket);
            commands.push((client, format!("CREATE DATABASE shop; USE shop; {sql}")));
        }
        Kind::Postgresql => {
            for (database, script) in [("postgres", "CREATE DATABASE shop;"), ("shop", &sql)] {
                let mut client = Command::new("psql");
                client.args([
                    "-X",
                    "-q",
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-U",
                    user,
                    "-d",
                    database,
                    "-h",
                ]);
                client.arg(socket_directory(socket));
                commands.push((client, script.to_owned()));
            }
        }
    }
    for (mut command, script) in commands {
        use std::io::Write as _;
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// PostgreSQL's clients want the directory.
fn socket_directory(socket: &Path) -> PathBuf {
    if socket.is_dir() { socket.to_owned() } else { socket.parent().unwrap().to_owned() }
}

fn a_whole_dump_is_proved(kind: Kind) {
    let assertions = ["SELECT count(*) = 2000 FROM users"];
    let Some(scene) = Scene::new(kind, &assertions) else { return };
    let run = scene.drill(0);
    let summary = run["summary"].as_str().unwrap();
    assert!(summary.contains("1 table, its assertion holds"), "{summary}");
    let job = scene.instance.json(&["jobs"])[0].clone();
    assert_eq!(job["last_drill"]["outcome"], "proven", "{job}");
    assert_eq!(scene.archive()["good"], true);
}

fn a_cut_dump_passes_every_checksum_and_fails_the_drill(kind: Kind) {
    let Some(scene) = Scene::new(kind, &[]) else { return };
    scene.doctor(|dumps| {
        let extension = if kind == Kind::Mysql { "sql" } else { "dump" };
        let dump = dumps.join(format!("shop.{extension}"));
        let length = fs::metadata(&dump).unwrap().len();
        File::options().write(true).open(&dump).unwrap().set_len(length / 2).unwrap();
    });
    let name = scene.archive()["name"].as_str().unwrap().to_owned();
    scene.instance.ok(&["verify", &name]);
    assert_eq!(scene.archive()["good"], true);
    let run = scene.drill(1);
    let summary = run["summary"].as_str().unwrap();
    assert!(summary.contains("does not restore"), "{summary}");
    let archive = scene.archive();
    assert_eq!((&archive["good"], &archive["condition"]), (&json!(false), &json!("present")));
    let status = scene.instance.json(&["status"])[0].clone();
    assert_eq!(status["verdict"], "unprotected", "{status}");
    // Its bytes are still what they were, which helps nobody.
    scene.instance.ok(&["verify", &name]);
    assert_eq!(scene.archive()["good"], false);
}

fn what_was_asserted_must_hold(kind: Kind) {
    let Some(scene) = Scene::new(kind, &["SELECT count(*) > 5000 FROM users"]) else { return };
    let run = scene.drill(1);
    let summary = run["summary"].as_str().unwrap();
    assert!(summary.contains("`SELECT count(*) > 5000 FROM users` does not hold"), "{summary}");
    assert_eq!(scene.archive()["good"], false);
    // Fixed, the same archive is proved and good again; an error in the SQL is told as one.
    let toml = fs::read_to_string(scene.instance.path("etc/jobs.toml")).unwrap();
    scene.instance.write("jobs.toml", &toml.replace("> 5000", "> 1000"));
    scene.drill(0);
    assert_eq!(scene.archive()["good"], true);
    scene.instance.write("jobs.toml", &toml.replace("FROM users", "FROM nowhere"));
    let run = scene.drill(1);
    let summary = run["summary"].as_str().unwrap();
    assert!(summary.contains("cannot be run") && summary.contains("nowhere"), "{summary}");
    assert_eq!(scene.archive()["good"], true);
}

/// An assertion that takes longer than any test.
fn endless(kind: Kind) -> &'static str {
    match kind {
        Kind::Mysql => "SELECT SLEEP(600) = 0",
        Kind::Postgresql => "SELECT count(*) = 1 FROM pg_sleep(600)",
    }
}

fn a_drill_that_is_cancelled_in_the_middle_leaves_nothing(kind: Kind) {
    let Some(scene) = Scene::new(kind, &[endless(kind)]) else { return };
    let daemon = scene.instance.daemon();
    let run = scene.in_the_middle();
    scene.instance.ok(&["cancel", &run.to_string()]);
    scene.instance.wait("the end", || scene.status_of(run) == "cancelled");
    left_behind::nothing(&scene.instance);
    // It showed nothing of the archive.
    let job = scene.instance.json(&["jobs"])[0].clone();
    assert!(job["last_drill"].is_null(), "{job}");
    assert_eq!(scene.archive()["good"], true);
    daemon.terminate();
}

fn a_drill_that_takes_too_long_leaves_nothing(kind: Kind) {
    let Some(scene) = Scene::with(kind, &[endless(kind)], "timeout = \"8s\"") else { return };
    let run = scene.drill(1);
    let summary = run["summary"].as_str().unwrap();
    assert!(summary.contains("took longer than its time-out"), "{summary}");
    assert_eq!(scene.archive()["good"], true);
}

fn a_daemon_that_is_killed_in_the_middle_leaves_nothing_after_its_next_start(kind: Kind) {
    let Some(scene) = Scene::new(kind, &[endless(kind)]) else { return };
    let daemon = scene.instance.daemon();
    let run = scene.in_the_middle();
    daemon.kill();
    assert!(!left_behind::places(&scene.instance).is_empty());
    let daemon = scene.instance.daemon();
    left_behind::nothing(&scene.instance);
    assert_eq!(scene.status_of(run), "interrupted");
    assert_eq!(scene.archive()["good"], true);
    daemon.terminate();
}

macro_rules! for_both {
    ($($test:ident),*) => {
        mod mysql {
            $(#[test] fn $test() { super::$test(larder::database::Kind::Mysql); })*
        }
        mod postgresql {
            $(#[test] fn $test() { super::$test(larder::database::Kind::Postgresql); })*
        }
    };
}

for_both!(
    a_whole_dump_is_proved,
    a_cut_dump_passes_every_checksum_and_fails_the_drill,
    what_was_asserted_must_hold,
    a_drill_that_is_cancelled_in_the_middle_leaves_nothing,
    a_drill_that_takes_too_long_leaves_nothing,
    a_daemon_that_is_killed_in_the_middle_leaves_nothing_after_its_next_start
);

#[test]
fn without_the_servers_programs_nothing_is_proved_and_nothing_failed() {
    let Some(scene) = Scene::new(Kind::Mysql, &[]) else { return };
    let Ok(client) =
        fs::read_link("/usr/bin/mariadb").or_else(|_| fs::canonicalize("/usr/bin/mariadb"))
    else {
        skipped!("there is no /usr/bin/mariadb");
    };
    drop(client);
    let output = scene
        .instance
        .command(&["drill", "db", "--format", "json"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let told = text(&output.stdout);
    if told.contains("proven: ") {
        skipped!("programs are found without PATH");
    }
    assert_eq!(output.status.code(), Some(1), "{told}\n{}", text(&output.stderr));
    let run: Value = serde_json::from_str(&told).unwrap();
    let summary = run[0]["summary"].as_str().unwrap();
    assert!(summary.contains("cannot be proved here"), "{summary}");
    assert!(summary.contains("apt install mariadb-server"), "{summary}");
    assert_eq!(scene.archive()["good"], true);
}
