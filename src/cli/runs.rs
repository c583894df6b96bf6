//! `larder runs`, `larder log` and `larder cancel`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::client::Client;
use super::context::Context;
use super::failure::{FAILED, Failure};
use super::follow::ended;
use super::jobs::unknown;
use super::start;
use super::table::Table;
use super::words::{clean_lines, duration, query, size};
use crate::api::dto::Run;
use crate::engine::Autonomy;

/// How often a log that is followed is looked at.
const INTERVAL: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder runs                             the newest 30
  larder runs --job web --status error
  larder runs --limit 1000 --format json")]
pub(super) struct Arguments {
    /// Of this job only
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// With this status only: queued, running, success, warning, error, cancelled, interrupted
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Of this kind only: backup, expire, empty-trash, verify, send, adopt, restore, drill, fetch,
    /// prune
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 30)]
    limit: usize,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder log 42
  larder log 42 -f          goes on until the run is over")]
pub(super) struct LogArguments {
    /// The number of the run
    run: u64,
    /// Go on until the run is over
    #[arg(short, long)]
    follow: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder runs --status running
  larder cancel 42")]
pub(super) struct CancelArguments {
    /// The number of the run
    run: u64,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let parameters = [
        ("job", arguments.job.as_deref()),
        ("status", arguments.status.as_deref()),
        ("kind", arguments.kind.as_deref()),
    ];
    let path = query("/runs", &parameters);
    let limit = arguments.limit.max(1);
    let (runs, unknown) = start::with(context, Autonomy::OnRequest, async |client| {
        let runs: Vec<Run> = client.list(&path, limit).await?;
        let job = arguments.job.as_deref().filter(|_| runs.is_empty());
        let unknown = unknown(client, job).await;
        Ok((runs, unknown))
    })
    .await?;
    if context.is_json() {
        context.print_json(&runs)?;
        return Ok(0);
    }
    if runs.is_empty() {
        context.tell(&format!("there are no such runs{unknown}"));
        return Ok(0);
    }
    context.print(&table(context, &runs, Timestamp::now()))?;
    Ok(0)
}

fn table(context: &Context, runs: &[Run], now: Timestamp) -> String {
    let columns = ["status", "run", "what", "when", "duration", "size", "summary"];
    let mut table = Table::new(&columns, &[1, 4, 5], &[2, 6]);
    for run in runs {
        let at = run.finished_at.or(run.started_at).unwrap_or(run.queued_at);
        table.row([
            run.status.clone(),
            run.id.to_string(),
            run.what.clone(),
            context.when(at, now),
            run.seconds().map_or_else(String::new, duration),
            run.size_bytes.map_or_else(String::new, size),
            run.summary.clone(),
        ]);
    }
    table.render(context)
}

/// One run, without its log.
async fn one(client: &Client, id: u64) -> anyhow::Result<Run> {
    let path = format!("/runs?limit=1&cursor={}", id + 1);
    let runs: Vec<Run> = client.get(&path).await?;
    let found = runs.into_iter().find(|run| run.id == id);
    found.ok_or_else(|| {
        Failure::new(format!("there is no run {id}")).hint("`larder runs` lists them").into()
    })
}

pub(super) async fn log(context: &Context, arguments: &LogArguments) -> anyhow::Result<u8> {
    let id = arguments.run;
    start::with(context, Autonomy::OnRequest, async |client| {
        // One listener for the whole time: a new one for each look would miss what comes in between.
        let mut ctrl_c = arguments.follow.then(|| signal(SignalKind::interrupt())).transpose()?;
        let mut offset = 0;
        loop {
            // The status first: what a run logs before it ends is then read after it.
            let run = one(client, id).await?;
            let text = client.get_text(&format!("/runs/{id}/log?offset={offset}")).await?;
            offset += text.len();
            context.print(&clean_lines(&text))?;
            let Some(ctrl_c) = ctrl_c.as_mut().filter(|_| !run.is_final()) else {
                return Ok(0);
            };
            // Either may be dropped: nothing is under way between two looks.
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = ctrl_c.recv() => return Ok(0),
            }
        }
    })
    .await
}

pub(super) async fn cancel(context: &Context, arguments: &CancelArguments) -> anyhow::Result<u8> {
    let id = arguments.run;
    start::with(context, Autonomy::OnRequest, async |client| {
        let before = one(client, id).await?;
        if before.is_final() {
            return Err(Failure::new(format!("run {id} is over: {}", before.status)).into());
        }
        client.post(&format!("/runs/{id}/cancel"), None).await?;
        let run = loop {
            let run = one(client, id).await?;
            if run.is_final() {
                break run;
            }
            tokio::time::sleep(INTERVAL).await;
        };
        if context.is_json() {
            context.print_json(&run)?;
        } else {
            context.tell(&ended(&run, context.color_on_stderr));
        }
        // It may have been faster than the request.
        Ok(if run.status == "cancelled" { 0 } else { FAILED })
    })
    .await
}
