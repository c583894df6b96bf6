//! What is in an archive: one directory at a time, or what is found, with the way to bring it back.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::archive::Which;
use super::ask::{and_query, with_query};
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{archive_link, bytes, maybe_time, table, told};
use super::words::Words;
use crate::api::dto::{Archive, ContentsEntry, readable};
use crate::api::problem::Problem;
use crate::model::hex;

/// How many entries stand on a page.
const LIMIT: &str = "200";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Look {
    id: String,
    location: String,
    from: String,
    path: String,
    path_hex: String,
    search: String,
    identity: String,
    cursor: String,
}

impl Look {
    fn which(&self) -> Which {
        Which { id: self.id.clone(), location: self.location.clone(), from: self.from.clone() }
    }

    /// Another place in the same archive.
    fn at(&self, path: &str, path_hex: &str) -> String {
        with_query(
            "contents",
            &[
                ("id", &self.id),
                ("location", &self.location),
                ("from", &self.from),
                ("identity", &self.identity),
                ("path", path),
                ("path_hex", path_hex),
            ],
        )
    }

    /// The way to bring something of it back.
    fn restore(&self, path: &str) -> String {
        with_query(
            "restore",
            &[
                ("id", &self.id),
                ("location", &self.location),
                ("from", &self.from),
                ("identity", &self.identity),
                ("path", path),
            ],
        )
    }
}

