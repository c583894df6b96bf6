//! All jobs.

use axum::extract::RawQuery;
use axum::response::Response;
use maud::{Markup, html};

use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::overview::{last_run, run_now};
use super::parts::{job_link, maybe_time, more, table, tag, told};
use super::words::Words;
use crate::api::dto::{Job, Retention};
use crate::api::problem::Problem;

/// How many jobs stand on a page.
const LIMIT: usize = 100;

pub(super) async fn page(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    frame::answer(&visitor, content(&visitor, query.as_deref()).await)
}

async fn content(visitor: &Visitor, query: Option<&str>) -> Result<Page, Problem> {
    let words = visitor.words;
    // The address of this page is that of the list behind it.
    let path = match query {
        Some(query) => format!("/jobs?{query}"),
        None => format!("/jobs?limit={LIMIT}"),
    };
    let (jobs, next) = visitor.ask().list::<Job>(&path).await?;
    let content = html! {
        div.actions {
            a.button href="new-job" { (words.new_job) }
            a.button href="new-job#uncovered" { (words.uncovered) }
        }
        div #jobs data-live {
            @if jobs.is_empty() { p { (words.no_jobs) } } @else {
                (table(words.jobs, &html! {
                    thead { tr {
                        th scope="col" { (words.job) }
                        th scope="col" { (words.verdict) }
                        th.optional scope="col" { (words.kind) }
                        th scope="col" { (words.schedule) }
                        th.optional scope="col" { (words.keeps) }
                        th.optional scope="col" { (words.goes_to) }
                        th scope="col" { (words.last_run) }
                        th scope="col" { (words.next_run) }
                        th scope="col" { (words.action) }
                    } }
                    tbody { @for job in &jobs { tr {
                        th.name scope="row" { (job_link(&job.name)) }
                        td {
                            @if let Some(verdict) = &job.verdict { (tag(words, &verdict.verdict)) }
                            @else { "–" }
                        }
                        td.optional { (words.term(&job.job_type)) }
                        td.text { (told(words, &job.schedule)) }
                        td.optional { (kept(words, &job.retention)) }
                        td.optional.text { (places(job)) }
                        td { (last_run(words, job)) }
                        td { @if job.enabled { (maybe_time(job.next_run.as_ref())) }
                             @else { (words.disabled) } }
                        td { (run_now(visitor, job)) }
                    } } }
                }))
            }
        }
        (more(words, "jobs", query.is_none(), next.as_deref()))
    };
    Ok(Page::new(Tab::Jobs, words.jobs, content))
}

/// Where a job's archives are made, and where copies go.
pub(super) fn places(job: &Job) -> String {
    let mut places = vec![job.location.as_str()];
    places.extend(job.send_to.iter().map(String::as_str));
    places.join(" → ")
}

/// A policy in words.
pub(super) fn kept(words: &Words, policy: &Retention) -> Markup {
    let numbers = [
        (policy.value, if policy.mode == "count" { words.newest_count } else { words.daily }),
        (policy.daily, words.daily),
        (policy.weekly, words.weekly),
        (policy.monthly, words.monthly),
        (policy.yearly, words.yearly),
    ];
    let numbers = numbers.into_iter().filter_map(|(number, word)| Some((number?, word)));
    let numbers: Vec<String> = numbers
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    html! { (numbers.join(", ")) }
}
