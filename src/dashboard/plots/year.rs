//! A year of a job, a day a square: did it run, and how did it go?

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

use crate::api::dto::JobDay;
use crate::dashboard::ask::with_query;
use crate::dashboard::parts::{table, tag};
use crate::dashboard::words::Words;

/// So many weeks stand in a half; a phone shows the newer half alone.
const HALF: usize = 26;
/// The side of a day with its margin.
const PITCH: usize = 14;
/// Room for the names of weekdays and of months.
const LEFT: usize = 26;
const TOP: usize = 18;
/// How many odd days are listed.
const LISTED: usize = 60;

/// The states in the order of a legend, and what is said of them where that is not a term.
const STATES: [&str; 6] = ["success", "warning", "error", "missed", "nothing", "unknown"];

/// The days of a year, read once.
pub(in crate::dashboard) struct Year {
    days: Vec<(Date, String)>,
}

impl Year {
    /// How many days fill the weeks of two halves up to today.
    pub(in crate::dashboard) fn days_wanted(today: Date) -> u32 {
        let weeks = u32::try_from(2 * HALF).unwrap_or(0);
        let in_this_week = u32::from(today.weekday().to_monday_zero_offset().unsigned_abs()) + 1;
        (weeks - 1) * 7 + in_this_week
    }

    pub(in crate::dashboard) fn of(days: &[JobDay]) -> Self {
        let parsed = days.iter().filter_map(|it| Some((it.day.parse().ok()?, it.state.clone())));
        Self { days: parsed.collect() }
    }

    fn count(&self, state: &str) -> usize {
        self.days.iter().filter(|(_, is)| is == state).count()
    }

    fn weeks(&self) -> BTreeMap<Date, Vec<(Date, &str)>> {
        let mut weeks: BTreeMap<Date, Vec<(Date, &str)>> = BTreeMap::new();
        for (day, state) in &self.days {
            let since = i64::from(day.weekday().since(Weekday::Monday));
            let Ok(monday) = day.checked_sub(since.days()) else { continue };
            weeks.entry(monday).or_default().push((*day, state.as_str()));
        }
        weeks
    }
}

fn word<'a>(words: &'a Words, state: &'a str) -> &'a str {
    match state {
        "missed" => words.day_missed,
        "nothing" => words.day_nothing,
        "unknown" => words.day_unknown,
        _ => words.term(state),
    }
}

