//! Peers: other instances and hosts that hold copies.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use super::desired::{Place, SecretRef};
use super::job::Via;
use super::name::{ObjectName, PlaceName};
use super::retention::Policy;
use super::size::Bytes;
use super::token::Scope;
use super::words::words;

/// How a peer is reached over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The user there.
    pub user: String,
    /// The folder there, for the SSH kinds.
    pub path: Option<PathBuf>,
    /// The private key file.
    pub identity: Option<PathBuf>,
    /// A pinned host key: the text of a `known_hosts` line, or a file of them.
    pub known_hosts: Option<String>,
    /// `user@host:port` of a relay that sees only ciphertext.
    pub relay: Option<String>,
}

impl Ssh {
    /// The key that is used where `identity` names no other, below the state.
    #[must_use]
    pub fn default_key(state_dir: &Path) -> PathBuf {
        state_dir.join("ssh/id_ed25519")
    }
}

/// Another instance as people are shown it: the name that it gives itself, and the one by which a
/// peer is known here where that is another: `nas-01 (mums-pi)`.
#[must_use]
pub fn shown_host(host: &str, peer: Option<&str>) -> String {
    match peer {
        Some(peer) if !peer.eq_ignore_ascii_case(host) => format!("{host} ({peer})"),
        Some(_) | None => host.to_owned(),
    }
}

words! {
    /// How a peer is reached; the words are the specification's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum PeerType {
        /// Over HTTPS.
        Instance = "instance",
        /// Not at all: it only names a host.
        BackupChannel = "backup-channel",
        /// Over SSH.
        SshDirect = "direct-ssh-direct",
        /// Over SSH, through a relay.
        SshViaRelay = "direct-ssh-via-relay",
    }
}

/// The four kinds of peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerKind {
    /// `instance`: another larder over HTTPS.
    Instance {
        /// Its base URL; without, it comes to us and is never asked.
        url: Option<String>,
        /// The token that it gave us.
        token: Option<SecretRef>,
        /// SSH, for archives above `rsync_above`.
        ssh: Option<Ssh>,
        /// A certificate authority file that is trusted for it alone.
        ca: Option<PathBuf>,
        /// SHA-256 of its certificate, in hex.
        pin: Option<String>,
    },
    /// `backup-channel`: a label for a host name that shows up in a shared location.
    BackupChannel {
        /// The host name.
        hostname: String,
        /// Where it is looked for; any enabled location without.
        location: Option<PlaceName>,
    },
    /// `direct-ssh-direct`: rsync over SSH, no larder on the other side.
    SshDirect(Ssh),
    /// `direct-ssh-via-relay`: the same through a relay.
    SshViaRelay(Ssh),
}

impl PeerKind {
    /// How such a peer is reached.
    #[must_use]
    pub fn peer_type(&self) -> PeerType {
        match self {
            PeerKind::Instance { .. } => PeerType::Instance,
            PeerKind::BackupChannel { .. } => PeerType::BackupChannel,
            PeerKind::SshDirect(_) => PeerType::SshDirect,
            PeerKind::SshViaRelay(_) => PeerType::SshViaRelay,
        }
    }

    /// The specification's word for the kind.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.peer_type().word()
    }
}

