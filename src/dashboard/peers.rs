//! Peers: who they are, whether they are there, what each side holds.
//!
//! Adding, removing and inviting have pages of their own ([`add`], [`remove`], [`invite`]).

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::act::Act;
use super::ask::with_query;
use super::entry::Visitor;
use super::forms::Order;
use super::frame::{self, Page, Tab};
use super::parts::{maybe_time, order, table, tag, time, told};
use super::words::Words;
use crate::api::dto::{Invitation, Peer};
use crate::api::problem::Problem;
use crate::model::name::PlaceName;

pub(super) mod add;
mod card;
mod fields;
pub(super) mod invite;
pub(super) mod remove;

/// What was filled in, where something was.
#[derive(Clone, Copy)]
struct Filled<'a>(Option<&'a Order>);

impl<'a> Filled<'a> {
    fn get(self, field: &str) -> &'a str {
        self.0.map_or("", |order| order.field(field))
    }
}

/// What was done a moment ago.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    checked: String,
    added: String,
    removed: String,
}

pub(super) async fn page(visitor: Visitor, Query(done): Query<Done>) -> Response {
    frame::answer(&visitor, content(&visitor, &done).await)
}

async fn content(visitor: &Visitor, done: &Done) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let (mut peers, _) = ask.list::<Peer>("/peers").await?;
    let invitations: Vec<Invitation> = ask.get("/invitations").await?;
    // Where somebody should look, first.
    peers.sort_by_key(|peer| (!is_troubled(peer), peer.name.clone()));
    let content = html! {
        div.actions {
            a.button href="add-peer" { (words.add_peer) }
            a.button href="invite" { (words.invite_peer) }
        }
        (removed(words, done, &peers))
        div #peers data-live {
            @if peers.is_empty() { p { (words.no_peers) } }
            div.cards {
                @for peer in &peers {
                    (card::card(visitor, peer, news(words, done, peer).as_ref()))
                }
            }
        }
        div #invitations data-live { (open(visitor, &invitations)) }
    };
    Ok(Page::new(Tab::Peers, words.peers, content))
}

fn is_troubled(peer: &Peer) -> bool {
    matches!(peer.status.as_str(), "offline" | "error")
}

/// What came of what was asked for a moment ago.
fn news(words: &Words, done: &Done, peer: &Peer) -> Option<Markup> {
    if done.checked == peer.name {
        let at = peer.checked_at.as_ref();
        return Some(html! {
            (words.checked_now) @if let Some(at) = at { " (" (time(at)) ")" } ": "
            strong { (words.term(&peer.status)) }
        });
    }
    (done.added == peer.name).then(|| html! { (words.peer_added) " " code { (peer.place) } })
}

fn removed(words: &Words, done: &Done, peers: &[Peer]) -> Markup {
    // Only what can have been one.
    let name = done.removed.parse::<PlaceName>().ok();
    let gone = name.filter(|name| peers.iter().all(|peer| peer.name != name.as_str()));
    html! {
        @if let Some(name) = gone {
            div.box.good role="status" { p { (name) ": " (words.peer_removed) } }
        }
    }
}

/// Invitations that are open, and what came of others.
fn open(visitor: &Visitor, all: &[Invitation]) -> Markup {
    let words = visitor.words;
    html! {
        @if !all.is_empty() {
            h2 { (words.invitations) }
            (table(words.invitations, &html! {
                thead { tr {
                    th scope="col" { (words.peer) }
                    th scope="col" { (words.state) }
                    th scope="col" { (words.good_until) }
                    th scope="col" { (words.action) }
                } }
                tbody { @for one in all { tr {
                    th.name scope="row" { (one.name) }
                    td.text { (outcome(words, one)) }
                    td { @if one.accepted { "–" } @else { (time(&one.expires_at)) } }
                    td {
                        @let button = if one.accepted { words.seen } else { words.withdraw };
                        (order(visitor, Act::ForgetInvitation, &[("peer", &one.name)], &html! {
                            button aria-label=(format!("{button}: {}", one.name)) { (button) }
                        }))
                    }
                } } }
            }))
        }
    }
}

fn outcome(words: &Words, one: &Invitation) -> Markup {
    if !one.accepted {
        return html! {
            (tag(words, "open"))
            @if one.replace { " " (words.invite_replaces) }
        };
    }
    html! {
        (tag(words, "accepted")) " "
        strong { (one.instance.as_deref().unwrap_or_default()) } " · "
        (maybe_time(one.accepted_at.as_ref()))
        @if one.written {
            p { (words.invite_written) }
        } @else {
            @if let Some(problem) = &one.problem { p { (told(words, problem)) } }
            @if let Some(toml) = &one.toml {
                details {
                    summary { (words.to_commit) }
                    (block(&format!("peers/{}.toml", one.name), toml))
                    @if let Some(token) = &one.token {
                        p { (words.token_goes_to) }
                        (block(&format!("secrets/peer-{}", one.name), token))
                    }
                }
            }
        }
        @if one.replace {
            p { (words.invite_confirm) " " code { "larder peer confirm " (one.name) } }
        }
        @if !one.ssh_keys.is_empty() {
            details {
                summary { (words.its_ssh_keys) }
                @for key in &one.ssh_keys { pre.copy tabindex="0" { (key) } }
            }
        }
    }
}

/// A text to copy, under the name of the file that it is for. One click marks all of it.
fn block(file: &str, text: &str) -> Markup {
    html! {
        figure.copy {
            figcaption { code { (file) } }
            pre.copy tabindex="0" aria-label=(file) { (text) }
        }
    }
}

/// The page about one peer's removal.
fn removal_page(name: &str) -> String {
    with_query("remove-peer", &[("name", name)])
}
