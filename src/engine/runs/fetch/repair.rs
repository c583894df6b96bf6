//! A whole copy in the place of one that is damaged or lost.
//!
//! **Invariant:** what is here is not touched before what came is on the disk and proved by the hash
//! that was recorded here: that of the file, or that of the plain stream where the copy is encoded
//! otherwise.

use std::fs::File;
use std::sync::Arc;

use jiff::Timestamp;

use super::holder::{Holder, Said};
use super::stop_of;
use crate::archive::{self, Recode};
use crate::engine::locations::doors::Visitor;
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::location::folder::Folder;
use crate::location::{ArchiveStore as _, Incoming};
use crate::model::archive::{Archive, Condition, Sha256};
use crate::model::peer::Peer;
use crate::model::size::Bytes;

/// Fetches a whole copy of an archive that is damaged or lost here.
pub(super) async fn repair(
    cx: &Context,
    holder: &Holder,
    peer: &Peer,
    broken: Archive,
) -> Result<Done, Failure> {
    let key = broken.key();
    let (_, free) = cx.available(&key.location)?;
    let folder = cx.core.folder(&key.location).ok_or_else(|| {
        Failure::new(format!("location `{}` is not in the configuration", key.location))
    })?;
    cx.progress.enter("asking");
    let said = holder.describe(cx, broken.id, &key.location).await?;
    let way = way(&broken, &said.archive)?;
    let needed = said.archive.file_size.saturating_mul(if way == Way::AsItIs { 1 } else { 2 });
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
    let result = replace(cx, holder, &folder, incoming, &broken, &said, way).await;
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

async fn replace(
    cx: &Context,
    holder: &Holder,
    folder: &Arc<Folder>,
    incoming: Incoming,
    broken: &Archive,
    said: &Said,
    way: Way,
) -> Result<Archive, Failure> {
    let recode = (way == Way::ByItsStream)
        .then(|| Recode { codec: broken.codec, recipients: broken.recipients.clone() });
    let (incoming, came) = come(cx, holder, folder, incoming, said, recode.as_ref()).await?;
    if recode.is_some() && came.stream_sha256 != broken.stream_sha256 {
        return Err(Failure::new(format!(
            "what came as `{}` is not what was written once",
            broken.name
        ))
        .hint("the copy there is damaged as well, whatever its hash says"));
    }
    put_in_place(cx, folder, &incoming, broken, &came, &said.info_json)
}

/// Has the file of an archive come into a hidden one, proves it by the hash that is recorded there,
/// and encodes it anew where that is asked for.
pub(super) async fn come(
    cx: &Context,
    holder: &Holder,
    folder: &Arc<Folder>,
    incoming: Incoming,
    said: &Said,
    recode: Option<&Recode>,
) -> Result<(Incoming, Came), Failure> {
    cx.progress.enter("fetching");
    cx.progress.expect_bytes(said.archive.file_size);
    let Some(recode) = recode else {
        let file = holder.fill(cx, said, folder, &incoming.path).await?;
        cx.progress.enter("proving");
        prove(cx, &file, said)?;
        let came = Came {
            file_size: said.archive.file_size,
            file_sha256: said.file_sha256,
            stream_sha256: said.archive.stream_sha256,
            verified_at: Some(cx.now()),
        };
        return Ok((Incoming { file, ..incoming }, came));
    };
    let scratch = folder.begin_scratch(cx.run.id)?;
    let fetched = holder.fill(cx, said, folder, &scratch).await?;
    cx.progress.enter("proving");
    prove(cx, &fetched, said)?;
    let file = incoming.file.try_clone();
    let file = file.map_err(|error| folder.failed("use", &incoming.path, error))?;
    let copied =
        archive::copy(fetched, &said.archive, Some(recode), file, &stop_of(cx), &cx.progress);
    let copied = copied.map_err(|error| {
        let name = &said.archive.name;
        Failure::new(format!("cannot encode `{name}`: {}", with_causes(&error)))
    })?;
    let came = Came {
        file_size: copied.file_size,
        file_sha256: copied.file_sha256,
        stream_sha256: copied.stream_sha256,
        verified_at: Some(cx.now()),
    };
    Ok((incoming, came))
}

/// What is known of a whole file in the hidden directory.
pub(crate) struct Came {
    pub(crate) file_size: u64,
    pub(crate) file_sha256: Sha256,
    /// SHA-256 of the plain stream in it, where it is known.
    pub(crate) stream_sha256: Option<Sha256>,
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
    let key = broken.key();
    let _moving = cx.core.moving(&key.location, folder, Visitor::Run(&cx.stop))?;
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

/// What came must have the hash that was announced.
fn prove(cx: &Context, file: &File, said: &Said) -> Result<(), Failure> {
    use std::io::Seek as _;
    let name = &said.archive.name;
    let read = |error: &dyn std::error::Error| {
        Failure::new(format!("cannot read what came as `{name}`: {}", with_causes(error)))
    };
    let mut rewound = file;
    rewound.rewind().map_err(|error| read(&error))?;
    let intact = archive::verify(file, said.file_sha256, &stop_of(cx), &cx.progress);
    if !intact.map_err(|error| read(&error))? {
        return Err(Failure::new(format!(
            "what came as `{name}` does not have the hash that was announced"
        ))
        .hint("nothing here was changed: the copy there is damaged, or another one by now"));
    }
    let mut rewound = file;
    rewound.rewind().map_err(|error| read(&error))
}
