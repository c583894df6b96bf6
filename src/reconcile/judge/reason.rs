//! The reasons of verdicts, typed; the API, the page, the plan and `why` all print the same ones.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::Date;

use crate::model::name::PlaceName;
use crate::model::retention::Mode;
use crate::model::run::RunId;

/// What needs an archive at the moment, so that it cannot leave.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hold {
    /// A copy of it is on its way.
    TransferTo(PlaceName),
    /// A run reads it.
    InUse(RunId),
    /// Copies that the job's goals want are missing.
    WaitingForCopies,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::TransferTo(place) => write!(f, "transfer to {place}"),
            Hold::InUse(run) => write!(f, "run {run} reads it"),
            Hold::WaitingForCopies => write!(f, "waiting for copies"),
        }
    }
}

/// Why an archive stays, or why it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Among the newest of a `count` policy.
    Count {
        /// Its place, 1 for the newest.
        place: u32,
        /// How many there may be.
        of: u32,
    },
    /// The newest good one of a day.
    Daily(Date),
    /// The newest good one of the ISO week that this day is in.
    Weekly(Date),
    /// The newest good one of the month that this day is in.
    Monthly(Date),
    /// The newest good one of the year that this day is in.
    Yearly(Date),
    /// The newest good one of the series.
    Newest,
    /// The newest good one of one of the last `min_days` days that have one.
    Floor,
    /// Somebody pinned it.
    Pinned,
    /// Something needs it.
    Held(Hold),
    /// It is dated ahead of the clock: in no rule until that is understood.
    Future,
    /// Partial, and nothing good is newer.
    Partial,
    /// Suspect.
    Suspect {
        /// The day on which it may leave.
        until: Date,
    },
    /// Of a manual run.
    Manual {
        /// The day on which it may leave.
        until: Date,
    },
    /// The newest of the manual runs.
    NewestManual,
    /// Damaged, and not older than what the policy keeps.
    Damaged,
    /// Its hash was never recorded.
    Unrecorded,
    /// It is not there.
    Lost,
    /// A peer sent it, and nothing of that peer can be deleted before this day.
    Immutable {
        /// The day on which it may leave.
        until: Date,
    },
    /// A peer sent it: it stays.
    Received,
    /// No policy rules its series.
    Orphaned,
    /// It leaves.
    Expired(Expired),
}

/// Why an archive leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expired {
    /// No rule of the policy reaches it.
    NotAmong(Mode),
    /// A newer good one of the same day stays.
    NotNewestOfDay(Date),
    /// Its day is before the window of a `daily` policy.
    BeforeWindow {
        /// Days in the window before the anchor.
        days: u32,
        /// The anchor.
        anchor: Date,
    },
    /// A newer one was received on the same day.
    NotNewestReceived(Date),
    /// Suspect for longer than the job wants.
    Suspect(SignedDuration),
    /// Of a manual run, and older than the job wants.
    Manual(SignedDuration),
    /// Partial, and a newer good one is there.
    PartialSuperseded,
    /// Partial, and enough newer ones are there.
    PartialOlder,
    /// Damaged, and older than everything that the policy keeps.
    Damaged,
    /// Its job was ended with `archives = "expire"`.
    Ended,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Count { place, of } => write!(f, "count {place} of {of}"),
            Reason::Daily(day) => write!(f, "daily {day}"),
            Reason::Weekly(day) => {
                let week = day.iso_week_date();
                write!(f, "weekly {}-W{:02}", week.year(), week.week())
            }
            Reason::Monthly(day) => write!(f, "monthly {}", day.strftime("%Y-%m")),
            Reason::Yearly(day) => write!(f, "yearly {}", day.year()),
            Reason::Newest => f.write_str("newest"),
            Reason::Floor => f.write_str("floor"),
            Reason::Pinned => f.write_str("pinned"),
            Reason::Held(hold) => write!(f, "held: {hold}"),
            Reason::Future => f.write_str("dated in the future"),
            Reason::Partial => f.write_str("partial: nothing good is newer"),
            Reason::Suspect { until } => write!(f, "suspect: until {until}"),
            Reason::Manual { until } => write!(f, "manual: until {until}"),
            Reason::NewestManual => f.write_str("newest manual"),
            Reason::Damaged => f.write_str("damaged: until the policy keeps only newer ones"),
            Reason::Unrecorded => f.write_str("no recorded hash"),
            Reason::Lost => f.write_str("lost"),
            Reason::Immutable { until } => write!(f, "immutable: until {until}"),
            Reason::Received => f.write_str("received: nobody said what it is"),
            Reason::Orphaned => f.write_str("orphaned"),
            Reason::Expired(why) => write!(f, "expired: {why}"),
        }
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expired::NotAmong(Mode::Count(1)) => f.write_str("not the newest"),
            Expired::NotAmong(mode @ Mode::Gfs { .. }) => write!(f, "not among {mode}"),
            Expired::NotAmong(mode) => write!(f, "not among the {mode}"),
            Expired::NotNewestOfDay(day) => write!(f, "not the newest of {day}"),
            Expired::BeforeWindow { days, anchor } => {
                let mode = Mode::Daily(*days);
                write!(f, "more than {mode} before {anchor}")
            }
            Expired::NotNewestReceived(day) => write!(f, "not the newest received on {day}"),
            Expired::Suspect(keep) => write!(f, "suspect for more than {}", Days(*keep)),
            Expired::Manual(keep) => write!(f, "manual, older than {}", Days(*keep)),
            Expired::PartialSuperseded => f.write_str("partial, and a good one is newer"),
            Expired::PartialOlder => f.write_str("partial, and newer ones are enough"),
            Expired::Damaged => f.write_str("damaged, and older than all that the policy keeps"),
            Expired::Ended => f.write_str("its job is ended with `archives = \"expire\"`"),
        }
    }
}

/// A duration as people write it in the configuration.
pub(crate) struct Days(pub(crate) SignedDuration);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_hours() / 24, self.0.as_secs() % 86_400) {
            (1, 0) => f.write_str("1 day"),
            (days, 0) => write!(f, "{days} days"),
            _ => write!(f, "{:#}", self.0),
        }
    }
}
