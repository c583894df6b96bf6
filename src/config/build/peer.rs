//! Reads `[peer.*]`.

use std::collections::BTreeMap;

use super::World;
use super::reference::own_name;
use crate::config::context::{Context, Object};
use crate::config::keys::Kind;
use crate::config::table::Reader;
use crate::model::location::{Codec, Location};
use crate::model::name::{ObjectName, PlaceName};
use crate::model::peer::{Accept, Peer, PeerKind, PeerType, Ssh, Trust};
use crate::model::size::Bytes;

pub(super) fn peer(object: &Object, world: &World<'_>, cx: &mut Context<'_>) -> Option<Peer> {
    let name = own_name(object, cx);
    let r = Reader::open(Kind::Peer.table(), &object.node, object.at, cx)?;
    let kind = kind(&r, world, cx);
    let accept = r.table("accept", cx).map(|accept| read_accept(&accept, world, cx));
    let rsync_above = r.value("rsync_above", cx);
    let bandwidth: Option<Bytes> = r.maybe("bandwidth", cx);
    if bandwidth == Some(Bytes(0)) {
        cx.error(r.place("bandwidth"), "with a bandwidth of 0 nothing is ever sent");
    }
    let offsite: bool = r.value("offsite", cx);
    let fetch_from: Vec<ObjectName> = r.value("fetch_from", cx);
    let prune = r.value("prune", cx);
    if !fetch_from.is_empty() {
        let hint = "what is fetched rests in the name space of its peer, by the rules of its `accept`; `scopes = []` there lets it do nothing by itself";
        if accept.is_none() {
            cx.error_with(
                r.place("fetch_from"),
                "without `accept` there is no place for what is fetched",
                hint,
            );
        }
        if let Some(PeerKind::Instance { url: None, .. }) = &kind {
            cx.error_with(
                r.place("fetch_from"),
                "a peer without `url` cannot be asked for anything",
                "write its `url`, or let it send its archives here",
            );
        }
    }
    r.finish(cx)?;
    let accept = match accept {
        Some(accept) => Some(accept?),
        None => None,
    };
    let kind = kind?;
    // What only names a host holds nothing of ours, wherever that host is.
    let offsite = offsite && !matches!(kind, PeerKind::BackupChannel { .. });
    Some(Peer {
        name: name?,
        kind,
        accept,
        rsync_above,
        bandwidth,
        offsite,
        fetch_from,
        prune,
        place: object.place(),
    })
}

/// The name spaces of the peers that may store archives here: each is a location of its own, in a
/// folder of the peer's name. What a peer sends rests as it came.
pub(super) fn name_spaces<'a>(
    peers: &'a BTreeMap<PlaceName, Peer>,
    places: &'a BTreeMap<PlaceName, Location>,
) -> impl Iterator<Item = Location> + 'a {
    peers.values().filter_map(|peer| {
        let above = places.get(&peer.accept.as_ref()?.location)?;
        Some(Location {
            name: PlaceName::name_space(&above.name, &peer.name),
            path: above.path.join(peer.name.as_str()),
            codec: Codec::None,
            encrypt_to: Vec::new(),
            identity: None,
            owner: Some(peer.name.clone()),
            place: peer.place.clone(),
            ..above.clone()
        })
    })
}

