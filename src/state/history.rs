//! Runs: the queue and the history, which are one table at different times.
//!
//! A page of the history costs the same however long the history is: an index holds the numbers by
//! job, kind and status, so only the runs of the page are read.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use redb::{ReadTransaction, ReadableTable};

use super::logs;
use super::stored::StoredRun;
use super::tables::{RUN_INDEX, RUNS, decode};
use super::{State, StateError, lookup};
use crate::model::name::JobName;
use crate::model::run::{Run, RunId, RunStatus, Work};

/// Which runs are wanted; everything without.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// Runs for this job.
    pub job: Option<JobName>,
    /// Runs of this kind, in the word of [`Work::word`](crate::model::run::Work::word).
    pub kind: Option<String>,
    /// Runs that stand there.
    pub status: Option<RunStatus>,
}

/// How much history stays. A run leaves when **both** say so; one that is not over never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryKeep {
    /// So many of the newest runs of each job and kind stay, whatever their age.
    pub newest: usize,
    /// Younger ones stay, however many they are.
    pub age: SignedDuration,
}

impl Default for HistoryKeep {
    /// The newest 100, and the last 90 days: enough to see a quarter, and to see a yearly job at all.
    fn default() -> Self {
        Self { newest: 100, age: SignedDuration::from_hours(90 * 24) }
    }
}

/// So many runs leave the history in one transaction.
const BATCH: usize = 1_000;

/// Numbers of the newest `limit` runs that fit and are below `before`, newest first.
fn numbers(
    txn: &ReadTransaction,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: usize,
) -> Result<Vec<u64>, StateError> {
    let end = before.map_or(u64::MAX, |before| before.0);
    if *filter == RunFilter::default() {
        let runs = txn.open_table(RUNS)?;
        return runs.range(..end)?.rev().take(limit).map(|entry| Ok(entry?.0.value())).collect();
    }
    let job = filter.job.as_ref().map_or("", JobName::as_str);
    let kinds = match &filter.kind {
        Some(kind) => std::slice::from_ref(kind).iter().map(String::as_str).collect(),
        None => Work::WORDS.to_vec(),
    };
    let statuses = match filter.status {
        Some(status) => vec![status],
        None => RunStatus::ALL.to_vec(),
    };
    let index = txn.open_table(RUN_INDEX)?;
    let mut found = Vec::new();
    for kind in kinds {
        for status in &statuses {
            let word = status.word();
            let range = index.range((job, kind, word, 0)..(job, kind, word, end))?;
            for entry in range.rev().take(limit) {
                found.push(entry?.0.value().3);
            }
        }
    }
    found.sort_unstable_by(|left, right| right.cmp(left));
    found.truncate(limit);
    Ok(found)
}

fn runs_of(txn: &ReadTransaction, numbers: &[u64]) -> Result<Vec<Run>, StateError> {
    let runs = txn.open_table(RUNS)?;
    let found = numbers.iter().map(|number| lookup::run(&runs, RunId(*number)).transpose());
    found.flatten().collect()
}

impl State {
    /// A page of the history, newest first: the `limit` newest runs that fit and have a number
    /// below `before`. The last one's number leads to the next page.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn runs(
        &self,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StateError> {
        self.store.read(|txn| runs_of(txn, &numbers(txn, filter, before, limit)?))
    }

    /// Runs that wait or are under way, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open_runs(&self) -> Result<Vec<Run>, StateError> {
        self.store.read(|txn| {
            let mut found = with_status(txn, RunStatus::Queued)?;
            found.extend(with_status(txn, RunStatus::Running)?);
            found.sort_unstable();
            runs_of(txn, &found)
        })
    }

    /// Marks every run that was under way as interrupted, and returns them as they are now. Called
    /// at the start, when nothing can be under way.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn interrupt_running(&self, now: Timestamp) -> Result<Vec<Run>, StateError> {
        let running =
            self.store.read(|txn| runs_of(txn, &with_status(txn, RunStatus::Running)?))?;
        if running.is_empty() {
            return Ok(running);
        }
        self.commit(|txn| {
            let mut interrupted = running;
            for run in &mut interrupted {
                run.status = RunStatus::Interrupted;
                run.finished_at = Some(now);
                "the daemon ended or the machine stopped under it".clone_into(&mut run.summary);
                txn.put_run(run)?;
            }
            Ok(interrupted)
        })
    }

    /// Lets old runs leave the history, with their logs; returns how many left.
    ///
    /// # Errors
    /// See [`State::commit`]. What had left by then stays away.
    pub fn prune_history(&self, now: Timestamp, keep: &HistoryKeep) -> Result<usize, StateError> {
        // A span that reaches before the first timestamp there is keeps everything.
        let oldest = now.checked_sub(keep.age).unwrap_or(Timestamp::MIN);
        let leaving = self.store.read(|txn| leaving(txn, oldest, keep.newest))?;
        for batch in leaving.chunks(BATCH) {
            self.commit(|txn| batch.iter().try_for_each(|number| txn.drop_run(RunId(*number))))?;
            for number in batch {
                logs::remove(self.dir(), RunId(*number))?;
            }
        }
        logs::sweep(self.dir(), oldest, |run| Ok(self.run(run)?.is_some()))?;
        Ok(leaving.len())
    }
}

fn with_status(txn: &ReadTransaction, status: RunStatus) -> Result<Vec<u64>, StateError> {
    let filter = RunFilter { status: Some(status), ..RunFilter::default() };
    numbers(txn, &filter, None, usize::MAX)
}

/// Runs that are over, ended before `oldest`, and are not among the newest of their job and kind.
fn leaving(
    txn: &ReadTransaction,
    oldest: Timestamp,
    newest: usize,
) -> Result<Vec<u64>, StateError> {
    let runs = txn.open_table(RUNS)?;
    let mut seen: BTreeMap<(Option<JobName>, &'static str), usize> = BTreeMap::new();
    let mut leaving = Vec::new();
    for entry in runs.iter()?.rev() {
        let stored: StoredRun = decode("runs", entry?.1.value())?;
        let run = Run::from(stored);
        if !run.status.is_final() {
            continue;
        }
        let count = seen.entry((run.work.job().cloned(), run.work.word())).or_default();
        *count += 1;
        if *count > newest && run.finished_at.unwrap_or(run.queued_at) < oldest {
            leaving.push(run.id.0);
        }
    }
    Ok(leaving)
}

#[cfg(test)]
mod tests;
