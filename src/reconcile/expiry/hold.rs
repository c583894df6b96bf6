//! Which archives are needed at the moment: by a copy, by a run, or by the goals of their job.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp, Zoned};

use super::group::{Group, policy_at};
use super::lineage::Line;
use super::uses::need_of;
use crate::model::archive::{ArchiveId, CopyKey, Series, Sha256};
use crate::model::contact::Contact;
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::name::PlaceName;
use crate::model::observed::Observed;
use crate::reconcile::judge::Days;
use crate::reconcile::judge::{Candidate, Class, Hold, is_future, judge, newest_good};

/// What needs which archive where.
pub(crate) struct Holds {
    /// What runs need, wherever it rests.
    by_runs: HashMap<ArchiveId, Vec<Hold>>,
    /// Originals whose copies are still to come.
    without_copies: HashSet<CopyKey>,
    waiting: HashMap<Series, Waiting>,
}

/// Archives of a series that lack copies.
struct Waiting {
    all: Vec<ArchiveId>,
    /// How many have waited for as long as the job wants.
    overdue: usize,
    hold_max: SignedDuration,
}

impl Holds {
    /// Finds every hold of the catalogue.
    pub(crate) fn find(
        desired: &Desired,
        observed: &Observed,
        groups: &BTreeMap<Line, Group<'_>>,
        now: &Zoned,
    ) -> Self {
        let mut holds = Self {
            by_runs: HashMap::new(),
            without_copies: HashSet::new(),
            waiting: HashMap::new(),
        };
        for (id, hold) in observed.open_runs.iter().filter_map(need_of) {
            let needed = holds.by_runs.entry(id).or_default();
            if !needed.contains(&hold) {
                needed.push(hold);
            }
        }
        for ((_, from), home) in groups {
            let Some(job) = home.job.filter(|_| from.is_none()) else { continue };
            if job.ended.is_none()
                && job.location == home.series.location
                && job.protect.copies > 1
                && !job.send_to.is_empty()
            {
                holds.wait_for_copies(job, home, desired, observed, groups, now);
            }
        }
        holds
    }

    /// Writes the holds of a series' archives into its candidates.
    pub(crate) fn put_on(&self, candidates: &mut [Candidate], location: &PlaceName) {
        if self.by_runs.is_empty() && self.without_copies.is_empty() {
            return;
        }
        for candidate in candidates {
            candidate.holds = self.by_runs.get(&candidate.id).cloned().unwrap_or_default();
            if self.without_copies.contains(&CopyKey::new(candidate.id, location)) {
                candidate.holds.push(Hold::WaitingForCopies);
            }
        }
    }

    /// Archives of the series that lack copies, released ones included.
    pub(super) fn waiting(&self, series: &Series) -> Vec<ArchiveId> {
        self.waiting.get(series).map(|waiting| waiting.all.clone()).unwrap_or_default()
    }

    /// What a person should know of the series' copies.
    pub(super) fn note(&self, series: &Series) -> Option<String> {
        let waiting = self.waiting.get(series).filter(|waiting| waiting.overdue > 0)?;
        let hold_max = Days(waiting.hold_max);
        Some(match waiting.overdue {
            1 => format!("1 archive has waited {hold_max} for its copies and is held no longer"),
            count => {
                format!(
                    "{count} archives have waited {hold_max} for their copies and are held no longer"
                )
            }
        })
    }

