//! An upload begins, or goes on where it stopped.

use serde_json::Value;

use super::{
    InTheWay, Known, ReceiveError, Standing, counts, describe, finish, free, rules, usable,
};
use crate::engine::core::Core;
use crate::engine::locations::doors::Visitor;
use crate::model::archive::{Archive, Condition, Sha256};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::peer::Accept;
use crate::model::upload::{
    CHUNK, CHUNK_MAX, CHUNK_MIN, CHUNKS_MAX, FileName, Upload, UploadId, chunks_of,
};

/// What a sender says of a file before its first byte.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The name of the file.
    pub file_name: String,
    /// Its length in bytes.
    pub total_size: u64,
    /// The bytes of each chunk but the last; ours without.
    pub chunk_size: Option<u64>,
    /// The SHA-256 of the whole file, in hex.
    pub checksum: String,
    /// What more it says of the archive.
    pub info: Option<Value>,
}

/// What a peer announces, once it was read.
struct Wanted {
    file: FileName,
    size: u64,
    chunk_size: Option<u64>,
    checksum: Sha256,
}

impl Wanted {
    fn read(announced: &Announced) -> Result<Self, ReceiveError> {
        let file: FileName = announced.file_name.parse().map_err(|error| ReceiveError::Unfit {
            why: format!("`filename` cannot be {:?}: {error}", announced.file_name),
            hint: Some("send it as `NAME.tar`, `NAME.tar.gz` or `NAME.tar.zst`".to_owned()),
        })?;
        let checksum = announced.checksum.parse().map_err(|()| {
            ReceiveError::unfit("`checksum` is not a SHA-256: 64 hex digits of the whole file")
        })?;
        let (size, chunk_size) = (announced.total_size, announced.chunk_size);
        if size == 0 {
            return Err(ReceiveError::unfit("`total_size` is 0, and no archive is empty"));
        }
        if chunk_size.is_some_and(|bytes| !(CHUNK_MIN..=CHUNK_MAX).contains(&bytes)) {
            return Err(ReceiveError::unfit(format!(
                "`chunk_size` must be between {CHUNK_MIN} and {CHUNK_MAX} bytes"
            )));
        }
        if chunks_of(size, chunk_size.unwrap_or(CHUNK)).is_none() {
            return Err(ReceiveError::Unfit {
                why: format!("these would be more than {CHUNKS_MAX} chunks"),
                hint: Some(format!("send larger ones: up to {CHUNK_MAX} bytes each")),
            });
        }
        Ok(Self { file, size, chunk_size, checksum })
    }

    /// Whether an upload is the one that is wanted.
    fn is(&self, upload: &Upload) -> bool {
        upload.file_name() == self.file.to_string()
            && upload.total_size() == self.size
            && upload.checksum == self.checksum
            && self.chunk_size.is_none_or(|bytes| bytes == upload.chunk_size)
    }
}

