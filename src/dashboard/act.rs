//! What buttons ask for. Each is a request to the API; the answer leads to the page that shows
//! what comes of it, so that loading a page again asks for nothing twice.

use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::ask::{encoded, with_query};
use super::entry::to;
use super::forms::Order;
use super::{Site, frame};
use crate::api::dto::Archive;
use crate::api::problem::Problem;
use crate::model::words::words;

/// How long the next page waits for a view that shows what was done.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn act(State(site): State<Site>, order: Order) -> Response {
    match done(&site, &order).await {
        Ok(page) => to(&page),
        Err(problem) => frame::problem(&order.visitor, &problem),
    }
}

words! {
    /// What a button asks for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Act {
        Run = "run",
        Drill = "drill",
        Cancel = "cancel",
        Undo = "undo",
        Verify = "verify",
        Send = "send",
        Adopt = "adopt",
        Pin = "pin",
        Unpin = "unpin",
        Undelete = "undelete",
        Delete = "delete",
        Approve = "approve",
        CheckPeer = "check-peer",
        RemovePeer = "remove-peer",
        ForgetInvitation = "forget-invitation",
        EndRecovery = "end-recovery",
        Reload = "reload",
    }
}

impl Act {
    /// Whether somebody ticks a box first: it cannot be taken back, or not simply.
    fn needs_certainty(self) -> bool {
        matches!(
            self,
            Self::Undo | Self::Delete | Self::Approve | Self::RemovePeer | Self::EndRecovery
        )
    }
}

/// Does it; the page that shows it.
async fn done(site: &Site, order: &Order) -> Result<String, Problem> {
    let word = order.field("do");
    let Some(act) = Act::from_word(word) else {
        let problem = Problem::bad_request(format!("this page has no button `{word}`"));
        return Err(problem.hint("it may come from an older version: load the page again"));
    };
    if act.needs_certainty() && order.field("sure") != "yes" {
        return Err(Problem::new(StatusCode::BAD_REQUEST, order.visitor.words.not_sure));
    }
    let (run, peer) = (encoded(order.field("run")), order.field("peer"));
    match act {
        Act::Run | Act::Drill => on_job(order, act).await,
        Act::Cancel => {
            post(order, &format!("/runs/{run}/cancel"), None).await?;
            Ok(format!("run?id={run}"))
        }
        Act::Undo => Ok(run_page(&post(order, &format!("/runs/{run}/undo"), None).await?)),
        Act::Verify => Ok(run_page(&post(order, &archive(order, "/verify"), None).await?)),
        Act::Send => {
            let body = json!({ "peer": order.field("to") });
            Ok(run_page(&post(order, &archive(order, "/transfer"), Some(body)).await?))
        }
        Act::Adopt => {
            let body = json!({
                "location": order.field("location"),
                "file_name": order.field("file"),
                "job": order.field("job"),
            });
            Ok(run_page(&post(order, "/archives/adopt", Some(body)).await?))
        }
        Act::Pin | Act::Unpin | Act::Undelete => on_copy(site, order, act).await,
        Act::Delete => Ok(run_page(&delete(order, &archive(order, "")).await?)),
        Act::Approve => {
            let body = json!({ "hash": order.field("hash") });
            post(order, "/plan/approve", Some(body)).await?;
            Ok("plan".to_owned())
        }
        Act::CheckPeer => {
            post(order, &format!("/peers/{}/check", encoded(peer)), None).await?;
            Ok(format!("{}#peer-{peer}", with_query("peers", &[("checked", peer)])))
        }
        Act::RemovePeer => {
            delete(order, &format!("/peers/{}", encoded(peer))).await?;
            Ok(with_query("peers", &[("removed", peer)]))
        }
        Act::ForgetInvitation => {
            delete(order, &format!("/invitations/{}", encoded(peer))).await?;
            Ok("peers#invitations".to_owned())
        }
        Act::EndRecovery => {
            post(order, "/recovery/done", None).await?;
            Ok("plan".to_owned())
        }
        Act::Reload => {
            post(order, "/config/reload", None).await?;
            Ok("configuration".to_owned())
        }
    }
}

async fn on_job(order: &Order, act: Act) -> Result<String, Problem> {
    let job = order.field("job");
    let answer = post(order, &format!("/jobs/{}/{}", encoded(job), act.word()), None).await?;
    // Of a job with many series, the list of them says more than the first.
    let is_one = answer["run_ids"].as_array().is_none_or(|runs| runs.len() == 1);
    Ok(if is_one { run_page(&answer) } else { with_query("runs", &[("job", job)]) })
}

/// Changes what is said of a copy, and waits until it can be seen.
async fn on_copy(site: &Site, order: &Order, act: Act) -> Result<String, Problem> {
    let mut events = site.handle.subscribe();
    post(order, &archive(order, &format!("/{}", act.word())), None).await?;
    let shown = async {
        while !is_shown(order, act).await {
            // Whatever happens next, or is lost, may be the view that shows it.
            let _ = events.recv().await;
        }
    };
    let _ = tokio::time::timeout(SHOWN_WITHIN, shown).await;
    let this = [("id", order.field("id")), ("location", order.field("location"))];
    Ok(with_query("archive", &this))
}

async fn delete(order: &Order, path: &str) -> Result<Value, Problem> {
    order.visitor.ask().order(Method::DELETE, path, None).await
}

async fn post(order: &Order, path: &str, body: Option<Value>) -> Result<Value, Problem> {
    order.visitor.ask().order(Method::POST, path, body).await
}

/// Whether what was asked for can be seen: the page that follows is made of the newest view.
async fn is_shown(order: &Order, act: Act) -> bool {
    let found = order.visitor.ask().get::<Archive>(&archive(order, "/info")).await;
    found.is_ok_and(|archive| match act {
        Act::Pin => archive.pinned,
        Act::Unpin => !archive.pinned,
        _ => archive.condition != "trashed",
    })
}

/// The path of the copy that a form is about.
fn archive(order: &Order, what: &str) -> String {
    let path = format!("/archives/{}{what}", encoded(order.field("id")));
    with_query(&path, &[("location", order.field("location"))])
}

pub(super) fn run_page(answer: &Value) -> String {
    answer["run_id"].as_u64().map_or_else(|| "runs".to_owned(), |run| format!("run?id={run}"))
}
