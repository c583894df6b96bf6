//! `[instance]`, `[recovery]`, `[defaults]`, `[token.*]` and `[notify.*]`.

use super::Form::{
    Bool, Duration, Hash, List, Listen, Name, NameOr, Path, Recipient, Schedule, Secret, Text,
    Timezone, Url, Word,
};
use super::Need::{Default, Optional, Required};
use super::{Form, Key, Table, place};
use crate::model::desired::Event;
use crate::model::token::Scope;

/// What a token may be allowed.
const SCOPES: Form = Word(&[
    Scope::Status.word(),
    Scope::List.word(),
    Scope::Send.word(),
    Scope::Fetch.word(),
    Scope::Run.word(),
    Scope::Delete.word(),
    Scope::Restore.word(),
    Scope::Admin.word(),
]);
/// What somebody may be told of, as the documentation tells it.
const EVENTS: Form = Word(&[
    Event::Failure.word(),
    Event::Recovery.word(),
    Event::Overdue.word(),
    Event::Blocked.word(),
]);

pub(super) const INSTANCE: Table = Table {
    title: "instance",
    doc: "This instance: its name, its zone and its own directories.",
    switch: None,
    keys: &[
        Key::new(
            "name",
            Name,
            Optional("the host name"),
            "\"jerry\"",
            "Signs archives: the first part of their names. Must be written once there are peers. At most 32 characters.",
        ),
        Key::new(
            "url",
            Url,
            Optional("none"),
            "\"https://jerry.example.org/larder\"",
            "The public base URL. It may have a path, which the proxy strips.",
        ),
        Key::new(
            "timezone",
            Timezone,
            Optional("the system's"),
            "\"Europe/Paris\"",
            "The one zone of schedules, days and names, as an IANA name.",
        ),
        Key::new(
            "listen",
            List(&Listen),
            Default("[]"),
            "[\"127.0.0.1:8470\", \"unix:/run/larder/web.sock\"]",
            "Where the API is served, to holders of a token only. Commands on this host use `control_socket`.",
        ),
        Key::new(
            "tls",
            Form::Table(&TLS),
            Optional("none"),
            "{ cert = \"/etc/ssl/crt.pem\", key = \"/etc/ssl/key.pem\" }",
            "Needed to listen beyond loopback; with it every address speaks TLS, sockets do not.",
        ),
        Key::new(
            "state_dir",
            Path,
            Default("\"/var/lib/larder/state\""),
            "\"/var/lib/larder/state\"",
            "Queue, history and the index of archives. Mode 0700.",
        ),
        Key::new(
            "publish_dir",
            Path,
            Default("\"/var/lib/larder/public\""),
            "\"/var/lib/larder/public\"",
            "The generated JSON. Mode 0755.",
        ),
        Key::new(
            "formerly",
            List(&Name),
            Default("[]"),
            "[\"old-jerry\"]",
            "Earlier names of this instance: their series are ours.",
        ),
        Key::new(
            "control_socket",
            Path,
            Default("\"/run/larder/control.sock\""),
            "\"/run/larder/control.sock\"",
            "The socket over which commands reach the daemon. Where the directory is empty or gone, commands try `LARDER_SOCKET`, or the usual one.",
        ),
        Key::new(
            "page_edits_peers",
            Bool,
            Default("false"),
            "false",
            "Whether the web page may add and remove peers as the commands do.",
        ),
        Key::new(
            "page",
            Form::Table(&PAGE),
            Optional("nobody is let in without a token"),
            "{ user_header = \"YNH_USER\", users = [\"alice\"] }",
            "Users whom a proxy that authenticates lets into the web page without a token. Only for the page, and only over a `unix:` socket of `listen`.",
        ),
    ],
};

const PAGE: Table = Table {
    title: "instance.page",
    doc: "Who comes into the web page through the single sign-on of a proxy. Whoever may write to the `unix:` socket is believed: it is for the proxy alone, and the proxy must set or remove the header in every request. Each of these users may do what a token with the scope `admin` may.",
    switch: None,
    keys: &[
        Key::new(
            "user_header",
            Text,
            Required,
            "\"YNH_USER\"",
            "The header in which the proxy says who it is. YunoHost sets `YNH_USER`.",
        ),
        Key::new(
            "users",
            List(&Text),
            Required,
            "[\"alice\"]",
            "Who is let in. `*` alone is everybody whom the proxy lets through.",
        ),
    ],
};

