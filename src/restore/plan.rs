//! What a restore will do, decided from what is there: no I/O, no clock.
//!
//! Order of the steps: user, files, permissions, database, service, firewall, commands. Each says
//! what is there already and would be overwritten, where that is set aside, and how much space it
//! needs. What is carried out is this plan and nothing else.

use std::path::{Path, PathBuf};

use super::order::{Restore, made_in_words};
use crate::database::Kind;
use crate::model::job::{Command, FirewallPort, SystemUser, SystemdService};
use crate::model::restore::Part;

mod facts;
mod planner;
mod show;
#[cfg(test)]
mod tests;

pub use facts::{Account, DatabaseFacts, Facts, FileFacts, OwnerFacts, UnitFacts, UnitFile};

/// Everything that will be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The archive, when it was made, and where its copy rests.
    pub archive: String,
    /// Where the files go, or what is restored.
    pub target: String,
    /// Whether what is there now may be overwritten.
    pub in_place: bool,
    /// The steps.
    pub steps: Vec<Step>,
    /// Remarks on the whole.
    pub notes: Vec<String>,
    /// What was seen of the files.
    pub files: Option<FileFacts>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which part it is.
    pub part: Part,
    /// What is done, exactly.
    pub action: Action,
    /// What is done, in words.
    pub what: String,
    /// What is there already, and what becomes of it.
    pub exists: Option<String>,
    /// Where that is set aside.
    pub aside: Option<PathBuf>,
    /// Bytes that it needs.
    pub needs: Option<u64>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Creates a system user.
    CreateUser(SystemUser),
    /// Leaves one that is there as it is.
    KeepUser(SystemUser),
    /// Extracts members below a prefix of the archive.
    Files {
        /// The prefix.
        prefix: Vec<u8>,
        /// Where what is below it goes.
        target: PathBuf,
        /// Only these, relative to the prefix; all when empty.
        paths: Vec<Vec<u8>>,
    },
    /// Sets the owner of a tree and the mode of its root.
    Permissions {
        /// The tree.
        root: PathBuf,
        /// `owner[:group]`.
        owner: Option<String>,
        /// The mode.
        mode: Option<u32>,
    },
    /// Loads a dump.
    Database {
        /// Which server.
        kind: Kind,
        /// The database.
        name: String,
        /// Where its dump lies meanwhile.
        scratch: PathBuf,
    },
    /// Lets YunoHost restore.
    Yunohost {
        /// The app, or parts of the system.
        target: Yunohost,
    },
    /// Installs, enables and starts a unit.
    Service {
        /// Which.
        service: SystemdService,
        /// Whether its file has to be put into its place.
        install: bool,
        /// Whether systemd runs.
        runs: bool,
    },
    /// Opens ports.
    Firewall {
        /// Which, with their protocols.
        ports: Vec<FirewallPort>,
        /// Whether YunoHost is there to open them.
        yunohost: bool,
    },
    /// Runs commands.
    Commands(Vec<Command>),
}

/// What YunoHost restores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yunohost {
    /// An app.
    App(String),
    /// Parts of the system; all when empty.
    System(Vec<String>),
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub why: String,
    /// What to do about it.
    pub hint: String,
}

impl Refusal {
    pub(super) fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hint: hint.into() }
    }
}

impl Step {
    /// Where what it overwrites is set aside, if that is a place of this host: PostgreSQL keeps a
    /// database by itself, under another name.
    #[must_use]
    pub fn aside_place(&self) -> Option<&Path> {
        let by_server = matches!(self.action, Action::Database { kind: Kind::Postgresql, .. });
        self.aside.as_deref().filter(|_| !by_server)
    }
}

/// Decides what a restore does.
///
/// # Errors
/// When it must not or cannot be done, before anything is written.
pub fn plan(order: &Restore, facts: &Facts) -> Result<Plan, Refusal> {
    let planner = planner::Planner { order, facts };
    let mut steps = Vec::new();
    let all = [
        planner.user(),
        planner.files()?,
        planner.permissions(),
        planner.database()?,
        planner.service()?,
        planner.firewall(),
        planner.commands(),
    ];
    steps.extend(all.into_iter().flatten());
    if steps.is_empty() {
        return Err(Refusal::new(
            format!("nothing of `{}` is left to restore", order.archive.name),
            "name other parts with `--only`, or leave it away",
        ));
    }
    let mut notes = order.notes.clone();
    if order.to.is_some() {
        notes.push("elsewhere: no user, service, port or command is touched".to_owned());
    } else if !order.paths.is_empty() && order.only.is_empty() {
        notes.push("single paths: no other step is taken, unless `--only` names it".to_owned());
    }
    if order.paths.is_empty()
        && let Some(files) = facts.files.as_ref().filter(|files| files.is_occupied)
        && steps.iter().any(|step| matches!(step.action, Action::Files { .. }))
    {
        notes.push(format!(
            "what is in `{}` and not in the archive stays there",
            files.target.display()
        ));
    }
    let made = order.archive.made.map(|made| format!(" (made {})", made_in_words(made)));
    let made = made.unwrap_or_default();
    Ok(Plan {
        archive: format!("{}{made} at {}", order.archive.name, order.archive.place),
        target: planner.target(),
        in_place: order.to.is_none(),
        steps,
        notes,
        files: facts.files.clone().filter(|_| order.wants(Part::Files)),
    })
}
