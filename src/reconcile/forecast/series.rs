//! The archives to come of every series.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};

use super::growth;
use crate::model::archive::{ArchiveId, Condition};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::observed::Observed;
use crate::model::schedule::Schedule;
use crate::reconcile::expiry::Ruling;
use crate::reconcile::expiry::group::{self, Group};
use crate::reconcile::judge::{Candidate, Class, newest_good};

/// More archives a day of one series are not followed: retention thins them out anyway.
const MOST_A_DAY: usize = 24;
/// The pace of what a peer sends is told by so many of its newest archives, at most and at least.
const RHYTHM: std::ops::RangeInclusive<usize> = 3..=15;

/// What a location holds at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Occupied {
    /// Bytes of archives.
    pub(super) archives: u64,
    /// Bytes of what was deleted and can be taken back.
    pub(super) trash: u64,
    /// Bytes of the largest archive to come; nothing where none is foreseen.
    pub(super) next: u64,
}

impl Occupied {
    pub(super) fn taken(&self) -> u64 {
        self.archives.saturating_add(self.trash)
    }

    fn add(&mut self, other: Self) {
        self.archives = self.archives.saturating_add(other.archives);
        self.trash = self.trash.saturating_add(other.trash);
        self.next = self.next.max(other.next);
    }
}

/// What every location holds at the end of each of these days, of which the first is today as it
/// is now.
pub(super) fn occupied(
    desired: &Desired,
    observed: &Observed,
    days: &[Date],
    now: &Zoned,
) -> BTreeMap<PlaceName, Vec<Occupied>> {
    let ends: Vec<Zoned> = days.iter().map(|day| end_of(*day, now)).collect();
    let Some(end) = ends.last() else { return BTreeMap::new() };
    let mut dues: HashMap<String, Rc<[Timestamp]>> = HashMap::new();
    let mut due = |schedule: &Schedule| {
        let known = dues.get(schedule.text()).cloned();
        known.unwrap_or_else(|| {
            let fresh: Rc<[Timestamp]> = due(schedule, now, end).into();
            dues.insert(schedule.text().to_owned(), Rc::clone(&fresh));
            fresh
        })
    };
    let mut found: BTreeMap<PlaceName, Vec<Occupied>> = BTreeMap::new();
    let nothing = || vec![Occupied::default(); days.len()];
    for archive in &observed.archives {
        // What lies in the trash now leaves it some day.
        let Condition::Trashed { until } = archive.condition else { continue };
        let here = found.entry(archive.location.clone()).or_insert_with(nothing);
        for (index, end) in ends.iter().enumerate() {
            if index == 0 || until > end.timestamp() {
                here[index].trash = here[index].trash.saturating_add(archive.file_size);
            }
        }
    }
    for group in group::groups(desired, observed).into_values() {
        let coming = match (&group.ruling, group.job) {
            (Ruling::Policy(_), Some(job)) if job.enabled => due(&job.schedule),
            (Ruling::Policy(_) | Ruling::Received, None) => rhythm(&group, now, end).into(),
            (Ruling::Policy(_) | Ruling::Received | Ruling::Ended | Ruling::Orphaned(_), _) => {
                Rc::from([])
            }
        };
        let location = group.series.location.clone();
        let keeps_trash =
            desired.locations.get(&location).map_or(SignedDuration::ZERO, |l| l.trash);
        let here = found.entry(location).or_insert_with(nothing);
        let mut future = Future::of(&group, coming, keeps_trash, now);
        for (index, end) in ends.iter().enumerate() {
            if index > 0 {
                future.live_until(end);
            }
            here[index].add(future.occupied(end));
        }
    }
    found
}

/// The last moment of a day; of today, now.
fn end_of(day: Date, now: &Zoned) -> Zoned {
    if day <= now.date() {
        return now.clone();
    }
    let next = day.checked_add(1.day()).unwrap_or(day).to_zoned(now.time_zone().clone());
    next.ok().and_then(|next| next.checked_sub(1.second()).ok()).unwrap_or_else(|| now.clone())
}

/// The instants of a schedule up to `end`.
fn due(schedule: &Schedule, now: &Zoned, end: &Zoned) -> Vec<Timestamp> {
    let (mut found, mut on_this_day) = (Vec::new(), 0);
    let mut at = now.clone();
    while let Some(next) = schedule.next_after(&at).filter(|next| next <= end) {
        on_this_day = if next.date() == at.date() { on_this_day + 1 } else { 1 };
        found.push(next.timestamp());
        at = if on_this_day < MOST_A_DAY { next } else { end_of(next.date(), now).max(next) };
    }
    found
}

