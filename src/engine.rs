//! The loop: observe, decide, do, one run at a time in each lane.
//!
//! [`Engine::start`] opens the state, puts right what a crash left, and starts the loop; everybody
//! else holds a [`Handle`]: the API, the command line and the daemon. What is shown is a [`View`],
//! made anew after every pass; what is asked for goes to the loop as a request, so that nothing
//! here is changed by two at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::{Timestamp, Zoned};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use crate::config::watch::Watcher;
use crate::model::desired::{self, Desired};
use crate::model::name::{JobName, ObjectName, PlaceName};
use crate::model::observed::Observed;
use crate::model::run::{Run, RunId, RunStatus};
use crate::model::space::SpaceHistory;
use crate::progress::Snapshot;
use crate::reconcile::forecast::Forecast;
use crate::reconcile::{self, Plan};
use crate::status::JobVerdict;

pub use self::beat::Beat;
pub use self::handle::{Handle, OpenWith, Reading};
pub(crate) use self::observe::wildcards::ask_the_host as list_members;
pub use self::peers::contacts::hand::RemoteOrder;
pub use self::peers::receive::{
    Announced, ChunkHead, ChunkReceived, InTheWay, Landing, ReceiveError, Standing,
};
pub use self::tally::{BOUNDS, Durations, Tally};

mod core;
mod locations;
mod beat;
mod handle;
mod drain;
mod requests;
mod start;
mod recovery;
mod configuration;
mod cycle;
mod look;
mod observe;
mod runs;
pub mod peers;
mod answer;
mod catalogue;
mod notices;
mod damage;
mod tally;
#[cfg(test)]
mod tests;

/// How much the engine does of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autonomy {
    /// The daemon: everything that the plan wants, and it watches the configuration.
    Daemon,
    /// `larder apply`: everything that the plan wants now.
    Apply,
    /// Other commands without a daemon: only what this process is asked for.
    OnRequest,
}

/// How an engine is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration directory.
    pub config_dir: PathBuf,
    /// How much it does of its own accord.
    pub autonomy: Autonomy,
    /// Of these jobs only (`larder apply --job`); of all when empty.
    pub only: Vec<JobName>,
}

/// What is known of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigReport {
    /// The directory.
    pub dir: PathBuf,
    /// Whether the files as they are now have no error.
    pub valid: bool,
    /// SHA-256 of the files as they are now, in hex; empty when they cannot be read.
    pub hash: String,
    /// SHA-256 of the configuration that is in force, in hex.
    pub applied: String,
    /// Counts the configurations that were applied on this instance.
    pub generation: u64,
    /// Since when it is in force, as far as this process knows.
    pub applied_at: Timestamp,
    /// The git commit of the directory, where it is a work tree.
    pub commit: Option<String>,
    /// Every mistake and warning in the files as they are now.
    pub diagnostics: Vec<crate::config::Diagnostic>,
    /// Objects that are in force in an older form, one line each, with the reason.
    pub stale: Vec<String>,
}

/// Everything there is to show, of one moment.
#[derive(Debug, Clone)]
pub struct View {
    /// The moment, in the instance's zone.
    pub at: Zoned,
    /// Since when this process runs.
    pub started_at: Timestamp,
    /// What is wanted.
    pub desired: Arc<Desired>,
    /// What is known of the configuration.
    pub config: Arc<ConfigReport>,
    /// What is there.
    pub observed: Arc<Observed>,
    /// What will be done.
    pub plan: Arc<Plan>,
    /// How well each job is protected.
    pub verdicts: Arc<Vec<JobVerdict>>,
    /// How much room there was at locations.
    pub space: Arc<SpaceHistory>,
    /// What is foreseen of each location, once somebody asked.
    pub foreseen: Foreseen,
    /// What of this host no job covers, in one line, where the daemon has looked.
    pub uncovered: Option<String>,
    /// Why nothing can be begun or recorded now, where that is so.
    pub stalled: Option<String>,
    /// How telling people goes, one for each target of the configuration.
    pub notices: Arc<Vec<NoticeTarget>>,
    /// Where the API is served: as it is, not as it was at that moment.
    pub listening: Arc<ArcSwap<Listening>>,
    /// Whether the loop still moves: as it is, too.
    pub beat: Beat,
}

/// What is foreseen of the locations of a view, once somebody asked; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Foreseen(Arc<OnceLock<BTreeMap<PlaceName, Forecast>>>);

impl View {
    /// What is foreseen of each location. It is found out when somebody asks for the first time,
    /// which takes a moment where there are thousands of archives.
    #[must_use]
    pub fn forecasts(&self) -> &BTreeMap<PlaceName, Forecast> {
        self.foreseen.0.get_or_init(|| {
            reconcile::forecast::forecast(&self.desired, &self.observed, &self.space, &self.at)
        })
    }
}

