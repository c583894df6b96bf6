//! `larder run JOB…`: backs up now.

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::apply::finish;
use super::client::{Client, run_ids};
use super::context::Context;
use super::ending::Endings;
use super::failure::{FAILED, Failure, Refusals};
use super::follow::{Followed, Until, follow};
use super::start;
use super::words::segment;
use crate::engine::Autonomy;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder run web                back up job `web` now
  larder run web mail           one after the other
  larder run apps/nextcloud     one series of a job with `*`; `larder run apps` runs all of them
  larder run web --detach       with a daemon: ask, and do not wait
  larder run web --peer tom     job `web` of another instance, where it gave us the scope `run`

Archives of such runs fill no slot of the retention policy; they stay `manual_keep` (30 days).
Ctrl-C cancels the run; without a daemon SIGTERM and SIGHUP do so too, and the commands `after` run.")]
pub(super) struct Arguments {
    /// The jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
    /// Only ask the daemon, and print the numbers of the runs
    #[arg(long)]
    detach: bool,
    /// Run jobs of this other instance there, and do not wait
    #[arg(long, value_name = "PEER", conflicts_with = "detach")]
    peer: Option<String>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    start::with(context, Autonomy::OnRequest, async |client| {
        if arguments.detach {
            return detach(context, client, &arguments.jobs).await;
        }
        if let Some(peer) = &arguments.peer {
            for job in &arguments.jobs {
                let path = format!("/peers/{}/jobs/{}/run", segment(peer), segment(job));
                order(context, client, peer, &path, None, &format!("backup of {job}")).await?;
            }
            return Ok(0);
        }
        start::warn_of_mistakes(context, client).await?;
        run_jobs(context, client, &arguments.jobs).await
    })
    .await
}

async fn detach(context: &Context, client: &Client, jobs: &[String]) -> anyhow::Result<u8> {
    if !client.is_daemon() {
        return Err(Failure::new("no daemon runs that could do it later")
            .hint("leave `--detach` away, or start the daemon")
            .into());
    }
    for job in jobs {
        let answer = client.post(&format!("/jobs/{}/run", segment(job)), None).await?;
        if context.is_json() {
            context.print_json(&answer)?;
        } else {
            for run in run_ids(&answer)? {
                context.print(&format!("run {run}: backup of {job}\n"))?;
            }
        }
    }
    Ok(0)
}

/// Has another instance do something, and says which runs it began.
pub(super) async fn order(
    context: &Context,
    client: &Client,
    peer: &str,
    path: &str,
    body: Option<&Value>,
    what: &str,
) -> anyhow::Result<()> {
    let answer = client.post(path, body).await?;
    if context.is_json() {
        return context.print_json(&answer);
    }
    for run in run_ids(&answer)? {
        context.print(&format!("run {run} at {peer}: {what}\n"))?;
    }
    Ok(())
}

/// Asks for these jobs and follows them; one that is queued or running already is followed as it is.
async fn run_jobs(context: &Context, client: &Client, jobs: &[String]) -> anyhow::Result<u8> {
    // From the first order on: the commands `after` of what it begins are to run.
    let endings = Endings::listen()?;
    let mut runs = Vec::new();
    let mut refusals = Refusals::default();
    for job in jobs {
        let asked = ask(context, client, job).await;
        runs.extend(refusals.take(context, asked).unwrap_or_default());
    }
    if runs.is_empty() {
        return refusals.end(FAILED);
    }
    let until = Until::Over(runs);
    let followed = follow(context, client, Timestamp::now(), until, true, endings).await?;
    refusals.end(finish(context, client, &followed).await?)
}

async fn ask(context: &Context, client: &Client, job: &str) -> anyhow::Result<Vec<u64>> {
    match client.post(&format!("/jobs/{}/run", segment(job)), None).await {
        Ok(answer) => run_ids(&answer),
        Err(error) => match error.downcast_ref::<Failure>().and_then(|f| f.run_id) {
            Some(run) => {
                context.tell(&format!("job `{job}` is queued or running already, as run {run}"));
                Ok(vec![run])
            }
            None => Err(error),
        },
    }
}

/// Follows these runs and no others.
pub(super) async fn follow_these(
    context: &Context,
    client: &Client,
    runs: Vec<u64>,
) -> anyhow::Result<Followed> {
    let endings = Endings::listen()?;
    follow(context, client, Timestamp::now(), Until::Over(runs), true, endings).await
}
