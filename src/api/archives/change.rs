//! What can be asked for about an archive.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::access::Caller;
use super::super::problem::Problem;
use super::super::resolve::Need;
use super::super::{App, accepted, dto};
use super::{CopyQuery, find};
use crate::api::dto::words;
use crate::model::archive::Archive;
use crate::model::job::Via;
use crate::model::name::{JobName, PlaceName};

#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::api) struct Transfer {
    /// The place that gets the copy; a location stands where the specification says `peer`.
    #[serde(alias = "to")]
    peer: String,
    /// How it travels to a peer: `auto` (as the configuration says), `http` or `rsync`.
    #[serde(default)]
    #[schema(value_type = Option<words::Via>, required = false)]
    via: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::api) struct Adoption {
    location: String,
    file_name: String,
    job: String,
}

fn place(text: &str) -> Result<PlaceName, Problem> {
    text.parse().map_err(|_| no_location(text))
}

fn no_location(text: &str) -> Problem {
    Problem::not_found(format!("there is no location `{text}`"))
}

/// The copy that a request is about; a lost or trashed one is named all the same.
fn one(
    app: &App,
    caller: &Caller,
    name: &str,
    query: &CopyQuery,
    need: Need,
) -> Result<Archive, Problem> {
    Ok(find(&app.view_for(caller), name, query.location.as_deref(), need)?.clone())
}

#[utoipa::path(
    delete,
    path = "/archives/{name}",
    tag = "archives",
    operation_id = "archives_delete",
    summary = "Deletes one copy, to the trash.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Response, Problem> {
    let archive = one(&app, &caller, &name, &query, Need::OneCopy)?;
    Ok(accepted(app.handle()?.delete(&archive.key()).await?))
}

#[utoipa::path(
    get,
    path = "/archives/{name}/deletion",
    tag = "archives",
    operation_id = "archives_deletion",
    summary = "Says whether a copy may be deleted now. Changes nothing.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 204, description = "It may"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn deletion(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<StatusCode, Problem> {
    let archive = one(&app, &caller, &name, &query, Need::OneCopy)?;
    app.handle()?.may_delete(&archive.key()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post,
    path = "/archives/{name}/verify",
    tag = "archives",
    operation_id = "archives_verify",
    summary = "Reads a copy back.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn verify(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Response, Problem> {
    let view = app.view_for_orders(&caller);
    let archive = find(&view, &name, query.location.as_deref(), Need::OneCopy)?;
    Ok(accepted(app.handle()?.verify(&archive.key()).await?))
}

#[utoipa::path(
    post,
    path = "/archives/{name}/transfer",
    tag = "archives",
    operation_id = "archives_transfer",
    summary = "Copies an archive to another location, or to a peer.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    request_body = Transfer,
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn transfer(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
    Json(transfer): Json<Transfer>,
) -> Result<Response, Problem> {
    let archive = one(&app, &caller, &name, &query, Need::AnyCopy)?;
    let to = place(&transfer.peer)?;
    if caller.peer().is_some() && !app.view_for(&caller).desired.locations.contains_key(&to) {
        return Err(no_location(&transfer.peer));
    }
    let via = transfer.via.as_deref().map(|word| {
        Via::from_word(word).ok_or_else(|| {
            Problem::bad_request(format!("`{word}` is no way to travel"))
                .hint(format!("one of {}", Via::ALL.map(Via::word).join(", ")))
        })
    });
    let via = via.transpose()?.unwrap_or_default();
    Ok(accepted(app.handle()?.send(&archive.key(), &to, via).await?))
}

#[utoipa::path(
    post,
    path = "/archives/{name}/pin",
    tag = "archives",
    operation_id = "archives_pin",
    summary = "Keeps a copy for good.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 200, description = "The archive", body = dto::Archive),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn pin(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    set_pinned(&app, &caller, &name, &query, true).await
}

#[utoipa::path(
    post,
    path = "/archives/{name}/unpin",
    tag = "archives",
    operation_id = "archives_unpin",
    summary = "Lets retention decide about a copy again.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 200, description = "The archive", body = dto::Archive),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn unpin(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    set_pinned(&app, &caller, &name, &query, false).await
}

async fn set_pinned(
    app: &App,
    caller: &Caller,
    name: &str,
    query: &CopyQuery,
    pinned: bool,
) -> Result<Json<dto::Archive>, Problem> {
    let mut archive = one(app, caller, name, query, Need::OneCopy)?;
    app.handle()?.set_pinned(&archive.key(), pinned).await?;
    archive.pinned = pinned;
    Ok(Json(dto::Archive::new(&app.view(), &archive, None)))
}

#[utoipa::path(
    post,
    path = "/archives/{name}/undelete",
    tag = "archives",
    operation_id = "archives_undelete",
    summary = "Takes a copy back from the trash, and pins it.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 204, description = "It is back"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn undelete(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<StatusCode, Problem> {
    let archive = one(&app, &caller, &name, &query, Need::Trashed)?;
    app.handle()?.undelete(&archive.key()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post,
    path = "/archives/adopt",
    tag = "archives",
    operation_id = "archives_adopt",
    summary = "Takes a foreign file into the catalogue.",
    request_body = Adoption,
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn adopt(
    State(app): State<App>,
    Json(adoption): Json<Adoption>,
) -> Result<Response, Problem> {
    let location = place(&adoption.location)?;
    let job: JobName = adoption
        .job
        .parse()
        .map_err(|_| Problem::not_found(format!("there is no job `{}`", adoption.job)))?;
    let run = app.handle()?.adopt(&location, &adoption.file_name, &job).await?;
    Ok(accepted(run))
}
