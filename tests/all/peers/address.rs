//! Addresses of this host that nobody else uses: all of 127/8 is ours.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use tokio::net::TcpSocket;

/// An address that is ours until this is dropped, also against other processes that run tests.
#[derive(Debug)]
pub(crate) struct Address {
    ip: Ipv4Addr,
    next_port: AtomicU16,
    /// A name that exists once in a network, as the address itself; the kernel takes it back.
    /// None is needed in a network of a test's own.
    claim: Option<UnixDatagram>,
}

/// From 127.16.0.0 to 127.239.255.255.
const FIRST: u32 = 0x7f10_0000;
const NUMBER: u32 = 0xe0_0000;

/// Ports that the kernel gives nobody by itself: what stops and starts again finds its own free.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

impl Address {
    pub(crate) fn claim() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..10_000 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let bits = std::process::id().wrapping_mul(256).wrapping_add(number) % NUMBER;
            let ip = Ipv4Addr::from_bits(FIRST + bits);
            let name = UnixAddr::from_abstract_name(format!("larder-test-{ip}")).unwrap();
            if let Ok(claim) = UnixDatagram::bind_addr(&name) {
                let next_port = AtomicU16::new(PORTS.start);
                return Self { ip, next_port, claim: Some(claim) };
            }
        }
        panic!("no address of 127/8 is free");
    }

    /// An address of a network that nobody else is in.
    pub(super) fn inside(ip: Ipv4Addr) -> Self {
        Self { ip, next_port: AtomicU16::new(PORTS.start), claim: None }
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// A port of this address that nobody has, and that was not given out before.
    pub(crate) fn with_port(&self) -> SocketAddr {
        loop {
            let port = self.next_port.fetch_add(1, Ordering::Relaxed);
            assert!(PORTS.contains(&port), "no port of {} is free", self.ip);
            let address = SocketAddr::from((self.ip, port));
            if self.claim.is_none() {
                return address;
            }
            // It must not listen: a process that another thread starts meanwhile holds it as well,
            // until it is the program that it is to be.
            let probe = TcpSocket::new_v4().unwrap();
            probe.set_reuseaddr(true).unwrap();
            if probe.bind(address).is_ok() {
                return address;
            }
        }
    }
}
