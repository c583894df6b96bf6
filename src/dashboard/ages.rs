//! How long ago something was, in words.

use jiff::Timestamp;

use super::words::Words;
use crate::api::dto::Moment;

/// `3 hours ago`; what a clock that goes ahead says to come was just now.
pub(super) fn ago(words: &Words, at: &Moment, now: Timestamp) -> String {
    let seconds = now.duration_since(at.timestamp()).as_secs();
    let (number, unit) = match seconds {
        ..60 => return words.just_now.to_owned(),
        60..5_400 => ((seconds + 30) / 60, 0),
        5_400..172_800 => ((seconds + 1_800) / 3_600, 2),
        _ => ((seconds + 43_200) / 86_400, 4),
    };
    let unit = words.age_units.split(' ').nth(unit + usize::from(number != 1)).unwrap_or_default();
    words.ago.replace('#', &format!("{number}\u{a0}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_unit_that_shows_how_long_it_is() {
        let now: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
        let of = |words: &Words, text: &str| {
            ago(words, &text.parse().unwrap(), now).replace('\u{a0}', " ")
        };
        for (at, english, french) in [
            ("2026-05-08T11:59:30Z", "just now", "à l’instant"),
            ("2026-05-08T12:30:00Z", "just now", "à l’instant"),
            ("2026-05-08T11:59:00Z", "1 minute ago", "il y a 1 minute"),
            ("2026-05-08T10:31:00Z", "89 minutes ago", "il y a 89 minutes"),
            ("2026-05-08T10:00:00Z", "2 hours ago", "il y a 2 heures"),
            ("2026-05-06T13:00:00Z", "47 hours ago", "il y a 47 heures"),
            ("2026-05-05T12:00:00Z", "3 days ago", "il y a 3 jours"),
            ("2020-05-08T12:00:00Z", "2191 days ago", "il y a 2191 jours"),
        ] {
            assert_eq!(of(&Words::ENGLISH, at), english);
            assert_eq!(of(&Words::FRENCH, at), french);
        }
    }
}
