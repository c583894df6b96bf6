//! Every change there is, within a transaction.

use jiff::Timestamp;
use redb::{ReadableTable, WriteTransaction};

use super::stored::drill::StoredDrillFacts;
use super::stored::facts::{
    StoredApproval, StoredConfig, StoredFreeze, StoredJobFacts, StoredListing, StoredNotBefore,
    StoredSeriesFacts, StoredTombstone,
};
use super::stored::{StoredRun, Text, archive::StoredArchive};
use super::tables::{
    APPROVALS, ARCHIVES, DRILLS, FREEZES, JOBS, LISTINGS, MARKERS, META, NOT_BEFORE, RUN_INDEX,
    RUNS, SERIES, TOMBSTONES, VALUES, decode, drop_copy, drop_text, encode, meta, number, put_copy,
    put_text,
};
use super::{ConfigRecord, StateError, Tombstone, lookup};
use crate::model::archive::{Archive, ArchiveId, Series};
use crate::model::members::Listing;
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::{DrillFacts, Freeze, JobFacts, SeriesFacts};
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};

/// Keys of the values that have methods of their own.
pub(super) mod value {
    /// The configuration that was last good.
    pub(in crate::state) const CONFIG: &str = "config";
    /// The latest time that the clock ever showed.
    pub(in crate::state) const CLOCK: &str = "clock";
    /// What comes before the keys of callers.
    pub(in crate::state) const CALLERS: &str = "value/";
}

/// Changes that become durable together. Made by [`State::commit`](super::State::commit).
pub struct Transaction<'a> {
    pub(super) txn: &'a WriteTransaction,
}

/// The key of a copy in the tables.
fn copy_key<'a>(archive: &'a ArchiveId, location: &'a PlaceName) -> (&'a str, &'a [u8; 16]) {
    (location.as_str(), archive.0.as_bytes())
}

impl<'a> Transaction<'a> {
    pub(super) fn new(txn: &'a WriteTransaction) -> Self {
        Self { txn }
    }

