//! The longest wait between two instants of a schedule, without walking through all of them.

use jiff::{SignedDuration, ToSpan as _, Zoned};

use super::Compiled;
use super::clock::{self, Zone};
use super::fields::Fields;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// How many days are looked at on either side.
const DAYS: i32 = 366;

pub(super) fn longest(schedule: &Compiled, around: &Zoned) -> SignedDuration {
    let enclosing = enclosing(schedule, around).unwrap_or(0);
    let seconds = on_the_wall(&schedule.fields, around)
        .into_iter()
        .chain(over_transitions(schedule, around))
        .fold(enclosing, i64::max);
    SignedDuration::from_secs(seconds)
}

/// The gap that `around` lies in.
fn enclosing(schedule: &Compiled, around: &Zoned) -> Option<i64> {
    let from = clock::last_at_or_before(schedule, around)?;
    let to = clock::next_after(schedule, around)?;
    Some(to.timestamp().as_second() - from.timestamp().as_second())
}

/// The longest gap on a clock that never jumps: within a day, or from the last minute of one
/// named day to the first minute of the next.
fn on_the_wall(fields: &Fields, around: &Zoned) -> Option<i64> {
    let minutes: Vec<i64> = fields.minute.values().map(i64::from).collect();
    let hours: Vec<i64> = fields.hour.values().map(i64::from).collect();
    let widest = |values: &[i64]| values.windows(2).map(|pair| pair[1] - pair[0]).max();
    let (first, last) = (*minutes.first()?, *minutes.last()?);
    let in_the_hour = widest(&minutes).unwrap_or(0);
    let between_hours = widest(&hours).map_or(0, |hours| hours * 60 - last + first);
    let over_night = (hours.first()? * 60 + first) - (hours.last()? * 60 + last);

    let within = in_the_hour.max(between_hours) * MINUTE;
    let across = days_apart(fields, around).map(|days| days * DAY + over_night * MINUTE);
    Some(across.map_or(within, |across| across.max(within)))
}

/// The most days from one named day to the next; `None` when the horizon has less than two.
fn days_apart(fields: &Fields, around: &Zoned) -> Option<i64> {
    let unrestricted = |count: u32, all: u32| count == all;
    if unrestricted(fields.month.count(), 12)
        && unrestricted(fields.day.count(), 31)
        && unrestricted(fields.weekday.count(), 7)
    {
        return Some(1);
    }
    let start = around.date().checked_sub(DAYS.days()).ok()?;
    let mut weekday = start.weekday().to_sunday_zero_offset();
    let mut date = start;
    let (mut previous, mut longest) = (None, None);
    for number in 0..=i64::from(2 * DAYS) {
        let [month, day, of_week] = [date.month(), date.day(), weekday]
            .map(|part| u32::try_from(part).expect("parts of a date are positive"));
        if fields.names_date(month, day, of_week) {
            if let Some(previous) = previous {
                longest = longest.max(Some(number - previous));
            }
            previous = Some(number);
        }
        weekday = (weekday + 1) % 7;
        date = date.tomorrow().ok()?;
    }
    longest
}

/// The gaps that span a change of the clock.
fn over_transitions(schedule: &Compiled, around: &Zoned) -> Vec<i64> {
    let zone = Zone(around.time_zone());
    let now = around.timestamp().as_second();
    let horizon = i64::from(DAYS) * DAY;
    let mut found = Vec::new();
    let mut at = now - horizon;
    while let Some(transition) = zone.transition_after(at).filter(|next| *next < now + horizon) {
        let before = jiff::Timestamp::from_second(transition - 1).ok();
        let before = before.map(|before| before.to_zoned(around.time_zone().clone()));
        found.extend(before.and_then(|before| enclosing(schedule, &before)));
        at = transition;
    }
    found
}
