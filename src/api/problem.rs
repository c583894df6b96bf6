//! Errors of the API: RFC 9457 problem documents, without exception.
//!
//! **Invariant:** no response with a status of 400 or above leaves the router as anything but
//! `application/problem+json`; what axum itself refuses (unknown paths and methods, unreadable
//! bodies and queries) is rewritten on its way out.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dto::Candidate;
use crate::engine::RequestError;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The most of an error's text that is read back, in bytes.
const DETAIL_MAX: usize = 4096;
/// When it is worth asking again what is being answered to somebody else, in seconds.
const OCCUPIED_FOR: u32 = 5;

/// The `type` of a problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Kind {
    /// The status says what kind it is: the only one that is written here.
    #[default]
    #[serde(rename = "about:blank")]
    AboutBlank,
    /// One that a newer version writes.
    #[serde(other)]
    Other,
}

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind it is.
    #[serde(rename = "type", default)]
    #[schema(value_type = String, required)]
    pub kind: Kind,
    /// The status in words.
    #[schema(value_type = String)]
    pub title: Box<str>,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What could not be done, to what, and why.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The run that is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<u64>,
    /// What an ambiguous name could mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// What is in the way of an upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_the_way: Option<Box<InTheWay>>,
    /// After how many seconds it is worth asking again: the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

/// What is in the way of an upload: an archive in the sender's own name space, or an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InTheWay {
    /// The archive's id, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_id: Option<String>,
    /// Its name.
    pub name: String,
    /// The upload's number, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
    /// Whether it is an archive that is there, and not known to be damaged.
    pub good: bool,
}

impl Problem {
    /// A problem with this status.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: Kind::AboutBlank,
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into().into(),
            hint: None,
            run_id: None,
            candidates: Vec::new(),
            in_the_way: None,
            retry_after: None,
        }
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 400.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The problem with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, axum::Json(self)).into_response();
        let media_type = HeaderValue::from_static(PROBLEM_JSON);
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let detail = error.to_string();
        match error {
            RequestError::NotFound(_) => Self::not_found(detail),
            RequestError::Busy(run) => {
                let mut problem = Self::new(StatusCode::CONFLICT, detail);
                problem.run_id = Some(run.0);
                problem
            }
            RequestError::Refused { hint, .. } => {
                let mut problem = Self::new(StatusCode::CONFLICT, detail);
                problem.hint = hint;
                problem
            }
            RequestError::Failed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
            RequestError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .hint("`larder location list` says why"),
            RequestError::Occupied => {
                let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                    .hint("ask again in a few seconds");
                problem.retry_after = Some(OCCUPIED_FOR);
                problem
            }
            RequestError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail),
        }
    }
}

/// Rewrites every error that is not a problem document yet into one.
pub(super) async fn rewrite(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let media_type = response.headers().get(CONTENT_TYPE);
    if !is_error || media_type.is_some_and(|value| value == PROBLEM_JSON) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, DETAIL_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = match (status, text.trim()) {
        (StatusCode::NOT_FOUND, "") => "there is nothing at this path",
        (StatusCode::METHOD_NOT_ALLOWED, "") => "this path does not answer to this method",
        (_, text) => text,
    };
    // What the extractors cannot read is one kind of mistake, whatever they call it.
    let unreadable =
        matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UNSUPPORTED_MEDIA_TYPE);
    parts.status = if unreadable { StatusCode::BAD_REQUEST } else { status };
    let problem = Problem::new(parts.status, detail);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    Response::from_parts(parts, Body::from(body))
}
