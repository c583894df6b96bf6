//! What was tried, failed, and is still to be done.
//!
//! What failed rests before it is tried again, and nothing would be planned meanwhile: a copy that
//! fails for ever would never be seen. So each such thing is a problem of the plan, told for as long
//! as it is to be done and its last attempt failed, whether it rests, waits or is under way again.
//! What has a voice of its own is not told twice: backups and drills are in the verdict on their job,
//! a place that is not there is told as such, and what somebody asked for was answered.

use std::collections::BTreeMap;
use std::fmt;

use super::expiry::{PassOutcome, SeriesPass};
use super::situation::Situation;
use super::transfers::{self, fetch, prune};
use super::{Note, Part, Weight};
use crate::model::archive::{Archive, ArchiveId, Condition};
use crate::model::name::PlaceName;
use crate::model::run::{Run, Work};

/// One kind of work at one place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Undone<'a> {
    Copies(&'a PlaceName),
    Fetches(&'a PlaceName),
    Prunes(&'a PlaceName),
    Expiries(&'a PlaceName),
    Trash(&'a PlaceName),
    Readings(&'a PlaceName),
}

pub(super) fn part(situation: &Situation, passes: &[SeriesPass]) -> Part {
    let mut part = Part::default();
    if situation.in_recovery() {
        return part;
    }
    let mut found: BTreeMap<Undone, Vec<&Run>> = BTreeMap::new();
    for run in &situation.observed.failed {
        if let Some(undone) = undone(&run.work) {
            found.entry(undone).or_default().push(run);
        }
    }
    for (undone, runs) in found {
        let newest = runs.iter().max_by_key(|run| (run.finished_at, run.id));
        let count = undone.count(situation, passes, &runs);
        if let (Some(run), true) = (newest, count > 0) {
            let text =
                format!("{}, and the last attempt failed: {}", Told(&undone, count), why(run));
            part.notes.push(Note { weight: Weight::Problem, job: None, text });
        }
    }
    part
}

fn undone(work: &Work) -> Option<Undone<'_>> {
    match work {
        Work::Send { to, .. } => Some(Undone::Copies(to)),
        Work::Fetch { peer, .. } => Some(Undone::Fetches(peer)),
        Work::Prune { peer, .. } => Some(Undone::Prunes(peer)),
        Work::Expire { series, .. } => Some(Undone::Expiries(&series.location)),
        Work::EmptyTrash { location, .. } => Some(Undone::Trash(location)),
        Work::Verify { location, .. } => Some(Undone::Readings(location)),
        Work::Backup { .. } | Work::Drill { .. } | Work::Adopt { .. } | Work::Restore { .. } => {
            None
        }
    }
}

impl Undone<'_> {
    /// How many archives it is to be done with, where it can be done at all.
    fn count(&self, situation: &Situation, passes: &[SeriesPass], runs: &[&Run]) -> usize {
        let named = |id| runs.iter().any(|run| archives(&run.work).contains(&id));
        match self {
            Undone::Copies(to) => transfers::missing_at(situation, to),
            Undone::Fetches(peer) => fetch::missing_from(situation, peer),
            Undone::Prunes(peer) => prune::leaving_from(situation, peer, named),
            Undone::Readings(place) => at(situation, place)
                .filter(|one| named(one.id) && one.condition == Condition::Present)
                .filter(|one| one.file_sha256.is_some())
                .count(),
            // While anything is odd, nothing is deleted: that is told.
            Undone::Expiries(_) | Undone::Trash(_) if !situation.observed.freezes.is_empty() => 0,
            Undone::Expiries(place) if situation.is_available(place) => {
                expiring(passes, place, named)
            }
            Undone::Expiries(_) => 0,
            Undone::Trash(place) => at(situation, place)
                .filter(|one| named(one.id))
                .filter(|one| match one.condition {
                    Condition::Trashed { until } => until <= situation.moment,
                    Condition::Present
                    | Condition::Corrupt
                    | Condition::Lost
                    | Condition::Unavailable => false,
                })
                .count(),
        }
    }
}

/// What is at a place that is there.
fn at<'a>(situation: &Situation<'a>, place: &PlaceName) -> impl Iterator<Item = &'a Archive> {
    let is_there = situation.is_available(place);
    let all = situation.observed.archives.iter();
    all.filter(move |archive| is_there && archive.location == *place)
}

/// How many of the archives that are named retention still lets go at a place. What waits for
/// approval is told by that.
fn expiring(passes: &[SeriesPass], place: &PlaceName, named: impl Fn(ArchiveId) -> bool) -> usize {
    let of_place = passes.iter().filter(|pass| pass.series.location == *place);
    let going = of_place.filter(|pass| match pass.outcome {
        PassOutcome::Rests(_) | PassOutcome::Expire(_) => pass.orphaned().is_none(),
        PassOutcome::NothingToDo | PassOutcome::Blocked(_) => false,
    });
    let verdicts = going.flat_map(|pass| &pass.verdicts);
    verdicts.filter(|verdict| !verdict.keep && named(verdict.id)).count()
}

fn archives(work: &Work) -> &[ArchiveId] {
    match work {
        Work::Expire { archives, .. }
        | Work::EmptyTrash { archives, .. }
        | Work::Prune { archives, .. } => archives,
        Work::Verify { archive, .. } | Work::Send { archive, .. } | Work::Fetch { archive, .. } => {
            std::slice::from_ref(archive)
        }
        Work::Backup { .. } | Work::Drill { .. } | Work::Adopt { .. } | Work::Restore { .. } => &[],
    }
}

/// What is undone, with how many archives.
struct Told<'a>(&'a Undone<'a>, usize);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told(undone, count) = self;
        let (archives, are) = if *count == 1 { ("archive", "is") } else { ("archives", "are") };
        match undone {
            Undone::Copies(to) => {
                let copies = if *count == 1 { "copy" } else { "copies" };
                write!(f, "{count} {copies} {are} missing at `{to}`")
            }
            Undone::Fetches(peer) => {
                write!(f, "{count} {archives} {are} still to be fetched from `{peer}`")
            }
            Undone::Prunes(place) | Undone::Expiries(place) => {
                write!(f, "{count} expired {archives} {are} still to be deleted at `{place}`")
            }
            Undone::Trash(place) => {
                write!(f, "{count} {archives} {are} still to leave the trash of `{place}`")
            }
            Undone::Readings(place) => {
                write!(f, "{count} {archives} {are} still to be read back at `{place}`")
            }
        }
    }
}

fn why(run: &Run) -> String {
    let hint = run.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("{}{hint}; `larder log {}` says more", run.summary, run.id)
}
