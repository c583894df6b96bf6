//! Every integration test, in one crate: one link, one run.

mod support;

mod layers;

mod schedules;
mod retention;
mod series;
mod coverage;
mod archives;
mod configuration;
mod watching;
mod locations;
mod power_loss;
mod store;
mod commands;
mod cli;
mod walk;
mod drills;
mod faults;

mod databases;
mod yunohost;
mod contract;
mod restoring;
mod recovering;
