//! A message in words.

use jiff::Zoned;

use super::{Event, Item};
use crate::model::name::InstanceName;
use crate::reconcile::show;

/// The longest line that is told, in characters.
const LONGEST: usize = 1_000;
/// The longest that stands in a title.
const TITLE: usize = 120;

/// One line: control characters and what follows after many characters are left out.
#[must_use]
pub fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() || is_bidi(c) { ' ' } else { c });
    cut(&clean.collect::<String>(), LONGEST)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most).chain(['…']).collect()
}

/// Characters that change the order of others.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The title of a message: what it is about, or how much of what.
#[must_use]
pub fn title(instance: &InstanceName, items: &[Item]) -> String {
    let what = match items {
        [] => "nothing".to_owned(),
        [item] => {
            let word = item.event.word();
            let still = if item.reminder { "still " } else { "" };
            let subject = item
                .job
                .as_ref()
                .map_or_else(|| cut(&one_line(&item.text), TITLE), |job| format!("`{job}`"));
            format!("{still}{word}: {subject}")
        }
        items => {
            let counts = Event::ALL.into_iter().filter_map(|event| {
                let number = items.iter().filter(|item| item.event == event).count();
                (number > 0).then(|| format!("{number} × {}", event.word()))
            });
            counts.collect::<Vec<_>>().join(", ")
        }
    };
    format!("larder on {instance}: {what}")
}

/// The lines of a message, one for each item.
#[must_use]
pub fn text(items: &[Item], now: &Zoned) -> String {
    let lines = items.iter().map(|item| {
        let since = item.since.to_zoned(now.time_zone().clone());
        let lasted = now.timestamp().duration_since(item.since);
        let since = since.strftime("%Y-%m-%d %H:%M");
        let when = match (item.event, item.reminder) {
            (Event::Recovery, _) => format!(" (it lasted {})", show::duration(lasted)),
            (Event::Failure | Event::Overdue | Event::Blocked, true) => {
                format!(" (since {since}, for {})", show::duration(lasted))
            }
            (Event::Failure | Event::Overdue | Event::Blocked, false) => String::new(),
        };
        let still = if item.reminder { "still " } else { "" };
        format!("{still}{}: {}{when}", item.event.word(), one_line(&item.text))
    });
    lines.collect::<Vec<_>>().join("\n")
}
