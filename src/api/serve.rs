//! Everything that accepts connections: TCP, the proxy's socket, the control socket.
//!
//! HTTP/1.1 only. Nobody who is slow, silent or many keeps others from being answered: every wait
//! for a client has an end ([`Limits`]), and when all slots are taken a connection on which no
//! request is under way makes room ([`slots`]). What two programs could read differently is refused
//! before it is parsed ([`heads`]).
//!
//! **Invariant:** this is the only module that hands a connection to hyper.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::task::TaskTracker;

use crate::stop::{Stop, Stopped};

mod accept;
mod body;
mod certificate;
mod connection;
mod harden;
mod heads;
mod line;
mod network;
mod pace;
mod slots;
mod unix;

pub(super) use accept::{Door, accept};
pub(super) use harden::as_of_a_stranger;
pub use harden::{BODY_CEILING, BODY_MAX, harden, read_of_a_stranger};
pub use network::{ListenError, Server, follow};
pub(super) use unix::SocketFile;

use slots::Slots;

/// How patient a server is, and with how many at once.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address (a /64 of IPv6).
    pub per_address: usize,
    /// For the TLS handshake, for the headers of a request, and between two requests.
    pub head: Duration,
    /// How fast a request's body must come while it is waited for.
    pub body: Rate,
    /// How fast a response must be taken while it waits to be sent.
    pub response: Rate,
    /// For what is under way when the server ends.
    pub grace: Duration,
    /// How often certificates, and addresses that could not be had, are looked at again.
    pub look: Duration,
}

/// So many bytes within each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The least that must move within a window.
    pub bytes: u64,
    /// Its length.
    pub window: Duration,
}

impl Rate {
    /// No demand.
    pub const ANY: Self = Self { bytes: 0, window: Duration::from_hours(24) };
}

impl Limits {
    /// What the open internet gets.
    #[must_use]
    pub fn network() -> Self {
        Self {
            connections: 256,
            per_address: 32,
            head: Duration::from_secs(10),
            body: Rate { bytes: 30 * 1024, window: Duration::from_secs(30) },
            // Longer, since the kernel tells late that a large buffer is being emptied slowly.
            response: Rate { bytes: 60 * 1024, window: Duration::from_mins(1) },
            grace: Duration::from_secs(5),
            look: Duration::from_secs(5),
        }
    }

    /// What administrators of this host get: a pager may stop the answer for as long as it likes.
    #[must_use]
    pub(super) fn local() -> Self {
        let grace = Duration::from_secs(3);
        Self { body: Rate::ANY, response: Rate::ANY, grace, ..Self::network() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::network()
    }
}

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Site {
    router: Router,
    limits: Limits,
    slots: Arc<Slots>,
    connections: TaskTracker,
    /// Cuts off what is still open.
    cut: Stop,
}

impl Site {
    pub(super) fn new(router: Router, limits: Limits) -> Self {
        Self {
            router,
            slots: Arc::new(Slots::new(limits.connections, limits.per_address)),
            limits,
            connections: TaskTracker::new(),
            cut: Stop::new(),
        }
    }

    /// Waits for what is under way, and cuts off what takes too long. To be called when nothing
    /// more is accepted and every connection was asked to end.
    pub(super) async fn drain(&self) {
        self.connections.close();
        if tokio::time::timeout(self.limits.grace, self.connections.wait()).await.is_err() {
            tracing::debug!(connections = self.connections.len(), "connections are cut off");
            self.cut.request(Stopped::Shutdown);
            self.connections.wait().await;
        }
    }
}

/// Whose connection it is, as far as limits go: a host has one IPv4 address or a /64.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_one_host_has() {
        let of = |text: &str| origin(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn what_the_open_internet_gets_is_what_is_promised() {
        let limits = Limits::default();
        assert_eq!((limits.connections, limits.per_address), (256, 32));
        assert_eq!(limits.head, Duration::from_secs(10));
        assert_eq!(limits.body.bytes / limits.body.window.as_secs(), 1024);
    }
}
