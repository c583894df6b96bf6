//! When a kept archive would leave, if every coming run succeeds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{ToSpan, Zoned};

use super::{Candidate, Class, Hold, Keep, Reason, Verdict, judge, newest_good};
use crate::model::archive::ArchiveId;
use crate::model::retention::{Mode, Policy};
use crate::model::schedule::Schedule;

/// How far ahead is looked, in runs, and in days: about 22 years.
const HORIZON: usize = 8192;

/// When further archives of a series come.
#[derive(Debug, Clone, Copy)]
pub enum Pace<'a> {
    /// At each instant of a job's schedule.
    Scheduled {
        /// When it runs.
        schedule: &'a Schedule,
        /// Whether it runs just now: that archive comes at once.
        is_running: bool,
    },
    /// Once a day, at the hour of the newest good one: where no job of this instance tells.
    Daily,
    /// None comes any more: the job is disabled.
    Never,
}

/// The day on which a kept archive would leave if a good archive came at every coming run; `None`
/// for one that leaves already, and where nothing tells: no run to come, pinned, read by a run,
/// lost, not within twenty years, or not within as many runs as these have days. One that waits for
/// copies is taken to get them.
#[must_use]
pub fn leaves_on(
    policy: &Policy,
    keep: &Keep,
    archives: &[Candidate],
    id: ArchiveId,
    pace: Pace<'_>,
    now: &Zoned,
) -> Option<Date> {
    let wanted = BTreeSet::from([id]);
    Leaving::of(policy, keep, archives, &wanted, pace, now).day(id)
}

