//! Secrets are put into every place that holds one, and looked for everywhere else.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use super::*;
use crate::walk::instance::text;

/// What stands in each place that holds a secret; no part of any stands anywhere else.
const FILE: &str = "canary-of-a-file-3f1c";
const VARIABLE: &str = "canary-of-a-variable-8d20";
const COMMAND: &str = "canary-of-a-command-77aa";
const IDENTITY: &str = "AGE-SECRET-KEY-1CANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCAN";
const HOOK: &str = "http://127.0.0.1:1/canary-of-a-hook-26fe";
const PING: &str = "http://127.0.0.1:1/canary-of-a-ping-90c4";
const PEER: &str = "canary-of-a-token-of-a-peer-c7d1";
const VALID: &str = "canary-of-a-token-that-is-valid-51e9";
const WRONG: &str = "canary-of-a-token-that-is-wrong-0b3d";
const LONG: &str =
    "canary-of-a-token-longer-than-bcrypt-reads-0123456789-0123456789-0123456789-0123456789";

/// Writes down what a child process can see: every command line, and its own environment.
const PEEK: &str = r"
for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline; echo; done > $1/seen.cmdline 2> /dev/null
tr '\0' '\n' < /proc/self/environ > $1/seen.environ
";

/// What is looked for. A part is enough: a message may cut a secret off.
const CANARIES: [&str; 4] = ["canary-of", "CANARYCANARY", "anary-of-a", "Y2FuYXJ5LW9m"];

#[track_caller]
fn is_clean(place: &str, content: &[u8]) {
    for canary in CANARIES {
        let found = content.windows(canary.len()).position(|part| part == canary.as_bytes());
        if let Some(at) = found {
            let around = &content[at.saturating_sub(80)..(at + 80).min(content.len())];
            panic!("{place} holds a secret: {}", String::from_utf8_lossy(around));
        }
    }
}

#[test]
#[should_panic = "the log holds a secret"]
fn a_canary_is_found() {
    is_clean("the log", format!("it was {VALID}, was it not?").as_bytes());
}

