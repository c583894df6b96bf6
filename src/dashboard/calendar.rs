//! The archives of a job on a calendar: which rule keeps each, and when it would leave.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

use super::parts::{archive_link, told_lines};
use super::words::Words;
use crate::api::dto::Archive;

/// The months in which there is an archive, the newest first.
pub(super) fn months(words: &Words, archives: &[Archive]) -> Markup {
    let mut by_month: BTreeMap<(i16, i8), BTreeMap<Date, Vec<&Archive>>> = BTreeMap::new();
    for archive in archives {
        let Ok(day) = archive.day.parse::<Date>() else { continue };
        let days = by_month.entry((day.year(), day.month())).or_default();
        days.entry(day).or_default().push(archive);
    }
    html! {
        div.months { @for ((year, month), days) in by_month.iter().rev() {
            @if let Ok(first) = Date::new(*year, *month, 1) { (one_month(words, first, days)) }
        } }
        p.faint { (words.rules_legend) }
    }
}

fn one_month(words: &Words, first: Date, days: &BTreeMap<Date, Vec<&Archive>>) -> Markup {
    let name = words.month_names.split(' ').nth(usize::try_from(first.month() - 1).unwrap_or(0));
    let before = first.weekday().since(Weekday::Monday);
    let cells = i32::from(before) + i32::from(first.days_in_month());
    let weeks = (cells + 6) / 7;
    html! {
        table.month {
            caption { (name.unwrap_or_default()) " " (first.year()) }
            thead { tr { @for day in words.weekday_names.split(' ') { th scope="col" { (day) } } } }
            tbody { @for week in 0..weeks { tr { @for weekday in 0..7 {
                @let number = week * 7 + weekday - i32::from(before) + 1;
                @match i8::try_from(number).ok().and_then(|n| Date::new(first.year(), first.month(), n).ok()) {
                    Some(day) => (one_day(words, day, days.get(&day))),
                    None => { td {} }
                }
            } } } }
        }
    }
}

fn one_day(words: &Words, day: Date, archives: Option<&Vec<&Archive>>) -> Markup {
    let Some(archives) = archives else {
        return html! { td { (day.day()) } };
    };
    // Copies of one archive are one archive: what keeps the first of them stands for the day.
    let Some(best) = archives.iter().max_by_key(|archive| (archive.good, stays(archive))) else {
        return html! { td { (day.day()) } };
    };
    let colour = match (best.good, stays(best)) {
        (false, _) => "unsound",
        (true, true) => "kept",
        (true, false) => "leaves",
    };
    let short: Vec<&str> = best
        .retention
        .iter()
        .flat_map(|kept| &kept.reasons)
        .filter_map(|reason| letter(words, reason))
        .collect();
    let reasons = best.retention.iter().flat_map(|kept| &kept.reasons);
    let reasons: Vec<&str> = reasons.map(String::as_str).collect();
    let whole = format!("{}: {}", best.name, reasons.join(", "));
    html! {
        td class=(colour) title=(whole) {
            (archive_link(&best.id, &best.location, &day.day().to_string()))
            small { (short.join(" ")) @if archives.len() > 1 { " ×" (archives.len()) } }
        }
    }
}

fn stays(archive: &Archive) -> bool {
    archive.retention.as_ref().is_none_or(|kept| kept.keep)
}

/// The rule that a reason names, as one letter of the legend.
fn letter<'a>(words: &'a Words, reason: &str) -> Option<&'a str> {
    let rule =
        ["daily", "weekly", "monthly", "yearly", "count", "pinned", "manual", "newest", "floor"]
            .iter()
            .position(|rule| reason.split([' ', ':']).next() == Some(rule))?;
    words.rule_letters.split(' ').nth(rule)
}

/// What keeps an archive, or lets it go.
pub(super) fn why(words: &Words, archive: &Archive) -> Markup {
    html! {
        @match &archive.retention {
            Some(kept) => (told_lines(words, &kept.reasons)),
            None => "–",
        }
    }
}

/// When it would leave.
pub(super) fn leaves(words: &Words, archive: &Archive) -> Markup {
    html! {
        @match &archive.retention {
            Some(kept) if !kept.keep => (words.now),
            Some(kept) => {
                @match &kept.leaves_on {
                    Some(day) => { time datetime=(day) { (day) } }
                    None => (words.stays),
                }
            }
            None => "–",
        }
    }
}
