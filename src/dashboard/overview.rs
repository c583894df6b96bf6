//! The overview: how well each job is protected, what runs, what needs somebody.

use maud::{Markup, html};

use axum::response::Response;

use super::act::Act;
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{
    bytes, job_link, maybe_time, order, run_link, runs, table, tag, told, told_lines, verdict,
};
use super::words::Words;
use super::{location, plots};
use crate::api::dto::{Health, Job, Location, Run, Verdict};
use crate::api::problem::Problem;

/// How many runs that wait are shown.
const QUEUED: usize = 20;

pub(super) async fn page(visitor: Visitor) -> Response {
    frame::answer(&visitor, content(&visitor).await)
}

async fn content(visitor: &Visitor) -> Result<Page, Problem> {
    let ask = visitor.ask();
    let words = visitor.words;
    let health: Health = ask.get("/health").await?;
    let (mut jobs, _) = ask.list::<Job>("/jobs?limit=1000").await?;
    let (mut open, _) = ask.list::<Run>("/runs?status=running&limit=100").await?;
    let (queued, _) = ask.list::<Run>(&format!("/runs?status=queued&limit={QUEUED}")).await?;
    open.extend(queued);
    let (locations, _) = ask.list::<Location>("/locations").await?;
    let severity = |job: &Job| job.verdict.as_ref().map_or(0, Verdict::severity);
    jobs.sort_by(|a, b| severity(b).cmp(&severity(a)).then_with(|| a.name.cmp(&b.name)));
    let title = format!("{} – {}", words.overview, health.instance);
    let content = html! {
        div #state data-live { (numbers(words, &health, &jobs)) (attention(words, &health)) }
        h2 { (words.jobs) }
        div #jobs data-live { (job_table(visitor, &jobs)) }
        h2 { (words.now) }
        div #now data-live { (runs(words, words.now, &open, true)) }
        h2 { (words.space) }
        div #space data-live { (space(words, &locations)) }
    };
    Ok(Page::new(Tab::Overview, title, content))
}

fn numbers(words: &Words, health: &Health, jobs: &[Job]) -> Markup {
    let with = |word: &str| {
        let is = |job: &&Job| job.verdict.as_ref().is_some_and(|verdict| verdict.verdict == word);
        jobs.iter().filter(is).count()
    };
    html! {
        ul.numbers {
            @for word in ["unprotected", "at_risk", "protected"] {
                li { strong { (with(word)) } (tag(words, word)) }
            }
            li { strong { (health.executor.running.len()) } (words.running) }
            li { strong { (health.executor.queued) } (words.waiting) }
        }
    }
}

fn attention(words: &Words, health: &Health) -> Markup {
    html! {
        @if !health.problems.is_empty() {
            section.box.warn aria-labelledby="attention" {
                h2 #attention { (words.attention) }
                (told_lines(words, &health.problems))
                @if health.executor.blocked > 0 { p { a href="plan" { (words.to_plan) } } }
                @if !health.config.valid { p { a href="configuration" { (words.to_configuration) } } }
            }
        }
        @if let Some(uncovered) = &health.uncovered { p.faint { (told(words, uncovered)) } }
        @if let Some(one_disk) = &health.one_disk { p.faint { (told(words, one_disk)) } }
    }
}

fn job_table(visitor: &Visitor, jobs: &[Job]) -> Markup {
    let words = visitor.words;
    html! {
        @if jobs.is_empty() { p { (words.no_jobs) } } @else {
            (table(words.jobs, &html! {
                thead { tr {
                    th scope="col" { (words.job) }
                    th scope="col" { (words.verdict) }
                    th scope="col" { (words.last_run) }
                    th scope="col" { (words.next_run) }
                    th scope="col" { (words.action) }
                } }
                tbody { @for job in jobs { tr {
                    th.name scope="row" { (job_link(&job.name)) }
                    td.text { (verdict(words, job.verdict.as_ref())) }
                    td { (last_run(words, job)) }
                    td { @if job.enabled { (maybe_time(job.next_run.as_ref())) }
                         @else { (words.disabled) } }
                    td { (run_now(visitor, job)) }
                } } }
            }))
        }
    }
}

/// A job's newest run.
pub(super) fn last_run(words: &Words, job: &Job) -> Markup {
    html! {
        @match &job.last_run {
            Some(run) => {
                (tag(words, &run.status)) " "
                @let at = run.finished_at.as_ref().or(run.started_at.as_ref());
                @match at {
                    Some(at) => (run_link(run.id, &at.short())),
                    None => (run_link(run.id, &run.id.to_string())),
                }
            }
            None => "–",
        }
    }
}

/// The button that runs a job.
pub(super) fn run_now(visitor: &Visitor, job: &Job) -> Markup {
    let words = visitor.words;
    html! {
        @if job.state == "present" {
            (order(visitor, Act::Run, &[("job", &job.name)], &html! {
                button aria-label=(format!("{}: {}", words.run_now, job.name)) { (words.run_now) }
            }))
        }
    }
}

fn space(words: &Words, locations: &[Location]) -> Markup {
    html! {
        (table(words.space, &html! {
            thead { tr {
                th scope="col" { (words.location) }
                th scope="col" { (words.state) }
                th scope="col" { (words.archives) }
                th scope="col" { (words.size) }
                th scope="col" { (words.free) }
                th scope="col" { (words.forecast) }
            } }
            tbody { @for location in locations { tr {
                th.name scope="row" { (location::link(&location.name)) div.faint { (location.path) } }
                td.text {
                    (tag(words, &location.state))
                    @if let Some(reason) = &location.reason { div { (told(words, reason)) } }
                }
                td.number {
                    a href=(super::ask::with_query("archives", &[("location", &location.name)])) {
                        (location.archives)
                    }
                }
                td.number { (bytes(words, location.size)) }
                td { (location::free(words, location)) }
                td.text { (forecast(words, location)) }
            } } }
        }))
    }
}

/// When it is full, or that it stays below what; with a word where that is soon.
fn forecast(words: &Words, location: &Location) -> Markup {
    html! {
        @match &location.forecast {
            Some(forecast) => {
                @if forecast.full_in_days.is_some_and(|days| days <= location::SOON) {
                    (tag(words, "filling")) " "
                }
                (plots::foretold(words, forecast))
            }
            None => "–",
        }
    }
}
