//! What is shipped is installed, used, upgraded and removed, as those who use it do; and what is
//! removed leaves what is theirs.

#![expect(clippy::unwrap_used, reason = "a test may end by panicking")]

mod deb;
mod yunohost;
