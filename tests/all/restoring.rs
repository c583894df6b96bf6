//! Restores: everything back, nothing outside, nothing lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod by_hand;
mod command;
mod database;
mod files;
mod malicious;
mod postgresql;
mod steps;
mod yunohost;
