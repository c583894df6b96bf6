//! Whether an archive may be deleted because somebody asks: on the command line, on the page, over
//! the API, or a peer that may.
//!
//! **Invariants:** whoever asks, the last good archive of a series stays, under whatever names its
//! archives were made; so does what is pinned, what a run needs, and what a peer may rely on. Two
//! requests never each count on the archive that the other one takes away.

use std::collections::BTreeSet;

use jiff::{Timestamp, Zoned};

use super::brake::request_brake;
use super::lineage::{Line, Lineage};
use super::uses::need_of;
use crate::model::archive::{Archive, ArchiveId, Condition, Series};
use crate::model::desired::Desired;
use crate::model::observed::Observed;
use crate::model::run::{Cause, Run, Work};
use crate::reconcile::show;

/// Why an archive stays although somebody wants it deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    fn new(why: String, hint: impl Into<String>) -> Self {
        Self { why, hint: Some(hint.into()) }
    }
}

/// Whether a deletion may be asked for. Of what was observed it needs the archives that belong
/// together with this one, the open runs, and what is remembered of series.
///
/// # Errors
/// Why not.
pub fn may_delete(
    desired: &Desired,
    observed: &Observed,
    archive: &Archive,
    now: &Zoned,
) -> Result<(), Refusal> {
    let asked = Asked::new(desired, observed, archive, now);
    asked.may_leave()?;
    asked.is_last()?;
    asked.brake()
}

/// Whether a deletion that was asked for may be carried out now: since then it may have been
/// pinned, asked back, or left as the last one. What else is to leave does not count: it goes later,
/// and is asked the same.
///
/// # Errors
/// Why not.
pub fn may_still_delete(
    desired: &Desired,
    observed: &Observed,
    archive: &Archive,
    now: &Zoned,
) -> Result<(), Refusal> {
    let asked = Asked::new(desired, observed, archive, now);
    asked.may_leave()?;
    if is_last_good(desired, &observed.archives, archive) {
        return Err(asked.as_the_last());
    }
    Ok(())
}

/// Whether a series, all its names together, would have no good archive without this one.
/// `archives` are those of its line, or more.
#[must_use]
pub fn is_last_good(desired: &Desired, archives: &[Archive], archive: &Archive) -> bool {
    let lineage = Lineage::of(desired);
    let line = lineage.line(archive);
    let is_other = |other: &Archive| other.id != archive.id && other.is_good();
    archive.is_good()
        && !archives.iter().any(|other| is_other(other) && lineage.line(other) == line)
}

/// One request.
struct Asked<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    archive: &'a Archive,
    now: &'a Zoned,
    lineage: Lineage<'a>,
    line: Line,
}

impl<'a> Asked<'a> {
    fn new(
        desired: &'a Desired,
        observed: &'a Observed,
        archive: &'a Archive,
        now: &'a Zoned,
    ) -> Self {
        let lineage = Lineage::of(desired);
        let line = lineage.line(archive);
        Self { desired, observed, archive, now, lineage, line }
    }

    /// What keeps it by itself.
    fn may_leave(&self) -> Result<(), Refusal> {
        let name = &self.archive.name;
        if self.archive.pinned {
            return Err(Refusal::new(
                format!("`{name}` is pinned"),
                "unpin it first: `larder archive unpin`",
            ));
        }
        if let Condition::Trashed { until } = self.archive.condition {
            let until = show::moment(until, self.now);
            let why = format!("`{name}` is in the trash already, until {until}");
            return Err(Refusal { why, hint: None });
        }
        if let Some(until) = self.desired.immutable_until(self.archive, self.now.timestamp()) {
            let until = show::moment(until, self.now);
            return Err(Refusal::new(
                format!("`{name}` was sent by a peer and cannot be deleted before {until}"),
                "`immutable_for` in the peer's `accept` says how long",
            ));
        }
        let needs = |run: &&Run| need_of(run).is_some_and(|(id, _)| id == self.archive.id);
        if let Some(run) = self.observed.open_runs.iter().find(needs) {
            return Err(Refusal::new(
                format!("`{name}` is in use by run {}", run.id),
                "wait for it, or cancel it",
            ));
        }
        Ok(())
    }