impl Peer {
    /// Why nothing can be sent there this way, and what to do about it.
    #[must_use]
    pub fn refusal(&self, via: Via) -> Option<(String, &'static str)> {
        let name = &self.name;
        match (&self.kind, via) {
            (PeerKind::BackupChannel { .. }, _) => Some((
                format!("peer `{name}` only names a host: nothing is sent to it"),
                "name the location that it looks into",
            )),
            (PeerKind::Instance { url: None, .. }, _) => Some((
                format!("peer `{name}` comes to us: it has no `url`"),
                "it fetches what it wants; or write its `url`",
            )),
            (PeerKind::Instance { ssh: None, .. }, Via::Rsync) => Some((
                format!("peer `{name}` has no `ssh`, which rsync needs"),
                "leave `via` out, or write how it is reached over SSH",
            )),
            (PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_), Via::Http) => {
                Some((format!("peer `{name}` is a bare host: it has no API"), "leave `via` out"))
            }
            (PeerKind::Instance { .. } | PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_), _) => {
                None
            }
        }
    }

    /// Whether archives can be had from it: it has an address here.
    #[must_use]
    pub fn can_be_asked(&self) -> bool {
        match &self.kind {
            PeerKind::Instance { url, .. } => url.is_some(),
            PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => true,
            PeerKind::BackupChannel { .. } => false,
        }
    }

    /// Whether it gets copies by coming for them: nobody can ask it, and it may ask us.
    #[must_use]
    pub fn fetches(&self) -> bool {
        matches!(self.kind, PeerKind::Instance { url: None, .. })
            && self.accept.as_ref().is_some_and(|accept| accept.scopes.contains(&Scope::Fetch))
    }

    /// Whether a host name means this peer, and how directly: the least is the most direct.
    #[must_use]
    pub fn names_host(&self, host: &str) -> Option<u8> {
        let is = |name: &str| name.eq_ignore_ascii_case(host);
        let is_name = is(self.name.as_str());
        let (label, reached) = match &self.kind {
            PeerKind::BackupChannel { hostname, .. } => (Some(hostname.as_str()), Vec::new()),
            PeerKind::Instance { url, ssh, .. } => {
                let url = url.as_deref().and_then(host_of);
                (None, url.into_iter().chain(ssh.as_ref().map(|ssh| ssh.host.as_str())).collect())
            }
            PeerKind::SshDirect(ssh) | PeerKind::SshViaRelay(ssh) => {
                (None, vec![ssh.host.as_str()])
            }
        };
        if label.is_some_and(is) {
            Some(0)
        } else if is_name && label.is_none() {
            Some(1)
        } else if reached.into_iter().any(is) {
            Some(2)
        } else {
            None
        }
    }
}

/// The host of a URL.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1.split('/').next()?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if let Some(address) = rest.strip_prefix('[') {
        return address.split(']').next();
    }
    Some(rest.rsplit_once(':').map_or(rest, |(host, _)| host))
}

words! {
    /// What archives of a peer may do here once they are brought back.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Trust {
        /// Rest: nothing of them is ever run.
        Store = "store",
        /// Run what they bring.
        Restore = "restore",
    }
}

/// What a peer may do here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// `$2b$…` or `sha256:…` of the token that we gave it.
    pub token_hash: String,
    /// Where its archives go, below `<path>/<peer>/`.
    pub location: PlaceName,
    /// The most it may store.
    pub quota: Option<Bytes>,
    /// Our policy for what it sends.
    pub retention: Policy,
    /// What it may do in its own name space.
    pub scopes: Vec<Scope>,
    /// How long nothing of it can be deleted.
    pub immutable_for: SignedDuration,
    /// Whether it may only list and fetch, until its new holder is confirmed.
    pub read_only: bool,
    /// Uploads it may have open at once.
    pub max_open_uploads: u32,
    /// Whether its archives may run anything here.
    pub trust_restore: bool,
}

/// `[peer.x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name, in one name space with the locations'.
    pub name: PlaceName,
    /// How it is reached.
    pub kind: PeerKind,
    /// What it may do here; nothing without.
    pub accept: Option<Accept>,
    /// Archives above this size go by rsync where SSH is configured.
    pub rsync_above: Bytes,
    /// The most bytes a second that a transfer may use.
    pub bandwidth: Option<Bytes>,
    /// Whether it counts as off-site.
    pub offsite: bool,
    /// Jobs of the peer whose archives are fetched from it.
    pub fetch_from: Vec<ObjectName>,
    /// SSH kinds: whether we expire archives there.
    pub prune: bool,
    /// Where it is written.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_shown_by_its_own_name_and_the_one_that_it_has_here() {
        assert_eq!(shown_host("nas-01", Some("mums-pi")), "nas-01 (mums-pi)");
        assert_eq!(shown_host("tom", Some("tom")), "tom");
        assert_eq!(shown_host("Tom", Some("tom")), "Tom");
        assert_eq!(shown_host("nas-01", None), "nas-01");
    }
}
