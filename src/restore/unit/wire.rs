//! The form in which an order travels to the process that carries it out: JSON.
//!
//! **Invariants:** this is the only module that knows that form; what an earlier version wrote is
//! read. A word or a name that is wrong shows here, and not in the middle of a restore.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::model::desired::SecretRef;
use crate::model::location::Codec;
use crate::model::restore::Part;
use crate::model::run::RunId;
use crate::restore::order::{self, CopyPlace, made_in_words};
use crate::restore::plan;

mod values;
#[cfg(test)]
mod tests;

use values::{Access, Content, FileFacts, Secret, Steps};

/// One restore, or its undoing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    run: u64,
    work_dir: PathBuf,
    /// Seconds.
    timeout: u64,
    task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    Restore(Box<Restore>),
    Undo(Undo),
}

#[derive(Debug, Serialize, Deserialize)]
struct Restore {
    archive: ArchiveFile,
    content: Content,
    #[serde(default)]
    to: Option<PathBuf>,
    #[serde(default)]
    paths: Vec<PathBuf>,
    /// Words of [`Part`].
    #[serde(default)]
    only: Vec<String>,
    safety: bool,
    #[serde(default)]
    identity: Option<PathBuf>,
    #[serde(default)]
    location_identity: Option<Secret>,
    spare_dir: PathBuf,
    #[serde(default)]
    seen: Option<FileFacts>,
    #[serde(default)]
    steps: Steps,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ArchiveFile {
    name: String,
    job: String,
    /// `2026-05-08 03:00`; empty where nobody says so.
    #[serde(default)]
    made: String,
    /// The name of a location, or an absolute path.
    location: String,
    file: PathBuf,
    /// `none`, `gzip` or `zstd`.
    codec: String,
    #[serde(default)]
    recipients: Vec<String>,
    sha256: String,
    file_size: u64,
    content_size: u64,
    #[serde(default)]
    other_copies: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Undo {
    of: u64,
    #[serde(default)]
    access: Option<Access>,
}

/// Why an order is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is `{value}`: {why}")]
pub(super) struct Unreadable {
    field: &'static str,
    value: String,
    why: String,
}

impl Unreadable {
    fn new(field: &'static str, value: &str, why: impl Display) -> Self {
        Self { field, value: value.to_owned(), why: why.to_string() }
    }
}

/// Reads a value that has a type of its own.
fn read<T: FromStr<Err: Display>>(field: &'static str, value: &str) -> Result<T, Unreadable> {
    value.parse().map_err(|error: T::Err| Unreadable::new(field, value, error))
}

impl From<&order::Order> for Order {
    fn from(order: &order::Order) -> Self {
        Self {
            run: order.run.0,
            work_dir: order.work_dir.clone(),
            timeout: order.timeout.as_secs(),
            task: match &order.task {
                order::Task::Restore(restore) => {
                    Task::Restore(Box::new(Restore::from(restore.as_ref())))
                }
                order::Task::Undo(undo) => Task::Undo(Undo {
                    of: undo.of.0,
                    access: undo.access.as_ref().map(Access::from),
                }),
            },
        }
    }
}

impl TryFrom<Order> for order::Order {
    type Error = Unreadable;

    fn try_from(order: Order) -> Result<Self, Unreadable> {
        Ok(Self {
            run: RunId(order.run),
            work_dir: order.work_dir,
            timeout: Duration::from_secs(order.timeout),
            task: match order.task {
                Task::Restore(restore) => {
                    order::Task::Restore(Box::new(order::Restore::try_from(*restore)?))
                }
                Task::Undo(undo) => order::Task::Undo(order::Undo {
                    of: RunId(undo.of),
                    // Which one goes back is in the record.
                    access: undo.access.map(|access| access.to("*".to_owned())),
                }),
            },
        })
    }
}

impl From<&order::Restore> for Restore {
    fn from(restore: &order::Restore) -> Self {
        Self {
            archive: ArchiveFile::from(&restore.archive),
            content: Content::from(&restore.content),
            to: restore.to.clone(),
            paths: restore.paths.clone(),
            only: restore.only.iter().map(|part| part.word().to_owned()).collect(),
            safety: restore.safety,
            identity: restore.identity.clone(),
            location_identity: restore.location_identity.as_ref().map(Secret::from),
            spare_dir: restore.spare_dir.clone(),
            seen: restore.seen.as_ref().map(FileFacts::from),
            steps: Steps::from(&restore.steps),
            notes: restore.notes.clone(),
        }
    }
}

impl TryFrom<Restore> for order::Restore {
    type Error = Unreadable;

    fn try_from(restore: Restore) -> Result<Self, Unreadable> {
        let part = |word: &String| {
            Part::from_word(word)
                .ok_or_else(|| Unreadable::new("only", word, "no part of a restore"))
        };
        Ok(Self {
            archive: restore.archive.try_into()?,
            content: restore.content.into(),
            to: restore.to,
            paths: restore.paths,
            only: restore.only.iter().map(part).collect::<Result<_, _>>()?,
            safety: restore.safety,
            identity: restore.identity,
            location_identity: restore.location_identity.map(SecretRef::from),
            spare_dir: restore.spare_dir,
            seen: restore.seen.map(plan::FileFacts::from),
            steps: restore.steps.into(),
            notes: restore.notes,
        })
    }
}

impl From<&order::ArchiveFile> for ArchiveFile {
    fn from(archive: &order::ArchiveFile) -> Self {
        Self {
            name: archive.name.to_string(),
            job: archive.job.to_string(),
            made: archive.made.map(made_in_words).unwrap_or_default(),
            location: archive.place.to_string(),
            file: archive.file.clone(),
            codec: match archive.codec {
                Codec::None => "none",
                Codec::Gzip(_) => "gzip",
                Codec::Zstd(_) => "zstd",
            }
            .to_owned(),
            recipients: archive.recipients.clone(),
            sha256: archive.sha256.to_string(),
            file_size: archive.file_size,
            content_size: archive.content_size,
            other_copies: archive.other_copies.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<ArchiveFile> for order::ArchiveFile {
    type Error = Unreadable;

    fn try_from(archive: ArchiveFile) -> Result<Self, Unreadable> {
        let made = Some(archive.made.as_str()).filter(|made| !made.is_empty());
        let others = archive.other_copies.iter().map(|text| place("archive.other_copies", text));
        Ok(Self {
            name: read("archive.name", &archive.name)?,
            job: read("archive.job", &archive.job)?,
            made: made.map(|made| read::<DateTime>("archive.made", made)).transpose()?,
            place: place("archive.location", &archive.location)?,
            file: archive.file,
            // The level is not told: it matters to writers only.
            codec: match archive.codec.as_str() {
                "none" => Codec::None,
                "gzip" => Codec::Gzip(6),
                "zstd" => Codec::Zstd(3),
                word => return Err(Unreadable::new("archive.codec", word, "no codec")),
            },
            recipients: archive.recipients,
            sha256: archive.sha256.parse().map_err(|()| {
                Unreadable::new("archive.sha256", &archive.sha256, "not 64 hexadecimal digits")
            })?,
            file_size: archive.file_size,
            content_size: archive.content_size,
            other_copies: others.collect::<Result<_, _>>()?,
        })
    }
}

/// No name of a location begins with a slash.
fn place(field: &'static str, text: &str) -> Result<CopyPlace, Unreadable> {
    if text.starts_with('/') {
        return Ok(CopyPlace::Path(PathBuf::from(text)));
    }
    read(field, text).map(CopyPlace::Location)
}
