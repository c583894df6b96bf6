//! Restores: what one would do, one that is begun, how far it is, and how it is undone.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::archives::{OriginQuery, find, find_from};
use super::dto::words;
use super::problem::Problem;
use super::resolve::Need;
use super::{App, accepted, dto, runs};
use crate::model::archive::Archive;
use crate::model::restore::{Part, RestoreRequest};
use crate::model::run::{Run, RunId, Work};

/// What is asked for.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
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
    /// The peer whose archive it is: only then one of another host comes back in place.
    from: Option<String>,
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
            from: match self.from.as_deref().map(str::parse).transpose() {
                Ok(from) => from,
                Err(_) => return Err(Problem::bad_request("`from` is not the name of a peer")),
            },
            undo: None,
        })
    }
}

fn one(app: &App, caller: &Caller, name: &str, query: &OriginQuery) -> Result<Archive, Problem> {
    let view = app.view_for_orders(caller);
    let location = query.location.as_deref();
    Ok(match &query.from {
        Some(peer) => find_from(&view, name, location, peer)?.clone(),
        None => find(&view, name, location, Need::AnyCopy)?.clone(),
    })
}

/// What a peer may have restored: archives of this instance to where they were, and its own only
/// where they may run here. It names no file of this host.
fn allowed(
    app: &App,
    caller: &Caller,
    archive: &Archive,
    request: &RestoreRequest,
) -> Result<(), Problem> {
    let Some(peer) = caller.peer() else { return Ok(()) };
    let refused = |why: &str, hint: &str| {
        Err(Problem::new(StatusCode::FORBIDDEN, why.to_owned()).hint(hint.to_owned()))
    };
    let desired = app.desired();
    let accept = desired.peers.get(peer).and_then(|peer| peer.accept.as_ref());
    let is_trusted = accept.is_some_and(|accept| accept.trust_restore);
    if request.from.is_some() {
        return refused("a peer does not say whose archive it is", "that is said on that host");
    }
    if request.identity.is_some() {
        return refused(
            "a peer names no file of this host as `identity`",
            "restore it there, with the identity at hand",
        );
    }
    if !is_trusted && (archive.location.is_name_space() || request.to.is_some()) {
        return refused(
            "what a peer sent is not restored here for it, and nothing is laid elsewhere",
            "that takes `accept.trust = \"restore\"` there",
        );
    }
    Ok(())
}

#[utoipa::path(
    post,
    path = "/archives/{name}/restore/plan",
    tag = "archives",
    operation_id = "restore_plan",
    summary = "What a restore would do.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), OriginQuery),
    request_body = Option<RestoreOrder>,
    responses(
        (status = 200, description = "Its steps", body = dto::RestorePlan),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn plan(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<OriginQuery>,
    body: Option<Json<RestoreOrder>>,
) -> Result<Json<dto::RestorePlan>, Problem> {
    let archive = one(&app, &caller, &name, &query)?;
    let request = body.map(|Json(body)| body).unwrap_or_default().request()?;
    allowed(&app, &caller, &archive, &request)?;
    let plan = app.handle()?.plan_restore(&archive.key(), request).await?;
    Ok(Json(dto::RestorePlan::from(&plan)))
}

#[utoipa::path(
    post,
    path = "/archives/{name}/restore",
    tag = "archives",
    operation_id = "restore_start",
    summary = "Restores an archive.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), OriginQuery),
    request_body = Option<RestoreOrder>,
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<OriginQuery>,
    body: Option<Json<RestoreOrder>>,
) -> Result<Response, Problem> {
    let archive = one(&app, &caller, &name, &query)?;
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let request = body.request()?;
    allowed(&app, &caller, &archive, &request)?;
    // One word more than a mistyped request has.
    if request.to.is_none() && body.confirmation.as_deref() != Some(archive.name.as_str()) {
        return Err(Problem::bad_request(format!(
            "restoring `{}` in place overwrites what is there, and nobody confirmed that",
            archive.name
        ))
        .hint("give the archive's name as `confirmation`, or a `target` elsewhere"));
    }
    Ok(accepted(app.handle()?.restore(&archive.key(), request).await?))
}

/// Which restore is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StatusQuery {
    /// Only a copy at this location.
    location: Option<String>,
    /// Only archives of this peer.
    from: Option<String>,
    /// Not the newest restore of the archive, but the one with this number.
    run: Option<u64>,
}

/// The newest restore of an archive, step by step.
#[utoipa::path(
    get,
    path = "/archives/{name}/restore/status",
    tag = "archives",
    operation_id = "restore_status",
    summary = "The newest restore of an archive, or a certain one, step by step.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), StatusQuery),
    responses(
        (status = 200, description = "How far it is", body = dto::RestoreStatus),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn status(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(StatusQuery { location, from, run }): Query<StatusQuery>,
) -> Result<Json<dto::RestoreStatus>, Problem> {
    let archive = one(&app, &caller, &name, &OriginQuery { location, from })?;
    let handle = app.handle()?;
    let last = match run {
        Some(run) => {
            let of = |run: &Run| matches!(&run.work, Work::Restore { archive: id, .. } if *id == archive.id);
            handle.run(RunId(run)).await.ok().filter(of)
        }
        None => handle.last_restore(archive.id).await?,
    };
    let desired = &app.view().desired;
    let run = last.filter(|run| caller.sees_run(run, desired)).ok_or_else(|| {
        Problem::not_found(match run {
            Some(run) => format!("run {run} is no restore of `{}`", archive.name),
            None => format!("`{}` was never restored by this instance", archive.name),
        })
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