    /// Holds the archives at home that lack a copy which is still to come: one that is newer than
    /// all that its place has, and that the place would keep if everything missing came now.
    fn wait_for_copies(
        &mut self,
        job: &Job,
        home: &Group<'_>,
        desired: &Desired,
        observed: &Observed,
        groups: &BTreeMap<Line, Group<'_>>,
        now: &Zoned,
    ) {
        let good: Vec<Candidate> = home
            .candidates()
            .into_iter()
            .filter(|candidate| candidate.class == Class::Good && !is_future(candidate, now))
            .collect();
        let Some(newest) = newest_good(&good, now) else { return };
        let mut copies: HashMap<ArchiveId, u32> =
            good.iter().map(|archive| (archive.id, 1)).collect();
        let mut wanted: HashSet<ArchiveId> = HashSet::new();
        for place in job.send_to.iter().map(|copy| &copy.to) {
            if desired.peers.contains_key(place) {
                let contact = observed.contacts.get(place).map(AsRef::as_ref);
                wanted.extend(lacking(contact, home, &good, &mut copies));
                continue;
            }
            let Some(policy) = policy_at(job, place) else { continue };
            if !desired.locations.contains_key(place) || *place == home.series.location {
                continue;
            }
            let there = Series { location: place.clone(), ..home.series.clone() };
            let mut row = groups.get(&(there, None)).map(Group::candidates).unwrap_or_default();
            let good_there: HashSet<ArchiveId> = row
                .iter()
                .filter(|candidate| candidate.class == Class::Good)
                .map(|candidate| candidate.id)
                .collect();
            for id in &good_there {
                copies.entry(*id).and_modify(|count| *count += 1);
            }
            row.retain(|candidate| good_there.contains(&candidate.id));
            row.extend(good.iter().filter(|archive| !good_there.contains(&archive.id)).cloned());
            let kept: HashSet<ArchiveId> = judge(&policy, home.keep(), &row, now)
                .into_iter()
                .filter(|verdict| verdict.keep)
                .map(|verdict| verdict.id)
                .collect();
            // A place gets no archive older than the newest it has: that one waits in vain.
            let reached = row
                .iter()
                .filter(|candidate| good_there.contains(&candidate.id))
                .map(|candidate| (candidate.created_at, candidate.id))
                .max();
            wanted.extend(
                row.iter()
                    .filter(|candidate| !good_there.contains(&candidate.id))
                    .filter(|candidate| Some((candidate.created_at, candidate.id)) > reached)
                    .map(|candidate| candidate.id)
                    .filter(|id| kept.contains(id)),
            );
        }

        let facts = home.facts(observed);
        let mut waiting = Waiting { all: Vec::new(), overdue: 0, hold_max: job.hold_max };
        for archive in &good {
            if copies[&archive.id] >= job.protect.copies || !wanted.contains(&archive.id) {
                continue;
            }
            waiting.all.push(archive.id);
            let since = facts.waiting_for_copies.get(&archive.id).copied();
            let since = since.unwrap_or(archive.created_at);
            let until = since.checked_add(job.hold_max).unwrap_or(Timestamp::MAX);
            if until <= now.timestamp() {
                waiting.overdue += 1;
            }
            // Released by a good archive that came later, not by time alone: no timer deletes.
            if until > newest.arrived {
                self.without_copies.insert(CopyKey::new(archive.id, &home.series.location));
            }
        }
        if !waiting.all.is_empty() {
            self.waiting.insert(home.series.clone(), waiting);
        }
    }
}

/// The archives at home that a peer lacks and is still to get: those that are newer than all that it
/// holds, and the newest alone where nothing is known of it. What it keeps is its own business.
fn lacking(
    contact: Option<&Contact>,
    home: &Group<'_>,
    good: &[Candidate],
    copies: &mut HashMap<ArchiveId, u32>,
) -> Vec<ArchiveId> {
    let streams: HashMap<ArchiveId, Option<Sha256>> =
        home.archives.iter().map(|archive| (archive.id, archive.stream_sha256)).collect();
    let held = contact.and_then(|contact| contact.holdings.as_ref());
    let held: HashSet<ArchiveId> = held
        .iter()
        .flat_map(|held| &held.copies)
        .filter(|copy| copy.is_copy_of(copy.id, streams.get(&copy.id).copied().flatten()))
        .map(|copy| copy.id)
        .collect();
    let mut reached: Option<(Timestamp, ArchiveId)> = None;
    let mut lacks = Vec::new();
    for archive in good {
        if held.contains(&archive.id) {
            copies.entry(archive.id).and_modify(|count| *count += 1);
            reached = reached.max(Some((archive.created_at, archive.id)));
        } else {
            lacks.push((archive.created_at, archive.id));
        }
    }
    match reached {
        Some(_) => lacks.retain(|archive| Some(*archive) > reached),
        None => lacks = lacks.into_iter().max().into_iter().collect(),
    }
    lacks.into_iter().map(|(_, id)| id).collect()
}
