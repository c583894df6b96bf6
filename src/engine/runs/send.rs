//! Copies an archive to another location of this host.
//!
//! The bytes are taken over as they are where both places encode alike; otherwise the plain stream
//! is encoded anew, and its hash must come out the same. What arrives is published by the same
//! protocol as an archive that was made there. Where what rests there is damaged or lost, the copy
//! takes its place and its record: it is then what it was before, and no new one.

use crate::archive;
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::engine::runs::fetch::repair;
use crate::engine::runs::fetch::repair::Came;
use crate::location::Incoming;
use crate::model::archive::{Archive, Condition, CopyKey, How};
use crate::model::location::Codec;
use crate::model::name::{ArchiveName, PlaceName};
use crate::model::size::Bytes;

/// Copies one archive.
pub(crate) fn send(cx: &Context, key: &CopyKey, to: &PlaceName) -> Result<Done, Failure> {
    let archive = cx.archive(key)?;
    let (source, _) = cx.available(&key.location)?;
    let (target, free) = cx.available(to)?;
    let place = cx.desired.locations.get(to).ok_or_else(|| {
        Failure::new(format!("location `{to}` is not in the configuration any more"))
    })?;
    if free < archive.file_size.saturating_add(place.min_free.0) {
        return Err(Failure::new(format!(
            "not enough space at `{to}`: needs {} and {} to stay free (`min_free`), has {}",
            Bytes(archive.file_size),
            place.min_free,
            Bytes(free)
        ))
        .hint("make room there, or lower `min_free`; no archive was deleted"));
    }
    let there = CopyKey::new(key.id, to);
    let broken = cx.core.catalogue.get(&there).filter(repair::is_broken);
    let recode = if let Some(broken) = &broken {
        recoding_of(&archive, broken)?
    } else {
        let recipients = recipients(cx, &archive, to, &place.encrypt_to);
        plan_recoding(&archive, place.codec, &recipients, to)?
    };
    cx.progress.enter("copying");
    cx.progress.expect_bytes(archive.file_size);
    let input = source.open(&archive)?;
    let info_json = cx.core.folder(&key.location).ok_or_else(|| gone(&key.location))?;
    let info_json = info_json.info_json(&archive)?;
    let incoming = target.begin(cx.run.id)?;
    let file =
        incoming.file.try_clone().map_err(|error| target.failed("use", &incoming.path, error))?;
    let copied = archive::copy(input, &archive, recode.as_ref(), file, &cx.stop, &cx.progress)
        .map_err(|error| match error {
            archive::WriteError::Stopped(stopped) => Failure::from(stopped),
            archive::WriteError::Destination(error) => {
                target.failed("write", &incoming.path, error).into()
            }
            error => {
                Failure::new(format!("cannot copy `{}`: {}", archive.name, with_causes(&error)))
            }
        })
        .and_then(|copied| check_copy(cx, key, &archive, recode.is_some(), copied));
    let copied = match copied {
        Ok(copied) => copied,
        Err(failure) => {
            cx.discard(target.as_ref());
            return Err(failure);
        }
    };
    if let Some(broken) = broken {
        return mend(cx, &archive, &broken, &incoming, &copied, &info_json);
    }
    let copy = Archive {
        name: free_name(cx, &archive, to)?,
        location: to.clone(),
        file_size: copied.file_size,
        file_sha256: Some(copied.file_sha256),
        codec: recode.as_ref().map_or(archive.codec, |recode| recode.codec),
        recipients: recode.map_or_else(|| archive.recipients.clone(), |recode| recode.recipients),
        how: How::Copied { from: key.location.clone(), manual: is_manual(cx, &archive) },
        received_at: Some(cx.now()),
        pinned: false,
        condition: Condition::Present,
        verified_at: None,
        ..archive.clone()
    };
    let name = copy.name.clone();
    target.publish(incoming, &copy, &info_json)?;
    cx.core.catalogue.put_published(&cx.core.state, copy);
    Ok(Done {
        summary: format!(
            "`{}` copied from {} to {to}, {}",
            archive.name,
            key.location,
            Bytes(copied.file_size)
        ),
        archive: Some((name, copied.file_size)),
        ..Done::default()
    })
}

/// Puts what was copied in the place of what is damaged or lost there.
fn mend(
    cx: &Context,
    archive: &Archive,
    broken: &Archive,
    incoming: &Incoming,
    copied: &archive::Copied,
    info_json: &[u8],
) -> Result<Done, Failure> {
    let folder = cx.core.folder(&broken.location).ok_or_else(|| gone(&broken.location))?;
    let came = Came {
        file_size: copied.file_size,
        file_sha256: copied.file_sha256,
        stream_sha256: copied.stream_sha256,
        verified_at: None,
    };
    let whole = repair::put_in_place(cx, &folder, incoming, broken, &came, info_json)
        .inspect_err(|_| cx.discard(folder.as_ref()))?;
    let was = if broken.condition == Condition::Lost { "lost" } else { "damaged" };
    tracing::warn!(archive = %whole.name, location = %whole.location, from = %archive.location, "an archive that was {was} is whole again");
    Ok(Done {
        summary: format!(
            "`{}` at {} was {was} and is repaired from {}, {}",
            whole.name,
            whole.location,
            archive.location,
            Bytes(whole.file_size)
        ),
        archive: Some((whole.name, whole.file_size)),
        ..Done::default()
    })
}

