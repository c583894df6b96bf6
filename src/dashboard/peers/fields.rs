//! What the form for a peer asks: the keys of its table, as far as people fill them in.

use serde_json::{Map, Value, json};

use crate::dashboard::words::Words;

pub(super) const CHANNEL: &str = "backup-channel";
pub(super) const INSTANCE: &str = "instance";
pub(super) const DIRECT: &str = "direct-ssh-direct";
pub(super) const RELAY: &str = "direct-ssh-via-relay";

/// A text in the language of whoever looks.
pub(super) type Word = fn(&Words) -> &'static str;

/// How something is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Text,
    Number,
    /// Several, with commas.
    List,
    /// Never shown again.
    Secret,
    /// A tick; what the key is then.
    Tick(bool),
    /// A location, or none.
    Location,
}

/// A key of a peer's table.
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) kinds: &'static [&'static str],
    pub(super) input: Input,
    pub(super) label: Word,
    pub(super) hint: Option<Word>,
    pub(super) example: &'static str,
}

/// Keys that stand together.
pub(super) struct Group {
    pub(super) legend: Word,
    pub(super) hint: Option<Word>,
    /// Whether it is folded until somebody wants it.
    pub(super) is_folded: bool,
    pub(super) fields: &'static [Field],
}

impl Group {
    /// The kinds that have any of it.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<_> = self.fields.iter().flat_map(|field| field.kinds).copied().collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

const fn text(
    key: &'static str,
    kinds: &'static [&'static str],
    label: Word,
    example: &'static str,
) -> Field {
    Field { key, kinds, input: Input::Text, label, hint: None, example }
}

impl Field {
    const fn hint(mut self, hint: Word) -> Self {
        self.hint = Some(hint);
        self
    }

    const fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }
}

const SSH_KINDS: &[&str] = &[DIRECT, RELAY];
const REACHED: &[&str] = &[INSTANCE, DIRECT, RELAY];

pub(super) const GROUPS: &[Group] = &[
    Group {
        legend: |words| words.form_channel,
        hint: None,
        is_folded: false,
        fields: &[
            text("hostname", &[CHANNEL], |words| words.host_name, "nas")
                .hint(|words| words.host_name_hint),
            text("location", &[CHANNEL], |words| words.preferred_location, "")
                .input(Input::Location),
        ],
    },
    Group {
        legend: |words| words.form_instance,
        hint: Some(|words| words.form_instance_hint),
        is_folded: false,
        fields: &[
            text("url", &[INSTANCE], |words| words.address, "https://tom.example.org/larder")
                .hint(|words| words.url_hint),
            text("secret", &[INSTANCE], |words| words.its_token, "")
                .input(Input::Secret)
                .hint(|words| words.its_token_hint),
            text("pin", &[INSTANCE], |words| words.pinned_certificate, "9f86d081884c7d65…")
                .hint(|words| words.pin_hint),
        ],
    },
    Group {
        legend: |words| words.form_ssh,
        hint: Some(|words| words.form_ssh_hint),
        is_folded: false,
        fields: &[
            text("ssh.host", SSH_KINDS, |words| words.host_name, "vps.example.org"),
            text("ssh.user", SSH_KINDS, |words| words.user_there, "backup"),
            text("ssh.path", SSH_KINDS, |words| words.folder_there, "/srv/backup/jerry"),
            text("ssh.relay", &[RELAY], |words| words.relay, "relay@relay.example.org:22")
                .hint(|words| words.relay_hint),
            text("ssh.port", SSH_KINDS, |words| words.port, "22").input(Input::Number),
            text(
                "ssh.known_hosts",
                SSH_KINDS,
                |words| words.host_key,
                "vps.example.org ssh-ed25519 AAAA…",
            )
            .hint(|words| words.host_key_hint),
            text("ssh.identity", SSH_KINDS, |words| words.own_key, "/etc/larder/ssh/id_ed25519")
                .hint(|words| words.own_key_hint),
        ],
    },
    Group {
        legend: |words| words.may_store,
        hint: Some(|words| words.accept_hint),
        is_folded: true,
        fields: &[
            text("accept.token_hash", &[INSTANCE], |words| words.token_hash, "sha256:9f86d081…")
                .hint(|words| words.token_hash_hint),
            text("accept.location", &[INSTANCE], |words| words.location, "").input(Input::Location),
            text("accept.quota", &[INSTANCE], |words| words.quota, "200 GiB"),
            text("accept.retention", &[INSTANCE], |words| words.policy, "standard")
                .hint(|words| words.policy_hint),
        ],
    },
    Group {
        legend: |words| words.form_transfer,
        hint: None,
        is_folded: true,
        fields: &[
            text("offsite", REACHED, |words| words.not_offsite, "").input(Input::Tick(false)),
            text("prune", SSH_KINDS, |words| words.prune_there, "").input(Input::Tick(true)),
            text("bandwidth", REACHED, |words| words.bandwidth, "5 MiB")
                .hint(|words| words.bandwidth_hint),
            text("rsync_above", &[INSTANCE], |words| words.rsync_above, "2 GiB"),
            text("ssh.host", &[INSTANCE], |words| words.ssh_host, "tom.example.org"),
            text("ssh.user", &[INSTANCE], |words| words.ssh_user, "larder"),
            text("fetch_from", &[INSTANCE], |words| words.fetched_from_it, "web, db")
                .input(Input::List)
                .hint(|words| words.fetch_hint),
            text("ca", &[INSTANCE], |words| words.authority, "tom-ca.pem"),
        ],
    },
];

