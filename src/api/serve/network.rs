//! The listeners that the configuration asks for, as it changes.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use super::certificate::Certificate;
use super::{Door, Limits, Site, SocketFile, accept};
use crate::api::access::Remote;
use crate::config::CertificateError;
use crate::engine::{Event, Handle, Listening};
use crate::model::desired::{Listen, Tls};
use crate::stop::{Stop, Stopped};

/// Whom a proxy's socket is for: a group without any right, and where it is not there the
/// administrators'.
const PROXY_GROUPS: [&str; 2] = ["larder-web", "larder"];
/// How many connections the kernel keeps until they are accepted.
const BACKLOG: u32 = 1024;
/// Below it a port takes a right of its own.
const FIRST_FREE_PORT: u16 = 1024;

/// Why something is not listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address or a socket that cannot be had.
    #[error("cannot listen on `{}`", Shown(listen))]
    Bind {
        /// Which.
        listen: Listen,
        /// Why.
        source: io::Error,
    },
    /// Plain text beyond this host.
    #[error("`{0}` is beyond loopback, and there is no certificate for it")]
    Plain(SocketAddr),
    /// A certificate that cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl ListenError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Bind { listen, source } => match (source.kind(), listen) {
                (io::ErrorKind::AddrInUse, _) => {
                    "another program listens there; `ss -lpn` shows which"
                }
                (io::ErrorKind::AddrNotAvailable, _) => {
                    "no interface of this host has this address; `ip address` shows those it has"
                }
                (io::ErrorKind::PermissionDenied, Listen::Tcp(address))
                    if address.port() < FIRST_FREE_PORT =>
                {
                    "a port below 1024 needs `CapabilityBoundingSet=CAP_NET_BIND_SERVICE` in a \
                     drop-in of larder.service"
                }
                (io::ErrorKind::AlreadyExists, _) => {
                    "something that is no socket is in its place: move it away"
                }
                _ => "change `listen` in `[instance]`",
            },
            Self::Plain(_) => {
                "add `tls = { cert = …, key = … }`, or listen on 127.0.0.1 behind a proxy"
            }
            Self::Certificate(error) => error.hint(),
        }
    }

    /// All of it in one line, causes included.
    fn line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }
}

/// A place to listen as it is written.
struct Shown<'a>(&'a Listen);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Serves a router wherever it is asked to.
#[derive(Debug)]
pub struct Server {
    site: Arc<Site>,
    certificate: Certificate,
    open: Vec<Open>,
    stop: Stop,
}

/// A listener and its accept loop.
#[derive(Debug)]
struct Open {
    listen: Listen,
    is_tls: bool,
    is_v6_only: bool,
    /// Where it really is: port 0 means any.
    shown: String,
    stop: Stop,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Nothing is listened on yet.
    #[must_use]
    pub fn new(router: Router, limits: Limits) -> Self {
        Self {
            site: Arc::new(Site::new(router, limits)),
            certificate: Certificate::default(),
            open: Vec::new(),
            stop: Stop::new(),
        }
    }

    /// Listens on exactly these, with this certificate, and says what cannot be had. What was
    /// listened on and is not wanted any more is closed; requests that are under way there end. A
    /// certificate whose files have changed is read again; one that cannot be used leaves the old
    /// one in force.
    pub async fn listen(&mut self, wanted: &[Listen], tls: Option<&Tls>) -> Vec<ListenError> {
        let unusable = self.certificate.renew(tls).await;
        let mut troubles: Vec<ListenError> = unusable.map(Into::into).into_iter().collect();
        let is_tls = tls.is_some();
        let mut closed = Vec::new();
        for open in std::mem::take(&mut self.open) {
            let is_same = matches!(open.listen, Listen::Unix(_))
                || (open.is_tls, open.is_v6_only) == (is_tls, is_v6_only(&open.listen, wanted));
            if wanted.contains(&open.listen) && is_same && !open.accepting.is_finished() {
                self.open.push(open);
            } else {
                open.stop.request(Stopped::Cancelled);
                closed.push(open);
            }
        }
        // What is closed may be in the way of what is opened.
        for open in closed {
            let _ = open.accepting.await;
            tracing::info!(address = %open.shown, "no longer listening");
        }
        for listen in wanted {
            if self.open.iter().any(|open| open.listen == *listen) {
                continue;
            }
            match self.bind(listen, wanted, is_tls).await {
                Ok(Some(open)) => {
                    tracing::info!(address = %open.shown, tls = open.is_tls, "listening");
                    self.open.push(open);
                }
                // The certificate was told already.
                Ok(None) => {}
                Err(error) => troubles.push(error),
            }
        }
        troubles
    }

