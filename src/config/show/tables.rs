//! Each object as a table with all its keys, in the order of the documentation.

use std::path::Path;

use serde_json::Value;

use super::{Item, Table};
use crate::model::desired::{
    Defaults, Event, Instance, Listen, Notify, NotifyTarget, SecretRef, Token,
};
use crate::model::job::{Command, Ended, Job, JobSource, RestoreSteps, SendTo, SourceMount, Via};
use crate::model::location::{Location, LocationType};
use crate::model::peer::{Accept, Peer, PeerKind, Ssh, Trust};
use crate::model::protect::{MaxAge, Protect};
use crate::model::retention::{Mode, Policy};
use crate::model::size::Bytes;
use crate::model::token::Scope;

fn path(path: &Path) -> Item {
    path.to_string_lossy().into_owned().into()
}

fn names<T: ToString>(names: &[T]) -> Item {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().into()
}

fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Item {
    all.iter().map(|one| word(*one)).collect::<Vec<_>>().into()
}

/// Exactly as many bytes, in the largest unit that divides them.
fn size(bytes: Bytes) -> Item {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.iter().find(|(_, bits)| bytes.0 > 0 && bytes.0.trailing_zeros() >= *bits);
    match unit {
        Some((unit, bits)) => format!("{} {unit}", bytes.0 >> bits).into(),
        None => format!("{} B", bytes.0).into(),
    }
}

fn duration(duration: jiff::SignedDuration) -> Item {
    let seconds = duration.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("min", 60)];
    let unit = units.iter().find(|(_, length)| seconds > 0 && seconds % length == 0);
    match unit {
        Some((unit, length)) => format!("{}{unit}", seconds / length).into(),
        None => format!("{seconds}s").into(),
    }
}

fn secret(secret: &SecretRef) -> Item {
    Item::Table(vec![match secret {
        SecretRef::File(file) => ("file", path(file)),
        SecretRef::Credential(name) => ("credential", name.as_str().into()),
        SecretRef::Env(name) => ("env", name.as_str().into()),
        SecretRef::Command(argv) => ("command", argv.clone().into()),
    }])
}

fn commands(commands: &[Command]) -> Item {
    let all: Vec<Value> = commands
        .iter()
        .map(|command| match command {
            Command::Argv(argv) => argv.clone().into(),
            Command::Shell(line) => line.as_str().into(),
        })
        .collect();
    all.into()
}

fn policy(policy: &Policy) -> Item {
    Item::Table(policy_table(policy))
}

pub(super) fn policy_table(policy: &Policy) -> Table {
    let mut table: Table = vec![("mode", policy.mode.counting().word().into())];
    match policy.mode {
        Mode::Count(value) | Mode::Daily(value) => table.push(("value", value.into())),
        Mode::Gfs { daily, weekly, monthly, yearly } => table.extend([
            ("daily", daily.into()),
            ("weekly", weekly.into()),
            ("monthly", monthly.into()),
            ("yearly", yearly.into()),
        ]),
    }
    table.push(("min_days", policy.min_days.into()));
    table
}

pub(super) fn defaults_table(defaults: &Defaults) -> Table {
    let mut table = Table::new();
    table.extend(defaults.schedule.as_ref().map(|text| ("schedule", text.text().into())));
    table.extend(defaults.retention.as_ref().map(|it| ("retention", policy(it))));
    table.extend(defaults.location.as_ref().map(|name| ("location", name.as_str().into())));
    table
}

pub(super) fn instance(instance: &Instance) -> Table {
    let mut table: Table = vec![("name", instance.name.as_str().into())];
    if let Some(url) = &instance.url {
        table.push(("url", url.as_str().into()));
    }
    if let Some(zone) = instance.timezone.iana_name() {
        table.push(("timezone", zone.into()));
    }
    if !instance.listen.is_empty() {
        let listen = instance.listen.iter().map(|listen| match listen {
            Listen::Tcp(address) => address.to_string(),
            Listen::Unix(socket) => format!("unix:{}", socket.display()),
        });
        table.push(("listen", listen.collect::<Vec<_>>().into()));
    }
    if let Some(tls) = &instance.tls {
        table.push(("tls", Item::Table(vec![("cert", path(&tls.cert)), ("key", path(&tls.key))])));
    }
    table.push(("state_dir", path(&instance.state_dir)));
    table.push(("publish_dir", path(&instance.publish_dir)));
    table.push(("formerly", names(&instance.formerly)));
    table.push(("control_socket", path(&instance.control_socket)));
    table.push(("page_edits_peers", instance.page_edits_peers.into()));
    if let Some(page) = &instance.page {
        let page = vec![
            ("user_header", page.user_header.as_str().into()),
            ("users", page.users.clone().into()),
        ];
        table.push(("page", Item::Table(page)));
    }
    table
}

