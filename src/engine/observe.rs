//! Gathers the facts of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::Digest as _;

use crate::engine::core::Core;
use crate::engine::peers::contacts;
use crate::engine::{damage, notices};
use crate::location::standing::{FileSystem, Standing};
use crate::model::archive::Sha256;
use crate::model::desired::Desired;
use crate::model::job::JobSource;
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::{DrillFacts, JobFacts, JobTable, LocationState, Observed};
use crate::state::StateError;

pub(super) mod inventory;
pub(super) mod devices;
pub(super) mod clock;
pub(super) mod awake;
pub(super) mod space;
pub(super) mod uncovered;
pub(super) mod wildcards;

/// The facts of now.
pub(crate) fn observe(
    core: &Core,
    desired: &Desired,
    now: Timestamp,
) -> Result<Observed, StateError> {
    let standings = core.standings();
    let locations = core.states_of(&standings);
    core.catalogue.apply_location_states(&locations);
    // First of all: a run that is over by now has its effect in what is read after it, so that
    // nothing that was just done is planned again.
    let open_runs = core.state.open_runs()?;
    let devices = devices(core, desired, &standings);
    let mut observed = Observed {
        awake_since: core.awake.since(),
        open_runs,
        archives: core.catalogue.archives(),
        foreign: core.catalogue.foreign(),
        members: wildcards::known(core),
        beside_source: beside_source(desired, &standings, &devices),
        locations,
        to_be_made: to_be_made(core),
        given_up: core.given_up().clone(),
        after_owed: core.after_owed(),
        file_systems: file_systems(desired, &devices),
        ..Observed::nothing(now)
    };
    remember(core, desired, now, &mut observed)?;
    Ok(observed)
}

/// Brings facts up to date once the engine itself has written something: those of the disk stay.
pub(crate) fn observe_again(
    core: &Core,
    desired: &Desired,
    now: Timestamp,
    observed: &mut Observed,
) -> Result<(), StateError> {
    observed.open_runs = core.state.open_runs()?;
    observed.given_up.clone_from(&core.given_up());
    observed.after_owed = core.after_owed();
    remember(core, desired, now, observed)
}

fn remember(
    core: &Core,
    desired: &Desired,
    now: Timestamp,
    observed: &mut Observed,
) -> Result<(), StateError> {
    observed.jobs = job_facts(core, desired, now)?;
    observed.drills = drill_facts(core, desired, now)?;
    observed.series = core.state.series_facts()?;
    observed.approvals = core.state.approvals()?;
    observed.freezes = core.state.freezes()?;
    observed.not_before = core.state.not_before()?;
    observed.contacts = contacts::known(core);
    observed.damage = damage::known(core)?;
    observed.failed = notices::failed_runs(core, observed, now)?;
    Ok(())
}

/// Locations that the first run that writes there makes.
fn to_be_made(core: &Core) -> BTreeSet<PlaceName> {
    let stores = core.stores().into_iter();
    stores.filter(|(_, folder)| folder.is_yet_to_be_made()).map(|(name, _)| name).collect()
}

/// The file systems of locations and sources, as far as they can be told: what hangs is where it was.
fn devices(
    core: &Core,
    desired: &Desired,
    standings: &BTreeMap<PlaceName, Standing>,
) -> BTreeMap<PathBuf, u64> {
    let directories = desired.jobs.values().filter_map(|job| match &job.source {
        JobSource::CustomDir(source) => Some(source.source_path.as_path()),
        JobSource::Mysql(_)
        | JobSource::Postgresql(_)
        | JobSource::YnhApp { .. }
        | JobSource::YnhSystem { .. } => None,
    });
    let seen = desired.locations.values().map(|location| {
        let standing = standings.get(&location.name);
        let silent = FileSystem::Silent;
        (location.path.as_path(), standing.map_or(silent, |standing| standing.file_system))
    });
    core.devices.look(&directories.collect(), &seen.collect::<Vec<_>>())
}

/// The file system of each location that can be looked at.
fn file_systems(desired: &Desired, devices: &BTreeMap<PathBuf, u64>) -> BTreeMap<PlaceName, u64> {
    let locations = desired.locations.values();
    locations.filter_map(|one| Some((one.name.clone(), *devices.get(&one.path)?))).collect()
}

