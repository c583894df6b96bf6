//! Instances that keep each other's archives: real daemons that reach each other over TLS, wires
//! between them that can be cut, and a real SSH server.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

pub(crate) mod world;
pub(crate) mod member;
pub(crate) mod address;
pub(crate) mod authority;
pub(crate) mod http;
pub(crate) mod wire;
pub(crate) mod sshd;
pub(crate) mod netns;
pub(crate) mod clock;
pub(crate) mod sender;
pub(crate) mod impostor;

mod contacts;
mod pairing;
mod standing;
mod pushing;
mod pushing_encrypted;
mod pushing_through;
mod fetching;
mod command;
mod ssh;
mod plain_protocol;
mod ransomware;
mod namespaces;
mod strangers;
mod mishaps;
mod chaos;
