//! What retention says of each archive, for lists and for `why`.

use std::collections::{BTreeMap, BTreeSet};

use super::dto::Kept;
use crate::engine::View;
use crate::model::archive::{Archive, ArchiveId, Condition, CopyKey};
use crate::model::name::PlaceName;
use crate::reconcile::judge::Reason;
use crate::reconcile::simulate;

/// What retention says of these, by copy; nothing for what is in the trash.
pub(super) fn verdicts(view: &View, archives: &[&Archive]) -> BTreeMap<CopyKey, Kept> {
    let wanted: BTreeSet<(ArchiveId, &PlaceName)> =
        archives.iter().map(|archive| (archive.id, &archive.location)).collect();
    let passes = view.plan.passes.iter();
    let verdicts = passes.flat_map(|pass| {
        let of_these = pass.verdicts.iter();
        let of_these = of_these.filter(|one| wanted.contains(&(one.id, &pass.series.location)));
        of_these.map(|verdict| {
            let mut reasons: Vec<String> =
                verdict.reasons.iter().map(ToString::to_string).collect();
            if let Some(reason) = pass.orphaned() {
                say_orphaned(&mut reasons, reason);
            }
            let kept = Kept { keep: verdict.keep, reasons, leaves_on: None };
            (CopyKey::new(verdict.id, &pass.series.location), kept)
        })
    });
    verdicts.collect()
}

/// What retention says of these, by copy, with the day on which each would leave.
pub(super) fn verdicts_with_days(view: &View, archives: &[&Archive]) -> BTreeMap<CopyKey, Kept> {
    let mut kept = verdicts(view, archives);
    let wanted = kept.keys().cloned().collect();
    let days = simulate::when_each_leaves(&view.desired, &view.observed, &wanted, &view.at);
    for (copy, day) in days {
        if let Some(kept) = kept.get_mut(&copy) {
            kept.leaves_on = Some(day.to_string());
        }
    }
    kept
}

/// Says why nothing asks for an archive, in place of the bare word.
fn say_orphaned(reasons: &mut Vec<String>, why: &str) {
    let bare = Reason::Orphaned.to_string();
    reasons.retain(|reason| *reason != bare);
    reasons.push(format!("{bare}: {why}"));
}

/// What keeps one archive, and when it would leave.
pub(super) fn why(view: &View, archive: &Archive) -> Option<Kept> {
    let (desired, observed) = (&view.desired, &view.observed);
    let why = simulate::why(desired, observed, archive.id, &archive.location, &view.at)?;
    let mut reasons = why.reasons;
    if let (crate::reconcile::expiry::Ruling::Orphaned(reason), false) =
        (&why.ruling, matches!(archive.condition, Condition::Trashed { .. }))
    {
        say_orphaned(&mut reasons, reason);
    }
    Some(Kept { keep: why.keep, reasons, leaves_on: why.leaves_on.map(|day| day.to_string()) })
}
