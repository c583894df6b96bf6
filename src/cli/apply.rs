//! `larder apply`: converges once, in the foreground.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::client::Client;
use super::context::Context;
use super::ending::Endings;
use super::failure::{BLOCKED, FAILED, Failure};
use super::follow::{Followed, Until, follow};
use super::start;
use super::table::Table;
use super::words::{count, duration, query, relative, segment, size};
use crate::api::dto;
use crate::engine::Autonomy;
use crate::model::name::JobName;

/// How often a daemon is asked whether it has looked again, and how long between.
const LOOKS: u32 = 100;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder apply                          everything that is due, with progress
  larder apply --job web --job mail     these jobs only
  larder apply --config examples/quickstart

Ctrl-C, SIGTERM and SIGHUP cancel the run that is under way: its commands `after` run, and nothing
half-made is left behind. With a running daemon
the command asks it to look again and follows it.

Exit codes: 0 done, 1 a run failed, 4 deletions wait for approval, 75 state in use,
129 and 143 ended by SIGHUP and SIGTERM")]
pub(super) struct Arguments {
    /// Only this job; may be given more than once
    #[arg(long = "job", value_name = "JOB")]
    jobs: Vec<String>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    // An engine begins before anybody can look, and to the millisecond is what the API tells.
    let since = Timestamp::from_millisecond(Timestamp::now().as_millisecond())?;
    let only = &arguments.jobs;
    // An engine begins by itself, and what it begins is to end cleanly.
    let endings = Endings::listen()?;
    let names: Result<Vec<JobName>, _> = only.iter().map(|name| name.parse()).collect();
    start::with_jobs(context, Autonomy::Apply, names?, async |client| {
        for job in only {
            let _: dto::Job = client.get(&format!("/jobs/{}", segment(job))).await?;
        }
        if client.is_daemon() {
            context.tell("a daemon runs: it is asked to look again and followed");
            look_again(client).await?;
        }
        start::warn_of_mistakes(context, client).await?;
        let cancels = !client.is_daemon();
        let mut followed = follow(context, client, since, Until::Settled, cancels, endings).await?;
        if !only.is_empty() {
            followed.runs.retain(|run| run.job_id.as_ref().is_some_and(|job| is_of(job, only)));
        }
        // With a daemon it is the daemon's work.
        if let Some(handle) = client.handle() {
            crate::daemon::publish_once(handle).await;
        }
        let code = finish(context, client, &followed).await?;
        let plan: dto::Plan = client.get("/plan").await?;
        tell_what_waits(context, client, &plan, only).await?;
        let mut is_whole = true;
        for unlisted in plan.unlisted.iter().filter(|one| only.is_empty() || is_of(&one.job, only))
        {
            let dto::Unlisted { job, failure } = unlisted;
            context.warn(&format!("what `{job}` stands for cannot be listed: {failure}"));
            is_whole = false;
        }
        Ok(if is_whole { code } else { FAILED })
    })
    .await
}

/// What the plan says of jobs that have no archive: who wants everything done must not take them for
/// protected.
async fn tell_what_waits(
    context: &Context,
    client: &Client,
    plan: &dto::Plan,
    only: &[String],
) -> anyhow::Result<()> {
    let verdicts: Vec<dto::Verdict> = client.get("/status").await?;
    let bare = verdicts.into_iter().filter(|verdict| verdict.last_success.is_none());
    let bare: BTreeSet<String> = bare.map(|verdict| verdict.job).collect();
    let about = |job: &String| bare.contains(job) && (only.is_empty() || is_of(job, only));
    for note in plan.notes.iter().filter(|note| note.job.as_ref().is_some_and(about)) {
        context.tell(&format!("note: {}", note.text));
    }
    Ok(())
}

/// Whether a job is one of these, or a series of one of them.
fn is_of(job: &str, jobs: &[String]) -> bool {
    let declared = job.split('/').next().unwrap_or(job);
    jobs.iter().any(|one| one == job || one == declared)
}

