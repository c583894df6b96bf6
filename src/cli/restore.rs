//! `larder restore`: shows what would be done, asks, has it done, and says what was done.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::ask;
use super::client::{Client, run_id};
use super::context::Context;
use super::ending::Endings;
use super::failure::{FAILED, Failure};
use super::follow::{STATELESS, Until, follow};
use super::run::order;
use super::start;
use super::table::Table;
use super::words::{clean_lines, query, segment};
use crate::api::dto::{Archive, RestorePlan, RestoreStatus, Run};
use crate::engine::Autonomy;
use crate::model::restore::Part;
use crate::restore;
use crate::stop::{Stop, Stopped};

/// How an API says that it could not, and nobody is to blame who asked.
const FAULT: u16 = 500;
/// The question before a restore in place.
const OVERWRITE: &str = "overwrite what is there? type `yes` to go on: ";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder restore web@latest --dry-run              what would be done, and over what
  larder restore web@latest                        everything back to where it was
  larder restore web@2026-05-08 --path etc/app.toml
  larder restore web@latest --to /tmp/web          only the files, elsewhere
  larder restore web@latest --identity key.txt     an encrypted one
  larder restore web@latest --from nas             another host's, here (migration)
  larder restore --undo 42                         what run 42 set aside goes back
  larder restore tom_web_20260508 --peer tom --yes   on another instance

Steps: user, files, permissions, database, service, firewall, commands; those beside the files stand
in `[job.NAME.restore]` of this host. What is overwritten is first set aside beside it; files that
the archive does not know stay where they are. With --path,
only files come back unless --only names more. Ctrl-C cancels; the same command may be given again.
`larder archive export` copies an archive as it is, or as plain tar.")]
pub(super) struct Arguments {
    /// Its name, its id, ORIGIN/NAME, JOB@latest or JOB@DAY
    #[arg(required_unless_present = "undo", value_name = "ARCHIVE")]
    archive: Option<String>,
    /// Lay the files below this directory, and touch nothing else
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only this path, as it was on the host or relative to the source; may be repeated
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only these steps
    #[arg(long, value_name = "STEP,…", value_delimiter = ',', value_parser = part)]
    only: Vec<Part>,
    /// The file with the age identity that opens an encrypted archive
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Show what would be done, and stop
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Do not set aside what is overwritten
    #[arg(long)]
    no_safety: bool,
    /// The copy at this location
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// An archive of this peer, here, on this host: as the job of its name here says, where there is
    /// one
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// Put back what this restore set aside
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "archive", "from", "to", "paths", "only", "identity", "dry_run", "no_safety", "location",
        "peer",
    ])]
    undo: Option<u64>,
    /// Have this other instance restore it there, from an archive by its name there; do not wait
    #[arg(long, value_name = "PEER", requires = "yes", conflicts_with_all = ["identity", "dry_run", "from"])]
    peer: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder restore-unit /var/lib/larder/state/restores/order-42

The daemon starts this by itself, outside its sandbox.")]
pub(super) struct UnitArguments {
    /// The order, as the daemon wrote it
    file: PathBuf,
}

fn part(text: &str) -> Result<Part, String> {
    Part::from_word(text).ok_or_else(|| {
        let words: Vec<&str> = Part::ALL.into_iter().map(Part::word).collect();
        format!("one of {}", words.join(", "))
    })
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    start::with(context, Autonomy::OnRequest, async |client| {
        if let (Some(peer), Some(archive)) = (&arguments.peer, &arguments.archive) {
            return bring_back_there(context, client, arguments, peer, archive).await;
        }
        start::warn_of_mistakes(context, client).await?;
        match (arguments.undo, &arguments.archive) {
            (Some(undo), _) => put_back(context, client, undo, arguments.yes).await,
            (None, Some(archive)) => bring_back(context, client, arguments, archive).await,
            (None, None) => Err(Failure::new("no archive is named").into()),
        }
    })
    .await
}

/// Asks another instance. Its steps are its own: commands, users and units come from its files.
async fn bring_back_there(
    context: &Context,
    client: &Client,
    arguments: &Arguments,
    peer: &str,
    archive: &str,
) -> anyhow::Result<u8> {
    let path = format!("/peers/{}/archives/{}/restore", segment(peer), segment(archive));
    let path = query(&path, &[("location", arguments.location.as_deref())]);
    let name = archive.rsplit('/').next().unwrap_or(archive);
    let body = json!({
        "steps": arguments.only.iter().map(|part| part.word()).collect::<Vec<_>>(),
        "target": arguments.to,
        "paths": arguments.paths,
        "safety": !arguments.no_safety,
        "confirmation": name,
    });
    order(context, client, peer, &path, Some(&body), &format!("restore of {archive}")).await?;
    Ok(0)
}

