//! Looks at a location as a whole: other programs delete and add files there, disks come and go.
//!
//! Deletions are carried through from their intent, parts that nobody owns are swept (never a file
//! with a final name), archives with a valid sidecar and no record are taken into the catalogue,
//! what is recorded and not there is marked as lost. **Invariant:** only while nothing runs: what
//! a run is about to publish is not there yet, and not lost. A place that is not wholly there
//! during the whole look loses nothing; one that hangs keeps nobody, and nothing is begun at it until
//! the look that was left behind has come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::core::Core;
use crate::engine::locations::attend::attend;
use crate::engine::locations::doors::{Door, Shut, Visitor};
use crate::engine::runs::backup::yunohost;
use crate::engine::runs::context::{Failure, with_causes};
use crate::engine::runs::expire;
use crate::engine::{recovery, start};
use crate::location::folder::Folder;
use crate::location::{ArchiveStore, LocationError, Writer};
use crate::model::archive::{Archive, Condition, CopyKey, How, Series};
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;
use crate::state::{StateError, Tombstone};

/// How often a location is looked at as a whole.
const TAKE_STOCK: SignedDuration = SignedDuration::from_mins(10);

/// The last look at a location.
#[derive(Debug, Clone)]
pub(crate) struct Stock {
    at: Timestamp,
    was_available: bool,
    /// What was told then: the same is not told again.
    problems: Vec<String>,
}

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum StockError {
    #[error(transparent)]
    Shut(#[from] Shut),
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error(transparent)]
    State(#[from] StateError),
}

/// Looks at every location that is there and was not looked at lately, or was away meanwhile; a
/// suspect one may prove that it is well again. Returns whether that may have changed anything.
pub(crate) fn take_where_due(core: &Arc<Core>) -> Result<bool, StateError> {
    let mut any = false;
    let mut was_scanned = false;
    // Those that do not answer are waited for once.
    let mut standings = core.standings();
    for (name, store) in core.stores() {
        core.beat();
        let now = core.now();
        let last = stocks(core).get(&name).cloned();
        let is_recent =
            last.as_ref().is_some_and(|last| now.duration_since(last.at).abs() < TAKE_STOCK);
        let Some(standing) = standings.remove(&name) else { continue };
        let (is_available, is_suspect) = match standing.state {
            LocationState::Available { .. } => (true, false),
            LocationState::Suspect(_) => (false, true),
            LocationState::Unavailable(_) => {
                stocks(core).remove(&name);
                start::ensure(core, &name, &store, |_, _| ());
                continue;
            }
        };
        if is_recent && last.as_ref().is_some_and(|last| last.was_available == is_available) {
            continue;
        }
        let mut stock = Stock { at: now, was_available: is_available, problems: Vec::new() };
        if is_suspect && store.is_yet_to_be_made() {
            continue;
        }
        if is_suspect {
            // Nothing else may ever write there, and it would stay suspect for ever.
            let probed = attend(core, &name, &store, |_, store| store.probe_write());
            if let Ok(Err(error)) = probed {
                tracing::debug!(location = %name, error = %with_causes(&error), "location is still suspect");
            }
            stocks(core).insert(name, stock);
            any = true;
            continue;
        }
        let told = last.map(|last| last.problems).unwrap_or_default();
        let place = name.clone();
        let taken = attend(core, &name, &store, move |core, store| {
            let mut told = told;
            let taken = take(core, &place, store, &mut told);
            (taken, told)
        });
        // What comes of it later is no look.
        let Ok((taken, told)) = taken else {
            look_again(core, &name);
            any = true;
            continue;
        };
        stock.problems = told;
        match taken {
            // One that is yet to be made may turn out to be a disk with archives.
            Ok(()) => was_scanned |= !store.is_yet_to_be_made(),
            // Somebody is at work there: it is looked at when that is over.
            Err(StockError::Shut(Shut::Busy { .. })) => {
                look_again(core, &name);
                continue;
            }
            Err(error) => {
                tracing::error!(location = %name, error = %with_causes(&error), "cannot look at a location");
                if let StockError::State(_) = error {
                    // What was found could not be recorded: that is no look.
                    look_again(core, &name);
                    continue;
                }
            }
        }
        stocks(core).insert(name, stock);
        any = true;
    }
    // After the last of them: all that are there at the first look count as looked at first.
    if was_scanned {
        recovery::looked(core)?;
    }
    Ok(any)
}

/// Has a location looked at as a whole with the next look, however recent the last one is.
pub(crate) fn look_again(core: &Core, location: &PlaceName) {
    stocks(core).remove(location);
}

/// Looks at one location for files that larder did not make, since somebody asks for one: it may
/// have been put there a moment ago. Returns whether there are others than before. Unlike the look
/// at the whole, this may be while runs write there: it says nothing of archives.
pub(crate) fn look_for_foreign(
    core: &Arc<Core>,
    location: &PlaceName,
) -> Result<bool, LocationError> {
    let folder = core.folder(location);
    let is_there = |folder: &Arc<Folder>| matches!(folder.state(), LocationState::Available { .. });
    let Some(folder) = folder.filter(is_there) else { return Ok(false) };
    let found = attend(core, location, &folder, |_, folder| folder.scan());
    let mut found = found.unwrap_or_else(|_| {
        let reason = "it does not answer".to_owned();
        Err(LocationError::Unavailable { location: location.clone(), reason })
    })?;
    let mut found = std::mem::take(&mut found.foreign);
    let before = core.catalogue.foreign_at(location);
    // What YunoHost makes for a run of ours is that run's, until a look at the whole settles it.
    found.retain(|file| {
        before.iter().any(|known| known.file_name == file.file_name)
            || !yunohost::owed::is_owed(core, location, &file.file_name)
    });
    for file in &mut found {
        let known = before.iter().find(|known| known.file_name == file.file_name);
        file.note = known.and_then(|known| known.note.clone()).or(file.note.take());
    }
    if found == before {
        return Ok(false);
    }
    core.catalogue.set_foreign(location, found);
    Ok(true)
}

fn stocks(core: &Core) -> parking_lot::MutexGuard<'_, BTreeMap<PlaceName, Stock>> {
    core.stock_taken.lock()
}

