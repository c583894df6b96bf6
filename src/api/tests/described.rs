//! The document itself.

use super::*;

/// Calls `look` with every operation: its name, and its description.
fn each(mut look: impl FnMut(&str, &Value)) {
    for name in DOCUMENT.operations() {
        look(&name, DOCUMENT.operation(&name));
    }
}

#[test]
fn the_document_is_of_version_3_1_and_names_no_build() {
    let document = serde_json::to_value(crate::api::openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], "1");
    let text = document.to_string();
    assert!(!text.contains(env!("CARGO_PKG_VERSION")), "it changes with every version");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_a_line_about_it() {
    let mut ids = std::collections::BTreeSet::new();
    each(|name, operation| {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no id"));
        assert!(ids.insert(id.to_owned()), "`{id}` twice");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.'), "{name}: {summary:?}");
    });
    assert!(ids.len() > 30, "{ids:?}");
}

#[test]
fn every_operation_stands_behind_a_scope_but_the_one_that_says_ok_and_the_one_that_takes_a_code() {
    each(|name, operation| {
        let is_open = operation["security"] == json!([{}]);
        let may_be = ["GET /healthz", "POST /api/v1/pairing"].contains(&name);
        assert_eq!(is_open, may_be, "{name}: {}", operation["security"]);
        // A code that is wrong is answered as a token that is wrong.
        let is_free = name == "GET /healthz";
        assert_eq!(operation["responses"].get("401").is_none(), is_free, "{name}");
    });
}

#[test]
fn whatever_takes_something_says_that_it_may_be_wrong() {
    each(|name, operation| {
        let responses = &operation["responses"];
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let has_body = operation.get("requestBody").is_some();
        if has_body || !parameters.is_empty() {
            assert!(responses.get("400").is_some(), "{name} has no 400");
        }
        for parameter in parameters {
            let schema = &parameter["schema"];
            assert!(!schema.to_string().contains("null"), "{name}: {parameter}");
            let is_limit = parameter["name"] == "limit";
            assert!(!is_limit || schema["minimum"] == 1, "{name}: {parameter}");
            assert!(!is_limit || schema["maximum"] == 1000, "{name}: {parameter}");
        }
        for (status, response) in responses.as_object().unwrap() {
            let is_error = status.as_str() >= "400";
            let is_problem = response["content"].get(PROBLEM_JSON).is_some();
            assert_eq!(is_error, is_problem, "{name} {status}");
        }
    });
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(document: &Value, value: &Value) {
        let at = value["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
        assert!(at.is_none_or(|at| document.pointer(at).is_some()), "{value}");
        match value {
            Value::Object(object) => object.values().for_each(|inner| look(document, inner)),
            Value::Array(items) => items.iter().for_each(|inner| look(document, inner)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = serde_json::to_value(crate::api::openapi()).unwrap();
    look(&document, &document);
}

#[tokio::test]
async fn the_document_is_served() {
    let answer = get(&still(view(Vec::new())), "/api/v1/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.media_type, "application/json");
    assert_eq!(answer.body, serde_json::to_value(crate::api::openapi()).unwrap());
}

#[test]
fn what_the_document_does_not_foresee_is_seen() {
    let headers = |media_type: &str| {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        headers
    };
    let check = |path: &str, status: u16, media_type: &str, body: &Value| {
        let body = body.to_string();
        DOCUMENT.check(&conformance::Exchange {
            method: "GET",
            path,
            status,
            headers: &headers(media_type),
            body: body.as_bytes(),
        })
    };
    let health = json!({"ended": true});
    assert!(check("/api/v1/peers", 200, "application/json", &json!([])).is_ok());
    assert!(DOCUMENT.seen()["GET /api/v1/peers"].contains(&200));
    for (path, status, media_type, body) in [
        ("/api/v1/peers", 200, "text/plain", json!([])),
        ("/api/v1/peers", 418, "application/json", json!([])),
        ("/api/v1/peers", 200, "application/json", json!([{ "name": "tom" }])),
        ("/api/v1/health", 200, "application/json", health),
        ("/api/v1/nothing", 200, "application/json", json!([])),
        ("/api/v1/config/reload", 200, "application/json", json!([])),
        ("/api/v1/nothing", 404, PROBLEM_JSON, json!({"title": "t", "status": 404})),
    ] {
        assert!(check(path, status, media_type, &body).is_err(), "{path} {status}");
    }
}
