//! Jobs, with their verdicts.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Moment, Run, words};
use crate::engine::View;
use crate::model::job::{self as model, JobSource};
use crate::model::retention::{Mode, Policy};
use crate::status::{self, JobVerdict};

/// A job as the configuration has it, and how it fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The job's name: it is its identity.
    pub id: String,
    /// The job's name, as in `id`.
    pub name: String,
    /// `custom_dir`, `mysql`, `postgresql`, `ynh_app` or `ynh_system`.
    #[serde(rename = "type")]
    #[schema(value_type = words::JobType)]
    pub job_type: String,
    /// The job's effective table, secrets as references.
    #[schema(value_type = Option<Object>, required)]
    pub config: Value,
    /// The schedule as written.
    pub cron_expr: String,
    /// `count`, `daily` or `gfs`.
    #[schema(value_type = words::RetentionMode)]
    pub retention_mode: String,
    /// The number of `count` and `daily`; `null` for `gfs`.
    #[schema(required)]
    pub retention_value: Option<u32>,
    /// Whether it runs at all.
    pub enabled: bool,
    /// `ynh_app`: whether large data is left out.
    pub core_only: bool,
    /// When this instance first knew the job.
    #[schema(required)]
    pub created_at: Option<Moment>,
    /// When its definition last changed, where that is known.
    #[schema(required)]
    pub updated_at: Option<Moment>,

    /// The middle part of its archives' names.
    pub label: String,
    /// Where its archives are made.
    pub location: String,
    /// Where copies go.
    pub send_to: Vec<String>,
    /// The whole policy.
    pub retention: Retention,
    /// The schedule in words.
    pub schedule: String,
    /// Where it is written: `FILE:LINE:COLUMN`.
    pub place: String,
    /// `present`, or `absent` for a job that was ended.
    #[schema(value_type = words::JobState)]
    pub state: String,
    /// The first instant strictly after now that its schedule names.
    #[schema(required)]
    pub next_scheduled: Option<Moment>,
    /// When it will really run: at once when it is overdue.
    #[schema(required)]
    pub next_run: Option<Moment>,
    /// Its newest backup run.
    #[schema(required)]
    pub last_run: Option<Run>,
    /// The last drill that came to an end.
    #[serde(default)]
    #[schema(required)]
    pub last_drill: Option<LastDrill>,
    /// How well it is protected.
    #[schema(required)]
    pub verdict: Option<Verdict>,
}

/// A drill that came to an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastDrill {
    /// The run.
    pub run_id: u64,
    /// The archive that was to be brought back.
    pub archive: String,
    /// From where.
    pub location: String,
    /// When it ended.
    pub at: Moment,
    /// How long it took.
    pub seconds: f64,
    /// `proven`, `failed` or `unable` (it cannot be found out on this host as it is).
    #[schema(value_type = words::DrillOutcome)]
    pub outcome: String,
    /// What was looked at, or why not.
    pub text: String,
}

/// How a day of a job went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobDay {
    /// The day, in the instance's zone.
    #[schema(value_type = words::CivilDay)]
    pub day: String,
    /// `success`, `warning` or `error` for the best backup of the day; `missed` when something was
    /// due and nothing ran, `nothing` when nothing was, `unknown` when nobody remembers.
    #[schema(value_type = words::DayState)]
    pub state: String,
    /// How many backups ended that are remembered.
    pub runs: u32,
}

impl From<&status::days::Day> for JobDay {
    fn from(day: &status::days::Day) -> Self {
        Self { day: day.date.to_string(), state: day.state.word().to_owned(), runs: day.runs }
    }
}

/// A policy in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retention {
    /// `count`, `daily` or `gfs`.
    #[schema(value_type = words::RetentionMode)]
    pub mode: String,
    /// The number of `count` and `daily`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u32>,
    /// `gfs`: non-empty days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// `gfs`: non-empty weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// `gfs`: non-empty months.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// `gfs`: non-empty years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
    /// The floor.
    pub min_days: u32,
}

/// How well a job is protected: an entry of `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// The job.
    pub job: String,
    /// `protected`, `at_risk` or `unprotected`.
    #[schema(value_type = words::VerdictWord)]
    pub verdict: String,
    /// Why, one line each.
    pub reasons: Vec<String>,
    /// Whether its newest good archive is older than its goal.
    pub overdue: bool,
    /// The first instant strictly after now that its schedule names.
    #[schema(required)]
    pub next_scheduled: Option<Moment>,
    /// When it will really run.
    #[schema(required)]
    pub next_run: Option<Moment>,
    /// When a run last succeeded, or when its newest good archive was made.
    #[schema(required)]
    pub last_success: Option<Moment>,
    /// When a drill last proved that a restore works.
    #[serde(default)]
    #[schema(required)]
    pub last_proven: Option<Moment>,
    /// When the next drill is foreseen.
    #[serde(default)]
    #[schema(required)]
    pub next_drill: Option<Moment>,
    /// Places that hold a good copy which is young enough.
    pub copies: Vec<String>,
    /// Those of them that are off-site.
    pub offsite: Vec<String>,
}

