//! Sends by rsync over SSH.
//!
//! An instance is told of the upload over HTTPS first, and asked there to publish it at last; only
//! the bytes go by rsync, under a forced command there that knows uploads and nothing else. A host
//! that has no larder gets the files that describe an archive first, and the archive after them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::durable;
use crate::engine::peers::host_listing;
use crate::engine::peers::host_listing::Folder;
use crate::engine::runs::context::Context;
use crate::location::sidecar;
use crate::model::archive::{Archive, Sha256};
use crate::model::name::ArchiveName;
use crate::model::peer::{Peer, PeerKind};
use crate::model::size::Bytes;
use crate::peer::PeerError;
use crate::peer::https::{Https, Uploads};
use crate::peer::ssh::Ssh;
use crate::peer::ssh::hold::Hold;
use crate::peer::upload::{Begun, Far as _, Pace, Patience};
use crate::progress::Progress;

use super::https::{NAMES, name, offer};
use super::{Arrived, Prepared};

/// The most that is waited between two attempts to finish.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Sends what is prepared over SSH: to an instance, or to a host that has nothing but SSH.
///
/// An error leaves what was sent for a later attempt to go on with. `Stopped` where `cx.stop` said
/// so; anything else lets an instance be tried over HTTPS.
pub(super) fn push_by_rsync(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
) -> Result<Arrived, PeerError> {
    let ssh = Ssh::open(peer, &cx.desired.instance.state_dir)?;
    cx.progress.enter("sending");
    cx.progress.expect_bytes(cx.progress.snapshot().bytes + prepared.size());
    match &peer.kind {
        PeerKind::Instance { .. } => to_instance(cx, prepared, peer, &ssh),
        PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) | PeerKind::BackupChannel { .. } => {
            to_host(cx, prepared, peer, &ssh)
        }
    }
}

fn to_instance(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
    ssh: &Ssh,
) -> Result<Arrived, PeerError> {
    let patience = Patience::for_size(prepared.size());
    let pace = Pace::new(peer.bandwidth.map(|Bytes(rate)| rate));
    let https = Https::open_to_send(peer)?;
    let uploads = Uploads::new(https, pace, Progress::new(), patience.finish);
    for number in 1..=NAMES {
        let renamed = match number {
            1 => prepared.clone(),
            _ => match name(&prepared.copy, number) {
                Some(name) => prepared.named(name),
                None => break,
            },
        };
        let begun = wait(cx, uploads.begin(&offer(&renamed, peer)))?;
        let upload = match begun {
            Begun::Upload(standing) => standing.upload_id,
            Begun::Taken(there, words) => {
                if there.archive_id == Some(prepared.copy.id.to_string()) {
                    // What is to be done about it is known where chunks are sent.
                    return Err(denied(peer, words));
                }
                continue;
            }
        };
        ssh.land(&prepared.path, &upload, &cx.stop, &cx.progress)?;
        cx.progress.enter("waiting for the peer");
        let finished = finish(cx, &uploads, &upload, patience)?;
        return Ok(Arrived {
            name: finished.parse().unwrap_or_else(|_| renamed.copy.name.clone()),
            was_there: false,
        });
    }
    Err(denied(peer, format!("no name is free for `{}`", prepared.copy.name)))
}

