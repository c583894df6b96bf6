//! Databases: real servers on private sockets, dumped, ruined and restored.

mod mysql;
mod postgresql;
