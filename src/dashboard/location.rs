//! One location: its room and what is foreseen of it, who writes there, its newest archives.

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::archives;
use super::ask::{encoded, with_query};
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{bytes, job_link, tag, told};
use super::plots;
use super::words::Words;
use crate::api::dto::{Entry, Job, Location, Space};
use crate::api::problem::Problem;

/// How many of its newest archives are shown.
const ARCHIVES: &str = "20";

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    name: String,
}

pub(super) async fn page(visitor: Visitor, Query(which): Query<Which>) -> Response {
    frame::answer(&visitor, content(&visitor, &which.name).await)
}

async fn content(visitor: &Visitor, name: &str) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    // Asked first: it says what is meant where there is no such location.
    let space: Space = ask.get(&format!("/locations/{}/space", encoded(name))).await?;
    let (locations, _) = ask.list::<Location>("/locations").await?;
    let location = locations.iter().find(|location| location.name == name);
    let (jobs, _) = ask.list::<Job>("/jobs?limit=1000").await?;
    let is_writer = |job: &&Job| job.location == name || job.send_to.iter().any(|to| to == name);
    let writers: Vec<&Job> = jobs.iter().filter(is_writer).collect();
    let newest = [("location", name), ("limit", ARCHIVES)];
    let (newest, more) = ask.list::<Entry>(&with_query("/archives", &newest)).await?;
    let content = html! {
        div #state data-live {
            @if let Some(location) = location { (state(words, location)) }
        }
        h2 { (words.space) }
        div #space data-live { (plots::room(words, &space)) }
        h2 { (words.written_by) }
        @if writers.is_empty() { p.faint { (words.nothing) } } @else {
            ul { @for job in writers { li { (job_link(&job.name)) } } }
        }
        h2 { (words.archives) }
        div #archives data-live { (archives::list(visitor, &newest, &[])) }
        @if more.is_some() {
            p { a href=(with_query("archives", &[("location", name)])) { (words.all_archives) } }
        }
    };
    Ok(Page::new(Tab::Overview, name, content))
}

fn state(words: &Words, location: &Location) -> Markup {
    html! {
        @if let Some(forecast) = &location.forecast {
            @let soon = forecast.full_in_days.is_some_and(|days| days <= SOON);
            div class=(if soon { "box warn" } else { "box" }) {
                p { strong { (plots::foretold(words, forecast)) } }
            }
        }
        dl {
            dt { (words.state) }
            dd {
                (tag(words, &location.state))
                @if let Some(reason) = &location.reason { " " (told(words, reason)) }
            }
            dt { (words.folder) } dd { code { (location.path) } }
            dt { (words.archives) }
            dd { (location.archives) " · " (bytes(words, location.size)) }
            @if location.trashed > 0 { dt { (words.term("trashed")) } dd { (location.trashed) } }
            @if location.foreign > 0 {
                dt { (words.term("foreign")) }
                dd { a href="archives?condition=foreign" { (location.foreign) } }
            }
            dt { (words.free) } dd { (free(words, location)) }
            dt { (words.stays_free) } dd { (bytes(words, location.min_free)) }
            dt { (words.written_in) } dd { code { (location.place) } }
        }
    }
}

/// A location that is full so soon needs somebody.
pub(super) const SOON: u32 = 30;

/// How much is free, of how much.
pub(super) fn free(words: &Words, location: &Location) -> Markup {
    html! {
        @if let (Some(free), Some(total)) = (location.free, location.total) {
            (bytes(words, free)) " / " (bytes(words, total))
            @let used = total.saturating_sub(free);
            div { meter aria-label=(format!("{} {}", words.used, location.name))
                min="0" value=(used) max=(total) high=(total / 10 * 9) optimum="0" {} }
        } @else { "–" }
    }
}

/// The page of a location.
pub(super) fn link(name: &str) -> Markup {
    html! { a href=(with_query("location", &[("name", name)])) { (name) } }
}
