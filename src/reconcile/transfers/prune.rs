//! Which of our archives expire at a host that cannot expire them itself.
//!
//! Only where `prune = true` says so. The copies of a job there are judged like those of a location,
//! from what was last read of them, and named one by one in the plan; more than a few at once wait
//! for approval. **Invariants:** nothing is deleted there that is not described there as ours and
//! good or was judged with those that are; the newest good copy stays, and so does what a person
//! pinned here.

use std::collections::{BTreeSet, HashMap};

use jiff::Zoned;

use crate::model::archive::{Archive, ArchiveId, Series};
use crate::model::contact::RemoteCopy;
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::name::PlaceName;
use crate::model::observed::Observed;
use crate::model::peer::{Peer, PeerKind};
use crate::model::retention::Policy;
use crate::model::run::{Cause, Work};
use crate::reconcile::expiry::{approval_hash, request_brake};
use crate::reconcile::judge::{Candidate, Class, Keep, Verdict, judge};
use crate::reconcile::situation::Situation;
use crate::reconcile::{Action, Blocked, Part};

use super::peers::is_ready;

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    // While anything is odd, nothing is deleted anywhere.
    if !situation.observed.freezes.is_empty() {
        return part;
    }
    for peer in situation.desired.peers.values().filter(|peer| is_pruned(peer)) {
        for (job, policy) in jobs_at(situation, peer) {
            job_at(situation, peer, job, policy, &mut part);
        }
    }
    part
}

/// The jobs whose copies there are judged, and by which policy. An ended or removed job leaves its
/// copies there: absence deletes nothing.
fn jobs_at<'a>(situation: &Situation<'a>, peer: &Peer) -> impl Iterator<Item = (&'a Job, Policy)> {
    let living = situation.desired.jobs.values().filter(|job| job.ended.is_none());
    living.filter_map(|job| {
        let to = job.send_to.iter().find(|copy| copy.to == peer.name)?;
        Some((job, to.retention.unwrap_or(job.retention)))
    })
}

/// What leaves a peer by what is wanted and known now.
pub(crate) fn leaving(
    desired: &Desired,
    observed: &Observed,
    now: &Zoned,
    peer: &PlaceName,
) -> BTreeSet<ArchiveId> {
    let actions = part(&Situation::new(desired, observed, now)).actions.into_iter();
    let archives = actions.filter_map(|action| match action.work {
        Work::Prune { peer: at, archives } if at == *peer => Some(archives),
        _ => None,
    });
    archives.flatten().collect()
}

fn is_pruned(peer: &Peer) -> bool {
    peer.prune
        && match &peer.kind {
            PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => true,
            PeerKind::Instance { .. } | PeerKind::BackupChannel { .. } => false,
        }
}

/// The copies of a job at a peer, oldest first, and what is thought of each.
struct Judged<'a> {
    copies: Vec<&'a RemoteCopy>,
    candidates: Vec<Candidate>,
    verdicts: Vec<Verdict>,
}

impl<'a> Judged<'a> {
    fn leaving(&self) -> Vec<(&'a RemoteCopy, &Verdict)> {
        let judged = self.copies.iter().copied().zip(&self.verdicts);
        judged.filter(|(_, verdict)| !verdict.keep).collect()
    }
}

fn judged<'a>(situation: &Situation<'a>, peer: &Peer, job: &Job, policy: &Policy) -> Judged<'a> {
    let contact = situation.observed.contacts.get(&peer.name).filter(|contact| is_ready(contact));
    let held = contact.and_then(|contact| contact.holdings.as_ref());
    let copies = held.into_iter().flat_map(|held| &held.copies);
    let mut copies: Vec<&RemoteCopy> =
        copies.filter(|copy| situation.is_copy_of(job, copy)).collect();
    copies.sort_by_key(|copy| (copy.created_at, copy.id));
    // Two under one id: whoever looks again next will know more.
    if copies.windows(2).any(|two| two[0].id == two[1].id) {
        copies.clear();
    }
    let here: HashMap<ArchiveId, &Archive> =
        situation.archives(job).into_iter().map(|archive| (archive.id, archive)).collect();
    let candidates: Vec<Candidate> =
        copies.iter().map(|copy| candidate(copy, here.get(&copy.id).copied(), situation)).collect();
    let keep = Keep { suspect_keep: job.suspect_keep, manual_keep: job.manual_keep };
    let verdicts = judge(policy, &keep, &candidates, situation.now);
    Judged { copies, candidates, verdicts }
}

