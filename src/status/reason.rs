//! Why a job is not simply protected.

use std::fmt;

use jiff::SignedDuration;

use super::Verdict;
use crate::model::name::{ArchiveName, PlaceName};
use crate::reconcile::show;

/// One reason of a verdict; prints as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is no good archive.
    NoArchive,
    /// The newest good archive is older than the goal allows.
    TooOld {
        /// Its age.
        age: SignedDuration,
        /// The goal.
        max_age: SignedDuration,
    },
    /// Fewer places hold a good copy than are wanted.
    Copies {
        /// The places that do.
        have: Vec<PlaceName>,
        /// How many are wanted.
        want: u32,
        /// Whether more places hold one and do not count: one disk would take all of them along.
        held_beside: bool,
    },
    /// Fewer of them are off-site than are wanted.
    Offsite {
        /// How many are.
        have: usize,
        /// How many are wanted.
        want: u32,
    },
    /// The newest archive is damaged.
    Damaged(ArchiveName, PlaceName),
    /// The newest archive is not there any more.
    Lost(ArchiveName, PlaceName),
    /// The newest archive is unlikely; with the reason.
    Suspect(ArchiveName, String),
    /// Files are missing in the newest archive.
    Partial(ArchiveName),
    /// The job's location cannot be used; with the reason.
    Location(PlaceName, String),
    /// The last run failed; with its one line.
    LastRunFailed(String),
    /// Deletions wait for approval.
    Blocked {
        /// Where.
        location: PlaceName,
        /// How many archives.
        archives: usize,
        /// What to approve.
        hash: String,
    },
    /// Retention, or everything, rests; in words.
    Frozen(String),
    /// The job is disabled: its archives only get older.
    Disabled,
}

impl Reason {
    /// What it makes of a job by itself.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Reason::NoArchive => Verdict::Unprotected,
            Reason::TooOld { age, max_age } if *age > max_age.saturating_mul(2) => {
                Verdict::Unprotected
            }
            Reason::TooOld { .. }
            | Reason::Copies { .. }
            | Reason::Offsite { .. }
            | Reason::Damaged(..)
            | Reason::Lost(..)
            | Reason::Suspect(..)
            | Reason::Partial(_)
            | Reason::Location(..)
            | Reason::LastRunFailed(_)
            | Reason::Blocked { .. }
            | Reason::Frozen(_) => Verdict::AtRisk,
            Reason::Disabled => Verdict::Protected,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoArchive => write!(f, "no good archive"),
            Reason::TooOld { age, max_age } => write!(
                f,
                "the newest good archive is {} old, {} is the most",
                show::duration(*age),
                show::duration(*max_age)
            ),
            Reason::Copies { have, want, held_beside } => {
                let places: Vec<&str> = have.iter().map(PlaceName::as_str).collect();
                let places = if places.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", places.join(", "))
                };
                write!(f, "{} of {want} copies{places}", have.len())?;
                if *held_beside {
                    write!(f, "; further ones lie on the file system of the source")?;
                }
                Ok(())
            }
            Reason::Offsite { have, want } => write!(f, "{have} of {want} off-site copies"),
            Reason::Damaged(name, place) => {
                write!(f, "the newest archive is damaged: {name} at `{place}`")
            }
            Reason::Lost(name, place) => {
                write!(f, "the newest archive is gone from its place: {name} at `{place}`")
            }
            Reason::Suspect(name, why) => write!(f, "the newest archive is suspect: {name}: {why}"),
            Reason::Partial(name) => {
                write!(f, "the newest archive is partial, some files could not be read: {name}")
            }
            Reason::Location(name, why) => write!(f, "location `{name}` cannot be used: {why}"),
            Reason::LastRunFailed(why) => write!(f, "the last run failed: {why}"),
            Reason::Blocked { location, archives, hash } => write!(
                f,
                "{archives} deletions at `{location}` wait for approval: `larder approve {hash}`"
            ),
            Reason::Frozen(why) => f.write_str(why),
            Reason::Disabled => write!(f, "disabled: no new archives are made"),
        }
    }
}
