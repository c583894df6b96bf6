//! A schedule in English, and what is odd about it.

use super::fields::{Field, Fields, days_in};

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// So many times of a day are listed; more are described.
const LISTED: u32 = 6;

/// `every day at 03:00`, `every 15 minutes on Monday to Friday`.
pub(super) fn sentence(fields: &Fields) -> String {
    let (time, is_clock_time) = time(fields);
    let date = date(fields);
    match (date, is_clock_time) {
        (None, true) => format!("every day {time}"),
        (None, false) => time,
        (Some(date), true) => format!("{date} {time}"),
        (Some(date), false) => format!("{time}, {date}"),
    }
}

/// The times of a day, and whether they are clock times (`at 03:00`).
fn time(fields: &Fields) -> (String, bool) {
    let (minute, hour) = (&fields.minute, &fields.hour);
    let every_hour = hour.count() == 24;
    if !every_hour && minute.count() * hour.count() <= LISTED {
        let times = hour
            .values()
            .flat_map(|hour| minute.values().map(move |minute| format!("{hour:02}:{minute:02}")));
        return (format!("at {}", and(&times.collect::<Vec<_>>())), true);
    }
    let minutes = match step(minute, 60) {
        Some(1) => "every minute".to_owned(),
        Some(step) => format!("every {step} minutes"),
        None if every_hour && minute.count() == 1 && minute.has(0) => {
            return ("every hour".to_owned(), false);
        }
        None => {
            let plural = if minute.count() == 1 { "" } else { "s" };
            format!("at minute{plural} {}", ranges(minute, u32::to_string))
        }
    };
    if every_hour {
        let each = if minutes.starts_with("every") { "" } else { " of every hour" };
        return (format!("{minutes}{each}"), false);
    }
    let hours = if let Some(step) = step(hour, 24) {
        format!("of every {} hour", ordinal(step))
    } else {
        let plural = if hour.count() == 1 { "" } else { "s" };
        format!("of hour{plural} {}", ranges(hour, u32::to_string))
    };
    (format!("{minutes} {hours}"), false)
}

/// The days; `None` when it is every day.
fn date(fields: &Fields) -> Option<String> {
    let all_months = fields.month.count() == 12;
    let all_days = fields.day.count() == 31;
    let all_weekdays = fields.weekday.count() == 7;
    let month_names = ranges(&fields.month, |month| MONTHS[*month as usize - 1].to_owned());
    let of_months =
        if all_months { "of every month".to_owned() } else { format!("of {month_names}") };
    let weekdays = ranges(&fields.weekday, |weekday| WEEKDAYS[*weekday as usize].to_owned());
    let days = match fields.day.text.strip_prefix("*/").and_then(|step| step.parse().ok()) {
        Some(step) => format!("every {} day", ordinal(step)),
        None => format!("the {}", ranges(&fields.day, |day| ordinal(*day))),
    };
    let by_day = format!("on {days} {of_months}");
    let in_months = if all_months { String::new() } else { format!(" in {month_names}") };
    match (all_days, all_weekdays) {
        (true, true) if all_months => None,
        // A field that names everything without a `*` makes "either" come true on every day.
        (true, true) => Some(format!("every day{in_months}")),
        (true, false) | (false, true) if !fields.both_days() => {
            (!all_months).then(|| format!("every day{in_months}"))
        }
        (true, false) if fields.weekday.count() == 1 => {
            Some(format!("every {weekdays}{in_months}"))
        }
        (true, false) => Some(format!("on {weekdays}{in_months}")),
        (false, true) => Some(by_day),
        (false, false) if fields.both_days() => Some(format!("{by_day} if that is {weekdays}")),
        (false, false) => Some(format!("{by_day}, and on every {weekdays}{in_months}")),
    }
}

/// The step of a field that names 0, N, 2N… through the whole range, where N divides it.
fn step(field: &Field, size: u32) -> Option<u32> {
    let step = size.checked_div(field.count())?;
    let even = step * field.count() == size && field.values().all(|value| value % step == 0);
    (even && field.count() > 1).then_some(step)
}

/// `1, 5 and 7 to 9`.
fn ranges(field: &Field, name: impl Fn(&u32) -> String) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for value in field.values() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == value => *last = value,
            _ => runs.push((value, value)),
        }
    }
    let parts = runs.iter().flat_map(|(first, last)| match last - first {
        0 => vec![name(first)],
        1 => vec![name(first), name(last)],
        _ => vec![format!("{} to {}", name(first), name(last))],
    });
    and(&parts.collect::<Vec<_>>())
}

fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// What is legal and probably not meant.
pub(super) fn warnings(fields: &Fields) -> Vec<String> {
    let mut found = Vec::new();
    let (day, weekday) = (&fields.day, &fields.weekday);
    let restricted = day.count() < 31 && weekday.count() < 7;
    if restricted && fields.both_days() {
        let starred = if day.star { day } else { weekday };
        found.push(format!(
            "`{}` begins with `*`, so a day must satisfy both day fields: it runs {}",
            starred.text,
            sentence(fields)
        ));
    } else if restricted {
        found.push(format!(
            "a day that satisfies either of the day fields `{}` and `{}` is enough: it runs {}",
            day.text,
            weekday.text,
            sentence(fields)
        ));
    } else if !fields.both_days() && (day.count() < 31 || weekday.count() < 7) {
        found.push(format!(
            "one of the day fields `{}` and `{}` names every day without a `*`, and either is \
             enough: it runs every day",
            day.text, weekday.text
        ));
    }
    let days_count = restricted || weekday.count() == 7;
    let earliest = day.first();
    let skipped: Vec<String> = fields
        .month
        .values()
        .filter(|month| earliest > days_in(*month).min(if *month == 2 { 28 } else { 31 }))
        .map(|month| MONTHS[month as usize - 1].to_owned())
        .collect();
    if days_count && !skipped.is_empty() {
        let years = if earliest == 29 { " in most years" } else { "" };
        found.push(format!(
            "no day of `{}` exists in {}{years}: nothing runs by it then",
            day.text,
            and(&skipped)
        ));
    }
    for (field, size, unit, whole) in
        [(&fields.minute, 60, "minutes", "hour"), (&fields.hour, 24, "hours", "day")]
    {
        if let Some(odd) = odd_step(field, size) {
            found.push(format!(
                "`*/{odd}` does not divide the {whole}: it begins anew with each one, so that the \
                 last gap is not {odd} {unit}"
            ));
        }
    }
    found
}

/// The step of a field that is written `*/N` where N does not divide its range.
fn odd_step(field: &Field, size: u32) -> Option<u32> {
    let step: u32 = field.text.strip_prefix("*/")?.parse().ok()?;
    (!size.is_multiple_of(step)).then_some(step)
}