/// Begins an upload of a peer; `true` when it is new, `false` when it goes on.
pub(crate) fn begin(
    core: &Core,
    peer: &PlaceName,
    announced: &Announced,
) -> Result<(Standing, bool), ReceiveError> {
    let desired = core.desired();
    let accept = desired.peers.get(peer).and_then(|peer| peer.accept.as_ref());
    let (Some(accept), Some(space)) = (accept, desired.name_space(peer)) else {
        return Err(ReceiveError::NotFound(format!("no peer `{peer}` may store archives here")));
    };
    let wanted = Wanted::read(announced)?;
    let now = core.now().to_zoned(desired.instance.timezone.clone());
    let own: Vec<_> = std::iter::once(&desired.instance.name)
        .chain(&desired.instance.formerly)
        .cloned()
        .collect();
    let known = describe::Known {
        peer,
        space: &space,
        file: &wanted.file,
        size: wanted.size,
        checksum: wanted.checksum,
        now: &now,
        own: &own,
    };
    let (archive, info_json) = describe::describe(known, announced.info.as_ref())?;

    let still = core.hold_still(&space, Visitor::Peer)?;
    if let Some(open) = open_of_this_name(core, &space, &wanted)? {
        if resume(core, &open)? {
            let standing = open.book().standing();
            return Ok((standing, false));
        }
        // Its file is gone, and with it everything that was received: it begins anew.
        drop(still);
        super::abandon(core, &open, Visitor::Peer)?;
        return begin(core, peer, announced);
    }
    check_name(core, &space, &wanted)?;
    // Nor may another peer send it at the same moment to another location.
    let _announcing = core.uploads.announce(archive.id).ok_or_else(|| {
        let why = format!("an archive with the id {} is being announced already", archive.id);
        ReceiveError::Unavailable { why, hint: Some("announce it again in a moment".to_owned()) }
    })?;
    let mut same_id = core.catalogue.select(|other| other.id == archive.id);
    same_id.extend(core.uploads.all().iter().map(|known| known.upload().archive));
    same_id.retain(|other| other.id == archive.id);
    // Of two archives with one id, one is a forgery: what cannot be read must be the same file.
    let differs = |other: &Archive| {
        let (theirs, its) = (archive.stream_sha256, other.stream_sha256);
        let is_readable = archive.recipients.is_empty() && other.recipients.is_empty();
        let is_same_file = archive.file_sha256 == other.file_sha256;
        !is_same_file && (!is_readable || theirs.is_none() || theirs != its)
    };
    let is_in_the_way = |other: &&Archive| {
        other.origin != archive.origin || other.location == space || differs(other)
    };
    if let Some(other) = same_id.iter().find(is_in_the_way) {
        let taken = ReceiveError::conflict(
            format!("an archive with the id {} is here already, under another name", archive.id),
            "each archive has an id of its own",
        );
        return Err(same_of_its_own(core, &space, other, taken));
    }
    rules::may_begin(wanted.size, &room(core, &desired, accept, peer, &space)?)?;
    let folder = usable(core, &space)?;
    if folder.is_taken(&archive.name)? {
        return Err(ReceiveError::conflict(
            format!("the name `{}` is taken or was used before", archive.name),
            "an archive never replaces another: send it under another name",
        )
        .with(InTheWay::name(&archive.name)));
    }
    let upload = Upload {
        id: UploadId(uuid::Uuid::new_v4()),
        peer: peer.clone(),
        archive,
        info_json,
        checksum: wanted.checksum,
        chunk_size: wanted.chunk_size.unwrap_or(CHUNK),
        begun_at: now.timestamp(),
        touched_at: now.timestamp(),
        published_at: None,
    };
    core.state.commit(|txn| txn.put_upload(&upload))?;
    if let Err(error) = folder.begin_part(upload.id, upload.total_size()) {
        core.state.commit(|txn| txn.drop_upload(upload.id))?;
        return Err(error.into());
    }
    tracing::info!(upload = %upload.id, peer = %peer, file = %upload.file_name(), bytes = upload.total_size(), "an upload began");
    let known = Known::new(upload, std::collections::BTreeMap::new());
    let standing = known.book().standing();
    core.uploads.add(standing.upload.id, known);
    Ok((standing, true))
}

/// The open upload of this name, if it is of the same file.
fn open_of_this_name(
    core: &Core,
    space: &PlaceName,
    wanted: &Wanted,
) -> Result<Option<std::sync::Arc<Known>>, ReceiveError> {
    for known in core.uploads.all() {
        let upload = known.upload();
        if upload.archive.location != *space
            || upload.published_at.is_some()
            || upload.archive.name != wanted.file.name
        {
            continue;
        }
        if wanted.is(&upload) {
            return Ok(Some(known));
        }
        return Err(ReceiveError::conflict(
            format!(
                "an upload of another file with the name `{}` is open, in chunks of {} bytes: {}",
                upload.archive.name, upload.chunk_size, upload.id
            ),
            "finish or abandon it first; one that nobody goes on with is dropped after 48 hours",
        )
        .with(InTheWay::upload(&upload)));
    }
    Ok(None)
}