impl From<&Policy> for Retention {
    fn from(policy: &Policy) -> Self {
        let counted = Self {
            mode: policy.mode.counting().word().to_owned(),
            value: None,
            daily: None,
            weekly: None,
            monthly: None,
            yearly: None,
            min_days: policy.min_days,
        };
        match policy.mode {
            Mode::Count(value) | Mode::Daily(value) => Self { value: Some(value), ..counted },
            Mode::Gfs { daily, weekly, monthly, yearly } => Self {
                daily: Some(daily),
                weekly: Some(weekly),
                monthly: Some(monthly),
                yearly: Some(yearly),
                ..counted
            },
        }
    }
}

impl Verdict {
    /// The verdict, with times in the view's zone.
    #[must_use]
    pub fn new(view: &View, verdict: &JobVerdict) -> Self {
        let zone = view.at.time_zone();
        let moment = |at: Option<jiff::Timestamp>| at.map(|at| Moment::new(at, zone));
        Self {
            job: verdict.job.to_string(),
            verdict: verdict.verdict.word().to_owned(),
            reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
            overdue: verdict.overdue,
            next_scheduled: moment(verdict.next_scheduled),
            next_run: moment(verdict.next_run),
            last_success: moment(verdict.last_success),
            last_proven: moment(verdict.proven_at),
            next_drill: moment(verdict.next_drill),
            copies: verdict.copies.iter().map(ToString::to_string).collect(),
            offsite: verdict.offsite.iter().map(ToString::to_string).collect(),
        }
    }

    /// 0 for protected, 1 for at risk, 2 for unprotected.
    #[must_use]
    pub fn severity(&self) -> u8 {
        match status::Verdict::from_word(&self.verdict) {
            Some(status::Verdict::Protected) => 0,
            Some(status::Verdict::AtRisk) => 1,
            Some(status::Verdict::Unprotected) | None => 2,
        }
    }
}

impl Job {
    /// The job with its verdict in `verdicts` and its newest backup run.
    #[must_use]
    pub fn new(
        view: &View,
        job: &model::Job,
        verdicts: &[JobVerdict],
        last_run: Option<Run>,
    ) -> Self {
        let zone = view.at.time_zone();
        let retention = Retention::from(&job.retention);
        let verdict = verdicts.iter().find(|verdict| verdict.job == job.name);
        let last_drill = verdict.and_then(|verdict| verdict.last_drill.as_ref());
        let last_drill = last_drill.map(|last| LastDrill {
            run_id: last.run.0,
            archive: last.archive.to_string(),
            location: last.location.to_string(),
            at: Moment::new(last.at, zone),
            seconds: last.took.as_secs_f64(),
            outcome: last.outcome.word().to_owned(),
            text: last.outcome.text().to_owned(),
        });
        let verdict = verdict.map(|verdict| Verdict::new(view, verdict));
        let core_only = match &job.source {
            JobSource::YnhApp { core_only, .. } => *core_only,
            JobSource::CustomDir(_)
            | JobSource::Mysql(_)
            | JobSource::Postgresql(_)
            | JobSource::YnhSystem { .. } => false,
        };
        let facts = view.observed.jobs.get(&job.name);
        let first_seen = facts.map(|facts| facts.first_seen);
        let updated = facts.and_then(|facts| facts.table.as_ref()).map(|table| table.since);
        Self {
            id: job.name.to_string(),
            name: job.name.to_string(),
            job_type: job.source.job_type().word().to_owned(),
            config: serde_json::from_str(&job.effective_json).unwrap_or(Value::Null),
            cron_expr: job.schedule.text().to_owned(),
            retention_mode: retention.mode.clone(),
            retention_value: retention.value,
            enabled: job.enabled,
            core_only,
            created_at: first_seen.map(|at| Moment::new(at, zone)),
            updated_at: updated.map(|at| Moment::new(at, zone)),
            label: job.label.to_string(),
            location: job.location.to_string(),
            send_to: job.send_to.iter().map(|send| send.to.to_string()).collect(),
            retention,
            schedule: job.schedule.in_words(),
            place: job.place.to_string(),
            state: job.state().word().to_owned(),
            next_scheduled: verdict.as_ref().and_then(|verdict| verdict.next_scheduled),
            next_run: verdict.as_ref().and_then(|verdict| verdict.next_run),
            last_run,
            last_drill,
            verdict,
        }
    }
}
