//! `larder jobs`.

use clap::Args;
use jiff::Timestamp;

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::plan::time;
use super::start;
use super::table::Table;
use super::words::{query, relative, segment};
use crate::api::dto;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder jobs
  larder jobs --at 2026-05-08T03:00:00+02:00     when they run next, seen from then
  larder jobs --format json")]
pub(super) struct Arguments {
    /// As of this moment (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<String>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let at = arguments.at.as_deref();
    let path = query("/jobs", &[("at", at)]);
    let jobs: Vec<dto::Job> =
        start::with_view(context, at, async |client| client.list(&path, usize::MAX).await).await?;
    if context.is_json() {
        context.print_json(&jobs)?;
        return Ok(0);
    }
    if jobs.is_empty() {
        context.tell("there are no jobs");
        return Ok(0);
    }
    let now = match at {
        Some(at) => at.parse()?,
        None => Timestamp::now(),
    };
    context.print(&table(context, &jobs, now))?;
    Ok(0)
}

/// Says of an empty answer that nobody knows this job, since it may be a slip of the finger; a job
/// that is no longer in the configuration is none.
pub(super) async fn unknown(client: &Client, job: Option<&str>) -> String {
    let Some(job) = job else {
        return String::new();
    };
    match client.get::<dto::Job>(&format!("/jobs/{}", segment(job))).await {
        Ok(_) => String::new(),
        Err(error) => {
            let hint = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone());
            format!(": {error}{}", hint.map_or_else(String::new, |hint| format!("; {hint}")))
        }
    }
}

fn table(context: &Context, jobs: &[dto::Job], now: Timestamp) -> String {
    let columns =
        ["job", "type", "schedule", "next run", "last run", "retention", "location", "verdict"];
    let mut table = Table::new(&columns, &[], &[3, 4, 5, 6]);
    for job in jobs {
        let next = match (job.next_run, job.enabled && job.state == "present") {
            (_, false) => "off".to_owned(),
            (None, true) => "-".to_owned(),
            (Some(at), true) if at.timestamp() <= now => "now".to_owned(),
            (Some(at), true) => format!("{} ({})", at.short(), relative(at.timestamp(), now)),
        };
        let last = job.last_run.as_ref().map_or_else(
            || "never".to_owned(),
            |run| {
                let at = run.finished_at.or(run.started_at).unwrap_or(run.queued_at);
                if at.timestamp() > now {
                    // Seen from an earlier moment, it has not happened yet.
                    return "-".to_owned();
                }
                format!("{} {}", run.status, relative(at.timestamp(), now))
            },
        );
        let mut places = vec![job.location.clone()];
        places.extend(job.send_to.iter().map(|place| format!("→ {place}")));
        table.row([
            job.name.clone(),
            job.job_type.clone(),
            job.cron_expr.clone(),
            next,
            last,
            policy(&job.retention),
            places.join(" "),
            job.verdict.as_ref().map_or_else(String::new, |v| v.verdict.replace('_', " ")),
        ]);
    }
    table.render(context)
}

/// A policy in few characters: `count 7`, `gfs 7/4/3`.
fn policy(retention: &dto::Retention) -> String {
    if let Some(value) = retention.value {
        return format!("{} {value}", retention.mode);
    }
    let numbers = [retention.daily, retention.weekly, retention.monthly, retention.yearly];
    let mut numbers: Vec<String> =
        numbers.into_iter().map(|number| number.unwrap_or(0).to_string()).collect();
    if numbers.last().is_some_and(|yearly| yearly == "0") {
        numbers.pop();
    }
    format!("{} {}", retention.mode, numbers.join("/"))
}
