//! What can be asked for about an archive.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::super::problem::Problem;
use super::super::resolve::Need;
use super::super::{App, accepted, dto};
use super::{CopyQuery, find, key};
use crate::model::archive::Archive;
use crate::model::name::{JobName, PlaceName};

#[derive(Debug, Deserialize)]
pub(in crate::api) struct Transfer {
    /// The place that gets the copy; a location stands where the specification says `peer`.
    #[serde(alias = "to")]
    peer: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::api) struct Adoption {
    location: String,
    file_name: String,
    job: String,
}

fn place(text: &str) -> Result<PlaceName, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("there is no location `{text}`")))
}

/// The copy that a request is about; a lost or trashed one is named all the same.
fn one(app: &App, name: &str, query: &CopyQuery, need: Need) -> Result<Archive, Problem> {
    Ok(find(&app.view(), name, query.location.as_deref(), need)?.clone())
}

pub(in crate::api) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Response, Problem> {
    let archive = one(&app, &name, &query, Need::OneCopy)?;
    Ok(accepted(app.handle()?.delete(&key(&archive)).await?))
}

pub(in crate::api) async fn verify(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Response, Problem> {
    let archive = one(&app, &name, &query, Need::OneCopy)?;
    Ok(accepted(app.handle()?.verify(&key(&archive)).await?))
}

pub(in crate::api) async fn transfer(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
    Json(transfer): Json<Transfer>,
) -> Result<Response, Problem> {
    let archive = one(&app, &name, &query, Need::AnyCopy)?;
    let to = place(&transfer.peer)?;
    Ok(accepted(app.handle()?.send(&key(&archive), &to).await?))
}

pub(in crate::api) async fn pin(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    set_pinned(&app, &name, &query, true).await
}

pub(in crate::api) async fn unpin(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    set_pinned(&app, &name, &query, false).await
}

async fn set_pinned(
    app: &App,
    name: &str,
    query: &CopyQuery,
    pinned: bool,
) -> Result<Json<dto::Archive>, Problem> {
    let mut archive = one(app, name, query, Need::OneCopy)?;
    app.handle()?.set_pinned(&key(&archive), pinned).await?;
    archive.pinned = pinned;
    Ok(Json(dto::Archive::new(&app.view(), &archive, None)))
}

pub(in crate::api) async fn undelete(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<StatusCode, Problem> {
    let archive = one(&app, &name, &query, Need::Trashed)?;
    app.handle()?.undelete(&key(&archive)).await?;
    Ok(StatusCode::NO_CONTENT)
}

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