/// Every file below a directory, but those that hold a secret by right.
fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files(&path, found);
        } else if kind.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn secret_file(instance: &Instance, name: &str, content: &str) {
    let path = instance.source(&format!("secrets/{name}"), content.as_bytes());
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Three databases that nobody serves, each with its password elsewhere, and a tree whose commands
/// write down what a child process can see.
fn scene() -> Instance {
    let instance = Instance::new(&format!(
        r#"
[job.tree]
type = "custom_dir"
source_path = "../tree"
before = [["sh", "{dir}/peek.sh", "{dir}"]]
[job.file]
type = "mysql"
database = "shop"
user = "shop"
password = {{ file = "../secrets/file" }}
socket = "{dir}/no.sock"
retries = 0
[job.variable]
type = "postgresql"
database = "shop"
user = "shop"
password = {{ env = "LARDER_TEST_CANARY" }}
socket = "{dir}"
retries = 0
[job.command]
type = "mysql"
database = "till"
user = "shop"
password = {{ command = ["cat", "{dir}/secrets/command"] }}
socket = "{dir}/no.sock"
retries = 0
"#,
        dir = "@DIR@",
    ));
    let jobs = fs::read_to_string(instance.path("etc/jobs.toml")).unwrap();
    let dir = instance.path("").display().to_string();
    instance.write("jobs.toml", &jobs.replace("@DIR@", dir.trim_end_matches('/')));
    instance.source("tree/a.txt", b"alpha");
    instance.source("peek.sh", PEEK.as_bytes());
    secret_file(&instance, "file", FILE);
    secret_file(&instance, "command", COMMAND);
    secret_file(&instance, "identity", IDENTITY);
    instance.write(
        "more.toml",
        "[location.other]\npath = \"../other\"\nidentity = { file = \"../secrets/identity\" }\n",
    );
    instance.write("token.toml", &table("canary", &sha256(VALID), &["admin"]));
    secret_file(&instance, "hook", HOOK);
    secret_file(&instance, "ping", PING);
    instance.write(
        "notify.toml",
        "[notify.hook]\nurl = { file = \"../secrets/hook\" }\n\
         [notify.ping]\nping_url = { file = \"../secrets/ping\" }\n",
    );
    instance.write(
        "tom.toml",
        &format!(
            "[location.received]\npath = \"../received\"\nmin_free = \"1 MiB\"\n\
             [peer.tom]\nkind = \"instance\"\nurl = \"https://tom.example.org\"\n\
             [peer.tom.accept]\ntoken_hash = \"{}\"\nlocation = \"received\"\n",
            sha256(PEER)
        ),
    );
    instance
}

#[test]
fn a_secret_shows_up_nowhere_but_where_it_is_kept() {
    let instance = scene();
    let log = fs::File::create(instance.path("daemon.log")).unwrap();
    let mut daemon = instance.command(&["daemon", "-vv"]);
    daemon.env("LARDER_TEST_CANARY", VARIABLE).stdout(Stdio::null()).stderr(log);
    let mut daemon = daemon.spawn().unwrap();
    let socket = instance.path("control.sock");
    instance
        .wait("the daemon answers", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    for job in ["tree", "file", "variable", "command"] {
        let output = instance.larder(&["run", job]);
        is_clean(&format!("what `run {job}` says"), &[output.stdout, output.stderr].concat());
    }
    instance.wait("every job has ended", || {
        let runs = instance.runs();
        let ended = |job: &str| {
            let of = |run: &&serde_json::Value| run["job_id"] == job && run["kind"] == "backup";
            runs.iter().filter(of).any(|run| run["finished_at"].is_string())
        };
        ["tree", "file", "variable", "command"].iter().all(|job| ended(job))
    });
    // It is no test if nothing was tried, or nothing can be found.
    let failed: Vec<_> =
        instance.runs().iter().filter(|r| r["status"] == "error").cloned().collect();
    assert!(failed.len() >= 3, "{failed:?}");
    for run in &failed {
        println!("{}: {}", run["job_id"], run["summary"]);
    }
    let environ = fs::read_to_string(instance.path("seen.environ")).unwrap();
    assert!(environ.contains("PATH="), "{environ}");
    let lines = fs::read_to_string(instance.path("seen.cmdline")).unwrap();
    assert!(lines.contains("daemon -vv"), "{lines}");

    let mut said = Vec::new();
    let numbers: Vec<String> = instance.runs().iter().map(|run| run["id"].to_string()).collect();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["jobs"],
        vec!["runs"],
        vec!["status"],
        vec!["plan"],
        vec!["config", "show"],
        vec!["archive", "list"],
        vec!["location", "list"],
        vec!["notify", "test"],
    ];
    commands.extend(numbers.iter().map(|number| vec!["log", number.as_str()]));
    for command in &commands {
        for format in ["table", "json"] {
            let mut command = command.clone();
            command.extend(["--format", format]);
            let output = instance.larder(&command);
            assert!(!output.stdout.is_empty(), "{command:?}: {}", text(&output.stderr));
            said.push((format!("`{command:?}`"), [output.stdout, output.stderr].concat()));
        }
    }
    let mut check = instance.command(&["check", "--live", "-vv"]);
    let output = check.env("LARDER_TEST_CANARY", VARIABLE).output().unwrap();
    said.push(("`check --live`".to_owned(), [output.stdout, output.stderr].concat()));
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    for place in ["etc", "state", "public", "archives"] {
        let before = said.len();
        files(&instance.path(place), &mut said);
        assert!(said.len() > before, "there is nothing in {place}");
    }
    for name in ["daemon.log", "seen.cmdline", "seen.environ"] {
        said.push((name.to_owned(), fs::read(instance.path(name)).unwrap()));
    }
    for (place, content) in &said {
        is_clean(place, content);
    }
    let all: Vec<u8> = said.iter().flat_map(|(_, content)| content.clone()).collect();
    assert!(all.windows(4).any(|part| part == b"shop"), "nothing is looked through");
}

/// Commands print what they like: whoever may read logs sees it, and nobody else.
#[test]
fn what_commands_of_the_configuration_print_is_in_the_logs_of_their_runs_only() {
    let instance = Instance::new("");
    let what = instance.source("what.txt", COMMAND.as_bytes()).display().to_string();
    let loud = |tail: &str| format!("[\"cat {what} >&2; cat {what}; {tail}\"]");
    let job = |name: &str, more: &str| {
        format!(
            "[job.{name}]\ntype = \"custom_dir\"\nsource_path = \"../tree\"\nretries = 0\n{more}\n"
        )
    };
    let jobs = [
        job("early", &format!("before = {}", loud("exit 3"))),
        job("late", &format!("after = {}", loud("exit 3"))),
        job("both", &format!("before = {}\nafter = {}", loud("exit 3"), loud("kill -9 $$"))),
        job("back", &format!("[job.back.restore]\npost_restore_commands = {}", loud("exit 3"))),
    ];
    instance.write("jobs.toml", &jobs.concat());
    instance.source("tree/a.txt", b"alpha");
    let daemon = instance.daemon();
    let mut said = Vec::new();
    for job in ["early", "late", "both", "back"] {
        // Detached: who waits is shown the log, by right.
        instance.ok(&["run", "--detach", job]);
        instance.wait("it has ended", || {
            let runs = instance.runs();
            let ended = |run: &serde_json::Value| {
                run["job_id"] == job && run["kind"] == "backup" && run["finished_at"].is_string()
            };
            runs.iter().any(ended)
        });
    }
    instance.larder(&["restore", "back@latest", "--yes"]);
    let published = || fs::read_to_string(instance.path("public/runs.json")).unwrap_or_default();
    instance.wait("all of it is published", || {
        ["in `before`", "in `after`", "in `post_restore_commands`", "was killed by signal 9"]
            .iter()
            .all(|words| published().contains(words))
    });
    let numbers: Vec<String> = instance.runs().iter().map(|run| run["id"].to_string()).collect();
    for command in [&["jobs"][..], &["runs"], &["status"], &["plan"], &["archive", "list"]] {
        for format in ["table", "json"] {
            let output = instance.larder(&[command, &["--format", format]].concat());
            said.push((format!("`{command:?}`"), [output.stdout, output.stderr].concat()));
        }
    }
    let logs: Vec<String> =
        numbers.iter().map(|number| text(&instance.larder(&["log", number]).stdout)).collect();
    assert!(logs.iter().filter(|log| log.contains(COMMAND)).count() >= 4, "{logs:?}");
    daemon.terminate();
    for place in ["public", "archives"] {
        let before = said.len();
        files(&instance.path(place), &mut said);
        assert!(said.len() > before, "there is nothing in {place}");
    }
    said.push(("daemon.log".to_owned(), fs::read(instance.path("daemon.log")).unwrap()));
    for (place, content) in said {
        is_clean(&place, &content);
    }
}

/// What was logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// One thread: the subscriber is that thread's, and other tests log beside this one.
#[tokio::test]
async fn a_token_is_in_no_log_and_no_answer_whether_it_is_valid_or_not() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let instance = scene();
    instance.write("crypt.toml", &table("crypt", &bcrypt("another"), &["status"]));
    let served = Served::start(&instance).await;
    let from = elsewhere();
    for token in [VALID, WRONG, LONG, PEER] {
        let padded = format!("Bearer {token}");
        for path in [
            "/api/v1/config",
            "/api/v1/status",
            "/api/v1/jobs/none",
            "/none",
            "/healthz",
            "/metrics",
            "/api/v1/health",
            "/api/v1/peers",
            "/api/v1/network",
            "/api/v1/openapi.json",
            "/api/v1/runs",
            "/api/v1/archives",
            "/api/v1/locations",
        ] {
            let plain = served.ask_from(from, Method::GET, path, Some(token)).await;
            is_clean(path, plain.body.as_bytes());
            let request = Request::get(path)
                .header(header::AUTHORIZATION, &padded)
                .extension(Remote::Direct(from))
                .body(Body::empty());
            let response = served.router.clone().oneshot(request.unwrap()).await.unwrap();
            is_clean("a header", format!("{:?}", response.headers()).as_bytes());
        }
        let path = "/api/v1/archives/upload/start";
        for start in ["{", "{}", r#"{"filename":"tom_web_1.tar","total_size":1,"checksum":"x"}"#] {
            let start = Request::post(path)
                .header(KEY_HEADER, token)
                .header(header::CONTENT_TYPE, "application/json")
                .extension(Remote::Direct(from))
                .body(Body::from(start));
            let response = served.router.clone().oneshot(start.unwrap()).await.unwrap();
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            is_clean("an upload", &body);
        }
        // What the client got wrong is told; what it sent is not.
        let bad = Request::post("/api/v1/plan/approve")
            .header(KEY_HEADER, token)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from("{"));
        let response = served.router.clone().oneshot(bad.unwrap()).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        is_clean("an error", &body);
    }
    // Until 429, which has words of its own.
    for number in 0..30 {
        let guess = format!("{WRONG}{number}");
        let answer = served.ask_from(from, Method::GET, "/api/v1/health", Some(&guess)).await;
        is_clean("a refusal", answer.body.as_bytes());
    }
    served.handle.shutdown().await;
    let logged = log.0.lock().unwrap().clone();
    let words = String::from_utf8_lossy(&logged);
    assert!(words.contains("a token that nobody knows"), "nothing was logged: {words}");
    is_clean("the log", &logged);
    is_clean("a `Debug`", format!("{:?} {:?}", Gate::new(), served.handle).as_bytes());
}