/// Looks at one location.
pub(in crate::engine) fn take(
    core: &Core,
    name: &PlaceName,
    store: &Arc<Folder>,
    told: &mut Vec<String>,
) -> Result<(), StockError> {
    // What a peer sends comes whole before this look, or after it.
    let _still = core.hold_still(name, Visitor::Loop)?;
    replay_tombstones(core, name, store)?;
    let mut runs: Vec<_> = core.running().values().map(|running| running.run.id).collect();
    runs.extend(core.given_up().keys());
    let mut keep = core.uploads.writers(name);
    keep.extend(runs.into_iter().map(Writer::Run));
    if !store.is_yet_to_be_made() {
        for swept in store.sweep_all_but(&keep)? {
            tracing::info!(location = %name, file = %swept, "swept what an interrupted run left");
        }
    }
    // Before the scan: what a run that was given up publishes meanwhile is not lost.
    let known = core.catalogue.select(|archive| archive.location == *name);
    let mut scan = store.scan()?;
    // It was left behind, and the location may be on another disk by now.
    let is_its_place = core.folder(name).is_some_and(|folder| Arc::ptr_eq(&folder, store));
    if store.attendant().is_left_behind() || !is_its_place {
        tracing::info!(location = %name, "what was seen at the location is not what is there now: it does not count");
        return Ok(());
    }
    yunohost::owed::settle(core, name, store, &mut scan.foreign)?;
    for problem in scan.problems.iter().filter(|problem| !told.contains(problem)) {
        tracing::warn!(location = %name, "{problem}");
    }
    *told = scan.problems;
    core.catalogue.set_foreign(name, scan.foreign);
    let found: Vec<Archive> = scan.archives.into_iter().chain(scan.trashed).collect();
    let seen: BTreeSet<CopyKey> = found.iter().map(Archive::key).collect();
    let (recorded, unrecorded): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|archive| core.catalogue.get(&archive.key()).is_some());
    for archive in recorded {
        reconcile_record(core, archive)?;
    }
    recovery::guard(core, name, &unrecorded)?;
    take_in(core, unrecorded)?;
    if !matches!(store.state(), LocationState::Available { .. }) {
        tracing::warn!(location = %name, "the location went away while it was looked at: nothing counts as lost");
        return Ok(());
    }
    for known in known.iter().filter(|known| !seen.contains(&known.key())) {
        match known.condition {
            // Its time in the trash is over one way or the other.
            Condition::Trashed { .. } => core.catalogue.drop(&core.state, &known.key())?,
            Condition::Present | Condition::Corrupt | Condition::Unavailable => {
                tracing::error!(archive = %known.name, location = %name, "an archive is gone: it was not deleted by larder");
                core.catalogue.set_condition(&core.state, &known.key(), Condition::Lost)?;
            }
            Condition::Lost => {}
        }
    }
    Ok(())
}

