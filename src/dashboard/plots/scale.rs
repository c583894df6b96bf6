//! From values to places, and which values are written at an axis.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::dashboard::parts;
use crate::dashboard::words::Words;

/// The most ticks of an axis of amounts, without 0.
const TICKS: f64 = 5.0;
/// The most of an axis of time.
const DATES: usize = 5;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An axis: its ends, and what is written where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Where a value is, from 0 to 1; what is beyond an end is at that end.
    pub(super) fn place(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// A whole number as one that can be drawn.
#[expect(clippy::cast_precision_loss, reason = "a plot is a thousand pixels wide")]
pub(super) fn number(whole: i64) -> f64 {
    whole as f64
}

/// A whole number that is never negative as one that can be drawn.
pub(super) fn amount(whole: u64) -> f64 {
    number(i64::try_from(whole).unwrap_or(i64::MAX))
}

/// Bytes from 0 to at least `most`, in round numbers of units of 1024.
pub(super) fn of_bytes(words: &Words, most: u64) -> Axis {
    let units = (0..6).map(|power| 1_u64 << (10 * power));
    let steps = units.flat_map(|unit| [1, 2, 5, 10, 20, 50, 100, 200, 500].map(|it| it * unit));
    let step = steps.clone().find(|step| amount(most) / amount(*step) <= TICKS);
    let step = step.unwrap_or(500 << 50);
    let count = most.div_ceil(step).max(1);
    let ticks = (0..=count).map(|nth| {
        let value = nth.saturating_mul(step);
        (amount(value), round_bytes(words, value))
    });
    Axis { from: 0.0, to: amount(count.saturating_mul(step)), ticks: ticks.collect() }
}

/// Bytes without a fraction where there is none.
fn round_bytes(words: &Words, value: u64) -> String {
    if value == 0 {
        return "0".to_owned();
    }
    parts::bytes(words, value).replace(&format!("{}0\u{a0}", words.decimal), "\u{a0}")
}

/// Seconds from 0 to at least `most`, in round numbers of what clocks count.
pub(super) fn of_seconds(words: &Words, most: f64) -> Axis {
    let small = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0].into_iter();
    let minutes = [1, 2, 5, 10, 15, 30].map(|it| number(it * MINUTE));
    let hours = [1, 2, 3, 6, 12].map(|it| number(it * HOUR));
    let days = [1, 2, 5, 10, 50, 100, 1000].map(|it| number(it * DAY));
    let steps = small.chain(minutes).chain(hours).chain(days);
    let step = steps.into_iter().find(|step| most / step <= TICKS).unwrap_or(number(1000 * DAY));
    let mut ticks = vec![(0.0, "0".to_owned())];
    let mut value = 0.0;
    while value < most || ticks.len() < 2 {
        value = step * amount(ticks.len() as u64);
        ticks.push((value, duration(words, value)));
    }
    Axis { from: 0.0, to: value, ticks }
}

/// A duration as people say it, in two units at most.
pub(super) fn duration(words: &Words, seconds: f64) -> String {
    let mut units = words.time_units.split(' ');
    let mut unit = || units.next().unwrap_or_default();
    let (second, minute, hour, day) = (unit(), unit(), unit(), unit());
    if seconds < 59.95 {
        let text = format!("{seconds:.1}");
        let text = text.strip_suffix(".0").unwrap_or(&text).replace('.', words.decimal);
        return format!("{text}\u{a0}{second}");
    }
    #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
    let whole = seconds.round() as i64;
    let two = |large: i64, name: &str, small: i64, other: &str| {
        let rest = if small > 0 { format!(" {small}\u{a0}{other}") } else { String::new() };
        format!("{large}\u{a0}{name}{rest}")
    };
    if whole < HOUR {
        two(whole / MINUTE, minute, whole % MINUTE, second)
    } else if whole < DAY {
        two(whole / HOUR, hour, whole % HOUR / MINUTE, minute)
    } else {
        two(whole / DAY, day, whole % DAY / HOUR, hour)
    }
}

