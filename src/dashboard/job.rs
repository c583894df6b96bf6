//! One job: how it fares, where it is written, its archives day by day, its history.

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::act::Act;
use super::ask::{encoded, with_query};
use super::calendar;
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::jobs::{kept, places};
use super::overview::last_run;
use super::parts::{
    archive_link, bytes, maybe_time, order, run_link, runs, table, tag, time, told, told_lines,
};
use super::plots::{self, Year};
use super::words::Words;
use crate::api::dto::{Archive, EffectiveConfig, Job, JobDay, Run, Verdict};
use crate::api::problem::Problem;

/// How many archives stand on the calendar.
const ARCHIVES: usize = 120;
/// How many runs are shown.
const RUNS: usize = 20;
/// How many of its newest archives and backups are looked at for plots.
const PLOTTED: &str = "500";

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    name: String,
}

pub(super) async fn page(visitor: Visitor, Query(which): Query<Which>) -> Response {
    frame::answer(&visitor, content(&visitor, &which.name).await)
}

async fn content(visitor: &Visitor, name: &str) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let job: Job = ask.get(&format!("/jobs/{}", encoded(name))).await?;
    let config: EffectiveConfig = ask.get("/config").await?;
    let query = [("job", name), ("limit", &ARCHIVES.to_string()), ("leaves", "true")];
    let (mut archives, older) = ask.list::<Archive>(&with_query("/archives", &query)).await?;
    // Another instance may have a job of this name.
    archives.retain(|archive| archive.own && archive.condition != "trashed");
    let history = format!("/jobs/{}/runs?limit={RUNS}", encoded(name));
    let (history, _) = ask.list::<Run>(&history).await?;
    let all = [("job", name), ("limit", PLOTTED)];
    let (made, _) = ask.list::<Archive>(&with_query("/archives", &all)).await?;
    let backups = format!("/jobs/{}/runs?kind=backup&limit={PLOTTED}", encoded(name));
    let (backups, _) = ask.list::<Run>(&backups).await?;
    let count = Year::days_wanted(visitor.today());
    let days = format!("/jobs/{}/days?days={count}", encoded(name));
    let year = Year::of(&ask.get::<Vec<JobDay>>(&days).await?);
    let content = html! {
        div #state data-live { (state(words, &job)) }
        div.actions {
            @if job.state == "present" {
                (order(visitor, Act::Run, &[("job", name)], &html! { button.main { (words.run_now) } }))
                (order(visitor, Act::Drill, &[("job", name)], &html! { button { (words.drill_now) } }))
            }
            @let declared = name.split('/').next().unwrap_or(name);
            @if job.place.contains(':') {
                a.button href=(with_query("new-job", &[("change", declared)])) { (words.change_job) }
            }
        }
        h2 { (words.successes) }
        div #successes data-live { (plots::year(words, name, &year)) }
        div.plots #plots data-live {
            (plots::sizes(words, &made, &backups))
            (plots::durations(words, &backups))
        }
        h2 { (words.definition) }
        p { (words.written_in) " " code { (job.place) } }
        @if let Some(toml) = table_of(&config.toml, name) {
            pre tabindex="0" aria-label=(words.definition) { (toml) }
        }
        h2 { (words.archives) }
        div #archives data-live {
            @if archives.is_empty() { p.faint { (words.no_archives) } } @else {
                (calendar::months(words, &archives))
                details { summary { (words.as_list) } (list(words, &archives)) }
            }
            @if older.is_some() {
                p { a href=(with_query("archives", &[("job", name)])) { (words.all_archives) } }
            }
        }
        h2 { (words.history) }
        div #history data-live { (runs(words, words.history, &history, false)) }
        p { a href=(with_query("runs", &[("job", name)])) { (words.all_runs) } }
    };
    Ok(Page::new(Tab::Jobs, name, content))
}

fn state(words: &Words, job: &Job) -> Markup {
    let verdict = job.verdict.as_ref();
    let colour = match verdict.map(Verdict::severity) {
        Some(0) => "box good",
        Some(1) => "box warn",
        Some(_) => "box bad",
        None => "box",
    };
    html! {
        @if let Some(verdict) = verdict {
            div class=(colour) {
                p { (tag(words, &verdict.verdict)) }
                (told_lines(words, &verdict.reasons))
            }
        }
        dl {
            dt { (words.kind) } dd { (words.term(&job.job_type)) }
            dt { (words.schedule) }
            dd { (told(words, &job.schedule)) " (" code { (job.cron_expr) } ")" }
            dt { (words.next_run) }
            dd { @if job.enabled { (maybe_time(job.next_run.as_ref())) } @else { (words.disabled) } }
            dt { (words.last_run) } dd { (last_run(words, job)) }
            dt { (words.keeps) } dd { (kept(words, &job.retention)) }
            dt { (words.goes_to) } dd { (places(job)) }
            @if let Some(verdict) = verdict {
                dt { (words.last_success) } dd { (maybe_time(verdict.last_success.as_ref())) }
                dt { (words.good_copies) }
                dd { @if verdict.copies.is_empty() { "–" } @else { (verdict.copies.join(", ")) } }
            }
            @if let Some(drill) = &job.last_drill {
                dt { (words.last_drill) }
                dd {
                    (tag(words, &drill.outcome)) " " (run_link(drill.run_id, &drill.at.short())) " "
                    (told(words, &drill.text))
                }
            }
        }
    }
}

fn list(words: &Words, archives: &[Archive]) -> Markup {
    table(
        words.archives,
        &html! {
            thead { tr {
                th scope="col" { (words.archive) }
                th scope="col" { (words.made) }
                th scope="col" { (words.location) }
                th scope="col" { (words.kept_by) }
                th scope="col" { (words.leaves_on) }
                th.optional scope="col" { (words.size) }
            } }
            tbody { @for archive in archives { tr {
                th.name scope="row" { (archive_link(&archive.id, &archive.location, &archive.name)) }
                td { (time(&archive.created_at)) }
                td { (archive.location) }
                td.text { (calendar::why(words, archive)) }
                td { (calendar::leaves(words, archive)) }
                td.number.optional { (bytes(words, archive.file_size)) }
            } } }
        },
    )
}

/// The table of a job in the effective configuration, as `larder config show` prints it; of the job
/// with `*` for one of its series.
fn table_of<'a>(toml: &'a str, name: &str) -> Option<&'a str> {
    let declared = name.split('/').next().unwrap_or(name);
    let headers = [format!("[job.{declared}]"), format!("[job.\"{declared}\"]")];
    toml.split("\n\n").find(|table| table.lines().any(|line| headers.iter().any(|one| one == line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_job_is_its_own() {
        let toml = "# a.toml:1:1\n[job.a]\nx = 1\n\n# b.toml:1:1\n[job.\"a b\"]\ny = 2\n\n";
        assert_eq!(table_of(toml, "a"), Some("# a.toml:1:1\n[job.a]\nx = 1"));
        assert_eq!(table_of(toml, "a/b"), Some("# a.toml:1:1\n[job.a]\nx = 1"));
        assert_eq!(table_of(toml, "a b").map(|table| table.contains("y = 2")), Some(true));
        assert_eq!(table_of(toml, "c"), None);
    }
}
