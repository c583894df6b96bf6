//! Retention policies. What they keep is decided in `reconcile::judge`.
//!
//! **Invariant:** a [`Policy`] that was checked keeps at least one archive of a series that has a
//! good one; there is no policy that means "nothing".

use std::fmt;

use super::words::words;

/// The floor of a policy that names none.
pub const DEFAULT_MIN_DAYS: u32 = 3;

/// Which archives a policy keeps. Every number is checked: see each variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The N newest, N ≥ 1.
    Count(u32),
    /// The newest good one of each day A … A−N, N ≥ 1, where A is the day of the newest good archive.
    Daily(u32),
    /// Grandfather, father, son; at least one number is above 0.
    Gfs {
        /// Non-empty days.
        daily: u32,
        /// Non-empty ISO weeks.
        weekly: u32,
        /// Non-empty months.
        monthly: u32,
        /// Non-empty years.
        yearly: u32,
    },
}

words! {
    /// How a policy counts.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Counting {
        /// Archives.
        Count = "count",
        /// Days.
        Daily = "daily",
        /// Days, weeks, months and years.
        Gfs = "gfs",
    }
}

impl Mode {
    /// How it counts.
    #[must_use]
    pub fn counting(self) -> Counting {
        match self {
            Mode::Count(_) => Counting::Count,
            Mode::Daily(_) => Counting::Daily,
            Mode::Gfs { .. } => Counting::Gfs,
        }
    }

    /// Whether it would keep nothing of its own: such a policy is refused wherever one is read.
    #[must_use]
    pub fn is_empty(self) -> bool {
        match self {
            Mode::Count(value) | Mode::Daily(value) => value == 0,
            Mode::Gfs { daily, weekly, monthly, yearly } => {
                daily == 0 && weekly == 0 && monthly == 0 && yearly == 0
            }
        }
    }
}

/// `7 newest`, `7 days`, or `7 daily, 4 weekly, 3 monthly`, without the numbers that are 0.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Mode::Count(value) => write!(f, "{value} newest"),
            Mode::Daily(1) => write!(f, "1 day"),
            Mode::Daily(value) => write!(f, "{value} days"),
            Mode::Gfs { daily, weekly, monthly, yearly } => {
                let rules = [
                    (daily, "daily"),
                    (weekly, "weekly"),
                    (monthly, "monthly"),
                    (yearly, "yearly"),
                ];
                let mut between = "";
                for (number, word) in rules {
                    if number > 0 {
                        write!(f, "{between}{number} {word}")?;
                        between = ", ";
                    }
                }
                Ok(())
            }
        }
    }
}

/// A retention policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Its rule.
    pub mode: Mode,
    /// The floor: in `daily` and `gfs` the newest good one of the last so many non-empty days stays too.
    pub min_days: u32,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mode {
            Mode::Count(value) => write!(f, "count {value}"),
            Mode::Daily(value) => write!(f, "daily {value}"),
            Mode::Gfs { .. } => write!(f, "gfs {}", self.mode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_prints_only_the_numbers_that_count() {
        let gfs = Mode::Gfs { daily: 7, weekly: 0, monthly: 3, yearly: 0 };
        assert_eq!(Policy { mode: gfs, min_days: 3 }.to_string(), "gfs 7 daily, 3 monthly");
        assert_eq!(Policy { mode: Mode::Count(7), min_days: 3 }.to_string(), "count 7");
        assert_eq!(Mode::Daily(1).to_string(), "1 day");
        assert!(Mode::Gfs { daily: 0, weekly: 0, monthly: 0, yearly: 0 }.is_empty());
    }
}
