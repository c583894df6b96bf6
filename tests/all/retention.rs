//! Retention, as RETENTION.md promises it: what is kept, what may leave, and when.
#![expect(clippy::unwrap_used, reason = "what builds a situation is part of the test")]

mod scene;
mod naive;
mod properties;
mod disasters;
mod cases;
mod passes;
mod brakes;
mod plans;
mod simulated;
