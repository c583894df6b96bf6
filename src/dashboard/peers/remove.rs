//! Removing a peer: first what that comes to, then the button, or the lines to take out.

use axum::extract::Query;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::block;
use crate::api::dto::{Peer, PeerRemoval};
use crate::api::problem::Problem;
use crate::dashboard::act::Act;
use crate::dashboard::ask::encoded;
use crate::dashboard::entry::Visitor;
use crate::dashboard::frame::{self, Page, Tab};
use crate::dashboard::parts::{order, told_lines};

#[derive(Debug, Deserialize)]
pub(in crate::dashboard) struct Which {
    name: String,
}

pub(in crate::dashboard) async fn page(visitor: Visitor, Query(which): Query<Which>) -> Response {
    frame::answer(&visitor, content(&visitor, &which.name).await)
}

async fn content(visitor: &Visitor, name: &str) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let path = format!("/peers/{}", encoded(name));
    let peer: Peer = ask.get(&path).await?;
    let removal = ask.order(Method::DELETE, &format!("{path}?dry_run=true"), None).await?;
    let removal: PeerRemoval =
        serde_json::from_value(removal).map_err(|error| Problem::bad_request(error.to_string()))?;
    let title = format!("{} – {}", words.remove_peer, peer.name);
    let content = html! {
        p { (words.remove_means) }
        @if !removal.needed_by.is_empty() {
            div.box.bad role="alert" {
                p { strong { (words.peer_needed) } }
                (told_lines(words, &removal.needed_by))
            }
        } @else if removal.writes {
            (button(visitor, &peer, &removal))
        } @else {
            (lines(visitor, &peer, &removal))
        }
        p { a href="peers" { (words.to_peers) } }
    };
    Ok(Page::new(Tab::Peers, title, content))
}

fn button(visitor: &Visitor, peer: &Peer, removal: &PeerRemoval) -> Markup {
    let words = visitor.words;
    html! {
        p { (words.removes_files) }
        ul {
            li { code { (removal.file) } }
            @if let Some(secret) = &removal.secret_file { li { code { (secret) } } }
        }
        (order(visitor, Act::RemovePeer, &[("peer", &peer.name)], &html! {
            label { input type="checkbox" name="sure" value="yes" required; " " (words.remove_sure) }
            p { button.danger { (words.remove_peer) } }
        }))
    }
}

fn lines(visitor: &Visitor, peer: &Peer, removal: &PeerRemoval) -> Markup {
    let words = visitor.words;
    html! {
        div.box.warn role="status" {
            p {
                @if removal.whole_file { (words.remove_file) } @else { (words.remove_lines) }
                " " strong { code {
                    (removal.file)
                    @if !removal.whole_file && let Some(lines) = &removal.lines { ":" (lines) }
                } }
            }
            @if removal.lines.is_none() && !removal.whole_file {
                p { code { "[peer." (peer.name) "]" } }
            }
            @if !removal.toml.is_empty() { (block(&removal.file, &removal.toml)) }
            @if let Some(secret) = &removal.secret_file {
                p { (words.remove_secret) " " code { (secret) } }
            }
        }
    }
}
