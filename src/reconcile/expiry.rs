//! Which archives would leave, and whether they may.
//!
//! The judge says what a policy wants of one series; this module says which policy rules which
//! series, what is needed elsewhere, when a pass may run at all, and what a person must approve.
//!
//! **Invariants:** absence deletes nothing: a job, a location or a peer that is gone leaves its
//! archives orphaned and kept. Only archives that are there with their hash recorded are ever
//! planned to leave. What is planned to leave stands in the plan with its reasons, one by one.
//! Nothing here depends on what woke the daemon: a pass is due while the newest good archive, or
//! the policy, is not the one that the last finished pass judged.

use std::collections::HashSet;

use jiff::{Timestamp, Zoned};

use crate::model::archive::{Archive, ArchiveId, Condition, Series};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::observed::{Freeze, LocationState, Observed, SeriesFacts};
use crate::model::retention::Policy;
use crate::model::run::{Cause, Work};
use crate::reconcile::judge::{Candidate, Class, Reason, Verdict, is_future, newest_good};
use crate::reconcile::{Action, Blocked, show};

mod lineage;
pub(crate) mod group;
mod uses;
mod hold;
mod brake;
mod request;
mod success;
pub mod freeze;

pub use brake::{BRAKE_WINDOW, approval_hash, request_brake};
pub use group::Ruling;
pub(crate) use hold::Holds;
pub use lineage::{Line, Lineage};
pub use request::{Refusal, is_last_good, may_delete, may_still_delete};
pub use success::{AfterSuccess, after_success};

use group::Group;

/// What retention thinks of one series at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPass {
    /// The series; archives of earlier names of the job or the instance are in it.
    pub series: Series,
    /// What rules it.
    pub ruling: Ruling,
    /// One verdict for each archive that is not in the trash, oldest first.
    pub verdicts: Vec<Verdict>,
    /// What is to be done.
    pub outcome: PassOutcome,
    /// What to store as [`SeriesFacts::judged`] now, where that changes anything; storing it also
    /// ends [`SeriesFacts::adopted`]. While an expiry is open it is `None`: the next plan, made
    /// when the expiry is over, finds nothing to do any more and says what to store.
    pub record: Option<(ArchiveId, Policy)>,
    /// Archives that wait for copies: the keys of [`SeriesFacts::waiting_for_copies`]. Whoever
    /// keeps those stores the time for new ones and drops the others.
    pub waiting: Vec<ArchiveId>,
    /// What a person should know, one line each.
    pub notes: Vec<String>,
}

impl SeriesPass {
    /// The policy that rules the series, where one does.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        match &self.ruling {
            Ruling::Policy(policy) => Some(*policy),
            Ruling::Ended | Ruling::Received | Ruling::Orphaned(_) => None,
        }
    }

    /// Why nothing rules the series, where nothing does.
    #[must_use]
    pub fn orphaned(&self) -> Option<&str> {
        match &self.ruling {
            Ruling::Orphaned(reason) => Some(reason),
            Ruling::Policy(_) | Ruling::Ended | Ruling::Received => None,
        }
    }
}

/// What is to be done about a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassOutcome {
    /// No pass runs, and why.
    Rests(String),
    /// A pass runs and deletes nothing.
    NothingToDo,
    /// These are to leave.
    Expire(Action),
    /// These would leave, if somebody approved.
    Blocked(Blocked),
}

/// Judges every series of the catalogue, ordered by series.
#[must_use]
pub fn expiry(desired: &Desired, observed: &Observed, now: &Zoned) -> Vec<SeriesPass> {
    let groups = group::groups(desired, observed);
    let holds = Holds::find(desired, observed, &groups, now);
    let open = OpenExpiries::of(observed);
    groups.values().map(|group| pass(group, observed, &holds, &open, now)).collect()
}

/// Whether what rules an archive lets go of it at this moment, whatever else would go with it: what
/// was planned some time ago may have been overtaken since.
pub(crate) fn lets_go(
    desired: &Desired,
    observed: &Observed,
    archive: &Archive,
    now: &Zoned,
) -> bool {
    let may_leave = !archive.pinned
        && !matches!(archive.condition, Condition::Trashed { .. })
        && observed.freezes.is_empty();
    may_leave
        && expiry(desired, observed, now).iter().any(|pass| {
            pass.series.location == archive.location
                && matches!(pass.ruling, Ruling::Policy(_) | Ruling::Ended)
                && pass.verdicts.iter().any(|verdict| verdict.id == archive.id && !verdict.keep)
        })
}

