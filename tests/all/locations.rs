//! What a location promises: conformance, foreign files, marker, faults, full disks, scale.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod catalogue;
mod conformance;
mod faults;
mod marker;
mod shared;