/// Takes archives into the catalogue that are there and not recorded.
///
/// Their series count as adopted, so that nothing of them is deleted without approval. But a
/// single one in a series that is known is what a crash between its publication and its record
/// leaves: that was our own.
fn take_in(core: &Core, archives: Vec<Archive>) -> Result<(), StateError> {
    if archives.is_empty() {
        return Ok(());
    }
    let mut adopted: BTreeMap<Series, (usize, bool)> = BTreeMap::new();
    for archive in &archives {
        let (count, foreign) = adopted.entry(archive.written_series()).or_default();
        *count += 1;
        *foreign |= archive.how == How::Adopted;
    }
    for (series, (count, _)) in &adopted {
        tracing::info!(%series, count, "archives without a record are taken into the catalogue");
    }
    adopted.retain(|series, (count, foreign)| {
        let is_known =
            || !core.catalogue.select(|known| known.written_series() == *series).is_empty();
        *foreign || *count > 1 || !is_known()
    });
    core.catalogue.put_all(&core.state, archives, |txn| {
        for series in adopted.keys() {
            let mut facts = txn.series_facts(series)?.unwrap_or_default();
            facts.adopted = true;
            txn.put_series_facts(series, &facts)?;
        }
        Ok(())
    })
}

/// The sidecar says what is true of the file; the state remembers what it does not say.
fn reconcile_record(core: &Core, found: Archive) -> Result<(), StateError> {
    let Some(known) = core.catalogue.get(&found.key()) else { return Ok(()) };
    let condition = match (&known.condition, &found.condition) {
        (_, Condition::Trashed { .. }) => found.condition.clone(),
        (Condition::Corrupt, _) => Condition::Corrupt,
        (_, condition) => condition.clone(),
    };
    let merged =
        Archive { condition, verified_at: known.verified_at.max(found.verified_at), ..found };
    if merged == known { Ok(()) } else { core.catalogue.put(&core.state, merged) }
}

/// Carries deletions through that were begun and not ended; one of which nothing happened is
/// dropped: what wanted it asks again, if it wants it still. One that cannot be carried through is
/// told, and keeps nobody from looking at the rest.
fn replay_tombstones(core: &Core, name: &PlaceName, store: &Folder) -> Result<(), StockError> {
    let mut stones = core.state.tombstones()?;
    stones.retain(|stone| stone.location == *name);
    if stones.is_empty() {
        return Ok(());
    }
    // Whoever began one may be at it still: then the files of its archive are nowhere.
    let moving = core.moving(name, store, Visitor::Loop)?;
    for stone in core.state.tombstones()?.into_iter().filter(|stone| stone.location == *name) {
        match replay(core, &moving, store, &stone) {
            Ok(true) => {}
            // It is not known any more, or stays.
            Ok(false) => core.state.drop_tombstone(stone.archive, name)?,
            Err(failure) => {
                tracing::error!(archive = %stone.name, location = %name, "{}", failure.summary);
            }
        }
    }
    Ok(())
}

/// Carries one deletion through. Returns whether it was.
fn replay(
    core: &Core,
    moving: &Door<'_>,
    store: &Folder,
    deletion: &Tombstone,
) -> Result<bool, Failure> {
    let key = CopyKey::new(deletion.archive, &deletion.location);
    let Some(archive) = core.catalogue.get(&key) else { return Ok(false) };
    let is_trashed = matches!(archive.condition, Condition::Trashed { .. });
    if !is_trashed && store.is_untouched(&archive)? {
        tracing::info!(archive = %deletion.name, location = %deletion.location, "a deletion that never began is dropped");
        return Ok(false);
    }
    tracing::info!(archive = %deletion.name, location = %deletion.location, "finishing a deletion that was interrupted");
    // It may have been out of reach all the time that it was to rest in the trash.
    let rests = core.desired().locations.get(&deletion.location).map(|location| location.trash);
    let anew = core.now().checked_add(rests.unwrap_or_default()).unwrap_or(Timestamp::MAX);
    let until = deletion.to_trash.map(|until| until.max(anew));
    let may_go = |archive: &Archive| !archive.pinned && !expire::is_last_good(core, archive);
    Ok(expire::remove_inside(core, moving, (store, &key), until, may_go)?.is_some())
}
