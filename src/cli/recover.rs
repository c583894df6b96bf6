//! `larder recover`: a burned server comes back from a folder of archives.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::ask;
use super::check::render;
use super::context::Context;
use super::ending::Endings;
use super::failure::{FAILED, Failure, USAGE};
use super::start;
use super::words::{clean, clean_lines, count};
use crate::causes::with_causes;
use crate::config::{self, Severity};
use crate::engine::Autonomy;
use crate::model::desired::Desired;
use crate::model::name::JobName;
use crate::model::peer::shown_host;
use crate::progress::Progress;
use crate::recover::{self, Configuration, Ended, Found, Item, Origin, RecoverError};
use crate::restore::Watch;
use crate::stop::{Stop, Stopped};

mod peer;
mod shown;

use shown::{Shown, is_whole, shown, tell_end, text_of};

/// The directory of records below the state.
const WORK_DIR: &str = "restores";
/// How long a stop may take until it is obeyed.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder recover /mnt/archives --dry-run               what would come back, and over what
  larder recover /mnt/archives                         everything, after you said yes
  larder recover /mnt/archives --identity key.txt      from encrypted archives
  larder recover /mnt/archives --job notes --job db    only these
  larder recover --peer https://tom.example.org --code larder1.…   from who kept them
  larder recover --done                                there is nothing (more) to take back

The folder is only read. The configuration comes from the newest archive of itself, or from what the
archives say of their jobs; one that is in --config already is used as it is. What is overwritten is
set aside beside it. A recovery that was interrupted may be run again. docs/DISASTER.md has the whole day.")]
pub(super) struct Arguments {
    /// The folder that holds the archives
    #[arg(value_name = "DIR", required_unless_present_any = ["done", "peer"])]
    dir: Option<PathBuf>,
    /// Fetch them from the instance at this URL, which kept them
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    peer: Option<String>,
    /// What `larder peer invite NAME --replace` printed there
    #[arg(long, value_name = "CODE", requires = "peer")]
    code: Option<String>,
    /// Where they are fetched to
    #[arg(long, value_name = "DIR", requires = "peer")]
    into: Option<PathBuf>,
    /// Whose archives, where the folder has those of several instances
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// The file with the age identity that opens encrypted archives
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Only this job; may be repeated
    #[arg(long = "job", value_name = "JOB")]
    jobs: Vec<JobName>,
    /// Show what would be done, and stop
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// There is nothing (more) to take back: backups, copies and deletions go on
    #[arg(long, conflicts_with_all = ["dir", "peer", "instance", "identity", "jobs", "dry_run", "yes"])]
    done: bool,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let stop = stop_on_ctrl_c()?;
    match (&arguments.dir, &arguments.peer) {
        (Some(dir), _) => bring_back(context, arguments, dir, &stop).await,
        (None, Some(url)) => {
            let dir = peer::gather(context, arguments, url, &stop).await?;
            bring_back(context, arguments, &dir, &stop).await
        }
        (None, None) => done(context).await,
    }
}

async fn end_recovery(context: &Context) -> anyhow::Result<serde_json::Value> {
    start::with(context, Autonomy::OnRequest, async |client| {
        client.post("/recovery/done", None).await
    })
    .await
}

async fn done(context: &Context) -> anyhow::Result<u8> {
    let answer = end_recovery(context).await?;
    if context.is_json() {
        context.print_json(&answer)?;
    } else if answer.get("ended").and_then(serde_json::Value::as_bool) == Some(true) {
        context.tell("recovery is over: jobs run again");
    } else {
        context.tell("no recovery was under way");
    }
    Ok(0)
}

async fn bring_back(
    context: &Context,
    arguments: &Arguments,
    dir: &Path,
    stop: &Stop,
) -> anyhow::Result<u8> {
    let (found, problems) = blocking(stop, {
        let dir = dir.to_owned();
        move |_| recover::look(&dir)
    })
    .await?
    .map_err(told)?;
    for problem in problems {
        context.warn(&clean(&problem));
    }
    let here = known_here(&context.config_dir);
    let found = choose(&found, arguments.instance.as_deref(), here.as_ref())?.clone();
    let identity = ask::read_identity(arguments.identity.as_deref())?;
    let config_dir = std::path::absolute(&context.config_dir)?;
    let configuration = blocking(stop, {
        let (found, dir, identity) = (found.clone(), dir.to_owned(), identity.clone());
        move |stop| recover::take_back(&found, &dir, &config_dir, identity.as_deref(), stop)
    })
    .await?
    .map_err(told)?;
    let desired = desired_of(context, &configuration)?;
    if !desired.instance.is_or_was(&found.instance) {
        return Err(Failure::new(format!(
            "the configuration in `{}` is that of `{}`, and these are archives of `{}`",
            configuration.dir().display(),
            desired.instance.name,
            found.instance
        ))
        .hint("name another directory with `--config`, or the other instance with `--instance`")
        .into());
    }
    // Records name the places of what is set aside; numbers of runs are small, these are not.
    let number = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default() * 1000;
    let work = Work {
        jobs: arguments.jobs.clone(),
        identity_file: arguments.identity.as_deref().map(std::path::absolute).transpose()?,
        identity,
        records: desired.instance.state_dir.join(WORK_DIR),
        number,
        found,
        desired,
    };
    let kept = arguments.peer.as_ref().map(|url| (work.desired.clone(), url));
    let code = reviewed(context, arguments, work, configuration, stop).await?;
    if let Some((desired, url)) = kept.filter(|_| !arguments.dry_run) {
        peer::keep_token(context, &desired, url, dir);
    }
    Ok(code)
}

