//! `/network`: this instance, and what it last knew of each peer.

use std::collections::BTreeMap;

use axum::extract::State;

use super::access::Caller;
use super::problem::Problem;
use super::{App, Page, dto, jobs};
use crate::model::job::Job;

#[utoipa::path(
    get,
    path = "/network",
    tag = "network",
    operation_id = "network_list",
    summary = "This instance, and what it last knew of each peer.",
    responses(
        (status = 200, description = "This instance, then its peers", body = Vec<dto::Member>),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Page<dto::Member>, Problem> {
    let view = app.view();
    let all: Vec<&Job> = view.desired.jobs.values().collect();
    let last = jobs::last_runs(&app, &view, &all).await?;
    let last: BTreeMap<&str, &dto::Run> =
        last.iter().map(|(job, run)| (job.as_str(), run)).collect();
    let asking = caller.peer();
    let this = dto::Member::this(&view, asking, |job| last.get(job).map(|run| (*run).clone()));
    let mut items = vec![this];
    let peers = view.desired.peers.values();
    let peers = peers.filter(|peer| asking.is_none_or(|asking| *asking == peer.name));
    let shares = dto::Shares::of(&view);
    items.extend(peers.map(|peer| {
        let member = dto::Member::of_peer(&view, peer, &shares);
        if asking.is_some() { member.published() } else { member }
    }));
    Ok(Page { items, next: None })
}
