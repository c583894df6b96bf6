//! Restores: their plan, and what became of their steps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Run, words};
use crate::restore::{Plan, Record};

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestorePlan {
    /// The archive, when it was made, and where the copy rests.
    pub archive: String,
    /// Where it goes.
    pub target: String,
    /// Whether what is there now may be overwritten.
    pub in_place: bool,
    /// The steps, in order.
    pub steps: Vec<RestoreStep>,
    /// Remarks on the whole.
    pub notes: Vec<String>,
    /// All of it as people read it.
    pub text: String,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoreStep {
    /// `user`, `files`, `permissions`, `database`, `service`, `firewall` or `commands`.
    #[schema(value_type = words::Part)]
    pub part: String,
    /// What is done.
    pub what: String,
    /// What is there already, and what becomes of it.
    #[schema(required)]
    pub exists: Option<String>,
    /// Where that is set aside; the number in it is that of the run to come.
    #[schema(required)]
    pub set_aside: Option<String>,
    /// Bytes that it needs.
    #[schema(required)]
    pub needs_bytes: Option<u64>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

impl From<&Plan> for RestorePlan {
    fn from(plan: &Plan) -> Self {
        let steps = plan.steps.iter().map(|step| RestoreStep {
            part: step.part.word().to_owned(),
            what: step.what.clone(),
            exists: step.exists.clone(),
            set_aside: step.aside_place().map(|path| path.display().to_string()),
            needs_bytes: step.needs,
            warnings: step.warnings.clone(),
        });
        Self {
            archive: plan.archive.clone(),
            target: plan.target.clone(),
            in_place: plan.in_place,
            steps: steps.collect(),
            notes: plan.notes.clone(),
            text: plan.to_string(),
        }
    }
}

/// How far the newest restore of an archive is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RestoreStatus {
    /// Its run.
    pub run: Run,
    /// Its steps, once it has begun.
    pub steps: Vec<RestoreResult>,
    /// What was set aside, and is not back.
    pub set_aside: Vec<SetAside>,
    /// Whether it was undone.
    pub undone: bool,
    /// Whether there is something that can be put back.
    #[serde(default)]
    #[schema(required)]
    pub can_undo: bool,
    /// The restore that it undoes, where it is an undoing itself.
    #[serde(default)]
    #[schema(required)]
    pub undoes: Option<u64>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoreResult {
    /// Its part.
    #[schema(value_type = words::Part)]
    pub part: String,
    /// What was to be done.
    pub what: String,
    /// `done`, `failed`, `unfinished` or `not done`.
    #[schema(value_type = words::StepOutcome)]
    pub outcome: String,
    /// How, or why not.
    pub detail: String,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetAside {
    /// What.
    pub what: String,
    /// Where.
    pub place: String,
}

impl RestoreStatus {
    pub(in crate::api) fn new(run: Run, record: Option<Record>) -> Self {
        let Some(record) = record else {
            return Self {
                run,
                steps: Vec::new(),
                set_aside: Vec::new(),
                undone: false,
                can_undo: false,
                undoes: None,
            };
        };
        let is_open = record.aside.iter().any(|aside| !aside.returned);
        let open = record.aside.iter().filter(|aside| !aside.returned);
        let set_aside = open.filter_map(|aside| {
            Some(SetAside { what: aside.kept.in_words(), place: aside.place.clone()? })
        });
        let is_over = run.is_final();
        Self {
            run,
            set_aside: set_aside.collect(),
            undone: record.undone,
            can_undo: is_over && is_open && !record.undone && record.undoes.is_none(),
            undoes: record.undoes,
            steps: record
                .steps
                .into_iter()
                .map(|step| RestoreResult {
                    part: step.part,
                    what: step.what,
                    outcome: step.outcome.word().to_owned(),
                    detail: step.detail,
                    warnings: step.warnings,
                })
                .collect(),
        }
    }
}
