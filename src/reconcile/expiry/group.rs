//! Groups the catalogue into series, and says which policy rules each.
//!
//! **Invariants:** what a peer sent never joins a series of this instance, whatever name it bears.
//! A series that nothing in the configuration asks for is orphaned: listed, kept, never pruned.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use jiff::{Timestamp, Zoned};

use super::lineage::{Line, Lineage, sender};
use crate::model::archive::{Archive, ArchiveId, Condition, Outcome, Series};
use crate::model::desired::Desired;
use crate::model::job::{Ended, Job};
use crate::model::name::{InstanceName, JobName, PlaceName};
use crate::model::observed::{Observed, SeriesFacts};
use crate::model::peer::Peer;
use crate::model::retention::Policy;
use crate::reconcile::judge::{
    Candidate, Class, Expired, Keep, Reason, Verdict, judge, newest_good,
};

/// What rules a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// A policy: the job's, that of a copy's place, or the one for what a peer sends.
    Policy(Policy),
    /// Its job was ended with `archives = "expire"`: all of it may leave, once approved.
    Ended,
    /// What a peer sent without a word about it, in a series of its own: kept, however much there is
    /// of it. Its quota bounds it.
    Received,
    /// Nothing, for this reason: it is kept.
    Orphaned(String),
}

/// The archives of one series, oldest first, and what rules them.
pub(crate) struct Group<'a> {
    pub(crate) series: Series,
    pub(crate) ruling: Ruling,
    /// Those that are not in the trash.
    pub(crate) archives: Vec<&'a Archive>,
    /// The job, where the series is this instance's own and the job is declared.
    pub(crate) job: Option<&'a Job>,
    keep: Keep,
    /// Whether a peer sent it.
    received: bool,
    desired: &'a Desired,
    /// The names that its archives bear, where they are not those of the series.
    earlier: Vec<Series>,
    /// Archives of manual runs, known by any of their copies.
    manual: Vec<bool>,
}

/// Every group of the catalogue, by series. Archives in the trash belong to none.
pub(crate) fn groups<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
) -> BTreeMap<Line, Group<'a>> {
    type Raw<'a> = (&'a InstanceName, &'a JobName, &'a PlaceName, Option<&'a PlaceName>);
    let mut raw: HashMap<Raw<'a>, Vec<&'a Archive>> = HashMap::new();
    let mut manual: HashSet<ArchiveId> = HashSet::new();
    for archive in &observed.archives {
        if archive.how.is_manual() {
            manual.insert(archive.id);
        }
        if matches!(archive.condition, Condition::Trashed { .. }) {
            continue;
        }
        let from = sender(archive);
        let key = (&archive.origin, &archive.job, &archive.location, from);
        raw.entry(key).or_default().push(archive);
    }

    let lineage = Lineage::of(desired);
    let mut groups: BTreeMap<Line, Group<'a>> = BTreeMap::new();
    for ((origin, job, location, from), archives) in raw {
        let written =
            Series { origin: origin.clone(), job: job.clone(), location: location.clone() };
        let series = match from {
            None => lineage.today(&written),
            Some(_) => written.clone(),
        };
        let is_undescribed = archives.iter().any(|archive| archive.is_undescribed());
        let group = groups
            .entry((series.clone(), from.cloned()))
            .or_insert_with(|| Group::new(series, from, is_undescribed, desired));
        if group.series != written {
            group.earlier.push(written);
        }
        group.archives.extend(archives);
    }

    let own: HashSet<Series> = groups
        .keys()
        .filter(|(_, from)| from.is_none())
        .map(|(series, _)| series.clone())
        .collect();
    for ((series, from), group) in &mut groups {
        group.archives.sort_unstable_by_key(|archive| (archive.created_at, archive.id));
        group.manual = group.archives.iter().map(|archive| manual.contains(&archive.id)).collect();
        if let Some(from) = from
            && own.contains(series)
        {
            group.ruling = Ruling::Orphaned(format!(
                "peer `{from}` sent it in the name of a series that is there already"
            ));
        }
        group.earlier.sort_unstable();
    }
    groups
}

