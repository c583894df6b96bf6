//! Deletes our expired archives at a host that cannot do it itself.
//!
//! What was planned is named by id; what is there under a name is read again before anything is
//! removed. The archive goes first, then the files that describe it: what is left after an
//! interruption is no archive.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::archive::ArchiveId;
use crate::model::name::PlaceName;
use crate::model::size::Bytes;
use crate::peer::PeerError;
use crate::peer::ssh::Ssh;

use super::contacts;
use super::context::{Context, Done, Failure};
use super::far::{self, Folder};

/// Deletes exactly these at a peer.
pub(crate) fn prune(
    cx: &Context,
    peer: &PlaceName,
    archives: &[ArchiveId],
) -> Result<Done, Failure> {
    let failed = |error: PeerError| {
        if let PeerError::Stopped(stopped) = error {
            return Failure::from(stopped);
        }
        let failure = Failure::new(error.line());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    let table = cx.desired.peers.get(peer).filter(|table| table.prune).ok_or_else(|| {
        Failure::new(format!("nothing is deleted at `{peer}`: it has no `prune = true` any more"))
    })?;
    let holdings = contacts::known(&cx.core).get(peer).and_then(|known| known.holdings.clone());
    let copies = holdings.map(|holdings| holdings.copies).unwrap_or_default();
    let names: BTreeSet<String> =
        copies.iter().filter(|copy| archives.contains(&copy.id)).map(|c| c.name.clone()).collect();
    cx.progress.enter("looking at what is there");
    let ssh = Ssh::open(table, &cx.desired.instance.state_dir).map_err(failed)?;
    let hold = ssh.hold(&cx.stop).map_err(failed)?;
    let folder = Folder::look(&hold, &cx.stop).map_err(failed)?;
    let there = far::descriptions(&hold, &names, peer, &cx.stop).map_err(failed)?;
    cx.progress.enter("deleting");
    let mut gone: BTreeMap<ArchiveId, u64> = BTreeMap::new();
    for copy in copies.iter().filter(|copy| archives.contains(&copy.id)) {
        cx.stop.check()?;
        match there.get(&copy.name) {
            Some(found) if found.id == copy.id => {
                hold.remove(&folder.files_of(&copy.name), &cx.stop).map_err(failed)?;
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
