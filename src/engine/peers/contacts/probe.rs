//! Asks one peer, by its kind.
//!
//! A probe changes nothing that is known: what it saw goes to [`change`](super::change). It may
//! take as long as it likes; whoever began it drops it, and asks its stop, when its time is over.

use std::sync::Arc;
use std::time::Duration;

use crate::model::contact::{RemoteCopy, Told};
use crate::model::name::PlaceName;
use crate::model::peer::{Peer, PeerKind};
use crate::peer::PeerError;
use crate::stop::Stop;

use super::channel::visible;
use super::{host, instance};
use crate::engine::core::Core;
use crate::engine::requests::Request;

/// How long a look at the locations is waited for: one that hangs must not keep a peer from an
/// answer.
const LOOK: Duration = Duration::from_secs(30);

/// What a look at a peer showed. What is `None` was not looked at: what was known of it stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The version of its program.
    pub(crate) version: Option<String>,
    /// What it holds of this instance's archives.
    pub(crate) holdings: Option<Vec<RemoteCopy>>,
    /// Archives of its own that it offers us.
    pub(crate) offered: Option<Vec<RemoteCopy>>,
    /// What it told about itself.
    pub(crate) told: Option<Told>,
    /// SSH kinds: whether our key can delete or replace what is there.
    pub(crate) sender_can_delete: Option<bool>,
}

/// Whether this instance asks a peer: one without an address comes to us.
pub(crate) fn is_asked(peer: &Peer) -> bool {
    match &peer.kind {
        PeerKind::Instance { url, .. } => url.is_some(),
        PeerKind::BackupChannel { .. } | PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => true,
    }
}

/// Asks a peer. An error that [`is_offline`](PeerError::is_offline) means that it could not be
/// reached, every other one that it answered and refused, or that it cannot be asked like this.
pub(crate) async fn probe(core: &Arc<Core>, peer: &Peer, stop: &Stop) -> Result<Seen, PeerError> {
    match &peer.kind {
        PeerKind::Instance { .. } => instance::look(core, peer).await,
        PeerKind::BackupChannel { hostname, location } => {
            let (hostname, location) = (hostname.clone(), location.clone());
            looked(core).await;
            blocking(core, peer, stop, move |core, peer, _| {
                channel(core, peer, &hostname, location.as_ref())
            })
            .await
        }
        PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => {
            blocking(core, peer, stop, host::look).await
        }
    }
}

/// Waits for a look at the locations: whoever has just started knows what the state remembers, and
/// not what else lies there.
async fn looked(core: &Core) {
    let (reply, answer) = tokio::sync::oneshot::channel();
    if core.requests.send(Request::Look(reply)).is_ok() {
        let _ = tokio::time::timeout(LOOK, answer).await;
    }
}

/// Runs a probe that blocks on a thread for it.
async fn blocking(
    core: &Arc<Core>,
    peer: &Peer,
    stop: &Stop,
    body: impl FnOnce(&Core, &Peer, &Stop) -> Result<Seen, PeerError> + Send + 'static,
) -> Result<Seen, PeerError> {
    let (core, asked, stop) = (Arc::clone(core), peer.clone(), stop.clone());
    let ended = tokio::task::spawn_blocking(move || body(&core, &asked, &stop)).await;
    ended.unwrap_or_else(|error| {
        Err(PeerError::Unreached {
            peer: peer.name.clone(),
            why: format!("an error in larder itself: {error}"),
        })
    })
}

/// Looks for archives of a host name at a location, or at any enabled one.
fn channel(
    core: &Core,
    peer: &Peer,
    hostname: &str,
    location: Option<&PlaceName>,
) -> Result<Seen, PeerError> {
    let (archives, foreign) = (core.catalogue.archives(), core.catalogue.foreign());
    if visible(&archives, &foreign, hostname, location) > 0 {
        return Ok(Seen::default());
    }
    let place = location.map_or_else(|| "any location".to_owned(), |place| format!("`{place}`"));
    let why = format!("no archive of host `{hostname}` is to be seen at {place}");
    Err(PeerError::Offline { peer: peer.name.clone(), why })
}
