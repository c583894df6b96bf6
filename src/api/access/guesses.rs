//! How often somebody may be wrong.
//!
//! Each address has a bucket that an attempt takes from and a right one gives back to, so that an
//! attempt that was broken off has its price as well. **Invariant:** what is remembered is
//! bounded; when too many addresses guess at once, the further ones share a bucket.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many attempts in a row may be wrong.
const BURST: u32 = 20;
/// How long it takes until one more may be.
const REFILL: Duration = Duration::from_secs(5);
/// How many addresses are told apart.
const ADDRESSES_MAX: usize = 4096;

/// Whose attempts are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asker {
    /// An IPv4 address, or the network of an IPv6 address: whoever has one has all of it.
    Address(IpAddr),
    /// Everybody behind a proxy's socket that does not say for whom it asks.
    Proxy,
    /// Everybody for whom there is no room.
    Crowd,
}

impl Asker {
    pub(super) fn new(remote: Option<IpAddr>) -> Self {
        match remote.map(|address| address.to_canonical()) {
            None => Self::Proxy,
            Some(IpAddr::V4(address)) => Self::Address(IpAddr::V4(address)),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self::Address(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
        }
    }
}

impl std::fmt::Display for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Proxy => f.write_str("the proxy"),
            Self::Crowd => f.write_str("many addresses"),
        }
    }
}

/// The buckets.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<Asker, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Attempts that are left, as of then.
    left: f64,
    then: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { left: f64::from(BURST), then: now }
    }

    fn refilled(self, now: Instant) -> Self {
        let since = now.saturating_duration_since(self.then).as_secs_f64();
        let left = (self.left + since / REFILL.as_secs_f64()).min(f64::from(BURST));
        Self { left, then: now }
    }
}

/// An attempt that was paid for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paid(Asker);

impl Guesses {
    /// Pays for an attempt.
    ///
    /// # Errors
    /// The bucket is empty; with the time until it is not.
    pub(super) fn pay(&self, asker: Asker, now: Instant) -> Result<Paid, Duration> {
        let mut buckets = self.0.lock();
        let mut asker = asker;
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&asker) {
            buckets.retain(|_, bucket| bucket.refilled(now).left < f64::from(BURST));
            if buckets.len() >= ADDRESSES_MAX {
                asker = Asker::Crowd;
            }
        }
        let bucket = buckets.entry(asker).or_insert_with(|| Bucket::full(now));
        *bucket = bucket.refilled(now);
        if bucket.left < 1.0 {
            return Err(REFILL.mul_f64(1.0 - bucket.left));
        }
        bucket.left -= 1.0;
        Ok(Paid(asker))
    }

    /// Gives back what a right attempt paid.
    pub(super) fn give_back(&self, paid: Paid, now: Instant) {
        let mut buckets = self.0.lock();
        if let Some(bucket) = buckets.get_mut(&paid.0) {
            *bucket = bucket.refilled(now);
            bucket.left = (bucket.left + 1.0).min(f64::from(BURST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(text: &str) -> Asker {
        Asker::new(Some(text.parse().unwrap()))
    }

    #[test]
    fn a_burst_of_wrong_attempts_is_answered_then_one_each_time_the_bucket_refills() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        let who = asker("192.0.2.1");
        for _ in 0..BURST {
            guesses.pay(who, start).unwrap();
        }
        assert_eq!(guesses.pay(who, start).unwrap_err(), REFILL);
        let half = start + REFILL / 2;
        assert_eq!(guesses.pay(who, half).unwrap_err(), REFILL / 2);
        guesses.pay(who, start + REFILL).unwrap();
        guesses.pay(who, start + REFILL).unwrap_err();
        guesses.pay(asker("192.0.2.2"), start).unwrap();
        guesses.pay(Asker::new(None), start).unwrap();
    }

    #[test]
    fn a_right_attempt_is_free() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        for _ in 0..1000 {
            let paid = guesses.pay(Asker::Proxy, start).unwrap();
            guesses.give_back(paid, start);
        }
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_an_ipv4_address_is_the_same_in_either_form() {
        assert_eq!(asker("2001:db8:1:2:3::4"), asker("2001:db8:1:2:ffff::"));
        assert_ne!(asker("2001:db8:1:2::1"), asker("2001:db8:1:3::1"));
        assert_eq!(asker("::ffff:192.0.2.1"), asker("192.0.2.1"));
    }

    #[test]
    fn more_addresses_than_there_is_room_for_share_a_bucket() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        let of = |number: usize| {
            let number = u32::try_from(number).unwrap();
            Asker::Address(IpAddr::V4(std::net::Ipv4Addr::from_bits(number)))
        };
        for number in 0..ADDRESSES_MAX {
            guesses.pay(of(number), start).unwrap();
        }
        for number in 0..usize::try_from(BURST).unwrap() {
            guesses.pay(of(ADDRESSES_MAX + number), start).unwrap();
        }
        guesses.pay(of(2 * ADDRESSES_MAX), start).unwrap_err();
        guesses.pay(of(1), start).unwrap();
        // Those who were quiet are forgotten.
        guesses.pay(of(2 * ADDRESSES_MAX), start + 2 * BURST * REFILL).unwrap();
        assert_eq!(guesses.0.lock().len(), 1);
    }
}
