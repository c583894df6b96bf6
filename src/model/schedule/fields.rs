//! Reads the five fields into bit sets, with errors that know where they are.
//!
//! The grammar is that of Debian's `entry.c`: lists of `*`, `*/STEP`, `N`, `N-M` and `N-M/STEP`,
//! with three-letter names for months and days of the week. **Invariant:** a [`Fields`] names at
//! least one day that exists.

use std::fmt::Write as _;
use std::ops::Range;

use super::ScheduleError;

/// One field: which values it names, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Bit N is set when the value N is named.
    bits: u64,
    /// Whether it begins with `*`, which decides how days combine and how clock changes are met.
    pub(super) star: bool,
    /// As written.
    pub(super) text: String,
}

impl Field {
    /// Whether it names `value`.
    pub(super) fn has(&self, value: u32) -> bool {
        value < 64 && self.bits >> value & 1 == 1
    }

    /// The values, ascending.
    pub(super) fn values(&self) -> impl Iterator<Item = u32> + '_ {
        (0..64).filter(|value| self.has(*value))
    }

    /// How many values it names.
    pub(super) fn count(&self) -> u32 {
        self.bits.count_ones()
    }

    /// The smallest value.
    pub(super) fn first(&self) -> u32 {
        self.bits.trailing_zeros()
    }
}

/// The five fields. Days of the week are 0 to 6, Sunday is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
}

impl Fields {
    /// Whether it runs by the wall clock through clock changes, as a wildcard job of cron does.
    pub(super) fn follows_the_clock(&self) -> bool {
        self.minute.star || self.hour.star
    }

    /// Whether a day has to satisfy both day fields (one begins with `*`), and not just either.
    pub(super) fn both_days(&self) -> bool {
        self.day.star || self.weekday.star
    }

    /// Whether a date is named.
    pub(super) fn names_date(&self, month: u32, day: u32, weekday: u32) -> bool {
        let (by_day, by_weekday) = (self.day.has(day), self.weekday.has(weekday));
        let day_fits = if self.both_days() { by_day && by_weekday } else { by_day || by_weekday };
        self.month.has(month) && day_fits
    }

    /// Whether any named month has any of the named days of the month.
    pub(super) fn a_day_of_the_month_exists(&self) -> bool {
        self.month.values().any(|month| self.day.values().any(|day| day <= days_in(month)))
    }
}