/// Seconds of what a clock on the wall showed: days are drawn where they are there.
pub(super) fn seconds(at: DateTime) -> i64 {
    at.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second())
}

fn at(seconds: i64) -> Option<DateTime> {
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).datetime())
}

/// A time, with the days, months or hours that are in it. What is shorter than an hour is made one.
pub(super) fn of_time(from: i64, to: i64) -> Axis {
    let to = to.max(from.saturating_add(HOUR));
    let ticks = hours(from, to).or_else(|| days(from, to)).or_else(|| months(from, to));
    Axis {
        from: number(from),
        to: number(to),
        ticks: ticks.unwrap_or_default().into_iter().map(|(at, text)| (number(at), text)).collect(),
    }
}

type Ticks = Vec<(i64, String)>;

fn hours(from: i64, to: i64) -> Option<Ticks> {
    [15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR].into_iter().find_map(|step| {
        let first = from.div_euclid(step) * step;
        let all = (0..=i64::try_from(DATES).ok()? + 1).map(|nth| first + nth * step);
        let within: Vec<i64> = all.filter(|tick| (from..=to).contains(tick)).collect();
        let is_all = within.last().is_some_and(|last| last + step > to);
        (is_all && within.len() <= DATES).then(|| {
            let text = |at: DateTime| at.strftime("%m-%d %H:%M").to_string();
            within.iter().filter_map(|tick| Some((*tick, text(at(*tick)?)))).collect()
        })
    })
}

fn days(from: i64, to: i64) -> Option<Ticks> {
    let (first, last) = (at(from)?.date(), at(to)?.date());
    [1, 2, 7, 14].into_iter().find_map(|step: i64| {
        let mut ticks = Ticks::new();
        // Weeks begin on a Monday.
        let mut day = if step >= 7 {
            let before = i64::from(first.weekday().to_monday_zero_offset());
            first.checked_sub(before.days()).ok()?
        } else {
            first
        };
        while day <= last && ticks.len() <= DATES {
            let tick = seconds(day.to_datetime(jiff::civil::Time::midnight()));
            if tick >= from && tick <= to {
                ticks.push((tick, day.to_string()));
            }
            day = day.checked_add(step.days()).ok()?;
        }
        (ticks.len() <= DATES).then_some(ticks)
    })
}

fn months(from: i64, to: i64) -> Option<Ticks> {
    let (first, last) = (at(from)?.date(), at(to)?.date());
    [1_i32, 2, 3, 6, 12, 24, 60, 120, 600, 6000].into_iter().find_map(|step| {
        let mut ticks = Ticks::new();
        // Those of several months begin with a year, those of several years with a round one.
        let nth = i32::from(first.year()) * 12 + i32::from(first.month() - 1);
        let before = nth.rem_euclid(step);
        let mut month = first.first_of_month().checked_sub(before.months()).ok()?;
        while month <= last && ticks.len() <= DATES {
            let tick = seconds(month.to_datetime(jiff::civil::Time::midnight()));
            if tick >= from && tick <= to {
                ticks.push((tick, name_of(month, step)));
            }
            month = month.checked_add(step.months()).ok()?;
        }
        (ticks.len() <= DATES).then_some(ticks)
    })
}

