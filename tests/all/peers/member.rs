//! One instance among others: its files, and its daemon on an address of its own.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder::config::{self, Severity};
use larder::model::token::TokenHash;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;
use sha2::Digest as _;

use super::address::Address;
use super::authority::Authority;
use super::http::{Answer, Request};
use crate::support::sample;
use crate::walk::instance::Instance;

/// How long an answer may take: it bounds a test that failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// An instance whose daemon can be started, stopped and killed from any thread. What it can do
/// beyond its network (commands, files, lists) is that of [`Instance`].
pub(crate) struct Member {
    name: String,
    home: Address,
    address: SocketAddr,
    trust: Arc<ClientConfig>,
    process: Mutex<Option<Child>>,
    /// What is to run its daemon: words before the program.
    within: Mutex<Vec<String>>,
    files: Instance,
}

impl Deref for Member {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.files
    }
}

impl Member {
    /// Its files; nothing runs yet. Jobs run as soon as they are written, and then never by
    /// themselves while a test takes place.
    pub(super) fn new(name: &str, authority: &Authority) -> Self {
        Self::at(name, authority, Address::claim())
    }

    /// The same at this address.
    pub(super) fn at(name: &str, authority: &Authority, home: Address) -> Self {
        let address = home.with_port();
        let member = Self {
            name: name.to_owned(),
            home,
            address,
            trust: authority.client(),
            process: Mutex::new(None),
            within: Mutex::default(),
            files: Instance::new(""),
        };
        std::fs::create_dir(member.path("tls")).unwrap();
        member.renew(authority);
        std::fs::write(member.path("etc/ca.pem"), authority.pem()).unwrap();
        member.write_as_is(
            "base.toml",
            &format!(
                "[instance]\nname = \"{name}\"\nurl = \"{}\"\ntimezone = \"Europe/Paris\"\n\
                 state_dir = \"../state\"\npublish_dir = \"../public\"\ncontrol_socket = \"../control.sock\"\n\
                 listen = [\"{address}\"]\ntls = {{ cert = \"../tls/cert.pem\", key = \"../tls/key.pem\" }}\n\
                 [defaults]\nschedule = \"0 2 1 1 *\"\nretention = {{ mode = \"count\", value = 7 }}\nlocation = \"main\"\n\
                 [location.main]\npath = \"../archives\"\nmin_free = \"1 MiB\"\n\
                 [location.received]\npath = \"../received\"\nmin_free = \"1 MiB\"\n",
                member.url()
            ),
        );
        member
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its base URL, which the certificate is for.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that its certificate is for, with ports that are still free.
    pub(crate) fn home(&self) -> &Address {
        &self.home
    }

    /// Gives it another certificate of this authority; its SHA-256 in hex, for `pin`. A running
    /// daemon takes note of it by itself.
    pub(crate) fn renew(&self, authority: &Authority) -> String {
        authority.certify(self.address.ip(), &self.path("tls"))
    }

    /// Writes a file of the configuration, which must be right as a whole, and waits until a
    /// running daemon has it in force.
    #[track_caller]
    pub(crate) fn write(&self, name: &str, toml: &str) {
        self.write_as_is(name, toml);
        self.apply();
    }

    /// Writes a file of the configuration, right or wrong, and waits for nothing.
    pub(crate) fn write_as_is(&self, name: &str, toml: &str) {
        let path = self.path("etc").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, toml).unwrap();
    }

