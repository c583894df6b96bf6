//! What was found on a host as files of a configuration: the same facts give the same files.

use std::path::PathBuf;

use crate::coverage::Facts;
use crate::model::name::InstanceName;

mod jobs;

use jobs::{jobs_file, quoted};

/// Most characters of the instance's name here: the rest is for the jobs.
const INSTANCE_MAX: usize = 20;
/// What cannot be found on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    /// Where others reach it.
    pub(super) url: Option<String>,
    /// Where it listens; by default on loopback.
    pub(super) listen: Vec<String>,
    /// Who comes into the page through a proxy.
    pub(super) page: Option<PageWish>,
    /// Where the state and the generated JSON are.
    pub(super) data_dir: Option<PathBuf>,
}

/// Whom a proxy lets into the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageWish {
    /// The header that names them.
    pub(super) user_header: String,
    /// Their names.
    pub(super) users: Vec<String>,
}

/// The files of a first configuration.
pub(super) fn files(facts: &Facts, wishes: &Wishes) -> [(&'static str, String); 3] {
    [
        ("larder.toml", instance_file(facts, wishes)),
        ("jobs.toml", jobs_file(facts)),
        (".gitignore", "# secrets stay on this host\nsecrets/\n".to_owned()),
    ]
}

/// The instance's name: the host's without its domain, if it can be one.
fn instance_name(host: &str) -> String {
    let short = host.split('.').next().unwrap_or(host);
    let short: String = short.chars().take(INSTANCE_MAX).collect();
    short.parse::<InstanceName>().map_or_else(|_| "myhost".to_owned(), |name| name.to_string())
}

/// An array of strings as TOML.
fn list(all: &[String]) -> String {
    let all: Vec<String> = all.iter().map(|one| quoted(one)).collect();
    format!("[{}]", all.join(", "))
}

/// The lines on how it is reached and where it keeps what is its own.
fn reached(wishes: &Wishes) -> String {
    let mut lines = String::new();
    let mut line = |text: &str| {
        lines.push_str(text);
        lines.push('\n');
    };
    if let Some(url) = &wishes.url {
        line("# Where others reach it.");
        line(&format!("url = {}", quoted(url)));
    }
    line(
        "# Where the page, monitors and a proxy reach it, each with a token (`larder token new`).",
    );
    let loopback = ["127.0.0.1:8470".to_owned()];
    let listen = if wishes.listen.is_empty() { &loopback[..] } else { &wishes.listen };
    line(&format!("listen = {}", list(listen)));
    if let Some(page) = &wishes.page {
        line(
            "# Whom the proxy lets into the page without a token, each an administrator of larder;",
        );
        line("# `[\"*\"]` means everybody whom it lets through.");
        line(&format!(
            "page = {{ user_header = {}, users = {} }}",
            quoted(&page.user_header),
            list(&page.users)
        ));
    }
    if let Some(dir) = &wishes.data_dir {
        let below = |name: &str| quoted(&dir.join(name).to_string_lossy());
        line("# History and the index of archives; the JSON that it generates.");
        line(&format!("state_dir = {}", below("state")));
        line(&format!("publish_dir = {}", below("public")));
    }
    lines
}

fn instance_file(facts: &Facts, wishes: &Wishes) -> String {
    let name = instance_name(&facts.hostname);
    let reached = reached(wishes);
    let (path, remark) = if facts.yunohost.is_some() {
        (
            crate::yunohost::ARCHIVES,
            "# YunoHost's own folder: its web administration lists these archives too.\n",
        )
    } else {
        ("/var/backups/larder", "# A disk of its own is better than the disk that it saves.\n")
    };
    format!(
        r#"#:schema /usr/share/larder/larder.schema.json
# The configuration of larder: every *.toml in this directory is read, in any order.
# `larder check` judges it, `larder plan` shows what it would do.

[instance]
# Signs the archives and stands at the beginning of their names.
name = "{name}"
# The one zone of schedules, days and names; the system's without.
# timezone = "Europe/Paris"
{reached}
[defaults]
# What a job without its own says. Jobs that are due at the same time run one after the other.
schedule = "0 2 * * *"
retention = "standard"
location = "main"

[retention.standard]
# The newest archive of each of the last 7 days, 4 weeks and 3 months that have one.
mode = "gfs"
daily = 7
weekly = 4
monthly = 3

[location.main]
{remark}path = "{path}"
# "none", "gzip" or "zstd"
compress = "none"
# Encryption: `larder identity new` makes a key pair; the secret half stays off this host.
# encrypt_to = ["age1…"]

# A second place. With `send_to = ["usb"]` in a job its archives are copied there as well.
# [location.usb]
# path = "/media/usb/larder"
# removable = true
# require_mount = true         # and never written to the root disk in its stead

# Who is told when something goes wrong; `larder notify test` tries it. Also `url` (a webhook)
# and `ping_url` (a dead-man's switch), as files that only root can read.
# [notify.admin]
# mail_to = "admin@example.org"

# Another key that opens whatever is encrypted, kept on paper for the worst day.
# [recovery]
# recipients = ["age1…"]
"#
    )
}

#[cfg(test)]
mod tests;