impl<'a> Group<'a> {
    fn new(
        series: Series,
        from: Option<&PlaceName>,
        is_undescribed: bool,
        desired: &'a Desired,
    ) -> Self {
        let mut group = Self {
            ruling: Ruling::Orphaned(String::new()),
            archives: Vec::new(),
            job: None,
            keep: Keep::default(),
            received: from.is_some(),
            desired,
            earlier: Vec::new(),
            manual: Vec::new(),
            series,
        };
        if let Some(from) = from {
            let accept = desired.peers.get(from).and_then(|peer: &Peer| peer.accept.as_ref());
            let here = &group.series.location;
            group.ruling = match accept {
                None => Ruling::Orphaned(format!("peer `{from}` may send nothing any more")),
                Some(accept)
                    if desired.name_space(from).as_ref() != Some(here)
                        && accept.location != *here =>
                {
                    Ruling::Orphaned(format!("peer `{from}` sends to `{}` now", accept.location))
                }
                Some(_) if is_undescribed => Ruling::Received,
                Some(accept) => Ruling::Policy(accept.retention),
            };
            return group;
        }
        if group.series.origin == desired.instance.name {
            group.job = job_of(desired, &group.series.job);
        }
        if let Some(job) = group.job {
            group.keep = Keep { suspect_keep: job.suspect_keep, manual_keep: job.manual_keep };
        }
        group.ruling = own_ruling(&group.series, group.job, desired);
        group
    }

    /// Whether it is a series of what a peer sends.
    pub(crate) fn is_received(&self) -> bool {
        self.received
    }

    /// What is remembered of the series, under its own name and those it had before.
    pub(crate) fn facts(&self, observed: &Observed) -> SeriesFacts {
        let mut facts = observed.series.get(&self.series).cloned().unwrap_or_default();
        for series in &self.earlier {
            let Some(earlier) = observed.series.get(series) else { continue };
            facts.judged = facts.judged.or(earlier.judged);
            facts.adopted |= earlier.adopted;
            facts.recent_deletions.extend(&earlier.recent_deletions);
            for (id, since) in &earlier.waiting_for_copies {
                facts.waiting_for_copies.entry(*id).or_insert(*since);
            }
        }
        facts
    }

    /// The archives as the judge sees them, in the same order, without holds.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let candidate = |(archive, manual): (&&Archive, &bool)| Candidate {
            id: archive.id,
            created_at: archive.created_at,
            arrived: archive.received_at.unwrap_or(archive.created_at),
            day: archive.day,
            class: class_of(archive, *manual),
            pinned: archive.pinned,
            received: self.is_received(),
            holds: Vec::new(),
        };
        self.archives.iter().zip(&self.manual).map(candidate).collect()
    }

    /// The verdicts on `candidates`, in their order.
    pub(crate) fn judge(&self, candidates: &[Candidate], now: &Zoned) -> Vec<Verdict> {
        let verdict = |candidate: &Candidate, reasons: Vec<Reason>| Verdict {
            id: candidate.id,
            keep: !matches!(reasons[..], [Reason::Expired(_)]),
            reasons,
        };
        match &self.ruling {
            Ruling::Policy(policy) => self.judge_by(policy, candidates, now),
            Ruling::Orphaned(_) => candidates
                .iter()
                .map(|candidate| verdict(candidate, vec![Reason::Orphaned]))
                .collect(),
            Ruling::Received => candidates
                .iter()
                .map(|candidate| {
                    let until = self.immutable_until(candidate, now);
                    let reason =
                        until.map_or(Reason::Received, |until| Reason::Immutable { until });
                    verdict(candidate, vec![reason])
                })
                .collect(),
            Ruling::Ended => candidates
                .iter()
                .map(|candidate| {
                    let mut reasons: Vec<Reason> =
                        candidate.holds.iter().cloned().map(Reason::Held).collect();
                    if candidate.pinned {
                        reasons.push(Reason::Pinned);
                    }
                    match candidate.class {
                        Class::Unrecorded => reasons.push(Reason::Unrecorded),
                        Class::Lost => reasons.push(Reason::Lost),
                        Class::Good
                        | Class::Partial
                        | Class::Suspect
                        | Class::Manual
                        | Class::Damaged => {}
                    }
                    if reasons.is_empty() {
                        reasons.push(Reason::Expired(Expired::Ended));
                    }
                    verdict(candidate, reasons)
                })
                .collect(),
        }
    }

    /// The verdicts by a policy that need not be the one that rules the series.
    pub(crate) fn judge_by(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        now: &Zoned,
    ) -> Vec<Verdict> {
        let mut verdicts = judge(policy, &self.keep, candidates, now);
        let newest = newest_good(candidates, now).map(|newest| newest.arrived);
        for (verdict, candidate) in verdicts.iter_mut().zip(candidates) {
            if verdict.keep {
                continue;
            }
            if let Some(until) = self.immutable_until(candidate, now) {
                verdict.keep = true;
                verdict.reasons = vec![Reason::Immutable { until }];
            } else if let Some(reason) = self.stays_for_its_age(candidate, newest, now) {
                verdict.keep = true;
                verdict.reasons = vec![reason];
            }
        }
        verdicts
    }

    /// Whether an archive stays that is old enough to leave but was not yet when the newest good
    /// one came: no timer deletes, and a pass may be open for days.
    fn stays_for_its_age(
        &self,
        candidate: &Candidate,
        newest: Option<Timestamp>,
        now: &Zoned,
    ) -> Option<Reason> {
        let (keep, reason): (_, fn(Date) -> Reason) = match candidate.class {
            Class::Suspect => (self.keep.suspect_keep, |until| Reason::Suspect { until }),
            Class::Manual => (self.keep.manual_keep, |until| Reason::Manual { until }),
            Class::Good | Class::Partial | Class::Damaged | Class::Unrecorded | Class::Lost => {
                return None;
            }
        };
        let until = candidate.arrived.checked_add(keep).unwrap_or(Timestamp::MAX);
        newest
            .is_none_or(|newest| until > newest)
            .then(|| reason(until.to_zoned(now.time_zone().clone()).date()))
    }

    /// The day until which a received archive cannot be deleted, while that has not passed.
    pub(crate) fn immutable_until(&self, candidate: &Candidate, now: &Zoned) -> Option<Date> {
        if !self.received {
            return None;
        }
        let place = (candidate.created_at, candidate.id);
        let index =
            self.archives.binary_search_by_key(&place, |archive| (archive.created_at, archive.id));
        let until = self.desired.immutable_until(self.archives[index.ok()?], now.timestamp())?;
        Some(until.to_zoned(now.time_zone().clone()).date())
    }

    /// How long archives stay that fill no slot.
    pub(crate) fn keep(&self) -> &Keep {
        &self.keep
    }
}

