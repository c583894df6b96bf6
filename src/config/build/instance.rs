//! Reads `[instance]`, `[recovery]`, `[defaults]`, `[token.*]` and `[notify.*]`.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::World;
use super::reference::own_name;
use crate::config::context::{Context, Object, ObjectId};
use crate::config::keys::Kind;
use crate::config::table::Reader;
use crate::config::tree::{Node, Span, Value};
use crate::model::desired::{
    self, Event, Instance, Listen, Notify, NotifyTarget, PageUsers, SecretRef, Tls, Token,
};
use crate::model::name::{InstanceName, PlaceName};
use crate::model::retention::Policy;
use crate::model::schedule::Schedule;
use crate::model::token::Scope;

/// What a job says that does not say it itself.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) schedule: Option<Schedule>,
    pub(super) retention: Option<Policy>,
    pub(super) location: Option<PlaceName>,
    /// Whether `[defaults]` is written and cannot be used.
    pub(super) is_broken: bool,
}

impl Defaults {
    pub(super) fn broken() -> Self {
        Self { is_broken: true, ..Self::default() }
    }

    pub(super) fn to_model(&self) -> desired::Defaults {
        desired::Defaults {
            schedule: self.schedule.clone(),
            retention: self.retention,
            location: self.location.clone(),
        }
    }
}

/// An `[instance]` with nothing in it.
pub(super) fn nothing_written() -> Object {
    Object {
        id: ObjectId::new(Kind::Instance, ""),
        file: String::new(),
        at: Span::default(),
        node: Node { at: Span::default(), value: Value::Table(Vec::new()) },
        torn: false,
    }
}

pub(super) fn instance(object: &Object, cx: &mut Context<'_>) -> Option<Instance> {
    let r = Reader::open(Kind::Instance.table(), &object.node, object.at, cx)?;
    let name = match r.entry("name") {
        Some(_) => r.maybe("name", cx),
        None => host_name(&r, cx),
    };
    let url: Option<String> = r.maybe("url", cx);
    let timezone: Option<TimeZone> = match r.entry("timezone") {
        Some(_) => r.maybe("timezone", cx),
        None => Some(system_zone()),
    };
    let listen: Option<Vec<Listen>> = r.get("listen", cx);
    let tls = r.table("tls", cx).and_then(|t| {
        let (cert, key) = (t.get("cert", cx), t.get("key", cx));
        t.finish(cx)?;
        Some(Tls { cert: cert?, key: key? })
    });
    let formerly: Option<Vec<InstanceName>> = r.get("formerly", cx);
    let state_dir: Option<PathBuf> = r.get("state_dir", cx);
    let publish_dir: Option<PathBuf> = r.get("publish_dir", cx);
    let control_socket: Option<PathBuf> = r.get("control_socket", cx);
    let page_edits_peers = r.get("page_edits_peers", cx);
    let page = page(&r, listen.as_deref(), cx);
    if let Some(listen) = &listen
        && r.entry("tls").is_none()
        && let Some(Listen::Tcp(open)) = listen.iter().find(|listen| is_beyond_loopback(listen))
    {
        cx.error_with(
            r.place("listen"),
            format!("listening on `{open}`, beyond loopback, needs `tls`"),
            "add `tls = { cert = …, key = … }`, or listen on 127.0.0.1 behind a proxy",
        );
    }
    if let (Some(state), Some(publish)) = (&state_dir, &publish_dir)
        && (state.starts_with(publish) || publish.starts_with(state))
    {
        cx.error_with(
            r.place("publish_dir"),
            "`publish_dir` and `state_dir` must not lie within one another",
            "what is published can be read by everyone; the state cannot",
        );
    }
    r.finish(cx)?;
    Some(Instance {
        name: name?,
        formerly: formerly?,
        url,
        timezone: timezone?,
        listen: listen?,
        tls,
        state_dir: state_dir?,
        publish_dir: publish_dir?,
        control_socket: control_socket?,
        page_edits_peers: page_edits_peers?,
        page,
    })
}

/// Headers that mean something else, to everybody.
const TAKEN_HEADERS: [&str; 6] =
    ["authorization", "cookie", "host", "origin", "referer", "x-backupmanager-key"];

/// Who comes into the page through the proxy.
fn page(r: &Reader<'_>, listen: Option<&[Listen]>, cx: &mut Context<'_>) -> Option<PageUsers> {
    let t = r.table("page", cx)?;
    let header: Option<String> = t.get("user_header", cx);
    let users: Option<Vec<String>> = t.get("users", cx);
    if let Some(header) = &header {
        let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if header.is_empty() || !header.chars().all(is_token) {
            cx.error_with(
                t.place("user_header"),
                format!("`{header}` is not the name of a header"),
                "letters, digits, `-` and `_`; YunoHost sets `YNH_USER`",
            );
        } else if TAKEN_HEADERS.iter().any(|taken| header.eq_ignore_ascii_case(taken)) {
            cx.error(
                t.place("user_header"),
                format!("`{header}` is a header that browsers set themselves"),
            );
        }
    }
    if let Some(users) = &users {
        let everybody = users.iter().any(|user| user == PageUsers::EVERYBODY);
        if users.is_empty() {
            cx.error_with(
                t.place("users"),
                "without users nobody is let in",
                "name them, write `[\"*\"]` for everybody whom the proxy lets through, or remove `page`",
            );
        } else if everybody && users.len() > 1 {
            cx.error(t.place("users"), "`*` is everybody already: it stands alone");
        }
    }
    if let Some(listen) = listen
        && !listen.iter().any(|listen| matches!(listen, Listen::Unix(_)))
    {
        cx.error_with(
            r.place("page"),
            "`page` lets users in over a unix socket only, and `listen` has none",
            "add `\"unix:/run/larder/web.sock\"` to `listen`, and lead the proxy there",
        );
    }
    t.finish(cx)?;
    Some(PageUsers { user_header: header?, users: users? })
}

