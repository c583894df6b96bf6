//! What runs do: each kind of work in a module of its own, what all of them are given, and how what
//! became of each is recorded.

pub(super) mod executor;
pub(super) mod context;
pub(super) mod record;
pub(super) mod abandoned;
pub(super) mod backoff;
pub(super) mod backup;
pub(super) mod commands;
pub(super) mod pending_after;
pub(super) mod mounted;
pub(super) mod room;
pub(super) mod suspicion;
pub(super) mod expire;
pub(super) mod verify;
pub(super) mod send;
pub(super) mod push;
pub(super) mod fetch;
pub(super) mod prune;
pub(super) mod adopt;
pub(super) mod restore;
pub(super) mod drill;
