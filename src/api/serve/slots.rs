//! So many connections at once, and so many from one address.
//!
//! Where none is left, the connection makes room on which no request has been under way for longest:
//! whoever opens connections to keep them takes them from himself. A connection that does something
//! is never the one, and one that has only just begun is not either; then the new one is closed.
//! Connections of a proxy have no address; a request on one counts as its address's while it is
//! under way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// How long a connection may be without a request before it makes room for another.
const SETTLING: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Slots {
    in_all: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    entries: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    from: Option<IpAddr>,
    /// For whom a proxy asks with the request that is under way.
    asks_for: Option<IpAddr>,
    /// Since when no request is under way.
    idle_since: Option<Instant>,
    evicted: CancellationToken,
}

/// The place of one connection; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    evicted: CancellationToken,
}

/// A request is under way on a connection, until this is dropped.
#[derive(Debug)]
pub(super) struct Busy {
    slots: Arc<Slots>,
    number: u64,
    is_one_too_many: bool,
}

impl Slots {
    pub(super) fn new(in_all: usize, per_address: usize) -> Self {
        Self { in_all, per_address, taken: Mutex::default() }
    }

    /// A place for a connection from there, if there is one or can be made.
    pub(super) fn take(self: &Arc<Self>, from: Option<IpAddr>) -> Option<Slot> {
        let now = Instant::now();
        let mut taken = self.taken.lock();
        if let Some(from) = from {
            let is_same = |entry: &Entry| entry.from == Some(from);
            if taken.entries.values().filter(|entry| is_same(entry)).count() >= self.per_address {
                taken.make_room(now, is_same)?;
            }
        }
        if taken.entries.len() >= self.in_all {
            taken.make_room(now, |_| true)?;
        }
        let number = taken.next;
        taken.next += 1;
        let evicted = CancellationToken::new();
        let idle_since = Some(now);
        let entry = Entry { from, asks_for: None, idle_since, evicted: evicted.clone() };
        taken.entries.insert(number, entry);
        Some(Slot { slots: Arc::clone(self), number, evicted })
    }

    fn set_idle_since(&self, number: u64, since: Option<Instant>) {
        if let Some(entry) = self.taken.lock().entries.get_mut(&number) {
            entry.idle_since = since;
            entry.asks_for = None;
        }
    }
}

impl Taken {
    /// Ends the connection that has been without a request for longest.
    fn make_room(&mut self, now: Instant, among: impl Fn(&Entry) -> bool) -> Option<()> {
        let idle = self.entries.iter().filter(|(_, entry)| among(entry));
        let idle = idle.filter_map(|(number, entry)| Some((entry.idle_since?, *number)));
        let (since, number) = idle.min()?;
        if now.duration_since(since) < SETTLING {
            return None;
        }
        self.entries.remove(&number)?.evicted.cancel();
        Some(())
    }
}

impl Slot {
    /// A request is under way, of the address that a proxy names; nothing when the connection was to
    /// make room before it came.
    pub(super) fn busy(&self, asks_for: Option<IpAddr>) -> Option<Busy> {
        let mut taken = self.slots.taken.lock();
        let is_one_too_many = asks_for.is_some() && {
            let same = taken.entries.values().filter(|entry| entry.asks_for == asks_for);
            same.count() >= self.slots.per_address
        };
        let entry = taken.entries.get_mut(&self.number)?;
        entry.idle_since = None;
        entry.asks_for = asks_for.filter(|_| !is_one_too_many);
        Some(Busy { slots: Arc::clone(&self.slots), number: self.number, is_one_too_many })
    }

    /// Ends when the connection must make room. May be dropped at any time.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.lock().entries.remove(&self.number);
    }
}

impl Busy {
    /// Whether its address has as many requests under way already as it may have.
    pub(super) fn is_one_too_many(&self) -> bool {
        self.is_one_too_many
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.slots.set_idle_since(self.number, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(in_all: usize, per_address: usize) -> Arc<Slots> {
        Arc::new(Slots::new(in_all, per_address))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Makes a connection look as if it had been idle for so long.
    fn age(slot: &Slot, by: Duration) {
        slot.slots.set_idle_since(slot.number, Instant::now().checked_sub(by));
    }

    #[test]
    fn a_slot_is_free_again_when_its_connection_ends() {
        let slots = slots(1, 1);
        let one = slots.take(Some(address(1))).unwrap();
        assert!(slots.take(Some(address(2))).is_none(), "nobody has settled yet");
        drop(one);
        assert!(slots.take(Some(address(2))).is_some());
    }

    #[test]
    fn the_connection_that_is_idle_for_longest_makes_room() {
        let slots = slots(3, 3);
        let [old, older, busy] = [1, 2, 3].map(|last| slots.take(Some(address(last))).unwrap());
        age(&old, Duration::from_secs(3));
        age(&older, Duration::from_secs(5));
        age(&busy, Duration::from_secs(9));
        let _request = busy.busy(None).unwrap();
        let _new = slots.take(Some(address(4))).unwrap();
        assert!(older.evicted.is_cancelled());
        assert!(!old.evicted.is_cancelled() && !busy.evicted.is_cancelled());
        drop(older);
        assert_eq!(slots.taken.lock().entries.len(), 3, "a slot was given back twice");
    }

    #[test]
    fn an_address_takes_from_itself_only() {
        let slots = slots(10, 2);
        let other = slots.take(Some(address(9))).unwrap();
        age(&other, Duration::from_mins(1));
        let [first, _second] = [(); 2].map(|()| slots.take(Some(address(1))).unwrap());
        age(&first, Duration::from_secs(1));
        let _third = slots.take(Some(address(1))).unwrap();
        assert!(first.evicted.is_cancelled() && !other.evicted.is_cancelled());
    }

    #[test]
    fn nobody_who_is_served_makes_room() {
        let slots = slots(10, 1);
        let one = slots.take(Some(address(1))).unwrap();
        let request = one.busy(None).unwrap();
        assert!(slots.take(Some(address(1))).is_none());
        drop(request);
        age(&one, Duration::from_secs(1));
        assert!(slots.take(Some(address(1))).is_some());
        assert!(one.evicted.is_cancelled() && one.busy(None).is_none());
    }

    #[test]
    fn a_proxy_has_no_address() {
        let slots = slots(5, 1);
        let all: Vec<_> = (0..5).map(|_| slots.take(None).unwrap()).collect();
        assert!(slots.take(None).is_none());
        drop(all);
    }

    #[test]
    fn an_address_has_no_more_requests_behind_a_proxy_than_connections_without_one() {
        let slots = slots(10, 2);
        let [a, b, c, d] = [(); 4].map(|()| slots.take(None).unwrap());
        let one = a.busy(Some(address(1))).unwrap();
        let two = b.busy(Some(address(1))).unwrap();
        assert!(!one.is_one_too_many() && !two.is_one_too_many());
        let three = c.busy(Some(address(1))).unwrap();
        assert!(three.is_one_too_many());
        assert!(!d.busy(Some(address(2))).unwrap().is_one_too_many());
        assert!(!d.busy(None).unwrap().is_one_too_many(), "an address that nobody knows");
        drop((one, three));
        assert!(!a.busy(Some(address(1))).unwrap().is_one_too_many());
    }
}
