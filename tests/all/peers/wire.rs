//! A wire to an instance: it passes on every byte, counts, and is slow, silent or cut when told.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::address::Address;
use super::member::Member;
use crate::support::wait_for;

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From who connects to who is at the other end.
    There,
    /// The answers.
    Back,
}

/// A wire; all its connections break when it is dropped.
pub(crate) struct Wire {
    runtime: Option<Runtime>,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    terms: Mutex<Terms>,
    /// How often it was cut.
    cuts: watch::Sender<u64>,
    is_stalled: watch::Sender<bool>,
    is_refused: watch::Sender<bool>,
    is_listening: AtomicBool,
    connections: AtomicU64,
    passed: [AtomicU64; 2],
}

struct Terms {
    /// Bytes a second in each direction.
    rate: Option<u64>,
    /// When the next byte may pass.
    free_at: [Instant; 2],
    /// How many more bytes pass before it is cut.
    cut_after: [Option<u64>; 2],
}

/// The most that is passed on at once.
const PIECE: usize = 16 << 10;

impl Wire {
    /// A wire to a member, at the address that its certificate is for.
    pub(crate) fn to(member: &Member) -> Self {
        Self::between(member.home(), member.address())
    }

    /// A wire from a port of this address to whatever listens at the other one.
    pub(crate) fn between(home: &Address, target: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = home.with_port();
        let terms = Terms { rate: None, free_at: [Instant::now(); 2], cut_after: [None; 2] };
        let shared = Arc::new(Shared {
            target,
            terms: Mutex::new(terms),
            cuts: watch::channel(0).0,
            is_stalled: watch::channel(false).0,
            is_refused: watch::channel(false).0,
            is_listening: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
        });
        runtime.spawn(listen(Arc::clone(&shared), address));
        let wire = Self { runtime: Some(runtime), address, shared };
        wire.admit();
        wire
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the member behind it.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Breaks every connection now. New ones pass.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }

    /// Breaks every connection when this many more bytes have passed in one direction; once.
    pub(crate) fn cut_after(&self, way: Way, bytes: u64) {
        if bytes == 0 {
            self.cut();
        } else {
            self.shared.terms().cut_after[way as usize] = Some(bytes);
        }
    }

    /// How often it was cut.
    pub(crate) fn cuts(&self) -> u64 {
        *self.shared.cuts.borrow()
    }

    /// Passes this many bytes a second in each direction, whoever shares it; all that come with
    /// `None`.
    pub(crate) fn limit(&self, rate: Option<u64>) {
        let mut terms = self.shared.terms();
        (terms.rate, terms.free_at) = (rate, [Instant::now(); 2]);
    }

    /// Keeps every connection and passes nothing on.
    pub(crate) fn stall(&self) {
        self.shared.is_stalled.send_replace(true);
    }

    /// Passes on again what comes, and what came meanwhile.
    pub(crate) fn resume(&self) {
        self.shared.is_stalled.send_replace(false);
    }

    /// Refuses new connections. Those that are open stay.
    #[track_caller]
    pub(crate) fn refuse(&self) {
        self.shared.is_refused.send_replace(true);
        wait_for("nobody is let in", || !self.shared.is_listening.load(Ordering::SeqCst));
    }

    /// Lets new connections in again.
    #[track_caller]
    pub(crate) fn admit(&self) {
        self.shared.is_refused.send_replace(false);
        wait_for("the wire listens", || self.shared.is_listening.load(Ordering::SeqCst));
    }

    /// How many bytes have passed.
    pub(crate) fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also from within another runtime.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many of these bytes may pass, whether it is cut after them, and when the next may pass.
    fn take(&self, way: Way, bytes: usize) -> (usize, bool, Instant) {
        let mut terms = self.terms();
        let mut passing = bytes;
        let mut is_last = false;
        if let Some(left) = &mut terms.cut_after[way as usize] {
            passing = passing.min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= passing as u64;
            is_last = *left == 0;
        }
        if is_last {
            terms.cut_after[way as usize] = None;
        }
        let now = Instant::now();
        let takes = terms.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(passing as u64 * 1_000_000_000 / rate.max(1))
        });
        let free_at = terms.free_at[way as usize].max(now) + takes;
        terms.free_at[way as usize] = free_at;
        (passing, is_last, free_at)
    }

    /// How much is read at once: what passes in a twentieth of a second.
    fn piece(&self) -> usize {
        let rate = self.terms().rate.map(|rate| usize::try_from(rate / 20).unwrap_or(PIECE));
        rate.map_or(PIECE, |rate| rate.clamp(1, PIECE))
    }
}

async fn listen(shared: Arc<Shared>, address: SocketAddr) {
    let mut is_refused = shared.is_refused.subscribe();
    // An error means that the wire is gone.
    while is_refused.wait_for(|refused| !refused).await.is_ok() {
        let listener = TcpListener::bind(address).await.unwrap();
        shared.is_listening.store(true, Ordering::SeqCst);
        loop {
            // Neither loses anything when it is dropped.
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(carry(Arc::clone(&shared), stream));
                }
                _ = is_refused.wait_for(|refused| *refused) => break,
            }
        }
        // Not only dropped: a process that is just being started may hold it as well.
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
        drop(listener);
        shared.is_listening.store(false, Ordering::SeqCst);
    }
}

/// Serves one connection until both sides have said all, or the wire is cut.
async fn carry(shared: Arc<Shared>, mut near: TcpStream) {
    let mut cuts = shared.cuts.subscribe();
    let Ok(mut far) = TcpStream::connect(shared.target).await else {
        // As if nothing were there.
        let _ = near.set_zero_linger();
        return;
    };
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
    let both = async {
        tokio::try_join!(
            pump(&shared, Way::There, near_read, far_write),
            pump(&shared, Way::Back, far_read, near_write),
        )
    };
    // What is dropped half way is lost: that is what a cut is.
    let is_whole = tokio::select! {
        ended = both => ended.is_ok(),
        _ = cuts.changed() => false,
    };
    if !is_whole {
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// Passes on one direction to its end.
async fn pump(
    shared: &Shared,
    way: Way,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
) -> io::Result<()> {
    let mut bytes = [0; PIECE];
    let mut is_stalled = shared.is_stalled.subscribe();
    loop {
        let count = from.read(&mut bytes[..shared.piece()]).await?;
        let _ = is_stalled.wait_for(|stalled| !stalled).await;
        if count == 0 {
            return to.shutdown().await;
        }
        let (count, is_last, free_at) = shared.take(way, count);
        tokio::time::sleep_until(free_at.into()).await;
        to.write_all(&bytes[..count]).await?;
        shared.passed[way as usize].fetch_add(count as u64, Ordering::SeqCst);
        if is_last {
            shared.cut();
            // What follows is lost; this connection ends by the cut.
            return std::future::pending().await;
        }
    }
}
