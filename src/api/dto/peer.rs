//! Peers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Moment, words};
use crate::config;
use crate::model::peer as model;

/// Another instance, or a host that holds copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// `instance`, `backup-channel`, `direct-ssh-direct` or `direct-ssh-via-relay`.
    #[schema(value_type = words::PeerKind)]
    pub kind: String,
    /// The peer's effective table, secrets as references; no hash of a token.
    #[schema(value_type = Option<Object>, required)]
    pub config: Value,
    /// `unknown` before it was looked for, `online`, `offline` or `error`.
    #[schema(value_type = words::PeerStatus)]
    pub status: String,
    /// When it last answered.
    #[schema(required)]
    pub last_seen: Option<Moment>,
    /// When this instance first knew it, where that is known.
    #[schema(required)]
    pub created_at: Option<Moment>,

    /// Whether it counts as off-site.
    pub offsite: bool,
    /// Where its archives go when it may store them here.
    #[schema(required)]
    pub stores_at: Option<String>,
    /// Where it is written: `FILE:LINE:COLUMN`.
    pub place: String,
}

impl Peer {
    /// The peer, as far as anything is known of it.
    #[must_use]
    pub fn new(peer: &model::Peer) -> Self {
        let accepted = peer.accept.as_ref();
        Self {
            name: peer.name.to_string(),
            kind: peer.kind.word().to_owned(),
            config: config::show::peer_json(peer),
            status: "unknown".to_owned(),
            last_seen: None,
            created_at: None,
            offsite: peer.offsite,
            stores_at: accepted.map(|accept| accept.location.to_string()),
            place: peer.place.to_string(),
        }
    }

    /// The same for everybody: without the places of this host's secrets.
    #[must_use]
    pub fn published(mut self) -> Self {
        if let Value::Object(table) = &mut self.config {
            table.remove("token");
            table.remove("ca");
            if let Some(Value::Object(ssh)) = table.get_mut("ssh") {
                ssh.remove("identity");
                ssh.remove("known_hosts");
            }
        }
        self
    }
}