const TLS: Table = Table {
    title: "instance.tls",
    doc: "Certificate and key, re-read when they are renewed.",
    switch: None,
    keys: &[
        Key::new("cert", Path, Required, "\"/etc/ssl/crt.pem\"", "The certificate chain, PEM."),
        Key::new("key", Path, Required, "\"/etc/ssl/key.pem\"", "The private key, PEM."),
    ],
};

pub(super) const RECOVERY: Table = Table {
    title: "recovery",
    doc: "What is needed on the day of a disaster: recipients that can open every encrypted archive (their identity is kept off this host), and this configuration.",
    switch: None,
    keys: &[
        Key::new(
            "recipients",
            List(&Recipient),
            Default("[]"),
            "[\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]",
            "Added to `encrypt_to` wherever that is not empty.",
        ),
        Key::new(
            "configuration",
            Bool,
            Default("true"),
            "false",
            "Whether this directory is archived too, daily, to every location in use: with its secrets \
             and encrypted where there are `recipients`, plain and without them otherwise. \
             `larder recover` begins with it.",
        ),
    ],
};

pub(super) const DEFAULTS: Table = Table {
    title: "defaults",
    doc: "What a job says that does not say it itself.",
    switch: None,
    keys: &[
        Key::new(
            "schedule",
            Schedule,
            Optional("each job needs its own"),
            "\"0 2 * * *\"",
            "When jobs run. One daily line here queues every enabled job; they run one after the other.",
        ),
        Key::new(
            "retention",
            NameOr(&place::RETENTION),
            Optional("each job needs its own"),
            "\"standard\"",
            "Which archives stay: the name of a `[retention.NAME]`, or a policy.",
        ),
        Key::new(
            "location",
            Name,
            Optional("each job needs its own"),
            "\"main\"",
            "Where archives are made: the name of a `[location.NAME]`.",
        ),
    ],
};

pub(super) const TOKEN: Table = Table {
    title: "token.NAME",
    doc: "An API token. Only its hash stands here; `larder token new` makes both.",
    switch: None,
    keys: &[
        Key::new(
            "hash",
            Hash,
            Required,
            "\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
            "bcrypt (`$2b$…`, cost 8 to 15) or `sha256:` with 64 hex digits. The cost is paid once for each token that is sent: 12 takes a third of a second.",
        ),
        Key::new("scopes", List(&SCOPES), Required, "[\"status\"]", "What it may do."),
    ],
};

const URL_ONLY: &str = "exactly one of `url`, `ping_url`, `mail_to`";

pub(super) const NOTIFY: Table = Table {
    title: "notify.NAME",
    doc: "Who is told: a webhook, a dead-man's switch, or an address.",
    switch: None,
    keys: &[
        Key::new(
            "url",
            Secret,
            Optional(URL_ONLY),
            "{ file = \"/etc/larder/secrets/hook\" }",
            "A webhook: what is told is posted there as JSON. `text` is what Slack, Mattermost and Matrix show, `title` and `message` what Gotify does.",
        ),
        Key::new(
            "ping_url",
            Secret,
            Optional(URL_ONLY),
            "{ file = \"/etc/larder/secrets/ping\" }",
            "A dead-man's switch, by the convention of healthchecks.io: `URL/start`, `URL`, `URL/fail` for each backup. `{job}` in it stands for the job's name (`apps-nextcloud` for `apps/nextcloud`); one address without it is told of success only while no job is failing or overdue.",
        ),
        Key::new(
            "mail_to",
            Text,
            Optional(URL_ONLY),
            "\"admin@example.org\"",
            "An address, through the local sendmail.",
        ),
        Key::new(
            "on",
            List(&EVENTS),
            Default("[\"failure\", \"recovery\", \"overdue\", \"blocked\"]"),
            "[\"failure\", \"recovery\"]",
            "Which events: a failed run, a damaged archive or a location that is gone; what was told is well again; a goal is missed; something waits for a person (deletions, a recovery, mistakes in these files). Each is told once, and again every 24 h while it lasts. Not with `ping_url`, which is told of every backup.",
        ),
    ],
};

/// How long something stays, with its default.
pub(super) const fn keep(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key::new(name, Duration, Default(default), example, doc)
}