/// How a copy is encoded that takes the place of one that is damaged or lost: as that was.
fn recoding_of(archive: &Archive, broken: &Archive) -> Result<Option<archive::Recode>, Failure> {
    let is_same_file = archive.file_sha256.is_some() && archive.file_sha256 == broken.file_sha256;
    if is_same_file {
        return Ok(None);
    }
    if archive.stream_sha256.is_none() || archive.stream_sha256 != broken.stream_sha256 {
        return Err(Failure::new(format!(
            "`{}` at `{}` is something else than what was at `{}`",
            archive.name, archive.location, broken.location
        ))
        .hint("the hashes of the plain streams differ: take another copy"));
    }
    if archive.codec == broken.codec && archive.recipients == broken.recipients {
        return Ok(None);
    }
    if !archive.recipients.is_empty() {
        return Err(Failure::new(format!(
            "`{}` at `{}` is encrypted otherwise than what was at `{}`, and cannot be encrypted anew here",
            archive.name, archive.location, broken.location
        ))
        .hint("restore it from there with `--identity FILE`; this host cannot read it by itself"));
    }
    Ok(Some(archive::Recode { codec: broken.codec, recipients: broken.recipients.clone() }))
}

/// Whether somebody asked for the run that made an archive, as far as any copy of it knows.
fn is_manual(cx: &Context, archive: &Archive) -> bool {
    let copies = cx.core.catalogue.select(|copy| copy.id == archive.id);
    copies.iter().any(|copy| copy.how.is_manual())
}

fn gone(location: &PlaceName) -> Failure {
    Failure::new(format!("location `{location}` is not in the configuration"))
}

/// What was read must be what was written once: the hash of the plain stream where it was encoded
/// anew, that of the file otherwise.
fn check_copy(
    cx: &Context,
    key: &CopyKey,
    archive: &Archive,
    recoded: bool,
    copied: archive::Copied,
) -> Result<archive::Copied, Failure> {
    let same = if recoded {
        copied.stream_sha256 == archive.stream_sha256
    } else {
        Some(copied.file_sha256) == archive.file_sha256
    };
    if same {
        return Ok(copied);
    }
    cx.core.catalogue.set_condition(&cx.core.state, key, Condition::Corrupt)?;
    Err(Failure::new(format!(
        "`{}` at `{}` is corrupt: what was read is not what was written",
        archive.name, key.location
    ))
    .hint("nothing was published at the destination"))
}

/// Whom a copy is encrypted to: whom the place wants, and whom its job adds for this destination.
pub(crate) fn recipients(
    cx: &Context,
    archive: &Archive,
    to: &PlaceName,
    of_the_place: &[String],
) -> Vec<String> {
    let mut all = of_the_place.to_vec();
    let wanted = cx.desired.destination(archive, to);
    for one in wanted.iter().flat_map(|copy| &copy.encrypt_to) {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
    all
}

/// How the copy is encoded, where that differs from the original.
pub(crate) fn plan_recoding(
    archive: &Archive,
    codec: Codec,
    recipients: &[String],
    to: &PlaceName,
) -> Result<Option<archive::Recode>, Failure> {
    if !archive.recipients.is_empty() {
        // What is encrypted stays as it is: this host cannot read it.
        return if recipients.iter().all(|recipient| archive.recipients.contains(recipient)) {
            Ok(None)
        } else {
            Err(Failure::new(format!(
                "`{}` is encrypted to others than is wanted at `{to}`, and cannot be encrypted anew here",
                archive.name
            ))
            .hint("use the same `encrypt_to` for both places"))
        };
    }
    if recipients.is_empty() && codec == archive.codec {
        return Ok(None);
    }
    Ok(Some(archive::Recode { codec, recipients: recipients.to_vec() }))
}

/// The name of a copy: that of the archive where it is free there, since names are for people and
/// theirs should agree.
pub(crate) fn free_name(
    cx: &Context,
    archive: &Archive,
    to: &PlaceName,
) -> Result<ArchiveName, Failure> {
    if !cx.core.catalogue.has_name(to, archive.name.as_str()) {
        return Ok(archive.name.clone());
    }
    let store = cx.core.store(to).ok_or_else(|| {
        Failure::new(format!("location `{to}` is not in the configuration any more"))
    })?;
    Ok(store.free_name(&archive.origin, &archive.label, archive.day, &|name| {
        cx.core.catalogue.has_name(to, name.as_str())
    })?)
}
