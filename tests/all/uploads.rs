//! Archives that peers send: chunk by chunk, whatever breaks off.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod scene;

mod beginning;
mod chunks;
mod finishing;
mod info;
mod name_spaces;
mod places;
mod restarting;
mod together;
mod whole;