    /// Removes a file of the configuration, and waits as [`Member::write`].
    #[track_caller]
    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path("etc").join(name)).unwrap();
        self.apply();
    }

    /// Waits until a running daemon has in force what is written.
    #[track_caller]
    pub(crate) fn apply(&self) {
        let dir = self.path("etc");
        let (files, mut found) = config::read_dir(&dir).unwrap();
        found.extend(config::parse(&files, &dir).diagnostics);
        found.retain(|diagnostic| diagnostic.severity == Severity::Error);
        assert!(found.is_empty(), "{}: {}", self.name, config::render(&found, false));
        if !self.is_running() {
            return;
        }
        self.control(&Request::post("/api/v1/config/reload", super::http::Body::Empty)).ok(202);
        let hash = files.hash();
        self.wait("the configuration is in force", || {
            let config = &self.health()["config"];
            assert!(config["hash"] != *hash || config["valid"] == true, "{config}");
            config["hash"] == *hash
        });
    }

    /// Writes a job of a small tree of files, which is made where there is none, with more keys.
    #[track_caller]
    pub(crate) fn job(&self, name: &str, more: &str) {
        let source = format!("src/{name}");
        if !self.path(&source).exists() {
            self.tree(&source, 5, 1000);
        }
        let file = format!("jobs/{name}.toml");
        let head =
            format!("[job.{name}]\ntype = \"custom_dir\"\nsource_path = \"../../{source}\"\n");
        self.write(&file, &format!("{head}{more}\n"));
    }

    /// Fills a directory with this many files of this many bytes each.
    pub(crate) fn tree(&self, dir: &str, files: usize, bytes: usize) {
        for number in 0..files {
            let seed = u8::try_from(number % 251).unwrap();
            self.source(&format!("{dir}/{number}.bin"), &sample::content(seed, bytes));
        }
    }

    /// Makes a token of the API with these scopes, and waits until it is known.
    #[track_caller]
    pub(crate) fn token(&self, name: &str, scopes: &[&str]) -> String {
        let token = new_token();
        let hash = hash_of(&token);
        self.write(
            &format!("tokens/{name}.toml"),
            &format!("[token.{name}]\nhash = \"{hash}\"\nscopes = {scopes:?}\n"),
        );
        token
    }

    /// The token that it shows to a peer.
    pub(crate) fn token_for(&self, peer: &str) -> String {
        std::fs::read_to_string(self.path("etc/secrets").join(peer)).unwrap()
    }

    /// The files that are not hidden in what it keeps for a peer.
    pub(crate) fn keeps_for(&self, peer: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("received").join(peer)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    /// Asks over the network.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request<'_>) -> Answer {
        self.ask_at(self.address, request).unwrap()
    }

    /// The same, by way of another address that leads to it.
    pub(crate) fn ask_at(
        &self,
        address: SocketAddr,
        request: &Request<'_>,
    ) -> std::io::Result<Answer> {
        let name = ServerName::from(self.address.ip());
        let session = ClientConnection::new(Arc::clone(&self.trust), name).unwrap();
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        request.send(StreamOwned::new(session, stream))
    }

    /// Asks over the network, with a token or without.
    #[track_caller]
    pub(crate) fn get<'a>(&self, path: &'a str, token: impl Into<Option<&'a str>>) -> Answer {
        self.ask(&Request { token: token.into(), ..Request::get(path) })
    }

    /// Asks over the control socket, with all rights.
    #[track_caller]
    pub(crate) fn control(&self, request: &Request<'_>) -> Answer {
        self.try_control(request).unwrap()
    }

    fn try_control(&self, request: &Request<'_>) -> std::io::Result<Answer> {
        let stream = UnixStream::connect(self.path("control.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        request.send(stream)
    }

    /// The JSON of something over the control socket.
    #[track_caller]
    pub(crate) fn control_get(&self, path: &str) -> Value {
        self.control(&Request::get(path)).ok(200)
    }

    #[track_caller]
    pub(crate) fn health(&self) -> Value {
        self.control_get("/api/v1/health")
    }

    /// Waits until nothing runs, nothing is queued, and the plan wants nothing more now.
    #[track_caller]
    pub(crate) fn settled(&self) {
        self.control(&Request::get("/api/v1/settled")).ok(204);
    }

    /// From its next start on, the daemon is run by this program, which becomes it: the words that
    /// stand before the command.
    pub(crate) fn run_by(&self, words: Vec<String>) {
        *self.within.lock().unwrap() = words;
    }

    fn within(&self, command: Command) -> Command {
        let words = self.within.lock().unwrap();
        let [program, words @ ..] = words.as_slice() else { return command };
        let mut outer = Command::new(program);
        outer.args(words).arg(command.get_program()).args(command.get_args());
        outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outer.stdin(Stdio::null());
        outer
    }

    /// Starts the daemon and waits until it answers.
    #[track_caller]
    pub(crate) fn start(&self) {
        self.launch();
        self.wait_until_ready();
    }

    /// Starts the daemon and does not wait.
    pub(crate) fn launch(&self) {
        let mut process = self.process();
        assert!(process.is_none(), "{} runs already", self.name);
        let mut log = std::fs::OpenOptions::new();
        let log = log.create(true).append(true).open(self.path("daemon.log")).unwrap();
        let mut command = self.within(self.command(&["daemon"]));
        *process = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    #[track_caller]
    pub(super) fn wait_until_ready(&self) {
        self.wait("the daemon answers", || {
            let ended = self.process().as_mut().and_then(|child| child.try_wait().unwrap());
            assert_eq!(ended, None, "the daemon of {} ended\n{}", self.name, self.log());
            // It listens on the network first.
            self.try_control(&Request::get("/api/v1/health")).is_ok()
        });
    }

    /// Ends the daemon with SIGTERM, which must be a good end.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.signal(Signal::TERM);
        let mut ended: Option<ExitStatus> = None;
        self.wait("the daemon ends", || {
            ended = self.process().as_mut().unwrap().try_wait().unwrap();
            ended.is_some()
        });
        *self.process() = None;
        let ended = ended.unwrap();
        assert!(ended.success(), "{} ended with {ended}\n{}", self.name, self.log());
    }

    /// Kills the daemon with SIGKILL. Harmless when none runs.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.process().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    #[track_caller]
    pub(crate) fn restart(&self) {
        self.stop();
        self.start();
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let process = self.process();
        let child = process.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name));
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Whether a daemon was started that nobody ended.
    pub(crate) fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// What the daemon logged, over all its starts.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.path("daemon.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- the last words of {}\n{}", self.name, last.join("\n"));
        }
    }
}

/// A token of 256 bits.
pub(crate) fn new_token() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    larder::model::archive::Sha256(bytes).to_string()
}

/// What of a token stands in a configuration.
pub(crate) fn hash_of(token: &str) -> String {
    TokenHash::Sha256(sha2::Sha256::digest(token).into()).to_string()
}

/// A file that nobody else can read, with its directory.
pub(crate) fn write_secret(path: &Path, text: &str) {
    let mut dir = std::fs::DirBuilder::new();
    dir.recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
    // A new file, whatever the rights of an earlier one.
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
