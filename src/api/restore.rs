//! Restores: what one would do, one that is begun, how far it is, and how it is undone.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::archives::{CopyQuery, find, key};
use super::dto::words;
use super::problem::Problem;
use super::resolve::Need;
use super::{App, accepted, dto, runs};
use crate::model::archive::Archive;
use crate::model::restore::{Part, RestoreRequest};

/// What is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RestoreOrder {
    /// Only these steps.
    #[serde(alias = "only")]
    #[schema(value_type = Vec<words::Part>)]
    steps: Vec<String>,
    /// Elsewhere: below this directory.
    #[serde(alias = "to")]
    #[schema(value_type = Option<String>)]
    target: Option<PathBuf>,
    /// Only these paths.
    #[schema(value_type = Vec<String>)]
    paths: Vec<PathBuf>,
    /// Whether what is overwritten is set aside; it is when nothing is said.
    safety: Option<bool>,
    /// A file of this host with the age identity.
    #[schema(value_type = Option<String>)]
    identity: Option<PathBuf>,
    /// The archive's name: what is there now may be overwritten.
    confirmation: Option<String>,
}

impl RestoreOrder {
    fn request(&self) -> Result<RestoreRequest, Problem> {
        let absolute = |what: &str, path: &Option<PathBuf>| match path {
            Some(path) if !path.is_absolute() => Err(Problem::bad_request(format!(
                "`{what}` is `{}`, which is not absolute",
                path.display()
            ))
            .hint("write the whole path: another process does it")),
            _ => Ok(()),
        };
        absolute("target", &self.target)?;
        absolute("identity", &self.identity)?;
        let mut only = Vec::new();
        for word in &self.steps {
            only.push(Part::from_word(word).ok_or_else(|| {
                let words: Vec<&str> = Part::ALL.into_iter().map(Part::word).collect();
                Problem::bad_request(format!("`{word}` is not a step of a restore"))
                    .hint(format!("one of {}", words.join(", ")))
            })?);
        }
        Ok(RestoreRequest {
            to: self.target.clone(),
            paths: self.paths.clone(),
            only,
            safety: self.safety.unwrap_or(true),
            identity: self.identity.clone(),
            undo: None,
        })
    }
}

fn one(app: &App, caller: &Caller, name: &str, query: &CopyQuery) -> Result<Archive, Problem> {
    Ok(find(&app.view_for(caller), name, query.location.as_deref(), Need::AnyCopy)?.clone())
}

#[utoipa::path(
    post,
    path = "/archives/{name}/restore/plan",
    tag = "archives",
    operation_id = "restore_plan",
    summary = "What a restore would do.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    request_body = Option<RestoreOrder>,
    responses(
        (status = 200, description = "Its steps", body = dto::RestorePlan),
        (status = 400, description = "Something in the request is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn plan(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
    body: Option<Json<RestoreOrder>>,
) -> Result<Json<dto::RestorePlan>, Problem> {
    let archive = one(&app, &caller, &name, &query)?;
    let request = body.map(|Json(body)| body).unwrap_or_default().request()?;
    let plan = app.handle()?.plan_restore(&key(&archive), request).await?;
    Ok(Json(dto::RestorePlan::from(&plan)))
}

#[utoipa::path(
    post,
    path = "/archives/{name}/restore",
    tag = "archives",
    operation_id = "restore_start",
    summary = "Restores an archive.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    request_body = Option<RestoreOrder>,
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 400, description = "Something in the request is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
    body: Option<Json<RestoreOrder>>,
) -> Result<Response, Problem> {
    let archive = one(&app, &caller, &name, &query)?;
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let request = body.request()?;
    // One word more than a mistyped request has.
    if request.to.is_none() && body.confirmation.as_deref() != Some(archive.name.as_str()) {
        return Err(Problem::bad_request(format!(
            "restoring `{}` in place overwrites what is there, and nobody confirmed that",
            archive.name
        ))
        .hint("give the archive's name as `confirmation`, or a `target` elsewhere"));
    }
    Ok(accepted(app.handle()?.restore(&key(&archive), request).await?))
}

/// The newest restore of an archive, step by step.
#[utoipa::path(
    get,
    path = "/archives/{name}/restore/status",
    tag = "archives",
    operation_id = "restore_status",
    summary = "The newest restore of an archive, step by step.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 200, description = "How far it is", body = dto::RestoreStatus),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn status(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::RestoreStatus>, Problem> {
    let archive = one(&app, &caller, &name, &query)?;
    let handle = app.handle()?;
    let last = handle.last_restore(archive.id).await?;
    let desired = &app.view().desired;
    let run = last.filter(|run| caller.sees_run(run, desired)).ok_or_else(|| {
        Problem::not_found(format!("`{}` was never restored by this instance", archive.name))
    })?;
    let record = handle.restore_record(run.id).await?;
    let run = dto::Run::new(&app.view(), &run, handle.progress(run.id));
    Ok(Json(dto::RestoreStatus::new(run, record)))
}

/// Puts back what a restore set aside.
#[utoipa::path(
    post,
    path = "/runs/{id}/undo",
    tag = "runs",
    operation_id = "restore_undo",
    summary = "Puts back what a restore set aside.",
    params(("id" = u64, Path, description = "The number of the restore")),
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn undo(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = runs::one(&app, &caller, &id).await?;
    Ok(accepted(app.handle()?.undo_restore(run.id).await?))
}
