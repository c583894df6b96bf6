//! Restores: what one would do, one that is begun, how far it is, and how it is undone.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::archives::{CopyQuery, find, key};
use super::problem::Problem;
use super::resolve::Need;
use super::runs::number;
use super::{App, accepted, dto};
use crate::model::archive::Archive;
use crate::model::restore::{Part, RestoreRequest};

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Body {
    /// Only these steps.
    #[serde(alias = "only")]
    steps: Vec<String>,
    /// Elsewhere: below this directory.
    #[serde(alias = "to")]
    target: Option<PathBuf>,
    /// Only these paths.
    paths: Vec<PathBuf>,
    /// Whether what is overwritten is set aside; it is when nothing is said.
    safety: Option<bool>,
    /// A file of this host with the age identity.
    identity: Option<PathBuf>,
    /// The archive's name: what is there now may be overwritten.
    confirmation: Option<String>,
}

impl Body {
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

fn one(app: &App, name: &str, query: &CopyQuery) -> Result<Archive, Problem> {
    Ok(find(&app.view(), name, query.location.as_deref(), Need::AnyCopy)?.clone())
}

pub(super) async fn plan(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
    body: Option<Json<Body>>,
) -> Result<Json<dto::RestorePlan>, Problem> {
    let archive = one(&app, &name, &query)?;
    let request = body.map(|Json(body)| body).unwrap_or_default().request()?;
    let plan = app.handle()?.plan_restore(&key(&archive), request).await?;
    Ok(Json(dto::RestorePlan::from(&plan)))
}

pub(super) async fn start(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
    body: Option<Json<Body>>,
) -> Result<Response, Problem> {
    let archive = one(&app, &name, &query)?;
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
pub(super) async fn status(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::RestoreStatus>, Problem> {
    let archive = one(&app, &name, &query)?;
    let handle = app.handle()?;
    let run = handle.last_restore(archive.id).await?.ok_or_else(|| {
        Problem::not_found(format!("`{}` was never restored by this instance", archive.name))
    })?;
    let record = handle.restore_record(run.id).await?;
    let run = dto::Run::new(&app.view(), &run, handle.progress(run.id));
    Ok(Json(dto::RestoreStatus::new(run, record)))
}

/// Puts back what a restore set aside.
pub(super) async fn undo(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(accepted(app.handle()?.undo_restore(number(&id)?).await?))
}
