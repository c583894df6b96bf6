//! Who is told what, and whether it arrives.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod receiver;

mod fortnight;
mod telling;
mod mailing;
mod pinging;
mod testing;
