//! The `yunohost` command, as faithful a stand-in as can be had, driven by larder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub(crate) mod host;

mod deleting;
mod driver;
mod failing;
mod interrupting;
mod listing;
mod making;
mod restoring;
