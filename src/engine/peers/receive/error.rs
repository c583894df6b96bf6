//! Why something was not received, and what was in its way.

use crate::engine::locations::doors::Shut;
use crate::engine::runs::context::with_causes;
use crate::location::LocationError;
use crate::model::archive::{Archive, ArchiveId, Condition};
use crate::model::name::ArchiveName;
use crate::model::upload::{Upload, UploadId};
use crate::state::StateError;

/// What is in the way of an upload: an archive, or another upload. All of it is the sender's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    /// Its archive's identity, where it is known.
    pub archive: Option<ArchiveId>,
    /// The name.
    pub name: ArchiveName,
    /// The upload, where it is one.
    pub upload: Option<UploadId>,
    /// Whether it is an archive that is there, and not known to be damaged.
    pub is_good: bool,
}

impl InTheWay {
    pub(super) fn archive(archive: &Archive) -> Self {
        Self {
            archive: Some(archive.id),
            name: archive.name.clone(),
            upload: None,
            is_good: matches!(archive.condition, Condition::Present | Condition::Unavailable),
        }
    }

    pub(super) fn upload(upload: &Upload) -> Self {
        Self {
            archive: Some(upload.archive.id),
            name: upload.archive.name.clone(),
            upload: Some(upload.id),
            is_good: false,
        }
    }

    pub(super) fn name(name: &ArchiveName) -> Self {
        Self { archive: None, name: name.clone(), upload: None, is_good: false }
    }
}

/// Why something was not received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// There is no such upload, chunk or peer, for whoever asks.
    #[error("{0}")]
    NotFound(String),
    /// What came cannot be read, or ended before its time.
    #[error("{0}")]
    Malformed(String),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// It can be read, and is not what it should be.
    #[error("{why}")]
    Unfit {
        /// Why.
        why: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// Something else is there.
    #[error("{why}")]
    Conflict {
        /// What.
        why: String,
        /// What to do about it.
        hint: Option<String>,
        /// What it is, where that is known.
        with: Option<Box<InTheWay>>,
    },
    /// The quota is used up, or the disk.
    #[error("{why}")]
    NoRoom {
        /// What is missing.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The disk or the state cannot be used now; the same request may succeed later.
    #[error("{why}")]
    Unavailable {
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl ReceiveError {
    pub(super) fn unfit(why: impl Into<String>) -> Self {
        Self::Unfit { why: why.into(), hint: None }
    }

    pub(super) fn conflict(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Conflict { why: why.into(), hint: Some(hint.into()), with: None }
    }

    /// The error with what is in the way.
    pub(super) fn with(self, there: InTheWay) -> Self {
        match self {
            Self::Conflict { why, hint, .. } => {
                Self::Conflict { why, hint, with: Some(Box::new(there)) }
            }
            other => other,
        }
    }

    pub(super) fn no_upload(id: UploadId) -> Self {
        Self::NotFound(format!("there is no upload `{id}`"))
    }
}

impl From<LocationError> for ReceiveError {
    fn from(error: LocationError) -> Self {
        let (why, hint) = (with_causes(&error), error.hint());
        match &error {
            LocationError::NoSpace { .. } => Self::NoRoom { why, hint },
            LocationError::Io { source, .. }
                if source.kind() == std::io::ErrorKind::FileTooLarge =>
            {
                Self::NoRoom { why, hint }
            }
            LocationError::NameTaken { .. } => Self::Conflict { why, hint: None, with: None },
            LocationError::Unavailable { .. }
            | LocationError::Exists { .. }
            | LocationError::Gone { .. }
            | LocationError::Foreign { .. }
            | LocationError::Incomplete { .. }
            | LocationError::Name(_)
            | LocationError::Io { .. } => Self::Unavailable { why, hint },
        }
    }
}

impl From<Shut> for ReceiveError {
    fn from(shut: Shut) -> Self {
        match shut {
            Shut::Away(error) => Self::from(error),
            Shut::Busy { .. } | Shut::Stopped(_) => Self::Unavailable {
                why: shut.to_string(),
                hint: Some("try the same again later: what was received is kept".to_owned()),
            },
        }
    }
}

impl From<StateError> for ReceiveError {
    fn from(error: StateError) -> Self {
        Self::Unavailable { why: with_causes(&error), hint: error.hint().map(ToOwned::to_owned) }
    }
}
