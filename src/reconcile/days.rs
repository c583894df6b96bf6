//! What the coming days would bring if every run succeeded: `larder plan --days N`.
//!
//! The [`plan`](super::plan) as always, made at each of its own wake-ups, on facts to which
//! the archives are added that its backups would have made.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};

use super::expiry::SeriesPass;
use super::{Action, Plan, plan};
use crate::model::archive::{
    Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Series, Sha256,
};
use crate::model::contact::{Contact, Holdings, Presence, RemoteCopy};
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::observed::{Attempt, JobFacts, Observed};
use crate::model::run::{Cause, RunStatus, Work};

/// The most plans that are made: a job of every minute has 1 440 a day.
const PLANS: usize = 20_000;

/// What one day would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The day, in the instance's zone.
    pub date: Date,
    /// Archives that would be made, and where.
    pub made: Vec<(JobName, PlaceName)>,
    /// Archives that would be copied, and where to.
    pub copied: Vec<(ArchiveName, PlaceName)>,
    /// Jobs and series whose restore would be proved.
    pub drilled: Vec<JobName>,
    /// Archives that would expire, and where.
    pub expired: Vec<(ArchiveName, PlaceName)>,
    /// Series whose deletions would wait for approval.
    pub blocked: BTreeSet<Series>,
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date)?;
        for (job, place) in &self.made {
            write!(f, "\n  + {job} at {place}")?;
        }
        for (name, place) in &self.copied {
            write!(f, "\n  > {name} to {place}")?;
        }
        for job in &self.drilled {
            write!(f, "\n  ? {job} is drilled")?;
        }
        for (name, place) in &self.expired {
            write!(f, "\n  - {name} at {place}")?;
        }
        for series in &self.blocked {
            write!(f, "\n  ! {series} waits for approval")?;
        }
        Ok(())
    }
}

/// The days from `now` on, `days` of them, today included; days that bring nothing are there too.
#[must_use]
pub fn simulate_days(desired: &Desired, observed: &Observed, now: &Zoned, days: u32) -> Vec<Day> {
    let mut future = Future::from(desired, observed, now);
    let mut found: Vec<Day> = (0..i64::from(days))
        .map_while(|ahead| now.date().checked_add(ahead.days()).ok())
        .map(|date| Day {
            date,
            made: Vec::new(),
            copied: Vec::new(),
            drilled: Vec::new(),
            expired: Vec::new(),
            blocked: BTreeSet::new(),
        })
        .collect();
    let Some(last) = found.last().map(|day| day.date) else { return found };
    let mut at = now.clone();
    for _ in 0..PLANS {
        let plan = plan(desired, &future.observed, &at);
        let Some(day) = found.iter_mut().find(|day| day.date == at.date()) else { break };
        day.blocked.extend(plan.blocked.iter().map(|blocked| blocked.series.clone()));
        for action in &plan.actions {
            future.carry_out(action, &at, day);
        }
        let next = next_look(&plan, &at);
        future.note_passes(plan.passes, &at);
        match next {
            Some(next) if next.date() <= last => at = next,
            _ => break,
        }
    }
    found
}

/// What was done has consequences at once; else nothing happens before the plan's wake-up.
fn next_look(plan: &Plan, at: &Zoned) -> Option<Zoned> {
    let next = if plan.actions.is_empty() {
        plan.wake_at?
    } else {
        // A later moment, so that archives that follow from each other have an order.
        at.timestamp().checked_add(SignedDuration::from_secs(1)).ok()?
    };
    Some(next.to_zoned(TimeZone::clone(at.time_zone())))
}

/// Facts that have not come to be.
struct Future<'a> {
    desired: &'a Desired,
    observed: Observed,
    made: u64,
}

impl<'a> Future<'a> {
    fn from(desired: &'a Desired, observed: &Observed, now: &Zoned) -> Self {
        let mut future = Self { desired, observed: observed.clone(), made: 0 };
        // What is under way succeeds now; verifications are not of interest, nor are old failures.
        for run in std::mem::take(&mut future.observed.open_runs) {
            let mut unseen = Day {
                date: now.date(),
                made: Vec::new(),
                copied: Vec::new(),
                drilled: Vec::new(),
                expired: Vec::new(),
                blocked: BTreeSet::new(),
            };
            let action = Action {
                work: run.work,
                cause: run.cause,
                reasons: Vec::new(),
                needs: 0,
                frees: 0,
            };
            future.carry_out(&action, now, &mut unseen);
        }
        for archive in &mut future.observed.archives {
            archive.verified_at = Some(Timestamp::MAX);
        }
        future.observed.not_before.clear();
        future.observed.failed.clear();
        future.answer(now);
        future
    }

