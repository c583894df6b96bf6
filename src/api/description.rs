//! The OpenAPI document: its paths come from the handlers, and what holds for all of them is said
//! here once.
//!
//! **Invariant:** the document changes with the API and not with the program: it has no version of
//! a build, no host and no time.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema as _};

use super::dto::{self, words};
use super::problem::{PROBLEM_JSON, Problem};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "larder",
        version = "1",
        description = "Declarative backups for self-hosted servers: state, requests and archives of one instance.\n\n\
            The paths stand below the `url` of the instance. Every error is a problem document (RFC 9457); every time \
            is RFC 3339 with the offset of the instance's zone. Lists are plain arrays; where one goes on stands in \
            the `Link` header. Fields may be added.",
        license(name = "AGPL-3.0-or-later", identifier = "AGPL-3.0-or-later")
    ),
    // What only events and parameters refer to is not found by itself.
    components(schemas(
        Problem,
        dto::Overview,
        dto::Reset,
        words::ArchivesCursor,
        words::HexText,
        words::ConfigFile,
        words::JobNameText,
        words::ListedCondition,
    )),
    modifiers(&Keys)
)]
struct Head;

struct Keys;

impl utoipa::Modify for Keys {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let header = ApiKeyValue::new("X-BackupManager-Key");
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(header)));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Everything but the paths.
pub(super) fn head() -> OpenApi {
    Head::openapi()
}

/// The document as it is checked in and served: indented, with a final newline.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = super::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

/// The document as text.
#[must_use]
pub fn openapi_text() -> &'static str {
    &TEXT
}

#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "health",
    operation_id = "openapi",
    summary = "This document.",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = serde_json::Value),
    )
)]
pub(super) async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi_text()).into_response()
}

/// Adds what every operation has in common, so that no handler can forget to say it.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            complete_operation(operation);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
    all.into_iter().filter_map(Option::as_mut)
}

fn complete_operation(operation: &mut Operation) {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let of = |wanted: &ParameterIn| {
        parameters.iter().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == *wanted,
            RefOr::Ref(_) => false,
        })
    };
    let (has_path, has_query) = (of(&ParameterIn::Path), of(&ParameterIn::Query));
    let has_cursor = parameters.iter().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.name == "cursor",
        RefOr::Ref(_) => false,
    });
    let has_body = operation.request_body.is_some();
    // The one operation that is open to everybody does nothing that could fail.
    let is_open = !operation.responses.responses.contains_key("401");
    let mut common = Vec::new();
    if has_path || has_query || has_body {
        common.push(("400", "Something in the request is wrong"));
    }
    if has_path {
        common.push(("404", "Nothing of that name"));
    }
    if has_body {
        common.push(("413", "The body is too large"));
    }
    if !is_open {
        common.push(("500", "It was tried and failed"));
        common.push(("503", "The daemon is stopping, or its state is not open"));
    }
    for (status, why) in common {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name())));
        let response =
            ResponseBuilder::new().description(why).content(PROBLEM_JSON, problem.build());
        let there = operation.responses.responses.entry(status.to_owned());
        there.or_insert_with(|| RefOr::T(response.build()));
    }
    let mut add = |status: &str, name: &str, header: Header| {
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status)
            && (status != "202" || !response.content.is_empty())
        {
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
    };
    add("202", "Location", text_header("Where the run is: `/api/v1/runs/{id}`"));
    if has_cursor {
        add(
            "200",
            "Link",
            text_header("The next page as `rel=\"next\"` (RFC 8288), where there is one"),
        );
    }
    if let Some(body) = &mut operation.request_body {
        let body = match body {
            RefOr::T(body) => body,
            RefOr::Ref(_) => return,
        };
        for content in body.content.values_mut() {
            let RefOr::T(content) = content else { continue };
            let Some(schema) = content.schema.take() else { continue };
            let (schema, is_optional) = never_null(schema);
            content.schema = Some(schema);
            if is_optional {
                body.required = Some(Required::False);
            }
        }
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema = parameter.schema.take().map(|schema| never_null(schema).0);
        }
    }
}

fn text_header(description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(schema.build())).description(Some(description)).build()
}

/// A parameter or a body is there or it is not: none of them is `null`. With it, whether it could
/// have been.
fn never_null(schema: RefOr<Schema>) -> (RefOr<Schema>, bool) {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            let mut was = false;
            if let SchemaType::Array(types) = &object.schema_type {
                let mut others = types.iter().filter(|one| **one != Type::Null);
                if let (Some(one), None) = (others.next(), others.next()) {
                    object.schema_type = SchemaType::Type(one.clone());
                    was = true;
                }
            }
            (RefOr::T(Schema::Object(object)), was)
        }
        RefOr::T(Schema::OneOf(one_of)) => {
            let mut referred = one_of.items.iter().filter(|item| matches!(item, RefOr::Ref(_)));
            match (referred.next(), referred.next()) {
                (Some(one), None) => (one.clone(), true),
                _ => (RefOr::T(Schema::OneOf(one_of)), false),
            }
        }
        other => (other, false),
    }
}
