//! The OpenAPI document and the schemas of the generated files, which everything must fit that a
//! test sees.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName};
use serde_json::Value;

#[path = "../../../src/api/tests/conformance.rs"]
mod conformance;

pub(crate) use conformance::{Conformance, Exchange};

/// The document of this program.
pub(crate) fn document() -> Conformance {
    Conformance::new(serde_json::to_value(larder::api::openapi()).unwrap())
}

static DOCUMENT: LazyLock<Conformance> = LazyLock::new(document);

static FILES: LazyLock<BTreeMap<&str, jsonschema::Validator>> = LazyLock::new(|| {
    let schemas = larder::publish::schemas().into_iter();
    schemas.map(|(name, schema)| (name, jsonschema::validator_for(&schema).unwrap())).collect()
});

/// Fails the test when the document does not foresee an answer. Whoever talks HTTP to an instance
/// hands every answer to it.
#[track_caller]
pub(crate) fn is_foreseen(exchange: &Exchange<'_>) {
    DOCUMENT.check(exchange).unwrap_or_else(|why| panic!("{why}"));
}

/// The same for an answer as it came over the wire, without chunks; returns its body.
#[track_caller]
pub(crate) fn text_is_foreseen<'a>(method: &str, path: &str, answer: &'a str) -> &'a str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    is_foreseen(&Exchange { method, path, status, headers: &headers, body: body.as_bytes() });
    body
}

/// The resource whose JSON a command prints with `--format json`.
fn resource(arguments: &[&str]) -> Option<&'static str> {
    Some(match arguments {
        ["jobs", ..] => "GET /api/v1/jobs",
        ["runs", ..] => "GET /api/v1/runs",
        ["status", ..] => "GET /api/v1/status",
        ["plan", ..] => "GET /api/v1/plan",
        ["coverage", ..] => "GET /api/v1/coverage",
        ["archive", "contents", ..] => "GET /api/v1/archives/{name}/contents",
        ["archive", "list", ..] => "GET /api/v1/archives",
        ["location", "list", ..] => "GET /api/v1/locations",
        ["config", "show", ..] => "GET /api/v1/config",
        _ => return None,
    })
}

/// Fails the test when a command prints other JSON than its resource has.
#[track_caller]
pub(crate) fn is_its_resource(arguments: &[&str], json: &Value) {
    let Some(name) = resource(arguments) else { return };
    let content = &DOCUMENT.operation(name)["responses"]["200"]["content"]["application/json"];
    DOCUMENT.validate(&content["schema"], json).unwrap_or_else(|why| panic!("{name}: {why}"));
}

/// Fails the test when a generated file in `dir` is not what its schema says.
#[track_caller]
pub(crate) fn are_valid(dir: &Path) {
    for (name, validator) in FILES.iter() {
        let Ok(text) = std::fs::read(dir.join(format!("{name}.json"))) else { continue };
        let json: Value = serde_json::from_slice(&text).unwrap();
        let mistakes: Vec<String> = validator
            .iter_errors(&json)
            .map(|error| format!("{error} at `{}`", error.instance_path()))
            .collect();
        assert!(mistakes.is_empty(), "{name}.json: {}", mistakes.join("\n"));
    }
}
