//! The JSON Schemas of the generated files: the envelope, and the schemas that the API has for what
//! is in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::SCHEMA;
use crate::api;

/// The files and what their lists hold, by the names of the API's document.
const FILES: [(&str, &str, &str); 6] = [
    ("status", "Verdict", "How well each job is protected."),
    ("jobs", "Job", "Every job. Its `config` is never told here."),
    ("runs", "Run", "The newest runs of all kinds, newest first."),
    ("archives", "Archive", "The catalogue, newest first."),
    ("peers", "Peer", "Every peer, without the places of this host's secrets."),
    ("network", "Member", "This instance, then what it last knew of each peer."),
];

/// The JSON Schema (draft 2020-12) of each generated file, by its name without `.json`.
#[must_use]
pub fn schemas() -> BTreeMap<&'static str, Value> {
    let document = serde_json::to_value(api::openapi()).unwrap_or_default();
    let components = &document["components"]["schemas"];
    FILES
        .into_iter()
        .map(|(name, item, about)| (name, schema(components, name, item, about)))
        .collect()
}

/// A schema as it is checked in: indented, with a final newline.
#[must_use]
pub fn schema_text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn schema(components: &Value, name: &str, item: &str, about: &str) -> Value {
    let item = local(&json!({ "$ref": format!("#/components/schemas/{item}") }));
    let mut defs = Map::new();
    collect(components, &item, &mut defs);
    let mut moment = Value::Null;
    if let Some(known) = components.get("Moment") {
        moment.clone_from(known);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("{name}.json"),
        "description": about,
        "type": "object",
        "required": ["generated_at", "instance", "schema", name],
        "properties": {
            "generated_at": moment,
            "instance": { "type": "string", "description": "The instance that wrote it." },
            "schema": { "const": SCHEMA, "description": "The version of the file's form." },
            name: { "type": "array", "items": item },
        },
        "$defs": defs,
    })
}

/// A schema of the document with its references turned to `$defs`.
fn local(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, value)| match value.as_str() {
                    Some(at) if key == "$ref" => {
                        let name = at.rsplit('/').next().unwrap_or(at);
                        (key.clone(), format!("#/$defs/{name}").into())
                    }
                    Some(_) | None => (key.clone(), local(value)),
                })
                .collect(),
        ),
        Value::Array(items) => items.iter().map(local).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

/// Everything that a schema refers to, and what that refers to.
fn collect(components: &Value, schema: &Value, defs: &mut Map<String, Value>) {
    match schema {
        Value::Object(object) => {
            let at = object.get("$ref").and_then(Value::as_str);
            let name = at.and_then(|at| at.strip_prefix("#/$defs/"));
            if let Some(name) = name.filter(|name| !defs.contains_key(*name)) {
                let found = local(&components[name]);
                defs.insert(name.to_owned(), found.clone());
                collect(components, &found, defs);
            }
            object.values().for_each(|value| collect(components, value, defs));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(components, value, defs)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
