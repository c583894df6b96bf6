//! Every operation, asked for with whatever a stranger may send: never a 5xx, never a status or a
//! body that the document does not foresee.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::exercised::engine;
use crate::support;
use crate::support::answers::{Conformance, Exchange, document, is_foreseen};

/// What is asked only once, by another test: it looks at the whole host, and takes no input.
const NOT_ASKED: &[&str] = &["GET /api/v1/coverage"];

/// What somebody writes who means no good, or has a program that is wrong. No absolute path: what
/// is asked for is done.
const NASTY: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "1e9",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
    "..",
    "../../etc/passwd",
    "a/b",
    "%",
    "%00",
    "a\0b",
    "\u{feff}",
    "\u{202e}txt",
    "ü",
    "日本語",
    "😀",
    "'; DROP TABLE jobs; --",
    "<script>",
    "${HOME}",
    "$(id)",
    "*",
    "@",
    "@latest",
    "web@",
    "web@latest",
    "web@2026-02-31",
    "web@9999-12-31",
    "web@-9999-01-01",
    "jerry/web",
    "/",
    "//",
    "?",
    "#",
    "&cursor=1",
    "\r\nX: y",
    "2026-05-08T03:00:00Z",
    "-009999-01-01T00:00:00Z",
    "9999-12-30T22:00:00Z",
    "9999-12-31T23:59:59Z",
    "0000-00-00",
    "2026-05-08",
    "tomorrow",
    "main",
    "usb",
    "web",
    "notes",
    "1",
    "2",
    "backup",
    "success",
    "foreign",
];

/// How a value is chosen for a place of the document.
fn text(known: Vec<String>) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => select(known),
        2 => select(NASTY).prop_map(str::to_owned),
        1 => "\\PC{0,40}".prop_map(|text| text.trim_start_matches('/').to_owned()),
        1 => (1_usize..5000).prop_map(|length| "x".repeat(length)),
    ]
}

/// A JSON value that fits nothing, or something by chance.
fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(NASTY).prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([["deep"], { "er": [null] }])),
    ]
}

/// What stands in a body.
#[derive(Debug, Clone)]
enum Sent {
    Nothing,
    /// What the schema of the operation asks for, with some values replaced.
    Json {
        values: Vec<(usize, Value)>,
        texts: Vec<String>,
    },
    Raw {
        media_type: &'static str,
        bytes: Vec<u8>,
    },
}

fn sent(known: &[String]) -> impl Strategy<Value = Sent> {
    let media_types = ["application/json", "text/plain", "application/toml", "image/png", ""];
    let values = prop::collection::vec((0_usize..8, anything()), 0..3);
    prop_oneof![
        1 => Just(Sent::Nothing),
        4 => (values, prop::collection::vec(text(known.to_vec()), 8))
            .prop_map(|(values, texts)| Sent::Json { values, texts }),
        2 => (select(media_types.to_vec()), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(media_type, bytes)| Sent::Raw { media_type, bytes }),
        1 => (select(media_types.to_vec()), select(NASTY))
            .prop_map(|(media_type, text)| Sent::Raw { media_type, bytes: text.into() }),
    ]
}

/// One request: an operation, texts for its parameters, and a body.
#[derive(Debug, Clone)]
struct Asked {
    operation: String,
    path: Vec<String>,
    query: Vec<Option<String>>,
    sent: Sent,
}

fn asked(operations: Vec<String>, known: &[String]) -> impl Strategy<Value = Asked> {
    let path = prop::collection::vec(text(known.to_vec()), 3);
    let query = prop::collection::vec(prop::option::of(text(known.to_vec())), 8);
    (select(operations), path, query, sent(known))
        .prop_map(|(operation, path, query, sent)| Asked { operation, path, query, sent })
}

fn encoded(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    let one =
        |byte: u8| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// The schema behind a reference.
fn resolved<'a>(whole: &'a Value, schema: &'a Value) -> &'a Value {
    let inner =
        schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one["$ref"].is_string()));
    let schema = inner.unwrap_or(schema);
    match schema["$ref"].as_str().and_then(|at| at.strip_prefix('#')) {
        Some(at) => whole.pointer(at).unwrap_or(schema),
        None => schema,
    }
}

/// A value that a schema asks for.
fn fitting(whole: &Value, schema: &Value, text: &str, nth: usize) -> Value {
    let schema = resolved(whole, schema);
    if let Some(words) = schema["enum"].as_array() {
        return words[nth % words.len()].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str(),
        other => other.as_str(),
    };
    match kind {
        Some("string") => text.into(),
        Some("boolean") => nth.is_multiple_of(2).into(),
        Some("integer") => nth.into(),
        Some("array") => json!([fitting(whole, &schema["items"], text, nth)]),
        _ => Value::Null,
    }
}