    fn carry_out(&mut self, action: &Action, at: &Zoned, day: &mut Day) {
        match &action.work {
            Work::Backup { job } => {
                let desired = self.desired;
                if let Some(job) = desired.jobs.get(job) {
                    self.back_up(job, &action.cause, at);
                    day.made.push((job.name.clone(), job.location.clone()));
                }
            }
            Work::Expire { series, archives } => {
                day.expired.extend(self.remove(archives, &series.location));
            }
            Work::EmptyTrash { location, archives } => {
                self.remove(archives, location);
            }
            Work::Send { archive, from, to, .. } => {
                let source = self.find(*archive, from);
                if let Some(mut copy) = source.map(|index| self.observed.archives[index].clone()) {
                    day.copied.push((copy.name.clone(), to.clone()));
                    if self.desired.peers.contains_key(to) {
                        self.hand_over(&copy, to, at);
                        return;
                    }
                    if self.mend(*archive, to).is_some() {
                        return;
                    }
                    copy.location = to.clone();
                    copy.how = How::Copied { from: from.clone(), manual: copy.how.is_manual() };
                    self.observed.archives.push(copy);
                }
            }
            Work::Verify { archive, location } => {
                if let Some(index) = self.find(*archive, location) {
                    self.observed.archives[index].verified_at = Some(Timestamp::MAX);
                }
            }
            Work::Drill { job, .. } => {
                let facts = self.observed.drills.entry(job.clone()).or_default();
                if let Cause::Due { due, .. } = action.cause {
                    facts.last_due = Some(due);
                }
                (facts.interrupted, facts.rest_until, facts.last) = (0, None, None);
                facts.proven_at = Some(at.timestamp());
                day.drilled.push(job.clone());
            }
            Work::Fetch { archive, peer, to } => {
                let name = self.fetch(*archive, peer, to);
                day.copied.extend(name.map(|name| (name, to.clone())));
            }
            Work::Prune { peer, archives } => {
                let names = self.prune(archives, peer);
                day.expired.extend(names.into_iter().map(|name| (name, peer.clone())));
            }
            Work::Adopt { .. } | Work::Restore { .. } => {}
        }
    }

    /// What is damaged here is whole again; what a peer offered is here. What it is called.
    fn fetch(&mut self, id: ArchiveId, peer: &PlaceName, to: &PlaceName) -> Option<ArchiveName> {
        if let Some(name) = self.mend(id, to) {
            return Some(name);
        }
        let contact = Arc::make_mut(self.observed.contacts.get_mut(peer)?);
        let taken = contact.offered.iter().find(|copy| copy.id == id)?.clone();
        // Of what it offers only what is newer is wanted now.
        contact.offered.retain(|copy| copy.job != taken.job || copy.created_at > taken.created_at);
        taken.name.parse().ok()
    }

    /// What is damaged or lost at a location is whole again; what it is called.
    fn mend(&mut self, id: ArchiveId, at: &PlaceName) -> Option<ArchiveName> {
        let index = self.find(id, at)?;
        let mended = &mut self.observed.archives[index];
        mended.condition = Condition::Present;
        Some(mended.name.clone())
    }

    /// A peer holds these no more; what they are called.
    fn prune(&mut self, ids: &[ArchiveId], peer: &PlaceName) -> Vec<ArchiveName> {
        let contact = self.observed.contacts.get_mut(peer).map(Arc::make_mut);
        let Some(held) = contact.and_then(|contact| contact.holdings.as_mut()) else {
            return Vec::new();
        };
        let (gone, left) = held.copies.drain(..).partition(|copy| ids.contains(&copy.id));
        held.copies = left;
        gone.into_iter().filter_map(|copy: RemoteCopy| copy.name.parse().ok()).collect()
    }

    /// A peer holds a copy from now on.
    fn hand_over(&mut self, archive: &Archive, to: &PlaceName, at: &Zoned) {
        let fresh = || Arc::new(Contact::new(at.timestamp()));
        let contact = self.observed.contacts.entry(to.clone()).or_insert_with(fresh);
        let contact = Arc::make_mut(contact);
        let nothing = || Holdings { at: at.timestamp(), copies: Vec::new() };
        let holdings = contact.holdings.get_or_insert_with(nothing);
        holdings.copies.push(RemoteCopy::of(archive));
    }

