//! An engine in a directory of its own, with peers that may store archives, and what they ask.

use std::path::PathBuf;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use larder::api::access::Caller;
use larder::engine::{Autonomy, Engine, Handle, Options};
use larder::model::token::Scope;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::answers::{Exchange, is_foreseen};
use crate::support::{self, sample};

/// The chunk size of these tests: the smallest.
pub(crate) const CHUNK: usize = 64 << 10;

/// What the peers `tom` and `bob` may.
pub(crate) const ACCEPT: &str = "token_hash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\nlocation = \"received\"\n";

/// An instance `jerry` that takes archives of `tom` and `bob`.
pub(crate) struct Scene {
    dir: tempfile::TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
    handle: Option<Handle>,
}

/// The files of such an instance.
pub(crate) fn configuration(toms: &str) -> String {
    // Each has a token of its own.
    let bobs = ACCEPT.replace("sha256:9f86", "sha256:0b0b");
    format!(
        "[instance]\nname = \"jerry\"\ntimezone = \"Europe/Paris\"\nstate_dir = \"../state\"\n\
         publish_dir = \"../public\"\ncontrol_socket = \"../control.sock\"\n\
         [recovery]\nconfiguration = false\n\
         [defaults]\nschedule = \"0 2 1 1 *\"\nretention = {{ mode = \"count\", value = 7 }}\nlocation = \"main\"\n\
         [location.main]\npath = \"../archives\"\nmin_free = \"1 MiB\"\n\
         [location.received]\npath = \"../received\"\nmin_free = \"64 KiB\"\n\
         [peer.bob]\nkind = \"instance\"\nurl = \"https://bob.example.org\"\n[peer.bob.accept]\n{bobs}\
         [peer.tom]\nkind = \"instance\"\nurl = \"https://tom.example.org\"\n[peer.tom.accept]\n{ACCEPT}{toms}\n"
    )
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more keys in what `tom` may.
    pub(crate) fn with(toms: &str) -> Self {
        let mut scene = Self::cold(toms);
        scene.start();
        scene
    }

    /// The same before its engine is started.
    pub(crate) fn cold(toms: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let scene = Self { dir: support::dir(), runtime, handle: None };
        std::fs::create_dir_all(scene.path("etc")).unwrap();
        scene.configure(toms);
        scene
    }

    pub(crate) fn configure(&self, toms: &str) {
        std::fs::write(self.path("etc/larder.toml"), configuration(toms)).unwrap();
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn start(&mut self) {
        let options =
            Options { config_dir: self.path("etc"), autonomy: Autonomy::Daemon, only: Vec::new() };
        self.handle = Some(self.runtime.block_on(Engine::start(options)).unwrap());
    }

    pub(crate) fn stop(&mut self) {
        let handle = self.handle.take().unwrap();
        self.runtime.block_on(handle.shutdown());
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// The state, while the engine is stopped.
    pub(crate) fn state(&self) -> larder::state::State {
        larder::state::State::open(&self.path("state")).unwrap().0
    }

    pub(crate) fn client(&self, caller: Caller) -> Client<'_> {
        let router = larder::api::router_for(self.handle().clone(), caller);
        Client { runtime: &self.runtime, router }
    }

    pub(crate) fn peer(&self, name: &str) -> Client<'_> {
        let scopes = [Scope::Status, Scope::List, Scope::Send, Scope::Fetch].into();
        self.client(Caller::Peer { name: name.parse().unwrap(), scopes })
    }

    pub(crate) fn tom(&self) -> Client<'_> {
        self.peer("tom")
    }

    pub(crate) fn local(&self) -> Client<'_> {
        self.client(Caller::Local)
    }

    /// The files of a directory that are not hidden.
    pub(crate) fn files(&self, relative: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(relative)).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    /// The hidden files of uploads of `tom`.
    pub(crate) fn parts(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("received/tom/.incoming")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// A file to send.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

impl File {
    /// Three chunks and a half.
    pub(crate) fn new(name: &str) -> Self {
        Self::of(name, 1, CHUNK * 7 / 2)
    }

    pub(crate) fn of(name: &str, seed: u8, length: usize) -> Self {
        Self { name: name.to_owned(), bytes: sample::content(seed, length).into() }
    }

    pub(crate) fn checksum(&self) -> String {
        sample::sha256(&self.bytes).to_string()
    }

    pub(crate) fn announced(&self) -> Value {
        json!({
            "filename": self.name,
            "total_size": self.bytes.len(),
            "chunk_size": CHUNK,
            "checksum": self.checksum(),
        })
    }

    pub(crate) fn chunks(&self) -> usize {
        self.bytes.len().div_ceil(CHUNK)
    }

    pub(crate) fn chunk(&self, n: usize) -> Bytes {
        self.bytes.slice(n * CHUNK..self.bytes.len().min((n + 1) * CHUNK))
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// What a problem says.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, detail: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        let told = self.body["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told:?} does not say {detail:?}");
        assert_eq!(self.body["status"], status);
    }

    pub(crate) fn id(&self) -> String {
        self.body["upload_id"].as_str().unwrap().to_owned()
    }
}

/// Somebody who asks.
pub(crate) struct Client<'a> {
    runtime: &'a tokio::runtime::Runtime,
    pub(crate) router: Router,
}

