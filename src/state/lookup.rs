//! Everything that can be asked, except for the history of runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable};
use serde::de::DeserializeOwned;

use super::stored::drill::StoredDrillFacts;
use super::stored::facts::{
    StoredConfig, StoredFreeze, StoredJobFacts, StoredListing, StoredNotBefore, StoredSeriesFacts,
    StoredTombstone,
};
use super::stored::upload::StoredUpload;
use super::stored::{StoredRun, Text, archive::StoredArchive};
use super::tables::{
    APPROVALS, ARCHIVES, CHUNKS, CopyRow, DRILLS, FREEZES, JOBS, LISTINGS, MARKERS, NOT_BEFORE,
    RUNS, SERIES, TOMBSTONES, UPLOADS, VALUES, all, decode,
};
use super::transaction::value;
use super::{ConfigRecord, State, StateError, Tombstone};
use crate::model::archive::{Archive, ArchiveId, CopyKey, Series, Sha256};
use crate::model::members::Members;
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::{DrillFacts, Freeze, JobFacts, SeriesFacts};
use crate::model::run::{Run, RunId};

/// The record under a text key.
pub(super) fn text<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
    key: &str,
) -> Result<Option<T>, StateError> {
    match table.get(key)? {
        Some(bytes) => decode(name, bytes.value()).map(Some),
        None => Ok(None),
    }
}

pub(super) fn run(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: RunId,
) -> Result<Option<Run>, StateError> {
    let Some(bytes) = table.get(id.0)? else { return Ok(None) };
    let stored: StoredRun = decode("runs", bytes.value())?;
    Ok(Some(stored.into()))
}

pub(super) fn archive(
    table: &impl ReadableTable<CopyRow, &'static [u8]>,
    key: (&str, &[u8; 16]),
) -> Result<Option<Archive>, StateError> {
    let Some(bytes) = table.get(key)? else { return Ok(None) };
    let stored: StoredArchive = decode("archives", bytes.value())?;
    Ok(Some(stored.into()))
}

/// Reads every record but the runs', whose number has no bound: one that cannot be understood
/// counts as damage while it is early enough to make a fresh file.
pub(super) fn read_everything_small(database: &Database) -> Result<(), StateError> {
    let txn = database.begin_read()?;
    let _: Vec<StoredArchive> = all("archives", &txn.open_table(ARCHIVES)?)?;
    let _: Vec<StoredJobFacts> = all("jobs", &txn.open_table(JOBS)?)?;
    let _: Vec<StoredDrillFacts> = all("drills", &txn.open_table(DRILLS)?)?;
    let _: Vec<StoredSeriesFacts> = all("series", &txn.open_table(SERIES)?)?;
    let _: Vec<StoredTombstone> = all("tombstones", &txn.open_table(TOMBSTONES)?)?;
    let _: Vec<StoredNotBefore> = all("not-before", &txn.open_table(NOT_BEFORE)?)?;
    let _: Vec<StoredFreeze> = all("freezes", &txn.open_table(FREEZES)?)?;
    let _: Vec<StoredListing> = all("listings", &txn.open_table(LISTINGS)?)?;
    let _: Vec<String> = all("markers", &txn.open_table(MARKERS)?)?;
    let _: Vec<StoredUpload> = all("uploads", &txn.open_table(UPLOADS)?)?;
    let _: Vec<Text<Sha256>> = all("upload-chunks", &txn.open_table(CHUNKS)?)?;
    Ok(())
}

