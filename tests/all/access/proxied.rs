//! Behind a proxy: who guesses there, and who is slow, holds up nobody else.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder::api::serve::{Limits, Server};
use larder::dashboard;
use larder::model::desired::Listen;

use super::*;
use crate::support::wait_for;

const HEALTH: &str = "GET /api/v1/health HTTP/1.1";
const LOGIN: &str = "POST /ui/login HTTP/1.1";
const PAIRING: &str = "POST /api/v1/pairing HTTP/1.1";

/// An instance with its page behind a proxy's socket.
struct Proxied {
    handle: Handle,
    server: Server,
    socket: PathBuf,
}

impl Proxied {
    async fn start(instance: &Instance, limits: Limits) -> Self {
        let config_dir = instance.path("etc");
        let options = Options { config_dir, autonomy: Autonomy::Daemon, only: Vec::new() };
        let handle = Engine::start(options).await.unwrap();
        let gate = Arc::new(Gate::new());
        let api = api::network(handle.clone(), Arc::clone(&gate));
        let mut server = Server::new(dashboard::around(api, handle.clone(), gate), limits);
        let socket = instance.path("web.sock");
        let troubles = server.listen(&[Listen::Unix(socket.clone())], None).await;
        assert!(troubles.is_empty(), "{troubles:?}");
        Self { handle, server, socket }
    }

    async fn end(self) {
        self.server.shutdown().await;
        self.handle.shutdown().await;
    }

    /// The status of an answer to a request that a proxy passes on, with these lines of a header.
    async fn ask(&self, forwarded: &'static [&str], token: &str) -> u16 {
        let lines = forwarded.iter().map(|line| format!("x-forwarded-for: {line}\r\n"));
        let lines: String = lines.collect();
        let request = format!(
            "{HEALTH}\r\nhost: x\r\nx-backupmanager-key: {token}\r\n{lines}connection: close\r\n\r\n"
        );
        let socket = self.socket.clone();
        tokio::task::spawn_blocking(move || {
            let mut stream = connect(&socket);
            stream.write_all(request.as_bytes()).unwrap();
            status(&mut stream)
        })
        .await
        .unwrap()
    }
}

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// The status of the answer, after which the connection closes; 0 without one.
fn status(stream: &mut UnixStream) -> u16 {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

/// Begins a request and does not go on.
fn begin(socket: &Path, line: &str, address: &str, length: usize) -> UnixStream {
    let mut stream = connect(socket);
    let head = format!(
        "{line}\r\nhost: x\r\nsec-fetch-site: same-origin\r\nx-forwarded-for: {address}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_behind_a_proxy_uses_up_his_own_patience_only() {
    let instance = Instance::new("");
    instance.write("right.toml", &table("right", &sha256("right"), &["status"]));
    let served = Proxied::start(&instance, Limits::network()).await;
    // What stands before the proxy's word, the stranger wrote.
    let stranger: &[&str] = &["198.51.100.1, 203.0.113.9"];
    let mut last = 0;
    for number in 0..30 {
        last = served.ask(stranger, &format!("guess-{number}")).await;
    }
    assert_eq!(last, 429);
    assert_eq!(served.ask(&["198.51.100.2", "203.0.113.9"], "wrong").await, 429);
    // Others have their own, the address that he claimed to be among them.
    for other in [&["198.51.100.1"][..], &["2001:db8::1"], &[], &["nonsense"]] {
        assert_eq!(served.ask(other, "wrong").await, 401, "{other:?}");
    }
    // Where the proxy says nothing, all share one; a right token is let in all the same.
    for number in 0..30 {
        last = served.ask(&[], &format!("guess-{number}")).await;
    }
    assert_eq!((last, served.ask(&["unix:"], "wrong").await), (429, 429));
    for everybody in [&[][..], stranger] {
        assert_eq!(served.ask(everybody, "right").await, 200);
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_login_or_an_offer_slowly_is_cut_off_soon() {
    let instance = Instance::new("");
    let served = Proxied::start(&instance, Limits::network()).await;
    let begun = Instant::now();
    let slow = |line: &'static str, address: &'static str| {
        let socket = served.socket.clone();
        tokio::task::spawn_blocking(move || {
            let mut stream = begin(&socket, line, address, 10_000);
            let mut drips = stream.try_clone().unwrap();
            std::thread::scope(|scope| {
                // Faster than what a body must come at, until it is cut off.
                scope.spawn(move || {
                    while drips.write_all(&[b'x'; 250]).is_ok() {
                        std::thread::park_timeout(Duration::from_millis(400));
                    }
                });
                let status = status(&mut stream);
                drop(stream.shutdown(std::net::Shutdown::Both));
                status
            })
        })
    };
    let all = [slow(LOGIN, "203.0.113.1"), slow(PAIRING, "203.0.113.2")];
    for one in all {
        assert_eq!(one.await.unwrap(), 408);
    }
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&took), "{took:?}");
    // What is too long is not read.
    for line in [LOGIN, PAIRING] {
        let socket = served.socket.clone();
        let large = tokio::task::spawn_blocking(move || {
            let mut stream = begin(&socket, line, "203.0.113.3", 20_000);
            let _ = stream.write_all(&vec![b'x'; 20_000]);
            status(&mut stream)
        });
        assert_eq!(large.await.unwrap(), 413, "{line}");
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_many_requests_open_behind_a_proxy_keeps_only_his_share() {
    let instance = Instance::new("");
    instance.write("right.toml", &table("right", &sha256("right"), &["status"]));
    let served = Proxied::start(&instance, Limits { per_address: 3, ..Limits::network() }).await;
    let open: Vec<_> = (0..3).map(|_| begin(&served.socket, LOGIN, "203.0.113.1", 100)).collect();
    let mut refused = false;
    wait_for("the share is used up", || {
        let socket = served.socket.clone();
        let mut one = begin(&socket, HEALTH, "203.0.113.1", 0);
        refused = status_of_head(&mut one) == 503;
        refused
    });
    assert_eq!(served.ask(&["203.0.113.1"], "right").await, 503);
    assert_eq!(served.ask(&["203.0.113.2"], "right").await, 200);
    assert_eq!(served.ask(&[], "right").await, 200);
    drop(open);
    served.end().await;
}

/// The status of an answer whose connection may stay open.
fn status_of_head(stream: &mut UnixStream) -> u16 {
    let mut head = [0; 12];
    if stream.read_exact(&mut head).is_err() {
        return 0;
    }
    String::from_utf8_lossy(&head[9..]).parse().unwrap()
}
