//! `/peers`: other instances, and hosts that hold copies.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::problem::Problem;
use super::resolve::nearest;
use super::{App, Page, dto};
use crate::config;
use crate::engine::View;
use crate::model::peer::Peer;

mod draft;
pub(super) mod edit;

/// Which peers are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only the one that this host name means
    #[param(required = false)]
    host: Option<String>,
}

/// A peer sees itself, and not with whom else this instance exchanges archives.
fn may_see(caller: &Caller, peer: &Peer) -> bool {
    caller.peer().is_none_or(|asking| *asking == peer.name)
}

#[utoipa::path(
    get,
    path = "/peers",
    tag = "peers",
    operation_id = "peers_list",
    summary = "Every peer.",
    params(ListQuery),
    responses(
        (status = 200, description = "The peers", body = Vec<dto::Peer>),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Page<dto::Peer> {
    let view = app.view();
    let meant = query.host.as_deref().map(|host| view.desired.peer_of_host(host));
    let is_meant = |peer: &&Peer| meant.is_none_or(|meant| meant.is_some_and(|one| one == *peer));
    let peers = view.desired.peers.values().filter(is_meant);
    let peers = peers.filter(|peer| may_see(&caller, peer));
    let shares = dto::Shares::of(&view);
    Page { items: peers.map(|peer| shown(&view, &caller, peer, &shares)).collect(), next: None }
}

#[utoipa::path(
    get,
    path = "/peers/{name}",
    tag = "peers",
    operation_id = "peers_show",
    summary = "One peer.",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The peer", body = dto::Peer),
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<dto::Peer>, Problem> {
    let view = app.view();
    one(&view, &caller, &name)
}

#[utoipa::path(
    post,
    path = "/peers/{name}/check",
    tag = "peers",
    operation_id = "peers_check",
    summary = "Asks a peer now.",
    description = "The answer is what is known then. That it does not answer is no error: its `status` says so.",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "What is known of it now", body = dto::Peer),
        (status = 409, description = "It comes to us, and is not asked", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn check(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<dto::Peer>, Problem> {
    let place = find(&app.view(), &caller, &name)?.name.clone();
    // It would have us ask somebody, as often as it likes.
    if caller.peer().is_some() {
        return Err(unknown(&app.view(), &caller, &name));
    }
    app.handle()?.check_peer(&place).await?;
    one(&app.view(), &caller, &name)
}

/// Which kinds of peer this host can have, as it is.
#[utoipa::path(
    get,
    path = "/peer-kinds",
    tag = "peers",
    operation_id = "peer_kinds",
    summary = "Which kinds of peer this host can have, and why it cannot have the others.",
    responses(
        (status = 200, description = "Every kind", body = dto::PeerKinds),
    )
)]
pub(super) async fn kinds(State(app): State<App>) -> Result<Json<dto::PeerKinds>, Problem> {
    let desired = app.desired();
    let edits = desired.instance.page_edits_peers;
    let kinds = edit::blocking(move || config::peer_kinds(&desired)).await?;
    let shown = |here: config::KindHere| {
        let (why, hint) = here.lacks.map(|(why, hint)| (why, hint.to_owned())).unzip();
        dto::PeerKindHere { kind: here.kind.to_owned(), available: why.is_none(), why, hint }
    };
    Ok(Json(dto::PeerKinds { edits, kinds: kinds.into_iter().map(shown).collect() }))
}

fn one(view: &View, caller: &Caller, name: &str) -> Result<Json<dto::Peer>, Problem> {
    let peer = find(view, caller, name)?;
    Ok(Json(shown(view, caller, peer, &dto::Shares::of(view))))
}

/// The peer of a name, as far as the caller sees it.
pub(super) fn find<'a>(view: &'a View, caller: &Caller, name: &str) -> Result<&'a Peer, Problem> {
    let mut visible = view.desired.peers.values().filter(|peer| may_see(caller, peer));
    let found = visible.find(|peer| peer.name.as_str() == name);
    found.ok_or_else(|| unknown(view, caller, name))
}

pub(super) fn unknown(view: &View, caller: &Caller, name: &str) -> Problem {
    let visible = view.desired.peers.values().filter(|peer| may_see(caller, peer));
    let problem = Problem::not_found(format!("there is no peer `{name}`"));
    match nearest(name, visible.map(|peer| peer.name.as_str())).first() {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("define `[peer.NAME]` in a file of the configuration"),
    }
}

/// Where this host keeps its secrets is no concern of somebody else.
fn shown(view: &View, caller: &Caller, peer: &Peer, shares: &dto::Shares) -> dto::Peer {
    let dto = dto::Peer::new(view, peer, shares);
    if caller.peer().is_some() { dto.published() } else { dto }
}