/// Goes on with an upload; `false` when what was received of it is gone. The file that a crash kept
/// from being made is made now.
fn resume(core: &Core, known: &Known) -> Result<bool, ReceiveError> {
    let folder = usable(core, &known.upload().archive.location)?;
    let (upload, nothing_yet) = {
        let mut book = known.book();
        book.upload.touched_at = core.now();
        (book.upload.clone(), book.chunks.is_empty())
    };
    core.state.commit(|txn| txn.put_upload(&upload))?;
    if folder.open_part(upload.id, upload.total_size())?.is_some() {
        return Ok(true);
    }
    if nothing_yet {
        folder.begin_part(upload.id, upload.total_size())?;
        return Ok(true);
    }
    if let Some(archive) = finish::was_published(core, known, &folder)? {
        return Err(there_already(&upload.file_name()).with(InTheWay::archive(&archive)));
    }
    Ok(false)
}

fn there_already(file: &str) -> ReceiveError {
    ReceiveError::conflict(
        format!("`{file}` is there already, with the same content"),
        "nothing needs to be sent",
    )
}

/// A name is used once, by one archive.
fn check_name(core: &Core, space: &PlaceName, wanted: &Wanted) -> Result<(), ReceiveError> {
    let of_name = |known: &Archive| known.location == *space && known.name == wanted.file.name;
    let Some(known) = core.catalogue.select(of_name).pop() else { return Ok(()) };
    let there = matches!(known.condition, Condition::Present | Condition::Unavailable);
    if there && known.file_sha256 == Some(wanted.checksum) {
        let there = InTheWay::archive(&known);
        return Err(there_already(&wanted.file.to_string()).with(there));
    }
    Err(ReceiveError::conflict(
        format!("an archive `{}` is there already, or was, and is another one", known.name),
        "an archive never replaces another: send it under another name",
    )
    .with(InTheWay::archive(&known)))
}

/// An archive of the same identity is in the way. Of what rests elsewhere, nothing is told.
fn same_of_its_own(
    core: &Core,
    space: &PlaceName,
    other: &Archive,
    taken: ReceiveError,
) -> ReceiveError {
    if other.location != *space {
        return taken;
    }
    let all = core.uploads.all();
    let open = all.iter().map(|known| known.upload()).find(|upload| {
        upload.archive.id == other.id
            && upload.archive.location == *space
            && upload.published_at.is_none()
    });
    taken.with(open.map_or_else(|| InTheWay::archive(other), |upload| InTheWay::upload(&upload)))
}

fn room(
    core: &Core,
    desired: &Desired,
    accept: &Accept,
    peer: &PlaceName,
    space: &PlaceName,
) -> Result<rules::Room, ReceiveError> {
    let archives = core.catalogue.select(|archive| counts(archive, space));
    let mut room = rules::Room {
        open_max: accept.max_open_uploads,
        archives: archives.len(),
        used: archives.iter().map(|archive| archive.file_size).sum(),
        quota: accept.quota,
        min_free: desired.locations.get(space).map(|place| place.min_free).unwrap_or_default(),
        free: free(core, space)?,
        ..rules::Room::default()
    };
    for known in core.uploads.all() {
        let book = known.book();
        let upload = &book.upload;
        if upload.published_at.is_some() {
            continue;
        }
        if upload.peer == *peer {
            room.open += 1;
            room.used = room.used.saturating_add(upload.total_size());
        }
        // Those in the same location share its disk.
        if upload.archive.location.above() == space.above() {
            let here: u64 =
                book.chunks.keys().filter_map(|chunk| Some(upload.range(*chunk)?.1)).sum();
            room.expected = room.expected.saturating_add(upload.total_size() - here);
        }
    }
    Ok(room)
}
