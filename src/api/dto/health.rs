//! The instance as a whole: health, configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Moment, Notices, words};
use crate::config;
use crate::engine::{ConfigReport, View};
use crate::model::run::RunStatus;
use crate::model::words::words;
use crate::reconcile::Weight;
use crate::status;

/// `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded` when somebody should look.
    #[schema(value_type = words::HealthStatus)]
    pub status: String,
    /// The instance's name.
    pub instance: String,
    /// The program's version.
    pub version: String,
    /// The oldest API that is served.
    pub api_min: u32,
    /// The newest API that is served.
    pub api_max: u32,
    /// Seconds since this process started.
    pub uptime_s: u64,
    /// The configuration.
    pub config: ConfigHealth,
    /// What is being done.
    pub executor: Executor,
    /// Why it is degraded, one line each.
    pub problems: Vec<String>,
    /// Where the API is served over the network: addresses, and sockets as `unix:PATH`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listening: Vec<String>,
    /// What of this host no job covers, in one line, where the daemon has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncovered: Option<String>,
    /// Which jobs have every copy on the disk of what they save, in one line. It changes no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_disk: Option<String>,
    /// Why nothing can be begun or recorded now: the state takes nothing. It is tried again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalled: Option<String>,
    /// Who is told about failures, and how that goes. It never makes the instance `degraded`.
    #[serde(default)]
    pub notices: Notices,
    /// The moment of all this.
    pub at: Moment,
}

/// The configuration in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigHealth {
    /// The directory.
    pub dir: String,
    /// Whether the files as they are now have no error.
    pub valid: bool,
    /// Counts the configurations that were applied.
    pub generation: u64,
    /// A hash of the configuration in force.
    pub applied: String,
    /// A hash of the files as they are now.
    pub hash: String,
    /// The git commit of the directory.
    #[schema(required)]
    pub commit: Option<String>,
    /// Objects that are in force in an older form.
    pub stale: Vec<String>,
}

/// What is being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Executor {
    /// Numbers of the runs under way.
    pub running: Vec<u64>,
    /// How many wait.
    pub queued: usize,
    /// Deletions that wait for approval.
    pub blocked: usize,
}

/// `GET /config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveConfig {
    /// The configuration in short.
    #[serde(flatten)]
    pub health: ConfigHealth,
    /// Every mistake and warning in the files as they are now.
    pub diagnostics: Vec<Diagnostic>,
    /// The effective configuration, secrets as references.
    #[schema(value_type = Object)]
    pub effective: Value,
    /// The effective configuration as TOML, with places.
    pub toml: String,
}

/// What becomes of a text: `POST /config/check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Whether it has no error.
    pub valid: bool,
    /// Every mistake and warning, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    /// The file, relative to the directory.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// Where it ends in that line: the first column behind it.
    pub end_column: u32,
    /// The line itself, what may be secret blotted out.
    pub source_line: String,
    /// `error` or `warning`.
    #[schema(value_type = words::Severity)]
    pub severity: String,
    /// One line.
    pub message: String,
    /// What to do.
    #[schema(required)]
    pub hint: Option<String>,
}

impl From<&config::Diagnostic> for Diagnostic {
    fn from(diagnostic: &config::Diagnostic) -> Self {
        let severity = match diagnostic.severity {
            config::Severity::Error => "error",
            config::Severity::Warning => "warning",
        };
        Self {
            file: diagnostic.file.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            end_column: diagnostic.end_column,
            source_line: diagnostic.source_line.clone(),
            severity: severity.to_owned(),
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
        }
    }
}

impl From<&ConfigReport> for ConfigHealth {
    fn from(report: &ConfigReport) -> Self {
        Self {
            dir: report.dir.display().to_string(),
            valid: report.valid,
            generation: report.generation,
            applied: report.applied.clone(),
            hash: report.hash.clone(),
            commit: report.commit.clone(),
            stale: report.stale.clone(),
        }
    }
}

words! {
    /// Whether somebody should look at an instance.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::api) enum HealthStatus {
        Ok = "ok",
        Degraded = "degraded",
    }
}

impl Health {
    /// The health of the view's moment.
    #[must_use]
    pub fn new(view: &View) -> Self {
        let open = &view.observed.open_runs;
        let running = open.iter().filter(|run| run.status == RunStatus::Running);
        let problems = problems(view);
        let status = if problems.is_empty() { HealthStatus::Ok } else { HealthStatus::Degraded };
        Self {
            status: status.word().to_owned(),
            instance: view.desired.instance.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_min: 1,
            api_max: 1,
            uptime_s: u64::try_from(view.at.timestamp().duration_since(view.started_at).as_secs())
                .unwrap_or(0),
            config: ConfigHealth::from(view.config.as_ref()),
            executor: Executor {
                running: running.map(|run| run.id.0).collect(),
                queued: open.iter().filter(|run| run.status == RunStatus::Queued).count(),
                blocked: view.plan.blocked.len(),
            },
            problems,
            listening: view.listening.load().addresses.clone(),
            uncovered: view.uncovered.clone(),
            one_disk: status::one_disk(&view.observed, &view.verdicts),
            stalled: view.stalled.clone(),
            notices: Notices::new(view),
            at: Moment::new(view.at.timestamp(), view.at.time_zone()),
        }
    }
}

/// Everything that somebody should look at and that no job's verdict says.
pub(super) fn problems(view: &View) -> Vec<String> {
    let mut lines = Vec::new();
    // First of all: whatever else is said was so when it last moved.
    lines.extend(view.beat.stands_still().map(|still| {
        format!(
            "larder has not moved for {} min: nothing is begun, and all that is shown is of then; \
             a disk or a network file system may be hanging (`dmesg`)",
            still.as_secs() / 60
        )
    }));
    let errors = view.config.diagnostics.iter();
    let errors = errors.filter(|d| d.severity == config::Severity::Error).count();
    let stale = &view.config.stale;
    if !view.config.valid && errors == 0 {
        // The directory itself cannot be read: the first line says why, and what it says of
        // everything need not be said of each object.
        lines.push("the configuration cannot be read; what was last good stays in force".into());
        lines.extend(stale.first().cloned());
    } else {
        if !view.config.valid {
            lines.push(format!(
                "the configuration has mistakes ({errors}); what was last good stays in force"
            ));
        }
        lines.extend(stale.iter().cloned());
    }
    // What stands in the plan's way, in the plan's own words; what is wrong with one job is in its verdict.
    let notes = view.plan.notes.iter();
    let general = notes.filter(|note| note.weight == Weight::Problem && note.job.is_none());
    lines.extend(general.map(|note| note.text.clone()));
    for blocked in &view.plan.blocked {
        let deletions = match blocked.archives.len() {
            1 => "1 deletion waits".to_owned(),
            number => format!("{number} deletions wait"),
        };
        lines
            .push(format!("{}: {deletions} for `larder approve {}`", blocked.series, blocked.hash));
    }
    lines.extend(view.listening.load().problems.iter().cloned());
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::tests::view;
    use crate::engine::Beat;

    #[test]
    fn all_is_not_well_while_nothing_moves() {
        let of = |beat| Health::new(&View { beat, ..view(Vec::new()) });
        let moves = of(Beat::of_long_ago(Duration::from_secs(40)));
        assert!(!moves.problems.iter().any(|problem| problem.contains("has not moved")));
        let hangs = of(Beat::of_long_ago(Duration::from_secs(250)));
        assert_eq!(hangs.status, "degraded");
        assert!(
            hangs.problems[0].starts_with("larder has not moved for 4 min"),
            "{:?}",
            hangs.problems
        );
    }
}
