//! The whole program, used as its users use it: real TOML, the real binary, real files, a real
//! daemon that is asked over its socket, stopped and killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub(crate) mod instance;

mod adopting;
mod archiving;
mod crashing;
mod ended;
mod full_state;
mod making_way;
pub(crate) mod keeping;
mod looking;
mod mounting;
mod moving;
mod reloading;
mod refusing;
