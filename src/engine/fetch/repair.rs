//! A whole copy in the place of one that is damaged or lost.
//!
//! **Invariant:** what is here is not touched before what came is on the disk and proved by the hash
//! that was recorded here: that of the file, or that of the plain stream where the copy is encoded
//! otherwise.

use std::fs::File;
use std::sync::Arc;

use jiff::Timestamp;

use super::{described, failed, pace_of, stop_of};
use crate::archive::{self, Recode};
use crate::engine::ArchiveKey;
use crate::engine::context::{Context, Done, Failure, with_causes};
use crate::location::folder::Folder;
use crate::location::{ArchiveStore as _, Incoming};
use crate::model::archive::{Archive, Condition, Sha256};
use crate::model::peer::Peer;
use crate::model::size::Bytes;
use crate::peer::PeerError;
use crate::peer::https::{Https, Wanted};

/// Fetches a whole copy of an archive that is damaged or lost here.
pub(super) async fn repair(
    cx: &Context,
    https: &Https,
    peer: &Peer,
    broken: Archive,
) -> Result<Done, Failure> {
    let key = ArchiveKey { id: broken.id, location: broken.location.clone() };
    let (_, free) = cx.available(&key.location)?;
    let folder = cx.core.folder(&key.location).ok_or_else(|| {
        Failure::new(format!("location `{}` is not in the configuration", key.location))
    })?;
    cx.progress.enter("asking");
    let (theirs, said) = described(https, broken.id, &key.location).await?;
    let way = way(&broken, &theirs)?;
    let needed = theirs.file_size.saturating_mul(if way == Way::AsItIs { 1 } else { 2 });
    if free < needed {
        return Err(Failure::new(format!(
            "not enough space at `{}`: needs {}, has {}",
            key.location,
            Bytes(needed),
            Bytes(free)
        ))
        .hint("make room there; the damaged archive was left alone"));
    }
    let incoming = folder.begin(cx.run.id)?;
    let result = replace(cx, https, peer, &folder, &incoming, &broken, &theirs, way, &said).await;
    match result {
        Ok(archive) => {
            let was = if broken.condition == Condition::Lost { "lost" } else { "damaged" };
            tracing::warn!(archive = %archive.name, location = %archive.location, peer = %peer.name, "an archive that was {was} is whole again");
            cx.log(&format!(
                "`{}` at {} was {was}: a copy of {} was proved and took its place",
                archive.name, archive.location, peer.name
            ));
            Ok(Done {
                summary: format!(
                    "`{}` at {} was {was} and is repaired from {}, {}",
                    archive.name,
                    archive.location,
                    peer.name,
                    Bytes(archive.file_size)
                ),
                archive: Some((archive.name, archive.file_size)),
                ..Done::default()
            })
        }
        Err(failure) => {
            cx.discard(folder.as_ref());
            Err(failure)
        }
    }
}

/// How a copy becomes what is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its file is the one that was here.
    AsItIs,
    /// Its plain stream is the one that was here.
    ByItsStream,
}

fn way(broken: &Archive, theirs: &Archive) -> Result<Way, Failure> {
    if broken.file_sha256.is_some() && broken.file_sha256 == theirs.file_sha256 {
        return Ok(Way::AsItIs);
    }
    if broken.stream_sha256.is_none() || broken.stream_sha256 != theirs.stream_sha256 {
        return Err(Failure::new(format!(
            "what it has under the id of `{}` is something else",
            broken.name
        ))
        .hint("the hashes of the plain streams differ: take another copy"));
    }
    if !theirs.recipients.is_empty() {
        return Err(Failure::new(format!(
            "the copy of `{}` is encrypted to {}, and its file is not the one that was here",
            broken.name,
            theirs.recipients.join(", ")
        ))
        .hint("restore it from there with `--identity FILE`; this host cannot read it by itself"));
    }
    Ok(Way::ByItsStream)
}

