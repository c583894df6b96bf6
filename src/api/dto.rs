//! What the API says and the command line reads: one struct for each resource.
//!
//! The words are those of the specification; what larder adds stands behind them. Both sides of a
//! connection use these structs, so that no command can read what no endpoint writes.
//! **Invariant:** serialised forms of the model exist here and nowhere else in the API; every time
//! carries the offset of the instance's zone.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

mod archive;
mod contents;
mod coverage;
mod event;
mod health;
mod job;
mod location;
mod network;
mod pairing;
mod notices;
mod peer;
mod plan;
mod restore;
mod run;
mod space;
mod upload;
mod seen;
pub(super) mod words;
pub(crate) use words::CONDITIONS;
#[cfg(test)]
pub(crate) use words::shown_words;

pub use crate::model::peer::shown_host;
pub use archive::{Archive, Candidate, Counts, Entry, Foreign, Kept};
pub use contents::{ContentsEntry, readable};
pub use coverage::Covered;
pub use event::{Overview, Reset};
pub use health::{Checked, ConfigHealth, Diagnostic, EffectiveConfig, Executor, Health};
pub use job::{Job, JobDay, LastDrill, Retention, Verdict};
pub use location::Location;
pub use network::{Held, Member, MemberJob, MemberRun, Urgency, troubled, urgent_first};
pub use notices::{NoticeTarget, NoticeTest, NoticeTestRequest, Notices};
pub use pairing::{
    Invitation, InvitationCode, NewInvitation, NewPeer, PairingOffer, PairingWelcome, PeerDraft,
    PeerKindHere, PeerKinds, PeerMistake, PeerRemoval,
};
pub use peer::{Holdings, Peer, Shares, Stored};
pub use plan::{
    Action, Blocked, BlockedArchive, Day, Ended, Note, Plan, SeriesName, Simulated, Unlisted,
};
pub use restore::{RestorePlan, RestoreResult, RestoreStatus, RestoreStep, SetAside};
pub use run::{Accepted, Progress, Run};
pub use seen::{
    HealthSummary, JobSummary, LastRun, LocationSummary, RunSummary, SeenHealth, SeenJob,
    SeenLocation, SeenRun, SeenVerdict, VerdictSummary,
};
pub use space::{Forecast, Space, SpacePoint};
pub use upload::{UploadFinished, UploadLanding, UploadStart, UploadState, UploadedChunk};

/// An instant with the offset that its zone had then; RFC 3339 on the wire, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    at: Timestamp,
    offset: Offset,
}

impl Moment {
    /// The instant as a clock in `zone` shows it.
    #[must_use]
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        let millis = at.as_millisecond();
        let at = Timestamp::from_millisecond(millis).unwrap_or(at);
        Self { at, offset: zone.to_offset(at) }
    }

    /// The instant.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.at
    }

    /// What a clock on the wall showed.
    #[must_use]
    pub fn civil(&self) -> DateTime {
        self.offset.to_datetime(self.at)
    }

    /// `2026-05-08 03:00`, for tables.
    #[must_use]
    pub fn short(&self) -> String {
        self.civil().strftime("%Y-%m-%d %H:%M").to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at.display_with_offset(self.offset).fmt(f)
    }
}

impl FromStr for Moment {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let at: Timestamp = text.parse()?;
        let pieces = jiff::fmt::temporal::Pieces::parse(text)?;
        Ok(Self { at, offset: pieces.to_numeric_offset().unwrap_or(Offset::UTC) })
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Moment {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Moment")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