    /// Whether the series would be left with nothing good. What is about to leave counts as gone.
    fn is_last(&self) -> Result<(), Refusal> {
        let (leaving, _) = self.leaving();
        if self.archive.is_good()
            && self.good().filter(|one| !leaving.contains(&one.id)).count() <= 1
        {
            return Err(self.as_the_last());
        }
        Ok(())
    }

    fn as_the_last(&self) -> Refusal {
        let (series, from) = &self.line;
        let Series { origin, job, location } = series;
        let why = format!("`{}` is the last good archive of {series}", self.archive.name);
        let declared = self.desired.jobs.get(job).filter(|_| *origin == self.desired.instance.name);
        let ending = "end the job with `state = \"absent\"`, `archives = \"expire\"`";
        match (from, declared) {
            (Some(peer), _) => {
                Refusal::new(why, format!("peer `{peer}` has to send another one first"))
            }
            (None, Some(made)) if made.ended.is_none() && made.location == *location => {
                Refusal::new(
                    why,
                    format!("make another one first (`larder run {job}`), or {ending}"),
                )
            }
            (None, Some(made)) if made.ended.is_none() => Refusal::new(
                why,
                format!("another one has to get to `{location}` first; or {ending}"),
            ),
            (None, _) if *origin == self.desired.instance.name => {
                Refusal::new(why, format!("nothing makes another one: {ending}"))
            }
            (None, _) => {
                Refusal::new(why, format!("`{origin}`, which made it, has to make another one"))
            }
        }
    }

    /// Whether so many would have gone that somebody should look first.
    fn brake(&self) -> Result<(), Refusal> {
        if !self.archive.is_good() {
            return Ok(());
        }
        let (leaving, by_request) = self.leaving();
        let good = self.good().filter(|one| !leaving.contains(&one.id)).count();
        let waiting = self.good().filter(|one| by_request.contains(&one.id)).count();
        let remembered = self.observed.series.iter().filter(|(series, _)| self.is_ours(series));
        let recent: Vec<(Timestamp, u32)> =
            remembered.flat_map(|(_, facts)| facts.recent_deletions.iter().copied()).collect();
        match request_brake(good + waiting, &recent, waiting + 1, self.now.timestamp()) {
            None => Ok(()),
            Some(why) => Err(Refusal::new(
                format!("too much of {} would go: {why}", self.line.0),
                "wait, or lower its retention and approve the plan (`larder plan`)",
            )),
        }
    }

    /// The good archives of its line, itself included.
    fn good(&self) -> impl Iterator<Item = &'a Archive> {
        let all = self.observed.archives.iter().filter(|one| one.is_good());
        all.filter(|one| self.lineage.line(one) == self.line)
    }

    /// The others of its line that runs are about to delete; and those of them that somebody asked
    /// for.
    fn leaving(&self) -> (BTreeSet<ArchiveId>, BTreeSet<ArchiveId>) {
        let (mut leaving, mut by_request) = (BTreeSet::new(), BTreeSet::new());
        for run in &self.observed.open_runs {
            let Work::Expire { series, archives } = &run.work else { continue };
            if self.is_ours(series) && !archives.contains(&self.archive.id) {
                leaving.extend(archives);
                by_request.extend(archives.iter().filter(|_| run.cause == Cause::Manual));
            }
        }
        (leaving, by_request)
    }

    /// Whether a series is that of its line, under any of its names.
    fn is_ours(&self, series: &Series) -> bool {
        match &self.line {
            (ours, Some(_)) => series == ours,
            (ours, None) => self.lineage.today(series) == *ours,
        }
    }
}
