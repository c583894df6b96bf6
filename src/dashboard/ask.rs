//! The API, asked in this process: the pages are clients like any other.

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::api::access::Caller;
use crate::api::problem::Problem;

/// The most that is read of an answer that becomes a page, in bytes.
const ANSWER_MAX: usize = 64 << 20;

/// The API for somebody who is known.
pub(super) struct Ask<'a> {
    api: &'a Router,
    caller: &'a Caller,
}

impl<'a> Ask<'a> {
    pub(super) fn new(api: &'a Router, caller: &'a Caller) -> Self {
        Self { api, caller }
    }

    /// A resource.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        parsed(self.answer(Method::GET, path, None).await?).await
    }

    /// A list, and the query of its next page.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let answer = self.answer(Method::GET, path, None).await?;
        let next = answer.headers().get(LINK).and_then(|link| {
            let (query, _) = link.to_str().ok()?.strip_prefix("<?")?.split_once('>')?;
            Some(query.to_owned())
        });
        Ok((parsed(answer).await?, next))
    }

    /// Text.
    pub(super) async fn text(&self, path: &str) -> Result<String, Problem> {
        let answer = self.answer(Method::GET, path, None).await?;
        Ok(String::from_utf8_lossy(&bytes(answer).await?).into_owned())
    }

    /// Asks for something; what is answered, `null` for nothing.
    pub(super) async fn order(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Problem> {
        let bytes = bytes(self.answer(method, path, body).await?).await?;
        Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Judges a text.
    pub(super) async fn post_text<T: DeserializeOwned>(
        &self,
        path: &str,
        text: String,
    ) -> Result<T, Problem> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/toml");
        parsed(self.send(request.body(Body::from(text))).await?).await
    }

    /// An answer as it is, with these headers of the request: for what is handed on.
    pub(super) async fn hand_on(
        &self,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Response, Problem> {
        let mut request = self.request(Method::GET, path).body(Body::empty());
        if let Ok(request) = &mut request {
            request.headers_mut().extend(headers);
        }
        self.send(request).await
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response, Problem> {
        let request = self.request(method, path);
        let request = match body {
            None => request.body(Body::empty()),
            Some(body) => request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(Body::from(body.to_string())),
        };
        self.send(request).await
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let uri = format!("/api/v1{path}");
        Request::builder().method(method).uri(uri).extension(self.caller.clone())
    }

    async fn send(
        &self,
        request: Result<Request<Body>, axum::http::Error>,
    ) -> Result<Response, Problem> {
        let request = request.map_err(|error| Problem::bad_request(error.to_string()))?;
        let Ok(answer) = self.api.clone().oneshot(request).await;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            let status = answer.status();
            let bytes = bytes(answer).await?;
            let read = serde_json::from_slice(&bytes);
            return Err(read.unwrap_or_else(|_| Problem::new(status, status.to_string())));
        }
        Ok(answer)
    }
}

async fn bytes(answer: Response) -> Result<axum::body::Bytes, Problem> {
    let read = axum::body::to_bytes(answer.into_body(), ANSWER_MAX).await;
    read.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

async fn parsed<T: DeserializeOwned>(answer: Response) -> Result<T, Problem> {
    serde_json::from_slice(&bytes(answer).await?)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// A text as it stands in a path or in a query.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// `PATH?name=value&…` of those values that are not empty.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> =
        pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A query behind a path that may have one already.
pub(super) fn and_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let further = with_query("", pairs);
    match further.strip_prefix('?') {
        Some(further) if path.contains('?') => format!("{path}&{further}"),
        _ => format!("{path}{further}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_an_address_is_encoded() {
        assert_eq!(encoded("apps/nextcloud é&?#"), "apps%2Fnextcloud%20%C3%A9%26%3F%23");
        assert_eq!(with_query("job", &[("name", "a/b"), ("x", "")]), "job?name=a%2Fb");
        assert_eq!(with_query("jobs", &[("x", "")]), "jobs");
        assert_eq!(and_query("a?b=c", &[("d", "e"), ("f", "")]), "a?b=c&d=e");
        assert_eq!(and_query("a", &[("d", "e")]), "a?d=e");
        assert_eq!(and_query("a?b=c", &[("d", "")]), "a?b=c");
    }
}
