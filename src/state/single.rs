//! Each change of [`Transaction`](super::Transaction) as a transaction of its own.

use jiff::Timestamp;

use super::{State, StateError, Tombstone};
use crate::model::archive::{Archive, ArchiveId, Series};
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::{Freeze, JobFacts, SeriesFacts};
use crate::model::run::{Cause, Run, Work};

impl State {
    /// Queues a run under the next number.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn enqueue(
        &self,
        work: Work,
        cause: Cause,
        now: Timestamp,
        config_hash: Option<String>,
    ) -> Result<Run, StateError> {
        self.commit(|txn| txn.enqueue(work, cause, now, config_hash))
    }

    /// Writes a run in place of what stood under its number.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_run(&self, run: &Run) -> Result<(), StateError> {
        self.commit(|txn| txn.put_run(run))
    }

    /// Records a copy of an archive, in place of what was known of it.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_archive(&self, archive: &Archive) -> Result<(), StateError> {
        self.commit(|txn| txn.put_archive(archive))
    }

    /// Forgets a copy of an archive; nothing happens when it is not known.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn drop_archive(&self, id: ArchiveId, at: &PlaceName) -> Result<(), StateError> {
        self.commit(|txn| txn.drop_archive(id, at))
    }

    /// Records when a copy's bytes were last compared with their hash.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn set_verified(
        &self,
        id: ArchiveId,
        location: &PlaceName,
        at: Timestamp,
    ) -> Result<(), StateError> {
        self.commit(|txn| txn.set_verified(id, location, at))
    }

    /// Records what is remembered of a job.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_job_facts(&self, job: &JobName, facts: &JobFacts) -> Result<(), StateError> {
        self.commit(|txn| txn.put_job_facts(job, facts))
    }

    /// Records what retention remembers of a series.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_series_facts(&self, series: &Series, facts: &SeriesFacts) -> Result<(), StateError> {
        self.commit(|txn| txn.put_series_facts(series, facts))
    }

    /// Records that somebody approved the deletions with this hash.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn approve(&self, hash: &str, at: Timestamp) -> Result<(), StateError> {
        self.commit(|txn| txn.approve(hash, at))
    }

    /// Forgets an approval, since it was used or is void.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn forget_approval(&self, hash: &str) -> Result<(), StateError> {
        self.commit(|txn| txn.forget_approval(hash))
    }

    /// Records the marker of a location unless one is recorded; returns the one that counts.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn record_marker(&self, at: &PlaceName, marker: &str) -> Result<String, StateError> {
        self.commit(|txn| txn.record_marker(at, marker))
    }

    /// Forgets the marker of a location, so that the next one that is seen counts.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn forget_marker(&self, location: &PlaceName) -> Result<(), StateError> {
        self.commit(|txn| txn.forget_marker(location))
    }

    /// Records a deletion that is about to begin.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_tombstone(&self, tombstone: &Tombstone) -> Result<(), StateError> {
        self.commit(|txn| txn.put_tombstone(tombstone))
    }

    /// Forgets a deletion that is complete.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn drop_tombstone(&self, id: ArchiveId, at: &PlaceName) -> Result<(), StateError> {
        self.commit(|txn| txn.drop_tombstone(id, at))
    }

    /// Records that verifying or copying an archive is not tried again before `until`.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_not_before(
        &self,
        archive: ArchiveId,
        location: &PlaceName,
        until: Timestamp,
    ) -> Result<(), StateError> {
        self.commit(|txn| txn.put_not_before(archive, location, until))
    }

    /// Lets an archive be verified or copied again.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn drop_not_before(&self, id: ArchiveId, at: &PlaceName) -> Result<(), StateError> {
        self.commit(|txn| txn.drop_not_before(id, at))
    }

    /// Makes retention rest; one freeze of a kind takes the place of another of that kind.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_freeze(&self, freeze: &Freeze) -> Result<(), StateError> {
        self.commit(|txn| txn.put_freeze(freeze))
    }

    /// Ends a freeze of the kind of `freeze`, whatever its words.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn drop_freeze(&self, freeze: &Freeze) -> Result<(), StateError> {
        self.commit(|txn| txn.drop_freeze(freeze))
    }

    /// Records what was last good; returns its generation, which grows when the hash is another one.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_config(&self, last_good: &str, hash: &str) -> Result<u64, StateError> {
        self.commit(|txn| txn.put_config(last_good, hash))
    }

    /// Records what the clock shows if it never showed a later time; returns the latest.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn advance_clock(&self, now: Timestamp) -> Result<Timestamp, StateError> {
        self.commit(|txn| txn.advance_clock(now))
    }

    /// Records `at` as the latest time that the clock showed, although it may have shown a later one.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn reset_clock(&self, at: Timestamp) -> Result<(), StateError> {
        self.commit(|txn| txn.reset_clock(at))
    }

    /// Records a small value under a name of the caller's.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn put_value(&self, name: &str, value: &str) -> Result<(), StateError> {
        self.commit(|txn| txn.put_value(name, value))
    }

    /// Forgets a small value.
    ///
    /// # Errors
    /// See [`State::commit`].
    pub fn drop_value(&self, name: &str) -> Result<(), StateError> {
        self.commit(|txn| txn.drop_value(name))
    }
}