fn kind(r: &Reader<'_>, world: &World<'_>, cx: &mut Context<'_>) -> Option<PeerKind> {
    let ssh = r.table("ssh", cx).and_then(|ssh| read_ssh(ssh, cx));
    match r.switch()? {
        PeerType::Instance => {
            let url: Option<String> = r.maybe("url", cx);
            if let Some(url) = &url
                && url.starts_with("http://")
                && !is_loopback(url)
            {
                cx.error_with(
                    r.place("url"),
                    "a peer beyond this host is reached over `https://` only",
                    "its token would travel in the clear",
                );
            }
            let token = r.maybe("token", cx);
            let ca = r.maybe("ca", cx);
            let pin: Option<String> = r.maybe("pin", cx);
            if let Some(pin) = &pin
                && pin.parse::<crate::model::archive::Sha256>().is_err()
            {
                cx.error(r.place("pin"), format!("`{pin}` is not a SHA-256 of 64 hex digits"));
            }
            Some(PeerKind::Instance { url, token, ssh, ca, pin })
        }
        PeerType::BackupChannel => {
            let hostname = r.get("hostname", cx);
            let location = world.location(r, "location", cx);
            Some(PeerKind::BackupChannel { hostname: hostname?, location })
        }
        PeerType::SshDirect => {
            let ssh = for_archives(r, ssh, cx)?;
            if ssh.relay.is_some() {
                cx.error_with(
                    r.place("ssh"),
                    "`relay` does not belong to `kind = \"direct-ssh-direct\"`",
                    "it belongs to `direct-ssh-via-relay`",
                );
            }
            Some(PeerKind::SshDirect(ssh))
        }
        PeerType::SshViaRelay => {
            let ssh = for_archives(r, ssh, cx)?;
            if ssh.relay.is_none() {
                cx.error_with(
                    r.place("ssh"),
                    "`relay` is missing",
                    "for instance `relay = \"relay@relay.example.org:22\"`",
                );
            }
            Some(PeerKind::SshViaRelay(ssh))
        }
    }
}

/// The SSH of a peer that is nothing but SSH: it needs a folder there.
fn for_archives(r: &Reader<'_>, ssh: Option<Ssh>, cx: &mut Context<'_>) -> Option<Ssh> {
    if r.entry("ssh").is_none() {
        r.missing("ssh", cx);
    }
    let ssh = ssh?;
    if ssh.path.is_none() {
        cx.error_with(
            r.place("ssh"),
            "`path`, the folder there, is missing",
            "for instance `path = \"/srv/backup/jerry\"`",
        );
    }
    Some(ssh)
}

fn read_ssh(r: Reader<'_>, cx: &mut Context<'_>) -> Option<Ssh> {
    let host: Option<String> = r.get("host", cx);
    let port: Option<u32> = r.get("port", cx);
    let user: Option<String> = r.get("user", cx);
    let path = r.maybe("path", cx);
    let identity = r.maybe("identity", cx);
    let known_hosts: Option<String> = r.maybe("known_hosts", cx);
    let relay: Option<String> = r.maybe("relay", cx);
    // What begins with a dash would be an option of ssh.
    for (key, value) in [("host", &host), ("user", &user), ("relay", &relay)] {
        if let Some(value) = value
            && (value.starts_with('-')
                || value.contains(|c: char| c.is_whitespace() || c.is_control()))
        {
            cx.error(r.place(key), format!("`{value}` cannot be used as `{key}`"));
        }
    }
    if let Some(lines) = &known_hosts
        && !is_known_hosts(lines)
    {
        cx.error_with(
            r.place("known_hosts"),
            "`known_hosts` is neither a line of such a file nor its full path",
            "a line is `HOST ssh-ed25519 AAAA…`, or `[HOST]:PORT ssh-ed25519 AAAA…`",
        );
    }
    r.finish(cx)?;
    Some(Ssh {
        host: host?,
        port: u16::try_from(port?).ok()?,
        user: user?,
        path,
        identity,
        known_hosts,
        relay,
    })
}

/// The full path of a file, or its lines.
fn is_known_hosts(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let is_line = |line: &str| {
        line.starts_with('#') || line.split_whitespace().count() >= 3 && !line.contains('\0')
    };
    text.starts_with('/') || lines.peek().is_some() && lines.all(is_line)
}

fn read_accept(r: &Reader<'_>, world: &World<'_>, cx: &mut Context<'_>) -> Option<Accept> {
    let token_hash = r.get("token_hash", cx);
    if r.entry("location").is_none() {
        r.missing("location", cx);
    }
    let location = world.location(r, "location", cx);
    let quota = r.maybe("quota", cx);
    let retention = match r.entry("retention") {
        Some(_) => world.policy(r, "retention", cx),
        None => world.default_policy(r, cx),
    };
    Some(Accept {
        quota,
        scopes: r.value("scopes", cx),
        immutable_for: r.value("immutable_for", cx),
        read_only: r.value("read_only", cx),
        max_open_uploads: r.value("max_open_uploads", cx),
        trust_restore: r.value::<Trust>("trust", cx) == Trust::Restore,
        token_hash: token_hash?,
        location: location?,
        retention: retention?,
    })
}

fn is_loopback(url: &str) -> bool {
    let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}
