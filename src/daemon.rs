//! The composition root of `larder daemon`: engine, control socket, network, generated JSON,
//! signals, systemd.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api;
use crate::api::access::Gate;
use crate::api::serve::{Limits, ListenError, Server, follow};
use crate::dashboard;
use crate::engine::{Autonomy, Engine, Event, Handle, Listening, Options, RunFilter, StartError};
use crate::publish::{self, Published};
use crate::stop::{Stop, Stopped};

/// How long the loop may not move: it looks at least every 30 s, and a look at slow disks takes long.
const LOOP_HANGS: Duration = Duration::from_mins(3);
/// How long the socket and the generated JSON may take to end, after the runs.
const LAST_MOMENT: Duration = Duration::from_secs(1);
/// How long requests over the network may take to end; its server cuts them off before.
const NETWORK_ENDS: Duration = Duration::from_secs(8);
/// How often the generated JSON is looked at although nothing happened: it is rewritten at least hourly.
const PUBLISH_AT_LEAST: Duration = Duration::from_mins(5);
/// How long events are gathered before the generated JSON is written.
const GATHER: Duration = Duration::from_millis(500);

/// Why a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Somebody wants none to run.
    Stopped,
    /// Somebody wants the program that is installed now to run instead.
    MadeWay,
}

impl Ending {
    /// The exit code. The service manager starts a daemon again that made way.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Stopped => 0,
            Ending::MadeWay => 10,
        }
    }
}

/// Runs until SIGTERM or SIGINT; after SIGUSR1, until what runs then is done.
///
/// # Errors
/// See [`StartError`] and [`ListenError`]; a control socket that cannot be opened.
pub async fn run(config_dir: PathBuf) -> anyhow::Result<Ending> {
    let handle =
        Engine::start(Options { config_dir, autonomy: Autonomy::Daemon, only: Vec::new() }).await?;
    // Before anybody is told that the daemon is ready: from then on signals come, and one without
    // a handler would kill it.
    let signals = Signals::new()?;
    let stop = Stop::new();
    // The network first: who reaches the control socket is told where it is.
    let gate = Arc::new(Gate::new());
    let router = api::network(handle.clone(), Arc::clone(&gate));
    let router = dashboard::around(router, handle.clone(), gate);
    let server = match listen(&handle, router).await {
        Ok(server) => server,
        Err(error) => {
            handle.shutdown().await;
            return Err(error.into());
        }
    };
    let socket = handle.view().desired.instance.control_socket.clone();
    let bound = api::socket::bind(&socket)
        .await
        .with_context(|| format!("cannot open the control socket `{}`", socket.display()))?;
    let router = api::router(handle.clone());
    let serve = tokio::spawn(api::socket::serve(bound, router, stop.clone()));
    let last_requests = Stop::new();
    let network = tokio::spawn(follow(server, handle.clone(), last_requests.clone()));
    let publisher = tokio::spawn(publish_on_change(handle.clone(), stop.clone()));
    let watchdog = tokio::spawn(feed_watchdog(handle.clone(), stop.clone()));
    notify(&[sd_notify::NotifyState::Ready]);
    let view = handle.view();
    tracing::info!(
        instance = %view.desired.instance.name,
        jobs = view.desired.jobs.len(),
        archives = view.observed.archives.len(),
        socket = %socket.display(),
        "larder is ready"
    );

    let ending = wait_for_end(&handle, signals).await;
    notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping");
    // The network ends first, beside what runs: an upload may still bring its chunk home.
    last_requests.request(Stopped::Shutdown);
    let _ = tokio::join!(handle.shutdown(), tokio::time::timeout(NETWORK_ENDS, network));
    stop.request(Stopped::Shutdown);
    // Each ends with the stop; one that does not must not keep the daemon.
    let all = async { tokio::join!(serve, publisher, watchdog) };
    let _ = tokio::time::timeout(LAST_MOMENT, all).await;
    Ok(ending)
}

/// Listens wherever the configuration says, or nowhere: who starts a daemon is told at once.
async fn listen(handle: &Handle, router: axum::Router) -> Result<Server, ListenError> {
    let mut server = Server::new(router, Limits::network());
    let view = handle.view();
    let instance = &view.desired.instance;
    match server.listen(&instance.listen, instance.tls.as_ref()).await.into_iter().next() {
        None => {
            let addresses = server.listening();
            handle.set_listening(Listening { addresses, problems: Vec::new() });
            Ok(server)
        }
        Some(trouble) => {
            server.shutdown().await;
            Err(trouble)
        }
    }
}

/// The signals that the daemon answers. One that arrives while nobody waits for it is kept.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    make_way: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?,
            make_way: signal(SignalKind::user_defined1()).context("cannot wait for SIGUSR1")?,
        })
    }
}

