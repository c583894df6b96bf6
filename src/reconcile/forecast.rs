//! How much room archives will take at each location, and when it will be full.
//!
//! The rule, in words: every enabled job goes on making one good archive at each time of its
//! schedule, and retention judges its series after each, by the same judge that the daemon obeys
//! and before any brake. A coming archive is as large as the newest good one, and grows as those
//! that are there did ([`growth`]). What peers send goes on at the pace at which it came. What is
//! deleted fills the trash for as long as it stays there. Other data on the file system grows as it
//! was seen to. Locations on one file system take room from each other.
//!
//! A location is full on the first day on which the largest of its coming archives would not fit
//! any more beside the room that every run must leave.
//!
//! **Invariant:** pure, and bounded: a year ahead, day by day for five weeks and then week by week,
//! so that it is known however long the plan of each of these days would take.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::{ToSpan as _, Zoned};

use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::observed::{LocationState, Observed};
use crate::model::size::Bytes;
use crate::model::space::{SpaceHistory, SpaceSample};

mod growth;
mod series;

use series::Occupied;

/// Day by day so far ahead,
const DAYS: i64 = 35;
/// and week by week to there.
const HORIZON: i64 = 364;
/// So many of the newest samples tell how other data grows.
const SAMPLES: usize = 60;

/// A location at the end of a coming day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The day.
    pub day: Date,
    /// Bytes of its archives, without those in the trash.
    pub archives: u64,
    /// Bytes free, where that is known; 0 when there is less than nothing.
    pub free: Option<u64>,
}

/// What is foreseen of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// From today, as it is now, on; never empty.
    pub steps: Vec<Step>,
    /// The day from which on the next archive does not fit; `None` when that is not within the
    /// steps, or when nobody knows how much is free.
    pub full_on: Option<Date>,
    /// Whether any archive is foreseen here at all.
    pub is_fed: bool,
}

impl Forecast {
    /// The last day that is foreseen.
    #[must_use]
    pub fn until(&self) -> Date {
        self.steps.last().map_or(Date::ZERO, |step| step.day)
    }

    /// The most bytes that archives will take.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.steps.iter().map(|step| step.archives).max().unwrap_or(0)
    }

    /// The fewest bytes that will be free, where that is known.
    #[must_use]
    pub fn least_free(&self) -> Option<u64> {
        self.steps.iter().filter_map(|step| step.free).min()
    }

    /// In how many days it will be full.
    #[must_use]
    pub fn full_in(&self) -> Option<u32> {
        let today = self.steps.first()?.day;
        let days = today.until(self.full_on?).ok()?.get_days();
        u32::try_from(days).ok()
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.full_on, self.full_in()) {
            (Some(_), Some(0)) => f.write_str("full: the next archive does not fit"),
            (Some(day), Some(1)) => write!(f, "at this pace full tomorrow ({day})"),
            (Some(day), Some(days)) => {
                write!(f, "at this pace full in about {days} days ({day})")
            }
            (Some(day), None) => write!(f, "at this pace full on {day}"),
            (None, _) if !self.is_fed => f.write_str("no archive is foreseen here"),
            (None, _) => {
                write!(f, "stays below {} for the coming year", Bytes(self.highest()))
            }
        }
    }
}

/// What is foreseen of every location of the configuration.
#[must_use]
pub fn forecast(
    desired: &Desired,
    observed: &Observed,
    history: &SpaceHistory,
    now: &Zoned,
) -> BTreeMap<PlaceName, Forecast> {
    let days = days(now.date());
    let occupied = series::occupied(desired, observed, &days, now);
    let nothing = vec![Occupied::default(); days.len()];
    let of = |place: &PlaceName| occupied.get(place).unwrap_or(&nothing);
    let places = desired.locations.values();
    let foreseen = places.map(|location| {
        let name = &location.name;
        let shared = sharing(desired, observed, name);
        let room = match observed.locations.get(name) {
            Some(LocationState::Available { free, total }) => Some((*free, *total)),
            Some(LocationState::Unavailable(_) | LocationState::Suspect(_)) | None => None,
        };
        let others = room.map_or(0, |(_, total)| others_a_day(history, name, &shared, total));
        let here = of(name);
        let taken = |index: usize| -> i128 {
            shared.iter().map(|place| i128::from(of(place)[index].taken())).sum()
        };
        let mut full_on = None;
        let mut steps = Vec::with_capacity(days.len());
        for (index, day) in days.iter().enumerate() {
            let ahead = now.date().until(*day).map_or(0, |span| i128::from(span.get_days()));
            let free = room.map(|(free, _)| {
                i128::from(free) + taken(0) - taken(index) - i128::from(others) * ahead
            });
            let needed = i128::from(location.min_free.0) + i128::from(here[index].next);
            if full_on.is_none() && here[index].next > 0 && free.is_some_and(|free| free < needed) {
                full_on = Some(*day);
            }
            let free = free.map(|free| u64::try_from(free.max(0)).unwrap_or(u64::MAX));
            steps.push(Step { day: *day, archives: here[index].archives, free });
        }
        let is_fed = here.iter().any(|one| one.next > 0);
        (name.clone(), Forecast { steps, full_on, is_fed })
    });
    foreseen.collect()
}

fn days(today: Date) -> Vec<Date> {
    let weeks = (DAYS / 7 + 1..=HORIZON / 7).map(|week| week * 7);
    (0..=DAYS).chain(weeks).map_while(|ahead| today.checked_add(ahead.days()).ok()).collect()
}

/// The locations on the same file system, this one first.
fn sharing<'a>(
    desired: &'a Desired,
    observed: &Observed,
    name: &'a PlaceName,
) -> Vec<&'a PlaceName> {
    let number = |name: &PlaceName| observed.file_systems.get(name);
    let own = number(name);
    let others = desired.locations.keys();
    let others = others.filter(|other| *other != name && own.is_some() && number(other) == own);
    std::iter::once(name).chain(others).collect()
}

/// By how many bytes what is not ours grows a day on the file system of a location.
fn others_a_day(
    history: &SpaceHistory,
    name: &PlaceName,
    shared: &[&PlaceName],
    total: u64,
) -> u64 {
    let nothing = Vec::new();
    let of = |place: &PlaceName| history.get(place).unwrap_or(&nothing);
    let own = of(name);
    let newest = &own[own.len().saturating_sub(SAMPLES)..];
    let ours_on = |day: Date| -> Option<u64> {
        let samples = shared.iter().map(|place| {
            let samples = of(place);
            // What was never seen had nothing; what was not seen that day had who knows what.
            if samples.is_empty() {
                return Some(0);
            }
            let index = samples.binary_search_by_key(&day, |sample| sample.day).ok()?;
            Some(samples[index].archives.saturating_add(samples[index].trash))
        });
        samples.sum()
    };
    // Where the file system had another size, what was there then tells nothing of now.
    let points = newest.iter().filter(|sample| sample.total == total).filter_map(|sample| {
        let SpaceSample { day, free, total, .. } = *sample;
        let others = total.saturating_sub(free).saturating_sub(ours_on(day)?);
        let at = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some((at, others))
    });
    growth::a_day(&points.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
