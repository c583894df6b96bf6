//! Looks at a host that keeps archives and has no larder.

use crate::engine::core::Core;
use crate::engine::peers::host_listing;
use crate::engine::peers::host_listing::Folder;
use crate::model::peer::Peer;
use crate::peer::PeerError;
use crate::peer::ssh::Ssh;
use crate::stop::Stop;

use super::known;
use super::probe::Seen;

/// Lists what is there, and tries what our key can do to it. Obeys `stop`.
pub(super) fn look(core: &Core, peer: &Peer, stop: &Stop) -> Result<Seen, PeerError> {
    let desired = core.desired();
    let ssh = Ssh::open(peer, &desired.instance.state_dir)?;
    let hold = ssh.hold(stop)?;
    let sender_can_delete = Some(hold.can_delete(stop)?);
    let contact = known(core).get(&peer.name).cloned();
    let before = contact.as_ref().and_then(|contact| contact.holdings.as_ref());
    let before = before.map_or(&[][..], |holdings| &holdings.copies);
    let folder = Folder::look(&hold, stop)?;
    let copies = host_listing::copies(&hold, &folder, before, &desired.instance, &peer.name, stop)?;
    Ok(Seen { holdings: Some(copies), sender_can_delete, ..Seen::default() })
}
