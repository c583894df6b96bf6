//! Peers that are added and removed over the API, as the commands do it.

use std::path::Path as FilePath;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::super::problem::Problem;
use super::super::{App, dto};
use super::draft;
use crate::config::edit::{self, EditError};
use crate::model::name::PlaceName;

/// Whether it is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Meant {
    /// Whether it is only told what would be done, with every mistake; nothing changes.
    #[serde(default)]
    dry_run: bool,
}

fn problem(error: &EditError) -> Problem {
    let status = match error {
        EditError::Name(_) | EditError::Fields { .. } => StatusCode::BAD_REQUEST,
        EditError::Unknown(_) => StatusCode::NOT_FOUND,
        EditError::Exists(_)
        | EditError::Invalid { .. }
        | EditError::Foreign { .. }
        | EditError::Needed { .. }
        | EditError::Read(_)
        | EditError::Io { .. } => StatusCode::CONFLICT,
    };
    Problem::new(status, crate::causes::with_causes(error)).hint(error.hint())
}

/// Adds a peer, as `larder peer add` does.
#[utoipa::path(
    post,
    path = "/peers",
    tag = "peers",
    operation_id = "peers_add",
    summary = "Adds a peer, where `page_edits_peers` allows it.",
    params(Meant),
    request_body = dto::NewPeer,
    responses(
        (status = 200, description = "With `dry_run`: what would be written, and every mistake", body = dto::PeerDraft),
        (status = 201, description = "It is written and in force", body = dto::Peer),
        (status = 409, description = "It cannot be written; or the table to commit, where the page edits nothing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn add(
    State(app): State<App>,
    Query(Meant { dry_run }): Query<Meant>,
    Json(new): Json<dto::NewPeer>,
) -> Result<Response, Problem> {
    let handle = app.handle()?;
    let dir = app.view().config.dir.clone();
    let desired = app.desired();
    if dry_run {
        let draft = blocking(move || draft::draft(&desired, &dir, &new)).await?;
        return Ok(Json(draft).into_response());
    }
    let name: PlaceName = new.name.parse().map_err(|error| problem(&EditError::Name(error)))?;
    let mut fields = new.config.clone().unwrap_or_default();
    let secret = new.secret.as_deref().map(|secret| secret_of(&name, &mut fields, secret));
    let secret = secret.transpose()?.map(str::to_owned);
    let toml = edit::render(&name, &new.kind, &fields).map_err(|error| problem(&error))?;
    let may_write = desired.instance.page_edits_peers;
    if may_write {
        own_secrets(&fields, &dir)?;
    }
    let written = {
        let (name, toml, kind) = (name.clone(), toml.clone(), new.kind.clone());
        blocking(move || {
            if let Some((why, hint)) = draft::lacks(&desired, &kind) {
                return Err(Problem::new(StatusCode::CONFLICT, why).hint(hint));
            }
            let done = if may_write {
                edit::add_peer(&dir, &name, &toml, secret.as_deref()).map(|_| ())
            } else {
                edit::judge_peer(&dir, &name, &toml).map(|_| ())
            };
            done.map_err(|error| problem(&error))
        })
        .await?
    };
    written?;
    if !may_write {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!(
                "peers are not edited here: commit this as `{}`\n{toml}",
                edit::place_of(&name)
            ),
        )
        .hint("or set `page_edits_peers = true` in `[instance]`"));
    }
    handle.reloaded().await?;
    let desired = app.desired();
    let peer = desired.peers.get(&name).ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            format!("peer `{name}` is written, and not in force yet"),
        )
        .hint("other mistakes of the configuration may be in the way: `larder check`")
    })?;
    let view = app.view();
    let shown = dto::Peer::new(&view, peer, &dto::Shares::of(&view));
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// Removes a peer, as `larder peer remove` does.
#[utoipa::path(
    delete,
    path = "/peers/{name}",
    tag = "peers",
    operation_id = "peers_remove",
    summary = "Removes a peer that was added, where `page_edits_peers` allows it.",
    params(("name" = String, Path, description = "Its name"), Meant),
    responses(
        (status = 200, description = "With `dry_run`: what that comes to", body = dto::PeerRemoval),
        (status = 204, description = "It is gone"),
        (status = 409, description = "It is needed, was written by somebody else, or the page edits nothing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(Meant { dry_run }): Query<Meant>,
) -> Result<Response, Problem> {
    let handle = app.handle()?;
    let unknown = || Problem::not_found(format!("there is no peer `{name}`"));
    let peer: PlaceName = name.parse().map_err(|_| unknown())?;
    let desired = app.desired();
    let there = desired.peers.get(&peer).ok_or_else(unknown)?;
    let dir = app.view().config.dir.clone();
    let may_write = desired.instance.page_edits_peers;
    if dry_run {
        let looked = blocking(move || edit::look_at_removal(&dir, &peer)).await?;
        let removal = looked.map_err(|error| problem(&error))?;
        return Ok(Json(dto::PeerRemoval {
            writes: may_write && removal.is_ours,
            file: removal.file,
            lines: removal.lines,
            toml: removal.toml,
            whole_file: removal.is_alone,
            secret_file: removal.secret,
            needed_by: removal.needed_by,
        })
        .into_response());
    }
    if !may_write {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("peers are not edited here: remove `[peer.{peer}]` at {}", there.place),
        )
        .hint("or set `page_edits_peers = true` in `[instance]`"));
    }
    blocking(move || edit::remove_peer(&dir, &peer)).await?.map_err(|error| problem(&error))?;
    handle.reloaded().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A token that goes into the file which the table then names.
pub(super) fn secret_of<'a>(
    name: &PlaceName,
    fields: &mut edit::Fields,
    secret: &'a str,
) -> Result<&'a str, Problem> {
    let secret = secret.trim();
    let is_plain = !secret.is_empty() && secret.len() <= 500;
    if !is_plain || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::bad_request("this is no token")
            .hint("it is one word of letters, digits and `_`, as the other side printed it"));
    }
    let file = json!({ "file": format!("../{}", edit::secret_of(name)) });
    if fields.insert("token".to_owned(), file).is_some() {
        return Err(Problem::bad_request("`token` is given twice")
            .hint("either `secret`, or `token` in `config`"));
    }
    Ok(secret)
}

/// Secrets that somebody names over the network stay those that are for peers: no other file is sent
/// to wherever a `url` says, and no program is run.
pub(super) fn own_secrets(fields: &edit::Fields, dir: &FilePath) -> Result<(), Problem> {
    let Some(token) = fields.get("token") else { return Ok(()) };
    let file = token.as_object().filter(|table| table.len() == 1);
    let file = file.and_then(|table| table.get("file")).and_then(Value::as_str);
    let secrets = dir.join("secrets");
    let below = |file: &str| {
        let path = FilePath::new(file);
        let below = path.strip_prefix(&secrets).or_else(|_| path.strip_prefix("../secrets"));
        below.is_ok_and(|below| {
            below.components().count() == 1
                && below.to_str().is_some_and(|name| name.starts_with("peer-"))
        })
    };
    if file.is_some_and(below) {
        return Ok(());
    }
    Err(Problem::bad_request("over the API a token is `{ file = \"../secrets/peer-NAME\" }`")
        .hint("`larder peer add` on that host takes any secret"))
}

pub(super) async fn blocking<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(body)
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