/// When the next archive in the trash has been there long enough, or may be unlinked again after
/// that failed. Where its location is away nothing is due: that it is back is seen by itself.
pub(crate) fn next_wake(observed: &Observed, now: Timestamp) -> Option<Timestamp> {
    let trashed = observed.archives.iter().filter_map(|archive| match archive.condition {
        Condition::Trashed { until } if is_available(observed, &archive.location) => {
            Some(not_before(observed, archive).map_or(until, |earliest| earliest.max(until)))
        }
        Condition::Trashed { .. }
        | Condition::Present
        | Condition::Corrupt
        | Condition::Lost
        | Condition::Unavailable => None,
    });
    trashed.filter(|wake| *wake > now).min()
}

/// Empties the trash: one action for each location that has archives whose time is over.
#[must_use]
pub fn empty_trash(observed: &Observed, now: &Zoned) -> Vec<Action> {
    let mut underway: HashSet<(ArchiveId, &PlaceName)> = HashSet::new();
    for run in &observed.open_runs {
        if let Work::EmptyTrash { location, archives } = &run.work {
            underway.extend(archives.iter().map(|id| (*id, location)));
        }
    }
    let mut over: Vec<(&Archive, Timestamp)> = Vec::new();
    for archive in &observed.archives {
        if let Condition::Trashed { until } = archive.condition
            && until <= now.timestamp()
            && is_available(observed, &archive.location)
            && not_before(observed, archive).is_none_or(|earliest| earliest <= now.timestamp())
            && !underway.contains(&(archive.id, &archive.location))
        {
            over.push((archive, until));
        }
    }
    over.sort_by(|(a, _), (b, _)| (&a.location, &a.name, a.id).cmp(&(&b.location, &b.name, b.id)));
    over.chunk_by(|(a, _), (b, _)| a.location == b.location)
        .map(|there| Action {
            work: Work::EmptyTrash {
                location: there[0].0.location.clone(),
                archives: there.iter().map(|(archive, _)| archive.id).collect(),
            },
            cause: Cause::Reconcile,
            reasons: there
                .iter()
                .map(|(archive, until)| {
                    format!("{} in the trash until {}", archive.name, show::moment(*until, now))
                })
                .collect(),
            needs: 0,
            frees: there.iter().map(|(archive, _)| archive.file_size).sum(),
        })
        .collect()
}

fn is_available(observed: &Observed, location: &PlaceName) -> bool {
    matches!(observed.locations.get(location), Some(LocationState::Available { .. }))
}

fn not_before(observed: &Observed, archive: &Archive) -> Option<Timestamp> {
    if observed.not_before.is_empty() {
        return None;
    }
    observed.not_before.get(&archive.key()).copied()
}

/// Archives that an open run is about to delete.
struct OpenExpiries<'a>(HashSet<(ArchiveId, &'a PlaceName)>);

impl<'a> OpenExpiries<'a> {
    fn of(observed: &'a Observed) -> Self {
        let mut open = HashSet::new();
        for run in &observed.open_runs {
            if let Work::Expire { series, archives } = &run.work {
                open.extend(archives.iter().map(|id| (*id, &series.location)));
            }
        }
        Self(open)
    }

    fn touches(&self, group: &Group<'_>) -> bool {
        !self.0.is_empty()
            && group
                .archives
                .iter()
                .any(|archive| self.0.contains(&(archive.id, &archive.location)))
    }
}

fn pass(
    group: &Group<'_>,
    observed: &Observed,
    holds: &Holds,
    open: &OpenExpiries<'_>,
    now: &Zoned,
) -> SeriesPass {
    let facts = group.facts(observed);
    let mut candidates = group.candidates();
    holds.put_on(&mut candidates, &group.series.location);
    let verdicts = group.judge(&candidates, now);
    let sitting =
        Sitting { group, facts: &facts, candidates: &candidates, verdicts: &verdicts, now };
    let mut notes: Vec<String> = holds.note(&group.series).into_iter().collect();
    notes.extend(sitting.notes());
    let (outcome, record) = match sitting.rests(observed, open) {
        Some(reason) => (PassOutcome::Rests(reason), None),
        None => sitting.decide(observed),
    };
    SeriesPass {
        series: group.series.clone(),
        ruling: group.ruling.clone(),
        outcome,
        record,
        waiting: holds.waiting(&group.series),
        notes,
        verdicts,
    }
}

/// One series with everything that is known of it.
struct Sitting<'a> {
    group: &'a Group<'a>,
    facts: &'a SeriesFacts,
    candidates: &'a [Candidate],
    verdicts: &'a [Verdict],
    now: &'a Zoned,
}

