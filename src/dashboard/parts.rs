//! Pieces that several pages are made of.

use maud::{Markup, html};

use super::act::Act;
use super::ask::with_query;
use super::entry::Visitor;
use super::forms::TOKEN_FIELD;
use super::words::Words;
use crate::api::dto::{Moment, Progress, Run, Verdict};

/// A point in time.
pub(super) fn time(at: &Moment) -> Markup {
    html! { time datetime=(at) { (at.short()) } }
}

/// A point in time, or a dash.
pub(super) fn maybe_time(at: Option<&Moment>) -> Markup {
    html! { @if let Some(at) = at { (time(at)) } @else { "–" } }
}

/// A number of bytes as people read it.
pub(super) fn bytes(words: &Words, bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
    let mut value = bytes as f64;
    let mut units = words.byte_units.split(' ');
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1024.0, next);
    }
    let is_whole = value >= 100.0 || bytes < 1024;
    let number = if is_whole { format!("{value:.0}") } else { format!("{value:.1}") };
    format!("{}\u{a0}{unit}", number.replace('.', words.decimal))
}

/// A word of the API with the colour of what it means.
pub(super) fn tag(words: &Words, word: &str) -> Markup {
    let colour = match word {
        "protected" | "success" | "good" | "present" | "available" | "ok" | "proven" | "online" => {
            "tag good"
        }
        "at_risk" | "warning" | "partial" | "suspect" | "unavailable" | "degraded" | "trashed"
        | "interrupted" | "offline" | "filling" => "tag warn",
        "unprotected" | "error" | "corrupt" | "lost" | "failed" => "tag bad",
        _ => "tag",
    };
    html! { span class=(colour) { (words.term(word)) } }
}

/// Text of the program, which speaks English.
pub(super) fn told(words: &Words, text: &str) -> Markup {
    html! { @if words.code == "en" { (text) } @else { span lang="en" { (text) } } }
}

/// Lines of the program, one below the other.
pub(super) fn told_lines(words: &Words, lines: &[String]) -> Markup {
    html! { @if !lines.is_empty() { ul { @for line in lines { li { (told(words, line)) } } } } }
}

/// A table that scrolls by itself where it is too wide.
pub(super) fn table(label: &str, content: &Markup) -> Markup {
    html! { div.wide role="region" aria-label=(label) tabindex="0" { table { (content) } } }
}

/// A form that asks for something; `content` is its button and what else it carries.
pub(super) fn order(
    visitor: &Visitor,
    act: Act,
    fields: &[(&str, &str)],
    content: &Markup,
) -> Markup {
    html! {
        form method="post" action="act" {
            input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
            input type="hidden" name="do" value=(act.word());
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            (content)
        }
    }
}

/// One that somebody must confirm: behind a fold, and with a box to tick.
pub(super) fn confirmed(
    visitor: &Visitor,
    act: Act,
    fields: &[(&str, &str)],
    label: &str,
    question: &str,
) -> Markup {
    html! {
        details {
            summary { (label) "…" }
            (order(visitor, act, fields, &html! {
                label { input type="checkbox" name="sure" value="yes" required; " " (question) }
                p { button.danger { (label) } }
            }))
        }
    }
}

/// The page of a job.
pub(super) fn job_link(job: &str) -> Markup {
    html! { a href=(with_query("job", &[("name", job)])) { (job) } }
}

/// The page of a run.
pub(super) fn run_link(run: u64, content: &str) -> Markup {
    html! { a.run href=(format!("run?id={run}")) { (content) } }
}

/// The page of a copy of an archive.
pub(super) fn archive_link(id: &str, location: &str, name: &str) -> Markup {
    html! { a href=(with_query("archive", &[("id", id), ("location", location)])) { (name) } }
}

/// A job's verdict, with its reasons where it is not well.
pub(super) fn verdict(words: &Words, verdict: Option<&Verdict>) -> Markup {
    html! {
        @match verdict {
            Some(verdict) => {
                (tag(words, &verdict.verdict))
                @if verdict.severity() > 0 { (told_lines(words, &verdict.reasons)) }
            }
            None => "–",
        }
    }
}

