//! What a job with `*` stands for: the databases of a server, the installed apps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use super::job::JobSource;
use super::name::JobName;

/// What is known of the members of each job with `*`.
pub type Members = BTreeMap<JobName, Listing>;

/// What is known of the members of one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// What was asked, as [`asked`] words it: another server has other members.
    pub of: String,
    /// The members, as the newest listing that went well has them, and when that was.
    pub found: Option<Found>,
    /// The newest attempt that is over, and why it failed, if it did.
    pub tried: Option<Tried>,
    /// Whether they are being listed: their runs wait for that, no longer than its time limit.
    pub is_open: bool,
}

/// A listing that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The members, those that the configuration leaves out included.
    pub members: BTreeSet<String>,
    /// When they were listed.
    pub at: Timestamp,
}

/// An attempt to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// When it began.
    pub at: Timestamp,
    /// One line, when it failed.
    pub failure: Option<String>,
}

impl Listing {
    /// Why the newest attempt failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.tried.as_ref()?.failure.as_deref()
    }
}

/// Whom a source with `*` asks for its members, in one line without a secret; the same text means
/// that a listing still holds.
#[must_use]
pub fn asked(source: &JobSource) -> String {
    let database = match source {
        JobSource::Mysql(database) | JobSource::Postgresql(database) => database,
        JobSource::CustomDir(_) | JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => {
            return source.job_type().word().to_owned();
        }
    };
    let mut text = source.job_type().word().to_owned();
    let port = database.port.map(|port| port.to_string());
    let socket = database.socket.as_ref().map(|socket| socket.to_string_lossy());
    let parts = [
        ("host", database.host.as_deref()),
        ("port", port.as_deref()),
        ("socket", socket.as_deref()),
        ("user", database.user.as_deref()),
    ];
    for (key, value) in parts {
        if let Some(value) = value {
            // Writing to a `String` cannot fail.
            let _ = write!(text, " {key}={value}");
        }
    }
    text
}