/// Asks and reads the whole answer.
pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let status = parts.status.as_u16();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers = &parts.headers;
    is_foreseen(&Exchange { method: &method, path: &path, status, headers, body: &bytes });
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status, body }
}

pub(crate) fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let uri = format!("/api/v1{path}");
    Request::builder().method(method).uri(uri).body(body.into()).unwrap()
}

impl Client<'_> {
    pub(crate) fn send(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(send(self.router.clone(), request))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.send(request(method, path, body))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Body::empty())
    }

    pub(crate) fn begin(&self, announced: &Value) -> Answer {
        self.ask("POST", "/archives/upload/start", announced.to_string())
    }

    /// Begins an upload that must begin.
    #[track_caller]
    pub(crate) fn begun(&self, file: &File) -> String {
        let answer = self.begin(&file.announced());
        let id = answer.id();
        answer.ok(201);
        id
    }

    pub(crate) fn chunk(&self, id: &str, n: usize, bytes: impl Into<Body>) -> Answer {
        self.ask("POST", &format!("/archives/upload/{id}/chunk/{n}"), bytes)
    }

    pub(crate) fn finish(&self, id: &str) -> Answer {
        self.ask("POST", &format!("/archives/upload/{id}/finish"), Body::empty())
    }

    pub(crate) fn abandon(&self, id: &str) -> Answer {
        self.ask("DELETE", &format!("/archives/upload/{id}"), Body::empty())
    }

    /// The chunks that are there.
    #[track_caller]
    pub(crate) fn received(&self, id: &str) -> Vec<u64> {
        let body = self.get(&format!("/archives/upload/{id}")).ok(200);
        let chunks = body["chunks_received"].as_array().unwrap();
        chunks.iter().map(|chunk| chunk.as_u64().unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn send_chunks(&self, id: &str, file: &File) {
        for n in 0..file.chunks() {
            self.chunk(id, n, file.chunk(n)).ok(200);
        }
    }

    /// Sends all of a file; it is an archive then.
    #[track_caller]
    pub(crate) fn upload(&self, file: &File) -> Value {
        let id = self.begun(file);
        self.send_chunks(&id, file);
        self.finish(&id).ok(200)
    }
}

/// A file system of 4 MiB in memory; unmounted when it is dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// `None` where mounting is not allowed.
    pub(crate) fn tmpfs(path: &std::path::Path) -> Option<Self> {
        let mounted = Self::run(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], path);
        mounted.then(|| Self(path.to_owned()))
    }

    /// Mounts it again with these options.
    pub(crate) fn remount(&self, how: &str) {
        assert!(Self::run(&["-o", &format!("remount,{how}")], &self.0), "cannot be mounted {how}");
    }

    fn run(options: &[&str], path: &std::path::Path) -> bool {
        let mut mount = std::process::Command::new("mount");
        mount.args(options).arg(path).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
