//! larder keeps what must be kept: a directory of TOML files says which data of a server is to be
//! archived, how long archives live and where copies rest; one daemon makes it so, proves that it
//! is so, and says when it is not.
//!
//! # The walk
//!
//! ```text
//! /etc/larder/*.toml ─ config (parse, check) ─→ Desired
//! disk, state.redb ─── engine::observe ───────→ Observed
//!         reconcile::plan(&Desired, &Observed, now) ─→ Plan { actions with reasons, blocked, wake_at }
//!               engine::runs ── one run at a time ────┬ backup: source yields members → archive writer → location publishes
//!                                                     ├ expire · empty the trash · verify
//!                                                     ├ send: a copy to another location, or to a peer
//!                                                     ├ fetch: a copy from a peer · prune: at a peer that is a bare host
//!                                                     ├ restore: archive → plan of steps → files, database, services
//!                                                     └ drill: a restore nobody asked for, compared with the manifest
//!         peers ─ uploads, chunk by chunk ─→ engine::peers ──→ published by the same protocol
//!         every change ─→ state.redb ─→ view ─┬ API, events, metrics, generated JSON, command line
//!                                             └ notices (whom to tell what) ─→ delivery
//! ```
//!
//! Observe, decide, do. The decision is a pure, total, deterministic function that prints itself:
//! `larder plan` shows exactly what the daemon does. What woke the daemon is not one of its inputs.
//! After every run it observes and plans again.
//!
//! # The layers
//!
//! Imports go downward only; `tests/all/layers.rs` holds the table, module by module.
//!
//! | layer | modules | what they may do |
//! |---|---|---|
//! | show | [`cli`], [`daemon`], [`publish`], [`dashboard`], [`api`] | ask [`engine::Handle`] for what is and what is to be done; beyond that use what needs no engine: words, plans of moments to come, checks, and in `cli` whole commands (`check`, `simulate`, `init`, `recover`) |
//! | run | [`engine`] | everything below, one run at a time |
//! | touch | [`state`], [`peer`], [`delivery`], [`recover`], [`restore`], [`coverage`], [`location`], [`archive`], [`yunohost`], [`database`], [`source`], [`config`], [`secret`], [`process`], [`durable`], [`patience`], [`progress`], [`causes`], [`stop`] | one concern each; blocking |
//! | decide | [`notices`], [`status`], [`reconcile`], [`model`] | no I/O, no clock, no async, no failure |
//!
//! # Invariants
//!
//! - Truth is on the disk: archives and their sidecars. The state holds what cannot be found there
//!   and an index of what can; losing it loses history, never an archive.
//! - An archive is absent or complete, never between: the name of the tar is the commit point.
//! - Nothing is deleted because something is absent: a configuration, a mount, a listing.
//! - A deletion is planned with its reason, recorded, put into the trash, and only then unlinked.
//! - A restore proves the archive by its hash before anything of it appears, sets aside what it overwrites,
//!   and takes users, units and commands from this host's configuration only.
//! - Files, tar, hashing, the store and child processes are plain blocking code: runs enter it in the
//!   executor, questions where they are answered, both by `spawn_blocking`; one [`stop::Stop`] serves
//!   both sides.
//! - A lock is held for one assignment, so that a panic leaves what is behind it usable: the locks are
//!   `parking_lot`'s, which are not poisoned.
//!
//! Modules in reading order.

pub mod model;

pub mod reconcile;
pub mod status;
pub mod notices;

pub mod stop;
pub mod causes;
pub mod progress;
pub mod durable;
pub mod patience;
pub mod process;
pub mod secret;
pub mod config;
pub mod source;
pub mod database;
pub mod yunohost;
pub mod archive;
pub mod location;
pub mod restore;
pub mod recover;
pub mod coverage;
pub mod delivery;
pub mod peer;
pub mod state;

pub mod engine;

pub mod api;
pub mod dashboard;
pub mod publish;
pub mod cli;
pub mod daemon;