pub(super) fn location_table(location: &Location) -> Table {
    let mut table: Table = vec![
        ("type", LocationType::Folder.word().into()),
        ("path", path(&location.path)),
        ("compress", location.codec.to_string().into()),
        ("encrypt_to", location.encrypt_to.clone().into()),
        ("removable", location.removable.into()),
        ("require_mount", location.require_mount.into()),
        ("min_free", size(location.min_free)),
        ("offsite", location.offsite.into()),
        ("trash", duration(location.trash)),
    ];
    if let Some(identity) = &location.identity {
        table.push(("identity", secret(identity)));
    }
    table
}

pub(super) fn job_table(job: &Job) -> Table {
    let mut table: Table = vec![("type", job.source.job_type().word().into())];
    source(&job.source, &mut table);
    table.extend([
        ("label", job.label.as_str().into()),
        ("schedule", job.schedule.text().into()),
        ("retention", policy(&job.retention)),
        ("location", job.location.as_str().into()),
        ("send_to", Item::Tables(job.send_to.iter().map(send_to).collect())),
        ("before", commands(&job.before)),
        ("after", commands(&job.after)),
        ("enabled", job.enabled.into()),
        ("timeout", duration(job.timeout)),
        ("catch_up", job.catch_up.word().into()),
        ("retries", job.retries.into()),
        ("allow_partial", job.allow_partial.into()),
        ("shrink_alarm", job.shrink_alarm.to_string().into()),
        ("suspect_keep", duration(job.suspect_keep)),
        ("manual_keep", duration(job.manual_keep)),
        ("hold_max", duration(job.hold_max)),
        ("formerly", names(&job.formerly)),
    ]);
    let archives = job.ended.unwrap_or(Ended::KeepArchives);
    table.extend([("state", job.state().word().into()), ("archives", archives.word().into())]);
    if job.protect.declared {
        table.push(("protect", Item::Table(protect(&job.protect))));
    }
    if let Some(drill) = &job.drill {
        let drill = vec![
            ("schedule", drill.schedule.text().into()),
            ("assert", drill.assert.clone().into()),
        ];
        table.push(("drill", Item::Table(drill)));
    }
    let restore = restore(&job.restore);
    if !restore.is_empty() {
        table.push(("restore", Item::Table(restore)));
    }
    table
}

fn source(source: &JobSource, table: &mut Table) {
    match source {
        JobSource::CustomDir(dir) => {
            table.extend([
                ("source_path", path(&dir.source_path)),
                ("excludes", dir.excludes.clone().into()),
                ("one_file_system", dir.one_file_system.into()),
            ]);
            if dir.mount != SourceMount::default() {
                table.push(("source_mount", dir.mount.word().into()));
            }
        }
        JobSource::Mysql(database) | JobSource::Postgresql(database) => {
            table.push(("database", database.database.as_str().into()));
            table.push(("except", database.except.clone().into()));
            if let Some(host) = &database.host {
                table.push(("host", host.as_str().into()));
            }
            if let Some(port) = database.port {
                table.push(("port", port.into()));
            }
            if let Some(socket) = &database.socket {
                table.push(("socket", path(socket)));
            }
            if let Some(user) = &database.user {
                table.push(("user", user.as_str().into()));
            }
            if let Some(password) = &database.password {
                table.push(("password", secret(password)));
            }
            table.push(("options", database.options.clone().into()));
        }
        JobSource::YnhApp { app_id, except, core_only } => table.extend([
            ("app_id", app_id.as_str().into()),
            ("except", except.clone().into()),
            ("core_only", (*core_only).into()),
        ]),
        JobSource::YnhSystem { parts } => table.push(("parts", parts.clone().into())),
    }
}

fn send_to(copy: &SendTo) -> Table {
    let mut table: Table = vec![("to", copy.to.as_str().into())];
    if copy.via != Via::default() {
        table.push(("via", copy.via.word().into()));
    }
    if let Some(retention) = &copy.retention {
        table.push(("retention", policy(retention)));
    }
    if !copy.encrypt_to.is_empty() {
        table.push(("encrypt_to", copy.encrypt_to.clone().into()));
    }
    table
}

fn protect(protect: &Protect) -> Table {
    let max_age = match protect.max_age {
        MaxAge::Auto => "auto".into(),
        MaxAge::Fixed(age) => duration(age),
    };
    let mut table: Table = vec![
        ("max_age", max_age),
        ("copies", protect.copies.into()),
        ("offsite", protect.offsite.into()),
    ];
    if let Some(proven) = protect.proven {
        table.push(("proven", duration(proven)));
    }
    table
}