impl Sitting<'_> {
    /// Why no pass runs, if none does.
    fn rests(&self, observed: &Observed, open: &OpenExpiries<'_>) -> Option<String> {
        match &self.group.ruling {
            Ruling::Orphaned(reason) => return Some(format!("orphaned: {reason}")),
            Ruling::Received => {
                return Some("what a peer sent without a word about it stays".to_owned());
            }
            Ruling::Policy(_) | Ruling::Ended => {}
        }
        if let Some(freeze) = observed.freezes.first() {
            let (Freeze::Clock(reason) | Freeze::JobsVanished(reason) | Freeze::Recovery(reason)) =
                freeze;
            return Some(format!("retention pauses: {reason}"));
        }
        let location = &self.group.series.location;
        match observed.locations.get(location) {
            Some(LocationState::Available { .. }) => {}
            Some(LocationState::Unavailable(reason) | LocationState::Suspect(reason)) => {
                return Some(format!("location `{location}` cannot be used: {reason}"));
            }
            None => return Some(format!("location `{location}` was not looked at")),
        }
        if open.touches(self.group) {
            return Some("an expiry of it is open".to_owned());
        }
        let Ruling::Policy(policy) = self.group.ruling else { return None };
        let Some(newest) = newest_good(self.candidates, self.now) else {
            return Some("it has no good archive".to_owned());
        };
        let (judged, judged_policy) = self.facts.judged?;
        if judged_policy != policy {
            return None;
        }
        // When the newest one was lost or deleted, an older one is the newest now: nothing was
        // added, so nothing is due.
        let older =
            self.candidates.iter().find(|candidate| candidate.id == judged).is_some_and(|judged| {
                (newest.created_at, newest.id) <= (judged.created_at, judged.id)
            });
        older.then(|| "no good archive was added since the last pass".to_owned())
    }

    fn decide(&self, observed: &Observed) -> (PassOutcome, Option<(ArchiveId, Policy)>) {
        // Both are in the order of the series.
        let judged = self.group.archives.iter().copied().zip(self.verdicts);
        let leaving: Vec<(&Archive, &Verdict)> =
            judged.filter(|(_, verdict)| !verdict.keep).collect();
        if leaving.is_empty() {
            return (PassOutcome::NothingToDo, self.record());
        }
        if leaving.iter().any(|(archive, _)| archive.condition == Condition::Unavailable) {
            let location = &self.group.series.location;
            let reason = format!("location `{location}` is back and was not looked through yet");
            return (PassOutcome::Rests(reason), None);
        }
        let again = leaving.iter().filter_map(|(archive, _)| not_before(observed, archive)).max();
        if let Some(again) = again.filter(|again| *again > self.now.timestamp()) {
            let again = show::moment(again, self.now);
            let reason = format!("a deletion failed; it is tried again at {again}");
            return (PassOutcome::Rests(reason), None);
        }
        let archives: Vec<ArchiveId> = leaving.iter().map(|(archive, _)| archive.id).collect();
        let frees = leaving.iter().map(|(archive, _)| archive.file_size).sum();
        let series = &self.group.series;
        let hash = approval_hash(series, &archives);
        if let Some(reason) = self.brake()
            && !observed.approvals.contains(&hash)
        {
            let archives = leaving
                .iter()
                .map(|(archive, verdict)| (archive.id, archive.name.clone(), verdict.words()))
                .collect();
            let blocked = Blocked { series: series.clone(), hash, archives, reason, frees };
            return (PassOutcome::Blocked(blocked), None);
        }
        let reasons = leaving
            .iter()
            .map(|(archive, verdict)| format!("{} {}", archive.name, verdict.words()))
            .collect();
        let work = Work::Expire { series: series.clone(), archives };
        let action = Action { work, cause: Cause::Reconcile, reasons, needs: 0, frees };
        (PassOutcome::Expire(action), None)
    }

    /// What a pass that found nothing to delete leaves behind. While a good archive is held, the
    /// pass is not over: once released, it takes a slot that another one has now. The archive
    /// before the newest stands for that, so that the policy is remembered and the pass stays due.
    fn record(&self) -> Option<(ArchiveId, Policy)> {
        let Ruling::Policy(policy) = self.group.ruling else { return None };
        let newest = newest_good(self.candidates, self.now)?.id;
        let is_good = |candidate: &&Candidate| {
            candidate.class == Class::Good && !is_future(candidate, self.now)
        };
        let mut good = self.candidates.iter().filter(is_good);
        let judged = if good.clone().any(|candidate| !candidate.holds.is_empty()) {
            // Nor is the first pass over an adopted folder over.
            if self.facts.adopted {
                return None;
            }
            good.rfind(|candidate| candidate.id != newest)?.id
        } else {
            newest
        };
        let record = (judged, policy);
        (self.facts.judged != Some(record)).then_some(record)
    }

    fn notes(&self) -> Vec<String> {
        let future =
            self.verdicts.iter().filter(|verdict| verdict.reasons.contains(&Reason::Future));
        match future.count() {
            0 => Vec::new(),
            1 => vec!["1 archive is dated in the future: it is kept and fills no slot".to_owned()],
            count => vec![format!(
                "{count} archives are dated in the future: they are kept and fill no slot"
            )],
        }
    }
}
