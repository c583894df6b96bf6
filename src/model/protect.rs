//! The outcome a job's owner wants: judged in the status, never a reason to delete.

use jiff::SignedDuration;

/// How old the newest good archive may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxAge {
    /// The longest gap of the schedule plus the job's time-out.
    Auto,
    /// A fixed age.
    Fixed(SignedDuration),
}

/// `protect = { max_age, copies, offsite, proven }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protect {
    /// How old the newest good archive may get.
    pub max_age: MaxAge,
    /// Distinct places that hold a good copy, the original included.
    pub copies: u32,
    /// How many of them must be off-site.
    pub offsite: u32,
    /// How long ago a restore may have been proved.
    pub proven: Option<SignedDuration>,
    /// Whether the job's owner wrote goals; without, the defaults are judged all the same.
    pub declared: bool,
}

impl Default for Protect {
    fn default() -> Self {
        Self { max_age: MaxAge::Auto, copies: 1, offsite: 0, proven: None, declared: false }
    }
}
