//! The rules of the three modes: independent of each other, OR-ed.
//!
//! **Invariant:** only good archives that are neither pinned nor held fill a slot, so that a pin
//! or a hold never costs another archive its place.

use jiff::civil::Date;

use super::{Candidate, Class, Expired, Reason, Standing, Verdict};
use crate::model::retention::{Mode, Policy};

/// A candidate for slots: its day, and its position from the newest.
type Slot = (Date, usize);

/// Writes into each verdict which rules keep its archive; `newest_first` and `verdicts` run alike.
pub(super) fn fill_slots(
    policy: &Policy,
    newest_first: &[&Candidate],
    standing: &Standing,
    verdicts: &mut [Verdict],
) {
    let (Some(newest), Some(anchor)) = (standing.newest_good, standing.anchor) else { return };
    let days = latest_day_first(newest_first, standing);
    let mut reserve = |slots: &[Slot], limit: u32, same: Same, reason: fn(Date) -> Reason| {
        // Within a week or a month the newest counts, wherever its day stands.
        let periods = slots.chunk_by(|a, b| same(a.0, b.0)).take(limit as usize);
        for &(day, position) in periods.filter_map(|slots| slots.iter().min_by_key(|slot| slot.1)) {
            verdicts[position].reasons.push(reason(day));
        }
    };
    match policy.mode {
        Mode::Count(of) => {
            let mut positions: Vec<usize> = days.iter().map(|slot| slot.1).collect();
            positions.sort_unstable();
            for (place, position) in (1..=of).zip(positions) {
                verdicts[position].reasons.push(Reason::Count { place, of });
            }
        }
        Mode::Daily(value) => {
            let first = first_day(anchor, value);
            let end = days.partition_point(|slot| slot.0 >= first);
            reserve(&days[..end], u32::MAX, same_day, Reason::Daily);
        }
        Mode::Gfs { daily, weekly, monthly, yearly } => {
            reserve(&days, daily, same_day, Reason::Daily);
            reserve(&days, weekly, same_week, Reason::Weekly);
            reserve(&days, monthly, same_month, Reason::Monthly);
            reserve(&days, yearly, same_year, Reason::Yearly);
        }
    }
    verdicts[newest].reasons.push(Reason::Newest);
    let floor = match policy.mode {
        Mode::Count(_) => 0,
        Mode::Daily(_) | Mode::Gfs { .. } => policy.min_days as usize,
    };
    for slots in days.chunk_by(|a, b| a.0 == b.0).take(floor) {
        let reasons = &mut verdicts[slots[0].1].reasons;
        // Said only where nothing else keeps it: elsewhere it would be noise.
        if reasons.is_empty() {
            reasons.push(Reason::Floor);
        }
    }
}

/// Why a good archive that no rule keeps leaves.
pub(super) fn why_expired(policy: &Policy, anchor: Option<Date>, archive: &Candidate) -> Expired {
    match (policy.mode, anchor) {
        (Mode::Daily(days), Some(anchor)) if archive.day < first_day(anchor, days) => {
            Expired::BeforeWindow { days, anchor }
        }
        (Mode::Daily(_), _) if !archive.received => Expired::NotNewestOfDay(archive.day),
        (Mode::Daily(_), _) => Expired::NotNewestReceived(archive.day),
        (Mode::Count(_) | Mode::Gfs { .. }, _) => Expired::NotAmong(policy.mode),
    }
}

/// The candidates for slots, ordered by day, the latest first, and within a day by age.
fn latest_day_first(newest_first: &[&Candidate], standing: &Standing) -> Vec<Slot> {
    let mut slots: Vec<Slot> = newest_first
        .iter()
        .enumerate()
        .filter(|(_, archive)| {
            archive.class == Class::Good
                && !archive.pinned
                && archive.holds.is_empty()
                && !standing.is_future(archive)
        })
        .map(|(position, archive)| (archive.day, position))
        .collect();
    slots.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    // What a peer sends in one day fills one slot at most, however it is dated.
    slots.dedup_by(|later, kept| {
        later.0 == kept.0 && newest_first[later.1].received && newest_first[kept.1].received
    });
    slots
}

/// The first day of a `daily` window.
fn first_day(anchor: Date, days: u32) -> Date {
    i64::from(days)
        .checked_neg()
        .and_then(|days| jiff::Span::new().try_days(days).ok())
        .and_then(|span| anchor.checked_add(span).ok())
        .unwrap_or(Date::MIN)
}

type Same = fn(Date, Date) -> bool;

fn same_day(a: Date, b: Date) -> bool {
    a == b
}

fn same_week(a: Date, b: Date) -> bool {
    let (a, b) = (a.iso_week_date(), b.iso_week_date());
    (a.year(), a.week()) == (b.year(), b.week())
}

fn same_month(a: Date, b: Date) -> bool {
    (a.year(), a.month()) == (b.year(), b.month())
}

fn same_year(a: Date, b: Date) -> bool {
    a.year() == b.year()
}
