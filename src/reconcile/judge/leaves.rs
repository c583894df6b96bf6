//! When a kept archive would leave, if every coming run succeeds.

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan, Zoned};

use super::{Candidate, Class, Hold, Keep, judge, newest_good};
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
    let kept = |verdicts: &[super::Verdict]| {
        verdicts.iter().find(|verdict| verdict.id == id).map(|verdict| verdict.keep)
    };
    if !kept(&judge(policy, keep, archives, now))? {
        return None;
    }
    let coming = Coming::after(archives, now);
    let known = archives.len();
    let mut row: Vec<Candidate> = archives.to_vec();
    for archive in &mut row {
        archive.holds.retain(|hold| *hold != Hold::WaitingForCopies);
    }
    let mut stays = |runs: usize| {
        while row.len() < known + runs {
            row.push(coming.run(row.len() - known)?);
        }
        let there = &row[..known + runs];
        let at = there.last()?.created_at.to_zoned(now.time_zone().clone());
        Some((kept(&judge(policy, keep, there, &at))?, at.date()))
    };
    // Runs only ever take archives away, so the first one that does can be found by halving.
    let (mut still, mut gone) = (0, 1);
    while stays(gone)?.0 {
        (still, gone) = (gone, gone * 2);
        if gone > HORIZON {
            return None;
        }
    }
    while gone - still > 1 {
        let middle = usize::midpoint(still, gone);
        if stays(middle)?.0 { still = middle } else { gone = middle }
    }
    stays(gone).map(|(_, day)| day)
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
