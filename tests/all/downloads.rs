//! Archives over HTTP: whole, in part, and from where a download broke off, asked for with curl.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::support::answers::{Exchange, is_foreseen};
use crate::support::skipped;
use crate::walk::instance::{Daemon, Instance, text};

/// More than a few pieces, and no whole number of them.
const SIZE: usize = 3_000_017;
const DOWNLOAD: &str = "/archives/web@latest/download";

struct Scene<'a> {
    instance: &'a Instance,
    _daemon: Daemon<'a>,
}

/// What curl got.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    code: i32,
}

impl Answer {
    /// Compares it with the API's description of itself.
    fn is_foreseen(&self, path: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let (status, body) = (self.status, &*self.body);
        is_foreseen(&Exchange { method: "GET", path, status, headers: &headers, body });
    }
}

fn instance() -> Instance {
    let instance = Instance::new("[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\n");
    let content = crate::support::sample::content(7, SIZE);
    instance.source("www/data", &content);
    instance
}

impl<'a> Scene<'a> {
    /// A daemon with one archive.
    fn new(instance: &'a Instance) -> Self {
        instance.ok(&["run", "web"]);
        Self { instance, _daemon: instance.daemon() }
    }

    fn curl(&self, path: &str, arguments: &[&str]) -> Answer {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "30", "--unix-socket"])
            .arg(self.instance.path("control.sock"));
        curl.arg("--dump-header").arg(self.instance.path("headers")).args(arguments);
        let output = curl.arg(format!("http://larder/api/v1{path}")).output().unwrap();
        let head = std::fs::read(self.instance.path("headers")).unwrap();
        let head = text(&head);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        };
        let answer = Answer {
            status: status.unwrap_or_default(),
            headers: lines.filter_map(pair).collect(),
            body: output.stdout,
            code: output.status.code().unwrap_or(-1),
        };
        let is_whole = answer.code == 0 && !arguments.contains(&"--output");
        if is_whole && !arguments.contains(&"--head") {
            answer.is_foreseen(&format!("/api/v1{path}"));
        }
        answer
    }

    /// The only archive's file.
    fn tar(&self) -> PathBuf {
        let tars = self.instance.tars();
        assert_eq!(tars.len(), 1, "{tars:?}");
        self.instance.path("archives").join(&tars[0])
    }
}

macro_rules! curl_or_skip {
    () => {
        if Command::new("curl").arg("--version").output().is_err() {
            skipped!("curl is not installed");
        }
    };
}

#[test]
fn a_download_that_broke_off_is_resumed_byte_for_byte() {
    curl_or_skip!();
    let instance = instance();
    let scene = Scene::new(&instance);
    let whole = std::fs::read(scene.tar()).unwrap();
    let part = instance.path("part.tar");
    for had in [1, 524_288, 1_000_001, whole.len() - 1] {
        std::fs::write(&part, &whole[..had]).unwrap();
        let to = part.to_str().unwrap();
        let answer = scene.curl(DOWNLOAD, &["--continue-at", "-", "--output", to]);
        assert_eq!((answer.code, answer.status), (0, 206), "{had} bytes were there");
        let last = whole.len() - 1;
        assert_eq!(answer.headers["content-range"], format!("bytes {had}-{last}/{}", whole.len()));
        assert!(std::fs::read(&part).unwrap() == whole, "{had} bytes were there");
    }
    // Really cut: whoever reads goes away after a million bytes.
    let line = format!(
        "curl -s --unix-socket control.sock http://larder/api/v1{DOWNLOAD} | head -c 1000000 > cut.tar
         curl -s -C - -o cut.tar --unix-socket control.sock http://larder/api/v1{DOWNLOAD}"
    );
    crate::walk::instance::sh(&line, &instance.path(""));
    assert!(std::fs::read(instance.path("cut.tar")).unwrap() == whole);
    // What is complete stays as it is.
    let to = part.to_str().unwrap();
    let answer = scene.curl(DOWNLOAD, &["--continue-at", "-", "--output", to]);
    assert_eq!(answer.status, 416);
    assert_eq!(answer.headers["content-range"], format!("bytes */{}", whole.len()));
    assert!(std::fs::read(&part).unwrap() == whole);
}

