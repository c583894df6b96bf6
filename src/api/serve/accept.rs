//! The accept loop, the same for every kind of listener.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::connection::talk;
use super::line::Line;
use super::slots::Slot;
use super::{Site, origin};
use crate::api::access::Remote;
use crate::stop::Stop;

/// How long to wait when no connection can be accepted (no descriptors left).
const BACK_OFF: Duration = Duration::from_millis(200);
/// What was sent must be acknowledged within this time: a client that vanished is not waited for.
const VANISHED: Duration = Duration::from_mins(1);

/// Something that is listened on.
#[derive(Debug)]
pub(in crate::api) enum Door {
    /// An address. With TLS, what the cell holds when a client comes.
    Tcp { listener: TcpListener, tls: Option<Arc<ArcSwapOption<ServerConfig>>> },
    /// A socket of this host, for whom `admits` lets in.
    Unix {
        listener: UnixListener,
        admits: fn(&UnixStream) -> bool,
        /// What requests are told of where they come from.
        remote: Option<Remote>,
    },
}

/// A connection that nobody has looked at yet.
enum Knock {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Door {
    async fn accept(&self) -> io::Result<Knock> {
        match self {
            Self::Tcp { listener, .. } => {
                let (stream, address) = listener.accept().await?;
                Ok(Knock::Tcp(stream, address.ip().to_canonical()))
            }
            Self::Unix { listener, .. } => {
                listener.accept().await.map(|(stream, _)| Knock::Unix(stream))
            }
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { listener, .. } => listener.local_addr().ok(),
            Self::Unix { .. } => None,
        }
    }
}

/// Accepts until asked to stop. Each connection is asked to end then as well, and goes on by itself.
pub(in crate::api) async fn accept(door: Door, site: Arc<Site>, stop: Stop) {
    let turned_away = AtomicU64::new(0);
    loop {
        // Dropping `accept` loses nothing: a connection stays in the backlog until it is taken.
        let knock = tokio::select! {
            knock = door.accept() => knock,
            _ = stop.requested() => return,
        };
        let knock = match knock {
            Ok(knock) => knock,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        if let Knock::Unix(stream) = &knock
            && let Door::Unix { admits, .. } = &door
            && !admits(stream)
        {
            continue;
        }
        let from = match &knock {
            Knock::Tcp(_, address) => Some(*address),
            Knock::Unix(_) => None,
        };
        let Some(slot) = site.slots.take(from.map(origin)) else {
            // The first, and then ever more rarely: what fills the slots must not fill the log.
            let number = turned_away.fetch_add(1, Ordering::Relaxed) + 1;
            if number.is_power_of_two() {
                tracing::warn!(
                    from = from.map(tracing::field::display),
                    number,
                    "too many connections: one is closed"
                );
            }
            continue;
        };
        match (knock, &door) {
            (Knock::Tcp(stream, address), Door::Tcp { tls, .. }) => {
                let config = tls.as_ref().and_then(|tls| tls.load_full());
                // Without a certificate to show there is nothing to say.
                if config.is_some() == tls.is_some() {
                    spawn_tcp(stream, address, config, slot, Arc::clone(&site), stop.clone());
                }
            }
            (Knock::Unix(stream), Door::Unix { remote, .. }) => {
                let (remote, site, stop) = (*remote, Arc::clone(&site), stop.clone());
                let connections = site.connections.clone();
                connections.spawn(async move {
                    let stream = Line::new(stream, site.limits.response, |_| {});
                    talk(stream, remote, &slot, &site, &stop).await;
                });
            }
            (Knock::Tcp(..), Door::Unix { .. }) | (Knock::Unix(_), Door::Tcp { .. }) => {}
        }
    }
}

fn spawn_tcp(
    stream: TcpStream,
    address: IpAddr,
    tls: Option<Arc<ServerConfig>>,
    slot: Slot,
    site: Arc<Site>,
    stop: Stop,
) {
    let _ = stream.set_nodelay(true);
    let vanished = u32::try_from(VANISHED.as_millis()).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, vanished);
    let remote = Some(Remote::Direct(address));
    let connections = site.connections.clone();
    connections.spawn(async move {
        let stream = Line::new(stream, site.limits.response, |stream| {
            let _ = stream.set_zero_linger();
        });
        let Some(tls) = tls else {
            return talk(stream, remote, &slot, &site, &stop).await;
        };
        let handshake =
            tokio::time::timeout(site.limits.head, TlsAcceptor::from(tls).accept(stream));
        // A handshake that is dropped was nobody's request yet.
        let stream = tokio::select! {
            shaken = handshake => shaken,
            _ = stop.requested() => return,
            () = slot.evicted() => return,
        };
        match stream {
            Ok(Ok(stream)) => talk(stream, remote, &slot, &site, &stop).await,
            Ok(Err(error)) => tracing::debug!(%error, %address, "no TLS with a client"),
            Err(_) => tracing::debug!(%address, "a client took too long for its TLS handshake"),
        }
    });
}
