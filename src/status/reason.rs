//! Why a job is not simply protected.

use std::fmt;

use jiff::SignedDuration;

use super::Verdict;
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::observed::Freeze;
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
        /// What was heard of peers: those that count, and those whose word is too old to count.
        heard: Vec<Heard>,
    },
    /// Fewer of them are off-site than are wanted.
    Offsite {
        /// How many are.
        have: usize,
        /// How many are wanted.
        want: u32,
        /// What was heard of off-site peers.
        heard: Vec<Heard>,
    },
    /// The newest archive is damaged.
    Damaged(ArchiveName, PlaceName),
    /// The newest archive is not there any more.
    Lost(ArchiveName, PlaceName),
    /// The newest archive is unlikely; with the reason.
    Suspect(ArchiveName, String),
    /// Files are missing in the newest archive.
    Partial(ArchiveName),
    /// The newest archive is there, and a drill could not bring back what it holds.
    Refuted(ArchiveName, String),
    /// The last drill of this job or series did not bring back what the archive held.
    DrillFailed(JobName, ArchiveName, String),
    /// The restore of this job or series cannot be proved on this host as it is.
    CannotProve(JobName, String),
    /// No drill ever proved that a restore of this job or series works.
    NeverProven {
        /// The job or series.
        of: JobName,
        /// How long ago that may be at most.
        goal: SignedDuration,
    },
    /// It is too long ago that a drill proved it.
    ProvenLongAgo {
        /// The job or series.
        of: JobName,
        /// How long ago.
        age: SignedDuration,
        /// How long ago that may be at most.
        goal: SignedDuration,
    },
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
    /// Nothing is deleted, or nothing is done at all; why is told once for all jobs.
    Frozen(Resting),
    /// Nobody knows what a job with `*` stands for; with the reason, where it was tried.
    Unlisted(Option<String>),
    /// What it stands for could not be listed again, and is taken as it was.
    ListedBefore {
        /// Why.
        failure: String,
        /// When it was listed last, in words.
        at: String,
    },
    /// It stands for nothing that is there.
    NoMembers,
    /// The job is disabled: its archives only get older.
    Disabled,
    /// A place whose copies count, although this host could delete them: whoever takes it over, too.
    SenderCanDelete(PlaceName),
}

/// What rests while something is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resting {
    /// Backups, copies and deletions.
    Everything,
    /// Deletions.
    Retention,
}

impl Resting {
    /// What rests for a freeze.
    #[must_use]
    pub fn for_freeze(freeze: &Freeze) -> Self {
        match freeze {
            Freeze::Recovery(_) => Self::Everything,
            Freeze::Clock(_) | Freeze::JobsVanished(_) => Self::Retention,
        }
    }
}

/// What a peer said of its copies, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The peer.
    pub peer: PlaceName,
    /// How long ago it said what it holds.
    pub age: SignedDuration,
    /// Whether that is recent enough to count.
    pub counts: bool,
}

impl Reason {
    /// What it makes of a job by itself.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Reason::NoArchive | Reason::Unlisted(_) => Verdict::Unprotected,
            // What good archives there are is out of reach.
            Reason::Copies { have, .. } if have.is_empty() => Verdict::Unprotected,
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
            | Reason::Refuted(..)
            | Reason::DrillFailed(..)
            | Reason::CannotProve(..)
            | Reason::NeverProven { .. }
            | Reason::ProvenLongAgo { .. }
            | Reason::Location(..)
            | Reason::LastRunFailed(_)
            | Reason::Blocked { .. }
            | Reason::ListedBefore { .. }
            | Reason::Frozen(_) => Verdict::AtRisk,
            Reason::NoMembers | Reason::Disabled | Reason::SenderCanDelete(_) => Verdict::Protected,
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
            Reason::Copies { have, want, held_beside, heard } => {
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
                tell(f, heard)
            }
            Reason::Offsite { have, want, heard } => {
                write!(f, "{have} of {want} off-site copies")?;
                tell(f, heard)
            }
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
            Reason::Refuted(name, why) => {
                write!(f, "the newest archive does not restore: {name}: {why}")
            }
            Reason::DrillFailed(of, name, why) => {
                write!(f, "the last drill of `{of}` failed: {name} does not restore: {why}")
            }
            Reason::CannotProve(of, why) => {
                write!(f, "whether `{of}` can be restored cannot be proved here: {why}")
            }
            Reason::NeverProven { of, goal } => write!(
                f,
                "no drill has proved a restore of `{of}` yet, every {} is the goal",
                show::duration(*goal)
            ),
            Reason::ProvenLongAgo { of, age, goal } => write!(
                f,
                "a restore of `{of}` was last proved {} ago, {} is the most",
                show::duration(*age),
                show::duration(*goal)
            ),
            Reason::Location(name, why) => write!(f, "location `{name}` cannot be used: {why}"),
            Reason::LastRunFailed(why) => write!(f, "the last run failed: {why}"),
            Reason::Blocked { location, archives, hash } => write!(
                f,
                "{archives} deletion{} at `{location}` wait{} for approval: `larder approve {hash}`",
                if *archives == 1 { "" } else { "s" },
                if *archives == 1 { "s" } else { "" },
            ),
            Reason::Frozen(Resting::Retention) => write!(f, "retention rests"),
            Reason::Frozen(Resting::Everything) => write!(f, "everything rests"),
            Reason::Unlisted(None) => write!(f, "what it stands for has not been listed yet"),
            Reason::Unlisted(Some(failure)) => {
                write!(f, "what it stands for cannot be listed: {failure}")
            }
            Reason::ListedBefore { failure, at } => write!(
                f,
                "what it stands for cannot be listed: {failure}; what was there at {at} stays in force"
            ),
            Reason::NoMembers => write!(f, "it stands for nothing that is there now"),
            Reason::Disabled => write!(f, "disabled: no new archives are made"),
            Reason::SenderCanDelete(place) => {
                write!(f, "the sender can delete these: the copies at `{place}`")
            }
        }
    }
}

/// Says how old the word of peers is.
fn tell(f: &mut fmt::Formatter<'_>, heard: &[Heard]) -> fmt::Result {
    for Heard { peer, age, counts } in heard {
        let age = show::duration(*age);
        if *counts {
            write!(f, "; what `{peer}` holds was heard {age} ago")?;
        } else {
            write!(f, "; nothing was heard of `{peer}` for {age}: its copies do not count")?;
        }
    }
    Ok(())
}