pub(super) async fn page(visitor: Visitor, Query(look): Query<Look>) -> Response {
    let ask = visitor.ask();
    let archive = match ask.get::<Archive>(&look.which().path("/info")).await {
        Ok(archive) => archive,
        Err(why) => return frame::problem(&visitor, &why),
    };
    let query = [
        ("path", look.path.as_str()),
        ("path_hex", &look.path_hex),
        ("search", look.search.trim()),
        ("identity", &look.identity),
        ("limit", LIMIT),
        ("cursor", &look.cursor),
    ];
    let asked = and_query(&look.which().path("/contents"), &query);
    let found = ask.list::<ContentsEntry>(&asked).await;
    let status = match &found {
        Ok(_) => StatusCode::OK,
        Err(why) => StatusCode::from_u16(why.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let mut response = frame::answer(&visitor, Ok(content(visitor.words, &look, &archive, found)));
    *response.status_mut() = status;
    response
}

fn content(
    words: &Words,
    look: &Look,
    archive: &Archive,
    found: Result<(Vec<ContentsEntry>, Option<String>), Problem>,
) -> Page {
    let is_search = !look.search.trim().is_empty();
    let page = html! {
        p { (archive_link(&archive.id, &archive.location, &archive.name)) " · " (archive.location) }
        (way(words, look))
        (search(words, look))
        @match found {
            Err(why) => { (refused(words, look, archive, &why)) }
            Ok((entries, next)) => {
                (list(words, look, &entries, is_search))
                (pages(words, look, next.as_deref()))
            }
        }
    };
    Page::new(Tab::Archives, words.contents, page)
}

/// The rest of a long list.
fn pages(words: &Words, look: &Look, next: Option<&str>) -> Markup {
    let this = and_query(&look.at(&look.path, &look.path_hex), &[("search", look.search.trim())]);
    let cursor =
        next.and_then(|next| next.split('&').find_map(|pair| pair.strip_prefix("cursor=")));
    html! {
        @if !look.cursor.is_empty() || cursor.is_some() {
            p.actions {
                @if !look.cursor.is_empty() { a.button href=(this) { (words.from_the_start) } }
                @if let Some(cursor) = cursor {
                    a.button.next href=(and_query(&this, &[("cursor", cursor)])) { (words.go_on) }
                }
            }
        }
    }
}

/// The names that lead to a directory, each with the way to it.
fn way(words: &Words, look: &Look) -> Markup {
    let name = match hex::decode(&look.path_hex).filter(|name| !name.is_empty()) {
        Some(name) => name,
        None if look.path.starts_with('/') && look.path.len() > 1 => {
            [b"data/custom", look.path.as_bytes()].concat()
        }
        None => look.path.clone().into_bytes(),
    };
    let mut above = Vec::new();
    let mut steps: Vec<(String, String)> = Vec::new();
    for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if !above.is_empty() {
            above.push(b'/');
        }
        above.extend_from_slice(part);
        let to = match std::str::from_utf8(&above) {
            Ok(path) => look.at(path, ""),
            Err(_) => look.at("", &hex::encode(&above)),
        };
        steps.push((readable(part), to));
    }
    let last = steps.pop();
    html! {
        nav.way aria-label=(words.member_path) { ol {
            li {
                @if last.is_none() { span aria-current="page" { (words.all_of_it) } }
                @else { a href=(look.at("", "")) { (words.all_of_it) } }
            }
            @for (name, to) in &steps { li { a href=(to) { (name) } } }
            @if let Some((name, _)) = &last { li { span aria-current="page" { (name) } } }
        } }
    }
}

fn search(words: &Words, look: &Look) -> Markup {
    let kept = [
        ("id", &look.id),
        ("location", &look.location),
        ("from", &look.from),
        ("identity", &look.identity),
        ("path", &look.path),
        ("path_hex", &look.path_hex),
    ];
    html! {
        form.filter method="get" action="contents" role="search" {
            @for (name, value) in kept {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
            label { span { (words.search_below) }
                input type="search" name="search" value=(look.search) maxlength="200"; }
            button.main { (words.search_button) }
            @if !look.search.is_empty() {
                a.button href=(look.at(&look.path, &look.path_hex)) { (words.reset) }
            }
        }
    }
}

/// Why nothing is listed; where an identity is missing, the way to name one.
fn refused(words: &Words, look: &Look, archive: &Archive, why: &Problem) -> Markup {
    html! {
        div.box.bad role="alert" {
            p { (told(words, &why.detail)) }
            @if let Some(hint) = &why.hint { p { (told(words, hint)) } }
        }
        @if archive.encrypted && why.status == 409 {
            form.filter method="get" action="contents" {
                input type="hidden" name="id" value=(look.id);
                input type="hidden" name="location" value=(look.location);
                @if !look.from.is_empty() { input type="hidden" name="from" value=(look.from); }
                label { span { (words.identity_file) }
                    input type="text" name="identity" value=(look.identity) maxlength="4096"
                        placeholder="/root/larder.key" size="30"; }
                button.main { (words.open_with_it) }
            }
        }
    }
}

fn list(words: &Words, look: &Look, entries: &[ContentsEntry], is_search: bool) -> Markup {
    html! {
        @if entries.is_empty() {
            p.faint { @if is_search { (words.nothing_found) } @else { (words.empty_directory) } }
        } @else {
            (table(words.contents, &html! {
                thead { tr {
                    th scope="col" { (words.member_name) }
                    th scope="col" { (words.kind) }
                    th scope="col" { (words.size) }
                    th.optional scope="col" { (words.member_modified) }
                    th.optional scope="col" { (words.member_mode) }
                    th.optional scope="col" { (words.member_owner) }
                    th scope="col" { (words.action) }
                } }
                tbody #members { @for entry in entries { (row(words, look, entry)) } }
            }))
        }
    }
}

fn row(words: &Words, look: &Look, entry: &ContentsEntry) -> Markup {
    let is_directory = entry.kind == "directory" || entry.members.is_some_and(|count| count > 0);
    // The way leads past directories that hold one other only.
    let way = entry.leads_to.as_ref().filter(|_| entry.path_hex.is_none());
    let skipped = way.and_then(|way| way.strip_prefix(&entry.path)).unwrap_or_default();
    let to = match (&entry.path_hex, way) {
        (Some(hex), _) => look.at("", hex),
        (None, Some(way)) => look.at(way, ""),
        (None, None) => look.at(&entry.path, ""),
    };
    // Lines of the form cannot hold what is no line.
    let plain =
        |path: &&String| !path.chars().any(char::is_control) && path.trim() == path.as_str();
    let back = entry.restore_path.as_ref().filter(plain);
    html! { tr {
        th.name scope="row" {
            @if is_directory {
                a href=(to) { (entry.name) (readable(skipped.as_bytes())) "/" }
            } @else { (entry.name) }
            @if let Some(link) = &entry.link { span.faint { " → " (link) } }
        }
        td {
            (words.term(&entry.kind))
            @if let Some(members) = entry.members {
                div.faint { (members) " " (words.members) }
            }
        }
        td.number { @if let Some(size) = entry.size { (bytes(words, size)) } @else { "–" } }
        td.optional { (maybe_time(entry.modified_at.as_ref())) }
        td.optional { @if let Some(mode) = &entry.mode { code { (mode) } } @else { "–" } }
        td.optional {
            @if let (Some(owner), Some(group)) = (&entry.owner, &entry.group) {
                (readable(owner.as_bytes())) ":" (readable(group.as_bytes()))
            } @else { "–" }
        }
        td {
            @if let Some(path) = back {
                a href=(look.restore(path)) aria-label=(format!("{} {}", words.restore, entry.name)) {
                    (words.restore) "…"
                }
            } @else { "–" }
        }
    } }
}
