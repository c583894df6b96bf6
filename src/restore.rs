//! Restoring: what an archive holds goes back to where it was, or elsewhere.
//!
//! ```text
//! order ─ look ─→ facts ─ plan (pure) ─→ steps ─ execute ─→ record
//! ```
//! An [`Order`] says what is wanted; [`prepare`] looks at the archive and at this host and decides;
//! [`carry_out`] does exactly that and writes down what it did, so that it can be undone.
//!
//! **Invariants:** the archive is proved by its hash before anything appears; nothing is written
//! outside the target, whatever the archive says; what is overwritten is set aside first; commands,
//! users and units come from this host's configuration, never from an archive.

use std::fmt;
use std::io;
use std::path::Path;

use crate::causes::with_causes;
use crate::progress::Progress;
use crate::stop::{Stop, Stopped};

pub mod files;
mod order;
mod content;
mod permit;
mod plan;
mod original;
mod foreign;
mod look;
mod aside;
mod record;
mod execute;
mod steps;
mod undo;
mod unit;

pub use content::{Content, access_of, restoring_job, without_job};
pub use foreign::{Takes, takes};
pub use order::{ArchiveFile, CopyPlace, Order, Restore, Task, Undo, remedy};
pub use original::read_identity;
pub use permit::{Permit, permit};
pub use plan::{
    Account, Action, DatabaseFacts, Facts, FileFacts, OwnerFacts, Plan, Refusal, Step, UnitFacts,
    UnitFile, Yunohost, plan,
};
pub use record::{Aside, Kept, Outcome, Record, StepRecord};
pub use unit::{relay, serve};

/// What a restore is watched by.
pub struct Watch<'a> {
    /// Whether to go on.
    pub stop: &'a Stop,
    /// How far it is.
    pub progress: &'a Progress,
    /// Takes the lines of its log.
    pub log: &'a mut dyn FnMut(&str),
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("progress", self.progress).finish_non_exhaustive()
    }
}

impl Watch<'_> {
    fn log(&mut self, line: &str) {
        (self.log)(line);
    }
}

/// Why a restore did not begin, or why a step of it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Trouble {
    /// What could not be done, to what, and why.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it was asked to stop.
    pub stopped: Option<Stopped>,
    /// Whether the archive is not what was written.
    pub corrupt: bool,
}

impl Trouble {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None, stopped: None, corrupt: false }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(format!("could not {what} `{}`: {error}", path.display()))
            .hint("look at the disk and its free space")
    }

    /// An error with its causes on one line.
    fn of(error: &dyn std::error::Error) -> Self {
        Self::new(with_causes(error))
    }
}

impl From<Stopped> for Trouble {
    fn from(stopped: Stopped) -> Self {
        Self { stopped: Some(stopped), ..Self::new(stopped.to_string()) }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.why).hint(refusal.hint)
    }
}

/// Looks at the archive and at this host, and says what would be done. Changes nothing.
///
/// # Errors
/// When it cannot be done; nothing was changed.
pub fn prepare(
    order: &Order,
    restore: &Restore,
    stop: &Stop,
    progress: &Progress,
) -> Result<Plan, Trouble> {
    let facts = look::look(order, restore, stop, progress)?;
    Ok(plan(restore, &facts)?)
}

/// Carries out an order, and returns what came of each step. The same is in the record in
/// `work_dir`, also when this process is killed meanwhile.
///
/// # Errors
/// When nothing was begun. A step that fails is in the record.
pub fn carry_out(order: &Order, watch: &mut Watch<'_>) -> Result<Record, Trouble> {
    match &order.task {
        Task::Restore(restore) => execute::restore(order, restore, watch),
        Task::Undo(undo) => undo::undo(order, undo, watch),
    }
}

/// So many of something, as it is told.
fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
