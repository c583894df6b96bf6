//! What the state remembers of failures, and what is wrong with the configuration.

use jiff::{SignedDuration, Timestamp};

use crate::config::Severity;
use crate::engine::ConfigReport;
use crate::engine::core::Core;
use crate::model::desired::Desired;
use crate::model::observed::Observed;
use crate::model::run::{Run, RunStatus, Work};
use crate::notices;
use crate::state::{RunFilter, StateError};

/// So many failed runs of a kind are looked at, and so many that went well.
const FAILED: usize = 50;
const WENT_WELL: usize = 200;

/// The newest backup of each job that failed and that no success followed. Reads no record where all
/// went well.
pub(super) fn failed_backups(
    core: &Core,
    desired: &Desired,
    observed: &Observed,
    now: Timestamp,
) -> Result<Vec<Run>, StateError> {
    let mut runs = Vec::new();
    let failing = observed.jobs.iter().filter(|(_, facts)| facts.last_failure.is_some());
    for (job, facts) in failing.filter(|(job, _)| desired.jobs.contains_key(*job)) {
        let filter = RunFilter {
            job: Some(job.clone()),
            kind: Some("backup".to_owned()),
            status: Some(RunStatus::Error),
        };
        let newest = core.state.runs(&filter, None, 1)?.pop();
        runs.extend(newest.filter(|run| run.finished_at > facts.last_success));
    }
    Ok(notices::still_failing(runs, &observed.archives, now))
}

/// The newest failed run of everything but backups, where no success followed: of a backup, the job
/// remembers the end.
pub(crate) fn failed_runs(
    core: &Core,
    observed: &Observed,
    now: Timestamp,
) -> Result<Vec<Run>, StateError> {
    let mut runs = Vec::new();
    for kind in Work::WORDS.into_iter().filter(|kind| *kind != "backup") {
        let of = |status, limit| {
            let kind = Some(kind.to_owned());
            core.state.runs(&RunFilter { job: None, kind, status: Some(status) }, None, limit)
        };
        let failed = of(RunStatus::Error, FAILED)?;
        let is_news = |run: &Run| {
            let week = SignedDuration::from_hours(7 * 24);
            run.finished_at.is_some_and(|at| now.duration_since(at) <= week)
        };
        if failed.iter().any(is_news) {
            runs.extend(failed);
            runs.extend(of(RunStatus::Success, WENT_WELL)?);
            runs.extend(of(RunStatus::Warning, WENT_WELL)?);
        }
    }
    Ok(notices::still_failing(runs, &observed.archives, now))
}

/// What is wrong with the files of the configuration.
pub(super) fn configuration(report: &ConfigReport) -> Vec<String> {
    let errors = report.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let mut lines = Vec::new();
    if !report.valid && errors == 0 {
        lines
            .push("the configuration cannot be read; what was last good stays in force".to_owned());
        lines.extend(report.stale.first().cloned());
        return lines;
    }
    if !report.valid {
        lines.push(format!(
            "the configuration has mistakes ({errors}); what was last good stays in force"
        ));
    }
    lines.extend(report.stale.iter().cloned());
    lines
}
