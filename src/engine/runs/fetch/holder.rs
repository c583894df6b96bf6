//! Who holds a whole copy of an archive: another instance, or a host that has no larder.
//!
//! An instance is asked over HTTPS; at a host lie files, which rsync takes. What comes is nobody's
//! yet: whether it is right, is for the caller to prove.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::{described, pace_of};
use crate::engine::peers::{contacts, host_listing};
use crate::engine::runs::context::{Context, Failure};
use crate::location::ArchiveStore as _;
use crate::location::folder::Folder;
use crate::model::archive::{Archive, ArchiveId, Sha256};
use crate::model::name::PlaceName;
use crate::model::peer::{Peer, PeerKind};
use crate::peer::PeerError;
use crate::peer::attempts::Attempts;
use crate::peer::https::{Https, Wanted};
use crate::peer::ssh::Ssh;
use crate::peer::upload::Pace;

/// A peer that is asked for a copy.
pub(super) enum Holder {
    /// Another instance.
    Instance {
        /// The way to it.
        https: Https,
        /// How fast it may come.
        pace: Arc<Pace>,
    },
    /// A host with a folder.
    Host {
        /// The way to it.
        ssh: Ssh,
        /// What the archive is called there.
        name: String,
    },
}

/// What is said of an archive beside its file there.
pub(super) struct Said {
    /// Its description, as if it rested where it is to go.
    pub(super) archive: Archive,
    /// What `YunoHost` is told of it.
    pub(super) info_json: Vec<u8>,
    /// The SHA-256 of the file there.
    pub(super) file_sha256: Sha256,
}

impl Holder {
    /// The way to a copy of `archive` at a peer.
    pub(super) fn open(cx: &Context, peer: &Peer, archive: ArchiveId) -> Result<Self, Failure> {
        match &peer.kind {
            PeerKind::Instance { .. } | PeerKind::BackupChannel { .. } => {
                Ok(Self::Instance { https: Https::open(peer)?, pace: pace_of(peer) })
            }
            PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => {
                let known = contacts::known(&cx.core);
                let held = known.get(&peer.name).and_then(|contact| contact.holdings.as_ref());
                let mut copies = held.into_iter().flat_map(|held| &held.copies);
                let copy = copies.find(|copy| copy.id == archive).ok_or_else(|| {
                    Failure::new(format!("`{}` is not known to hold {archive}", peer.name))
                        .hint(format!("`larder peer check {}` looks again", peer.name))
                })?;
                let ssh = Ssh::open(peer, &cx.desired.instance.state_dir)?;
                Ok(Self::Host { ssh, name: copy.name.clone() })
            }
        }
    }

    /// Asks what the archive is that is to go to `to`.
    pub(super) async fn describe(
        &self,
        cx: &Context,
        archive: ArchiveId,
        to: &PlaceName,
    ) -> Result<Said, Failure> {
        let (archive, info_json) = match self {
            Self::Instance { https, .. } => {
                let (archive, said) = described(https, archive, to).await?;
                let info_json = said.get("info_json").and_then(serde_json::Value::as_str);
                (archive, info_json.unwrap_or("{}").as_bytes().to_vec())
            }
            Self::Host { ssh, name } => {
                let hold = ssh.hold(&cx.stop)?;
                let found = host_listing::beside(&hold, name, to, &cx.stop)?;
                found.filter(|(found, _)| found.id == archive).ok_or_else(|| {
                    Failure::new(format!("`{name}` there is not described as {archive} any more"))
                        .hint("somebody changed it there: `larder peer check` looks again")
                })?
            }
        };
        let file_sha256 = archive.file_sha256.ok_or_else(|| {
            Failure::new(format!("no hash of `{}` was ever recorded there", archive.name))
        })?;
        Ok(Said { archive, info_json, file_sha256 })
    }

    /// Takes the file of an archive into a file of `folder` that is there and empty. Where the
    /// network breaks it off, it goes on.
    pub(super) async fn fill(
        &self,
        cx: &Context,
        said: &Said,
        folder: &Folder,
        into: &Path,
    ) -> Result<File, Failure> {
        let open = || {
            let file = File::options().read(true).write(true).open(into);
            file.map_err(|error| folder.failed("open", into, error).into())
        };
        match self {
            Self::Instance { https, pace } => {
                let file: File = open()?;
                let Archive { id, file_size: size, .. } = said.archive;
                let wanted = Wanted { id, size, sha256: Some(said.file_sha256) };
                let log = |line: &str| cx.log(line);
                let filled = https.fill(wanted, &file, pace, &cx.progress, &log).await;
                match filled {
                    Ok(()) => Ok(file),
                    Err(PeerError::Local { source, .. }) => {
                        Err(folder.failed("write", into, source).into())
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Self::Host { ssh, .. } => {
                let there = host_listing::file_name(&said.archive);
                let mut attempts = Attempts::default();
                loop {
                    let hold = ssh.hold(&cx.stop);
                    let brought =
                        hold.and_then(|hold| hold.fetch(&there, into, &cx.stop, &cx.progress));
                    let Err(error) = brought else { return open() };
                    let pause = attempts.again().filter(|_| error.is_offline());
                    let Some(pause) = pause else { return Err(error.into()) };
                    let why = error.line();
                    cx.log(&format!("{why}; tries again in {} s", pause.as_secs()));
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}
