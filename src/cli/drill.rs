//! `larder drill [JOB]…`: proves restores now.

use clap::Args;
use serde_json::Value;

use super::client::{Client, run_id};
use super::context::Context;
use super::failure::{FAILED, Failure, Refusals};
use super::run::follow_these;
use super::start;
use super::table::Table;
use super::words::{duration, query, segment};
use crate::api::dto;
use crate::engine::Autonomy;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder drill                  every job with `drill` or the goal `protect.proven`
  larder drill web mail         these
  larder drill apps/nextcloud   one of the series of a job with `*`

The newest good archive is restored into a scratch place that is removed afterwards, and compared
with what was recorded when it was made; a dump is loaded into a throw-away server. Nothing of this
host is touched. Exit code 1 when one does not restore or could not be proved. Ctrl-C cancels.")]
pub(super) struct Arguments {
    /// The jobs
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    start::with(context, Autonomy::OnRequest, async |client| {
        start::warn_of_mistakes(context, client).await?;
        let jobs = match arguments.jobs.as_slice() {
            [] => declared(client).await?,
            named => named.to_vec(),
        };
        let mut runs = Vec::new();
        let mut refusals = Refusals::default();
        for job in &jobs {
            runs.extend(refusals.take(context, ask(client, job).await).unwrap_or_default());
        }
        if runs.is_empty() {
            return refusals.end(FAILED);
        }
        let followed = follow_these(context, client, runs).await?;
        if context.is_json() {
            context.print_json(&followed.runs)?;
        } else {
            context.print(&table(context, client, &followed.runs).await?)?;
        }
        // Who asks for a proof and gets none must not take it for one.
        let is_proven = followed.runs.iter().all(|run| outcome(run) == "proven");
        refusals.end(if is_proven { followed.code() } else { followed.code().max(FAILED) })
    })
    .await
}

/// The jobs whose owner wants proofs.
async fn declared(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut jobs: Vec<dto::Job> = client.list("/jobs", usize::MAX).await?;
    let wants = |job: &dto::Job| {
        let goal = job.config.get("protect").and_then(|protect| protect.get("proven"));
        job.config.get("drill").is_some() || goal.is_some()
    };
    jobs.retain(|job| job.enabled && job.state == "present" && wants(job));
    if jobs.is_empty() {
        return Err(Failure::new("no job has `drill` or the goal `protect.proven`")
            .hint("name the jobs to prove: `larder drill JOB`")
            .into());
    }
    Ok(jobs.into_iter().map(|job| job.name).collect())
}

/// Asks for the drills of a job; one that is queued or running already is followed as it is.
async fn ask(client: &Client, job: &str) -> anyhow::Result<Vec<u64>> {
    match client.post(&format!("/jobs/{}/drill", segment(job)), None).await {
        Ok(answer) => match answer.get("run_ids").and_then(Value::as_array) {
            Some(numbers) => Ok(numbers.iter().filter_map(Value::as_u64).collect()),
            None => Ok(vec![run_id(&answer)?]),
        },
        Err(error) => match error.downcast_ref::<Failure>().and_then(|failure| failure.run_id) {
            Some(run) => Ok(vec![run]),
            None => Err(error),
        },
    }
}

async fn table(context: &Context, client: &Client, runs: &[dto::Run]) -> anyhow::Result<String> {
    let mut table = Table::new(&["job", "archive", "at", "outcome", "took", "what"], &[4], &[1, 5]);
    for run in runs {
        let archive = match &run.archive_id {
            Some(id) => {
                let path = query(
                    &format!("/archives/{}/info", segment(id)),
                    &[("location", run.location.as_deref())],
                );
                client.get::<dto::Archive>(&path).await.map_or_else(|_| id.clone(), |a| a.name)
            }
            None => String::new(),
        };
        table.row([
            run.job_id.clone().unwrap_or_default(),
            archive,
            run.location.clone().unwrap_or_default(),
            outcome(run).to_owned(),
            run.seconds().map(duration).unwrap_or_default(),
            run.summary.clone(),
        ]);
    }
    Ok(table.render(context))
}

fn outcome(run: &dto::Run) -> &str {
    match run.status.as_str() {
        "success" => "proven",
        "warning" if run.summary.starts_with("proven") => "proven",
        "warning" => "unknown",
        "error" => "failed",
        other => other,
    }
}