fn is_beyond_loopback(listen: &Listen) -> bool {
    match listen {
        Listen::Tcp(address) => !address.ip().is_loopback(),
        Listen::Unix(_) => false,
    }
}

/// The host name up to its first dot.
fn host_name(r: &Reader<'_>, cx: &mut Context<'_>) -> Option<InstanceName> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    let host = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    let host = host.unwrap_or_default();
    let short = host.trim().split('.').next().unwrap_or_default();
    let name = short.parse();
    if name.is_err() {
        cx.error_with(
            r.at,
            format!("the host name `{short}` cannot be the name of an instance"),
            "write `name = \"…\"` into `[instance]`",
        );
    }
    name.ok()
}

fn system_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// `[recovery]`.
pub(super) struct Recovery {
    pub(super) recipients: Vec<String>,
    pub(super) configuration: bool,
}

pub(super) fn recovery(object: &Object, cx: &mut Context<'_>) -> Option<Recovery> {
    let r = Reader::open(Kind::Recovery.table(), &object.node, object.at, cx)?;
    let (recipients, configuration) = (r.get("recipients", cx), r.get("configuration", cx));
    r.finish(cx)?;
    Some(Recovery { recipients: recipients?, configuration: configuration? })
}

pub(super) fn defaults(
    object: &Object,
    world: &World<'_>,
    cx: &mut Context<'_>,
) -> Option<Defaults> {
    let r = Reader::open(Kind::Defaults.table(), &object.node, object.at, cx)?;
    let schedule = r.maybe("schedule", cx);
    let retention = world.policy(&r, "retention", cx);
    let location = world.location(&r, "location", cx);
    r.finish(cx)?;
    let lacking = (object.node.get("retention").is_some() && retention.is_none())
        || (object.node.get("location").is_some() && location.is_none());
    (!lacking).then_some(Defaults { schedule, retention, location, is_broken: false })
}

pub(super) fn token(object: &Object, cx: &mut Context<'_>) -> Option<Token> {
    let name = own_name(object, cx);
    let r = Reader::open(Kind::Token.table(), &object.node, object.at, cx)?;
    let hash = r.get("hash", cx);
    let scopes: Option<Vec<Scope>> = r.get("scopes", cx);
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        cx.error(r.place("scopes"), "a token without scopes may do nothing");
    }
    if scopes.as_ref().is_some_and(|scopes| scopes.contains(&Scope::Send)) {
        cx.error_with(
            r.place("scopes"),
            "a token cannot have the scope `send`: only peers store archives here, each in a folder of its own",
            "write a `[peer.NAME]` with `accept` for whoever sends",
        );
    }
    r.finish(cx)?;
    Some(Token { name: name?, hash: hash?, scopes: scopes?, place: object.place() })
}

pub(super) fn notify(object: &Object, cx: &mut Context<'_>) -> Option<Notify> {
    let name = own_name(object, cx);
    let r = Reader::open(Kind::Notify.table(), &object.node, object.at, cx)?;
    let url: Option<SecretRef> = r.maybe("url", cx);
    let ping_url: Option<SecretRef> = r.maybe("ping_url", cx);
    let mail_to: Option<String> = r.maybe("mail_to", cx);
    let on: Option<Vec<Event>> = r.get("on", cx);
    let written = ["url", "ping_url", "mail_to"].iter().filter(|key| r.entry(key).is_some());
    if written.count() != 1 && !object.torn {
        cx.error_with(
            r.at,
            "a notification has exactly one of `url`, `ping_url`, `mail_to`",
            "write one table for each target",
        );
    }
    if let Some(address) = &mail_to
        && (!address.contains('@')
            || address.starts_with('-')
            || address.contains(char::is_whitespace))
    {
        cx.error_with(
            r.place("mail_to"),
            format!("`{address}` is not an address"),
            "write it like `\"admin@example.org\"`",
        );
    }
    if let Some(on) = &on {
        if r.entry("on").is_some() && ping_url.is_some() {
            cx.error_with(
                r.place("on"),
                "a dead-man's switch is told of every backup, and knows no events",
                "remove `on`",
            );
        } else if on.is_empty() {
            cx.error(r.place("on"), "without events nothing is ever told");
        } else if on.contains(&Event::Recovery)
            && !on.iter().any(|on| [Event::Failure, Event::Overdue].contains(on))
        {
            cx.error_with(
                r.place("on"),
                "`recovery` follows what was told before, and nothing of that is told here",
                "add `failure` or `overdue`",
            );
        }
    }
    r.finish(cx)?;
    let url = url.map(NotifyTarget::Url);
    let target = url.or(ping_url.map(NotifyTarget::PingUrl)).or(mail_to.map(NotifyTarget::MailTo));
    Some(Notify { name: name?, target: target?, on: on?, place: object.place() })
}
