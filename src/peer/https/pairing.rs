//! Pairing from the side of whoever got a code: an instance that is no peer yet.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::Https;
use crate::model::desired::Place;
use crate::model::name::PlaceName;
use crate::model::pairing::Code;
use crate::model::peer::{Peer, PeerKind};
use crate::model::size::Bytes;
use crate::peer::PeerError;

/// How long a look whether anybody vouches for a certificate may take.
const LOOK: Duration = Duration::from_secs(10);

/// What we say of ourselves.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Offer {
    /// The secret of the code, in hex.
    pub secret: String,
    /// This instance.
    pub instance: String,
    /// Where it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// SHA-256 of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The token that opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Its public keys.
    pub ssh_keys: Vec<String>,
}

/// What we are answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Welcome {
    /// The instance that invited.
    pub instance: String,
    /// What this one is called there.
    pub peer: String,
    /// The token that opens our name space there.
    #[serde(default)]
    pub token: Option<String>,
    /// Its public keys.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
}

/// An instance that no table names.
#[must_use]
pub fn stranger(name: PlaceName, url: &str, pin: Option<String>) -> Peer {
    Peer {
        name,
        kind: PeerKind::Instance {
            url: Some(url.to_owned()),
            token: None,
            ssh: None,
            ca: None,
            pin,
        },
        accept: None,
        rsync_above: Bytes(0),
        bandwidth: None,
        offsite: true,
        fetch_from: Vec::new(),
        prune: false,
        place: Place::built_in(),
    }
}

/// Proves that we know a code, over a connection to the one certificate that it names. Nothing is
/// sent to any other.
///
/// # Errors
/// It does not answer, shows another certificate, or does not take the code.
pub async fn pair(code: &Code, name: PlaceName, offer: &Offer) -> Result<Welcome, PeerError> {
    let pin = code.pin.map(|pin| pin.to_string());
    let https = open(stranger(name, &code.url, pin)).await?;
    https.json(https.request(Method::POST, &["pairing"]).json(offer)).await
}

/// Whether the system's authorities vouch for the certificate at a URL: then nobody needs to pin
/// it, and it may be renewed.
pub async fn is_vouched_for(url: &str) -> bool {
    let Ok(name) = "itself".parse() else { return false };
    let Ok(https) = open(stranger(name, url, None)).await else { return false };
    // Any answer will do: without trust in the certificate there is none.
    let asked = https.request(Method::GET, &["health"]).timeout(LOOK);
    match https.send(asked).await {
        Ok(_) | Err(PeerError::Refused { .. }) => true,
        Err(_) => false,
    }
}

async fn open(peer: Peer) -> Result<Https, PeerError> {
    let name = peer.name.clone();
    let opened = tokio::task::spawn_blocking(move || Https::open(&peer)).await;
    opened.unwrap_or_else(|error| {
        Err(PeerError::Unreached { peer: name, why: format!("an error in larder itself: {error}") })
    })
}
