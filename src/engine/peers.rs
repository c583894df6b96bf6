//! Other instances: what is known of them, how two become peers, and what they store and fetch
//! here.

pub(super) mod contacts;
pub mod pairing;
pub(super) mod host_listing;
pub(super) mod receive;
pub(super) mod offered;
