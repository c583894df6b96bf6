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

/// How long the next page waits for a view that shows what was done.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn act(State(site): State<Site>, order: Order) -> Response {
    match done(&site, &order).await {
        Ok(page) => to(&page),
        Err(problem) => frame::problem(&order.visitor, &problem),
    }
}

/// Does it; the page that shows it.
async fn done(site: &Site, order: &Order) -> Result<String, Problem> {
    let what = order.field("do");
    match what {
        "run" | "drill" => {
            let job = order.field("job");
            let answer = post(order, &format!("/jobs/{}/{what}", encoded(job)), None).await?;
            // Of a job with many series, the list of them says more than the first.
            let is_one = answer["run_ids"].as_array().is_none_or(|runs| runs.len() == 1);
            Ok(if is_one { run_page(&answer) } else { with_query("runs", &[("job", job)]) })
        }
        "cancel" => {
            let run = encoded(order.field("run"));
            post(order, &format!("/runs/{run}/cancel"), None).await?;
            Ok(format!("run?id={run}"))
        }
        "undo" => {
            sure(order)?;
            let run = encoded(order.field("run"));
            Ok(run_page(&post(order, &format!("/runs/{run}/undo"), None).await?))
        }
        "verify" => Ok(run_page(&post(order, &archive(order, "/verify"), None).await?)),
        "send" => {
            let body = json!({ "peer": order.field("to") });
            Ok(run_page(&post(order, &archive(order, "/transfer"), Some(body)).await?))
        }
        "adopt" => {
            let body = json!({
                "location": order.field("location"),
                "file_name": order.field("file"),
                "job": order.field("job"),
            });
            Ok(run_page(&post(order, "/archives/adopt", Some(body)).await?))
        }
        "pin" | "unpin" | "undelete" => {
            let mut events = site.handle.subscribe();
            post(order, &archive(order, &format!("/{what}")), None).await?;
            let shown = async {
                while !is_shown(order, what).await {
                    // Whatever happens next, or is lost, may be the view that shows it.
                    let _ = events.recv().await;
                }
            };
            let _ = tokio::time::timeout(SHOWN_WITHIN, shown).await;
            let this = [("id", order.field("id")), ("location", order.field("location"))];
            Ok(with_query("archive", &this))
        }
        "delete" => {
            sure(order)?;
            let ask = order.visitor.ask();
            Ok(run_page(&ask.order(Method::DELETE, &archive(order, ""), None).await?))
        }
        "approve" => {
            sure(order)?;
            let body = json!({ "hash": order.field("hash") });
            post(order, "/plan/approve", Some(body)).await?;
            Ok("plan".to_owned())
        }
        "check-peer" => {
            let peer = order.field("peer");
            post(order, &format!("/peers/{}/check", encoded(peer)), None).await?;
            Ok(format!("{}#peer-{peer}", with_query("peers", &[("checked", peer)])))
        }
        "remove-peer" => {
            sure(order)?;
            let peer = order.field("peer");
            let path = format!("/peers/{}", encoded(peer));
            order.visitor.ask().order(Method::DELETE, &path, None).await?;
            Ok(with_query("peers", &[("removed", peer)]))
        }
        "forget-invitation" => {
            let path = format!("/invitations/{}", encoded(order.field("peer")));
            order.visitor.ask().order(Method::DELETE, &path, None).await?;
            Ok("peers#invitations".to_owned())
        }
        "end-recovery" => {
            sure(order)?;
            post(order, "/recovery/done", None).await?;
            Ok("plan".to_owned())
        }
        "reload" => {
            post(order, "/config/reload", None).await?;
            Ok("configuration".to_owned())
        }
        other => Err(Problem::bad_request(format!("nobody knows what `{other}` is"))),
    }
}

async fn post(order: &Order, path: &str, body: Option<Value>) -> Result<Value, Problem> {
    order.visitor.ask().order(Method::POST, path, body).await
}

/// Whether what was asked for can be seen: the page that follows is made of the newest view.
async fn is_shown(order: &Order, what: &str) -> bool {
    let found = order.visitor.ask().get::<Archive>(&archive(order, "/info")).await;
    found.is_ok_and(|archive| match what {
        "pin" => archive.pinned,
        "unpin" => !archive.pinned,
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

/// Whether the box was ticked that stands before what cannot be taken back.
fn sure(order: &Order) -> Result<(), Problem> {
    if order.field("sure") == "yes" {
        return Ok(());
    }
    Err(Problem::new(StatusCode::BAD_REQUEST, order.visitor.words.not_sure))
}
