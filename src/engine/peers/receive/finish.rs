//! All of an upload is there: the whole file is hashed where it rests, and published.

use std::fmt::Write as _;
use std::fs::File;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Known, ReceiveError, abandon, examine, landing, usable};
use crate::archive;
use crate::engine::core::Core;
use crate::engine::locations::doors::Visitor;
use crate::engine::runs::context::with_causes;
use crate::location::folder::Folder;
use crate::location::{ArchiveStore as _, LocationError};
use crate::model::archive::Archive;
use crate::model::upload::Upload;
use crate::progress::Progress;

/// The most ranges of missing chunks that are told.
const TOLD: usize = 10;

/// Publishes an upload; the same answer again once it was. Whoever calls it is alone. Blocking.
pub(super) fn finish(core: &Core, known: &Known) -> Result<Archive, ReceiveError> {
    let (upload, missing) = {
        let mut book = known.book();
        if book.is_gone {
            return Err(ReceiveError::no_upload(book.upload.id));
        }
        book.upload.touched_at = core.now();
        (book.upload.clone(), book.missing())
    };
    if upload.published_at.is_some() {
        return Ok(upload.archive);
    }
    if !missing.is_empty() && !landing::take(core, known)? {
        return Err(ReceiveError::conflict(
            format!("these chunks are missing: {}", shown(&missing)),
            "send them and finish again; `GET` of the upload says which ones are there",
        ));
    }
    let folder = usable(core, &upload.archive.location)?;
    let file = match open(core, known, &folder) {
        Ok(file) => file,
        // It was published just before a crash, and this noticed it.
        Err(error) => {
            let upload = known.upload();
            return upload.published_at.map(|_| upload.archive).ok_or(error);
        }
    };
    if !is_intact(core, &upload, &folder, &file)? {
        abandon(core, known, Visitor::Peer)?;
        tracing::warn!(upload = %upload.id, peer = %upload.peer, file = %upload.file_name(), "what was received is not what was announced");
        return Err(ReceiveError::Unfit {
            why: "the SHA-256 of what was received is not `checksum`".to_owned(),
            hint: Some("the upload is dropped, and nothing was stored: begin it again".to_owned()),
        });
    }
    let archive = match examine::examine(core, &file, &upload.archive, &upload.peer) {
        Ok(archive) => archive,
        Err(error @ ReceiveError::Unfit { .. }) => {
            abandon(core, known, Visitor::Peer)?;
            tracing::warn!(upload = %upload.id, peer = %upload.peer, file = %upload.file_name(), "what was received is refused: {error}");
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    drop(file);
    publish(core, known, &folder, Upload { archive, ..upload })
}

fn is_intact(
    core: &Core,
    upload: &Upload,
    folder: &Folder,
    file: &File,
) -> Result<bool, ReceiveError> {
    let stop = core.stop.child();
    archive::verify(file, upload.checksum, &stop, &Progress::new()).map_err(|error| match error {
        archive::OpenError::Stopped(_) => ReceiveError::Unavailable {
            why: "the daemon is stopping".to_owned(),
            hint: Some("finish again when it is back: all of it is there".to_owned()),
        },
        archive::OpenError::Io(error) => {
            folder.failed("read", &folder.part_path(upload.id), error).into()
        }
        error => ReceiveError::Unavailable { why: with_causes(&error), hint: None },
    })
}

fn publish(
    core: &Core,
    known: &Known,
    folder: &Folder,
    upload: Upload,
) -> Result<Archive, ReceiveError> {
    // Until it is recorded, nobody takes it for a file that came from nowhere.
    let _still = core.hold_still(&upload.archive.location, Visitor::Peer)?;
    let archive = examine::as_it_arrives(core, upload.archive);
    folder.publish_part(upload.id, &archive, upload.info_json.as_bytes())?;
    record(core, known, archive)
}

/// Records that an upload is an archive now.
fn record(core: &Core, known: &Known, archive: Archive) -> Result<Archive, ReceiveError> {
    let mut book = known.book();
    let published = Upload {
        // What is long about it is of no use here any more.
        archive: Archive { job_json: None, ..archive.clone() },
        info_json: String::new(),
        published_at: Some(core.now()),
        ..book.upload.clone()
    };
    let archives = vec![archive.clone()];
    core.catalogue.put_all(&core.state, archives, |txn| txn.put_upload(&published))?;
    tracing::info!(upload = %published.id, peer = %published.peer, archive = %archive.name, bytes = archive.file_size, "an upload was received and published");
    book.upload = published;
    Ok(archive)
}

/// What became of an upload whose file is not there: where the archive has its name already, a
/// crash came between that and the record, which is made now.
pub(super) fn was_published(
    core: &Core,
    known: &Known,
    folder: &Folder,
) -> Result<Option<Archive>, ReceiveError> {
    let upload = known.upload();
    let Some(found) = folder.published(&upload.archive)? else { return Ok(None) };
    // A catalogue that knows more of it already is right.
    let archive = core.catalogue.get(&found.key()).unwrap_or(found);
    record(core, known, archive).map(Some)
}

/// Opens the file of an upload. One that a crash kept from being made is made; one that is gone
/// ends the upload.
pub(super) fn open(core: &Core, known: &Known, folder: &Arc<Folder>) -> Result<File, ReceiveError> {
    let upload = known.upload();
    let size = upload.total_size();
    if let Some(file) = folder.open_part(upload.id, size)? {
        return Ok(file);
    }
    {
        let _still = core.hold_still(&upload.archive.location, Visitor::Peer)?;
        if known.book().is_gone {
            return Err(ReceiveError::no_upload(upload.id));
        }
        if known.book().chunks.is_empty() {
            return match folder.begin_part(upload.id, size) {
                // Another chunk came at the same time.
                Err(LocationError::Exists { .. }) => folder
                    .open_part(upload.id, size)?
                    .ok_or_else(|| ReceiveError::no_upload(upload.id)),
                other => Ok(other?),
            };
        }
        if was_published(core, known, folder)?.is_some() {
            return Err(ReceiveError::conflict(
                "it is finished already",
                "nothing needs to be sent",
            ));
        }
    }
    tracing::warn!(upload = %upload.id, peer = %upload.peer, "what was received of an upload was removed by somebody");
    abandon(core, known, Visitor::Peer)?;
    Err(ReceiveError::NotFound(format!(
        "what was received of the upload `{}` is gone: begin it again",
        upload.id
    )))
}

fn shown(ranges: &[RangeInclusive<u32>]) -> String {
    let mut text = String::new();
    for (index, range) in ranges.iter().take(TOLD).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let written = if range.start() == range.end() {
            write!(text, "{comma}{}", range.start())
        } else {
            write!(text, "{comma}{}-{}", range.start(), range.end())
        };
        written.expect("a string takes everything");
    }
    if ranges.len() > TOLD {
        text.push_str(" and more");
    }
    text
}
