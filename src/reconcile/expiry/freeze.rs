//! What makes retention pause everywhere: a clock that cannot be trusted, jobs that went in a mass.
//!
//! The engine asks these at each reload and at each turn, stores a freeze, and lifts it: that of
//! the clock when a scheduled run succeeds, that of the jobs when somebody approves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::job::Job;
use crate::model::members::Found;
use crate::model::name::JobName;
use crate::model::observed::Freeze;
use crate::reconcile::expand::wanted;
use crate::reconcile::judge::FUTURE_TOLERANCE;

/// How far wall time may run ahead of the monotonic clock: a day of suspend and a change of zone
/// pass, a jump of days does not.
const JUMP_MAX: SignedDuration = SignedDuration::from_hours(36);

/// How wall time and the monotonic clock moved since they were last read together, in one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    /// What wall time was then.
    pub since: Timestamp,
    /// What the monotonic clock (the one that counts while suspended) advanced.
    pub monotonic: SignedDuration,
}

/// Whether the clock went back behind the latest time that was ever stored, or jumped ahead.
/// Steps of up to ten minutes back are those of time servers, and archives dated so little ahead
/// are in every rule.
#[must_use]
pub fn guards_clock(
    high_water: Option<Timestamp>,
    now: Timestamp,
    elapsed: Option<Elapsed>,
) -> Option<Freeze> {
    if let Some(high_water) = high_water
        && high_water.duration_since(now) > FUTURE_TOLERANCE
    {
        return Some(Freeze::Clock(format!(
            "the clock says {now}, and it was {high_water} already"
        )));
    }
    let Elapsed { since, monotonic } = elapsed?;
    let ahead = now.duration_since(since).saturating_sub(monotonic);
    (ahead > JUMP_MAX).then(|| {
        Freeze::Clock(format!(
            "the clock jumped from {since} to {now}, {} h more than went by",
            ahead.as_hours()
        ))
    })
}

/// Whether more than half of the jobs that were there before one reload are gone after it. A job
/// that was renamed (`formerly`) or ended (`state = "absent"`) is not gone.
#[must_use]
pub fn guards_jobs(before: &BTreeSet<JobName>, after: &BTreeMap<JobName, Job>) -> Option<Freeze> {
    let renamed: BTreeSet<&JobName> = after.values().flat_map(|job| &job.formerly).collect();
    let gone: Vec<&str> = before
        .iter()
        .filter(|name| !after.contains_key(*name) && !renamed.contains(name))
        .map(JobName::as_str)
        .collect();
    (gone.len() * 2 > before.len()).then(|| {
        Freeze::JobsVanished(format!(
            "{} of {} jobs went from the configuration at once: {}",
            gone.len(),
            before.len(),
            gone.join(", ")
        ))
    })
}

/// Whether more than half of the members that a job with `*` had are gone in one listing: what
/// was reached may be another server, or an empty one.
#[must_use]
pub fn guards_members(template: &Job, before: &Found, after: &Found) -> Option<Freeze> {
    let (before, after) = (wanted(template, before), wanted(template, after));
    let gone: Vec<String> =
        before.difference(&after).map(|member| member.escape_default().to_string()).collect();
    (gone.len() * 2 > before.len()).then(|| {
        Freeze::JobsVanished(format!(
            "{} of {} that `{}` stands for went at once: {}",
            gone.len(),
            before.len(),
            template.name,
            gone.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn frozen(high_water: &str, now: &str, elapsed: Option<(&str, i64)>) -> Option<String> {
        let elapsed = elapsed.map(|(since, hours)| Elapsed {
            since: at(since),
            monotonic: SignedDuration::from_hours(hours),
        });
        guards_clock(Some(at(high_water)), at(now), elapsed).map(|freeze| match freeze {
            Freeze::Clock(reason) | Freeze::JobsVanished(reason) | Freeze::Recovery(reason) => {
                reason
            }
        })
    }

    #[test]
    fn a_clock_that_went_back_or_jumped_ahead_freezes_retention() {
        let noon = "2026-05-08T12:00:00Z";
        assert_eq!(frozen(noon, noon, Some((noon, 0))), None);
        assert_eq!(frozen(noon, "2026-05-08T11:50:00Z", None), None);
        insta::assert_snapshot!(frozen(noon, "2026-05-08T11:49:59Z", None).unwrap(),
            @"the clock says 2026-05-08T11:49:59Z, and it was 2026-05-08T12:00:00Z already");
        assert_eq!(frozen(noon, "2026-05-10T00:00:00Z", Some((noon, 0))), None);
        insta::assert_snapshot!(frozen(noon, "2027-05-08T12:00:00Z", Some((noon, 1))).unwrap(),
            @"the clock jumped from 2026-05-08T12:00:00Z to 2027-05-08T12:00:00Z, 8759 h more than went by");
    }

    #[test]
    fn a_machine_that_was_off_or_suspended_for_long_freezes_nothing() {
        let (before, after) = ("2026-05-08T12:00:00Z", "2026-07-08T12:00:00Z");
        assert_eq!(frozen(before, after, None), None);
        assert_eq!(frozen(before, after, Some((before, 61 * 24))), None);
    }

    #[test]
    fn a_first_start_has_nothing_to_compare_with() {
        assert_eq!(guards_clock(None, at("1970-01-01T00:00:00Z"), None), None);
    }
}
