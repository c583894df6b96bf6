//! What a peer needs that fetches archives instead of being sent them: what is said of an archive,
//! and a way to tell that it holds it now.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{CopyQuery, find};
use crate::api::App;
use crate::api::access::Caller;
use crate::api::problem::Problem;
use crate::api::resolve::Need;
use crate::model::archive::Sha256;

/// What a peer holds now.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::api) struct HeldCopy {
    /// The SHA-256 of the file that it took, in hex.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    sha256: String,
}

/// What stands in `NAME.larder.json`, with the text of `NAME.info.json` in it.
#[utoipa::path(
    get,
    path = "/archives/{name}/description",
    tag = "archives",
    operation_id = "archives_description",
    summary = "What is said of an archive, for whoever stores a copy of it.",
    description = "What stands in `NAME.larder.json`, and `info_json` with the text of `NAME.info.json`: it can be given as `info` when the file is uploaded elsewhere.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 200, description = "The description", body = Object),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn description(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<Value>, Problem> {
    let view = app.view_to_read(&caller);
    let archive = find(&view, &name, query.location.as_deref(), Need::AnyCopy)?;
    Ok(Json(app.handle()?.description(&archive.key()).await?))
}

#[utoipa::path(
    post,
    path = "/archives/{name}/held",
    tag = "archives",
    operation_id = "archives_held",
    summary = "A peer tells that it holds a copy of one of our archives.",
    description = "It counts as a copy at that peer from then on, and is not sent there.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`")),
    request_body = HeldCopy,
    responses(
        (status = 204, description = "It is noted"),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be so", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn held(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(held): Json<HeldCopy>,
) -> Result<StatusCode, Problem> {
    let view = app.view_to_read(&caller);
    let archive = find(&view, &name, None, Need::AnyCopy)?;
    let Some(peer) = caller.peer() else {
        let detail = "only a peer tells what it holds, with its own token";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let hash: Sha256 = held.sha256.parse().map_err(|()| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`sha256` is no SHA-256 in hex")
    })?;
    if archive.location.is_name_space() {
        let detail = format!("`{}` rests here for you: it is no copy of ours", archive.name);
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    if archive.file_sha256 != Some(hash) {
        let detail = format!("the file of `{}` has another SHA-256", archive.name);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            .hint("what you hold is not it: fetch it again"));
    }
    app.handle()?.note_held(peer, &archive.key()).await?;
    Ok(StatusCode::NO_CONTENT)
}