impl State {
    /// The run of a number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn run(&self, id: RunId) -> Result<Option<Run>, StateError> {
        self.store.read(|txn| run(&txn.open_table(RUNS)?, id))
    }

    /// The whole catalogue: every copy of every archive, by location and then by id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn archives(&self) -> Result<Vec<Archive>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredArchive> = all("archives", &txn.open_table(ARCHIVES)?)?;
            Ok(stored.into_iter().map(Archive::from).collect())
        })
    }

    /// One copy of an archive.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn archive(&self, id: ArchiveId, at: &PlaceName) -> Result<Option<Archive>, StateError> {
        self.store.read(|txn| archive(&txn.open_table(ARCHIVES)?, (at.as_str(), id.0.as_bytes())))
    }

    /// What is remembered of each job.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn job_facts(&self) -> Result<BTreeMap<JobName, JobFacts>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredJobFacts> = all("jobs", &txn.open_table(JOBS)?)?;
            Ok(stored.into_iter().map(|record| (record.job.0.clone(), record.into())).collect())
        })
    }

    /// What jobs with `*` stand for, as far as that was listed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn members(&self) -> Result<Members, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredListing> = all("listings", &txn.open_table(LISTINGS)?)?;
            Ok(stored.into_iter().map(|record| (record.job.0.clone(), record.into())).collect())
        })
    }

    /// What is remembered of the drills of each job.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn drill_facts(&self) -> Result<BTreeMap<JobName, DrillFacts>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredDrillFacts> = all("drills", &txn.open_table(DRILLS)?)?;
            Ok(stored.into_iter().map(|record| (record.job.0.clone(), record.into())).collect())
        })
    }

    /// What retention remembers of each series.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn series_facts(&self) -> Result<BTreeMap<Series, SeriesFacts>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredSeriesFacts> = all("series", &txn.open_table(SERIES)?)?;
            Ok(stored
                .into_iter()
                .map(|record| (record.series.clone().into(), record.into()))
                .collect())
        })
    }

    /// Hashes of the deletions that somebody approved.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn approvals(&self) -> Result<BTreeSet<String>, StateError> {
        self.store.read(|txn| {
            let table = txn.open_table(APPROVALS)?;
            table.iter()?.map(|entry| Ok(entry?.0.value().to_owned())).collect()
        })
    }

    /// The marker that counts for each location.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn markers(&self) -> Result<BTreeMap<PlaceName, String>, StateError> {
        self.store.read(|txn| {
            let table = txn.open_table(MARKERS)?;
            let mut markers = BTreeMap::new();
            for entry in table.iter()? {
                let (location, marker) = entry?;
                // A name that this version does not accept belongs to no location of this version.
                if let Ok(location) = location.value().parse() {
                    markers.insert(location, decode("markers", marker.value())?);
                }
            }
            Ok(markers)
        })
    }

    /// Deletions that began and did not end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn tombstones(&self) -> Result<Vec<Tombstone>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredTombstone> = all("tombstones", &txn.open_table(TOMBSTONES)?)?;
            Ok(stored.into_iter().map(Tombstone::from).collect())
        })
    }

    /// Verifications and copies that rest, and until when.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn not_before(&self) -> Result<BTreeMap<CopyKey, Timestamp>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredNotBefore> = all("not-before", &txn.open_table(NOT_BEFORE)?)?;
            Ok(stored
                .into_iter()
                .map(|record| {
                    (CopyKey::new(ArchiveId(record.archive), &record.location.0), record.until)
                })
                .collect())
        })
    }

    /// Why retention rests, if it does.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn freezes(&self) -> Result<Vec<Freeze>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredFreeze> = all("freezes", &txn.open_table(FREEZES)?)?;
            Ok(stored.into_iter().map(Freeze::from).collect())
        })
    }

    /// The configuration that was last good.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn config(&self) -> Result<Option<ConfigRecord>, StateError> {
        self.store.read(|txn| {
            let stored: Option<StoredConfig> =
                text(&txn.open_table(VALUES)?, "values", value::CONFIG)?;
            Ok(stored.map(ConfigRecord::from))
        })
    }

    /// The latest time that the clock ever showed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn clock(&self) -> Result<Option<Timestamp>, StateError> {
        self.store.read(|txn| text(&txn.open_table(VALUES)?, "values", value::CLOCK))
    }

    /// A small value by the name that the caller gave it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn value(&self, name: &str) -> Result<Option<String>, StateError> {
        let key = format!("{}{name}", value::CALLERS);
        self.store.read(|txn| text(&txn.open_table(VALUES)?, "values", &key))
    }
}
