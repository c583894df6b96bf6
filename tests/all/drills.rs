//! Drills by the whole program: real archives, real throw-away servers, and what stays of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod left_behind;
mod databases;
mod apps;
mod trees;
mod verifying;
