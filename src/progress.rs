//! How far a run is: counters that the working thread moves and anybody may read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Counters of one run. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: AtomicU64,
    expected_bytes: AtomicU64,
    members: AtomicU64,
    phase: Mutex<&'static str>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes expected, 0 when nobody knows.
    pub expected_bytes: u64,
    /// Members done.
    pub members: u64,
    /// What is being done now, in one or two words.
    pub phase: &'static str,
}

impl Progress {
    /// Counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many bytes more are done.
    pub fn add_bytes(&self, bytes: u64) {
        self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One member more is done.
    pub fn add_member(&self) {
        self.inner.members.fetch_add(1, Ordering::Relaxed);
    }

    /// How many bytes there will be, as far as anybody knows.
    pub fn expect_bytes(&self, bytes: u64) {
        self.inner.expected_bytes.store(bytes, Ordering::Relaxed);
    }

    /// What is being done now, in one or two words.
    pub fn enter(&self, phase: &'static str) {
        *self.inner.phase.lock() = phase;
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            bytes: self.inner.bytes.load(Ordering::Relaxed),
            expected_bytes: self.inner.expected_bytes.load(Ordering::Relaxed),
            members: self.inner.members.load(Ordering::Relaxed),
            phase: *self.inner.phase.lock(),
        }
    }
}
