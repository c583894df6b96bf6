//! `NAME.larder.json`: everything the catalogue needs, beside the archive that it describes.
//!
//! The catalogue can be rebuilt from these files alone, on another machine, by another version.
//! So unknown fields are ignored, words are the specification's, and a file that says it follows
//! a later schema is refused instead of half understood.
//!
//! **Invariant:** this is the only module that knows the form of the file; [`Archive`] knows
//! nothing of JSON.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::archive::{Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Sha256};
use crate::model::job::JobType;
use crate::model::name::{ArchiveName, PlaceName};

/// The schema that this version writes, and the latest that it reads.
pub const SCHEMA: u32 = 1;

/// What stands behind an archive's name.
pub const EXTENSION: &str = ".larder.json";

/// The most bytes that are read: a description is a few kilobytes, and what is larger is none.
pub const MAX: u64 = 1 << 20;

/// Why a text is not a sidecar.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// It is not JSON, or a field is missing or of another type.
    #[error("not a description of an archive")]
    Json(#[from] serde_json::Error),
    /// It was written by a later version.
    #[error("written in schema {0}, this version reads up to schema {SCHEMA}")]
    Newer(u32),
    /// A field has a value that it cannot have.
    #[error("`{field}` cannot be `{value}`")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

/// The text of an archive's sidecar. The location is not in it: a copy is where it is found.
///
/// # Panics
/// Never: strings, numbers and maps with string keys are JSON.
#[must_use]
pub fn to_text(archive: &Archive) -> String {
    let mut text = serde_json::to_string_pretty(&Stored::from(archive))
        .expect("strings, numbers and maps with string keys are JSON");
    text.push('\n');
    text
}

/// The archive that a sidecar at `location` describes. Its condition is `Present`, `Corrupt` or
/// `Trashed`, as far as the file can know.
///
/// # Errors
/// When the text is not a sidecar, or one of a later schema.
pub fn from_text(text: &[u8], location: &PlaceName) -> Result<Archive, SidecarError> {
    let head: Head = serde_json::from_slice(text)?;
    if head.schema > SCHEMA {
        return Err(SidecarError::Newer(head.schema));
    }
    serde_json::from_slice::<Stored>(text)?.into_archive(location)
}

#[derive(Deserialize)]
struct Head {
    schema: u32,
}

#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the format")]
struct Stored {
    schema: u32,
    id: uuid::Uuid,
    name: String,
    instance: String,
    job: String,
    #[serde(rename = "type")]
    job_type: String,
    label: String,
    created_at: Timestamp,
    day: Date,
    zone: String,
    content_size: u64,
    stream_size: u64,
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_sha256: Option<String>,
    codec: String,
    #[serde(default)]
    recipients: Vec<String>,
    outcome: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outcome_reasons: Vec<String>,
    #[serde(default)]
    partial_allowed: bool,
    how: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Of a copy: whether its original was made by hand.
    #[serde(default, skip_serializing_if = "is_false")]
    manual: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    #[serde(default)]
    pinned: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    corrupt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trashed_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refuted: Option<String>,
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_config: Option<Value>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Counts {
    files: u64,
    directories: u64,
    others: u64,
    skipped_sockets: u64,
    changed: u64,
    vanished: u64,
    unreadable: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl From<&Archive> for Stored {
    fn from(archive: &Archive) -> Self {
        let outcome_reasons = match &archive.outcome {
            Outcome::Good | Outcome::Partial => Vec::new(),
            Outcome::Suspect(reason) => vec![reason.clone()],
        };
        let from = match &archive.how {
            How::Scheduled | How::Manual | How::Adopted => None,
            How::Received { from } | How::Copied { from, .. } => Some(from),
        };
        let (corrupt, trashed_until) = match &archive.condition {
            Condition::Present | Condition::Lost | Condition::Unavailable => (false, None),
            Condition::Corrupt => (true, None),
            Condition::Trashed { until } => (false, Some(*until)),
        };
        Self {
            schema: SCHEMA,
            id: archive.id.0,
            name: archive.name.to_string(),
            instance: archive.origin.to_string(),
            job: archive.job.to_string(),
            job_type: archive.job_type.word().to_owned(),
            label: archive.label.to_string(),
            created_at: archive.created_at,
            day: archive.day,
            zone: archive.zone.clone(),
            content_size: archive.content_size,
            stream_size: archive.stream_size,
            file_size: archive.file_size,
            stream_sha256: archive.stream_sha256.map(|hash| hash.to_string()),
            file_sha256: archive.file_sha256.map(|hash| hash.to_string()),
            codec: archive.codec.to_string(),
            recipients: archive.recipients.clone(),
            outcome: archive.outcome.word().to_owned(),
            outcome_reasons,
            partial_allowed: archive.partial_allowed,
            how: archive.how.word().to_owned(),
            from: from.map(ToString::to_string),
            manual: matches!(archive.how, How::Copied { manual: true, .. }),
            received_at: archive.received_at,
            pinned: archive.pinned,
            corrupt,
            trashed_until,
            verified_at: archive.verified_at,
            refuted: archive.refuted.clone(),
            counts: Counts::from(archive.counts),
            config_hash: archive.config_hash.clone(),
            config_commit: archive.config_commit.clone(),
            job_config: archive.job_json.as_deref().map(|text| {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }),
        }
    }
}

impl Stored {
    fn into_archive(self, location: &PlaceName) -> Result<Archive, SidecarError> {
        let how = how(&self.how, self.from.as_deref(), self.manual)?;
        let condition = match self.trashed_until {
            Some(until) => Condition::Trashed { until },
            None if self.corrupt => Condition::Corrupt,
            None => Condition::Present,
        };
        Ok(Archive {
            id: ArchiveId(self.id),
            name: parse::<ArchiveName>("name", &self.name)?,
            origin: parse("instance", &self.instance)?,
            job: parse("job", &self.job)?,
            job_type: JobType::from_word(&self.job_type)
                .ok_or_else(|| wrong("type", &self.job_type))?,
            label: parse("label", &self.label)?,
            location: location.clone(),
            created_at: self.created_at,
            day: self.day,
            zone: self.zone,
            content_size: self.content_size,
            stream_size: self.stream_size,
            file_size: self.file_size,
            stream_sha256: hash("stream_sha256", self.stream_sha256.as_deref())?,
            file_sha256: hash("file_sha256", self.file_sha256.as_deref())?,
            codec: parse("codec", &self.codec)?,
            recipients: self.recipients,
            outcome: match self.outcome.as_str() {
                "good" => Outcome::Good,
                "partial" => Outcome::Partial,
                "suspect" => Outcome::Suspect(self.outcome_reasons.join("; ")),
                other => return Err(wrong("outcome", other)),
            },
            partial_allowed: self.partial_allowed,
            how,
            received_at: self.received_at,
            pinned: self.pinned,
            condition,
            verified_at: self.verified_at,
            refuted: self.refuted,
            counts: self.counts.into(),
            config_hash: self.config_hash,
            config_commit: self.config_commit,
            job_json: self.job_config.map(|value| match value {
                Value::String(text) => text,
                table => table.to_string(),
            }),
        })
    }
}

impl From<MemberCounts> for Counts {
    fn from(counts: MemberCounts) -> Self {
        let MemberCounts {
            files,
            directories,
            others,
            skipped_sockets,
            changed,
            vanished,
            unreadable,
        } = counts;
        Self { files, directories, others, skipped_sockets, changed, vanished, unreadable }
    }
}

impl From<Counts> for MemberCounts {
    fn from(counts: Counts) -> Self {
        let Counts { files, directories, others, skipped_sockets, changed, vanished, unreadable } =
            counts;
        Self { files, directories, others, skipped_sockets, changed, vanished, unreadable }
    }
}

fn wrong(field: &'static str, value: &str) -> SidecarError {
    SidecarError::Value { field, value: value.to_owned() }
}

fn parse<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, SidecarError> {
    text.parse().map_err(|_| wrong(field, text))
}

fn hash(field: &'static str, text: Option<&str>) -> Result<Option<Sha256>, SidecarError> {
    text.map(|text| parse(field, text)).transpose()
}

fn how(word: &str, from: Option<&str>, manual: bool) -> Result<How, SidecarError> {
    let from = || parse::<PlaceName>("from", from.unwrap_or_default());
    Ok(match word {
        "scheduled" => How::Scheduled,
        "manual" => How::Manual,
        "received" => How::Received { from: from()? },
        "copied" => How::Copied { from: from()?, manual },
        "adopted" => How::Adopted,
        other => return Err(wrong("how", other)),
    })
}

#[cfg(test)]
mod tests;
