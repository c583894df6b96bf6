//! By how much something grows a day.

use jiff::{SignedDuration, Timestamp};

/// Fewer points tell nothing,
const LEAST_POINTS: usize = 5;
/// nor do those of a shorter time.
const LEAST_TIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// More are not compared with each other.
const MOST_POINTS: usize = 60;

/// Seconds of a day.
const DAY: i128 = 86_400;

/// Bytes a day: the median of the slopes between every two points (Theil and Sen), of which single
/// odd ones change nothing. Never less than nothing, and nothing where points tell too little.
/// The points are oldest first.
#[must_use]
pub(super) fn a_day(points: &[(Timestamp, u64)]) -> u64 {
    let points = &points[points.len().saturating_sub(MOST_POINTS)..];
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return 0 };
    if points.len() < LEAST_POINTS || last.duration_since(*first) < LEAST_TIME {
        return 0;
    }
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, (from, before)) in points.iter().enumerate() {
        for (to, after) in &points[index + 1..] {
            let seconds = i128::from(to.as_second()) - i128::from(from.as_second());
            if seconds > 0 {
                slopes.push((i128::from(*after) - i128::from(*before)) * DAY / seconds);
            }
        }
    }
    slopes.sort_unstable();
    let median = slopes.get(slopes.len() / 2).copied().unwrap_or(0);
    u64::try_from(median.max(0)).unwrap_or(u64::MAX)
}

/// What is `newest` big at one time and grows by `a_day`, at a later one.
#[must_use]
pub(super) fn grown(newest: u64, a_day: u64, from: Timestamp, to: Timestamp) -> u64 {
    let seconds = (i128::from(to.as_second()) - i128::from(from.as_second())).max(0);
    let grown = i128::from(newest) + i128::from(a_day).saturating_mul(seconds) / DAY;
    u64::try_from(grown).unwrap_or(u64::MAX)
}
