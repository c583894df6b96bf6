//! Schedules with the exact semantics of crontab(5) as Debian's cron carries them out.
//!
//! A schedule names minutes of the wall clock. Which instants those are in a zone whose clock
//! jumps follows Debian's cron: what is written with `*` in the minute or the hour follows the
//! clock, through both passes of an autumn hour and over a spring gap; a fixed time runs exactly
//! once, right after the gap that swallowed it, and in the first pass of a repeated hour.
//!
//! **Invariant:** this is the only module that knows the `cron` and `chrono` crates, and they only
//! ever see a wall clock without a zone.

use std::ops::Range;
use std::sync::Arc;

use jiff::{SignedDuration, Zoned};

mod fields;
mod clock;
mod gap;
mod words;

/// A checked five-field crontab expression (or `@daily` and its like).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    inner: Arc<Compiled>,
}

/// What a text means, ready for use.
#[derive(Debug, PartialEq, Eq)]
struct Compiled {
    fields: fields::Fields,
    wall: clock::Wall,
}

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// What is wrong, with the offending word in backticks.
    pub message: String,
    /// Where in the text, in bytes.
    pub span: Range<usize>,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl Schedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// Wrong number of fields, a value out of its range, a date that never comes (31 February).
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields = fields::parse(text)?;
        let wall = clock::Wall::of(&fields);
        Ok(Self { text: text.to_owned(), inner: Arc::new(Compiled { fields, wall }) })
    }

    /// The expression as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first instant strictly after `after` that the schedule names, in `after`'s zone;
    /// `None` when there is none before the year 2101.
    #[must_use]
    pub fn next_after(&self, after: &Zoned) -> Option<Zoned> {
        clock::next_after(&self.inner, after)
    }

    /// The last instant at or before `at` that the schedule named, in `at`'s zone; `None` when
    /// there is none after the year 1969.
    #[must_use]
    pub fn last_at_or_before(&self, at: &Zoned) -> Option<Zoned> {
        clock::last_at_or_before(&self.inner, at)
    }

    /// The longest time between two instants near `around`: what `max_age = "auto"` is made of.
    ///
    /// Looks one year back and one ahead, clock changes included, and always at the pair that
    /// encloses `around`.
    #[must_use]
    pub fn longest_gap(&self, around: &Zoned) -> SignedDuration {
        gap::longest(&self.inner, around)
    }

    /// The schedule in English words, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        words::sentence(&self.inner.fields)
    }

    /// What is legal but probably not meant, for instance `*/2` beside a restricted other day field.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        words::warnings(&self.inner.fields)
    }
}

#[cfg(test)]
mod tests;
