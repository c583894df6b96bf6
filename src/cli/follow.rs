//! Follows runs until they are over: a bar on a terminal, plain lines elsewhere.
//!
//! Without a daemon whatever ends this process is the first Ctrl-C: what is under way is cancelled,
//! its commands `after` run, and only then the command ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::client::Client;
use super::context::Context;
use super::ending::{Ending, Endings};
use super::failure::FAILED;
use super::words::{clean, count, duration, size};
use crate::api::dto::Run;

mod stalled;

pub(super) use stalled::STATELESS;
use stalled::Stalled;

/// How often runs are looked at.
const INTERVAL: Duration = Duration::from_millis(150);
/// How many runs are asked for at once.
const PAGE: usize = 100;

/// What to wait for.
#[derive(Debug, Clone)]
pub(super) enum Until {
    /// These runs are over.
    Over(Vec<u64>),
    /// Nothing is queued or running, and the plan wants nothing more now.
    Settled,
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Every run that was seen, oldest first.
    pub(super) runs: Vec<Run>,
    /// Who asked the command to end, where somebody did.
    pub(super) ended_by: Option<Ending>,
    /// Whether what was followed goes on without us.
    pub(super) left: bool,
}

impl Followed {
    /// Whether a run did not do what it was to do.
    pub(super) fn has_failed(&self) -> bool {
        self.ended_by.is_some() || self.runs.iter().any(Run::has_failed)
    }

    /// The exit code that says so.
    pub(super) fn code(&self) -> u8 {
        let failed = if self.has_failed() { FAILED } else { 0 };
        self.ended_by.map_or(failed, Ending::code)
    }
}

/// Follows the runs that `until` names, or every one that was not over at `since`. With `cancels`,
/// Ctrl-C cancels what is under way and waits for it to end cleanly; without, it only stops
/// following. SIGTERM and SIGHUP do the same, except that they never cancel what a daemon does.
///
/// # Errors
/// Nobody answers, or there is no daemon and the state takes nothing: see [`Stalled`].
pub(super) async fn follow(
    context: &Context,
    client: &Client,
    since: Timestamp,
    until: Until,
    cancels: bool,
    mut endings: Endings,
) -> anyhow::Result<Followed> {
    let mut watch = Watch::new(context, since, &until);
    let mut stalled = Stalled::default();
    let mut ended_by = None;
    let mut left = false;
    let settled = async {
        match until {
            Until::Settled => client.get_text("/settled").await.map(drop),
            Until::Over(_) => std::future::pending().await,
        }
    };
    tokio::pin!(settled);
    let mut over = false;
    loop {
        watch.look(client).await?;
        if ended_by.is_some() {
            watch.cancel_running(client).await;
        }
        let all_over =
            over || watch.wanted_are_over() || (ended_by.is_some() && watch.nothing_runs());
        let can_record = stalled.look(client, &watch).await?;
        if all_over && can_record {
            break;
        }
        // Dropping any of the others loses nothing: a tick comes again, `/settled` is asked for as
        // long as this function runs, and a signal that came is kept.
        tokio::select! {
            result = &mut settled, if !over => {
                result?;
                over = true;
            }
            () = tokio::time::sleep(INTERVAL) => {}
            ending = endings.next() => {
                let first = ended_by.is_none();
                let may_cancel = cancels && (ending == Ending::CtrlC || !client.is_daemon());
                if first && may_cancel {
                    ended_by = Some(ending);
                    context.tell(&cancelling(ending));
                    if let Some(handle) = client.handle() {
                        handle.begin_no_more();
                    }
                } else if first || ending == Ending::CtrlC {
                    ended_by.get_or_insert(ending);
                    left = true;
                    break;
                }
                // Who sends one of the others sends more of them, and means the same.
            }
        }
    }
    watch.bar.finish_and_clear();
    let runs = watch.seen.into_values().collect();
    Ok(Followed { runs, ended_by, left })
}

