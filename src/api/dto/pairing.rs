//! Pairing, and peers that are added.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Moment, words};
use crate::engine::View;
use crate::engine::peers::pairing as engine;

/// A peer to add.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPeer {
    /// Its name.
    pub name: String,
    /// `instance`, `backup-channel`, `direct-ssh-direct` or `direct-ssh-via-relay`; of any other word
    /// a dry run says that it is none.
    pub kind: String,
    /// The keys of its table.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub config: Option<Map<String, Value>>,
    /// The token that an instance gave us: it is written to `secrets/peer-NAME`, which its table
    /// names then.
    #[serde(default)]
    pub secret: Option<String>,
}

/// What would become of a peer that is to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerDraft {
    /// Whether the whole configuration is valid with it.
    pub valid: bool,
    /// Whether it would be written here; otherwise somebody commits it.
    pub writes: bool,
    /// Its file, relative to the configuration's directory.
    #[schema(required)]
    pub file: Option<String>,
    /// What stands in there.
    #[schema(required)]
    pub toml: Option<String>,
    /// The file of the token that the table names.
    #[schema(required)]
    pub secret_file: Option<String>,
    /// Every mistake.
    pub mistakes: Vec<PeerMistake>,
}

/// A mistake in a peer that is to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerMistake {
    /// Where it is: `name`, `kind`, or a key of its table (`hostname`, `ssh.path`).
    #[schema(required)]
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[schema(required)]
    pub hint: Option<String>,
}

/// What removing a peer comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerRemoval {
    /// Whether its file would be removed here; otherwise somebody takes out its lines.
    pub writes: bool,
    /// The file in which it stands, relative to the configuration's directory.
    pub file: String,
    /// Which lines of it are about the peer, as `6-8,12`; `null` where only a person can tell.
    #[schema(required)]
    pub lines: Option<String>,
    /// These lines.
    pub toml: String,
    /// Whether nothing else stands in that file.
    pub whole_file: bool,
    /// The file of its token that goes with it.
    #[schema(required)]
    pub secret_file: Option<String>,
    /// What still needs it, and where that stands: first this has to change.
    pub needed_by: Vec<String>,
}

/// Which kinds of peer this host can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerKinds {
    /// Whether peers are written and removed over the API (`page_edits_peers`).
    pub edits: bool,
    /// Every kind.
    pub kinds: Vec<PeerKindHere>,
}

/// A kind of peer, and whether this host can have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerKindHere {
    /// The kind.
    #[schema(value_type = words::PeerKind)]
    pub kind: String,
    /// Whether this host can.
    pub available: bool,
    /// Why not.
    #[schema(required)]
    pub why: Option<String>,
    /// What to do about it.
    #[schema(required)]
    pub hint: Option<String>,
}

/// Whom to invite.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// What it is called here.
    pub name: String,
    /// How long the code is good, in seconds; 15 minutes when nothing is said.
    #[serde(default)]
    pub ttl_s: Option<u32>,
    /// Whether a peer that is there gets a new holder.
    #[serde(default)]
    pub replace: bool,
    /// Whether its table is written when it comes.
    #[serde(default)]
    pub write: bool,
    /// Where its archives go.
    #[serde(default)]
    pub location: Option<String>,
    /// The most it may store.
    #[serde(default)]
    pub quota: Option<String>,
    /// The policy for what it sends.
    #[serde(default)]
    pub retention: Option<String>,
}

/// A code, shown this once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InvitationCode {
    /// What the other one is called here.
    pub name: String,
    /// What `larder peer accept` takes.
    pub code: String,
    /// Until when it is good.
    pub expires_at: Moment,
}

/// An invitation.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// What the other one is called here.
    pub name: String,
    /// Until when its code is good.
    pub expires_at: Moment,
    /// Whether a peer that is there gets a new holder.
    pub replace: bool,
    /// Whether its table is written when it comes.
    pub write: bool,
    /// Whether somebody came.
    pub accepted: bool,
    /// When.
    #[schema(required)]
    pub accepted_at: Option<Moment>,
    /// Who.
    #[schema(required)]
    pub instance: Option<String>,
    /// The table to commit.
    #[schema(required)]
    pub toml: Option<String>,
    /// The token for `secrets/peer-NAME`, until it is there.
    #[schema(required)]
    pub token: Option<String>,
    /// Whether both are written.
    pub written: bool,
    /// Why they are not, although that was wished.
    #[schema(required)]
    pub problem: Option<String>,
    /// Its public SSH keys.
    pub ssh_keys: Vec<String>,
}

impl Invitation {
    /// An invitation and what came of it.
    #[must_use]
    pub fn new(view: &View, one: &engine::Invitation) -> Self {
        let zone = view.at.time_zone();
        let outcome = one.outcome.as_ref();
        Self {
            name: one.peer.to_string(),
            expires_at: Moment::new(one.expires_at, zone),
            replace: one.replace,
            write: one.write,
            accepted: outcome.is_some(),
            accepted_at: outcome.map(|outcome| Moment::new(outcome.at, zone)),
            instance: outcome.map(|outcome| outcome.instance.clone()),
            toml: outcome.map(|outcome| outcome.toml.clone()),
            token: outcome.and_then(|outcome| outcome.token.clone()),
            written: outcome.is_some_and(|outcome| outcome.written),
            problem: outcome.and_then(|outcome| outcome.problem.clone()),
            ssh_keys: outcome.map(|outcome| outcome.ssh_keys.clone()).unwrap_or_default(),
        }
    }
}

/// What somebody with a code says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PairingOffer {
    /// The secret of the code, in hex.
    #[serde(default)]
    pub secret: String,
    /// Its instance's name.
    #[serde(default)]
    pub instance: String,
    /// Its base URL, where it can be reached.
    #[serde(default)]
    pub url: Option<String>,
    /// SHA-256 of its certificate in hex, where no usual authority vouches for it.
    #[serde(default)]
    pub pin: Option<String>,
    /// The token that opens it.
    #[serde(default)]
    pub token: Option<String>,
    /// Its public SSH keys.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
}

/// What it is answered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PairingWelcome {
    /// The instance that invited.
    pub instance: String,
    /// What the other one is called there.
    pub peer: String,
    /// The token that opens its name space there.
    #[schema(required)]
    pub token: Option<String>,
    /// Public SSH keys.
    pub ssh_keys: Vec<String>,
}
