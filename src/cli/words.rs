//! Numbers and names for people: sizes, ages, durations, names without control characters.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::model::size::Bytes;

/// A size in binary units.
pub(super) fn size(bytes: u64) -> String {
    Bytes(bytes).to_string()
}

/// `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(clippy::cast_possible_truncation, reason = "nobody waits for 10^18 seconds")]
    let whole = seconds.round() as i64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// One unit is enough to see how long it is: `5 min`, `3 h`, `12 d`.
fn rough(span: SignedDuration) -> String {
    let seconds = span.as_secs().abs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..5_400 => ((seconds + 30) / 60, "min"),
        5_400..172_800 => ((seconds + 1_800) / 3_600, "h"),
        _ => ((seconds + 43_200) / 86_400, "d"),
    };
    format!("{count} {unit}")
}

/// `3 h ago`, `in 5 min`, `now`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let span = at.duration_since(now);
    if span.as_secs() == 0 {
        "now".to_owned()
    } else if span.is_positive() {
        format!("in {}", rough(span))
    } else {
        format!("{} ago", rough(span))
    }
}

/// A name as it may be printed: control characters and what turns the direction of text are shown
/// as escapes, since names come from other people's files.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            let _ = write!(clean, "{}", character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// A text of several lines as it may be printed: each is [`clean`].
pub(super) fn clean_lines(text: &str) -> String {
    let mut clean_text = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        // Tabs are harmless, and programs whose output stands in a log use them.
        let parts: Vec<String> = line.split('\t').map(clean).collect();
        clean_text.push_str(&parts.join("\t"));
        clean_text.push_str(end);
    }
    clean_text
}

/// `1 archive`, `2 archives`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A part of a path of the API.
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A path with those parameters that have a value.
pub(super) fn query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs: Vec<_> = given.map(|(name, value)| format!("{name}={}", segment(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}