async fn bring_back(
    context: &Context,
    client: &Client,
    arguments: &Arguments,
    word: &str,
) -> anyhow::Result<u8> {
    let location = arguments.location.as_deref();
    let from = arguments.from.as_deref();
    let among = [("location", location), ("from", from)];
    let info = query(&format!("/archives/{}/info", segment(word)), &among);
    let archive: Archive = client.get(&info).await?;
    let identity = identity(arguments, &archive)?;
    // From here on it is exactly this copy, whatever `@latest` means a moment later.
    let path = |what: &str| {
        let path = format!("/archives/{}/restore{what}", segment(&archive.id));
        query(&path, &[("location", Some(archive.location.as_str())), ("from", from)])
    };
    let mut body = json!({
        "steps": arguments.only.iter().map(|part| part.word()).collect::<Vec<_>>(),
        "target": absolute(arguments.to.as_deref())?,
        "paths": arguments.paths,
        "safety": !arguments.no_safety,
        "identity": absolute(identity.as_deref())?,
        "from": from,
    });
    let plan: RestorePlan =
        serde_json::from_value(client.post(&path("/plan"), Some(&body)).await?)?;
    if arguments.dry_run {
        if context.is_json() {
            context.print_json(&plan)?;
        } else {
            context.print(&clean_lines(&plan.text))?;
        }
        return Ok(0);
    }
    context.tell(clean_lines(&plan.text).trim_end());
    if !arguments.yes {
        if plan.in_place {
            ask::confirm(OVERWRITE, &["yes", &archive.name])?;
        } else {
            ask::confirm("go on? [y/N] ", &["y", "Y", "yes"])?;
        }
    }
    body["confirmation"] = Value::from(archive.name.as_str());
    let endings = Endings::listen()?;
    let ordered = client.post(&path(""), Some(&body)).await.map_err(without_state)?;
    let run = run_id(&ordered)?;
    finish(context, client, run, Some(&path("/status")), endings).await
}

/// What to do when the order itself could not be written down.
fn without_state(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) if failure.status == Some(FAULT) && failure.hint.is_none() => {
            failure.hint(STATELESS).into()
        }
        Ok(failure) => failure.into(),
        Err(error) => error,
    }
}

async fn put_back(context: &Context, client: &Client, undo: u64, yes: bool) -> anyhow::Result<u8> {
    let run: Run = client.get(&format!("/runs/{undo}")).await?;
    if run.kind != "restore" || run.what.starts_with("undo ") {
        return Err(Failure::new(format!("run {undo} ({}) is no restore to undo", run.what))
            .hint("`larder runs --kind restore` lists the restores of this host")
            .into());
    }
    context.tell(&format!("what run {undo} ({}) set aside goes back", run.what));
    if !yes {
        ask::confirm(OVERWRITE, &["yes"])?;
    }
    let endings = Endings::listen()?;
    let run = run_id(&client.post(&format!("/runs/{undo}/undo"), None).await?)?;
    finish(context, client, run, None, endings).await
}

/// Follows the run, then says what became of each step.
async fn finish(
    context: &Context,
    client: &Client,
    run: u64,
    status: Option<&str>,
    endings: Endings,
) -> anyhow::Result<u8> {
    let until = Until::Over(vec![run]);
    let followed = follow(context, client, Timestamp::now(), until, true, endings).await?;
    let code = followed.code();
    if followed.left {
        context.tell(&format!("no longer following; `larder log {run} -f` goes on"));
        return Ok(code);
    }
    let Some(status) = status else {
        let ended: Run = client.get(&format!("/runs/{run}")).await?;
        if context.is_json() {
            context.print_json(&ended)?;
        } else {
            context.tell(&ended.summary);
        }
        return Ok(code);
    };
    let status: RestoreStatus = client.get(status).await?;
    if context.is_json() {
        context.print_json(&status)?;
        return Ok(code);
    }
    if status.steps.is_empty() {
        return Ok(code);
    }
    let mut table = Table::new(&["outcome", "step", "what", "how"], &[], &[2, 3]);
    for step in &status.steps {
        let (what, how) = (step.what.clone(), step.detail.clone());
        table.row([step.outcome.clone(), step.part.clone(), what, how]);
    }
    context.print(&table.render(context))?;
    for warning in status.steps.iter().flat_map(|step| &step.warnings) {
        context.warn(&clean_lines(warning));
    }
    for aside in &status.set_aside {
        context.tell(&format!("set aside: {} in {}", aside.what, aside.place));
    }
    if !status.set_aside.is_empty() {
        context.tell(&format!(
            "`larder restore --undo {run}` puts it back; remove it once it is not needed any more"
        ));
    }
    Ok(code)
}

/// The identity for an archive that needs one: somebody at a terminal is asked for it.
fn identity(arguments: &Arguments, archive: &Archive) -> anyhow::Result<Option<PathBuf>> {
    if arguments.identity.is_some() || !archive.encrypted || !ask::somebody_is_there() {
        // Its location may have one.
        return Ok(arguments.identity.clone());
    }
    let answer = ask::answer(&format!(
        "archive `{}` is encrypted\nfile with the age identity (empty: the one of its location): ",
        archive.name
    ))?;
    Ok(Some(answer).filter(|answer| !answer.is_empty()).map(PathBuf::from))
}

/// Another process does it, with another directory.
fn absolute(path: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    Ok(path.map(std::path::absolute).transpose()?)
}

/// Carries out an order that a daemon wrote down: see [`restore::serve`].
pub(super) async fn unit(arguments: &UnitArguments) -> anyhow::Result<u8> {
    let stop = Stop::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let asked = stop.clone();
    tokio::spawn(async move {
        // Either may be dropped: the other one came.
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        asked.request(Stopped::Cancelled);
    });
    let file = arguments.file.clone();
    let served = tokio::task::spawn_blocking(move || restore::serve(&file, io::stdout(), &stop));
    let is_complete = served.await?.map_err(|error| {
        Failure::new(format!("cannot carry out `{}`: {error}", arguments.file.display()))
            .hint("the daemon writes such orders; `larder restore` is the command")
    })?;
    Ok(if is_complete { 0 } else { FAILED })
}
