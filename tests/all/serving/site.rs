//! A server in this process with routes that misbehave on purpose, and raw clients for it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::body::Frame;
use larder::api::access::Remote;
use larder::api::serve::{Limits, Rate, Server, harden};
use larder::model::desired::{Listen, Tls};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Limits that are quickly reached.
pub(crate) fn impatient() -> Limits {
    let rate = Rate { bytes: 1000, window: Duration::from_millis(400) };
    Limits {
        head: Duration::from_millis(400),
        body: rate,
        response: rate,
        grace: Duration::from_mins(5),
        ..Limits::network()
    }
}

/// Limits that no test waits for.
pub(crate) fn patient() -> Limits {
    let rate = Rate { bytes: 1, window: Duration::from_mins(5) };
    Limits { head: Duration::from_mins(5), body: rate, response: rate, ..impatient() }
}

/// A server with a runtime of its own.
pub(crate) struct Site {
    runtime: Runtime,
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    /// Answers that are being sent, and handlers that wait.
    pub(crate) open: Arc<AtomicUsize>,
}

impl Site {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::with(limits, None)
    }

    pub(crate) fn with(limits: Limits, tls: Option<&Tls>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let mut server = Server::new(harden(router(&open)), limits);
        let anywhere = Listen::Tcp((Ipv4Addr::LOCALHOST, 0).into());
        let troubles = runtime.block_on(server.listen(&[anywhere], tls));
        assert!(troubles.is_empty(), "{troubles:?}");
        let address = server.listening()[0].parse().unwrap();
        Self { runtime, server: Some(server), address, open }
    }

    /// Listens with these files, as after a reload; how many things went wrong.
    pub(crate) fn reload(&mut self, tls: Option<&Tls>) -> usize {
        let anywhere = Listen::Tcp((Ipv4Addr::LOCALHOST, 0).into());
        let server = self.server.as_mut().unwrap();
        self.runtime.block_on(server.listen(&[anywhere], tls)).len()
    }

    pub(crate) fn client(&self) -> Client {
        self.client_from([127, 0, 0, 1])
    }

    /// A client with an address of its own: all of 127/8 is ours.
    pub(crate) fn client_from(&self, address: [u8; 4]) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::from(address), 0).into()).unwrap();
        let stream = self.runtime.block_on(socket.connect(self.address)).unwrap();
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        Client::new(stream)
    }

    /// Ends the server in the background.
    pub(crate) fn end(&mut self) -> Ending {
        let begun = Instant::now();
        let task = self.runtime.spawn(self.server.take().unwrap().shutdown());
        Ending { handle: self.runtime.handle().clone(), task, begun }
    }
}

/// A server that is ending.
pub(crate) struct Ending {
    handle: tokio::runtime::Handle,
    task: tokio::task::JoinHandle<()>,
    begun: Instant,
}

impl Ending {
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for it; how long it took in all.
    pub(crate) fn wait(self) -> Duration {
        self.handle.block_on(async {
            tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
        });
        self.begun.elapsed()
    }
}

/// A raw client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends, whatever the other side thinks of it.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Everything until the other side closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut bytes = [0; 8192];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => all.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("the connection is still open: {error}"),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// One answer with a `Content-Length`; empty when there was none.
    pub(crate) fn answer(&mut self) -> String {
        let mut all = Vec::new();
        let mut byte = [0];
        while !all.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => all.push(byte[0]),
                Ok(_) => return String::new(),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return String::new();
                }
                Err(error) => panic!("no answer: {error}"),
            }
        }
        let head = String::from_utf8(all).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body).unwrap();
        head + &String::from_utf8_lossy(&body)
    }

    /// Asks for something small; whether it was answered well.
    pub(crate) fn ask(&mut self, path: &str) -> bool {
        self.try_send(format!("GET {path} HTTP/1.1\r\nhost: larder\r\n\r\n"))
            && self.answer().starts_with("HTTP/1.1 200 ")
    }
}

/// Counts what is under way.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A body without an end: as fast as it is taken, or silent after its first words.
struct Endless {
    is_silent: bool,
    has_begun: bool,
    _counted: Counted,
}

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.is_silent && std::mem::replace(&mut self.has_begun, true) {
            return Poll::Pending;
        }
        let bytes =
            if self.is_silent { b"data: x\n\n".as_slice() } else { [b'x'; 8192].as_slice() };
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(bytes)))))
    }
}

fn router(open: &Arc<AtomicUsize>) -> Router {
    let endless = |is_silent| {
        let open = Arc::clone(open);
        move || async move {
            Body::new(Endless { is_silent, has_begun: false, _counted: Counted::new(&open) })
        }
    };
    let (large, events) = (endless(false), endless(true));
    let waits = {
        let open = Arc::clone(open);
        move || async move {
            let _counted = Counted::new(&open);
            std::future::pending::<()>().await;
        }
    };
    let read = |body: Bytes| async move { body.len().to_string() };
    Router::new()
        .route("/quick", get(|| async { "ok" }))
        .route("/read", post(read))
        .route("/read/more", post(read).layer(DefaultBodyLimit::max(3 << 20)))
        .route("/ignore", post(|| async { "ignored" }))
        .route("/large", get(large))
        .route("/events", get(async || ([(CONTENT_TYPE, "text/event-stream")], events().await)))
        .route("/waits", get(waits))
        .route("/panics", get(panics))
        .route("/who", get(async |Extension(remote): Extension<Remote>| format!("{remote:?}")))
}

async fn panics() {
    panic!("the secret is hunter2");
}
