//! What a restore did and set aside: one small file for each, beside the state.
//!
//! It is written before and after each step, so that it tells the truth after a crash as well: a
//! step that was under way is told as such. **Invariant:** whatever is set aside stands here before
//! it is moved, so that it can always be put back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Trouble;
use super::order::Order;
use crate::durable;
use crate::model::restore::Part;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its run.
    pub run: u64,
    /// The archive.
    pub archive: String,
    /// The job that made it.
    pub job: String,
    /// Where the files went, or what was restored: two restores of one target are undone in the
    /// reverse order.
    pub target: String,
    /// Its steps.
    pub steps: Vec<StepRecord>,
    /// What was set aside, in the order in which it was.
    pub aside: Vec<Aside>,
    /// Whether it was undone.
    pub undone: bool,
    /// The run that it undoes, if it is an undoing itself.
    #[serde(default)]
    pub undoes: Option<u64>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The word of its part.
    pub part: String,
    /// What was to be done.
    pub what: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How, or why not.
    pub detail: String,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// What to do about a failure.
    #[serde(default)]
    pub hint: Option<String>,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not begun.
    NotDone,
    /// It is under way, or was when everything ended.
    Begun,
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

impl Outcome {
    /// Its words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::NotDone => "not done",
            Outcome::Begun => "unfinished",
            Outcome::Done => "done",
            Outcome::Failed => "failed",
        }
    }
}

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// What it was.
    pub kept: Kept,
    /// Where it is: a directory, a file, or another database of the server; nothing when there was
    /// nothing before.
    pub place: Option<String>,
    /// Whether it went back.
    #[serde(default)]
    pub returned: bool,
}

/// What was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kept {
    /// Files of a target.
    Files {
        /// The target.
        target: PathBuf,
    },
    /// A database.
    Database {
        /// `mysql` or `postgresql`.
        server: String,
        /// Its name.
        name: String,
    },
    /// A systemd unit.
    Unit {
        /// Its file.
        path: PathBuf,
    },
}

impl Kept {
    /// In words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Kept::Files { target } => format!("files of `{}`", target.display()),
            Kept::Database { name, .. } => format!("database `{name}`"),
            Kept::Unit { path } => format!("unit `{}`", path.display()),
        }
    }
}

impl StepRecord {
    pub(super) fn new(part: Part, what: &str, warnings: &[String]) -> Self {
        Self {
            part: part.word().to_owned(),
            what: what.to_owned(),
            outcome: Outcome::NotDone,
            detail: String::new(),
            warnings: warnings.to_vec(),
            hint: None,
        }
    }
}

impl Record {
    /// Where the record of a run is.
    #[must_use]
    pub fn path(work_dir: &Path, run: u64) -> PathBuf {
        work_dir.join(format!("{run}.json"))
    }

    /// The record of a run, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(work_dir: &Path, run: u64) -> io::Result<Option<Self>> {
        let bytes = match fs::read(Self::path(work_dir, run)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from)
    }

    pub(super) fn write(&self, order: &Order) -> Result<(), Trouble> {
        let path = Self::path(&order.work_dir, self.run);
        let failed = |error: &io::Error| Trouble::io("write", &path, error);
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| failed(&e.into()))?;
        bytes.push(b'\n');
        durable::write_atomic(&path, &bytes, 0o600).map_err(|error| failed(&error))
    }

    /// Runs after this one that restored the same target and were not undone.
    pub(super) fn later(&self, work_dir: &Path) -> io::Result<Vec<u64>> {
        let mut later = Vec::new();
        for entry in fs::read_dir(work_dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
            let Some(run) = number.filter(|run: &u64| *run > self.run) else { continue };
            let Some(other) = Self::read(work_dir, run)? else { continue };
            let open = other.aside.iter().any(|aside| !aside.returned);
            if other.target == self.target && !other.undone && other.undoes.is_none() && open {
                later.push(run);
            }
        }
        later.sort_unstable();
        Ok(later)
    }

    /// Whether every step was done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.steps.iter().all(|step| step.outcome == Outcome::Done)
    }

    /// Whether there is something to look at.
    #[must_use]
    pub fn is_warned(&self) -> bool {
        self.steps.iter().any(|step| !step.warnings.is_empty())
    }

    /// One line: what was done and what was not.
    #[must_use]
    pub fn summary(&self) -> String {
        let named = |outcome: Outcome| {
            let steps = self.steps.iter().filter(|step| step.outcome == outcome);
            steps.map(|step| step.part.as_str()).collect::<Vec<_>>().join(", ")
        };
        let verb = if self.undoes.is_some() { "put back" } else { "restored" };
        let mut parts = Vec::new();
        let done = named(Outcome::Done);
        if !done.is_empty() {
            parts.push(format!("{verb}: {done}"));
        }
        for step in &self.steps {
            match step.outcome {
                Outcome::Failed => parts.push(format!("{} failed: {}", step.part, step.detail)),
                Outcome::Begun => parts.push(format!("{} is unfinished", step.part)),
                Outcome::Done | Outcome::NotDone => {}
            }
        }
        let left = named(Outcome::NotDone);
        if !left.is_empty() {
            parts.push(format!("not done: {left}"));
        }
        if self.aside.iter().any(|aside| aside.place.is_some() && !aside.returned)
            && self.undoes.is_none()
        {
            parts.push(format!(
                "what was there is set aside (`larder restore --undo {}` puts it back)",
                self.run
            ));
        }
        parts.join("; ")
    }
}