#[test]
fn the_whole_file_comes_with_its_hash_and_a_name() {
    curl_or_skip!();
    let instance = instance();
    let scene = Scene::new(&instance);
    let (tar, whole) = (scene.tar(), std::fs::read(scene.tar()).unwrap());
    let hash = crate::support::sample::sha256(&whole);
    let answer = scene.curl(DOWNLOAD, &[]);
    assert!(answer.status == 200 && answer.body == whole);
    let name = tar.file_name().unwrap().to_str().unwrap();
    let header = |name: &str| answer.headers.get(name).map_or("", String::as_str);
    assert_eq!(header("etag"), format!("\"{hash}\""));
    assert_eq!(header("accept-ranges"), "bytes");
    assert_eq!(header("content-length"), whole.len().to_string());
    assert_eq!(header("content-disposition"), format!("attachment; filename=\"{name}\""));
    assert!(header("last-modified").ends_with(" GMT"), "{:?}", answer.headers);
    assert!(header("repr-digest").starts_with("sha-256=:"), "{:?}", answer.headers);

    let head = scene.curl(DOWNLOAD, &["--head"]);
    assert_eq!((head.status, head.code), (200, 0));
    for (name, value) in &answer.headers {
        if name != "date" {
            assert_eq!(head.headers.get(name), Some(value), "{name}");
        }
    }
    let tag = format!("If-None-Match: \"{hash}\"");
    let again = scene.curl(DOWNLOAD, &["--header", &tag]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let since = format!("If-Modified-Since: {}", header("last-modified"));
    assert_eq!(scene.curl(DOWNLOAD, &["--header", &since]).status, 304);

    let other = ["--header", "If-Match: \"0000\""];
    let refused = scene.curl(DOWNLOAD, &other);
    assert_eq!(refused.status, 412);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    // Another file than the one that was begun: from the start.
    let changed = scene.curl(DOWNLOAD, &["--range", "5-", "--header", "If-Range: \"0000\""]);
    assert!(changed.status == 200 && changed.body == whole);
    let same = format!("If-Range: \"{hash}\"");
    let rest = scene.curl(DOWNLOAD, &["--range", "5-", "--header", &same]);
    assert!(rest.status == 206 && rest.body == whole[5..]);
    let tail = scene.curl(DOWNLOAD, &["--range", "-100"]);
    assert!(tail.status == 206 && tail.body == whole[whole.len() - 100..]);
    let several = scene.curl(DOWNLOAD, &["--range", "0-1,5-6"]);
    assert!(several.status == 200 && several.body == whole);
}

#[test]
fn what_is_not_there_or_not_what_was_written_is_said_and_never_sent() {
    curl_or_skip!();
    let instance = instance();
    let scene = Scene::new(&instance);
    let tar = scene.tar();
    let problem = |expected: u16, words: &str| {
        let answer = scene.curl(DOWNLOAD, &[]);
        let body = text(&answer.body);
        assert_eq!(answer.status, expected, "{body}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(body.contains(words), "{body}");
        assert!(!body.contains(instance.path("").to_str().unwrap()), "a path is told: {body}");
    };
    assert_eq!(scene.curl("/archives/nope/download", &[]).status, 404);

    let whole = std::fs::read(&tar).unwrap();
    std::fs::write(&tar, &whole[..1000]).unwrap();
    let short = scene.curl(DOWNLOAD, &[]);
    // What is known to be damaged by now is sent as it is, under no hash.
    let is_known = short.status == 200 && short.body == whole[..1000];
    assert!(short.status == 409 || is_known, "{}", text(&short.body));
    assert!(!short.headers.contains_key("etag") && !short.headers.contains_key("repr-digest"));
    std::fs::remove_file(&tar).unwrap();
    problem(404, "not at `main` any more");
    std::fs::rename(instance.path("archives"), instance.path("elsewhere")).unwrap();
    problem(503, "`main` is not available");
}