fn restore(steps: &RestoreSteps) -> Table {
    let mut table = Table::new();
    if let Some(user) = &steps.system_user {
        let mut keys: Table = vec![("name", user.name.as_str().into())];
        keys.extend(user.home.as_ref().map(|home| ("home", path(home))));
        keys.extend(user.shell.as_ref().map(|shell| ("shell", path(shell))));
        table.push(("system_user", Item::Table(keys)));
    }
    if let Some(service) = &steps.systemd_service {
        let mut keys: Table = vec![("name", service.name.as_str().into())];
        keys.extend(service.service_file.as_ref().map(|file| ("service_file", path(file))));
        table.push(("systemd_service", Item::Table(keys)));
    }
    let mut permissions = Table::new();
    permissions.extend(steps.owner.as_ref().map(|owner| ("owner", owner.as_str().into())));
    permissions.extend(steps.mode.map(|mode| ("mode", format!("{mode:03o}").into())));
    if !permissions.is_empty() {
        table.push(("permissions", Item::Table(permissions)));
    }
    if !steps.firewall_ports.is_empty() {
        let ports = steps.firewall_ports.iter().map(|port| -> Table {
            vec![("port", port.port.into()), ("protocol", port.protocol.as_str().into())]
        });
        table.push(("firewall_ports", Item::Tables(ports.collect())));
    }
    if !steps.post_restore_commands.is_empty() {
        table.push(("post_restore_commands", commands(&steps.post_restore_commands)));
    }
    table
}

pub(super) fn peer_table(peer: &Peer) -> Table {
    let mut table: Table = vec![("kind", peer.kind.word().into())];
    let reached = match &peer.kind {
        PeerKind::Instance { url, token, ssh, ca, pin } => {
            table.extend(url.as_ref().map(|url| ("url", url.as_str().into())));
            table.extend(token.as_ref().map(|token| ("token", secret(token))));
            table.extend(ssh.as_ref().map(|ssh| ("ssh", Item::Table(ssh_table(ssh)))));
            table.extend(ca.as_ref().map(|ca| ("ca", path(ca))));
            table.extend(pin.as_ref().map(|pin| ("pin", pin.as_str().into())));
            table.push(("rsync_above", size(peer.rsync_above)));
            table.push(("fetch_from", names(&peer.fetch_from)));
            true
        }
        PeerKind::BackupChannel { hostname, location } => {
            table.push(("hostname", hostname.as_str().into()));
            table.extend(location.as_ref().map(|location| ("location", location.as_str().into())));
            false
        }
        PeerKind::SshDirect(ssh) | PeerKind::SshViaRelay(ssh) => {
            table.push(("ssh", Item::Table(ssh_table(ssh))));
            table.push(("prune", peer.prune.into()));
            true
        }
    };
    if reached {
        table.extend(peer.bandwidth.map(|bandwidth| ("bandwidth", size(bandwidth))));
        table.push(("offsite", peer.offsite.into()));
    }
    table.extend(peer.accept.as_ref().map(|accept| ("accept", Item::Table(accept_table(accept)))));
    table
}

fn ssh_table(ssh: &Ssh) -> Table {
    let mut table: Table = vec![
        ("host", ssh.host.as_str().into()),
        ("port", ssh.port.into()),
        ("user", ssh.user.as_str().into()),
    ];
    table.extend(ssh.path.as_ref().map(|folder| ("path", path(folder))));
    table.extend(ssh.identity.as_ref().map(|file| ("identity", path(file))));
    table.extend(ssh.known_hosts.as_ref().map(|hosts| ("known_hosts", hosts.as_str().into())));
    table.extend(ssh.relay.as_ref().map(|relay| ("relay", relay.as_str().into())));
    table
}

fn accept_table(accept: &Accept) -> Table {
    let mut table: Table = vec![
        ("token_hash", accept.token_hash.as_str().into()),
        ("location", accept.location.as_str().into()),
    ];
    table.extend(accept.quota.map(|quota| ("quota", size(quota))));
    let trust = if accept.trust_restore { Trust::Restore } else { Trust::Store };
    table.extend([
        ("retention", policy(&accept.retention)),
        ("scopes", words(&accept.scopes, Scope::word)),
        ("immutable_for", duration(accept.immutable_for)),
        ("read_only", accept.read_only.into()),
        ("max_open_uploads", accept.max_open_uploads.into()),
        ("trust", trust.word().into()),
    ]);
    table
}

pub(super) fn token_table(token: &Token) -> Table {
    vec![("hash", token.hash.as_str().into()), ("scopes", words(&token.scopes, Scope::word))]
}

pub(super) fn notify_table(notify: &Notify) -> Table {
    let target = match &notify.target {
        NotifyTarget::Url(url) => ("url", secret(url)),
        NotifyTarget::PingUrl(url) => ("ping_url", secret(url)),
        NotifyTarget::MailTo(address) => ("mail_to", address.as_str().into()),
    };
    match &notify.target {
        NotifyTarget::PingUrl(_) => vec![target],
        NotifyTarget::Url(_) | NotifyTarget::MailTo(_) => {
            vec![target, ("on", words(&notify.on, Event::word))]
        }
    }
}