fn cancelling(ending: Ending) -> String {
    match ending {
        Ending::CtrlC => "cancelling; press Ctrl-C again to leave at once".to_owned(),
        Ending::Terminated | Ending::HungUp => {
            format!("{}: cancelling what is under way, which ends cleanly", ending.word())
        }
    }
}

/// The runs that are looked at, and the bar.
struct Watch<'a> {
    context: &'a Context,
    since: Timestamp,
    wanted: Vec<u64>,
    seen: BTreeMap<u64, Run>,
    bar: ProgressBar,
    /// The run that the bar shows.
    shown: Option<u64>,
    /// The runs whose end was asked for.
    cancelled: BTreeSet<u64>,
}

impl<'a> Watch<'a> {
    fn new(context: &'a Context, since: Timestamp, until: &Until) -> Self {
        let target =
            if context.draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style("{msg}"));
        let wanted = match until {
            Until::Over(runs) => runs.clone(),
            Until::Settled => Vec::new(),
        };
        let cancelled = BTreeSet::new();
        Self { context, since, wanted, seen: BTreeMap::new(), bar, shown: None, cancelled }
    }

    /// Reads every run that is not known to be over.
    async fn look(&mut self, client: &Client) -> anyhow::Result<()> {
        let mut fresh: Vec<Run> = Vec::new();
        let mut path = format!("/runs?limit={PAGE}");
        loop {
            let page: Vec<Run> = client.get(&path).await?;
            let last = page.last().map(|run| run.id);
            let is_full = page.len() == PAGE;
            let more = last.is_some_and(|last| self.goes_below(last, &page));
            fresh.extend(page.into_iter().filter(|run| self.concerns(run)));
            match last {
                Some(id) if is_full && more => path = format!("/runs?limit={PAGE}&cursor={id}"),
                Some(_) | None => break,
            }
        }
        fresh.sort_by_key(|run| run.id);
        for run in fresh {
            self.see(run);
        }
        self.draw();
        Ok(())
    }

    /// Whether older runs than those of a page can have news.
    fn goes_below(&self, last: u64, page: &[Run]) -> bool {
        let lowest_open = self.seen.values().find(|run| !run.is_final()).map(|run| run.id);
        let missing = self.wanted.iter().filter(|id| !self.seen.contains_key(id)).min().copied();
        let known = lowest_open.into_iter().chain(missing).min();
        match (known, self.seen.keys().next_back()) {
            (Some(lowest), _) => last > lowest,
            (None, Some(newest)) => last > *newest,
            // The first look: until a page has nothing but history.
            (None, None) => page.iter().any(|run| self.concerns(run)),
        }
    }

    /// Whether a run is followed.
    fn concerns(&self, run: &Run) -> bool {
        if !self.wanted.is_empty() {
            return self.wanted.contains(&run.id);
        }
        if !run.is_final() {
            return true;
        }
        // What an earlier process left behind is put right at the start: that is not our failure.
        let left_behind = run.status == "interrupted"
            && run.started_at.is_some_and(|at| at.timestamp() < self.since);
        !left_behind && run.finished_at.is_some_and(|at| at.timestamp() >= self.since)
    }

    /// Notes a run, and tells what is new about it.
    fn see(&mut self, run: Run) {
        let before = self.seen.get(&run.id).map(|known| known.status.clone());
        if before.as_deref() != Some(run.status.as_str()) {
            if run.is_final() {
                let line = ended(&run, self.context.color_on_stderr);
                if run.has_failed() { self.say_always(&line) } else { self.say(&line) }
            } else if run.status == "running" && !self.context.draws {
                self.say(&format!("run {}: {} …", run.id, clean(&run.what)));
            }
        }
        self.seen.insert(run.id, run);
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| self.context.tell(line));
    }

    /// What failed is also said to those who want to hear of errors only.
    fn say_always(&self, line: &str) {
        self.bar.suspend(|| self.context.tell_always(line));
    }

    /// Shows the run that is under way.
    fn draw(&mut self) {
        let Some(run) = self.seen.values().find(|run| run.status == "running") else {
            self.shown = None;
            self.bar.set_length(0);
            self.bar.set_style(style("{msg}"));
            self.bar.set_message(self.waiting());
            return;
        };
        if self.shown != Some(run.id) {
            self.shown = Some(run.id);
            self.bar.reset();
        }
        let progress = run.progress.as_ref();
        let (bytes, expected) = progress.map_or((0, 0), |p| (p.bytes, p.expected_bytes));
        let mut message = clean(&run.what);
        if let Some(progress) = progress {
            if !progress.phase.is_empty() {
                message.push_str(": ");
                message.push_str(&clean(&progress.phase));
            }
            if progress.members > 0 {
                message.push_str(", ");
                message.push_str(&count(
                    usize::try_from(progress.members).unwrap_or(usize::MAX),
                    "member",
                ));
            }
        }
        let waiting = self.waiting();
        if !waiting.is_empty() {
            message.push_str(" (");
            message.push_str(&waiting);
            message.push(')');
        }
        self.bar.set_message(message);
        // An estimate may be too low; a bar beyond its end says nothing.
        if expected > bytes {
            self.bar.set_length(expected);
            self.bar.set_style(style(
                "{msg} {bar:24} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left",
            ));
        } else {
            self.bar.set_length(bytes);
            self.bar.set_style(style("{msg} {bytes} {binary_bytes_per_sec} {elapsed}"));
        }
        self.bar.set_position(bytes);
    }

    fn waiting(&self) -> String {
        match self.seen.values().filter(|run| run.status == "queued").count() {
            0 => String::new(),
            number => format!("{number} waiting"),
        }
    }

    fn wanted_are_over(&self) -> bool {
        let over = |id: &u64| self.seen.get(id).is_some_and(Run::is_final);
        !self.wanted.is_empty() && self.wanted.iter().all(over)
    }

    fn nothing_runs(&self) -> bool {
        let wanted = |run: &&Run| self.wanted.is_empty() || self.wanted.contains(&run.id);
        let waits = |run: &Run| {
            run.status == "running" || (run.status == "queued" && !self.wanted.is_empty())
        };
        !self.seen.values().filter(wanted).any(waits)
    }

    /// Cancels what is under way; of runs that were asked for by number, also what waits.
    async fn cancel_running(&mut self, client: &Client) {
        for run in self.seen.values() {
            let ours = self.wanted.is_empty() || self.wanted.contains(&run.id);
            let waits = run.status == "queued" && !self.wanted.is_empty();
            if ours && (run.status == "running" || waits) && self.cancelled.insert(run.id) {
                let path = format!("/runs/{}/cancel", run.id);
                if let Err(error) = client.post(&path, None).await {
                    // It may have ended by itself in the meantime; the next look will tell.
                    tracing::debug!(run = run.id, %error, "the run cannot be cancelled");
                }
            }
        }
    }
}

/// The look of a bar.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// One line on a run that is over.
pub(super) fn ended(run: &Run, color: bool) -> String {
    let (mark, code) = match run.status.as_str() {
        "success" => ("ok", 32),
        "warning" => ("warning", 33),
        "cancelled" => ("cancelled", 33),
        "interrupted" => ("interrupted", 33),
        _ => ("error", 31),
    };
    let mark = if color { format!("\x1b[{code}m{mark}\x1b[0m") } else { mark.to_owned() };
    let mut line = format!("{mark}: {}", clean(&run.what));
    let mut facts = Vec::new();
    if let Some(name) = &run.archive_name
        && !run.what.contains(name.as_str())
    {
        facts.push(clean(name));
    }
    facts.extend(run.size_bytes.map(size));
    facts.extend(run.seconds().map(duration));
    if !facts.is_empty() {
        // Writing to a `String` cannot fail.
        let _ = write!(line, " ({})", facts.join(", "));
    }
    if !run.summary.is_empty() && run.status != "success" && run.summary != run.status {
        line.push_str(": ");
        line.push_str(&clean(&run.summary));
    }
    if let Some(hint) = &run.hint {
        line.push_str("\nhint: ");
        line.push_str(&clean(hint));
    }
    line
}
