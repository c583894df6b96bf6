//! How each day of a job went: its calendar.
//!
//! A day is as good as its best backup: one that failed and then succeeded was a success. Where no
//! run is remembered, an archive of that day tells. A day is missed when the schedule named an
//! instant of it, the job was known as it is now, and nothing ran. What is too long ago for the
//! history is unknown, not missed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, Zoned};

use crate::model::run::{Run, RunStatus};
use crate::model::schedule::Schedule;
use crate::model::words::words;

words! {
    /// How a day went.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum DayState {
        /// Nobody remembers.
        Unknown = "unknown",
        /// Nothing was due, and nothing ran.
        Nothing = "nothing",
        /// Something was due, and nothing ran.
        Missed = "missed",
        /// Every backup failed, was cancelled or was interrupted.
        Error = "error",
        /// The best one ended with a warning.
        Warning = "warning",
        /// One succeeded.
        Success = "success",
    }
}

/// A day of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// The day, in the instance's zone.
    pub date: Date,
    /// How it went.
    pub state: DayState,
    /// How many backups ended that are remembered.
    pub runs: u32,
}

/// What is known of a job.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Its backups that are remembered, in any order.
    pub runs: &'a [Run],
    /// The days of its archives, and whether a good one is among them.
    pub archives: &'a BTreeMap<Date, bool>,
    /// Since when every run is remembered.
    pub remembered_since: Timestamp,
    /// The schedule, and since when it is what it is; `None` for one that is disabled or gone.
    pub schedule: Option<(&'a Schedule, Timestamp)>,
}

/// The last `count` days up to today, oldest first.
#[must_use]
pub fn days(known: &Known<'_>, count: u32, now: &Zoned) -> Vec<Day> {
    let zone = now.time_zone();
    let date_of = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let mut ran: BTreeMap<Date, (DayState, u32)> = BTreeMap::new();
    for run in known.runs {
        let state = match run.status {
            RunStatus::Queued | RunStatus::Running => continue,
            RunStatus::Success => DayState::Success,
            RunStatus::Warning => DayState::Warning,
            RunStatus::Error | RunStatus::Cancelled | RunStatus::Interrupted => DayState::Error,
        };
        let at = run.started_at.or(run.finished_at).unwrap_or(run.queued_at);
        let day = ran.entry(date_of(at)).or_insert((DayState::Unknown, 0));
        *day = (day.0.max(state), day.1.saturating_add(1));
    }
    for (date, is_good) in known.archives {
        let state = if *is_good { DayState::Success } else { DayState::Warning };
        ran.entry(*date).or_insert((state, 0));
    }
    let remembered = date_of(known.remembered_since);
    let back = i64::from(count).saturating_sub(1);
    let dates = (0..=back).rev().filter_map(|back| now.date().checked_sub(back.days()).ok());
    dates
        .map(|date| {
            let (state, runs) = ran.get(&date).copied().unwrap_or_else(|| {
                let state = if date < remembered {
                    DayState::Unknown
                } else if known.schedule.is_some_and(|it| was_due(it, date, now)) {
                    DayState::Missed
                } else {
                    DayState::Nothing
                };
                (state, 0)
            });
            Day { date, state, runs }
        })
        .collect()
}

/// Whether a schedule named an instant of that day that is over, since it is what it is.
fn was_due((schedule, since): (&Schedule, Timestamp), date: Date, now: &Zoned) -> bool {
    let Ok(from) = date.to_zoned(now.time_zone().clone()) else { return false };
    let before = from.timestamp().checked_sub(1.second()).unwrap_or(Timestamp::MIN);
    let after = before.max(since).to_zoned(now.time_zone().clone());
    // Today, what is due may be about to begin: a day is missed when it is over.
    schedule.next_after(&after).is_some_and(|due| due.date() == date && date < now.date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::{Cause, RunId, Work};

    fn at(text: &str) -> Timestamp {
        format!("{text}[Europe/Paris]").parse::<Zoned>().unwrap().timestamp()
    }

    fn run(started: &str, status: RunStatus) -> Run {
        Run {
            id: RunId(1),
            work: Work::Backup { job: "web".parse().unwrap() },
            cause: Cause::Manual,
            status,
            queued_at: at(started),
            started_at: Some(at(started)),
            finished_at: Some(at(started)),
            summary: String::new(),
            hint: None,
            archive: None,
            size_bytes: None,
            config_hash: None,
        }
    }

    fn check(schedule: Option<(&str, &str)>, runs: &[Run], archives: &[(&str, bool)]) -> String {
        let now: Zoned = "2026-05-08T12:00[Europe/Paris]".parse().unwrap();
        let archives = archives.iter().map(|(day, good)| (day.parse().unwrap(), *good)).collect();
        let parsed = schedule.map(|(text, since)| (Schedule::parse(text).unwrap(), at(since)));
        let known = Known {
            runs,
            archives: &archives,
            remembered_since: at("2026-05-03T00:00"),
            schedule: parsed.as_ref().map(|(schedule, since)| (schedule, *since)),
        };
        let days = days(&known, 8, &now);
        let words = days.iter().map(|day| format!("{} {}", day.date.day(), day.state.word()));
        words.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_day_is_as_good_as_its_best_run_and_what_nobody_remembers_is_not_missed() {
        let runs = [
            run("2026-05-04T03:00", RunStatus::Error),
            run("2026-05-04T03:15", RunStatus::Success),
            run("2026-05-05T03:00", RunStatus::Interrupted),
            run("2026-05-06T23:59", RunStatus::Warning),
            run("2026-05-08T03:00", RunStatus::Running),
        ];
        insta::assert_snapshot!(
            check(Some(("0 3 * * *", "2026-04-01T00:00")), &runs, &[("2026-05-02", true), ("2026-05-05", true)]),
            @"1 unknown, 2 success, 3 missed, 4 success, 5 error, 6 warning, 7 missed, 8 nothing"
        );
    }

    #[test]
    fn nothing_is_missed_before_the_schedule_was_what_it_is_or_while_it_is_off() {
        insta::assert_snapshot!(
            check(Some(("0 3 * * 2-6", "2026-05-05T12:00")), &[], &[]),
            @"1 unknown, 2 unknown, 3 nothing, 4 nothing, 5 nothing, 6 missed, 7 missed, 8 nothing"
        );
        assert!(!check(None, &[], &[]).contains("missed"));
    }
}
