//! Peers that are added and removed over the API, as the commands do it.

use std::path::Path as FilePath;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use super::super::problem::Problem;
use super::super::{App, dto};
use crate::config::edit::{self, EditError};
use crate::model::name::PlaceName;

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
    request_body = dto::NewPeer,
    responses(
        (status = 201, description = "It is written and in force", body = dto::Peer),
        (status = 409, description = "It cannot be written; or the table to commit, where the page edits nothing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn add(
    State(app): State<App>,
    Json(new): Json<dto::NewPeer>,
) -> Result<(StatusCode, Json<dto::Peer>), Problem> {
    let handle = app.handle()?;
    let name: PlaceName = new.name.parse().map_err(|error| problem(&EditError::Name(error)))?;
    let fields = match new.config {
        None | Some(Value::Null) => edit::Fields::new(),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(Problem::bad_request("`config` is no table")),
    };
    let toml = edit::render(&name, &new.kind, &fields).map_err(|error| problem(&error))?;
    let dir = app.view().config.dir.clone();
    let may_write = app.desired().instance.page_edits_peers;
    if may_write {
        own_secrets(&fields, &dir)?;
    }
    let written = {
        let (name, toml) = (name.clone(), toml.clone());
        blocking(move || {
            if may_write {
                edit::add_peer(&dir, &name, &toml, None).map(|_| ())
            } else {
                edit::judge_peer(&dir, &name, &toml).map(|_| ())
            }
        })
        .await?
    };
    written.map_err(|error| problem(&error))?;
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
    Ok((StatusCode::CREATED, Json(dto::Peer::new(&app.view(), peer))))
}

/// Removes a peer, as `larder peer remove` does.
#[utoipa::path(
    delete,
    path = "/peers/{name}",
    tag = "peers",
    operation_id = "peers_remove",
    summary = "Removes a peer that was added, where `page_edits_peers` allows it.",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "It is needed, was written by somebody else, or the page edits nothing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let handle = app.handle()?;
    let unknown = || Problem::not_found(format!("there is no peer `{name}`"));
    let peer: PlaceName = name.parse().map_err(|_| unknown())?;
    let desired = app.desired();
    let there = desired.peers.get(&peer).ok_or_else(unknown)?;
    if !desired.instance.page_edits_peers {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("peers are not edited here: remove `[peer.{peer}]` at {}", there.place),
        )
        .hint("or set `page_edits_peers = true` in `[instance]`"));
    }
    let dir = app.view().config.dir.clone();
    blocking(move || edit::remove_peer(&dir, &peer)).await?.map_err(|error| problem(&error))?;
    handle.reloaded().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Secrets that somebody names over the network stay those that are for peers: no other file is sent
/// to wherever a `url` says, and no program is run.
fn own_secrets(fields: &edit::Fields, dir: &FilePath) -> Result<(), Problem> {
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

async fn blocking<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(body)
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
