//! `[peer.*]` and what is below it.

use super::Form::{Bool, Hash, Integer, List, Name, NameOr, Path, Secret, Size, Text, Url, Word};
use super::Need::{Default, Optional, Required};
use super::{Form, Key, Table, instance, place};
use crate::model::peer::{PeerType, Trust};
use crate::model::token::Scope;

const INSTANCE: &[&str] = &[PeerType::Instance.word()];
const CHANNEL: &[&str] = &[PeerType::BackupChannel.word()];
const SSH_KINDS: &[&str] = &[PeerType::SshDirect.word(), PeerType::SshViaRelay.word()];
/// What a peer may be allowed in its own name space.
const SCOPES: Form = Word(&[
    Scope::Status.word(),
    Scope::List.word(),
    Scope::Send.word(),
    Scope::Fetch.word(),
    Scope::Run.word(),
    Scope::Delete.word(),
    Scope::Restore.word(),
]);
const REACHED: &[&str] =
    &[PeerType::Instance.word(), PeerType::SshDirect.word(), PeerType::SshViaRelay.word()];

pub(super) const PEER: Table = Table {
    title: "peer.NAME",
    doc: "Another instance, or a host that holds copies. Locations and peers share one name space.",
    switch: Some("kind"),
    keys: &[
        Key::new(
            "kind",
            Word(&PeerType::WORDS),
            Required,
            "\"instance\"",
            "How it is reached: over HTTPS, not at all (a label for a host name), over SSH, over SSH through a relay.",
        ),
        Key::new(
            "url",
            Url,
            Optional("none: it comes to us"),
            "\"https://tom.example.org/larder\"",
            "Its base URL. Without it the peer is never asked: it sends, and fetches what `send_to` names it for.",
        )
        .only(INSTANCE),
        Key::new(
            "token",
            Secret,
            Optional("none: it only sends to us"),
            "{ file = \"/etc/larder/secrets/tom\" }",
            "The token that it gave us.",
        )
        .only(INSTANCE),
        Key::new("ca", Path, Optional("the system's"), "\"tom-ca.pem\"", "A certificate authority trusted for it alone.")
            .only(INSTANCE),
        Key::new(
            "pin",
            Text,
            Optional("none"),
            "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
            "SHA-256 of its certificate, as 64 hex digits.",
        )
        .only(INSTANCE),
        Key::new("hostname", Text, Required, "\"nas\"", "The host name seen in a shared location.")
            .only(CHANNEL),
        Key::new("location", Name, Optional("any enabled one"), "\"main\"", "Where it is looked for.")
            .only(CHANNEL),
        Key::new(
            "ssh",
            Form::Table(&SSH),
            Optional("none; needed by the SSH kinds"),
            "{ host = \"tom.example.org\", user = \"larder\" }",
            "How it is reached over SSH; for an `instance`, for archives above `rsync_above`.",
        )
        .only(REACHED),
        Key::new("accept", Form::Table(&ACCEPT), Optional("nothing"), "{ token_hash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\", location = \"main\", retention = { mode = \"count\", value = 7 } }", "What it may do here.")
            .only(INSTANCE),
        Key::new("rsync_above", Size, Default("\"2 GiB\""), "\"500 MiB\"", "Archives above this go by rsync, where `ssh` is configured.")
            .only(INSTANCE),
        Key::new("bandwidth", Size, Optional("unlimited"), "\"5 MiB\"", "The most that a transfer may use.")
            .only(REACHED)
            .unit("bytes a second"),
        Key::new("offsite", Bool, Default("true"), "false", "Whether it counts as off-site in `protect`.").only(REACHED),
        Key::new("fetch_from", List(&Name), Default("[]"), "[\"web\"]", "Its jobs whose archives are fetched from it.")
            .only(INSTANCE),
        Key::new("prune", Bool, Default("false"), "true", "Whether we expire our archives there.").only(SSH_KINDS),
    ],
};

const SSH: Table = Table {
    title: "peer.NAME.ssh",
    doc: "How a peer is reached over SSH.",
    switch: None,
    keys: &[
        Key::new("host", Text, Required, "\"vps.example.org\"", "Host name or address."),
        Key::new("port", Integer(1, 65535), Default("22"), "2222", "TCP port."),
        Key::new("user", Text, Required, "\"backup\"", "The user there."),
        Key::new(
            "path",
            Path,
            Optional("needed by the SSH kinds"),
            "\"/srv/backup/jerry\"",
            "The folder there.",
        ),
        Key::new(
            "identity",
            Path,
            Optional("the one of `larder peer key`"),
            "\"/etc/larder/ssh/id_ed25519\"",
            "The private key file; without a passphrase.",
        ),
        Key::new(
            "known_hosts",
            Text,
            Optional("ssh's own"),
            "\"/etc/larder/ssh/known_hosts\"",
            "A pinned host key: a `known_hosts` line, or a file of them.",
        ),
        Key::new(
            "relay",
            Text,
            Optional("needed by `direct-ssh-via-relay`"),
            "\"relay@relay.example.org:22\"",
            "A relay that sees ciphertext only: `USER@HOST[:PORT]`.",
        ),
    ],
};

const ACCEPT: Table = Table {
    title: "peer.NAME.accept",
    doc: "What a peer may do here, in its own name space.",
    switch: None,
    keys: &[
        Key::new(
            "token_hash",
            Hash,
            Required,
            "\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
            "The hash of the token that we gave it: bcrypt (`$2b$…`, cost 8 to 15) or `sha256:` with 64 hex digits.",
        ),
        Key::new(
            "location",
            Name,
            Required,
            "\"received\"",
            "Where its archives go, into a folder of its name.",
        ),
        Key::new("quota", Size, Optional("unlimited"), "\"200 GiB\"", "The most it may store."),
        Key::new(
            "retention",
            NameOr(&place::RETENTION),
            Optional("that of `[defaults]`"),
            "\"standard\"",
            "Our policy for what it sends, by our clock and the day of receipt; what it sends without a description stays, and the quota bounds it.",
        ),
        Key::new(
            "scopes",
            List(&SCOPES),
            Default("[\"status\", \"list\", \"send\", \"fetch\"]"),
            "[\"status\", \"list\", \"send\"]",
            "What it may do.",
        ),
        instance::keep(
            "immutable_for",
            "\"30d\"",
            "\"30d\"",
            "How long nothing of it can be deleted.",
        ),
        Key::new(
            "read_only",
            Bool,
            Default("false"),
            "true",
            "Whether it may only list and fetch what it stored: so after `peer invite --replace`, until `peer confirm`.",
        ),
        Key::new(
            "max_open_uploads",
            Integer(1, 1000),
            Default("4"),
            "4",
            "Uploads it may have open at once.",
        ),
        Key::new(
            "trust",
            Word(&Trust::WORDS),
            Default("\"store\""),
            "\"store\"",
            "`restore`: its archives may run what they bring.",
        ),
    ],
};