#[expect(clippy::too_many_arguments, reason = "one step of one function")]
async fn replace(
    cx: &Context,
    https: &Https,
    peer: &Peer,
    folder: &Arc<Folder>,
    incoming: &Incoming,
    broken: &Archive,
    theirs: &Archive,
    way: Way,
    said: &serde_json::Value,
) -> Result<Archive, Failure> {
    let unusable = |error| folder.failed("write", &incoming.path, error);
    let theirs_hash = theirs.file_sha256.ok_or_else(|| {
        Failure::new(format!("no hash of `{}` was ever recorded there", theirs.name))
    })?;
    cx.progress.enter("fetching");
    cx.progress.expect_bytes(theirs.file_size);
    let fetched = match way {
        Way::AsItIs => incoming.file.try_clone().map_err(unusable)?,
        Way::ByItsStream => {
            let dir = incoming.path.parent().unwrap_or(&incoming.path);
            tempfile::tempfile_in(dir).map_err(unusable)?
        }
    };
    download(cx, https, peer, (theirs, theirs_hash), &fetched, folder, incoming).await?;
    cx.progress.enter("proving");
    prove(cx, &fetched, theirs_hash, broken)?;
    let mut came =
        Came { file_size: theirs.file_size, file_sha256: theirs_hash, verified_at: Some(cx.now()) };
    if way == Way::ByItsStream {
        let recode = Recode { codec: broken.codec, recipients: broken.recipients.clone() };
        let file = incoming.file.try_clone().map_err(unusable)?;
        let copied =
            archive::copy(fetched, theirs, Some(&recode), file, &stop_of(cx), &cx.progress)
                .map_err(|error| {
                    Failure::new(format!(
                        "cannot encode `{}`: {}",
                        broken.name,
                        with_causes(&error)
                    ))
                })?;
        if copied.stream_sha256 != broken.stream_sha256 {
            return Err(Failure::new(format!(
                "what came as `{}` is not what was written once",
                broken.name
            ))
            .hint("the copy there is damaged as well, whatever its hash says"));
        }
        (came.file_size, came.file_sha256) = (copied.file_size, copied.file_sha256);
    }
    let info_json = said.get("info_json").and_then(serde_json::Value::as_str).unwrap_or("{}");
    put_in_place(cx, folder, incoming, broken, &came, info_json.as_bytes())
}

/// What is known of a whole file in the hidden directory.
pub(crate) struct Came {
    pub(crate) file_size: u64,
    pub(crate) file_sha256: Sha256,
    /// When it was read back, if it was.
    pub(crate) verified_at: Option<Timestamp>,
}

/// Whether an archive waits for a whole copy in its place.
pub(crate) fn is_broken(archive: &Archive) -> bool {
    matches!(archive.condition, Condition::Corrupt | Condition::Lost)
}

/// Puts a whole file in the place of an archive that is damaged or lost. Its record is what it is by
/// now, and not what it was when the file began to come: somebody may have pinned it meanwhile.
pub(crate) fn put_in_place(
    cx: &Context,
    folder: &Folder,
    incoming: &Incoming,
    broken: &Archive,
    came: &Came,
    info_json: &[u8],
) -> Result<Archive, Failure> {
    let _moving = cx.core.moving();
    let key = ArchiveKey { id: broken.id, location: broken.location.clone() };
    let now = cx.archive(&key)?;
    let is_same = now.name == broken.name
        && now.codec == broken.codec
        && now.recipients.is_empty() == broken.recipients.is_empty();
    if !is_broken(&now) || !is_same {
        return Err(Failure::new(format!(
            "`{}` at `{}` is neither damaged nor lost any more",
            now.name, now.location
        ))
        .hint("what came was thrown away; nothing was changed"));
    }
    let was_lost = now.condition == Condition::Lost;
    let whole = Archive {
        condition: Condition::Present,
        verified_at: came.verified_at,
        file_size: came.file_size,
        file_sha256: Some(came.file_sha256),
        ..now
    };
    if was_lost {
        let info_json = folder.info_json(&whole).unwrap_or_else(|_| info_json.to_vec());
        let file = incoming.file.try_clone();
        let file = file.map_err(|error| folder.failed("use", &incoming.path, error))?;
        let incoming = Incoming { writer: incoming.writer, file, path: incoming.path.clone() };
        folder.publish(incoming, &whole, &info_json)?;
    } else {
        folder.repair(incoming, &whole)?;
        folder.update(&whole)?;
    }
    cx.core.catalogue.put(&cx.core.state, whole.clone())?;
    Ok(whole)
}

/// Fetches a whole file, and goes on where it breaks off.
async fn download(
    cx: &Context,
    https: &Https,
    peer: &Peer,
    (theirs, hash): (&Archive, Sha256),
    into: &File,
    folder: &Arc<Folder>,
    incoming: &Incoming,
) -> Result<(), Failure> {
    let wanted = Wanted { id: theirs.id, size: theirs.file_size, sha256: Some(hash) };
    let log = |line: &str| cx.log(line);
    let filled = https.fill(wanted, into, &pace_of(peer), &cx.progress, &log).await;
    filled.map_err(|error| match error {
        PeerError::Local { source, .. } => folder.failed("write", &incoming.path, source).into(),
        error => failed(&error),
    })
}

fn prove(cx: &Context, file: &File, hash: Sha256, broken: &Archive) -> Result<(), Failure> {
    use std::io::Seek as _;
    let read = |error: &dyn std::error::Error| {
        Failure::new(format!("cannot read what came as `{}`: {}", broken.name, with_causes(error)))
    };
    let mut rewound = file;
    rewound.rewind().map_err(|error| read(&error))?;
    let intact = archive::verify(file, hash, &stop_of(cx), &cx.progress);
    if !intact.map_err(|error| read(&error))? {
        return Err(Failure::new(format!(
            "what came as `{}` does not have the hash that was announced",
            broken.name
        ))
        .hint("the damaged archive was left alone"));
    }
    let mut rewound = file;
    rewound.rewind().map_err(|error| read(&error))
}
