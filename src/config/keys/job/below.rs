//! The tables below `[job.*]`.

use super::super::Form::{
    Command, DurationOrAuto, Integer, List, Name, NameOr, OctalMode, Path, Recipient, Schedule,
    Text, Word,
};
use super::super::Need::{Default, Optional, Required};
use super::super::{Form, Key, Table, place};
use crate::model::job::Via;

pub(super) const SEND_TO: Table = Table {
    title: "job.NAME.send_to",
    doc: "One copy, where it needs keys of its own: `[[job.NAME.send_to]]`.",
    switch: None,
    keys: &[
        Key::new("to", Name, Required, "\"usb\"", "A location or a peer."),
        Key::new(
            "via",
            Word(&Via::WORDS),
            Default("\"auto\""),
            "\"rsync\"",
            "How it travels to a peer.",
        ),
        Key::new(
            "retention",
            NameOr(&place::RETENTION),
            Optional("the job's"),
            "\"standard\"",
            "The policy there, for a location.",
        ),
        Key::new(
            "encrypt_to",
            List(&Recipient),
            Default("[]"),
            "[\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]",
            "age recipients of this copy.",
        ),
    ],
};

pub(super) const PROTECT: Table = Table {
    title: "job.NAME.protect",
    doc: "The outcome wanted. A copy is a distinct place that holds a good archive, the original included.",
    switch: None,
    keys: &[
        Key::new(
            "max_age",
            DurationOrAuto,
            Default("\"auto\""),
            "\"36h\"",
            "How old the newest good archive may get. `auto`: the longest gap of the schedule and the time-out.",
        ),
        Key::new("copies", Integer(1, 100), Default("1"), "2", "How many places must hold it."),
        Key::new("offsite", Integer(0, 100), Default("0"), "1", "How many of them off-site."),
        Key::new(
            "proven",
            Form::Duration,
            Optional("never"),
            "\"30d\"",
            "How long ago a restore may have been proved.",
        ),
    ],
};

pub(super) const DRILL: Table = Table {
    title: "job.NAME.drill",
    doc: "An unattended proof that a restore works.",
    switch: None,
    keys: &[
        Key::new("schedule", Schedule, Required, "\"0 5 1 * *\"", "When."),
        Key::new(
            "assert",
            List(&Text),
            Default("[]"),
            "[\"SELECT count(*) > 0 FROM users\"]",
            "SQL that must return true, run in the throw-away server.",
        ),
    ],
};

pub(super) const RESTORE: Table = Table {
    title: "job.NAME.restore",
    doc: "What a restore does beside the files, in this order: user, files, permissions, database, service, firewall, commands. A restore takes it from here, never from the archive.",
    switch: None,
    keys: &[
        Key::new(
            "system_user",
            Form::Table(&SYSTEM_USER),
            Optional("none"),
            "{ name = \"hermes-agent\", home = \"/opt/hermes-agent\", shell = \"/bin/false\" }",
            "A system user to create.",
        ),
        Key::new(
            "systemd_service",
            Form::Table(&SYSTEMD_SERVICE),
            Optional("none"),
            "{ name = \"hermes-agent\", service_file = \"/opt/hermes-agent/hermes-agent.service\" }",
            "A systemd unit to install.",
        ),
        Key::new(
            "permissions",
            Form::Table(&PERMISSIONS),
            Optional("as archived"),
            "{ owner = \"hermes-agent:hermes-agent\", mode = \"750\" }",
            "Owner of all that is restored, and mode of the source directory.",
        ),
        Key::new(
            "firewall_ports",
            List(&Form::Table(&FIREWALL_PORT)),
            Default("[]"),
            "[{ port = 8080, protocol = \"tcp\" }]",
            "Ports to open.",
        ),
        Key::new(
            "post_restore_commands",
            List(&Command),
            Default("[]"),
            "[\"systemctl restart hermes-agent\"]",
            "Commands run last.",
        ),
    ],
};

const SYSTEM_USER: Table = Table {
    title: "job.NAME.restore.system_user",
    doc: "A system user to create.",
    switch: None,
    keys: &[
        Key::new("name", Name, Required, "\"hermes-agent\"", "Login name."),
        Key::new("home", Path, Optional("none"), "\"/opt/hermes-agent\"", "Home directory."),
        Key::new("shell", Path, Optional("none"), "\"/bin/false\"", "Login shell."),
    ],
};

const SYSTEMD_SERVICE: Table = Table {
    title: "job.NAME.restore.systemd_service",
    doc: "A systemd unit to install and start.",
    switch: None,
    keys: &[
        Key::new("name", Text, Required, "\"hermes-agent\"", "The unit, without `.service`."),
        Key::new(
            "service_file",
            Path,
            Optional("one that is installed already"),
            "\"/opt/hermes-agent/hermes-agent.service\"",
            "The unit's file, as it is once the files are restored; installed to `/etc/systemd/system`.",
        ),
    ],
};

const PERMISSIONS: Table = Table {
    title: "job.NAME.restore.permissions",
    doc: "Owner of the source directory with all below it, and mode of the directory itself.",
    switch: None,
    keys: &[
        Key::new(
            "owner",
            Text,
            Optional("as archived"),
            "\"hermes-agent:hermes-agent\"",
            "`USER` or `USER:GROUP`.",
        ),
        Key::new("mode", OctalMode, Optional("as archived"), "\"750\"", "Octal digits, in quotes."),
    ],
};

const FIREWALL_PORT: Table = Table {
    title: "job.NAME.restore.firewall_ports",
    doc: "A port to open.",
    switch: None,
    keys: &[
        Key::new("port", Integer(1, 65535), Required, "8080", "The port."),
        Key::new(
            "protocol",
            Word(&["tcp", "udp", "both"]),
            Default("\"tcp\""),
            "\"tcp\"",
            "Its protocol.",
        ),
    ],
};