/// How many of the archives that are named are still to leave a peer, those included that rest
/// after a failure.
pub(in crate::reconcile) fn leaving_from(
    situation: &Situation,
    name: &PlaceName,
    named: impl Fn(ArchiveId) -> bool,
) -> usize {
    let Some(peer) = situation.desired.peers.get(name).filter(|peer| is_pruned(peer)) else {
        return 0;
    };
    if !situation.observed.freezes.is_empty() {
        return 0;
    }
    let ours = jobs_at(situation, peer);
    let leaving = ours.map(|(job, policy)| {
        let judged = judged(situation, peer, job, &policy);
        judged.leaving().iter().filter(|(copy, _)| named(copy.id)).count()
    });
    leaving.sum()
}

fn job_at(situation: &Situation, peer: &Peer, job: &Job, policy: Policy, part: &mut Part) {
    let judged = judged(situation, peer, job, &policy);
    // One on its way, or one that failed: whoever looks again next will know more.
    if judged.copies.iter().any(|copy| situation.rests(copy.id, &peer.name)) {
        return;
    }
    let (leaving, candidates) = (judged.leaving(), &judged.candidates);
    if leaving.is_empty() {
        return;
    }
    let archives: Vec<ArchiveId> = leaving.iter().map(|(copy, _)| copy.id).collect();
    let frees = leaving.iter().map(|(copy, _)| copy.file_size).sum();
    let series = Series {
        origin: situation.desired.instance.name.clone(),
        job: job.name.clone(),
        location: peer.name.clone(),
    };
    let hash = approval_hash(&series, &archives);
    let is_good = |id: &ArchiveId| {
        candidates.iter().any(|candidate| candidate.id == *id && candidate.class == Class::Good)
    };
    let good = candidates.iter().filter(|candidate| candidate.class == Class::Good).count();
    let good_leaving = archives.iter().filter(|id| is_good(id)).count();
    if let Some(reason) = request_brake(good, &[], good_leaving, situation.moment)
        && !situation.observed.approvals.contains(&hash)
    {
        let named = leaving.iter().filter_map(|(copy, verdict)| {
            Some((copy.id, copy.name.parse().ok()?, verdict.words()))
        });
        part.blocked.push(Blocked { series, hash, archives: named.collect(), reason, frees });
        return;
    }
    let reasons =
        leaving.iter().map(|(copy, verdict)| format!("{} {}", copy.name, verdict.words()));
    part.actions.push(Action {
        reasons: reasons.collect(),
        work: Work::Prune { peer: peer.name.clone(), archives },
        cause: Cause::Reconcile,
        needs: 0,
        frees,
    });
}

/// A copy there as the judge sees it; what only this host knows of the archive counts there too.
fn candidate(copy: &RemoteCopy, here: Option<&Archive>, situation: &Situation) -> Candidate {
    let day = copy.created_at.to_zoned(situation.now.time_zone().clone()).date();
    let class = match (copy.is_good, copy.file_sha256) {
        (_, None) => Class::Unrecorded,
        (false, Some(_)) => Class::Damaged,
        (true, Some(_)) if here.is_some_and(|here| here.how.is_manual()) => Class::Manual,
        (true, Some(_)) => Class::Good,
    };
    Candidate {
        id: copy.id,
        created_at: copy.created_at,
        arrived: copy.created_at,
        day: here.map_or(day, |here| here.day),
        class,
        pinned: here.is_some_and(|here| here.pinned),
        received: false,
        holds: Vec::new(),
    }
}
