//! Deletion: intent recorded, then the trash, then (later) unlinked. A crash anywhere is repaired
//! from the intent at the next start.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::engine::core::Core;
use crate::engine::locations::doors::{Door, Visitor};
use crate::engine::observe;
use crate::engine::runs::backoff;
use crate::engine::runs::backup::yunohost;
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::location::{ArchiveStore, LocationError};
use crate::model::archive::{Archive, ArchiveId, Condition, CopyKey, How, Series};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::observed::Observed;
use crate::model::run::{Cause, Work};
use crate::model::size::Bytes;
use crate::reconcile::expiry::{self, Lineage, PassOutcome, Refusal, approval_hash};
use crate::reconcile::show;
use crate::state::{StateError, Tombstone};

/// Deletes exactly these archives of a series, as far as they may still go: since the run was
/// queued, one may have been pinned, or the one that it made way for was lost.
pub(crate) fn expire(
    cx: &Context,
    series: &Series,
    archives: &[ArchiveId],
) -> Result<Done, Failure> {
    let (store, _) = cx.available(&series.location)?;
    let Some(location) = cx.desired.locations.get(&series.location) else {
        return Err(Failure::new(format!(
            "location `{}` is not in the configuration any more",
            series.location
        )));
    };
    let by_request = cx.run.cause == Cause::Manual;
    let mut planned = if by_request { None } else { Some(Planned::now(cx, series)?) };
    let mut deleted = 0_u32;
    let mut freed = 0_u64;
    let mut told = Vec::new();
    for id in archives {
        cx.stop.check()?;
        let key = CopyKey::new(*id, &series.location);
        let mut refused = None;
        let mut trouble = None;
        let may_go = |archive: &Archive| {
            let Some(planned) = &mut planned else {
                refused = may_still_go(&cx.core, archive).err();
                return refused.is_none();
            };
            planned.lets_go(cx, archive).unwrap_or_else(|error| {
                trouble = Some(error);
                false
            })
        };
        let until = (location.trash.is_positive())
            .then(|| cx.now().checked_add(location.trash).unwrap_or(Timestamp::MAX));
        let removed = remove(cx, store.as_ref(), &key, until, may_go)?;
        if let Some(trouble) = trouble {
            return Err(trouble.into());
        }
        let Some(removed) = removed else {
            if let Some(kept) = cx.core.catalogue.get(&key) {
                let why = refused.map_or("it may not go any more".to_owned(), |one| one.why);
                let line = format!("kept `{}`: {why}", kept.name);
                cx.log(&line);
                told.push(line);
                backoff::put_off(&cx.core.state, *id, &series.location, (cx.now(), backoff::SOON))?;
            }
            continue;
        };
        let Removed { archive, until, by_yunohost } = removed;
        // What retention deletes here was judged archive by archive; what people and peers cause
        // adds up, one by one: the run may be stopped before the next.
        if by_request || matches!(archive.how, How::Received { .. }) {
            cx.core.note_deletions(series, u32::from(archive.is_good()))?;
        }
        deleted += 1;
        freed += archive.file_size;
        cx.log(&match until {
            None if by_yunohost => {
                format!("deleted `{}` by YunoHost: it cannot be taken back", archive.name)
            }
            Some(until) => {
                let until = show::dated(until, &cx.desired.instance.timezone);
                format!("deleted `{}`; it can be taken back until {until}", archive.name)
            }
            None => format!("deleted `{}`", archive.name),
        });
    }
    // An approval is for one deletion: taken back and come to the same again, it is asked for anew.
    cx.core.state.forget_approval(&approval_hash(series, archives))?;
    let mut summary = format!("{deleted} archive(s) of {series} deleted, {}", Bytes(freed));
    // Whoever asked for it is told; what retention keeps is in the next plan.
    let warned = by_request && !told.is_empty();
    if warned {
        summary = format!("{summary}; {}", told.join("; "));
    }
    Ok(Done { warned, summary, ..Done::default() })
}

/// What retention lets go of a series.
struct Planned {
    /// What a plan lets go that was made when the run began, the run not counted: whether so many may
    /// go at all is said of all of them together.
    archives: BTreeSet<ArchiveId>,
    /// The facts of then; those of the disk are not asked for again.
    observed: Observed,
}

impl Planned {
    fn now(cx: &Context, series: &Series) -> Result<Self, Failure> {
        let (desired, now) = (cx.core.desired(), cx.now());
        let mut observed = observe::observe(&cx.core, &desired, now)?;
        observed.open_runs.retain(|run| run.id != cx.run.id);
        let zoned = now.to_zoned(desired.instance.timezone.clone());
        let passes = expiry::expiry(&desired, &observed, &zoned);
        let actions = passes.into_iter().filter_map(|pass| match pass.outcome {
            PassOutcome::Expire(action) => Some(action.work),
            PassOutcome::Rests(_) | PassOutcome::NothingToDo | PassOutcome::Blocked(_) => None,
        });
        let of_series = actions.filter_map(|work| match work {
            Work::Expire { series: of, archives } if of == *series => Some(archives),
            _ => None,
        });
        Ok(Self { archives: of_series.flatten().collect(), observed })
    }

    /// Whether it lets go of this one still: a policy may have been raised, a restore asked for, or
    /// the archive that it makes way for found damaged, while the run was at others or waited.
    fn lets_go(&mut self, cx: &Context, archive: &Archive) -> Result<bool, StateError> {
        if !self.archives.contains(&archive.id) {
            return Ok(false);
        }
        let (desired, observed) = (cx.core.desired(), &mut self.observed);
        observed.open_runs = cx.core.state.open_runs()?;
        observed.open_runs.retain(|run| run.id != cx.run.id);
        observed.series = cx.core.state.series_facts()?;
        observed.freezes = cx.core.state.freezes()?;
        observed.archives = cx.core.catalogue.archives();
        let zoned = cx.now().to_zoned(desired.instance.timezone.clone());
        Ok(expiry::lets_go(&desired, observed, archive, &zoned))
    }
}

