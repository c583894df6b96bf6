//! What will happen and why, and what waits for a person.

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::act::Act;
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{
    archive_link, bytes, confirmed, job_link, maybe_time, table, tag, told, told_lines,
};
use super::words::Words;
use crate::api::dto::{Blocked, Day, Plan};
use crate::api::problem::Problem;

/// The most days of a forecast.
const DAYS_MAX: u32 = 366;
/// How many are offered.
const DAYS: u32 = 14;

#[derive(Debug, Deserialize)]
pub(super) struct Forecast {
    #[serde(default)]
    days: u32,
}

pub(super) async fn page(visitor: Visitor, Query(forecast): Query<Forecast>) -> Response {
    frame::answer(&visitor, content(&visitor, forecast.days.min(DAYS_MAX)).await)
}

async fn content(visitor: &Visitor, days: u32) -> Result<Page, Problem> {
    let words = visitor.words;
    let plan: Plan = visitor.ask().get(&format!("/plan?days={days}")).await?;
    let content = html! {
        div #plan data-live {
            @if let Some(recovery) = &plan.recovery {
                div.box.bad {
                    p { (told(words, recovery)) }
                    (confirmed(visitor, Act::EndRecovery, &[], words.end_recovery, words.end_recovery_sure))
                }
            }
            (blocked(visitor, &plan))
            h2 { (words.will_happen) }
            (actions(words, &plan))
            p.faint { (words.looks_again) " " (maybe_time(plan.wake_at.as_ref())) }
            @if !plan.notes.is_empty() {
                h2 { (words.notes) }
                ul { @for note in &plan.notes { li {
                    @if note.weight == "problem" { (tag(words, "warning")) " " }
                    @if let Some(job) = &note.job { (job_link(job)) ": " }
                    (told(words, &note.text))
                } } }
            }
            @if !plan.unlisted.is_empty() {
                h2 { (words.unlisted) }
                ul { @for one in &plan.unlisted {
                    li { (job_link(&one.job)) ": " (told(words, &one.failure)) }
                } }
            }
        }
        h2 { (words.forecast) }
        @if plan.days.is_empty() {
            p { a.button href=(format!("plan?days={DAYS}")) { (words.show_forecast) } }
        } @else { (forecast(words, &plan.days)) }
    };
    Ok(Page::new(Tab::Plan, words.plan, content))
}

fn blocked(visitor: &Visitor, plan: &Plan) -> Markup {
    let words = visitor.words;
    html! {
        @if !plan.blocked.is_empty() {
            h2 { (words.blocked) }
            @for one in &plan.blocked { (one_blocked(visitor, one)) }
            @if let Some(hash) = plan.hash.as_deref().filter(|_| plan.blocked.len() > 1) {
                (confirmed(visitor, Act::Approve, &[("hash", hash)], words.approve_all, words.approve_sure))
            }
        }
    }
}

fn one_blocked(visitor: &Visitor, blocked: &Blocked) -> Markup {
    let words = visitor.words;
    let series = &blocked.series;
    html! {
        section.box.warn aria-label=(format!("{} {}", series.job, series.location)) {
            h3 { @if series.peer.is_some() { (series.job) } @else { (job_link(&series.job)) } " · " (series.location)  " · " (series.maker()) }
            p { (told(words, &blocked.reason)) }
            p { (words.would_free) " " (bytes(words, blocked.frees_bytes)) }
            ul { @for archive in &blocked.archives { li {
                (archive_link(&archive.id, &series.location, &archive.name)) " – "
                (told(words, &archive.reason))
            } } }
            (confirmed(visitor, Act::Approve, &[("hash", &blocked.hash)], words.approve, words.approve_sure))
        }
    }
}

fn actions(words: &Words, plan: &Plan) -> Markup {
    html! {
        @if plan.actions.is_empty() { p { (words.nothing_now) } } @else {
            (table(words.will_happen, &html! {
                thead { tr {
                    th scope="col" { (words.kind) }
                    th scope="col" { (words.job) }
                    th scope="col" { (words.what) }
                    th scope="col" { (words.why) }
                    th.optional scope="col" { (words.needs_frees) }
                } }
                tbody { @for action in &plan.actions { tr {
                    td { (words.term(&action.kind)) }
                    td.name { @if let Some(job) = &action.job { (job_link(job)) } @else { "–" } }
                    td.text { (told(words, &action.what)) }
                    td.text { (words.term(&action.cause)) (told_lines(words, &action.reasons)) }
                    td.number.optional {
                        @if action.needs_bytes > 0 { "+" (bytes(words, action.needs_bytes)) }
                        @if action.frees_bytes > 0 { " −" (bytes(words, action.frees_bytes)) }
                    }
                } } }
            }))
        }
    }
}

fn forecast(words: &Words, days: &[Day]) -> Markup {
    let lists = |day: &Day| {
        [
            (words.made, day.made.clone()),
            (words.copied, day.copied.clone()),
            (words.drilled, day.drilled.clone()),
            (words.expired, day.expired.clone()),
            (words.blocked, day.blocked.clone()),
        ]
    };
    table(
        words.forecast,
        &html! {
            thead { tr { th scope="col" { (words.day) } th scope="col" { (words.what) } } }
            tbody { @for day in days { tr {
                th scope="row" { time datetime=(day.day) { (day.day) } }
                td.text { @for (what, list) in lists(day) { @if !list.is_empty() {
                    div { strong { (what) } " " (told(words, &list.join(", "))) }
                } } }
            } } }
        },
    )
}
