//! Every integration test, in one crate: one link, one run.

mod support;

mod layers;
mod doc_comments;

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
mod access;
mod cli;
mod walk;
mod downloads;
mod contents;
mod events;
mod metrics;
mod serving;
mod drills;
mod faults;
mod hanging;
mod uploads;
mod page;
mod packaging;

mod databases;
mod yunohost;
mod contract;
mod openapi;
mod restoring;
mod recovering;
mod notices;
mod deploying;
mod peers;