/// The most days that a month can have.
pub(super) fn days_in(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What a field may hold.
struct Kind {
    one: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MINUTE: Kind = Kind { one: "minute", low: 0, high: 59, names: &[] };
const HOUR: Kind = Kind { one: "hour of the day", low: 0, high: 23, names: &[] };
const DAY: Kind = Kind { one: "day of the month", low: 1, high: 31, names: &[] };
const MONTH: Kind = Kind {
    one: "month",
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Kind = Kind {
    one: "day of the week",
    low: 0,
    high: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

const NICKNAMES: [(&str, &str); 7] = [
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Fields, ScheduleError> {
    let words = words(text);
    let whole = words.first().map_or(0, |word| word.start)..words.last().map_or(0, |w| w.end);
    if text[whole.clone()].starts_with('@') {
        return nickname(&text[whole.clone()], whole);
    }
    if words.len() != 5 {
        return Err(wrong_count(text, &words, whole));
    }
    let mut fields = Fields {
        minute: field(text, &words[0], &MINUTE)?,
        hour: field(text, &words[1], &HOUR)?,
        day: field(text, &words[2], &DAY)?,
        month: field(text, &words[3], &MONTH)?,
        weekday: field(text, &words[4], &WEEKDAY)?,
    };
    if fields.weekday.has(7) {
        fields.weekday.bits = (fields.weekday.bits | 1) & 0x7f;
    }
    // With either-or day fields the weekdays alone already name days.
    if fields.both_days() && !fields.a_day_of_the_month_exists() {
        let months: Vec<_> =
            fields.month.values().map(|month| MONTH.names[month as usize - 1]).collect();
        let longest = fields.month.values().map(days_in).max().unwrap_or(31);
        return Err(ScheduleError {
            message: format!(
                "`{} {}` is a date that never comes",
                fields.day.text, fields.month.text
            ),
            span: words[2].start..words[3].end,
            hint: Some(match months.as_slice() {
                [only] => format!("`{only}` has {longest} days at most"),
                several => format!("the longest of {} has {longest} days", several.join(", ")),
            }),
        });
    }
    Ok(fields)
}

/// Byte ranges of what spaces and tabs separate.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices() {
        match (character == ' ' || character == '\t', start) {
            (true, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            (true, None) | (false, Some(_)) => {}
        }
    }
    found.extend(start.map(|from| from..text.len()));
    found
}

fn nickname(word: &str, span: Range<usize>) -> Result<Fields, ScheduleError> {
    if let Some((_, meaning)) = NICKNAMES.iter().find(|(name, _)| *name == word) {
        return parse(meaning);
    }
    if word.eq_ignore_ascii_case("@reboot") {
        return Err(ScheduleError {
            message: "`@reboot` names no time".to_owned(),
            span,
            hint: Some(
                "write when it is due, for instance `@daily`; what was missed while the machine \
                 was off is made up for with `catch_up = \"now\"`"
                    .to_owned(),
            ),
        });
    }
    let hint = nearest(word, NICKNAMES.iter().map(|(name, _)| *name)).map_or_else(
        || format!("one of {}", NICKNAMES.map(|(name, _)| format!("`{name}`")).join(", ")),
        |name| format!("did you mean `{name}`?"),
    );
    Err(ScheduleError { message: format!("`{word}` is not a schedule"), span, hint: Some(hint) })
}

fn wrong_count(text: &str, words: &[Range<usize>], whole: Range<usize>) -> ScheduleError {
    const ORDER: &str = "the fields are minute, hour, day of the month, month, day of the week";
    let span = words.get(5).map_or(whole.clone(), |sixth| sixth.start..whole.end);
    let (message, hint) = match words.len() {
        0 => (
            "a schedule cannot be empty".to_owned(),
            "write five fields, for instance `0 3 * * *` for every day at 03:00".to_owned(),
        ),
        count @ 1..=4 => (
            format!("`{}` has {count} of the five fields of a schedule", &text[whole]),
            format!("{ORDER}; for instance `0 3 * * *` for every day at 03:00"),
        ),
        _ => (
            format!("`{}` is more than the five fields of a schedule", &text[span.clone()]),
            format!("{ORDER}; there are none for seconds, years, users or commands"),
        ),
    };
    ScheduleError { message, span, hint: Some(hint) }
}

/// Reads one field.
fn field(text: &str, span: &Range<usize>, kind: &Kind) -> Result<Field, ScheduleError> {
    let word = &text[span.clone()];
    let mut bits = 0_u64;
    let mut start = span.start;
    for item in word.split(',') {
        let end = start + item.len();
        if item.is_empty() {
            return Err(ScheduleError {
                message: format!("the list `{word}` has a comma with nothing beside it"),
                span: span.clone(),
                hint: None,
            });
        }
        let (low, high, step) = self::item(text, start..end, kind)?;
        for value in (low..=high).step_by(step) {
            bits |= 1 << value;
        }
        start = end + 1;
    }
    Ok(Field { bits, star: word.starts_with('*'), text: word.to_owned() })
}

/// Reads one item of a list: its first value, its last one and its step.
fn item(text: &str, span: Range<usize>, kind: &Kind) -> Result<(u32, u32, usize), ScheduleError> {
    let item = &text[span.clone()];
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let range_end = span.start + range.len();
    let (low, high) = if range == "*" {
        (kind.low, kind.high)
    } else if let Some((first, last)) = range.split_once('-') {
        let middle = span.start + first.len();
        let low = value(first, span.start..middle, kind)?;
        let high = value(last, middle + 1..range_end, kind)?;
        if low > high {
            return Err(backwards(range, span.start..range_end, (low, high), kind));
        }
        (low, high)
    } else if let Some(rest) = range.strip_prefix('*') {
        return Err(ScheduleError {
            message: format!("`{item}` has `{rest}` behind the `*`"),
            span,
            hint: rest.parse::<u32>().is_ok().then(|| format!("did you mean `*/{rest}`?")),
        });
    } else {
        let only = value(range, span.start..range_end, kind)?;
        if let Some(step) = step {
            return Err(ScheduleError {
                message: format!("`{item}` has a step and no range"),
                span,
                hint: Some(format!("did you mean `{only}-{}/{step}`?", kind.high)),
            });
        }
        (only, only)
    };
    let step = match step {
        None => 1,
        Some(step) => match step.parse::<u32>() {
            Ok(number) if number > 0 && step.bytes().all(|byte| byte.is_ascii_digit()) => number,
            _ => {
                return Err(ScheduleError {
                    message: format!("`{step}` is not a step"),
                    span: range_end + 1..span.end,
                    hint: Some("a step is a number from 1".to_owned()),
                });
            }
        },
    };
    Ok((low, high, step as usize))
}

/// Reads a number or a name.
fn value(word: &str, span: Range<usize>, kind: &Kind) -> Result<u32, ScheduleError> {
    if let Some(index) = kind.names.iter().position(|name| name.eq_ignore_ascii_case(word)) {
        return Ok(kind.low + u32::try_from(index).expect("at most twelve names"));
    }
    let number = word.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_empty();
    match word.parse::<u32>() {
        Ok(value) if number && (kind.low..=kind.high).contains(&value) => Ok(value),
        _ => Err(ScheduleError {
            message: if word.is_empty() {
                format!("a {} is missing", kind.one)
            } else {
                format!("`{word}` is not a {}", kind.one)
            },
            span,
            hint: Some(hint_for_value(word, number, kind)),
        }),
    }
}

fn hint_for_value(word: &str, number: bool, kind: &Kind) -> String {
    let mut range = format!("{} to {}", kind.low, kind.high);
    if let ([first, ..], [.., last]) = (kind.names, kind.names) {
        let _ = write!(range, ", or `{first}` to `{last}`");
    }
    if number {
        return format!("a {} is {range}", kind.one);
    }
    if matches!(word, "?" | "L" | "W" | "LW") || word.contains('#') {
        return format!(
            "crontab(5) knows no `{word}`; a {} is {range}, and `*` means every one",
            kind.one
        );
    }
    // `monday` and `sept` begin with the right name; `mno` is a slip of the finger.
    let lower = word.to_ascii_lowercase();
    let begins = kind.names.iter().copied().find(|name| lower.starts_with(name));
    match begins.or_else(|| nearest(&lower, kind.names.iter().copied())) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("a {} is {range}", kind.one),
    }
}

fn backwards(
    range: &str,
    span: Range<usize>,
    (low, high): (u32, u32),
    kind: &Kind,
) -> ScheduleError {
    let instead = if kind.high == 7 && high == 0 {
        format!("{low}-7")
    } else {
        let tail = if low == kind.high { low.to_string() } else { format!("{low}-{}", kind.high) };
        let head = if high == kind.low { high.to_string() } else { format!("{}-{high}", kind.low) };
        format!("{tail},{head}")
    };
    ScheduleError {
        message: format!("the range `{range}` runs backwards"),
        span,
        hint: Some(format!("did you mean `{instead}`?")),
    }
}

/// The known word that is most like `word`, if any is like it at all.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 5 && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
