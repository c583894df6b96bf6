//! Hosts that are reached over SSH: what our key can do there, and what it cannot.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use larder::model::desired::Place;
use larder::model::name::PlaceName;
use larder::model::peer::{Peer, PeerKind, Ssh as Access};
use larder::model::size::Bytes;
use larder::peer::ssh::Ssh;
use larder::peer::ssh::keys::{self, Let};
use larder::progress::Progress;
use larder::stop::Stop;

use super::sshd::{Sshd, sshd_or_skip};
use crate::support::{dir, sample};

mod holding;
mod killed;
mod hosts;
mod landing;
mod relay;

/// A folder at a real SSH server, and a peer's table that leads to it.
struct Host {
    sshd: Sshd,
    dir: tempfile::TempDir,
}

impl Host {
    fn new(sshd: Sshd) -> Self {
        let host = Self { sshd, dir: dir() };
        std::fs::create_dir(host.folder()).unwrap();
        host
    }

    /// One whose key is let in by the line that larder prints.
    fn with(sshd: Sshd, allowed: impl FnOnce(&Path) -> Let<'_>) -> Self {
        let host = Self::new(sshd);
        let public = keys::public(&host.sshd.identity(), &Stop::new()).unwrap();
        let folder = host.folder();
        host.sshd.authorize(&format!("{}\n", keys::authorized_line(&public, allowed(&folder))));
        host
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("srv")
    }

    fn access(&self) -> Access {
        Access {
            host: self.sshd.home().ip().to_string(),
            port: self.sshd.address().port(),
            user: Sshd::user(),
            path: Some(self.folder()),
            identity: Some(self.sshd.identity()),
            known_hosts: Some(self.sshd.known_hosts().display().to_string()),
            relay: None,
        }
    }

    fn ssh(&self) -> Ssh {
        Ssh::open(&peer(self.access()), self.dir.path()).unwrap()
    }

    /// A file here with content of its own.
    fn file(&self, seed: u8, bytes: usize) -> PathBuf {
        let path = self.dir.path().join(format!("file-{seed}"));
        std::fs::write(&path, sample::content(seed, bytes)).unwrap();
        path
    }

    /// What is in the folder, hidden files left out.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }
}

fn peer(access: Access) -> Peer {
    Peer {
        name: "vps".parse::<PlaceName>().unwrap(),
        kind: match access.relay {
            Some(_) => PeerKind::SshViaRelay(access),
            None => PeerKind::SshDirect(access),
        },
        accept: None,
        rsync_above: Bytes(0),
        bandwidth: None,
        offsite: true,
        fetch_from: Vec::new(),
        prune: false,
        place: Place::built_in(),
    }
}