/// The days on which several archives of a series leave: what was judged for one is not judged
/// again for another, so that a page of a series of thousands costs little more than one of them.
pub(crate) struct Leaving<'a> {
    policy: &'a Policy,
    keep: &'a Keep,
    wanted: &'a BTreeSet<ArchiveId>,
    now: &'a Zoned,
    stays_now: BTreeSet<ArchiveId>,
    coming: Coming<'a>,
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
        pace: Pace<'a>,
        now: &'a Zoned,
    ) -> Self {
        let mut row: Vec<Candidate> = archives.to_vec();
        for archive in &mut row {
            archive.holds.retain(|hold| *hold != Hold::WaitingForCopies);
        }
        // What no run takes away is not looked for in all those to come.
        let for_ever: BTreeSet<ArchiveId> = judge(policy, keep, &row, now)
            .iter()
            .filter(|verdict| verdict.reasons.iter().any(outlasts_runs))
            .map(|verdict| verdict.id)
            .collect();
        let stays_now = staying(&judge(policy, keep, archives, now), wanted);
        Self {
            policy,
            keep,
            wanted,
            now,
            stays_now: &stays_now - &for_ever,
            coming: Coming::after(archives, policy, pace, now),
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
        loop {
            // A schedule may end before: then its last run is the last that takes anything away.
            gone = self.foresee(gone);
            if gone == still {
                return None;
            }
            if !self.after(gone)?.0.contains(&id) {
                break;
            }
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

    /// Makes the archives of the next `runs` runs; how many there are of these.
    fn foresee(&mut self, runs: usize) -> usize {
        while self.row.len() < self.known + runs {
            let Some(next) = self.coming.next() else { break };
            self.row.push(next);
        }
        runs.min(self.row.len() - self.known)
    }

    /// What stays after so many runs, which were foreseen.
    fn after(&mut self, runs: usize) -> Option<&(BTreeSet<ArchiveId>, Date)> {
        if !self.judged.contains_key(&runs) {
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

/// Whether an archive is kept by what scheduled runs do not change, however many come.
fn outlasts_runs(reason: &Reason) -> bool {
    match reason {
        Reason::Pinned
        | Reason::Held(_)
        | Reason::NewestManual
        | Reason::Unrecorded
        | Reason::Lost => true,
        Reason::Count { .. }
        | Reason::Daily(_)
        | Reason::Weekly(_)
        | Reason::Monthly(_)
        | Reason::Yearly(_)
        | Reason::Newest
        | Reason::Floor
        | Reason::Future
        | Reason::Partial
        | Reason::Suspect { .. }
        | Reason::Manual { .. }
        | Reason::Damaged
        | Reason::Immutable { .. }
        | Reason::Received
        | Reason::Orphaned
        | Reason::Expired(_) => false,
    }
}

/// The archives to come of a series, one after another.
struct Coming<'a> {
    pace: Pace<'a>,
    /// When the last one came, or what the next one comes after; for daily ones, the first.
    at: Zoned,
    /// The run after that, where it is known.
    ahead: Option<Zoned>,
    end: Zoned,
    made: usize,
    /// So many are followed run by run; of later days only the last run is.
    ///
    /// A policy of so many archives counts runs. The others count days, weeks and months: what
    /// leaves on a day has left at its last run, and a job of every minute has 1 440 a day.
    each: usize,
    received: bool,
}

impl<'a> Coming<'a> {
    fn after(archives: &[Candidate], policy: &Policy, pace: Pace<'a>, now: &Zoned) -> Self {
        let newest = newest_good(archives, now);
        let each = match policy.mode {
            Mode::Count(of) => usize::try_from(of).unwrap_or(usize::MAX),
            Mode::Daily(_) | Mode::Gfs { .. } => 0,
        };
        let last = newest.map_or(now.timestamp(), |newest| newest.created_at.max(now.timestamp()));
        let last = last.to_zoned(now.time_zone().clone());
        // Later than the newest one, that it may be the newest.
        let soonest = || last.checked_add(1.second()).unwrap_or_else(|_| last.clone());
        let (at, ahead) = match (newest, pace) {
            (Some(newest), Pace::Daily) => (daily_after(newest, now, soonest()), None),
            (None, Pace::Daily) | (_, Pace::Never) => (now.clone(), None),
            (_, Pace::Scheduled { is_running, .. }) => {
                let running = is_running.then(soonest);
                (last, running)
            }
        };
        let days = i64::try_from(HORIZON).unwrap_or(i64::MAX).days();
        let end = now.checked_add(days).unwrap_or_else(|_| now.clone());
        let received = newest.is_some_and(|newest| newest.received);
        Self { pace, at, ahead, end, made: 0, each, received }
    }

    fn next(&mut self) -> Option<Candidate> {
        let at = match self.pace {
            Pace::Never => return None,
            Pace::Daily => {
                let days = i64::try_from(self.made).ok()?;
                self.at.checked_add(days.days()).ok()?
            }
            Pace::Scheduled { schedule, .. } => self.run(schedule)?,
        };
        if at > self.end {
            return None;
        }
        // Far from every id that is in use: ids of archives are random.
        let id = ArchiveId(uuid::Uuid::from_u128(u128::MAX - self.made as u128));
        self.made += 1;
        Some(Candidate {
            id,
            created_at: at.timestamp(),
            arrived: at.timestamp(),
            day: at.date(),
            class: Class::Good,
            pinned: false,
            received: self.received,
            holds: Vec::new(),
        })
    }

    /// The next run that is followed.
    fn run(&mut self, schedule: &Schedule) -> Option<Zoned> {
        let mut run = match self.ahead.take() {
            Some(run) => run,
            None => schedule.next_after(&self.at)?,
        };
        if self.made >= self.each {
            self.ahead = schedule.next_after(&run);
            if self.ahead.as_ref().is_some_and(|ahead| ahead.date() == run.date()) {
                self.ahead = None;
                run = last_of_day(schedule, run);
            }
        }
        self.at = run.clone();
        Some(run)
    }
}

/// The first of daily archives, at the hour of the newest.
fn daily_after(newest: &Candidate, now: &Zoned, soonest: Zoned) -> Zoned {
    let zone = now.time_zone();
    let day = if newest.day < now.date() {
        now.date()
    } else {
        newest.day.checked_add(1.day()).unwrap_or(newest.day)
    };
    let hour = newest.created_at.to_zoned(zone.clone()).time();
    let first = day.to_datetime(hour).to_zoned(zone.clone());
    match first {
        Ok(first) => first.max(soonest),
        Err(_) => soonest,
    }
}

/// The last run on the day of a run.
fn last_of_day(schedule: &Schedule, run: Zoned) -> Zoned {
    let end = run.tomorrow().and_then(|next| next.start_of_day());
    let end = end.and_then(|end| end.checked_sub(1.second()));
    let last = end.ok().and_then(|end| schedule.last_at_or_before(&end));
    last.filter(|last| *last > run).unwrap_or(run)
}
