//! The JSON Schema of a configuration file, for editors, and the documentation of every key.
//!
//! Both are made of the descriptions that the reader works by. **Invariant:** a file without
//! mistakes validates; what the schema cannot say (references, the host) is left to `check`.

use serde_json::{Map, Value, json};

use super::keys::{Form, Key, Kind, Need, Table};
use super::tree;

mod docs;

pub use docs::docs;

/// The JSON Schema (draft 2020-12) of one file.
#[must_use]
pub fn schema() -> Value {
    let properties: Map<String, Value> =
        Kind::ALL.into_iter().map(|kind| (kind.word().to_owned(), object_schema(kind))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "larder configuration",
        "description": "One of the files below the configuration directory: a union of named objects.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The schema as it is checked in: indented, with a final newline.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

fn object_schema(kind: Kind) -> Value {
    let table = table_schema(kind.table());
    if kind.is_single() {
        return table;
    }
    json!({
        "type": "object",
        "description": kind.table().doc,
        "propertyNames": { "pattern": NAME },
        "additionalProperties": table,
    })
}

const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,49}$";
const DURATION: &str = "^\\s*(([0-9]+\\s*[a-z]+\\s*)+|0)$";

fn table_schema(table: &'static Table) -> Value {
    let properties: Map<String, Value> =
        table.keys.iter().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let mut schema = json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    let always: Vec<&str> = required(table, |key| key.only.is_empty());
    if !always.is_empty() {
        schema["required"] = json!(always);
    }
    if let Some(switch) = table.switch {
        let variants =
            table.variants().iter().map(|variant| variant_schema(table, switch, variant));
        let variants: Vec<Value> = variants.flatten().collect();
        if !variants.is_empty() {
            schema["allOf"] = json!(variants);
        }
    }
    schema
}

fn required(table: &'static Table, counts: impl Fn(&Key) -> bool) -> Vec<&'static str> {
    let needed = |key: &&Key| matches!(key.need, Need::Required) && counts(key);
    table.keys.iter().filter(needed).map(|key| key.name).collect()
}

/// What else holds for one value of the switch: what is required, and what does not belong.
fn variant_schema(table: &'static Table, switch: &str, variant: &str) -> Option<Value> {
    let needed = required(table, |key| key.only.contains(&variant));
    let foreign: Map<String, Value> = table
        .keys
        .iter()
        .filter(|key| !key.belongs_to(variant))
        .map(|key| (key.name.to_owned(), Value::Bool(false)))
        .collect();
    if needed.is_empty() && foreign.is_empty() {
        return None;
    }
    let mut then = Map::new();
    if !needed.is_empty() {
        then.insert("required".to_owned(), json!(needed));
    }
    if !foreign.is_empty() {
        then.insert("properties".to_owned(), Value::Object(foreign));
    }
    Some(json!({
        "if": { "properties": { switch: { "const": variant } }, "required": [switch] },
        "then": then,
    }))
}

fn key_schema(key: &'static Key) -> Value {
    let mut schema = form_schema(&key.form);
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), key.doc.into());
        if let Need::Default(text) = key.need {
            object.insert("default".to_owned(), as_json(text));
        }
        object.insert("examples".to_owned(), json!([as_json(key.example)]));
    }
    schema
}

fn form_schema(form: &'static Form) -> Value {
    match form {
        Form::Text | Form::Timezone => json!({ "type": "string", "minLength": 1 }),
        Form::Name => json!({ "type": "string", "pattern": NAME }),
        Form::Bool => json!({ "type": "boolean" }),
        Form::Integer(least, greatest) => {
            json!({ "type": "integer", "minimum": least, "maximum": greatest })
        }
        Form::Size => json!({
            "type": "string",
            "pattern": "^\\s*([0-9]+(\\.[0-9]+)?\\s*([KMGTP]i?B|kB|B)|0)\\s*$",
        }),
        Form::Duration => json!({ "type": "string", "pattern": DURATION }),
        Form::DurationOrAuto => {
            json!({ "type": "string", "pattern": format!("^auto$|{DURATION}") })
        }
        Form::Percent => json!({ "type": "string", "pattern": "^(100|[0-9]{1,2})\\s*%$" }),
        Form::Schedule => json!({
            "type": "string",
            "pattern": "^\\s*(@[a-z]+|\\S+\\s+\\S+\\s+\\S+\\s+\\S+\\s+\\S+)\\s*$",
        }),
        Form::Path => json!({ "type": "string", "pattern": "^[^~]" }),
        Form::Url => json!({ "type": "string", "pattern": "^https?://[^/\\s]+" }),
        Form::OctalMode => json!({ "type": "string", "pattern": "^[0-7]{3,5}$" }),
        Form::Codec => {
            json!({ "type": "string", "pattern": "^(none|gzip(:[0-9])?|zstd(:(1?[0-9]))?)$" })
        }
        Form::Recipient => json!({ "type": "string", "pattern": "^age1[02-9ac-hj-np-z]{58}$" }),
        Form::Hash => json!({
            "type": "string",
            "pattern": "^(\\$2[aby]\\$(0[89]|1[0-5])\\$[./A-Za-z0-9]{53}|sha256:[0-9A-Fa-f]{64})$",
        }),
        Form::Listen => json!({ "type": "string", "pattern": "^(unix:/.+|.+:[0-9]{1,5})$" }),
        Form::Word(words) => json!({ "type": "string", "enum": words }),
        Form::Secret => secret_schema(),
        Form::Command => json!({
            "type": ["string", "array"],
            "minLength": 1,
            "items": { "type": "string" },
            "minItems": 1,
        }),
        Form::List(item) => json!({ "type": "array", "items": form_schema(item) }),
        Form::Table(table) => table_schema(table),
        Form::NameOr(table) => {
            // Beside the table's own words a name passes: they apply to objects only.
            let mut schema = table_schema(table);
            schema["type"] = json!(["string", "object"]);
            schema["pattern"] = json!(NAME);
            schema
        }
    }
}

fn secret_schema() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    json!({
        "type": "object",
        "properties": {
            "file": text,
            "credential": text,
            "env": text,
            "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

/// A TOML value as JSON.
fn as_json(text: &str) -> Value {
    let (mut entries, _) = tree::parse(&format!("x={text}"));
    node_json(&entries.remove(0).node.value)
}

fn node_json(value: &tree::Value) -> Value {
    match value {
        tree::Value::Text { text, .. } | tree::Value::Number(text) | tree::Value::Date(text) => {
            text.as_str().into()
        }
        tree::Value::Integer(number) => (*number).into(),
        tree::Value::Bool(value) => (*value).into(),
        tree::Value::Array(items) => items.iter().map(|node| node_json(&node.value)).collect(),
        tree::Value::Table(entries) => Value::Object(
            entries.iter().map(|entry| (entry.key.clone(), node_json(&entry.node.value))).collect(),
        ),
    }
}