fn own_ruling(series: &Series, job: Option<&Job>, desired: &Desired) -> Ruling {
    let Series { origin, job: name, location } = series;
    if *origin != desired.instance.name {
        return Ruling::Orphaned(format!("instance `{origin}` made it, which is not this one"));
    }
    let Some(job) = job else {
        let mut templates = desired.templates.keys();
        return Ruling::Orphaned(match templates.find(|known| known.as_str() == name.declared()) {
            Some(template) => format!("`{template}` does not list it, or leaves it out"),
            None => format!("no job `{name}` is in the configuration"),
        });
    };
    if !desired.locations.contains_key(location) {
        return Ruling::Orphaned(format!("no location `{location}` is in the configuration"));
    }
    match job.ended {
        Some(Ended::KeepArchives) => {
            return Ruling::Orphaned(format!("job `{name}` is ended and keeps its archives"));
        }
        Some(Ended::ExpireArchives) => return Ruling::Ended,
        None => {}
    }
    match policy_at(job, location) {
        Some(policy) => Ruling::Policy(policy),
        None => Ruling::Orphaned(format!("job `{name}` does not write to `{location}` any more")),
    }
}

/// The policy of a job's archives at a place: its own where they are made, that of the copy
/// elsewhere; `None` where it sends none.
pub(crate) fn policy_at(job: &Job, location: &PlaceName) -> Option<Policy> {
    if job.location == *location {
        return Some(job.retention);
    }
    let copy = job.send_to.iter().find(|copy| copy.to == *location)?;
    Some(copy.retention.unwrap_or(job.retention))
}

/// The job of a series; one that expands (`apps`) is that of all its series (`apps/nextcloud`).
/// What a living job with `*` does not list is not its own any more: it may be back tomorrow.
fn job_of<'a>(desired: &'a Desired, name: &JobName) -> Option<&'a Job> {
    desired.jobs.get(name).or_else(|| {
        let declared: JobName = name.declared().parse().ok()?;
        desired.jobs.get(&declared).filter(|job| !job.is_template())
    })
}

fn class_of(archive: &Archive, manual: bool) -> Class {
    match (&archive.condition, &archive.outcome) {
        (Condition::Lost | Condition::Trashed { .. }, _) => Class::Lost,
        _ if archive.file_sha256.is_none() => Class::Unrecorded,
        (Condition::Corrupt, _) => Class::Damaged,
        // Its bytes are those that were written, and what was written cannot be brought back.
        _ if archive.refuted.is_some() => Class::Damaged,
        (Condition::Present | Condition::Unavailable, Outcome::Suspect(_)) => Class::Suspect,
        (Condition::Present | Condition::Unavailable, Outcome::Partial)
            if !archive.partial_allowed =>
        {
            Class::Partial
        }
        (Condition::Present | Condition::Unavailable, Outcome::Partial | Outcome::Good) => {
            if manual { Class::Manual } else { Class::Good }
        }
    }
}