    async fn bind(
        &self,
        listen: &Listen,
        wanted: &[Listen],
        is_tls: bool,
    ) -> Result<Option<Open>, ListenError> {
        let failed = |source| ListenError::Bind { listen: listen.clone(), source };
        let (door, file) = match listen {
            Listen::Tcp(address) => {
                if !is_tls && !address.ip().is_loopback() {
                    return Err(ListenError::Plain(*address));
                }
                if is_tls && self.certificate.current().load().is_none() {
                    return Ok(None);
                }
                let listener = bind_tcp(*address, is_v6_only(listen, wanted)).map_err(failed)?;
                let tls = is_tls.then(|| Arc::clone(self.certificate.current()));
                (Door::Tcp { listener, tls }, None)
            }
            Listen::Unix(path) => {
                let (listener, file) =
                    SocketFile::bind(path, &PROXY_GROUPS, 0o660).await.map_err(failed)?;
                let admits = |_: &UnixStream| true;
                (Door::Unix { listener, admits, remote: Some(Remote::Proxy(None)) }, Some(file))
            }
        };
        let shown = door.address().map_or_else(|| Shown(listen).to_string(), |at| at.to_string());
        let stop = self.stop.child();
        let accepting = tokio::spawn({
            let (site, stop) = (Arc::clone(&self.site), stop.clone());
            async move {
                accept(door, site, stop).await;
                drop(file);
            }
        });
        let is_tls = is_tls && matches!(listen, Listen::Tcp(_));
        let is_v6_only = is_v6_only(listen, wanted);
        Ok(Some(Open { listen: listen.clone(), is_tls, is_v6_only, shown, stop, accepting }))
    }

    /// Where it listens, as addresses and `unix:` paths.
    #[must_use]
    pub fn listening(&self) -> Vec<String> {
        self.open.iter().map(|open| open.shown.clone()).collect()
    }

    /// Accepts nothing more, lets requests that are under way end for a while, and cuts off the rest.
    pub async fn shutdown(self) {
        self.stop.request(Stopped::Shutdown);
        for open in self.open {
            let _ = open.accepting.await;
        }
        self.site.drain().await;
    }
}

/// `[::]` takes the addresses of IPv4 as well, unless they are asked for beside it.
fn is_v6_only(listen: &Listen, wanted: &[Listen]) -> bool {
    let Listen::Tcp(address) = listen else { return false };
    let beside = Listen::Tcp((Ipv4Addr::UNSPECIFIED, address.port()).into());
    address.is_ipv6() && wanted.contains(&beside)
}

fn bind_tcp(address: SocketAddr, is_v6_only: bool) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            rustix::net::sockopt::set_ipv6_v6only(&socket, is_v6_only)?;
            socket
        }
    };
    // Connections of a daemon that has just ended must not keep the next one from its address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Keeps a server at what the configuration in force asks for, until asked to stop; then shuts it
/// down. What goes wrong is told in the view, once in the log, and tried again.
pub async fn follow(mut server: Server, handle: Handle, stop: Stop) {
    let look = server.site.limits.look;
    let mut events = handle.subscribe();
    let mut told: Option<Listening> = None;
    loop {
        let view = handle.view();
        let instance = &view.desired.instance;
        let troubles = server.listen(&instance.listen, instance.tls.as_ref()).await;
        let now = Listening {
            addresses: server.listening(),
            problems: troubles.iter().map(ListenError::line).collect(),
        };
        if told.as_ref() != Some(&now) {
            for trouble in &troubles {
                let line = trouble.line();
                if !told.as_ref().is_some_and(|told| told.problems.contains(&line)) {
                    tracing::error!(hint = trouble.hint(), "{line}; it is tried again");
                }
            }
            handle.set_listening(now.clone());
            told = Some(now);
        }
        drop(view);
        tokio::select! {
            // An event that is lost with the wait is covered by the next look.
            _ = tokio::time::timeout(look, next_view(&mut events)) => {}
            // Waits for a flag that stays set.
            _ = stop.requested() => break,
        }
    }
    server.shutdown().await;
    handle.set_listening(Listening::default());
}

async fn next_view(events: &mut tokio::sync::broadcast::Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(Event::View) | Err(RecvError::Lagged(_)) => return,
            Ok(Event::Run(_) | Event::Progress(..)) => {}
            Err(RecvError::Closed) => std::future::pending::<()>().await,
        }
    }
}