/// The request, with every parameter of the operation that there is.
fn request(whole: &Value, operation: &Value, asked: &Asked) -> Request<Body> {
    let (method, template) = asked.operation.split_once(' ').unwrap();
    let (mut path, mut query) = (template.to_owned(), String::new());
    let (mut texts, mut queries) = (asked.path.iter(), asked.query.iter());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] == "path" {
            let text = texts.next().map_or("x", String::as_str);
            let text = if text.is_empty() { "x" } else { text };
            path = path.replace(&format!("{{{name}}}"), &encoded(text));
        } else if let Some(text) = queries.next().cloned().flatten() {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.extend([name, "=", &encoded(&text)]);
        }
    }
    let request = Request::builder().method(method).uri(format!("{path}{query}"));
    let content = &operation["requestBody"]["content"];
    match &asked.sent {
        Sent::Nothing => request.body(Body::empty()).unwrap(),
        Sent::Raw { media_type, bytes } => {
            request.header(header::CONTENT_TYPE, *media_type).body(bytes.clone().into()).unwrap()
        }
        Sent::Json { values, texts } => {
            let schema = resolved(whole, &content["application/json"]["schema"]);
            let mut body = serde_json::Map::new();
            let properties = schema["properties"].as_object().into_iter().flatten();
            for (nth, (name, property)) in properties.enumerate() {
                let text = texts.get(nth).map_or("", String::as_str);
                let replaced = values.iter().find(|(at, _)| *at == nth).map(|(_, value)| value);
                let value =
                    replaced.cloned().unwrap_or_else(|| fitting(whole, property, text, nth));
                // Nothing is restored or read outside of the test's own directory.
                let is_absolute = value.as_str().is_some_and(|text| text.starts_with('/'));
                body.insert(name.clone(), if is_absolute { Value::Null } else { value });
            }
            let body = Value::Object(body).to_string();
            request.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
        }
    }
}

/// Asks, and says what was wrong with the answer.
async fn answer(
    router: &Router,
    document: &Conformance,
    request: Request<Body>,
) -> Result<(), String> {
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let response = router.clone().oneshot(request).await.map_err(|error| error.to_string())?;
    let (parts, body) = response.into_parts();
    // Events have no end.
    let is_endless =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "text/event-stream");
    let body = if is_endless { Body::empty() } else { body };
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
    let status = parts.status.as_u16();
    let exchange =
        Exchange { method: &method, path: &path, status, headers: &parts.headers, body: &body };
    document.check(&exchange)?;
    if status >= 500 {
        return Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&body)));
    }
    Ok(())
}

/// Asks for something that is there.
async fn good(router: &Router, method: &str, path: &str) -> Value {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (status, headers) = (parts.status.as_u16(), &parts.headers);
    is_foreseen(&Exchange { method, path, status, headers, body: &body });
    assert!(parts.status.is_success(), "{method} {path}: {status}");
    serde_json::from_slice(&body).unwrap_or_default()
}

/// What is there, so that requests reach something.
async fn filled(router: &Router, dir: &Path) -> Vec<String> {
    good(router, "POST", "/api/v1/jobs/web/run").await;
    good(router, "POST", "/api/v1/jobs/notes/run").await;
    good(router, "GET", "/api/v1/settled").await;
    let archives = good(router, "GET", "/api/v1/archives").await;
    let mut known: Vec<String> = ["web", "notes", "main", "usb", "1", "2", "web@latest", "old.tar"]
        .map(str::to_owned)
        .into();
    for archive in archives.as_array().unwrap() {
        for key in ["id", "name"] {
            known.push(archive[key].as_str().unwrap().to_owned());
        }
    }
    known.push(dir.join("elsewhere").display().to_string().trim_start_matches('/').to_owned());
    known
}

#[test]
fn whatever_is_sent_the_answer_is_one_that_the_document_foresees() {
    let dir = support::dir();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let handle = runtime.block_on(engine(dir.path()));
    let router = larder::api::router(handle.clone());
    let known = runtime.block_on(filled(&router, dir.path()));
    let document = document();
    let whole = serde_json::to_value(larder::api::openapi()).unwrap();
    let mut operations: Vec<String> = document.operations().into_iter().collect();
    operations.retain(|name| !NOT_ASKED.contains(&name.as_str()));

    let cases = if support::full() { 20_000 } else { 400 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&asked(operations, &known), |asked| {
        let request = request(&whole, document.operation(&asked.operation), &asked);
        let answered = runtime.block_on(answer(&router, &document, request));
        answered.map_err(TestCaseError::fail)
    });
    runtime.block_on(handle.shutdown());
    outcome.unwrap_or_else(|why| panic!("{why}"));
    assert!(std::fs::read_dir(dir.path().join("src")).is_ok());
}