    /// Queues a run under the next number.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn enqueue(
        &mut self,
        work: Work,
        cause: Cause,
        now: Timestamp,
        config_hash: Option<String>,
    ) -> Result<Run, StateError> {
        let id = {
            let mut table = self.txn.open_table(META)?;
            let id = number(&table, meta::NEXT_RUN)?.max(1);
            table.insert(meta::NEXT_RUN, encode("meta", &(id + 1))?.as_slice())?;
            id
        };
        let run = Run {
            id: RunId(id),
            work,
            cause,
            status: RunStatus::Queued,
            queued_at: now,
            started_at: None,
            finished_at: None,
            summary: String::new(),
            hint: None,
            archive: None,
            size_bytes: None,
            config_hash,
        };
        self.put_run(&run)?;
        Ok(run)
    }

    /// Writes a run in place of what stood under its number.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_run(&mut self, run: &Run) -> Result<(), StateError> {
        let bytes = encode("runs", &StoredRun::from(run))?;
        let mut runs = self.txn.open_table(RUNS)?;
        let mut index = self.txn.open_table(RUN_INDEX)?;
        let before: Option<StoredRun> = match runs.insert(run.id.0, bytes.as_slice())? {
            Some(before) => Some(decode("runs", before.value())?),
            None => None,
        };
        if let Some(before) = before {
            let before = Run::from(before);
            if before.status == run.status && before.work == run.work {
                return Ok(());
            }
            for key in index_keys(&before) {
                index.remove(key)?;
            }
        }
        for key in index_keys(run) {
            index.insert(key, ())?;
        }
        Ok(())
    }

    /// Takes a run out of the history.
    pub(super) fn drop_run(&mut self, id: RunId) -> Result<(), StateError> {
        let before: Option<StoredRun> = match self.txn.open_table(RUNS)?.remove(id.0)? {
            Some(before) => Some(decode("runs", before.value())?),
            None => None,
        };
        if let Some(before) = before {
            let mut index = self.txn.open_table(RUN_INDEX)?;
            for key in index_keys(&Run::from(before)) {
                index.remove(key)?;
            }
        }
        Ok(())
    }

    /// The run of a number, with the changes of this transaction.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn run(&self, id: RunId) -> Result<Option<Run>, StateError> {
        lookup::run(&self.txn.open_table(RUNS)?, id)
    }

    /// Records a copy of an archive, in place of what was known of it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_archive(&mut self, archive: &Archive) -> Result<(), StateError> {
        let key = copy_key(&archive.id, &archive.location);
        put_copy(self.txn, ARCHIVES, key, &StoredArchive::from(archive))
    }

    /// Forgets a copy of an archive; nothing happens when it is not known.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_archive(&mut self, id: ArchiveId, at: &PlaceName) -> Result<(), StateError> {
        drop_copy(self.txn, ARCHIVES, copy_key(&id, at)).map(drop)
    }

    /// A copy of an archive, with the changes of this transaction.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn archive(&self, id: ArchiveId, at: &PlaceName) -> Result<Option<Archive>, StateError> {
        lookup::archive(&self.txn.open_table(ARCHIVES)?, copy_key(&id, at))
    }

    /// Records when a copy's bytes were last compared with their hash; nothing happens when the copy
    /// is not known.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_verified(
        &mut self,
        id: ArchiveId,
        location: &PlaceName,
        at: Timestamp,
    ) -> Result<(), StateError> {
        if let Some(mut archive) = self.archive(id, location)? {
            archive.verified_at = Some(at);
            self.put_archive(&archive)?;
        }
        Ok(())
    }

    /// Records what is remembered of a job.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_job_facts(&mut self, job: &JobName, facts: &JobFacts) -> Result<(), StateError> {
        put_text(self.txn, JOBS, job.as_str(), &StoredJobFacts::from((job, facts)))
    }

    /// Records what is known of what a job with `*` stands for.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_listing(&mut self, job: &JobName, listing: &Listing) -> Result<(), StateError> {
        put_text(self.txn, LISTINGS, job.as_str(), &StoredListing::from((job, listing)))
    }

    /// What is remembered of a job, with the changes of this transaction.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn job_facts(&self, job: &JobName) -> Result<Option<JobFacts>, StateError> {
        let table = self.txn.open_table(JOBS)?;
        let stored: Option<StoredJobFacts> = lookup::text(&table, "jobs", job.as_str())?;
        Ok(stored.map(JobFacts::from))
    }

    /// Records what is remembered of the drills of a job.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_drill_facts(&mut self, job: &JobName, facts: &DrillFacts) -> Result<(), StateError> {
        put_text(self.txn, DRILLS, job.as_str(), &StoredDrillFacts::from((job, facts)))
    }

    /// What is remembered of the drills of a job, with the changes of this transaction; nothing
    /// yet when none was ever asked for.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn drill_facts(&self, job: &JobName) -> Result<DrillFacts, StateError> {
        let table = self.txn.open_table(DRILLS)?;
        let stored: Option<StoredDrillFacts> = lookup::text(&table, "drills", job.as_str())?;
        Ok(stored.map(DrillFacts::from).unwrap_or_default())
    }

    /// Records what retention remembers of a series.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_series_facts(
        &mut self,
        series: &Series,
        facts: &SeriesFacts,
    ) -> Result<(), StateError> {
        let bytes = encode("series", &StoredSeriesFacts::from((series, facts)))?;
        let key = (series.origin.as_str(), series.job.as_str(), series.location.as_str());
        self.txn.open_table(SERIES)?.insert(key, bytes.as_slice())?;
        Ok(())
    }

    /// What retention remembers of a series, with the changes of this transaction.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn series_facts(&self, series: &Series) -> Result<Option<SeriesFacts>, StateError> {
        let key = (series.origin.as_str(), series.job.as_str(), series.location.as_str());
        let table = self.txn.open_table(SERIES)?;
        let Some(bytes) = table.get(key)? else { return Ok(None) };
        let stored: StoredSeriesFacts = decode("series", bytes.value())?;
        Ok(Some(stored.into()))
    }

    /// Records that somebody approved the deletions with this hash.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn approve(&mut self, hash: &str, at: Timestamp) -> Result<(), StateError> {
        put_text(self.txn, APPROVALS, hash, &StoredApproval { at })
    }

    /// Forgets an approval, since it was used or is void.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn forget_approval(&mut self, hash: &str) -> Result<(), StateError> {
        drop_text(self.txn, APPROVALS, hash).map(drop)
    }

    /// Records the marker of a location unless one is recorded; returns the one that counts.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn record_marker(&mut self, at: &PlaceName, marker: &str) -> Result<String, StateError> {
        let known = {
            let table = self.txn.open_table(MARKERS)?;
            lookup::text(&table, "markers", at.as_str())?
        };
        if let Some(known) = known {
            return Ok(known);
        }
        put_text(self.txn, MARKERS, at.as_str(), &marker)?;
        Ok(marker.to_owned())
    }

    /// Forgets the marker of a location, so that the next one that is seen counts.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn forget_marker(&mut self, location: &PlaceName) -> Result<(), StateError> {
        drop_text(self.txn, MARKERS, location.as_str()).map(drop)
    }

    /// Records a deletion that is about to begin.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_tombstone(&mut self, tombstone: &Tombstone) -> Result<(), StateError> {
        let key = copy_key(&tombstone.archive, &tombstone.location);
        put_copy(self.txn, TOMBSTONES, key, &StoredTombstone::from(tombstone))
    }

    /// Forgets a deletion that is complete.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_tombstone(&mut self, id: ArchiveId, at: &PlaceName) -> Result<(), StateError> {
        drop_copy(self.txn, TOMBSTONES, copy_key(&id, at)).map(drop)
    }

    /// Records that verifying or copying an archive is not tried again before `until`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_not_before(
        &mut self,
        archive: ArchiveId,
        location: &PlaceName,
        until: Timestamp,
    ) -> Result<(), StateError> {
        let record =
            StoredNotBefore { archive: archive.0, location: Text(location.clone()), until };
        put_copy(self.txn, NOT_BEFORE, copy_key(&archive, location), &record)
    }

    /// Lets an archive be verified or copied again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_not_before(&mut self, id: ArchiveId, at: &PlaceName) -> Result<(), StateError> {
        drop_copy(self.txn, NOT_BEFORE, copy_key(&id, at)).map(drop)
    }

    /// Makes retention rest; one freeze of a kind takes the place of another of that kind.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_freeze(&mut self, freeze: &Freeze) -> Result<(), StateError> {
        put_text(self.txn, FREEZES, StoredFreeze::key(freeze), &StoredFreeze::from(freeze))
    }

    /// Ends a freeze of the kind of `freeze`, whatever its words.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_freeze(&mut self, freeze: &Freeze) -> Result<(), StateError> {
        drop_text(self.txn, FREEZES, StoredFreeze::key(freeze)).map(drop)
    }

    /// Records what was last good; returns its generation, which grows when the hash is another one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_config(&mut self, last_good: &str, hash: &str) -> Result<u64, StateError> {
        let known: Option<StoredConfig> = {
            let table = self.txn.open_table(VALUES)?;
            lookup::text(&table, "values", value::CONFIG)?
        };
        let generation = match known.map(ConfigRecord::from) {
            Some(known) if known.hash == hash => known.generation,
            Some(known) => known.generation + 1,
            None => 1,
        };
        let record =
            ConfigRecord { last_good: last_good.to_owned(), hash: hash.to_owned(), generation };
        put_text(self.txn, VALUES, value::CONFIG, &StoredConfig::from(&record))?;
        Ok(generation)
    }

    /// Records what the clock shows if it never showed a later time; returns the latest.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn advance_clock(&mut self, now: Timestamp) -> Result<Timestamp, StateError> {
        let known: Option<Timestamp> = {
            let table = self.txn.open_table(VALUES)?;
            lookup::text(&table, "values", value::CLOCK)?
        };
        let latest = known.map_or(now, |known| known.max(now));
        if known != Some(latest) {
            self.reset_clock(latest)?;
        }
        Ok(latest)
    }

    /// Records `at` as the latest time that the clock showed, although it may have shown a later
    /// one: somebody says that the clock is right now.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn reset_clock(&mut self, at: Timestamp) -> Result<(), StateError> {
        put_text(self.txn, VALUES, value::CLOCK, &at)
    }

    /// Records a small value under a name of the caller's.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_value(&mut self, name: &str, value: &str) -> Result<(), StateError> {
        put_text(self.txn, VALUES, &format!("{}{name}", value::CALLERS), &value)
    }

    /// Forgets a small value.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_value(&mut self, name: &str) -> Result<(), StateError> {
        drop_text(self.txn, VALUES, &format!("{}{name}", value::CALLERS)).map(drop)
    }
}

/// Where a run stands in the index.
fn index_keys(run: &Run) -> impl Iterator<Item = (&str, &str, &str, u64)> {
    let jobs = [Some(""), run.work.job().map(JobName::as_str)];
    jobs.into_iter().flatten().map(|job| (job, run.work.word(), run.status.word(), run.id.0))
}
