//! An archive of ours that is kept at a peer alone, brought to a location of this host.
//!
//! It is published like one that was made here. It is pinned, since whatever let it go here once
//! would let it go again.
//!
//! **Invariant:** of what comes, nothing has a name before it is proved by the hash that the peer
//! recorded; that the peer is honest is not proved by it.

use super::holder::Holder;
use super::repair::come;
use crate::archive::Recode;
use crate::engine::runs::context::{Context, Done, Failure};
use crate::engine::runs::send;
use crate::location::ArchiveStore as _;
use crate::model::archive::{Archive, Condition, CopyKey, How};
use crate::model::location::Location;
use crate::model::peer::Peer;
use crate::model::size::Bytes;

/// Brings an archive to the location of `key`.
pub(super) async fn bring(
    cx: &Context,
    holder: &Holder,
    peer: &Peer,
    key: &CopyKey,
) -> Result<Done, Failure> {
    let to = &key.location;
    let unknown = || Failure::new(format!("location `{to}` is not in the configuration"));
    let place = cx.desired.locations.get(to).ok_or_else(unknown)?;
    let folder = cx.core.folder(to).ok_or_else(unknown)?;
    let (_, free) = cx.available(to)?;
    cx.progress.enter("asking");
    let said = holder.describe(cx, key.id, to).await?;
    let theirs = &said.archive;
    if !cx.desired.is_ours(to, &theirs.origin) {
        return Err(Failure::new(format!(
            "`{}` was made by {} and not here: `{to}` is not where it belongs",
            theirs.name, theirs.origin
        )));
    }
    let recode = recoding(cx, theirs, place)?;
    let files = if recode.is_none() { 1 } else { 2 };
    if free < theirs.file_size.saturating_mul(files).saturating_add(place.min_free.0) {
        return Err(Failure::new(format!(
            "not enough space at `{to}`: needs {} and {} to stay free (`min_free`), has {}",
            Bytes(theirs.file_size.saturating_mul(files)),
            place.min_free,
            Bytes(free)
        ))
        .hint("make room there, or choose another location with `--to`"));
    }
    let incoming = folder.begin(cx.run.id)?;
    let came = come(cx, holder, &folder, incoming, &said, recode.as_ref()).await;
    let (incoming, came) = came.inspect_err(|_| cx.discard(folder.as_ref()))?;
    if recode.is_some() && came.stream_sha256 != theirs.stream_sha256 {
        cx.discard(folder.as_ref());
        return Err(Failure::new(format!("`{}` at `{}` is damaged", theirs.name, peer.name))
            .hint("nothing was published here"));
    }
    let name = send::free_name(cx, theirs, to).inspect_err(|_| cx.discard(folder.as_ref()))?;
    let copy = Archive {
        name: name.clone(),
        location: to.clone(),
        file_size: came.file_size,
        file_sha256: Some(came.file_sha256),
        stream_sha256: came.stream_sha256,
        codec: recode.as_ref().map_or(theirs.codec, |recode| recode.codec),
        recipients: recode.map_or_else(|| theirs.recipients.clone(), |recode| recode.recipients),
        how: How::Copied { from: peer.name.clone(), manual: theirs.how.is_manual() },
        received_at: Some(cx.now()),
        pinned: true,
        condition: Condition::Present,
        verified_at: came.verified_at,
        ..theirs.clone()
    };
    folder.publish(incoming, &copy, &said.info_json)?;
    cx.core.catalogue.put_published(&cx.core.state, copy);
    cx.log(&format!("it is pinned: `larder archive unpin {name} --location {to}` lets it expire"));
    Ok(Done {
        summary: format!(
            "`{name}` fetched from {} to {to}, {}, and pinned",
            peer.name,
            Bytes(came.file_size)
        ),
        archive: Some((name, came.file_size)),
        ..Done::default()
    })
}

/// How it is encoded here, where that differs. What is encrypted stays as it is: this host cannot
/// read it, and whoever asked for it may.
fn recoding(cx: &Context, theirs: &Archive, place: &Location) -> Result<Option<Recode>, Failure> {
    if !theirs.recipients.is_empty() {
        return Ok(None);
    }
    let recipients = send::recipients(cx, theirs, &place.name, &place.encrypt_to);
    send::plan_recoding(theirs, place.codec, &recipients, &place.name)
}
