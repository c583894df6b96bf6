//! Connections from anybody: who is slow, silent, many or sly keeps nobody else from being answered,
//! and what is under way is finished.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod daemon;
mod ending;
mod limits;
mod site;
mod slow;
mod smuggling;
mod tls;
