//! `/archives/upload`: archives that other instances send, chunk by chunk.
//!
//! A sender that knows the specification's four fields needs no more: it starts, sends the chunks
//! in any order, and finishes. Whatever breaks off is sent again: each of these requests may be
//! repeated. Peers store into their own name space; for anybody else who may do everything, `?peer=`
//! says whose it is.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::access::Caller;
use super::dto::{UploadFinished, UploadLanding, UploadStart, UploadState, UploadedChunk};
use super::problem::{InTheWay, Problem};
use super::{App, dto};
use crate::engine::{Announced, ChunkHead, ReceiveError};
use crate::model::name::PlaceName;
use crate::model::token::Scope;
use crate::model::upload::UploadId;

mod digest;

/// The most bytes of what is said at the start.
const START_MAX: usize = 1 << 20;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PeerQuery {
    /// Whose upload it is; only for those who may do everything.
    peer: Option<String>,
}

/// Whose uploads somebody may see: one peer's, or all.
fn whose(caller: &Caller, query: &PeerQuery) -> Result<Option<PlaceName>, Problem> {
    let named = query.peer.as_deref().map(|name| {
        let unknown = || Problem::not_found(format!("there is no peer `{name}` that may send"));
        name.parse::<PlaceName>().map_err(|_| unknown()).and_then(|peer| match caller.peer() {
            Some(own) if *own != peer => Err(unknown()),
            Some(_) | None => Ok(peer),
        })
    });
    let named = named.transpose()?;
    match caller {
        Caller::Peer { name, .. } => Ok(Some(name.clone())),
        Caller::Local => Ok(named),
        Caller::Token { scopes, .. } if scopes.contains(&Scope::Admin) => Ok(named),
        Caller::Token { .. } => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "a token has no folder of its own, and stores no archives",
        )
        .hint("declare a `[peer.NAME]` with `accept`, and use its token")),
    }
}

fn id_of(text: &str) -> Result<UploadId, Problem> {
    text.parse().map_err(|()| Problem::not_found("there is no such upload"))
}

impl From<ReceiveError> for Problem {
    fn from(error: ReceiveError) -> Self {
        let detail = error.to_string();
        let mut in_the_way = None;
        let (status, hint) = match error {
            ReceiveError::NotFound(_) => (StatusCode::NOT_FOUND, None),
            ReceiveError::Malformed(_) => (StatusCode::BAD_REQUEST, None),
            ReceiveError::TimedOut(_) => (StatusCode::REQUEST_TIMEOUT, None),
            ReceiveError::Unfit { hint, .. } => (StatusCode::UNPROCESSABLE_ENTITY, hint),
            ReceiveError::Conflict { hint, with, .. } => {
                in_the_way = with.map(|there| InTheWay {
                    archive_id: there.archive.map(|id| id.to_string()),
                    name: there.name.to_string(),
                    upload_id: there.upload.map(|id| id.to_string()),
                    good: there.is_good,
                });
                (StatusCode::CONFLICT, hint)
            }
            ReceiveError::NoRoom { hint, .. } => (StatusCode::INSUFFICIENT_STORAGE, hint),
            ReceiveError::Unavailable { hint, .. } => (StatusCode::SERVICE_UNAVAILABLE, hint),
        };
        let mut problem = Self::new(status, detail);
        problem.hint = hint;
        problem.in_the_way = in_the_way.map(Box::new);
        problem
    }
}

#[utoipa::path(
    post,
    path = "/archives/upload/start",
    tag = "uploads",
    operation_id = "uploads_start",
    summary = "Begins an upload, or goes on with the one of the same file.",
    description = "Two starts are of the same file when `filename`, `total_size` and `checksum` agree, and `chunk_size` where it is given; what the first one said as `info` counts.",
    params(PeerQuery),
    request_body = UploadStart,
    responses(
        (status = 200, description = "It was begun before and goes on: these chunks are there", body = UploadState),
        (status = 201, description = "It is begun", body = UploadState),
        (status = 400, description = "It cannot be read, or does not say whose it is", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such peer may store archives here", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is that of an archive, or of an upload of another file", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "What it says is longer than 1 MiB", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is missing, or cannot be what it is", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The place cannot be used now", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The quota or the disk has no room, or too many uploads are open", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<PeerQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let peer = whose(&caller, &query)?.ok_or_else(|| {
        Problem::bad_request("whose archive this is must be said").hint("add `?peer=NAME`")
    })?;
    let start = read_start(body).await?;
    let announced = Announced {
        file_name: start.filename,
        total_size: start.total_size,
        chunk_size: start.chunk_size,
        checksum: start.checksum,
        info: start.info,
    };
    let (standing, is_new) = app.handle()?.begin_upload(peer, announced).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/api/v1/archives/upload/{}", standing.upload.id);
    let body = Json(UploadState::new(standing, &app.view().desired.instance.timezone));
    Ok((status, [(header::LOCATION, location)], body).into_response())
}

async fn read_start(body: Body) -> Result<UploadStart, Problem> {
    let limited = http_body_util::Limited::new(body, START_MAX);
    let read = http_body_util::BodyExt::collect(limited).await;
    let bytes = read.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let detail = format!("what is said at the start is longer than {START_MAX} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
        }
        Problem::bad_request(format!("the request cannot be read: {error}"))
    })?;
    let value: Value = serde_json::from_slice(&bytes.to_bytes())
        .map_err(|error| Problem::bad_request(format!("the request is not JSON: {error}")))?;
    serde_json::from_value(value).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("the request is not the start of an upload: {error}"),
        )
        .hint("it says `filename`, `total_size` and `checksum`, and maybe `chunk_size` and `info`")
    })
}

