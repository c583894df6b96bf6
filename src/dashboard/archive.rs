//! One copy of an archive: what is known of it, and what can be asked for.

use axum::extract::Query;
use axum::http::HeaderMap;
use axum::http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::act::Act;
use super::archives::{job_of, states};
use super::ask::{encoded, with_query};
use super::calendar;
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{
    archive_link, bytes, confirmed, maybe_time, order, table, tag, time, told, told_lines,
};
use super::words::Words;
use crate::api::dto::{Archive, Location, Peer};
use crate::api::problem::Problem;

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    pub(super) id: String,
    #[serde(default)]
    pub(super) location: String,
    /// The peer whose archive it is, where somebody said so.
    #[serde(default)]
    pub(super) from: String,
}

impl Which {
    /// The path of something about it in the API.
    pub(super) fn path(&self, what: &str) -> String {
        let path = format!("/archives/{}{what}", encoded(&self.id));
        with_query(&path, &[("location", &self.location), ("from", &self.from)])
    }
}

pub(super) async fn page(visitor: Visitor, Query(which): Query<Which>) -> Response {
    frame::answer(&visitor, content(&visitor, &which).await)
}

/// The file itself.
pub(super) async fn download(
    visitor: Visitor,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Response {
    let names = [RANGE, IF_RANGE, IF_NONE_MATCH];
    let handed = names.into_iter().filter_map(|name| {
        let value = headers.get(&name)?.clone();
        Some((name, value))
    });
    match visitor.ask().hand_on(&which.path("/download"), handed.collect()).await {
        Ok(file) => file,
        Err(why) => frame::problem(&visitor, &why),
    }
}

async fn content(visitor: &Visitor, which: &Which) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let archive: Archive = ask.get(&which.path("/why")).await?;
    let query = [("job", archive.job.as_str()), ("search", &archive.name), ("limit", "50")];
    let (copies, _) = ask.list::<Archive>(&with_query("/archives", &query)).await?;
    let copies: Vec<Archive> = copies.into_iter().filter(|copy| copy.id == archive.id).collect();
    let (locations, _) = ask.list::<Location>("/locations").await?;
    let (peers, _) = ask.list::<Peer>("/peers").await?;
    let mut places: Vec<String> = locations.into_iter().map(|location| location.name).collect();
    places.extend(peers.into_iter().map(|peer| peer.name));
    places.retain(|place| copies.iter().all(|copy| copy.location != *place));
    let title = archive.name.clone();
    let content = html! {
        div #archive data-live {
            p { (states(words, &archive)) }
            (told_lines(words, &archive.reasons))
            @if let Some(refuted) = &archive.refuted { div.box.bad { p { (told(words, refuted)) } } }
            (facts(words, &archive))
        }
        h2 { (words.actions) }
        (actions(visitor, &archive, &places))
        h2 { (words.copies) }
        (table(words.copies, &html! {
            thead { tr {
                th scope="col" { (words.location) }
                th scope="col" { (words.state) }
                th scope="col" { (words.verified) }
                th.optional scope="col" { (words.size) }
            } }
            tbody { @for copy in &copies { tr {
                th scope="row" { (archive_link(&copy.id, &copy.location, &copy.location)) }
                td { (states(words, copy)) }
                td { (maybe_time(copy.verified_at.as_ref())) }
                td.number.optional { (bytes(words, copy.file_size)) }
            } } }
        }))
    };
    Ok(Page::new(Tab::Archives, title, content))
}

fn facts(words: &Words, archive: &Archive) -> Markup {
    let counts = &archive.counts;
    html! {
        dl {
            dt { (words.job) }
            dd { (job_of(archive)) " (" (words.term(&archive.job_type)) ")" }
            dt { (words.origin) }
            dd { (archive.maker()) @if let Some(from) = &archive.from { " ← " (from) } }
            dt { (words.location) } dd { (archive.location) " · " code { (archive.file_name) } }
            dt { (words.made) } dd { (time(&archive.created_at)) " · " (words.term(&archive.how)) }
            dt { (words.kept_by) } dd { (calendar::why(words, archive)) }
            dt { (words.leaves_on) } dd { (calendar::leaves(words, archive)) }
            @if let Some(until) = &archive.trashed_until {
                dt { (words.in_trash_until) } dd { (time(until)) }
            }
            dt { (words.verified) } dd { (maybe_time(archive.verified_at.as_ref())) }
            dt { (words.size) }
            dd { (bytes(words, archive.file_size)) " (" (words.content) " "
                 (bytes(words, archive.content_size)) ", " (archive.codec) ")" }
            dt { (words.members) }
            dd {
                (counts.files) " " (words.files) ", " (counts.directories) " " (words.directories)
                @if counts.others > 0 { ", " (counts.others) " " (words.others) }
                @if counts.unreadable > 0 { ", " (tag(words, "error")) " "
                    (counts.unreadable) " " (words.unreadable) }
                @if counts.changed > 0 { ", " (counts.changed) " " (words.changed) }
                @if counts.vanished > 0 { ", " (counts.vanished) " " (words.vanished) }
            }
            dt { (words.encrypted) }
            dd { @if archive.encrypted { (archive.recipients.join(", ")) } @else { (words.no) } }
            @if let Some(hash) = &archive.sha256 { dt { "SHA-256" } dd { code { (hash) } } }
            @if let Some(commit) = &archive.config_commit {
                dt { (words.config_commit) } dd { code { (commit) } }
            }
        }
    }
}

fn actions(visitor: &Visitor, archive: &Archive, places: &[String]) -> Markup {
    let words = visitor.words;
    let this = [("id", archive.id.as_str()), ("location", archive.location.as_str())];
    let is_there = archive.condition == "present";
    html! {
        div.actions {
            @if archive.condition == "trashed" {
                (order(visitor, Act::Undelete, &this, &html! { button.main { (words.undelete) } }))
            } @else {
                (order(visitor, Act::Verify, &this, &html! { button { (words.verify) } }))
                @if archive.pinned {
                    (order(visitor, Act::Unpin, &this, &html! { button { (words.unpin) } }))
                } @else {
                    (order(visitor, Act::Pin, &this, &html! { button { (words.pin) } }))
                }
            }
            @if archive.condition != "lost" && archive.condition != "unavailable" {
                a.button href=(with_query("contents", &this)) { (words.contents) }
            }
            @if is_there {
                a.button href=(with_query("restore", &this)) { (words.restore) "…" }
                a.button href=(with_query("download", &this)) download { (words.download) }
            }
        }
        @if is_there && !places.is_empty() {
            details {
                summary { (words.send) "…" }
                (order(visitor, Act::Send, &this, &html! {
                    label { (words.send_to) " "
                        select name="to" { @for place in places { option { (place) } } }
                    }
                    p { button { (words.send) } }
                }))
            }
        }
        @if archive.condition != "trashed" {
            (confirmed(visitor, Act::Delete, &this, words.delete, words.delete_sure))
        }
    }
}
