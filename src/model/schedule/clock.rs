//! From minutes of the wall clock to instants.
//!
//! [`Wall`] finds the next or last named minute on a clock that never jumps: the `cron` crate,
//! given canonical numeric lists and UTC in place of local time. The functions around it map
//! such minutes to instants by the transitions of the zone. Times are whole seconds: since the
//! epoch for instants, and the same count read off the wall clock for local times.

use std::ops::Range;
use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::Compiled;
use super::fields::{Field, Fields};

const DAY: i64 = 86_400;
/// The years 1970 to 2100, outside of which the crate answers nothing or nonsense.
const CALENDAR: Range<i64> = 0..4_133_980_800;

/// A wall clock without a zone, and the minutes that are named on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wall {
    /// One expression, or two of which either is enough: the crate has no "or" between day fields.
    either: Vec<cron::Schedule>,
}

impl Wall {
    pub(super) fn of(fields: &Fields) -> Self {
        let weekday = |value: u32| value + 1;
        let [minute, hour] = [list(&fields.minute, 60, 0), list(&fields.hour, 24, 0)];
        let month = list(&fields.month, 12, 0);
        let by_day = list(&fields.day, 31, 0);
        let by_weekday = list(&fields.weekday, 7, weekday(0));
        let pairs = if fields.both_days() {
            vec![(by_day.as_str(), by_weekday.as_str())]
        } else if fields.a_day_of_the_month_exists() {
            vec![(by_day.as_str(), "*"), ("*", by_weekday.as_str())]
        } else {
            vec![("*", by_weekday.as_str())]
        };
        let either = pairs.into_iter().map(|(day, weekday)| {
            let canonical = format!("0 {minute} {hour} {day} {month} {weekday}");
            cron::Schedule::from_str(&canonical).expect("checked numeric lists are understood")
        });
        Self { either: either.collect() }
    }

    /// The first named minute strictly after `after`.
    fn next(&self, after: i64) -> Option<i64> {
        let after = DateTime::<Utc>::from_timestamp(after.max(CALENDAR.start - 1), 0)?;
        self.either.iter().filter_map(|one| one.after(&after).next()).map(|at| at.timestamp()).min()
    }

    /// The last named minute at or before `at`.
    fn last(&self, at: i64) -> Option<i64> {
        if at < CALENDAR.start {
            return None;
        }
        let behind = DateTime::<Utc>::from_timestamp((at + 1).min(CALENDAR.end), 0)?;
        self.either
            .iter()
            .filter_map(|one| one.after(&behind).next_back())
            .map(|at| at.timestamp())
            .max()
    }
}

/// The values as a list for the crate, shifted; `*` when it is all of them.
fn list(field: &Field, all: u32, shift: u32) -> String {
    if field.count() == all {
        return "*".to_owned();
    }
    field.values().map(|value| (value + shift).to_string()).collect::<Vec<_>>().join(",")
}

pub(super) fn next_after(schedule: &Compiled, after: &Zoned) -> Option<Zoned> {
    let zone = Zone(after.time_zone());
    let after = after.timestamp().as_second() - i64::from(is_before_epoch_fraction(after));
    let found = if schedule.fields.follows_the_clock() {
        zone.next_following(&schedule.wall, after)
    } else {
        zone.next_fixed(&schedule.wall, after)
    }?;
    zone.zoned(found)
}

pub(super) fn last_at_or_before(schedule: &Compiled, at: &Zoned) -> Option<Zoned> {
    let zone = Zone(at.time_zone());
    let at = at.timestamp().as_second() - i64::from(is_before_epoch_fraction(at));
    let found = if schedule.fields.follows_the_clock() {
        zone.last_following(&schedule.wall, at)
    } else {
        zone.last_fixed(&schedule.wall, at)
    }?;
    zone.zoned(found)
}

/// Whether truncation to seconds went forward instead of back.
fn is_before_epoch_fraction(time: &Zoned) -> bool {
    time.timestamp().subsec_nanosecond() < 0
}

/// The transitions of a zone, in seconds.
pub(super) struct Zone<'a>(pub(super) &'a TimeZone);

