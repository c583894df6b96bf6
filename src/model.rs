//! The words of the program as types: what is wanted, what exists, and what was done.
//!
//! Everything here is plain data that has been checked once, at the edge, and cannot be wrong
//! afterwards. **Invariants:** nothing in this module does I/O, reads a clock, or derives a
//! serialised form; each boundary (configuration, state, sidecar, API) has structs of its own
//! and converts.
//!
//! Modules in reading order.

pub mod words;
pub mod hex;
pub mod name;
pub mod size;
pub mod schedule;
pub mod retention;
pub mod protect;
pub mod job;
pub mod members;
pub mod dump;
pub mod location;
pub mod peer;
pub mod pairing;
pub mod token;
pub mod desired;
pub mod archive;
pub mod upload;
pub mod restore;
pub mod run;
pub mod contact;
pub mod observed;
pub mod space;
