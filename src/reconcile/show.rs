//! The plan as text: what `larder plan` prints.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::expiry::SeriesPass;
use super::{Action, Plan, Weight};
use crate::model::run::Work;
use crate::model::size::Bytes;

/// Width of the column that says what an action is about.
const SUBJECT: usize = 22;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.actions.is_empty() && self.blocked.is_empty() {
            writeln!(f, "nothing to do now")?;
        }
        for action in &self.actions {
            write_action(f, action, self)?;
        }
        for blocked in &self.blocked {
            let count = blocked.archives.len();
            let archives = if count == 1 { "archive" } else { "archives" };
            writeln!(
                f,
                "{:<11} {:<SUBJECT$} {count} {archives}, {}: {}",
                "blocked",
                blocked.series.job,
                Bytes(blocked.frees),
                blocked.reason
            )?;
            for (_, name, reason) in &blocked.archives {
                writeln!(f, "{:<11} {:<SUBJECT$}   {name}: {reason}", "", "")?;
            }
            writeln!(f, "{:<11} {:<SUBJECT$} larder approve {}", "", "", blocked.hash)?;
        }
        for note in &self.notes {
            let word = match note.weight {
                Weight::Problem => "problem",
                Weight::Remark => "note",
            };
            writeln!(f, "{word:<11} {}", note.text)?;
        }
        let needs: u64 = self.actions.iter().map(|action| action.needs).sum();
        let frees: u64 = self.actions.iter().map(|action| action.frees).sum();
        match (needs, frees) {
            (0, 0) => {}
            (needs, 0) => writeln!(f, "needs about {}", Bytes(needs))?,
            (0, frees) => writeln!(f, "frees {}", Bytes(frees))?,
            (needs, frees) => writeln!(f, "needs about {}, frees {}", Bytes(needs), Bytes(frees))?,
        }
        match self.wake_at {
            Some(wake) => {
                write!(f, "wake at {:.0}", wake.to_zoned(self.at.time_zone().clone()))
            }
            None => write!(f, "wakes only when something changes"),
        }
    }
}

fn write_action(f: &mut fmt::Formatter<'_>, action: &Action, plan: &Plan) -> fmt::Result {
    let subject = match &action.work {
        Work::Backup { job } | Work::Drill { job, .. } => job.to_string(),
        Work::Expire { series, .. } => format!("{} at {}", series.job, series.location),
        Work::Verify { archive, location } => {
            let has = |pass: &&SeriesPass| {
                pass.series.location == *location
                    && pass.verdicts.iter().any(|verdict| verdict.id == *archive)
            };
            match plan.passes.iter().find(has) {
                Some(pass) => format!("{} at {location}", pass.series.job),
                None => format!("at {location}"),
            }
        }
        Work::EmptyTrash { location, .. }
        | Work::Adopt { location, .. }
        | Work::Restore { location, .. } => format!("at {location}"),
        Work::Send { from, to, .. } | Work::Fetch { peer: from, to, .. } => {
            format!("{from} to {to}")
        }
        Work::Prune { peer, .. } => format!("at {peer}"),
    };
    let word = action.work.word();
    match action.reasons.as_slice() {
        [] => writeln!(f, "{word:<11} {subject}"),
        [first, rest @ ..] => {
            writeln!(f, "{word:<11} {subject:<SUBJECT$} {first}")?;
            rest.iter().try_for_each(|line| writeln!(f, "{:<11} {:<SUBJECT$} {line}", "", ""))
        }
    }
}

/// A moment for people: the time alone when it is today.
pub(crate) fn moment(at: Timestamp, now: &Zoned) -> String {
    let at = at.to_zoned(TimeZone::clone(now.time_zone()));
    let format = if at.date() == now.date() { "%H:%M" } else { "%F %H:%M" };
    at.strftime(format).to_string()
}

/// A moment for people who read it on another day, too.
pub(crate) fn dated(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%F %H:%M").to_string()
}

/// A duration in its two greatest units: `26 h`, `3 d 4 h`, `15 min`.
pub(crate) fn duration(length: SignedDuration) -> String {
    const DAY: i64 = 24 * 60;
    let minutes = length.as_mins().max(0);
    let (days, hours, rest) = (minutes / DAY, minutes % DAY / 60, minutes % 60);
    match (days, hours, rest) {
        (0, 0, 0) => format!("{} s", length.as_secs().max(0)),
        (0, 0, rest) => format!("{rest} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, rest) => format!("{hours} h {rest} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