/// The name of a field in the form: one key stands there once for each group that asks for it.
pub(super) fn form_name(group: &Group, field: &Field) -> String {
    // An instance has SSH for large archives alone, and is asked for it elsewhere.
    if group.is_folded && field.key.starts_with("ssh.") {
        format!("own.{}", field.key)
    } else {
        field.key.to_owned()
    }
}

/// The table of a peer of this kind, of what was filled in.
pub(super) fn table(kind: &str, filled: impl Fn(&str) -> String) -> Value {
    let mut table = Map::new();
    for (group, field) in
        GROUPS.iter().flat_map(|group| group.fields.iter().map(move |f| (group, f)))
    {
        let text = filled(&form_name(group, field));
        let text = text.trim();
        if text.is_empty() || !field.kinds.contains(&kind) {
            continue;
        }
        let value = match field.input {
            Input::Text | Input::Location => json!(text),
            // What is no number is judged with the configuration.
            Input::Number => text.parse::<u64>().map_or_else(|_| json!(text), |it| json!(it)),
            Input::List => text.split(',').map(str::trim).filter(|one| !one.is_empty()).collect(),
            Input::Tick(value) => json!(value),
            // It goes its own way.
            Input::Secret => continue,
        };
        match field.key.split_once('.') {
            None => drop(table.insert(field.key.to_owned(), value)),
            Some((outer, inner)) => {
                let below = table.entry(outer).or_insert_with(|| json!({}));
                below[inner] = value;
            }
        }
    }
    Value::Object(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in_becomes_the_table_of_its_kind_alone() {
        let all = |name: &str| match name {
            "ssh.port" => "2222".to_owned(),
            "fetch_from" => "web, , db".to_owned(),
            "prune" | "offsite" => "yes".to_owned(),
            "accept.quota" | "bandwidth" => String::new(),
            name => format!(" {name} "),
        };
        assert_eq!(table(CHANNEL, all), json!({ "hostname": "hostname", "location": "location" }));
        assert_eq!(
            table(DIRECT, all),
            json!({ "ssh": { "host": "ssh.host", "user": "ssh.user", "path": "ssh.path", "port": 2222,
                             "known_hosts": "ssh.known_hosts", "identity": "ssh.identity" },
                    "offsite": false, "prune": true })
        );
        let instance = table(INSTANCE, all);
        assert_eq!(instance["fetch_from"], json!(["web", "db"]));
        assert_eq!(instance["ssh"], json!({ "host": "own.ssh.host", "user": "own.ssh.user" }));
        assert!(instance.get("secret").is_none() && instance["accept"].get("quota").is_none());
        assert_eq!(table(RELAY, all)["ssh"]["relay"], "ssh.relay");
        assert_eq!(table(INSTANCE, |_| String::new()), json!({}));
    }
}
