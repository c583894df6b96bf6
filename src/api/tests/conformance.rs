//! Whether an answer is one that the OpenAPI document foresees: its path, its status, its media
//! type, its headers and its body.
//!
//! Every test that sees an answer hands it to [`Conformance::check`]. Stricter than a client has
//! to be: a field that the document does not name is a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use jsonschema::Validator;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

const PROBLEM_JSON: &str = "application/problem+json";

/// What a request was answered with.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    /// As it was asked for, with its query.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The document, and what was seen of it.
pub(crate) struct Conformance {
    document: Value,
    components: Value,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
    /// Operations that answered, with the statuses.
    seen: Mutex<BTreeMap<String, BTreeSet<u16>>>,
}

impl Conformance {
    pub(crate) fn new(document: Value) -> Self {
        let components = closed(&document["components"]);
        let (validators, seen) = (Mutex::default(), Mutex::default());
        Self { document, components, validators, seen }
    }

    /// Every operation of the document, as `GET /api/v1/jobs`.
    pub(crate) fn operations(&self) -> BTreeSet<String> {
        let paths = self.document["paths"].as_object();
        let paths = paths.into_iter().flatten();
        let operations = paths.flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            let methods = methods.filter(|(_, operation)| operation.get("responses").is_some());
            methods.map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
        });
        operations.collect()
    }

    /// The description of an operation.
    pub(crate) fn operation(&self, name: &str) -> &Value {
        let (method, path) = name.split_once(' ').unwrap_or((name, ""));
        &self.document["paths"][path][method.to_lowercase()]
    }

    /// Operations that were asked something so far, and what they answered.
    pub(crate) fn seen(&self) -> BTreeMap<String, BTreeSet<u16>> {
        self.seen.lock().clone()
    }

    /// The path of the document that a request went to: literal parts win, from the left.
    fn template(&self, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &&str| {
            let wanted: Vec<&str> = template.split('/').collect();
            wanted.len() == parts.len()
                && wanted.iter().zip(&parts).all(|(wanted, part)| {
                    if wanted.starts_with('{') { !part.is_empty() } else { wanted == part }
                })
        };
        let templates = self.document["paths"].as_object()?.keys().map(String::as_str);
        templates.filter(fits).min_by_key(|template| {
            template.split('/').map(|part| part.starts_with('{')).collect::<Vec<_>>()
        })
    }

    /// Whether the document foresees this answer; why not, otherwise.
    pub(crate) fn check(&self, exchange: &Exchange<'_>) -> Result<(), String> {
        let found = self.judge(exchange);
        found.map_err(|why| {
            let Exchange { method, path, status, body, .. } = exchange;
            let body = String::from_utf8_lossy(&body[..body.len().min(2000)]);
            format!("{method} {path} answered {status}, which the document does not foresee: {why}\n{body}")
        })
    }

    fn judge(&self, exchange: &Exchange<'_>) -> Result<(), String> {
        let path = exchange.path.split('?').next().unwrap_or_default();
        let Some(template) = self.template(path) else {
            return self.refused(exchange, &[404]);
        };
        let item = &self.document["paths"][template];
        let is_head = exchange.method == "HEAD";
        let method = if is_head { "get" } else { &exchange.method.to_lowercase() };
        let Some(operation) = item.get(method) else {
            return self.refused(exchange, &[405]);
        };
        let name = format!("{} {template}", method.to_uppercase());
        let mut seen = self.seen.lock();
        seen.entry(name).or_default().insert(exchange.status);
        drop(seen);
        let response = &operation["responses"][exchange.status.to_string()];
        if response.is_null() {
            return Err("no such status is described".to_owned());
        }
        let headers = response["headers"].as_object().into_iter().flatten();
        for (name, _) in headers.filter(|(name, _)| *name == "Location") {
            if !exchange.headers.contains_key(name.as_str()) {
                return Err(format!("the header `{name}` is missing"));
            }
        }
        self.body(exchange, response, is_head)
    }

    /// An answer from outside of every operation.
    fn refused(&self, exchange: &Exchange<'_>, statuses: &[u16]) -> Result<(), String> {
        if !statuses.contains(&exchange.status) {
            return Err(format!("no operation is there, so {statuses:?} is right"));
        }
        let problem = json!({ "$ref": "#/components/schemas/Problem" });
        let response = json!({ "content": { PROBLEM_JSON: { "schema": problem } } });
        self.body(exchange, &response, exchange.method == "HEAD")
    }

    fn body(&self, exchange: &Exchange<'_>, response: &Value, no_body: bool) -> Result<(), String> {
        let media_type = exchange.headers.get(header::CONTENT_TYPE);
        let media_type = media_type.map(|value| value.to_str().unwrap_or("unreadable"));
        let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        let described = response["content"].as_object();
        let Some(described) = described.filter(|described| !described.is_empty()) else {
            return match exchange.body {
                [] => Ok(()),
                _ => Err("no body is described".to_owned()),
            };
        };
        let Some(content) = described.get(essence) else {
            let known: Vec<&String> = described.keys().collect();
            return Err(format!("the media type is `{essence}`, described are {known:?}"));
        };
        let is_json = essence.ends_with("json");
        if no_body || !is_json || content.get("schema").is_none() {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(exchange.body)
            .map_err(|error| format!("the body is no JSON: {error}"))?;
        self.validate(&content["schema"], &body)?;
        if exchange.status >= 400 && body["status"] != exchange.status {
            return Err(format!("the problem document says {}", body["status"]));
        }
        Ok(())
    }

    /// The validator of a schema of the document, made once.
    fn validator(&self, schema: &Value) -> Result<Arc<Validator>, String> {
        let key = schema.to_string();
        let mut known = self.validators.lock();
        if let Some(validator) = known.get(&key) {
            return Ok(Arc::clone(validator));
        }
        let mut whole = schema.clone();
        whole["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        whole["components"] = self.components.clone();
        let options = jsonschema::options().should_validate_formats(true);
        let made = options.build(&whole).map_err(|error| format!("{key}: {error}"))?;
        let made = Arc::new(made);
        known.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// Whether a value is what a schema of the document says.
    pub(crate) fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let validator = self.validator(schema)?;
        let mistakes: Vec<String> = validator
            .iter_errors(value)
            .take(5)
            .map(|error| format!("{} at `{}`", error, error.instance_path()))
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("\n")) }
    }
}

/// The components with every object closed, but for those that are a part of another.
fn closed(components: &Value) -> Value {
    let mut components = components.clone();
    let mut parts = BTreeSet::new();
    let schemas = components["schemas"].as_object().cloned().unwrap_or_default();
    for schema in schemas.values() {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let part = part["$ref"].as_str().and_then(|at| at.rsplit('/').next());
            parts.extend(part.map(str::to_owned));
        }
    }
    let schemas = components["schemas"].as_object_mut();
    for (name, schema) in schemas.into_iter().flatten() {
        let Some(schema) = schema.as_object_mut() else { continue };
        if schema.contains_key("allOf") {
            schema.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
        } else if !parts.contains(name) {
            close(schema);
        }
    }
    components
}

fn close(schema: &mut Map<String, Value>) {
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}