impl Zone<'_> {
    fn zoned(&self, instant: i64) -> Option<Zoned> {
        Some(Timestamp::from_second(instant).ok()?.to_zoned(self.0.clone()))
    }

    fn offset_at(&self, instant: i64) -> Option<i64> {
        let offset = self.0.to_offset(Timestamp::from_second(instant).ok()?);
        Some(i64::from(offset.seconds()))
    }

    /// The first transition strictly after an instant.
    pub(super) fn transition_after(&self, instant: i64) -> Option<i64> {
        let instant = Timestamp::from_second(instant).ok()?;
        Some(self.0.following(instant).next()?.timestamp().as_second())
    }

    /// The last transition at or before an instant.
    fn transition_until(&self, instant: i64) -> Option<i64> {
        let behind = Timestamp::from_second(instant + 1).ok()?;
        Some(self.0.preceding(behind).next()?.timestamp().as_second())
    }

    /// The one instant of a fixed time: after the gap that swallows it, in the first of two passes.
    /// Never decreases as `wall` grows.
    fn instant(&self, wall: i64) -> Option<i64> {
        let offset = |offset: Offset| i64::from(offset.seconds());
        match self.ambiguity(wall)? {
            AmbiguousOffset::Unambiguous { offset: only } => Some(wall - offset(only)),
            AmbiguousOffset::Fold { before, .. } => Some(wall - offset(before)),
            AmbiguousOffset::Gap { after, .. } => self.transition_after(wall - offset(after)),
        }
    }

    fn ambiguity(&self, wall: i64) -> Option<AmbiguousOffset> {
        let local = TimeZone::UTC.to_datetime(Timestamp::from_second(wall).ok()?);
        Some(self.0.to_ambiguous_timestamp(local).offset())
    }

    /// The wall time up to which fixed times are over at `instant`. In the second pass of a
    /// repeated hour that is the end of the first pass.
    fn fixed_until(&self, instant: i64) -> Option<i64> {
        let wall = instant + self.offset_at(instant)?;
        match self.ambiguity(wall)? {
            AmbiguousOffset::Fold { before, after }
                if instant == wall - i64::from(after.seconds()) =>
            {
                let transition = self.transition_until(instant)?;
                Some(transition + i64::from(before.seconds()) - 1)
            }
            AmbiguousOffset::Fold { .. }
            | AmbiguousOffset::Gap { .. }
            | AmbiguousOffset::Unambiguous { .. } => Some(wall),
        }
    }

    fn next_fixed(&self, minutes: &Wall, after: i64) -> Option<i64> {
        let mut wall = self.fixed_until(after)?;
        loop {
            wall = minutes.next(wall)?;
            let instant = self.instant(wall)?;
            if instant > after {
                return Some(instant);
            }
        }
    }

    fn last_fixed(&self, minutes: &Wall, at: i64) -> Option<i64> {
        let wall = minutes.last(self.fixed_until(at)?)?;
        self.instant(wall)
    }

    /// Goes from one stretch of constant offset to the next until one has a named minute.
    fn next_following(&self, minutes: &Wall, after: i64) -> Option<i64> {
        let mut after = after;
        loop {
            let offset = self.offset_at(after + 1)?;
            let instant = minutes.next(after + offset)? - offset;
            let Some(end) = self.transition_after(after + 1) else { return Some(instant) };
            if instant < end {
                return Some(instant);
            }
            // Nothing is named on the wall clock for long: the stretches between need no look,
            // except the first, whose end may repeat minutes from before `after`.
            let far = end - after > DAY && instant - end > 2 * DAY;
            after = if far { instant - 2 * DAY } else { end - 1 };
        }
    }

    fn last_following(&self, minutes: &Wall, at: i64) -> Option<i64> {
        let mut at = at;
        loop {
            let offset = self.offset_at(at)?;
            let instant = minutes.last(at + offset)? - offset;
            let Some(start) = self.transition_until(at) else { return Some(instant) };
            if instant >= start {
                return Some(instant);
            }
            let far = at - start > DAY && start - instant > 2 * DAY;
            at = if far { instant + 2 * DAY } else { start - 1 };
        }
    }
}
