//! What can be asked about peers.

use std::sync::Arc;

use super::Handle;
use crate::engine::peers::contacts;
use crate::engine::peers::contacts::hand;
use crate::engine::{RemoteError, RemoteOrder, RequestError};
use crate::model::contact::Contact;
use crate::model::name::PlaceName;

impl Handle {
    /// Asks a peer now, and returns when what it said is in force and shown.
    ///
    /// # Errors
    /// No such peer, or one that comes to us. That it does not answer is no error: it is known then.
    pub async fn check_peer(&self, peer: &PlaceName) -> Result<Arc<Contact>, RequestError> {
        let known = contacts::check_now(&self.core, peer).await?;
        self.looked().await;
        Ok(known)
    }

    /// Asks another instance to do something. The numbers of the runs there.
    ///
    /// # Errors
    /// There is no such peer, it cannot be asked, or it refuses.
    pub async fn ask_peer(
        &self,
        peer: &PlaceName,
        order: RemoteOrder,
    ) -> Result<Vec<u64>, RemoteError> {
        hand::order(&self.core, peer, order).await
    }

    /// Notes that a peer used its token here.
    pub(crate) fn peer_came(&self, peer: &PlaceName) {
        contacts::came(&self.core, peer);
    }
}
