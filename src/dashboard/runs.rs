//! What was done, what is being done, and what waits.

use axum::extract::Query;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::act::Act;
use super::ask::with_query;
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{
    self, archive_link, bytes, choice, job_link, maybe_time, more, order, tag, time, told,
};
use super::restoring;
use super::words::Words;
use crate::api::dto::{Job, Run};
use crate::api::problem::Problem;
use crate::model::run::{RunStatus, Work};

/// How many runs stand on a page.
const LIMIT: &str = "50";
/// The end of a log that its page shows, in bytes; the rest is a link away.
const LOG_SHOWN: usize = 64 << 10;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    job: String,
    status: String,
    kind: String,
    cursor: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    id: u64,
}

pub(super) async fn page(visitor: Visitor, Query(filter): Query<Filter>) -> Response {
    frame::answer(&visitor, list(&visitor, &filter).await)
}

pub(super) async fn one(visitor: Visitor, Query(which): Query<Which>) -> Response {
    frame::answer(&visitor, shown(&visitor, which.id).await)
}

/// All of a log, as text.
pub(super) async fn log(visitor: Visitor, Query(which): Query<Which>) -> Response {
    match visitor.ask().text(&format!("/runs/{}/log", which.id)).await {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        Err(why) => frame::problem(&visitor, &why),
    }
}

async fn list(visitor: &Visitor, filter: &Filter) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let narrow = [("job", filter.job.as_str()), ("status", &filter.status), ("kind", &filter.kind)];
    let mut query = narrow.to_vec();
    query.extend([("limit", LIMIT), ("cursor", &filter.cursor)]);
    let (runs, next) = ask.list::<Run>(&with_query("/runs", &query)).await?;
    let (jobs, _) = ask.list::<Job>("/jobs?limit=1000").await?;
    let mut jobs: Vec<_> = jobs.into_iter().map(|job| (job.name.clone(), job.name)).collect();
    if !filter.job.is_empty() && jobs.iter().all(|(name, _)| *name != filter.job) {
        jobs.push((filter.job.clone(), filter.job.clone()));
    }
    let translated = |all: &[&str]| -> Vec<(String, String)> {
        all.iter().map(|word| ((*word).to_owned(), words.term(word).to_owned())).collect()
    };
    let content = html! {
        form.filter method="get" action="runs" role="search" {
            (choice(words, ("job", words.job), &jobs, &filter.job))
            (choice(words, ("status", words.status), &translated(&RunStatus::WORDS), &filter.status))
            (choice(words, ("kind", words.kind), &translated(&Work::WORDS), &filter.kind))
            button.main { (words.filter) }
            a.button href="runs" { (words.reset) }
        }
        div #runs data-live { (parts::runs(words, words.runs, &runs, true)) }
        (more(words, &with_query("runs", &narrow), filter.cursor.is_empty(), next.as_deref()))
    };
    Ok(Page::new(Tab::Runs, words.runs, content))
}

async fn shown(visitor: &Visitor, id: u64) -> Result<Page, Problem> {
    let words = visitor.words;
    let run: Run = visitor.ask().get(&format!("/runs/{id}")).await?;
    let log = run.log_text.as_deref().unwrap_or_default();
    let (log, is_cut) = end_of(log);
    let is_open = ["queued", "running"].contains(&run.status.as_str());
    let restored = restoring::outcome(visitor, &run).await;
    let content = html! {
        div #run data-live {
            @if is_open {
                (order(visitor, Act::Cancel, &[("run", &id.to_string())], &html! {
                    p { button.danger { (words.cancel) } }
                }))
            }
            (state(words, &run))
        }
        div #restored data-live { (restored) }
        h2 { (words.log) }
        @if is_cut { p { a href=(format!("log?id={id}")) { (words.whole_log) } } }
        pre #log.log data-live tabindex="0" aria-label=(words.log) lang="en" { (log) }
    };
    Ok(Page::new(Tab::Runs, format!("{} {id}", words.run), content))
}

fn state(words: &Words, run: &Run) -> Markup {
    html! {
        div.box { p { (tag(words, &run.status)) " " (told(words, &run.what)) }
            (parts::progress(words, run))
            @if !run.summary.is_empty() { p { (told(words, &run.summary)) } }
            @if let Some(hint) = &run.hint { p { strong { (words.hint) " " } (told(words, hint)) } }
        }
        dl {
            @if let Some(job) = &run.job_id { dt { (words.job) } dd { (job_link(job)) } }
            dt { (words.cause) }
            dd {
                (words.term(&run.cause))
                @if let Some(due) = &run.due { " " (time(due)) }
                @if let Some(attempt) = run.attempt.filter(|attempt| *attempt > 0) {
                    ", " (words.attempt) " " (attempt + 1)
                }
            }
            dt { (words.queued_at) } dd { (time(&run.queued_at)) }
            dt { (words.began) } dd { (maybe_time(run.started_at.as_ref())) }
            dt { (words.ended) } dd { (maybe_time(run.finished_at.as_ref())) }
            @if let Some(location) = &run.location {
                dt { (words.location) }
                dd { (location) @if let Some(to) = &run.to { " → " (to) } }
            }
            @if let Some(name) = &run.archive_name {
                dt { (words.archive) }
                dd { (archive_link(name, run.location.as_deref().unwrap_or_default(), name)) }
            }
            @if let Some(size) = run.size_bytes { dt { (words.size) } dd { (bytes(words, size)) } }
        }
    }
}

/// The end of a log, from the beginning of a line; and whether something is before it.
fn end_of(log: &str) -> (&str, bool) {
    if log.len() <= LOG_SHOWN {
        return (log, false);
    }
    let from = log.ceil_char_boundary(log.len() - LOG_SHOWN);
    let from = log[from..].find('\n').map_or(from, |line| from + line + 1);
    (&log[from..], true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_shown_from_the_beginning_of_a_line() {
        assert_eq!(end_of("a\nb\n"), ("a\nb\n", false));
        let middle = "é".repeat(LOG_SHOWN / 2 - 3) + "\n";
        let log = format!("first\n{middle}last\n");
        let (end, is_cut) = end_of(&log);
        assert!(is_cut && !end.contains("first") && end.ends_with("last\n"), "{}", end.len());
    }
}
