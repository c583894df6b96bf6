//! When a kept archive would leave, if every coming run succeeds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan, Zoned};

use super::{Candidate, Class, Hold, Keep, Verdict, judge, newest_good};
use crate::model::archive::ArchiveId;
use crate::model::retention::Policy;

/// How far ahead is looked, in daily runs: about 22 years.
const HORIZON: usize = 8192;

/// The day on which a kept archive would leave if one good archive came every day from now on;
/// `None` for one that leaves already, and where nothing tells: pinned, read by a run, lost, or
/// not within twenty years. One that waits for copies is taken to get them.
#[must_use]
pub fn leaves_on(
    policy: &Policy,
    keep: &Keep,
    archives: &[Candidate],
    id: ArchiveId,
    now: &Zoned,
) -> Option<Date> {
    let wanted = BTreeSet::from([id]);
    Leaving::of(policy, keep, archives, &wanted, now).day(id)
}

/// The same for several archives of a series: what was judged for one is not judged again for
/// another, so that a page of a series of thousands costs little more than one of them.
pub(crate) struct Leaving<'a> {
    policy: &'a Policy,
    keep: &'a Keep,
    wanted: &'a BTreeSet<ArchiveId>,
    now: &'a Zoned,
    stays_now: BTreeSet<ArchiveId>,
    coming: Coming,
    known: usize,
    row: Vec<Candidate>,
    /// Those of the wanted that stay after so many runs, and the day of the last of these.
    judged: BTreeMap<usize, (BTreeSet<ArchiveId>, Date)>,
}

impl<'a> Leaving<'a> {
    pub(crate) fn of(
        policy: &'a Policy,
        keep: &'a Keep,
        archives: &[Candidate],
        wanted: &'a BTreeSet<ArchiveId>,
        now: &'a Zoned,
    ) -> Self {
        let mut row: Vec<Candidate> = archives.to_vec();
        for archive in &mut row {
            archive.holds.retain(|hold| *hold != Hold::WaitingForCopies);
        }
        Self {
            policy,
            keep,
            wanted,
            now,
            stays_now: staying(&judge(policy, keep, archives, now), wanted),
            coming: Coming::after(archives, now),
            known: archives.len(),
            row,
            judged: BTreeMap::new(),
        }
    }

    /// The day on which one of the wanted leaves.
    pub(crate) fn day(&mut self, id: ArchiveId) -> Option<Date> {
        if !self.stays_now.contains(&id) {
            return None;
        }
        // Runs only ever take archives away, so the first one that does can be found by halving.
        let (mut still, mut gone) = (0, 1);
        while self.after(gone)?.0.contains(&id) {
            (still, gone) = (gone, gone * 2);
            if gone > HORIZON {
                return None;
            }
        }
        while gone - still > 1 {
            let middle = usize::midpoint(still, gone);
            if self.after(middle)?.0.contains(&id) { still = middle } else { gone = middle }
        }
        self.after(gone).map(|(_, day)| *day)
    }

    fn after(&mut self, runs: usize) -> Option<&(BTreeSet<ArchiveId>, Date)> {
        if !self.judged.contains_key(&runs) {
            while self.row.len() < self.known + runs {
                self.row.push(self.coming.run(self.row.len() - self.known)?);
            }
            let there = &self.row[..self.known + runs];
            let at = there.last()?.created_at.to_zoned(self.now.time_zone().clone());
            let stay = staying(&judge(self.policy, self.keep, there, &at), self.wanted);
            self.judged.insert(runs, (stay, at.date()));
        }
        self.judged.get(&runs)
    }
}

fn staying(verdicts: &[Verdict], wanted: &BTreeSet<ArchiveId>) -> BTreeSet<ArchiveId> {
    let stay = verdicts.iter().filter(|verdict| verdict.keep && wanted.contains(&verdict.id));
    stay.map(|verdict| verdict.id).collect()
}

/// The archives to come of a series that gets one a day, at the hour of its newest good one.
struct Coming {
    first: Zoned,
    received: bool,
}

impl Coming {
    fn after(archives: &[Candidate], now: &Zoned) -> Self {
        let Some(newest) = newest_good(archives, now) else {
            return Self { first: now.clone(), received: false };
        };
        let zone = now.time_zone();
        let soonest = newest.created_at.checked_add(SignedDuration::from_secs(1));
        let soonest = soonest.unwrap_or(newest.created_at).max(now.timestamp());
        let day = if newest.day < now.date() {
            now.date()
        } else {
            newest.day.checked_add(1.day()).unwrap_or(newest.day)
        };
        let hour = newest.created_at.to_zoned(zone.clone()).time();
        let first = day.to_datetime(hour).to_zoned(zone.clone());
        let first = first.map_or(soonest, |first| first.timestamp().max(soonest));
        Self { first: first.to_zoned(zone.clone()), received: newest.received }
    }

    fn run(&self, number: usize) -> Option<Candidate> {
        let days = i64::try_from(number).ok()?;
        let at = self.first.checked_add(days.days()).ok()?;
        Some(Candidate {
            // Far from every id that is in use: ids of archives are random.
            id: ArchiveId(uuid::Uuid::from_u128(u128::MAX - number as u128)),
            created_at: at.timestamp(),
            arrived: at.timestamp(),
            day: at.date(),
            class: Class::Good,
            pinned: false,
            received: self.received,
            holds: Vec::new(),
        })
    }
}