/// Where the API is served over the network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listening {
    /// Addresses with their real ports, and sockets as `unix:PATH`.
    pub addresses: Vec<String>,
    /// What cannot be listened on although it is wanted, and why.
    pub problems: Vec<String>,
}

/// How telling one target of the configuration goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeTarget {
    /// `[notify.NAME]`.
    pub name: ObjectName,
    /// `url`, `ping_url` or `mail_to`.
    pub kind: &'static str,
    /// The events that it is told; none for a `ping_url`, which is told of every backup.
    pub events: Vec<desired::Event>,
    /// When something was delivered last.
    pub last_success: Option<Timestamp>,
    /// Since when nothing can be delivered.
    pub failing_since: Option<Timestamp>,
    /// Why, without any secret.
    pub last_error: Option<String>,
    /// How much waits to be delivered.
    pub pending: usize,
    /// How much was given up since something was delivered.
    pub lost: u64,
}

/// What came of a test of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestedNotice {
    /// `[notify.NAME]`.
    pub name: ObjectName,
    /// `url`, `ping_url` or `mail_to`.
    pub kind: &'static str,
    /// How long it took.
    pub took: std::time::Duration,
    /// Why it was not delivered, without any secret.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What happened, for those who follow.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run was queued, began or ended.
    Run(Box<Run>),
    /// A run moved on.
    Progress(RunId, Snapshot),
    /// A new view is there.
    View,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this job only.
    pub job: Option<JobName>,
    /// With this status only.
    pub status: Option<RunStatus>,
    /// Of this kind only (`Work::word`).
    pub kind: Option<String>,
    /// Older than this run only.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It is queued or running already.
    #[error("it is queued or running already, as run {0}")]
    Busy(RunId),
    /// It would break a promise.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
    /// What it needs is not there now, and may come back.
    #[error("{0}")]
    Unavailable(String),
    /// Another peer is being answered.
    #[error("an archive is being read for a peer already")]
    Occupied,
    /// The engine is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// Why another instance did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It was not asked.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It could not be asked, or refused.
    #[error(transparent)]
    Peer(#[from] crate::peer::PeerError),
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the state: exit code 75.
    #[error(
        "another larder{} has the state in `{}` open",
        holder.map_or_else(String::new, |process| format!(" (process {process})")),
        dir.display()
    )]
    InUse {
        /// The state's directory.
        dir: PathBuf,
        /// The number of the process that has it, where it is known.
        holder: Option<u32>,
    },
    /// The configuration has errors, and none was ever good.
    #[error("the configuration in `{dir}` has {errors} error{}", if *errors == 1 { "" } else { "s" })]
    Config {
        /// The directory.
        dir: PathBuf,
        /// How many.
        errors: usize,
        /// All of them.
        diagnostics: Vec<crate::config::Diagnostic>,
    },
    /// The directory could not be read.
    #[error("{0}")]
    Read(String),
    /// The state could not be opened.
    #[error("{0}")]
    State(String),
}

/// Starts engines.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Opens the state, puts right what a crash left, and starts the loop on the current runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: Options) -> Result<Handle, StartError> {
        let (requests, incoming) = mpsc::unbounded_channel();
        let is_watched = options.autonomy == Autonomy::Daemon;
        let (core, watch) = tokio::task::spawn_blocking(move || {
            // Watched before it is read: what is edited in between is noticed.
            let watch = is_watched.then(|| Watcher::start(&options.config_dir));
            start::start(options, requests).map(|core| (core, watch))
        })
        .await
        .map_err(|error| StartError::State(error.to_string()))??;
        let (watcher, changes) = watch.unzip();
        let (end, mut ended) = tokio::sync::watch::channel(false);
        let mut first = core.events.subscribe();
        let looped = Arc::clone(&core);
        // Ends with the engine's stop.
        tokio::spawn(notices::deliver(Arc::clone(&core)));
        tokio::spawn(async move {
            cycle::run(looped, incoming, changes).await;
            drop(watcher);
            end.send_replace(true);
        });
        // The first view is shown before anybody asks for one; a loop that is gone shows none.
        loop {
            tokio::select! {
                // An event that is lost with a lag was not the last one.
                event = first.recv() => match event {
                    Ok(Event::View) | Err(RecvError::Closed) => break,
                    Ok(Event::Run(_) | Event::Progress(..)) | Err(RecvError::Lagged(_)) => {}
                },
                // Waits for a value that stays.
                _ = ended.wait_for(|ended| *ended) => break,
            }
        }
        Ok(Handle::new(core, ended))
    }
}
