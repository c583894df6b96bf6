//! What an archive is that somebody sends, as far as its sender says: pure, and distrustful.
//!
//! The sender may say what stands in the sidecar of the archive, or what YunoHost says of it, or
//! nothing. What it says is data about its own archive: it never gets a name, a size, a hash or an
//! origin that does not fit, and never more room in the catalogue than an honest one.

use jiff::{Timestamp, Zoned};
use serde_json::{Map, Value, json};

use super::ReceiveError;
use crate::location::sidecar;
use crate::model::archive::{
    Archive, ArchiveId, Condition, How, MemberCounts, NO_JOB, Outcome, Sha256,
};
use crate::model::job::JobType;
use crate::model::location::Codec;
use crate::model::name::{InstanceName, PlaceName};
use crate::model::upload::{FileName, INFO_JSON_MAX};

/// How deep the levels of `info` may go.
const DEPTH_MAX: usize = 16;
/// The most bytes of the description of an archive that somebody sends: room for an honest one, and
/// far from the [`sidecar::MAX`] of what is read at all.
const SENT_MAX: usize = 16 << 10;
/// The most characters of a reason.
const REASON_MAX: usize = 300;
/// The most recipients of an archive.
const RECIPIENTS_MAX: usize = 64;
/// The recipient of what is encrypted to nobody knows whom.
const NOBODY: &str = "unknown";

/// What is known of an archive before its sender says anything more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) peer: &'a PlaceName,
    pub(super) space: &'a PlaceName,
    pub(super) file: &'a FileName,
    pub(super) size: u64,
    pub(super) checksum: Sha256,
    pub(super) now: &'a Zoned,
    /// The names of this instance, earlier ones included.
    pub(super) own: &'a [InstanceName],
}

/// The archive that it will be, and YunoHost's description.
pub(super) fn describe(
    known: Known<'_>,
    info: Option<&Value>,
) -> Result<(Archive, String), ReceiveError> {
    let plain = known.plain();
    let (archive, info_json) = match info {
        None | Some(Value::Null) => (plain, None),
        Some(Value::Object(table)) => {
            if depth(table.values()) >= DEPTH_MAX {
                return Err(unfit(format!("`info` goes deeper than {DEPTH_MAX} levels")));
            }
            if table.contains_key("schema") {
                (known.by_sidecar(info.unwrap_or(&Value::Null))?, info_json_in(table)?)
            } else {
                (with_yunohosts(plain, table), Some(Value::Object(table.clone()).to_string()))
            }
        }
        Some(_) => return Err(unfit("`info` is not an object")),
    };
    if known.own.contains(&archive.origin) {
        return Err(ReceiveError::Unfit {
            why: format!("`info` says that `{}` made it, which is this instance", archive.origin),
            hint: Some(
                "an instance sends its own archives, or those of others, never ours".to_owned(),
            ),
        });
    }
    let info_json = info_json.unwrap_or_else(|| generated(&archive));
    if info_json.len() > INFO_JSON_MAX {
        return Err(unfit("what `info` says for YunoHost is too long"));
    }
    Ok((bounded(archive)?, info_json))
}

fn unfit(why: impl Into<String>) -> ReceiveError {
    ReceiveError::unfit(why)
}