/// What a recovery works with, off the async threads.
struct Work {
    found: Found,
    desired: Desired,
    jobs: Vec<JobName>,
    identity_file: Option<PathBuf>,
    identity: Option<String>,
    /// Where records of restores are kept.
    records: PathBuf,
    number: u64,
}

impl Work {
    /// The jobs that come back, in their order.
    fn items(&self) -> anyhow::Result<Vec<Item<'_>>> {
        let series = recover::newest(&self.found);
        for job in &self.jobs {
            if !series.iter().any(|one| names(job, &one.job)) {
                let known: Vec<String> = series.iter().map(|one| one.job.to_string()).collect();
                return Err(Failure::new(format!("no good archive of a job `{job}` is there"))
                    .hint(format!("there are: {}", known.join(", ")))
                    .into());
            }
        }
        let wanted: Vec<_> = series
            .into_iter()
            .filter(|one| self.jobs.is_empty() || self.jobs.iter().any(|job| names(job, &one.job)))
            .collect();
        recover::items(&wanted, &self.desired, self.identity_file.as_deref()).map_err(told)
    }
}

/// Whether a name on the command line means this job: `apps` means `apps/nextcloud` as well.
fn names(named: &JobName, job: &JobName) -> bool {
    named == job || named.as_str() == job.declared()
}

/// Shows the plan, asks, carries it out, and tells what came of it.
async fn reviewed(
    context: &Context,
    arguments: &Arguments,
    work: Work,
    configuration: Configuration,
    stop: &Stop,
) -> anyhow::Result<u8> {
    let json = context.is_json();
    let text = head(&work, &configuration);
    context.tell(&clean_lines(&text));
    let (dry_run, yes, quiet) = (arguments.dry_run, arguments.yes, json);
    let outcome = blocking(stop, move |stop| -> anyhow::Result<Reviewed> {
        let progress = Progress::new();
        let mut looks = |job: &JobName| tracing::info!(%job, "looking at the archive");
        let prepared = recover::prepare(work.items()?, &work.records, stop, &progress, &mut looks);
        stop.check()?;
        let plan = shown(&prepared);
        if dry_run {
            return Ok(Reviewed { plan, ended: None, whole: is_whole(&prepared), dir: None });
        }
        let _ = write!(io::stderr(), "{}", clean_lines(&text_of(&plan)));
        if !yes {
            ask::confirm("carry this out? type `yes` to go on: ", &["yes"])?;
        }
        // From here on it ends where that is safe, and only there; who is asked whether to begin is
        // let go at once.
        Endings::listen()?.ask_for(stop);
        configuration.put().map_err(told)?;
        make_private(&work.records)?;
        let identity = work.identity.as_deref();
        let mut log = |line: &str| {
            // A recovery is no run that could be undone as one: its places are told at the end.
            if !quiet && !line.contains("`larder restore --undo") {
                let _ = writeln!(io::stderr(), "  {}", clean(line));
            }
        };
        let mut watch = Watch { stop, progress: &progress, log: &mut log };
        let ended = recover::carry_out(&prepared, &work.records, work.number, identity, &mut watch);
        let whole = work.jobs.is_empty() && ended.values().all(|end| end.failed.is_none());
        let ended = ended.into_iter().map(|(job, end)| (job.to_string(), end)).collect();
        let dir = Some(configuration.dir().to_owned());
        Ok(Reviewed { plan, ended: Some(ended), whole, dir })
    })
    .await??;
    let Some(ended) = &outcome.ended else {
        if json {
            context.print_json(&outcome.plan)?;
        } else {
            context.print(&clean_lines(&text_of(&outcome.plan)))?;
        }
        return Ok(if outcome.whole { 0 } else { FAILED });
    };
    tell_end(context, ended)?;
    if outcome.whole {
        end_recovery(context).await?;
    }
    let dir = outcome.dir.unwrap_or_default();
    context.tell(&if outcome.whole {
        format!(
            "everything is back; `larder check --live --config {0}` compares the configuration with this host, `larder status` says what comes next",
            dir.display()
        )
    } else {
        "not everything is back: put right what is told above and run it again; `larder recover --done` ends the recovery as it is"
            .to_owned()
    });
    let failed = ended.iter().any(|(_, end)| end.failed.is_some());
    Ok(if failed { FAILED } else { 0 })
}

