//! Finds the daemon of a configuration, or starts an engine in this process.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::read_desired;
use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use crate::api::{self, dto};
use crate::config;
use crate::engine::{Autonomy, Engine, Options, StartError};
use crate::model::desired::Desired;
use crate::model::name::JobName;

/// The variable that names a control socket which the files do not.
const SOCKET: &str = "LARDER_SOCKET";
/// How long a daemon may take to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Does some work with the API: a daemon's where one runs, else that of an engine started for it,
/// which is closed again whatever comes of the work.
pub(super) async fn with<T>(
    context: &Context,
    autonomy: Autonomy,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    with_jobs(context, autonomy, Vec::new(), work).await
}

/// Does `work` with a daemon, or with an engine started for it that cares for these jobs only, or
/// for all when none is named.
pub(super) async fn with_jobs<T>(
    context: &Context,
    autonomy: Autonomy,
    only: Vec<JobName>,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let client = match daemon(context).await? {
        Some(client) => client,
        None => engine(context, autonomy, only).await?,
    };
    finish(client, work).await
}

/// Does the `work` of a command that only reads: as of `at`, it can do without the state.
pub(super) async fn with_view<T>(
    context: &Context,
    at: Option<&str>,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if at.is_none() {
        return with(context, Autonomy::OnRequest, work).await;
    }
    let client = match daemon(context).await.ok().flatten() {
        Some(client) => client,
        None => still_or_engine(context).await?,
    };
    finish(client, work).await
}

async fn finish<T>(
    client: Client,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let result = work(&client).await;
    client.close().await;
    result
}

/// The daemon that has this configuration, if one runs.
pub(super) async fn daemon(context: &Context) -> anyhow::Result<Option<Client>> {
    // Also from files with mistakes: the daemon goes on with what was last good, and must be found.
    let read = config::read_dir(&context.config_dir).ok();
    let files = read.as_ref().map(|(files, _)| files);
    match config::instance_paths(files, &context.config_dir).control_socket {
        Some(path) => daemon_at(context, &path).await,
        // What is torn may have named another one: nobody can say.
        None if files.is_some() => Ok(None),
        // Its directory was emptied, or went: a daemon goes on with what was last good. Whatever
        // answers says whose it is; what does not is not ours to speak of.
        None => Ok(daemon_at(context, &unsaid_socket()).await.ok().flatten()),
    }
}

/// The daemon that listens there, if it has this configuration.
async fn daemon_at(context: &Context, path: &Path) -> anyhow::Result<Option<Client>> {
    match UnixStream::connect(path) {
        Ok(stream) => drop(stream),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Failure::new(format!("no right to give orders at `{}`", path.display()))
                .hint("be root, or a member of the group `larder`")
                .into());
        }
        // Not there, or left by a daemon that is gone.
        Err(_) => return Ok(None),
    }
    let client = Client::socket(path)?;
    let health: dto::Health = patient(path, client.get("/health")).await?;
    if same_directory(Path::new(&health.config.dir), &context.config_dir) {
        return Ok(Some(client));
    }
    // Somebody else's: what is asked for here must not happen there.
    tracing::debug!(dir = %health.config.dir, "the daemon that answers has another configuration");
    Ok(None)
}

async fn patient<T>(
    path: &Path,
    answer: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(HELLO_TIMEOUT, answer).await;
    let Ok(answer) = answer else {
        return Err(Failure::new(format!("the daemon at `{}` does not answer", path.display()))
            .hint("`systemctl status larder` may say why")
            .into());
    };
    answer.map_err(|error| {
        tracing::debug!(%error, "the daemon cut us off");
        Failure::new(format!("the daemon at `{}` does not talk to us", path.display()))
            .hint("be root, or a member of the group `larder`")
            .into()
    })
}

fn same_directory(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        // One that went is compared by its name.
        _ => std::path::absolute(a).ok() == std::path::absolute(b).ok(),
    }
}

/// Where a daemon may listen whose files do not say it any more: as the environment says, or where
/// it is usual.
fn unsaid_socket() -> PathBuf {
    let named = std::env::var_os(SOCKET).filter(|path| !path.is_empty());
    named.map_or_else(|| PathBuf::from(config::USUAL_CONTROL_SOCKET), PathBuf::from)
}

/// An engine in this process.
async fn engine(
    context: &Context,
    autonomy: Autonomy,
    only: Vec<JobName>,
) -> anyhow::Result<Client> {
    let options = Options { config_dir: context.config_dir.clone(), autonomy, only };
    let handle = Engine::start(options).await.map_err(|error| failure(context, error))?;
    Ok(Client::local(api::router(handle.clone()), Some(handle)))
}

/// The state where it can be opened without making one, else the configuration alone.
async fn still_or_engine(context: &Context) -> anyhow::Result<Client> {
    let desired = read_desired(&context.config_dir)?;
    if desired.instance.state_dir.exists() {
        let options = Options {
            config_dir: context.config_dir.clone(),
            autonomy: Autonomy::OnRequest,
            only: Vec::new(),
        };
        match Engine::start(options).await {
            Ok(handle) => return Ok(Client::local(api::router(handle.clone()), Some(handle))),
            Err(StartError::InUse { .. } | StartError::State(_)) => {}
            Err(error @ (StartError::Config { .. } | StartError::Read(_))) => {
                return Err(failure(context, error));
            }
        }
    }
    Ok(still_of(context, desired))
}

/// The configuration alone, whatever there is on this host.
pub(super) fn still(context: &Context) -> anyhow::Result<Client> {
    Ok(still_of(context, read_desired(&context.config_dir)?))
}

fn still_of(context: &Context, desired: Desired) -> Client {
    Client::local(api::still(api::view_of_configuration(&context.config_dir, desired)), None)
}

/// Says so where a command answers for a configuration that is not what the files say.
pub(super) async fn warn_of_mistakes(context: &Context, client: &Client) -> anyhow::Result<()> {
    let health: dto::Health = client.get("/health").await?;
    if !health.config.valid {
        context.warn(
            "the configuration has mistakes, this is about what was last good; `larder check` \
             shows them",
        );
    }
    Ok(())
}

/// Why an engine did not start; the mistakes of a configuration are shown with their lines.
pub(super) fn failure(context: &Context, error: StartError) -> anyhow::Error {
    if let StartError::Config { diagnostics, .. } = &error {
        context.tell(super::check::render(context, diagnostics).trim_end());
    }
    Failure::from(error).into()
}