/// How many levels there are below.
fn depth<'a>(values: impl Iterator<Item = &'a Value>) -> usize {
    let below = values.map(|value| match value {
        Value::Array(items) => 1 + depth(items.iter()),
        Value::Object(table) => 1 + depth(table.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    });
    below.max().unwrap_or(0)
}

impl Known<'_> {
    /// The archive of which nothing is said: in a series of its own, in the name of its sender.
    fn plain(&self) -> Archive {
        let moment = self.now.timestamp();
        let is_plain = self.file.codec == Codec::None && !self.file.encrypted;
        let recipients = if self.file.encrypted { vec![NOBODY.to_owned()] } else { Vec::new() };
        Archive {
            id: ArchiveId(uuid::Uuid::new_v4()),
            name: self.file.name.clone(),
            origin: origin_of(self.peer),
            job: NO_JOB.parse().expect("a name"),
            job_type: JobType::CustomDir,
            label: NO_JOB.parse().expect("a name"),
            location: self.space.clone(),
            created_at: moment,
            day: self.now.date(),
            zone: self.now.time_zone().iana_name().unwrap_or("UTC").to_owned(),
            // As near as anybody can say without reading it.
            content_size: self.size,
            stream_size: if is_plain { self.size } else { 0 },
            file_size: self.size,
            stream_sha256: is_plain.then_some(self.checksum),
            file_sha256: Some(self.checksum),
            codec: self.file.codec,
            recipients,
            outcome: Outcome::Good,
            partial_allowed: false,
            how: How::Received { from: self.peer.clone() },
            received_at: Some(moment),
            pinned: false,
            condition: Condition::Present,
            verified_at: None,
            refuted: None,
            counts: MemberCounts::default(),
            config_hash: None,
            config_commit: None,
            job_json: None,
        }
    }

    /// The archive as its own sidecar describes it.
    fn by_sidecar(&self, info: &Value) -> Result<Archive, ReceiveError> {
        let said =
            sidecar::from_text(info.to_string().as_bytes(), self.space).map_err(|error| {
                unfit(format!("`info` is no sidecar: {}", crate::causes::with_causes(&error)))
            })?;
        let plain = self.plain();
        let same_codec = matches!(
            (said.codec, self.file.codec),
            (Codec::None, Codec::None)
                | (Codec::Gzip(_), Codec::Gzip(_))
                | (Codec::Zstd(_), Codec::Zstd(_))
        );
        let is_plain = self.file.codec == Codec::None && !self.file.encrypted;
        let lie = if said.name != self.file.name {
            Some(format!("the name `{}`", said.name))
        } else if said.file_size != self.size {
            Some(format!("{} bytes", said.file_size))
        } else if said.file_sha256.is_some_and(|hash| hash != self.checksum) {
            Some("another SHA-256".to_owned())
        } else if !same_codec || said.recipients.is_empty() == self.file.encrypted {
            Some("another encoding".to_owned())
        } else if is_plain
            && (said.stream_size != self.size
                || said.stream_sha256.is_some_and(|hash| hash != self.checksum))
        {
            Some("another plain stream".to_owned())
        } else {
            None
        };
        if let Some(lie) = lie {
            return Err(unfit(format!("`info` is of another file: it says {lie}")));
        }
        let is_recipient =
            |text: &String| text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if said.recipients.len() > RECIPIENTS_MAX || !said.recipients.iter().all(is_recipient) {
            return Err(unfit("`info` has recipients that are none"));
        }
        let hex = |text: Option<String>| {
            text.filter(|text| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        Ok(Archive {
            outcome: match said.outcome {
                Outcome::Suspect(reason) => Outcome::Suspect(tamed(&reason)),
                Outcome::Good => Outcome::Good,
                Outcome::Partial => Outcome::Partial,
            },
            refuted: said.refuted.as_deref().map(tamed),
            config_hash: hex(said.config_hash),
            config_commit: hex(said.config_commit),
            stream_sha256: said.stream_sha256.or(plain.stream_sha256),
            // Ours to say, whatever it says.
            location: plain.location,
            day: plain.day,
            zone: plain.zone,
            file_sha256: plain.file_sha256,
            how: plain.how,
            received_at: plain.received_at,
            pinned: plain.pinned,
            condition: plain.condition,
            verified_at: plain.verified_at,
            ..said
        })
    }
}

/// The instance that a peer is, by its name here.
fn origin_of(peer: &PlaceName) -> InstanceName {
    let text = peer.as_str();
    let cut = (1..=text.len()).rev().find_map(|length| text.get(..length)?.parse().ok());
    cut.expect("a name of one letter is one")
}

/// A text of somebody else, as one line.
fn tamed(text: &str) -> String {
    text.chars().take(REASON_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What YunoHost says that an archive has.
fn with_yunohosts(plain: Archive, table: &Map<String, Value>) -> Archive {
    let created_at = table.get("created_at").and_then(Value::as_i64);
    let created_at = created_at.and_then(|at| Timestamp::from_second(at).ok());
    let size = table.get("size").and_then(Value::as_u64);
    Archive {
        created_at: created_at.unwrap_or(plain.created_at),
        content_size: size.unwrap_or(plain.content_size),
        ..plain
    }
}

/// YunoHost's description, where a sender adds it to its sidecar: byte by byte as it is there.
fn info_json_in(table: &Map<String, Value>) -> Result<Option<String>, ReceiveError> {
    match table.get("info_json") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if matches!(serde_json::from_str(text), Ok(Value::Object(_))) => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(unfit("`info_json` in `info` is not the text of an object")),
    }
}

/// The least that YunoHost wants to be told.
fn generated(archive: &Archive) -> String {
    json!({
        "description": format!("larder: received from {}", archive.origin),
        "created_at": archive.created_at.as_second(),
        "size": archive.content_size.max(1),
        "size_details": { "system": {}, "apps": {} },
        "apps": {},
        "system": {},
        "from_yunohost_version": "12.1.0",
    })
    .to_string()
}

/// The archive without the table of its job, where that is too long to be kept for everybody.
fn bounded(archive: Archive) -> Result<Archive, ReceiveError> {
    let fits = |archive: &Archive| sidecar::to_text(archive).len() <= SENT_MAX;
    if fits(&archive) {
        return Ok(archive);
    }
    let without = Archive { job_json: None, ..archive };
    if fits(&without) { Ok(without) } else { Err(unfit("what `info` says is too long")) }
}

#[cfg(test)]
mod tests;