/// Has the daemon read its configuration and look at everything again; without waiting for that,
/// it would seem settled before it began.
async fn look_again(client: &Client) -> anyhow::Result<()> {
    let before: dto::Health = client.get("/health").await?;
    client.post("/config/reload", None).await?;
    for _ in 0..LOOKS {
        let now: dto::Health = client.get("/health").await?;
        if now.at > before.at {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// Tells what came of it, and numbers it.
pub(super) async fn finish(
    context: &Context,
    client: &Client,
    followed: &Followed,
) -> anyhow::Result<u8> {
    let plan: dto::Plan = client.get("/plan").await?;
    if context.is_json() {
        context.print_json(&followed.runs)?;
    } else {
        let made = made(client, followed).await?;
        if !made.is_empty() {
            context.print(&table(context, &made))?;
        }
        remarks(context, client, followed, &plan);
    }
    Ok(if followed.has_failed() {
        followed.code()
    } else if plan.blocked.is_empty() && plan.recovery.is_none() {
        0
    } else {
        BLOCKED
    })
}

/// An archive or a copy that was made.
struct Made {
    archive: String,
    location: String,
    size: u64,
    seconds: f64,
    outcome: String,
}

/// What was made, in the order in which it was made.
async fn made(client: &Client, followed: &Followed) -> anyhow::Result<Vec<Made>> {
    let mut made = Vec::new();
    for run in
        followed.runs.iter().filter(|run| matches!(run.status.as_str(), "success" | "warning"))
    {
        let (word, location) = match (run.kind.as_str(), &run.archive_name, &run.archive_id) {
            ("backup" | "adopt", Some(name), _) => (name.clone(), run.location.clone()),
            ("send", _, Some(id)) => (id.clone(), run.to.clone()),
            _ => continue,
        };
        let path = format!("/archives/{}/info", segment(&word));
        let path = query(&path, &[("location", location.as_deref())]);
        let archive: Option<dto::Archive> = match client.get(&path).await {
            Ok(archive) => Some(archive),
            // Expired or moved in the meantime, or another archive has this name elsewhere.
            Err(error) if error.is::<Failure>() => None,
            Err(error) => return Err(error),
        };
        let archive_name = archive.as_ref().map(|archive| archive.name.clone());
        let outcome = archive.as_ref().map_or_else(|| run.status.clone(), |a| a.outcome.clone());
        let remark = run.status == "warning" && !run.summary.is_empty();
        made.push(Made {
            archive: run.archive_name.clone().or(archive_name).unwrap_or(word),
            location: archive.as_ref().map(|a| a.location.clone()).or(location).unwrap_or_default(),
            size: run.size_bytes.or(archive.map(|a| a.file_size)).unwrap_or_default(),
            seconds: run.seconds().unwrap_or_default(),
            outcome: if remark { format!("{outcome}: {}", run.summary) } else { outcome },
        });
    }
    Ok(made)
}

fn table(context: &Context, made: &[Made]) -> String {
    let columns = ["archive", "location", "size", "duration", "outcome"];
    let mut table = Table::new(&columns, &[2, 3], &[4]);
    for one in made {
        table.row([
            one.archive.clone(),
            one.location.clone(),
            size(one.size),
            duration(one.seconds),
            one.outcome.clone(),
        ]);
    }
    table.render(context)
}

/// What somebody who ended it wants to know.
fn stopped(followed: &Followed, is_daemon: bool) -> String {
    if is_daemon && followed.left {
        return "no longer following; the daemon goes on".to_owned();
    }
    let text = "stopped: what was under way left nothing behind, every finished archive is whole";
    match followed.runs.iter().filter(|run| run.status == "queued").count() {
        0 => text.to_owned(),
        waiting => format!(
            "{text}; what waits ({}) goes on with the next `larder apply` or with the daemon",
            count(waiting, "run")
        ),
    }
}

fn remarks(context: &Context, client: &Client, followed: &Followed, plan: &dto::Plan) {
    let runs = &followed.runs;
    if followed.ended_by.is_some() {
        context.tell(&stopped(followed, client.is_daemon()));
        return;
    }
    if let Some(recovery) = &plan.recovery {
        context.warn(recovery);
    }
    if runs.is_empty() && plan.recovery.is_none() {
        let next = plan.wake_at.map_or_else(String::new, |at| {
            let relative = relative(at.timestamp(), plan.at.timestamp());
            format!("; next: {} ({relative})", at.short())
        });
        context.tell(&format!("nothing to do{next}"));
    }
    let failed = runs.iter().filter(|run| run.has_failed()).count();
    if failed > 0 {
        context.warn(&format!(
            "{} did not succeed; `larder runs` lists them, `larder log RUN` says more",
            count(failed, "run")
        ));
    }
    for blocked in &plan.blocked {
        context.warn(&format!(
            "held back: {} of {}: {}; `larder plan` shows them, \
             `larder approve {}` lets them happen",
            count(blocked.archives.len(), "deletion"),
            blocked.series,
            blocked.reason,
            blocked.hash
        ));
    }
}