/// What came of a review.
struct Reviewed {
    plan: Shown,
    ended: Option<Vec<(String, Ended)>>,
    /// Whether nothing is missing.
    whole: bool,
    dir: Option<PathBuf>,
}

/// What was found, and where the configuration comes from.
fn head(work: &Work, configuration: &Configuration) -> String {
    let found = &work.found;
    let newest = found.newest().map_or_else(String::new, |copy| {
        let archive = &copy.archive;
        let zone = work.desired.instance.timezone.clone();
        let at = archive.created_at.to_zoned(zone).strftime("%F %H:%M").to_string();
        format!(", the newest of {at}")
    });
    let archives = count(found.copies.len(), "archive");
    let dir = configuration.dir().display();
    let files = count(configuration.files, "file");
    let from = match &configuration.origin {
        Origin::Present => format!("`{dir}` is there and used as it is ({files})"),
        Origin::Archive(name) => format!("to `{dir}` from `{name}` ({files})"),
        Origin::Tables(why) => {
            format!("to `{dir}`, made of what the archives say of their jobs ({why})")
        }
    };
    format!("recover `{}`: {archives}{newest}\nconfiguration: {from}", found.instance)
}

/// An error with what to do about it.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn told(error: RecoverError) -> anyhow::Error {
    Failure::new(with_causes(&error)).hint(error.hint()).into()
}

/// The configuration that is here already, where it can be read: it knows instances by name.
fn known_here(dir: &Path) -> Option<Desired> {
    let (files, _) = config::read_dir(dir).ok()?;
    config::parse(&files, dir).desired
}

/// The instance that is meant: by its own name, or by that of the peer that it is known as here.
fn choose<'a>(
    found: &'a [Found],
    named: Option<&str>,
    here: Option<&Desired>,
) -> anyhow::Result<&'a Found> {
    let peer =
        |one: &Found| here.and_then(|here| Some(here.peer_of_origin(&one.instance)?.name.as_str()));
    let all: Vec<String> =
        found.iter().map(|one| shown_host(one.instance.as_str(), peer(one))).collect();
    match (named, found) {
        (Some(named), _) => {
            let is = |one: &&Found| one.instance.as_str() == named;
            let is_peer = |one: &&Found| peer(one) == Some(named);
            found.iter().find(is).or_else(|| found.iter().find(is_peer)).ok_or_else(|| {
                Failure::new(format!("no archive of `{named}` is there"))
                    .hint(format!("there are archives of: {}", all.join(", ")))
                    .into()
            })
        }
        (None, [only]) => Ok(only),
        (None, _) => {
            let failure = Failure::new(format!("there are archives of {}", all.join(", ")));
            Err(Failure { code: USAGE, ..failure }.hint("choose one with `--instance`").into())
        }
    }
}

/// What the configuration says, if it can be used.
fn desired_of(context: &Context, configuration: &Configuration) -> anyhow::Result<Desired> {
    if let Some(desired) = &configuration.parsed.desired {
        return Ok(desired.clone());
    }
    let errors = configuration.parsed.diagnostics.iter();
    let errors: Vec<_> =
        errors.filter(|diagnostic| diagnostic.severity == Severity::Error).cloned().collect();
    context.tell_always(render(context, &errors).trim_end());
    let dir = configuration.dir().display();
    Err(Failure::new(format!("the configuration for `{dir}` has {}", count(errors.len(), "error")))
        .hint(format!("write a right one to `{dir}` first: what is there is used as it is"))
        .into())
}

/// The state's directory and the one of records, for nobody else to look into.
fn make_private(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| {
        anyhow::Error::new(error).context(format!("cannot make `{}`", dir.display()))
    })
}

/// A stop that Ctrl-C asks for.
fn stop_on_ctrl_c() -> anyhow::Result<Stop> {
    let stop = Stop::new();
    let mut pressed = signal(SignalKind::interrupt())?;
    let asked = stop.clone();
    tokio::spawn(async move {
        while pressed.recv().await.is_some() {
            asked.request(Stopped::Cancelled);
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(stop)
}

async fn blocking<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce(&Stop) -> T + Send + 'static,
) -> anyhow::Result<T> {
    let stop = stop.clone();
    Ok(tokio::task::spawn_blocking(move || work(&stop)).await?)
}