/// The locations that lie on the file system of a job's source. What is not there counts as
/// elsewhere: its absence is told by others, and under a disk that is unplugged the directory that
/// it is mounted on lies somewhere else. What hangs is where it was.
fn beside_source(
    desired: &Desired,
    standings: &BTreeMap<PlaceName, Standing>,
    devices: &BTreeMap<PathBuf, u64>,
) -> BTreeSet<(JobName, PlaceName)> {
    let device = |path: &Path| devices.get(path).copied();
    let is_known = |name| {
        standings.get(name).is_some_and(|standing| {
            !matches!(standing.state, LocationState::Unavailable(_))
                || standing.file_system == FileSystem::Silent
        })
    };
    let places: Vec<(&PlaceName, u64)> = desired
        .locations
        .values()
        .filter(|location| is_known(&location.name))
        .filter_map(|location| Some((&location.name, device(&location.path)?)))
        .collect();
    let mut found = BTreeSet::new();
    for job in desired.jobs.values() {
        let JobSource::CustomDir(source) = &job.source else { continue };
        let Some(own) = device(&source.source_path) else { continue };
        let beside = places.iter().filter(|(_, device)| *device == own);
        found.extend(beside.map(|(place, _)| (job.name.clone(), (*place).clone())));
    }
    found
}

/// What is remembered of each job; a job that is seen for the first time is remembered from now
/// on, with the history of its earlier name if it had one, and when its table changed.
fn job_facts(
    core: &Core,
    desired: &Desired,
    now: Timestamp,
) -> Result<BTreeMap<JobName, JobFacts>, StateError> {
    let mut facts = core.state.job_facts()?;
    let mut changed = Vec::new();
    for job in desired.jobs.values() {
        let earlier = || job.formerly.iter().find_map(|name| facts.get(name));
        let known = facts.get(&job.name);
        let mut fresh = known.or_else(earlier).cloned().unwrap_or(JobFacts {
            first_seen: now,
            last_due: None,
            last_attempt: None,
            last_success: None,
            last_failure: None,
            table: None,
            source: None,
        });
        let hash = Sha256(sha2::Sha256::digest(&job.effective_json).into()).to_string();
        if fresh.table.as_ref().is_none_or(|table| table.hash != hash) {
            // What was known before anybody looked at its table was not changed now.
            let since = if fresh.table.is_some() { now } else { fresh.first_seen };
            fresh.table = Some(JobTable { hash, since });
        }
        if known != Some(&fresh) {
            changed.push((&job.name, fresh));
        }
    }
    if !changed.is_empty() {
        // All at once: each commit waits for the disk, and there may be a thousand.
        core.state.commit(|txn| {
            changed.iter_mut().try_for_each(|(name, fresh)| {
                // What a run remembered meanwhile stays.
                if let Some(known) = txn.job_facts(name)? {
                    *fresh = JobFacts { table: fresh.table.take(), ..known };
                }
                txn.put_job_facts(name, fresh)
            })
        })?;
    }
    facts.extend(changed.into_iter().map(|(name, fresh)| (name.clone(), fresh)));
    Ok(facts)
}

/// What is remembered of drills; a schedule of drills that is seen for the first time is known from
/// now on, so that its instants of last month were not missed. One that went is forgotten.
fn drill_facts(
    core: &Core,
    desired: &Desired,
    now: Timestamp,
) -> Result<BTreeMap<JobName, DrillFacts>, StateError> {
    let mut facts = core.state.drill_facts()?;
    let mut changed = Vec::new();
    for job in desired.jobs.values() {
        let known = facts.get(&job.name);
        let was_known = known.is_some_and(|known| known.known_since.is_some());
        if was_known == job.drill.is_some() {
            continue;
        }
        let earlier = || job.formerly.iter().find_map(|name| facts.get(name));
        let mut fresh = known.or_else(earlier).cloned().unwrap_or_default();
        fresh.known_since = job.drill.is_some().then(|| fresh.known_since.unwrap_or(now));
        changed.push((&job.name, fresh));
    }
    if !changed.is_empty() {
        core.state.commit(|txn| {
            changed.iter().try_for_each(|(name, fresh)| txn.put_drill_facts(name, fresh))
        })?;
    }
    facts.extend(changed.into_iter().map(|(name, fresh)| (name.clone(), fresh)));
    Ok(facts)
}