/// Whether a series would have no good archive without this one.
pub(crate) fn is_last_good(core: &Core, archive: &Archive) -> bool {
    let desired = core.desired();
    expiry::is_last_good(&desired, &line_of(core, &desired, archive), archive)
}

/// Whether what somebody asked for may be done now.
fn may_still_go(core: &Core, archive: &Archive) -> Result<(), Refusal> {
    let (desired, now) = (core.desired(), core.now());
    let observed = around(core, &desired, archive, now)
        .map_err(|error| Refusal { why: with_causes(&error), hint: None })?;
    let zoned = now.to_zoned(desired.instance.timezone.clone());
    expiry::may_still_delete(&desired, &observed, archive, &zoned)
}

/// The facts that decide whether an archive may be deleted on request.
pub(crate) fn around(
    core: &Core,
    desired: &Desired,
    archive: &Archive,
    now: Timestamp,
) -> Result<Observed, StateError> {
    Ok(Observed {
        open_runs: core.state.open_runs()?,
        series: core.state.series_facts()?,
        archives: line_of(core, desired, archive),
        ..Observed::nothing(now)
    })
}

/// The archives that belong together with this one, under all their names.
fn line_of(core: &Core, desired: &Desired, archive: &Archive) -> Vec<Archive> {
    let lineage = Lineage::of(desired);
    let line = lineage.line(archive);
    core.catalogue.select(|other| {
        other.location == archive.location && other.is_good() && lineage.line(other) == line
    })
}

/// What became of an archive that was removed.
#[derive(Debug)]
pub(crate) struct Removed {
    /// What it was.
    pub(crate) archive: Archive,
    /// Until when it rests in the trash.
    pub(crate) until: Option<Timestamp>,
    /// Whether it was YunoHost's own, and YunoHost deleted it: then it is gone for good.
    pub(crate) by_yunohost: bool,
}

/// Removes one archive, to the trash or for good, if it `may_go`; returns what it was, or `None`
/// when it stays or is not known. What YunoHost made is deleted by YunoHost, which has no trash.
/// Repeating it after a crash does no harm.
pub(crate) fn remove(
    cx: &Context,
    store: &dyn ArchiveStore,
    key: &CopyKey,
    until: Option<Timestamp>,
    may_go: impl FnOnce(&Archive) -> bool,
) -> Result<Option<Removed>, Failure> {
    // From the question to the deed nobody pins it or takes it back.
    let moving = cx.core.moving(&key.location, store, Visitor::Run(&cx.stop))?;
    remove_inside(&cx.core, &moving, (store, key), until, may_go)
}

/// The removal itself, for whoever may move files of archives of the location.
pub(crate) fn remove_inside(
    core: &Core,
    _moving: &Door<'_>,
    (store, key): (&dyn ArchiveStore, &CopyKey),
    until: Option<Timestamp>,
    may_go: impl FnOnce(&Archive) -> bool,
) -> Result<Option<Removed>, Failure> {
    let Some(archive) = core.catalogue.get(key).filter(may_go) else { return Ok(None) };
    let by_yunohost = yunohost::own::is_its_own(core, &archive)?;
    let until = until.filter(|_| !by_yunohost);
    core.state.put_tombstone(&Tombstone {
        archive: archive.id,
        location: archive.location.clone(),
        name: archive.name.clone(),
        to_trash: until,
        at: core.now(),
    })?;
    if by_yunohost {
        yunohost::own::delete(core, store, &archive)?;
    }
    let moved = match until {
        None if by_yunohost => Ok(()),
        Some(until) => store.trash(&archive, until),
        None => store.unlink(&archive),
    };
    match (moved, until) {
        (Ok(()), Some(until)) => {
            let trashed = Archive { condition: Condition::Trashed { until }, ..archive.clone() };
            core.catalogue.put(&core.state, trashed)?;
        }
        // Gone: somebody else deleted it, and there is nothing left to do.
        (Ok(()), None) | (Err(LocationError::Gone { .. }), _) => {
            core.catalogue.drop(&core.state, key)?;
        }
        (Err(error @ LocationError::Foreign { .. }), _) => {
            // What is there is not ours to touch, today or later.
            core.state.drop_tombstone(archive.id, &archive.location)?;
            return Err(error.into());
        }
        (Err(error), _) => return Err(error.into()),
    }
    core.state.drop_tombstone(archive.id, &archive.location)?;
    Ok(Some(Removed { archive, until, by_yunohost }))
}

/// Unlinks trashed archives whose time is over.
pub(crate) fn empty_trash(
    cx: &Context,
    location: &PlaceName,
    archives: &[ArchiveId],
) -> Result<Done, Failure> {
    let (store, _) = cx.available(location)?;
    let mut freed = 0;
    let mut unlinked = 0;
    for id in archives {
        cx.stop.check()?;
        let key = CopyKey::new(*id, location);
        let now = cx.now();
        let is_over = |archive: &Archive| matches!(archive.condition, Condition::Trashed { until } if until <= now);
        let gone = remove(cx, store.as_ref(), &key, None, is_over)?;
        let Some(Removed { archive, .. }) = gone else { continue };
        cx.log(&format!("unlinked `{}` from the trash", archive.name));
        freed += archive.file_size;
        unlinked += 1;
    }
    Ok(Done {
        summary: format!("{unlinked} archive(s) left the trash of {location}, {}", Bytes(freed)),
        ..Done::default()
    })
}