/// Asks until it is published, also over a restart there: it may be asked again.
fn finish(
    cx: &Context,
    uploads: &Uploads,
    upload: &str,
    patience: Patience,
) -> Result<String, PeerError> {
    let mut pause = patience.pause;
    for _ in 0..patience.tries {
        match wait(cx, uploads.finish(upload)) {
            Ok(finished) => return Ok(finished.name),
            Err(error) if error.is_offline() => {
                cx.log(&format!("it is asked again to publish: {}", error.line()));
            }
            Err(error) => return Err(error),
        }
        wait(cx, async {
            tokio::time::sleep(pause).await;
            Ok(())
        })?;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    wait(cx, uploads.finish(upload)).map(|finished| finished.name)
}

/// Waits for an answer, or for somebody who asks to stop.
fn wait<T>(
    cx: &Context,
    answer: impl Future<Output = Result<T, PeerError>>,
) -> Result<T, PeerError> {
    Handle::current().block_on(async {
        // What is dropped may be asked again.
        tokio::select! {
            answer = answer => answer,
            stopped = cx.stop.requested() => Err(PeerError::Stopped(stopped)),
        }
    })
}

fn denied(peer: &Peer, why: impl Into<String>) -> PeerError {
    PeerError::Denied { peer: peer.name.clone(), why: why.into(), hint: None }
}

fn to_host(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
    ssh: &Ssh,
) -> Result<Arrived, PeerError> {
    let hold = ssh.hold(&cx.stop)?;
    let folder = Folder::look(&hold, &cx.stop)?;
    let Free { name, description, archive_is_there } = free(cx, prepared, peer, &hold, &folder)?;
    let renamed = prepared.named(name.clone());
    let file = renamed.file_name();
    let dir = tempfile::tempdir().map_err(|source| local("make a folder for", "/tmp", source))?;
    if archive_is_there {
        // It seems so: it is compared, or it is another one.
        hold.keep(&prepared.path, &file, prepared.sha256, &cx.stop, &cx.progress)?;
        return Ok(Arrived { name, was_there: true });
    }
    let mut files = Vec::new();
    let mut keep = |file: String, bytes: &[u8]| -> Result<(), PeerError> {
        let path = dir.path().join(&file);
        durable::write_new(&path, bytes, 0o600)
            .map_err(|source| local("write", &path.display().to_string(), source))?;
        files.push((path, file, hash(bytes)));
        Ok(())
    };
    // What it is comes first: an attempt that finds it knows that the name is its own.
    if description.is_none() {
        // Nobody has pinned the copy, or read it back.
        let copy = Archive { pinned: false, verified_at: None, ..renamed.copy.clone() };
        keep(host_listing::described(name.as_str()), sidecar::to_text(&copy).as_bytes())?;
    }
    let info = format!("{name}{}", host_listing::INFO);
    if !folder.has(&info) {
        keep(info, &prepared.info_json)?;
    }
    // Its name says that all of it is there, so it comes last.
    files.push((prepared.path.clone(), file, prepared.sha256));
    let files: Vec<(&Path, &str, Sha256)> =
        files.iter().map(|(path, name, hash)| (path.as_path(), name.as_str(), *hash)).collect();
    hold.keep_all(&files, &cx.stop, &cx.progress)?;
    Ok(Arrived { name, was_there: false })
}

/// A name there for an archive.
struct Free {
    name: ArchiveName,
    /// Its description, where an earlier attempt got that far.
    description: Option<Archive>,
    archive_is_there: bool,
}

/// The name that an earlier attempt had, or the first that nobody has.
fn free(
    cx: &Context,
    prepared: &Prepared,
    peer: &Peer,
    hold: &Hold<'_>,
    folder: &Folder,
) -> Result<Free, PeerError> {
    let copy = &prepared.copy;
    let numbered = (2..=NAMES).filter_map(|number| name(copy, number));
    for name in std::iter::once(copy.name.clone()).chain(numbered) {
        if !folder.has_name(name.as_str()) {
            return Ok(Free { name, description: None, archive_is_there: false });
        }
        let names = BTreeSet::from([name.to_string()]);
        let mut known = host_listing::descriptions(hold, &names, &peer.name, &cx.stop)?;
        let Some(there) = known.remove(name.as_str()) else { continue };
        // Encrypted anew, it is another file: what the description says of it would be wrong.
        if there.id == copy.id && there.file_sha256 == Some(prepared.sha256) {
            let archive_is_there = folder.has(&prepared.named(name.clone()).file_name());
            return Ok(Free { name, description: Some(there), archive_is_there });
        }
    }
    Err(denied(peer, format!("no name is free for `{}`", copy.name)))
}

fn hash(bytes: &[u8]) -> Sha256 {
    use sha2::Digest as _;
    Sha256(sha2::Sha256::digest(bytes).into())
}

fn local(what: &str, path: &str, source: std::io::Error) -> PeerError {
    PeerError::Local { what: format!("cannot {what} `{path}`"), source }
}
