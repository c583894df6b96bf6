//! What keeps one archive, and when it would leave.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Zoned;
use jiff::civil::Date;

use crate::model::archive::{ArchiveId, Condition, CopyKey, Series};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::observed::Observed;
use crate::model::run::Work;
use crate::reconcile::expiry::{Holds, Ruling, group};
use crate::reconcile::judge::{Candidate, Leaving, Pace, Reason, Verdict};

/// The answer to `larder why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The series it belongs to now.
    pub series: Series,
    /// What rules that series.
    pub ruling: Ruling,
    /// Whether it stays.
    pub keep: bool,
    /// Everything that keeps it, or the one reason why it would leave at the next pass.
    pub reasons: Vec<String>,
    /// The day on which it would leave if every coming run of its job succeeds (of what a peer
    /// sends: if one comes every day); `None` where nothing tells, or no run is to come. Windows
    /// are counted in archives and days of archives: a job that runs once a week keeps it longer.
    pub leaves_on: Option<Date>,
}

/// What keeps the copy of an archive at a location; `None` where there is none in the catalogue.
#[must_use]
pub fn why(
    desired: &Desired,
    observed: &Observed,
    id: ArchiveId,
    location: &PlaceName,
    now: &Zoned,
) -> Option<Why> {
    let archive = observed
        .archives
        .iter()
        .find(|archive| archive.id == id && archive.location == *location)?;
    if let Condition::Trashed { until } = archive.condition {
        let until = until.to_zoned(now.time_zone().clone());
        return Some(Why {
            series: archive.written_series(),
            ruling: Ruling::Orphaned("it is in the trash".to_owned()),
            keep: false,
            reasons: vec![format!("in the trash until {}", until.strftime("%Y-%m-%d %H:%M"))],
            leaves_on: Some(until.date()),
        });
    }
    let groups = group::groups(desired, observed);
    let holds = Holds::find(desired, observed, &groups, now);
    let group = groups.values().find(|group| {
        group.archives.iter().any(|other| other.id == id && other.location == *location)
    })?;
    let mut candidates = group.candidates();
    holds.put_on(&mut candidates, location);
    let verdicts = group.judge(&candidates, now);
    let index = candidates.iter().position(|candidate| candidate.id == id)?;
    let verdict = &verdicts[index];
    let wanted = BTreeSet::from([id]);
    let leaves_on = match &group.ruling {
        Ruling::Policy(policy) => {
            let pace = pace(group, observed);
            let mut leaving = Leaving::of(policy, group.keep(), &candidates, &wanted, pace, now);
            leaves(group, &mut leaving, &candidates[index], verdict, now)
        }
        Ruling::Ended | Ruling::Received | Ruling::Orphaned(_) => None,
    };
    Some(Why {
        series: group.series.clone(),
        ruling: group.ruling.clone(),
        keep: verdict.keep,
        reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
        leaves_on,
    })
}

/// When each of these copies would leave if every coming run succeeds; nothing for those of which
/// nothing tells, and for what is in the trash. The catalogue is gone through once for all of them.
#[must_use]
pub fn when_each_leaves(
    desired: &Desired,
    observed: &Observed,
    wanted: &BTreeSet<CopyKey>,
    now: &Zoned,
) -> BTreeMap<CopyKey, Date> {
    let groups = group::groups(desired, observed);
    let holds = Holds::find(desired, observed, &groups, now);
    let mut days = BTreeMap::new();
    for group in groups.values() {
        let location = &group.series.location;
        let ids = group.archives.iter().map(|archive| archive.id);
        let ids: BTreeSet<ArchiveId> =
            ids.filter(|id| wanted.contains(&CopyKey::new(*id, location))).collect();
        let Ruling::Policy(policy) = &group.ruling else { continue };
        if ids.is_empty() {
            continue;
        }
        let mut candidates = group.candidates();
        holds.put_on(&mut candidates, location);
        let verdicts = group.judge(&candidates, now);
        let pace = pace(group, observed);
        let mut leaving = Leaving::of(policy, group.keep(), &candidates, &ids, pace, now);
        for (archive, verdict) in candidates.iter().zip(&verdicts) {
            if ids.contains(&archive.id)
                && let Some(day) = leaves(group, &mut leaving, archive, verdict, now)
            {
                days.insert(CopyKey::new(archive.id, location), day);
            }
        }
    }
    days
}

/// When further archives of a series come.
fn pace<'a>(group: &group::Group<'a>, observed: &Observed) -> Pace<'a> {
    match group.job {
        Some(job) if job.enabled => {
            let is_backup =
                |work: &Work| matches!(work, Work::Backup { job: of } if *of == job.name);
            let is_running = observed.open_runs.iter().any(|run| is_backup(&run.work));
            Pace::Scheduled { schedule: &job.schedule, is_running }
        }
        Some(_) => Pace::Never,
        None => Pace::Daily,
    }
}

fn leaves(
    group: &group::Group<'_>,
    leaving: &mut Leaving<'_>,
    archive: &Candidate,
    verdict: &Verdict,
    now: &Zoned,
) -> Option<Date> {
    let earliest = group.immutable_until(archive, now);
    if verdict.reasons.iter().any(|reason| matches!(reason, Reason::Immutable { .. })) {
        return earliest;
    }
    let day = leaving.day(archive.id)?;
    Some(earliest.map_or(day, |earliest| earliest.max(day)))
}
