//! PostgreSQL: a real server on a private socket, started by the tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod breaking;
mod entering;
mod loading;
mod restoring;
mod round_trip;
mod scene;
mod throwaway;