#[utoipa::path(
    post,
    path = "/archives/upload/{id}/chunk/{n}",
    tag = "uploads",
    operation_id = "uploads_chunk",
    summary = "Receives a chunk: answered once it is on the disk.",
    params(
        ("id" = String, Path, description = "The upload's number"),
        ("n" = String, Path, description = "Which chunk, from 0"),
        PeerQuery,
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530, `sha-256=:BASE64:` of the chunk"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes of the chunk"),
    responses(
        (status = 200, description = "It is on the disk, now or since before", body = UploadedChunk),
        (status = 400, description = "It broke off, or `Content-Digest` cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such upload, or no such chunk of it", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "Nothing came for a minute", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is there already, with other bytes", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Its length is wrong, or its digest", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The place cannot be used now: it can be sent again later", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full: it can be sent again later", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn chunk(
    State(app): State<App>,
    caller: Caller,
    Path((id, n)): Path<(String, String)>,
    Query(query): Query<PeerQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<UploadedChunk>, Problem> {
    let of = whose(&caller, &query)?;
    let id = id_of(&id)?;
    let chunk = n.parse().ok().filter(|chunk: &u32| chunk.to_string() == n);
    let chunk = chunk.ok_or_else(|| Problem::not_found("there is no such chunk"))?;
    let digest = digest::content_digest(&headers).map_err(|why| {
        Problem::bad_request(format!("`Content-Digest` {why}"))
            .hint("write it as `sha-256=:BASE64:`, or leave it out")
    })?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse().ok());
    let head = ChunkHead { chunk, length, digest };
    let stream = body.into_data_stream().into_stream();
    let handle = app.handle()?;
    let done = handle.receive_chunk(id, of.as_ref(), head, stream).await?;
    Ok(Json(UploadedChunk {
        upload_id: id.to_string(),
        chunk: done.chunk,
        chunks_done: done.received,
        chunks_total: done.of,
    }))
}

#[utoipa::path(
    get,
    path = "/archives/upload/{id}",
    tag = "uploads",
    operation_id = "uploads_show",
    summary = "How far an upload is.",
    params(("id" = String, Path, description = "The upload's number"), PeerQuery),
    responses(
        (status = 200, description = "The upload", body = UploadState),
        (status = 404, description = "No such upload", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<PeerQuery>,
) -> Result<Json<UploadState>, Problem> {
    let of = whose(&caller, &query)?;
    let standing = app.handle()?.upload(id_of(&id)?, of.as_ref())?;
    Ok(Json(UploadState::new(standing, &app.view().desired.instance.timezone)))
}

#[utoipa::path(
    delete,
    path = "/archives/upload/{id}",
    tag = "uploads",
    operation_id = "uploads_abandon",
    summary = "Abandons an upload: nothing is left of it.",
    params(("id" = String, Path, description = "The upload's number"), PeerQuery),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such upload", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is finished, or being finished", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The state cannot be written now", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn abandon(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<PeerQuery>,
) -> Result<StatusCode, Problem> {
    let of = whose(&caller, &query)?;
    app.handle()?.abandon_upload(id_of(&id)?, of.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post,
    path = "/archives/upload/{id}/finish",
    tag = "uploads",
    operation_id = "uploads_finish",
    summary = "Compares the hash of the whole file and publishes the archive.",
    description = "Asked again, it answers the same for 48 hours.",
    params(("id" = String, Path, description = "The upload's number"), PeerQuery),
    responses(
        (status = 200, description = "It is an archive", body = UploadFinished),
        (status = 404, description = "No such upload", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Chunks are missing, or the name was taken meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The hash is another one: the upload is dropped, and nothing is visible", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The place cannot be used now: it can be finished later", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full: it can be finished later", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn finish(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<PeerQuery>,
) -> Result<Json<UploadFinished>, Problem> {
    let of = whose(&caller, &query)?;
    let id = id_of(&id)?;
    let archive = app.handle()?.finish_upload(id, of.as_ref()).await?;
    let zone = &app.view().desired.instance.timezone;
    Ok(Json(UploadFinished {
        upload_id: id.to_string(),
        archive: archive.name.to_string(),
        id: archive.id.to_string(),
        location: archive.location.to_string(),
        size: archive.file_size,
        sha256: archive.file_sha256.map(|hash| hash.to_string()).unwrap_or_default(),
        received_at: archive.received_at.map(|at| dto::Moment::new(at, zone)),
    }))
}

#[utoipa::path(
    post,
    path = "/archives/upload/{id}/landing",
    tag = "uploads",
    operation_id = "uploads_landing",
    summary = "Makes the place where rsync may put the whole file of an upload.",
    description = "For `larder receive` on this host. What lands there takes the place of the chunks when the upload is finished.",
    params(("id" = String, Path, description = "The upload's number"), PeerQuery),
    responses(
        (status = 200, description = "The place", body = UploadLanding),
        (status = 404, description = "No such upload", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is finished", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The place cannot be used now", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn landing(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<PeerQuery>,
) -> Result<Json<UploadLanding>, Problem> {
    let of = whose(&caller, &query)?;
    let landing = app.handle()?.open_landing(id_of(&id)?, of.as_ref()).await?;
    Ok(Json(UploadLanding {
        upload_id: landing.upload.to_string(),
        directory: landing.directory.display().to_string(),
        size: landing.size,
    }))
}
