//! What the whole program does when the world around it misbehaves: system calls fail, the
//! configuration is mangled, sources change while they are read, commands do not behave.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod calls;
mod chaos;
mod commands;
mod sources;
mod strace;