fn name_of(month: Date, step: i32) -> String {
    month.strftime(if step % 12 == 0 { "%Y" } else { "%Y-%m" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(axis: &Axis) -> String {
        let texts: Vec<&str> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        texts.join(" | ").replace('\u{a0}', " ")
    }

    fn time(from: &str, to: &str) -> String {
        texts(&of_time(seconds(from.parse().unwrap()), seconds(to.parse().unwrap())))
    }

    #[test]
    fn amounts_begin_at_nothing_and_have_round_numbers() {
        let bytes = |most| texts(&of_bytes(&Words::ENGLISH, most));
        assert_eq!(bytes(0), "0 | 1 B");
        assert_eq!(bytes(900), "0 | 200 B | 400 B | 600 B | 800 B | 1000 B");
        assert_eq!(bytes(30_720), "0 | 10 KiB | 20 KiB | 30 KiB");
        assert_eq!(bytes(3 << 30), "0 | 1 GiB | 2 GiB | 3 GiB");
        assert_eq!(
            texts(&of_bytes(&Words::FRENCH, 1500 << 20)),
            "0 | 500 Mio | 1000 Mio | 1,5 Gio"
        );
        let seconds = |most| texts(&of_seconds(&Words::ENGLISH, most));
        assert_eq!(seconds(0.0), "0 | 0.1 s");
        assert_eq!(seconds(0.43), "0 | 0.1 s | 0.2 s | 0.3 s | 0.4 s | 0.5 s");
        assert_eq!(seconds(100.0), "0 | 30 s | 1 min | 1 min 30 s | 2 min");
        assert_eq!(seconds(9000.0), "0 | 30 min | 1 h | 1 h 30 min | 2 h | 2 h 30 min");
        assert_eq!(duration(&Words::FRENCH, 93_600.0), "1\u{a0}j 2\u{a0}h");
        assert_eq!(duration(&Words::FRENCH, 1.25), "1,2\u{a0}s");
    }

    #[test]
    fn times_have_hours_days_or_months() {
        insta::assert_snapshot!(time("2026-05-08T03:00:07", "2026-05-08T03:00:09"), @"05-08 03:15 | 05-08 03:30 | 05-08 03:45 | 05-08 04:00");
        insta::assert_snapshot!(time("2026-05-08T22:10", "2026-05-09T01:00"), @"05-08 23:00 | 05-09 00:00 | 05-09 01:00");
        insta::assert_snapshot!(time("2026-05-08T03:00", "2026-05-12T03:00"), @"2026-05-09 | 2026-05-10 | 2026-05-11 | 2026-05-12");
        insta::assert_snapshot!(time("2026-05-08T03:00", "2026-06-08T03:00"), @"2026-05-11 | 2026-05-18 | 2026-05-25 | 2026-06-01 | 2026-06-08");
        insta::assert_snapshot!(time("2026-01-08T03:00", "2026-12-08T03:00"), @"2026-03 | 2026-05 | 2026-07 | 2026-09 | 2026-11");
        insta::assert_snapshot!(time("2001-01-08T03:00", "2026-12-08T03:00"), @"2005 | 2010 | 2015 | 2020 | 2025");
    }

    proptest! {
        #[test]
        fn every_amount_is_on_its_axis(most in 0_u64..(1 << 55), seconds in 0.0_f64..1e8) {
            for (axis, most) in [
                (of_bytes(&Words::ENGLISH, most), amount(most)),
                (of_seconds(&Words::ENGLISH, seconds), seconds),
            ] {
                prop_assert!(axis.from <= 0.0 && axis.to >= most, "{axis:?}");
                prop_assert!((2..=7).contains(&axis.ticks.len()), "{axis:?}");
                prop_assert!(axis.ticks.windows(2).all(|pair| pair[0].0 < pair[1].0));
                prop_assert!((0.0..=1.0).contains(&axis.place(most)));
            }
        }

        #[test]
        fn every_time_has_a_few_ticks_within(from in -3_000_000_000_i64..9_000_000_000, long in 0_i64..5_000_000_000) {
            let axis = of_time(from, from + long);
            prop_assert!(axis.ticks.len() <= DATES, "{axis:?}");
            prop_assert!(axis.ticks.iter().all(|(at, _)| (axis.from..=axis.to).contains(at)));
            prop_assert!(long < 7200 || !axis.ticks.is_empty(), "{axis:?}");
        }
    }
}