/// How far a run is.
pub(super) fn progress(words: &Words, run: &Run) -> Markup {
    let Some(Progress { bytes: done, expected_bytes, members, phase }) = &run.progress else {
        return html! {};
    };
    let label = format!("{} {}", words.progress, run.id);
    html! {
        @if *expected_bytes > 0 {
            progress aria-label=(label) value=(done.min(expected_bytes)) max=(expected_bytes) {}
        } @else {
            progress aria-label=(label) {}
        }
        div.faint {
            (told(words, phase)) " · " (bytes(words, *done))
            @if *expected_bytes > 0 { " / ≈ " (bytes(words, *expected_bytes)) }
            " · " (members) " " (words.members)
        }
    }
}

/// Runs, newest first.
pub(super) fn runs(words: &Words, label: &str, runs: &[Run], with_job: bool) -> Markup {
    html! {
        @if runs.is_empty() { p.faint { (words.nothing) } } @else {
            (table(label, &html! {
                thead { tr {
                    th scope="col" { (words.run) }
                    th scope="col" { (words.status) }
                    @if with_job { th scope="col" { (words.job) } }
                    th scope="col" { (words.what) }
                    th scope="col" { (words.began) }
                    th.optional scope="col" { (words.ended) }
                    th.optional scope="col" { (words.size) }
                } }
                tbody { @for run in runs { tr {
                    td { (run_link(run.id, &run.id.to_string())) }
                    td { (tag(words, &run.status)) }
                    @if with_job {
                        td.name { @if let Some(job) = &run.job_id { (job_link(job)) } @else { "–" } }
                    }
                    td.text {
                        (told(words, &run.what))
                        @if !run.summary.is_empty() { div.faint { (told(words, &run.summary)) } }
                        (progress(words, run))
                    }
                    td { (maybe_time(run.started_at.as_ref())) }
                    td.optional { (maybe_time(run.finished_at.as_ref())) }
                    td.number.optional {
                        @if let Some(size) = run.size_bytes { (bytes(words, size)) } @else { "–" }
                    }
                } } }
            }))
        }
    }
}

/// The rest of a long list.
pub(super) fn more(words: &Words, page: &str, is_first: bool, next: Option<&str>) -> Markup {
    html! {
        @if !is_first || next.is_some() {
            p.actions {
                @if !is_first { a.button href=(page) { (words.newest) } }
                @if let Some(next) = next {
                    a.button href=(format!("{}?{next}", page.split('?').next().unwrap_or(page))) {
                        (words.older)
                    }
                }
            }
        }
    }
}

/// A list to choose from; its first entry chooses nothing.
pub(super) fn choice(
    words: &Words,
    (name, label): (&str, &str),
    options: &[(String, String)],
    chosen: &str,
) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { (words.any) }
                @for (value, text) in options {
                    option value=(value) selected[value == chosen] { (text) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_and_the_units_of_the_language() {
        let of = |number| bytes(&Words::ENGLISH, number).replace('\u{a0}', " ");
        assert_eq!(of(0), "0 B");
        assert_eq!(of(1023), "1023 B");
        assert_eq!(of(1536), "1.5 KiB");
        assert_eq!(of(300 << 20), "300 MiB");
        assert_eq!(of(u64::MAX), "16384 PiB");
        assert_eq!(bytes(&Words::FRENCH, 1536).replace('\u{a0}', " "), "1,5 Kio");
    }

    #[test]
    fn nothing_that_comes_from_outside_becomes_markup() {
        let words = &Words::FRENCH;
        let canary = "\"'><script>alert(1)</script>";
        let all = html! {
            (told(words, canary)) (tag(words, canary)) (job_link(canary)) (table(canary, &html!{}))
            (archive_link(canary, canary, canary)) (more(words, canary, false, Some(canary)))
            (choice(words, (canary, canary), &[(canary.into(), canary.into())], canary))
        };
        let all = all.into_string();
        assert!(!all.contains("<script") && !all.contains("\"'>"), "{all}");
    }
}