/// SIGHUP reloads, SIGTERM and SIGINT end, SIGUSR1 ends as soon as no work is lost by it.
async fn wait_for_end(handle: &Handle, mut signals: Signals) -> Ending {
    let mut makes_way = false;
    loop {
        // Signals that arrive between two waits are kept by their streams.
        tokio::select! {
            _ = signals.terminate.recv() => return Ending::Stopped,
            _ = signals.interrupt.recv() => return Ending::Stopped,
            _ = signals.make_way.recv() => {
                makes_way = true;
                tell_making_way(handle);
            }
            // One that is dropped is asked again.
            () = handle.finish(), if makes_way => return Ending::MadeWay,
            _ = signals.hangup.recv() => {
                tell_reloading();
                tokio::select! {
                    // One that is dropped goes on in the loop, and ends with it.
                    _ = handle.reloaded() => notify(&[sd_notify::NotifyState::Ready]),
                    // As above.
                    _ = signals.terminate.recv() => return Ending::Stopped,
                    _ = signals.interrupt.recv() => return Ending::Stopped,
                }
            }
        }
    }
}

/// Tells what is still waited for.
fn tell_making_way(handle: &Handle) {
    let Some(run) = handle.finishes() else { return };
    let status = format!("Ends after run {}, for the program that is installed now", run.id.0);
    notify(&[sd_notify::NotifyState::Status(&status)]);
    tracing::info!(
        run = run.id.0,
        work = run.work.word(),
        "another program is to take over: nothing new begins, and this run comes to its end"
    );
}

/// Tells systemd that a reload begins; it waits for the `Ready` that follows.
fn tell_reloading() {
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[sd_notify::NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "cannot tell systemd that a reload begins"),
    }
}

/// Tells systemd; without systemd there is nobody to tell.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot tell systemd");
    }
}

/// Feeds the watchdog while the loop still moves: one that hangs is restarted.
async fn feed_watchdog(handle: Handle, stop: Stop) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut ticker = tokio::time::interval(period / 3);
    loop {
        tokio::select! {
            // Losing a tick makes the next one feed.
            _ = ticker.tick() => {
                if handle.beat().age().is_none_or(|age| age < LOOP_HANGS) {
                    notify(&[sd_notify::NotifyState::Watchdog]);
                }
            }
            // Waits for a flag that stays set.
            _ = stop.requested() => return,
        }
    }
}

/// Keeps the generated JSON up to date.
async fn publish_on_change(handle: Handle, stop: Stop) {
    let mut events = handle.subscribe();
    let mut published = Published::default();
    loop {
        published = publish_now(&handle, published).await;
        let wait = tokio::time::timeout(PUBLISH_AT_LEAST, worth_publishing(&mut events));
        tokio::select! {
            // An event that is lost with the wait is covered by the next look.
            _ = wait => {}
            // Waits for a flag that stays set.
            _ = stop.requested() => return,
        }
        tokio::select! {
            // What is gathered is looked at anew.
            () = tokio::time::sleep(GATHER) => {}
            // Waits for a flag that stays set.
            _ = stop.requested() => return,
        }
    }
}

/// Writes the generated JSON as far as it says something new; that it cannot be written is logged.
async fn publish_now(handle: &Handle, mut published: Published) -> Published {
    let filter = RunFilter { limit: publish::RUNS, ..RunFilter::default() };
    let view = handle.view();
    let Ok(runs) = handle.runs(filter).await else { return published };
    let dir = view.desired.instance.publish_dir.clone();
    let written = tokio::task::spawn_blocking(move || {
        let result = publish::publish(&view, &runs, &dir, &mut published);
        (result, published)
    });
    match written.await {
        Ok((result, kept)) => {
            if let Err(error) = result {
                tracing::warn!(%error, "cannot write the generated JSON");
            }
            kept
        }
        Err(_) => Published::default(),
    }
}

/// Writes the generated JSON once, for a process that ends.
pub async fn publish_once(handle: &Handle) {
    publish_now(handle, Published::default()).await;
}

/// Waits for an event that the generated JSON shows; progress is not one.
async fn worth_publishing(events: &mut tokio::sync::broadcast::Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(Event::Progress(..)) => {}
            Ok(Event::Run(_) | Event::View)
            | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            Err(tokio::sync::broadcast::error::RecvError::Closed) => {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The exit code of a start that failed: 75 when another process has the state.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<StartError>() {
        Some(StartError::InUse { .. }) => 75,
        Some(StartError::Config { .. } | StartError::Read(_) | StartError::State(_)) | None => 1,
    }
}
