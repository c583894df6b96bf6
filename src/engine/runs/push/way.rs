//! Which way a copy goes to a peer: pure.

use crate::model::job::Via;
use crate::model::peer::{Peer, PeerKind};

/// How bytes get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In chunks, over its API.
    Http,
    /// By rsync over SSH, to an instance; where that fails, in chunks.
    Rsync,
    /// By rsync over SSH, to a host that knows no other way.
    BareHost,
}

/// The way of a copy of `size` bytes; `None` for a peer that nothing is sent to.
pub(crate) fn choose(peer: &Peer, size: u64, via: Via) -> Option<Way> {
    match &peer.kind {
        PeerKind::Instance { url, ssh, .. } => {
            let has_url = url.is_some();
            let by_rsync = match via {
                Via::Http => false,
                Via::Rsync => true,
                Via::Auto => size > peer.rsync_above.0,
            };
            // What was received is asked for over the API in any case.
            has_url.then_some(if ssh.is_some() && by_rsync { Way::Rsync } else { Way::Http })
        }
        PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => Some(Way::BareHost),
        PeerKind::BackupChannel { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::desired::Place;
    use crate::model::peer::Ssh;
    use crate::model::size::Bytes;

    fn peer(kind: PeerKind) -> Peer {
        Peer {
            name: "tom".parse().unwrap(),
            kind,
            accept: None,
            rsync_above: Bytes(1000),
            bandwidth: None,
            offsite: true,
            fetch_from: Vec::new(),
            prune: false,
            place: Place::default(),
        }
    }

    fn ssh() -> Ssh {
        Ssh {
            host: "h".to_owned(),
            port: 22,
            user: "u".to_owned(),
            path: None,
            identity: None,
            known_hosts: None,
            relay: None,
        }
    }

    fn instance(has_ssh: bool) -> Peer {
        let url = Some("https://tom".to_owned());
        let ssh = has_ssh.then(ssh);
        peer(PeerKind::Instance { url, token: None, ssh, ca: None, pin: None })
    }

    #[test]
    fn large_archives_go_by_rsync_where_there_is_ssh_and_nobody_says_otherwise() {
        let both = instance(true);
        for (size, via, way) in [
            (1000, Via::Auto, Way::Http),
            (1001, Via::Auto, Way::Rsync),
            (1001, Via::Http, Way::Http),
            (1, Via::Rsync, Way::Rsync),
        ] {
            assert_eq!(choose(&both, size, via), Some(way));
        }
        for via in Via::ALL {
            assert_eq!(choose(&instance(false), 9999, via), Some(Way::Http));
        }
        assert!(instance(false).refusal(Via::Rsync).is_some());
        assert!(both.refusal(Via::Rsync).is_none());
    }

    #[test]
    fn a_bare_host_has_one_way_and_who_comes_to_us_has_none() {
        let host = peer(PeerKind::SshDirect(ssh()));
        assert_eq!(choose(&host, 1, Via::Auto), Some(Way::BareHost));
        assert!(host.refusal(Via::Http).is_some());
        let none = PeerKind::Instance { url: None, token: None, ssh: None, ca: None, pin: None };
        assert_eq!(choose(&peer(none), 1, Via::Auto), None);
    }
}