/// When a peer sends its next archives, if it goes on as it did; nothing when it has stopped.
fn rhythm(group: &Group<'_>, now: &Zoned, end: &Zoned) -> Vec<Timestamp> {
    let newest = group.archives.len().saturating_sub(*RHYTHM.end());
    let times: Vec<Timestamp> = group.archives[newest..].iter().map(|one| one.created_at).collect();
    let Some(last) = times.last().filter(|_| RHYTHM.contains(&times.len())) else {
        return Vec::new();
    };
    let mut gaps: Vec<SignedDuration> =
        times.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    gaps.sort_unstable();
    let gap = gaps[gaps.len() / 2].max(SignedDuration::from_hours(1));
    let patience = gap.saturating_mul(3).max(SignedDuration::from_hours(3 * 24));
    if now.timestamp().duration_since(*last) > patience {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut at = *last;
    while let Ok(next) = at.checked_add(gap)
        && next <= end.timestamp()
    {
        if next > now.timestamp() {
            found.push(next);
        }
        at = next;
    }
    found
}

/// A series that has not come to be.
struct Future<'a> {
    group: &'a Group<'a>,
    there: Vec<Candidate>,
    sizes: HashMap<ArchiveId, u64>,
    coming: Rc<[Timestamp]>,
    /// How many of these have come.
    came: usize,
    /// When the newest good archive was made, and how big it is.
    newest: (Timestamp, u64),
    /// By how much archives grow a day.
    grows: u64,
    /// Until when deleted archives can be taken back, and how big they are.
    trash: Vec<(Timestamp, u64)>,
    keeps_trash: SignedDuration,
}

impl<'a> Future<'a> {
    fn of(
        group: &'a Group<'a>,
        coming: Rc<[Timestamp]>,
        keeps_trash: SignedDuration,
        now: &Zoned,
    ) -> Self {
        let there = group.candidates();
        let size = |archive: &crate::model::archive::Archive| match archive.condition {
            Condition::Lost => 0,
            Condition::Present
            | Condition::Unavailable
            | Condition::Corrupt
            | Condition::Trashed { .. } => archive.file_size,
        };
        let sizes = group.archives.iter().map(|archive| (archive.id, size(archive))).collect();
        let good = there
            .iter()
            .zip(&group.archives)
            .filter(|(candidate, _)| matches!(candidate.class, Class::Good | Class::Manual));
        let points: Vec<(Timestamp, u64)> =
            good.map(|(_, archive)| (archive.created_at, archive.file_size)).collect();
        let newest = newest_good(&there, now).map(|newest| newest.id);
        let newest = group.archives.iter().find(|archive| Some(archive.id) == newest);
        // Where no good one tells, the newest there is does.
        let newest = newest.or(group.archives.last());
        let newest = newest.map_or((now.timestamp(), 0), |one| (one.created_at, one.file_size));
        Self {
            group,
            there,
            sizes,
            coming,
            came: 0,
            newest,
            grows: growth::a_day(&points),
            trash: Vec::new(),
            keeps_trash,
        }
    }

    /// Everything that comes up to `end`, and what leaves for it.
    fn live_until(&mut self, end: &Zoned) {
        self.trash.retain(|(until, _)| *until > end.timestamp());
        let first = self.came;
        let mut at = None;
        while let Some(due) = self.coming.get(self.came).filter(|due| **due <= end.timestamp()) {
            let zoned = due.to_zoned(end.time_zone().clone());
            // Far from every id that is in use: ids of archives are random.
            let id = ArchiveId(uuid::Uuid::from_u128(u128::MAX - self.came as u128));
            self.sizes.insert(id, self.size_at(*due));
            self.there.push(Candidate {
                id,
                created_at: *due,
                arrived: *due,
                day: zoned.date(),
                class: Class::Good,
                pinned: false,
                received: self.group.is_received(),
                holds: Vec::new(),
            });
            self.came += 1;
            at = Some(zoned);
        }
        // No timer deletes: only what comes lets others go.
        let Some(at) = at else { return };
        let verdicts = self.group.judge(&self.there, &at);
        let leaving: HashMap<ArchiveId, bool> =
            verdicts.iter().map(|verdict| (verdict.id, !verdict.keep)).collect();
        let (sizes, trash, keeps_trash) = (&mut self.sizes, &mut self.trash, self.keeps_trash);
        let came = &self.coming[first..self.came];
        // Of a week that is judged at its end, each is taken to leave for one of those that came.
        let many = leaving.values().filter(|leaves| **leaves).count();
        let mut left = 0;
        self.there.retain(|candidate| {
            let leaves = leaving.get(&candidate.id).copied().unwrap_or(false);
            if leaves && let Some(size) = sizes.remove(&candidate.id) {
                left += 1;
                let index = (left * came.len()).div_ceil(many).saturating_sub(1);
                let gone = came.get(index).copied().unwrap_or(at.timestamp());
                trash.push((gone.checked_add(keeps_trash).unwrap_or(Timestamp::MAX), size));
            }
            !leaves
        });
        self.trash.retain(|(until, _)| *until > end.timestamp());
    }

    fn size_at(&self, at: Timestamp) -> u64 {
        growth::grown(self.newest.1, self.grows, self.newest.0, at)
    }

    fn occupied(&self, end: &Zoned) -> Occupied {
        let next = self.coming.get(self.came).or(self.coming.last());
        Occupied {
            archives: self.sizes.values().sum(),
            trash: self.trash.iter().map(|(_, size)| size).sum(),
            next: next.map_or(0, |at| self.size_at((*at).max(end.timestamp()))),
        }
    }
}
