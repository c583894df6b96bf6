//! The catalogue: searched and narrowed by the API, a page at a time.

use axum::extract::{Query, RawQuery};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::act::Act;
use super::ask::with_query;
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{archive_link, bytes, choice, job_link, more, order, table, tag, time, told};
use super::words::Words;
use crate::api::dto::{Archive, CONDITIONS, Entry, Foreign, Job, Location};
use crate::api::problem::Problem;

/// How many archives stand on a page.
const LIMIT: &str = "50";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    search: String,
    job: String,
    location: String,
    origin: String,
    peer: String,
    held_by: String,
    condition: String,
    cursor: String,
}

pub(super) async fn page(
    visitor: Visitor,
    Query(filter): Query<Filter>,
    RawQuery(_): RawQuery,
) -> Response {
    frame::answer(&visitor, content(&visitor, &filter).await)
}

async fn content(visitor: &Visitor, filter: &Filter) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let narrow = [
        ("search", filter.search.trim()),
        ("job", &filter.job),
        ("location", &filter.location),
        ("origin", &filter.origin),
        ("peer", &filter.peer),
        ("held_by", &filter.held_by),
        ("condition", &filter.condition),
    ];
    let mut query = narrow.to_vec();
    query.extend([("limit", LIMIT), ("cursor", &filter.cursor)]);
    let (entries, next) = ask.list::<Entry>(&with_query("/archives", &query)).await?;
    let (jobs, _) = ask.list::<Job>("/jobs?limit=1000").await?;
    let (locations, _) = ask.list::<Location>("/locations").await?;
    let first_page = with_query("archives", &narrow);
    let content = html! {
        (filter_form(words, filter, &jobs, &locations))
        div #archives data-live { (list(visitor, &entries, &jobs)) }
        (more(words, &first_page, filter.cursor.is_empty(), next.as_deref()))
    };
    Ok(Page::new(Tab::Archives, words.archives, content))
}

fn filter_form(words: &Words, filter: &Filter, jobs: &[Job], locations: &[Location]) -> Markup {
    let mut of_jobs: Vec<_> = jobs.iter().map(|job| (job.name.clone(), job.name.clone())).collect();
    // One that is no longer in the configuration can still be narrowed to.
    if !filter.job.is_empty() && of_jobs.iter().all(|(name, _)| *name != filter.job) {
        of_jobs.push((filter.job.clone(), filter.job.clone()));
    }
    let places: Vec<_> = locations.iter().map(|one| (one.name.clone(), one.name.clone())).collect();
    let conditions = CONDITIONS.map(|word| (word.to_owned(), words.term(word).to_owned()));
    html! {
        form.filter method="get" action="archives" role="search" {
            label { span { (words.search) }
                input type="search" name="search" value=(filter.search) maxlength="200"; }
            (choice(words, ("job", words.job), &of_jobs, &filter.job))
            (choice(words, ("location", words.location), &places, &filter.location))
            (choice(words, ("condition", words.state), &conditions, &filter.condition))
            // Where a page of a peer led here.
            @for (key, label, peer) in [
                ("peer", words.of_peer, &filter.peer), ("held_by", words.held_by, &filter.held_by),
            ] {
                @if !peer.is_empty() {
                    (choice(words, (key, label), &[(peer.clone(), peer.clone())], peer))
                }
            }
            label { span { (words.origin) }
                input type="text" name="origin" value=(filter.origin) maxlength="64" size="10"; }
            button.main { (words.filter) }
            a.button href="archives" { (words.reset) }
        }
    }
}

/// Archives, newest first.
pub(super) fn list(visitor: &Visitor, entries: &[Entry], jobs: &[Job]) -> Markup {
    let words = visitor.words;
    html! {
        @if entries.is_empty() { p.faint { (words.no_archives) } } @else {
            (table(words.archives, &html! {
                thead { tr {
                    th scope="col" { (words.archive) }
                    th scope="col" { (words.state) }
                    th scope="col" { (words.job) }
                    th scope="col" { (words.location) }
                    th scope="col" { (words.made) }
                    th scope="col" { (words.size) }
                    th.optional scope="col" { (words.kept_by) }
                } }
                tbody { @for entry in entries {
                    @match entry {
                        Entry::Archive(archive) => (row(words, archive)),
                        Entry::Foreign(foreign) => (foreign_row(visitor, foreign, jobs)),
                    }
                } }
            }))
        }
    }
}

fn row(words: &Words, archive: &Archive) -> Markup {
    html! { tr {
        th.name scope="row" { (archive_link(&archive.id, &archive.location, &archive.name)) }
        td { (states(words, archive)) }
        td.name { (job_of(archive)) }
        td { (archive.location) }
        td { (time(&archive.created_at)) }
        td.number { (bytes(words, archive.file_size)) }
        td.text.optional { (super::calendar::why(words, archive)) }
    } }
}

/// The job of an archive; of another instance's, whose it is, and what else is here of that.
pub(super) fn job_of(archive: &Archive) -> Markup {
    let query = [("origin", archive.origin.as_str()), ("job", &archive.job)];
    html! {
        @if archive.own { (job_link(&archive.job)) } @else {
            a href=(with_query("archives", &query)) { (archive.shown_job()) }
        }
    }
}

/// How an archive is: where it is not simply there and good, why.
pub(super) fn states(words: &Words, archive: &Archive) -> Markup {
    html! {
        @if archive.condition != "present" { (tag(words, &archive.condition)) " " }
        @if archive.condition == "present" || archive.outcome != "good" {
            (tag(words, &archive.outcome)) " "
        }
        @if archive.pinned { (tag(words, "pinned")) }
    }
}

fn foreign_row(visitor: &Visitor, foreign: &Foreign, jobs: &[Job]) -> Markup {
    let words = visitor.words;
    html! { tr {
        th.name scope="row" {
            (foreign.name)
            @if let Some(note) = &foreign.note { div.faint { (told(words, note)) } }
            (adopt(visitor, foreign, jobs))
        }
        td { (tag(words, "foreign")) }
        td { "–" }
        td { (foreign.location) }
        td { (time(&foreign.modified_at)) }
        td.number { (bytes(words, foreign.file_size)) }
        td.optional { "–" }
    } }
}

/// Takes a file into the catalogue, as an archive of a job that somebody chooses.
fn adopt(visitor: &Visitor, foreign: &Foreign, jobs: &[Job]) -> Markup {
    let words = visitor.words;
    let this = [("location", foreign.location.as_str()), ("file", foreign.name.as_str())];
    html! {
        @if !jobs.is_empty() {
            details {
                summary aria-label=(format!("{} {}", words.adopt, foreign.name)) { (words.adopt) "…" }
                (order(visitor, Act::Adopt, &this, &html! {
                    label { (words.adopt_as) " "
                        select name="job" { @for job in jobs { option { (job.name) } } }
                    }
                    p { button { (words.adopt) } }
                }))
            }
        }
    }
}
