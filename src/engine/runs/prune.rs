//! Deletes our expired archives at a host that cannot do it itself.
//!
//! What was planned is named by id, and may have waited for days: what is there is looked at first,
//! and only what a plan made from that lets go is deleted. What is there under a name is read again
//! before anything is removed. The archive goes first, then the files that describe it: what is left
//! after an interruption is no archive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::observe;
use crate::engine::peers::contacts;
use crate::engine::peers::host_listing;
use crate::engine::peers::host_listing::Folder;
use crate::engine::runs::backoff;
use crate::engine::runs::context::{Context, Done, Failure};
use crate::model::archive::ArchiveId;
use crate::model::contact::{Contact, Holdings, Presence, RemoteCopy};
use crate::model::name::PlaceName;
use crate::model::size::Bytes;
use crate::peer::ssh::Ssh;
use crate::reconcile::transfers;

/// Deletes exactly these at a peer, as far as they may still go.
pub(crate) fn prune(
    cx: &Context,
    peer: &PlaceName,
    archives: &[ArchiveId],
) -> Result<Done, Failure> {
    let desired = cx.core.desired();
    let table = desired.peers.get(peer).filter(|table| table.prune).ok_or_else(|| {
        Failure::new(format!("nothing is deleted at `{peer}`: it has no `prune = true` any more"))
    })?;
    let holdings = contacts::known(&cx.core).get(peer).and_then(|known| known.holdings.clone());
    let before = holdings.map(|holdings| holdings.copies).unwrap_or_default();
    cx.progress.enter("looking at what is there");
    let ssh = Ssh::open(table, &desired.instance.state_dir)?;
    let hold = ssh.hold(&cx.stop)?;
    let folder = Folder::look(&hold, &cx.stop)?;
    let found = host_listing::copies(&hold, &folder, &before, &desired.instance, peer, &cx.stop)?;
    let planned = still_planned(cx, peer, &found)?;
    let wanted: Vec<&RemoteCopy> =
        before.iter().filter(|copy| archives.contains(&copy.id)).collect();
    let names: BTreeSet<String> = wanted.iter().map(|copy| copy.name.clone()).collect();
    let there = host_listing::descriptions(&hold, &names, peer, &cx.stop)?;
    cx.progress.enter("deleting");
    let mut gone: BTreeMap<ArchiveId, u64> = BTreeMap::new();
    for copy in wanted {
        cx.stop.check()?;
        match there.get(&copy.name) {
            Some(found) if found.id == copy.id && !planned.contains(&copy.id) => {
                cx.log(&format!("kept `{}` at {peer}: it may not go any more", copy.name));
                backoff::put_off(&cx.core.state, copy.id, peer, (cx.now(), backoff::SOON))?;
                continue;
            }
            Some(found) if found.id == copy.id => {
                hold.remove(&folder.files_of(&copy.name), &cx.stop)?;
                cx.log(&format!("deleted `{}` at {peer}", copy.name));
            }
            Some(_) => {
                return Err(Failure::new(format!(
                    "`{}` at `{peer}` is another archive by now: nothing of it was deleted",
                    copy.name
                ))
                .hint(format!("`larder peer check {peer}` looks again")));
            }
            None if folder.files_of(&copy.name).is_empty() => {
                cx.log(&format!("`{}` is not at {peer} any more", copy.name));
            }
            None => {
                return Err(Failure::new(format!(
                    "nobody can say what `{}` at `{peer}` is: its description is gone",
                    copy.name
                ))
                .hint("look there, and delete it by hand"));
            }
        }
        gone.insert(copy.id, copy.file_size);
        let id = copy.id;
        contacts::change(&cx.core, peer, |contact| {
            if let Some(holdings) = &mut contact.holdings {
                holdings.copies.retain(|other| other.id != id);
            }
        })?;
    }
    let freed = gone.values().sum();
    let count =
        if gone.len() == 1 { "1 archive".to_owned() } else { format!("{} archives", gone.len()) };
    Ok(Done { summary: format!("{count} deleted at {peer}, {}", Bytes(freed)), ..Done::default() })
}

/// What a plan made now from what was just found there lets go, this run not counted. What was found
/// is not remembered: that is for whoever asks the peer.
fn still_planned(
    cx: &Context,
    peer: &PlaceName,
    found: &[RemoteCopy],
) -> Result<BTreeSet<ArchiveId>, Failure> {
    let (desired, now) = (cx.core.desired(), cx.now());
    let mut observed = observe::observe(&cx.core, &desired, now)?;
    observed.open_runs.retain(|run| run.id != cx.run.id);
    if let Some(contact) = observed.contacts.get_mut(peer) {
        let contact: &mut Contact = Arc::make_mut(contact);
        contact.presence = Presence::Online;
        contact.holdings = Some(Holdings { at: now, copies: found.to_vec() });
    }
    let zoned = now.to_zoned(desired.instance.timezone.clone());
    Ok(transfers::prune::leaving(&desired, &observed, &zoned, peer))
}
