//! `/notify/test`: does anybody hear us?

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;

use super::problem::Problem;
use super::{App, dto};
use crate::model::name::ObjectName;

/// Sends a test message to every notification target, or to one.
#[utoipa::path(
    post,
    path = "/notify/test",
    tag = "notify",
    operation_id = "notify_test",
    summary = "Sends a test message to every notification target, or to one.",
    request_body(content = Option<dto::NoticeTestRequest>, description = "Which one; all without"),
    responses(
        (status = 200, description = "What came of it, for each target", body = Vec<dto::NoticeTest>),
        (status = 404, description = "There is no such target", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no target at all", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The state is not open", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn test(
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<Vec<dto::NoticeTest>>, Problem> {
    let request = if body.is_empty() {
        dto::NoticeTestRequest::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Problem::bad_request(format!("the body is not understood: {error}")))?
    };
    let only: Option<ObjectName> = match request.name {
        None => None,
        Some(name) => Some(name.parse().map_err(|_| {
            Problem::not_found(format!("there is no `[notify.{}]`", name.escape_default()))
        })?),
    };
    let tested = app.handle()?.test_notices(only.as_ref()).await?;
    Ok(Json(tested.into_iter().map(dto::NoticeTest::from).collect()))
}
