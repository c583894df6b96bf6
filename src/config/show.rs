//! The effective configuration: canonical, with every default filled in, secrets as references,
//! and the place of each object. What is shown can be read back.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::desired::{Desired, Place};
use crate::model::job::Job;
use crate::model::peer::Peer;

mod tables;

use tables::{
    defaults_table, instance, job_table, location_table, notify_table, peer_table, policy_table,
    token_table,
};

/// A table whose keys stay in their order.
type Table = Vec<(&'static str, Item)>;

/// A value to show.
enum Item {
    Json(Value),
    Table(Table),
    Tables(Vec<Table>),
}

impl<T: Into<Value>> From<T> for Item {
    fn from(value: T) -> Self {
        Item::Json(value.into())
    }
}

/// The effective configuration as TOML, with places as comments.
#[must_use]
pub fn toml(desired: &Desired) -> String {
    let mut text = String::new();
    for (kind, name, place, table) in objects(desired) {
        if let Some(place) = place {
            let _ = writeln!(text, "# {place}");
        }
        let header = match &name {
            Some(name) => format!("{kind}.{}", key(name)),
            None => kind.to_owned(),
        };
        let _ = writeln!(text, "[{header}]");
        for (key, item) in &table {
            let _ = writeln!(text, "{key} = {}", inline(item));
        }
        text.push('\n');
    }
    text
}

/// The effective configuration as JSON, shaped like the TOML, each object with its `place`.
#[must_use]
pub fn json(desired: &Desired) -> Value {
    let mut all = serde_json::Map::new();
    for (kind, name, place, table) in objects(desired) {
        let mut object = to_json(&table);
        if let (Some(place), Value::Object(object)) = (place, &mut object) {
            object.insert("place".to_owned(), place.to_string().into());
        }
        match name {
            None => {
                all.insert(kind.to_owned(), object);
            }
            Some(name) => {
                let named = all.entry(kind.to_owned()).or_insert_with(|| json!({}));
                if let Value::Object(named) = named {
                    named.insert(name, object);
                }
            }
        }
    }
    Value::Object(all)
}

/// One job's own effective table, for its archives' metadata.
#[must_use]
pub fn job_json(job: &Job) -> Value {
    to_json(&job_table(job))
}

/// One peer's own effective table, secrets as references, without the hash of its token.
#[must_use]
pub fn peer_json(peer: &Peer) -> Value {
    let mut table = to_json(&peer_table(peer));
    if let Some(Value::Object(accept)) = table.get_mut("accept") {
        accept.remove("token_hash");
    }
    table
}

type Shown<'a> = (&'static str, Option<String>, Option<&'a Place>, Table);

fn objects(desired: &Desired) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = vec![("instance", None, None, instance(&desired.instance))];
    if !desired.recovery_recipients.is_empty() || !desired.keeps_configuration {
        let recovery = vec![
            ("recipients", desired.recovery_recipients.clone().into()),
            ("configuration", desired.keeps_configuration.into()),
        ];
        all.push(("recovery", None, None, recovery));
    }
    let defaults = defaults_table(&desired.defaults);
    if !defaults.is_empty() {
        all.push(("defaults", None, None, defaults));
    }
    for (name, policy) in &desired.policies {
        all.push(("retention", Some(name.clone()), None, policy_table(policy)));
    }
    let written = desired.locations.iter().filter(|(_, location)| location.owner.is_none());
    for (name, location) in written {
        all.push((
            "location",
            Some(name.to_string()),
            Some(&location.place),
            location_table(location),
        ));
    }
    for (name, job) in desired.jobs.iter().filter(|(_, job)| !job.is_built_in()) {
        all.push(("job", Some(name.to_string()), Some(&job.place), job_table(job)));
    }
    for (name, peer) in &desired.peers {
        all.push(("peer", Some(name.to_string()), Some(&peer.place), peer_table(peer)));
    }
    for (name, token) in &desired.tokens {
        all.push(("token", Some(name.to_string()), Some(&token.place), token_table(token)));
    }
    for (name, notify) in &desired.notify {
        all.push(("notify", Some(name.to_string()), Some(&notify.place), notify_table(notify)));
    }
    all
}

fn to_json(table: &Table) -> Value {
    let entries = table.iter().map(|(key, item)| {
        let value = match item {
            Item::Json(value) => value.clone(),
            Item::Table(table) => to_json(table),
            Item::Tables(tables) => tables.iter().map(to_json).collect(),
        };
        ((*key).to_owned(), value)
    });
    Value::Object(entries.collect())
}

/// A key, in quotes where TOML wants them.
pub(super) fn key(name: &str) -> String {
    let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { quoted(name) }
}

fn inline(item: &Item) -> String {
    match item {
        Item::Json(value) => inline_json(value),
        Item::Table(table) => inline_table(table),
        Item::Tables(tables) => {
            let all: Vec<_> = tables.iter().map(inline_table).collect();
            format!("[{}]", all.join(", "))
        }
    }
}

fn inline_table(table: &Table) -> String {
    let entries: Vec<_> =
        table.iter().map(|(key, item)| format!("{key} = {}", inline(item))).collect();
    format!("{{ {} }}", entries.join(", "))
}

pub(super) fn inline_json(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inline_json).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A basic string of TOML 1.0.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