/// The calendar of successes of a job.
pub(in crate::dashboard) fn year(words: &Words, job: &str, year: &Year) -> Markup {
    let weeks: Vec<(Date, Vec<(Date, &str)>)> = year.weeks().into_iter().collect();
    let from = weeks.len().saturating_sub(HALF);
    let (older, newer) = weeks.split_at(from);
    let counts: Vec<String> = STATES
        .iter()
        .map(|state| (state, year.count(state)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{} {count}", word(words, state)))
        .collect();
    let (Some(first), Some(last)) = (year.days.first(), year.days.last()) else {
        return html! {};
    };
    let description = format!("{} – {}{} {}", first.0, last.0, words.colon, counts.join(", "));
    html! {
        figure.plot.year role="group" aria-label=(words.successes) {
            div.halves role="img" aria-label=(format!("{}. {description}", words.successes)) {
                @if !older.is_empty() { (half(words, older, "older")) }
                (half(words, newer, "newer"))
            }
            ul.legend { @for state in STATES {
                @let count = year.count(state);
                @if count > 0 { li { (key(state)) (word(words, state)) " " strong { (count) } } }
            } }
            details { summary { (words.as_table) } (months(words, year)) (odd_days(words, job, year)) }
        }
    }
}

fn half(words: &Words, weeks: &[(Date, Vec<(Date, &str)>)], class: &str) -> Markup {
    let (width, height) = (LEFT + weeks.len() * PITCH, TOP + 7 * PITCH);
    let mut paths: BTreeMap<&str, String> = BTreeMap::new();
    let mut alone = Vec::new();
    for (column, (_, days)) in weeks.iter().enumerate() {
        for (day, state) in days {
            let row = usize::from(day.weekday().to_monday_zero_offset().unsigned_abs());
            let (x, y) = (LEFT + column * PITCH, TOP + row * PITCH);
            // What one points at has a title; of the rest there are many, and one form for all.
            if ["warning", "error", "missed"].contains(state) {
                alone.push((*day, *state, form(state, x, y)));
            } else {
                paths.entry(*state).or_default().push_str(&form(state, x, y));
            }
        }
    }
    html! {
        svg class=(class) viewBox=(format!("0 0 {width} {height}")) aria-hidden="true" {
            @for (column, name) in month_names(words, weeks) {
                text x=(LEFT + column * PITCH) y=(TOP - 6) { (name) }
            }
            @for (row, name) in words.weekday_names.split(' ').enumerate().step_by(2) {
                text x="0" y=(TOP + row * PITCH + 10) { (name) }
            }
            @for (state, path) in &paths { path class=(format!("day {state}")) d=(path) {} }
            @for (day, state, path) in &alone {
                path class=(format!("day {state}")) d=(path) {
                    title { (day) ": " (word(words, state)) }
                }
            }
        }
    }
}

/// The form of a day, with its corner there.
fn form(state: &str, x: usize, y: usize) -> String {
    let mut form = String::new();
    let _ = match state {
        "success" => write!(form, "M{x} {y}h12v12h-12z"),
        "warning" => write!(form, "M{} {}l6 11h-12z", x + 6, y),
        "error" => write!(form, "M{} {}l9 9m0-9l-9 9", x + 1, y + 1),
        "missed" => write!(form, "M{} {}a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", x + 1, y + 6),
        "nothing" => write!(form, "M{} {}h3v3h-3z", x + 4, y + 4),
        _ => write!(form, "M{} {}h4", x + 4, y + 6),
    };
    form
}

fn key(state: &str) -> Markup {
    html! {
        svg.key viewBox="0 0 16 16" aria-hidden="true" {
            path class=(format!("day {state}")) d=(form(state, 2, 2)) {}
        }
    }
}

/// The columns in which a month begins, with its name cut short.
fn month_names(words: &Words, weeks: &[(Date, Vec<(Date, &str)>)]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut before = None;
    for (column, (monday, _)) in weeks.iter().enumerate() {
        if before != Some(monday.month()) {
            let is_close = found.last().is_some_and(|(last, _)| column - last < 3);
            let nth = usize::try_from(monday.month() - 1).unwrap_or(0);
            let name = words.month_names.split(' ').nth(nth).unwrap_or_default();
            let is_cut = column + 2 > weeks.len();
            // Of the first month there may be a week only.
            if is_close && found.len() == 1 {
                found.clear();
            }
            if (!is_close || found.is_empty()) && !is_cut {
                // `Juin` and `Juil` differ in the fourth letter.
                let letters = if words.code == "en" { 3 } else { 4 };
                found.push((column, name.chars().take(letters).collect()));
            }
            before = Some(monday.month());
        }
    }
    found
}

/// How many days of each kind a month had.
fn months(words: &Words, year: &Year) -> Markup {
    let mut months: BTreeMap<Date, BTreeMap<&str, usize>> = BTreeMap::new();
    for (day, state) in &year.days {
        let of = months.entry(day.first_of_month()).or_default();
        *of.entry(state.as_str()).or_default() += 1;
    }
    table(
        words.successes,
        &html! {
            thead { tr {
                th scope="col" { (words.month) }
                @for state in STATES { th scope="col" { (word(words, state)) } }
            } }
            tbody { @for (month, counts) in months.iter().rev() { tr {
                th scope="row" { (month.strftime("%Y-%m").to_string()) }
                @for state in STATES { td.number { (counts.get(state).copied().unwrap_or(0)) } }
            } } }
        },
    )
}

fn odd_days(words: &Words, job: &str, year: &Year) -> Markup {
    let is_odd = |state: &str| ["warning", "error", "missed"].contains(&state);
    let odd: Vec<_> = year.days.iter().rev().filter(|(_, state)| is_odd(state)).collect();
    html! {
        @if !odd.is_empty() {
            p { a href=(with_query("runs", &[("job", job), ("kind", "backup")])) { (words.all_runs) } }
            ul { @for (day, state) in odd.iter().take(LISTED) { li {
                time datetime=(day) { (day) } " "
                @if state == "missed" { (words.day_missed) } @else { (tag(words, state)) }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_fifty_two_weeks_up_to_today_and_every_day_is_drawn() {
        for today in ["2026-05-04", "2026-05-08", "2026-05-10", "2028-02-29"] {
            let today: Date = today.parse().unwrap();
            let count = Year::days_wanted(today);
            assert!((358..=364).contains(&count), "{count}");
            let states = ["success", "warning", "error", "missed", "nothing", "unknown"];
            let days: Vec<JobDay> = (0..i64::from(count))
                .rev()
                .map(|back| JobDay {
                    day: today.checked_sub(back.days()).unwrap().to_string(),
                    state: states[usize::try_from(back % 6).unwrap()].to_owned(),
                    runs: 1,
                })
                .collect();
            let found = Year::of(&days);
            assert_eq!(found.weeks().len(), 2 * HALF);
            let first = found.weeks().keys().next().copied().unwrap();
            assert_eq!(first, found.days[0].0, "it begins on a Monday");
            let drawn = year(&Words::FRENCH, "web", &found).into_string();
            let squares = drawn.matches("h12v12h-12z").count();
            // One more in the legend.
            assert_eq!(squares, found.count("success") + 1);
            let odd: usize = ["warning", "error", "missed"].map(|it| found.count(it)).iter().sum();
            assert_eq!(drawn.matches("<title>").count(), odd);
        }
    }
}
