//! `/peers`: other instances, and hosts that hold copies.

use axum::Json;
use axum::extract::{Path, State};

use super::access::Caller;
use super::problem::Problem;
use super::resolve::nearest;
use super::{App, Page, dto};
use crate::model::peer::Peer;

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
    responses(
        (status = 200, description = "The peers", body = Vec<dto::Peer>),
    )
)]
pub(super) async fn list(State(app): State<App>, caller: Caller) -> Page<dto::Peer> {
    let view = app.view();
    let peers = view.desired.peers.values().filter(|peer| may_see(&caller, peer));
    Page { items: peers.map(|peer| shown(&caller, peer)).collect(), next: None }
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
    let visible = || view.desired.peers.values().filter(|peer| may_see(&caller, peer));
    if let Some(peer) = visible().find(|peer| peer.name.as_str() == name) {
        return Ok(Json(shown(&caller, peer)));
    }
    let problem = Problem::not_found(format!("there is no peer `{name}`"));
    Err(match nearest(&name, visible().map(|peer| peer.name.as_str())).first() {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("define `[peer.NAME]` in a file of the configuration"),
    })
}

/// Where this host keeps its secrets is no concern of somebody else.
fn shown(caller: &Caller, peer: &Peer) -> dto::Peer {
    let dto = dto::Peer::new(peer);
    if caller.peer().is_some() { dto.published() } else { dto }
}
