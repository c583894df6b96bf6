//! Peers from this side: how another instance, or a host that holds copies, is reached and asked.
//!
//! [`https`] speaks the API of another instance, [`upload`] sends it a file whatever breaks off, and
//! [`attempts`] says how long is waited for one that is away. **Invariants:** what a peer says is
//! bounded in size and depth before it is read, never trusted with a name or a path, and fields that
//! are not known are ignored; no redirect is followed and no proxy used, so that a token reaches its
//! peer alone.
//!
//! [`ssh`] reaches hosts that keep archives without a larder, and hands over large ones.

use crate::causes::with_causes;
use crate::model::name::PlaceName;
use crate::secret::SecretError;
use crate::stop::Stopped;

pub mod attempts;
pub mod https;
pub mod ssh;
pub mod upload;

/// Why a peer could not be asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The configuration does not say how to reach it.
    #[error("peer `{peer}` cannot be asked: {why}")]
    Unreached {
        /// The peer.
        peer: PlaceName,
        /// What is missing.
        why: String,
    },
    /// Its token, certificate authority or key cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It does not answer.
    #[error("peer `{peer}` does not answer: {why}")]
    Offline {
        /// The peer.
        peer: PlaceName,
        /// What the network said.
        why: String,
    },
    /// Somebody answered in its place, or it has another certificate now.
    #[error("peer `{peer}` shows a certificate that is not taken: {why}")]
    Certificate {
        /// The peer.
        peer: PlaceName,
        /// What is wrong with it.
        why: String,
    },
    /// It answered and did not do it.
    #[error("peer `{peer}` answered {status}: {detail}")]
    Refused {
        /// The peer.
        peer: PlaceName,
        /// The HTTP status.
        status: u16,
        /// What it said, at most one line.
        detail: String,
        /// What it said to do about it.
        hint: Option<String>,
    },
    /// It is there, and does not let us, or does not do it.
    #[error("peer `{peer}` cannot be used: {why}")]
    Denied {
        /// The peer.
        peer: PlaceName,
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// What it answered cannot be understood.
    #[error("peer `{peer}` cannot be understood: {why}")]
    Unintelligible {
        /// The peer.
        peer: PlaceName,
        /// Why.
        why: String,
    },
    /// A file of this host.
    #[error("{what}")]
    Local {
        /// What could not be done to what.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody asked to stop.
    #[error("{0}")]
    Stopped(Stopped),
}

impl PeerError {
    /// Whether the same may go well once the peer can be reached again, or is less busy.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Offline { .. } | Self::Refused { status: 408 | 429 | 500..=599, .. })
            && !matches!(self, Self::Refused { status: 507, .. })
    }

    /// The status that it answered with.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreached { .. } => {
                Some("its `[peer.…]` table says how it is reached (`larder peer get`)".to_owned())
            }
            Self::Secret(error) => error.hint(),
            Self::Offline { .. } => {
                Some("is it switched on, and can this host reach it?".to_owned())
            }
            Self::Certificate { .. } => Some(
                "compare its certificate with `pin` or `ca` of its table, and pair anew if it has a new one"
                    .to_owned(),
            ),
            Self::Refused { status: 401, .. } => Some(
                "the token is not valid there (any more): pair anew with `larder peer invite` there"
                    .to_owned(),
            ),
            Self::Refused { hint, .. } | Self::Denied { hint, .. } => hint.clone(),
            Self::Unintelligible { .. } => {
                Some("is it a larder, and of a version that fits this one?".to_owned())
            }
            Self::Local { .. } | Self::Stopped(_) => None,
        }
    }

    /// Why, for where the peer's name stands beside it.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Unreached { why, .. }
            | Self::Offline { why, .. }
            | Self::Denied { why, .. }
            | Self::Unintelligible { why, .. } => why.clone(),
            Self::Certificate { why, .. } => format!("its certificate is not taken: {why}"),
            Self::Refused { status, detail, .. } => format!("it answered {status}: {detail}"),
            Self::Secret(_) | Self::Local { .. } | Self::Stopped(_) => self.line(),
        }
    }

    /// The error with its causes, on one line.
    #[must_use]
    pub fn line(&self) -> String {
        with_causes(self)
    }
}
