//! Peers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Moment, words};
use crate::config;
use crate::engine::View;
use crate::model::archive::{Archive, Condition};
use crate::model::contact::{self, Presence};
use crate::model::name::PlaceName;
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

    /// Why it is `offline` or `error`, in one line.
    #[serde(default)]
    #[schema(required)]
    pub why: Option<String>,
    /// What to do about it, where that is known.
    #[serde(default)]
    #[schema(required)]
    pub hint: Option<String>,
    /// When it was last asked, whatever came of it.
    #[serde(default)]
    #[schema(required)]
    pub checked_at: Option<Moment>,
    /// When it is asked next; one that comes to us is not asked.
    #[serde(default)]
    #[schema(required)]
    pub next_check: Option<Moment>,
    /// The version of its program, as it last told.
    #[serde(default)]
    #[schema(required)]
    pub version: Option<String>,
    /// What it holds of this instance's archives, once it said so.
    #[serde(default)]
    #[schema(required)]
    pub holdings: Option<Holdings>,
    /// What this host holds of the peer's archives, without those in the trash.
    #[serde(default)]
    pub stored: Stored,
    /// Archives of its own that it offers this instance.
    #[serde(default)]
    pub offered: u64,
    /// Whether this host could delete or replace its copies there, and so whoever takes this host
    /// over; where that was tried.
    #[serde(default)]
    #[schema(required)]
    pub sender_can_delete: Option<bool>,
    /// Whether it counts as off-site.
    pub offsite: bool,
    /// Where its archives go when it may store them here.
    #[schema(required)]
    pub stores_at: Option<String>,
    /// The most it may store here, in bytes.
    #[serde(default)]
    #[schema(required)]
    pub quota: Option<u64>,
    /// Where it is written: `FILE:LINE:COLUMN`.
    pub place: String,
}

/// What a peer holds of this instance's archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holdings {
    /// How many.
    pub copies: u64,
    /// How many of them are good.
    pub good: u64,
    /// Bytes of their files there.
    pub bytes: u64,
    /// When it said so.
    pub known_at: Moment,
}

/// What this host holds of a peer's archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Stored {
    /// How many.
    pub archives: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

/// What this host holds of each peer's archives: the sums of a moment.
#[derive(Debug, Clone, Default)]
pub struct Shares(BTreeMap<PlaceName, Stored>);

impl Shares {
    /// The sums of a view: one walk over its archives, for all peers together.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let desired = &view.desired;
        if desired.peers.is_empty() {
            return Self::default();
        }
        let mut sums: BTreeMap<_, (&Archive, Stored)> = BTreeMap::new();
        for archive in &view.observed.archives {
            if matches!(archive.condition, Condition::Trashed { .. }) {
                continue;
            }
            let place = (&archive.location, &archive.origin);
            let (_, sum) = sums.entry(place).or_insert((archive, Stored::default()));
            sum.archives += 1;
            sum.bytes = sum.bytes.saturating_add(archive.file_size);
        }
        let mut shares: BTreeMap<PlaceName, Stored> = BTreeMap::new();
        for (archive, sum) in sums.into_values() {
            // Whose the first of them is, all of them are.
            let whose = desired.peers.values().find(|peer| desired.is_of_peer(archive, peer));
            let Some(peer) = whose else { continue };
            let share = shares.entry(peer.name.clone()).or_default();
            share.archives += sum.archives;
            share.bytes = share.bytes.saturating_add(sum.bytes);
        }
        Self(shares)
    }

    /// What this host holds of one peer's archives.
    #[must_use]
    pub fn of_peer(&self, peer: &PlaceName) -> Stored {
        self.0.get(peer).copied().unwrap_or_default()
    }
}

impl Holdings {
    fn new(holdings: &contact::Holdings, moment: impl Fn(Timestamp) -> Moment) -> Self {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let copies = &holdings.copies;
        let bytes = copies.iter().fold(0_u64, |sum, copy| sum.saturating_add(copy.file_size));
        Self {
            copies: count(copies.len()),
            good: count(copies.iter().filter(|copy| copy.is_good).count()),
            bytes,
            known_at: moment(holdings.at),
        }
    }
}

impl Peer {
    /// The peer, as far as anything is known of it.
    #[must_use]
    pub fn new(view: &View, peer: &model::Peer, shares: &Shares) -> Self {
        let accepted = peer.accept.as_ref();
        let contact = view.observed.contacts.get(&peer.name);
        let zone = view.at.time_zone();
        let moment = |at| Moment::new(at, zone);
        let is_asked = !matches!(peer.kind, model::PeerKind::Instance { url: None, .. });
        Self {
            name: peer.name.to_string(),
            kind: peer.kind.word().to_owned(),
            config: config::show::peer_json(peer),
            status: contact.map_or(Presence::Unknown, |one| one.presence).word().to_owned(),
            last_seen: contact.and_then(|one| one.last_seen).map(moment),
            created_at: contact.map(|one| moment(one.created_at)),
            why: contact.and_then(|one| one.why.clone()),
            hint: contact.and_then(|one| one.hint.clone()),
            checked_at: contact.and_then(|one| one.checked_at).map(moment),
            next_check: contact.filter(|_| is_asked).map(|one| moment(one.check_at)),
            version: contact.and_then(|one| Some(one.told.as_ref()?.version.clone())),
            holdings: contact
                .and_then(|one| one.holdings.as_ref())
                .map(|holdings| Holdings::new(holdings, moment)),
            stored: shares.of_peer(&peer.name),
            offered: contact.map_or(0, |one| one.offered.len() as u64),
            sender_can_delete: contact.and_then(|one| one.sender_can_delete),
            offsite: peer.offsite,
            stores_at: accepted.map(|accept| accept.location.to_string()),
            quota: accepted.and_then(|accept| accept.quota).map(|quota| quota.0),
            place: peer.place.to_string(),
        }
    }

    /// What everybody may see of the peer: without the places of this host's secrets.
    #[must_use]
    pub fn published(mut self) -> Self {
        if self.status == Presence::Error.word() {
            (self.why, self.hint) = (None, None);
        }
        // It moves with every look, and what is published is written anew with every change.
        (self.checked_at, self.next_check) = (None, None);
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