    /// Every peer answers from now on, and has told what it holds.
    fn answer(&mut self, now: &Zoned) {
        let moment = now.timestamp();
        for peer in self.desired.peers.keys() {
            let fresh = || Arc::new(Contact::new(moment));
            let contact = self.observed.contacts.entry(peer.clone()).or_insert_with(fresh);
            let contact = Arc::make_mut(contact);
            contact.presence = Presence::Online;
            contact.last_seen = Some(moment);
            contact.holdings.get_or_insert_with(|| Holdings { at: moment, copies: Vec::new() });
        }
    }

    fn find(&self, id: ArchiveId, location: &PlaceName) -> Option<usize> {
        let archives = &self.observed.archives;
        archives.iter().position(|archive| archive.id == id && archive.location == *location)
    }

    fn remove(&mut self, ids: &[ArchiveId], location: &PlaceName) -> Vec<(ArchiveName, PlaceName)> {
        let leaves = |archive: &Archive| archive.location == *location && ids.contains(&archive.id);
        let mut names: Vec<(Timestamp, ArchiveName)> = self
            .observed
            .archives
            .iter()
            .filter(|archive| leaves(archive))
            .map(|archive| (archive.created_at, archive.name.clone()))
            .collect();
        names.sort();
        self.observed.archives.retain(|archive| !leaves(archive));
        names.into_iter().map(|(_, name)| (name, location.clone())).collect()
    }

    fn back_up(&mut self, job: &Job, cause: &Cause, at: &Zoned) {
        let moment = at.timestamp();
        let facts = self.observed.jobs.entry(job.name.clone()).or_insert(JobFacts {
            first_seen: moment,
            last_due: None,
            last_attempt: None,
            last_success: None,
            last_failure: None,
            table: None,
            source: None,
        });
        let number = match cause {
            Cause::Due { due, attempt } => {
                facts.last_due = Some(*due);
                *attempt
            }
            Cause::First | Cause::Manual | Cause::Reconcile => 0,
        };
        facts.last_attempt =
            Some(Attempt { number, status: RunStatus::Success, finished_at: moment });
        facts.last_success = Some(moment);
        facts.last_failure = None;
        let archive = self.archive_of(job, cause, at);
        self.observed.archives.extend(archive);
    }

    /// The archive that a run would make: as large as the one before it.
    fn archive_of(&mut self, job: &Job, cause: &Cause, at: &Zoned) -> Option<Archive> {
        let instance = &self.desired.instance;
        let there = |archive: &&Archive| archive.location == job.location;
        let ours =
            |archive: &&Archive| instance.is_or_was(&archive.origin) && job.is_or_was(&archive.job);
        let archives = || self.observed.archives.iter().filter(there);
        let name = (1..100)
            .filter_map(|number| {
                ArchiveName::build(&instance.name, &job.label, at.date(), number).ok()
            })
            .find(|name| !archives().any(|archive| archive.name == *name))?;
        let previous = archives().filter(ours).max_by_key(|archive| archive.created_at);
        let size = previous.map_or(0, |archive| archive.file_size);
        let codec = self.desired.locations.get(&job.location)?.codec;
        self.made += 1;
        Some(Archive {
            // No archive that is there has such an id.
            id: ArchiveId(uuid::Uuid::from_u128(u128::MAX / 2 + u128::from(self.made))),
            name,
            origin: instance.name.clone(),
            job: job.name.clone(),
            job_type: job.source.job_type(),
            label: job.label.clone(),
            location: job.location.clone(),
            created_at: at.timestamp(),
            day: at.date(),
            zone: at.time_zone().iana_name().unwrap_or("UTC").to_owned(),
            content_size: size,
            stream_size: size,
            file_size: size,
            stream_sha256: Some(Sha256([0; 32])),
            file_sha256: Some(Sha256([0; 32])),
            codec,
            recipients: Vec::new(),
            outcome: Outcome::Good,
            partial_allowed: false,
            how: if *cause == Cause::Manual { How::Manual } else { How::Scheduled },
            received_at: None,
            pinned: false,
            condition: Condition::Present,
            verified_at: Some(Timestamp::MAX),
            refuted: None,
            counts: MemberCounts::default(),
            config_hash: None,
            config_commit: None,
            job_json: None,
        })
    }

    /// Remembers which passes of retention are over, as the engine does.
    fn note_passes(&mut self, passes: Vec<SeriesPass>, at: &Zoned) {
        for pass in passes {
            let facts = self.observed.series.entry(pass.series).or_default();
            facts.waiting_for_copies.retain(|id, _| pass.waiting.contains(id));
            for id in pass.waiting {
                facts.waiting_for_copies.entry(id).or_insert(at.timestamp());
            }
            if let Some(record) = pass.record {
                facts.judged = Some(record);
                facts.adopted = false;
            }
        }
    }
}
