//! What is in force, what is wrong with the files, and a place to try TOML. Nothing here writes.

use axum::response::Response;
use maud::{Markup, html};

use super::act::Act;
use super::ask::with_query;
use super::entry::Visitor;
use super::forms::{Order, TOKEN_FIELD};
use super::frame::{self, Page, Tab};
use super::parts::{order, tag, told, told_lines};
use super::words::Words;
use crate::api::dto::{Checked, Diagnostic, EffectiveConfig};
use crate::api::problem::Problem;

pub(super) async fn page(visitor: Visitor) -> Response {
    frame::answer(&visitor, content(&visitor, None).await)
}

/// A text that somebody typed, and what was found in it.
struct Tried<'a> {
    text: &'a str,
    place: &'a str,
    judged: Result<Checked, Problem>,
}

/// Judges what was typed. Nothing changes, so there is no other page to go to.
pub(super) async fn check(order: Order) -> Response {
    let (text, place) = (order.field("toml"), order.field("as").trim());
    let path = with_query("/config/check", &[("as", place)]);
    let judged = order.visitor.ask().post_text(&path, text.to_owned()).await;
    let tried = Tried { text, place, judged };
    frame::answer(&order.visitor, content(&order.visitor, Some(&tried)).await)
}

async fn content(visitor: &Visitor, tried: Option<&Tried<'_>>) -> Result<Page, Problem> {
    let words = visitor.words;
    let config: EffectiveConfig = visitor.ask().get("/config").await?;
    let health = &config.health;
    let content = html! {
        div #state data-live {
            p {
                @if health.valid { (tag(words, "good")) } @else { (tag(words, "error")) }
                " " code { (health.dir) } " · " (words.generation) " " (health.generation)
                @if let Some(commit) = &health.commit { " · git " code { (commit) } }
            }
            @if !health.stale.is_empty() {
                div.box.warn { p { (words.stale) } (told_lines(words, &health.stale)) }
            }
            @if !config.diagnostics.is_empty() {
                h2 { (words.diagnostics) }
                (mistakes(words, &config.diagnostics.iter().collect::<Vec<_>>(), None))
            }
        }
        div.actions {
            (order(visitor, Act::Reload, &[], &html! { button { (words.reload) } }))
            a.button href="new-job" { (words.new_job) }
        }
        h2 { (words.effective) }
        pre #effective data-live tabindex="0" aria-label=(words.effective) { (config.toml) }
        h2 #try { (words.try_toml) }
        p.faint #try-hint { (words.try_toml_hint) }
        (try_form(visitor, tried))
    };
    Ok(Page::new(Tab::Configuration, words.configuration, content))
}

fn try_form(visitor: &Visitor, tried: Option<&Tried<'_>>) -> Markup {
    let words = visitor.words;
    html! {
        form method="post" action="configuration" data-check {
            input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
            label.field { span { (words.as_file) }
                input type="text" name="as" value=(tried.map_or("", |tried| tried.place))
                    placeholder="jobs/web.toml" spellcheck="false" autocapitalize="none"; }
            label.field { span { "TOML" }
                textarea #toml name="toml" spellcheck="false" autocapitalize="none"
                    aria-describedby="try-hint" {
                    // The first line break of a text area is not part of it.
                    "\n" (tried.map_or("", |tried| tried.text))
                } }
            p { button.main { (words.check) } }
        }
        div #judged data-judged role="status" { @if let Some(tried) = tried { (judged(words, &tried.judged)) } }
    }
}

fn judged(words: &Words, judged: &Result<Checked, Problem>) -> Markup {
    html! {
        @match judged {
            Ok(checked) => {
                p { @if checked.valid { (tag(words, "good")) " " (words.toml_valid) }
                    @else { (tag(words, "error")) " " (words.toml_invalid) } }
                (mistakes(words, &checked.diagnostics.iter().collect::<Vec<_>>(), Some("toml")))
            }
            Err(problem) => {
                div.box.bad {
                    p { (told(words, &problem.detail)) }
                    @if let Some(hint) = &problem.hint { p { (told(words, hint)) } }
                }
            }
        }
    }
}

/// Mistakes one below the other, each with its line and where in it; `editor` is the input whose
/// text they are about.
pub(super) fn mistakes(words: &Words, all: &[&Diagnostic], editor: Option<&str>) -> Markup {
    html! {
        @if !all.is_empty() {
            ol.mistakes { @for one in all { li class=(one.severity) {
                p {
                    (tag(words, &one.severity)) " " (told(words, &one.message)) " "
                    (place(words, one, editor))
                }
                @if !one.source_line.trim().is_empty() { (marked(one)) }
                @if let Some(hint) = &one.hint {
                    p.faint { (words.hint) " " (told(words, hint)) }
                }
            } } }
        }
    }
}

/// Where a mistake is; of a text that stands beside it, the line is enough.
fn place(words: &Words, one: &Diagnostic, editor: Option<&str>) -> Markup {
    let place = if one.file.is_empty() {
        format!("{} {}:{}", words.line_word, one.line, one.column)
    } else {
        format!("{}:{}:{}", one.file, one.line, one.column)
    };
    html! {
        @if let Some(editor) = editor {
            a href=(format!("#{editor}")) data-at=(format!("{}:{}", one.line, one.column))
                aria-label=(format!("{}: {place}", words.place)) { code { (place) } }
        } @else { code { (place) } }
    }
}

/// The line with what is wrong in it marked.
fn marked(one: &Diagnostic) -> Markup {
    let column = |column: u32| (column as usize).saturating_sub(1);
    let from = column(one.column);
    let length = column(one.end_column).saturating_sub(from).max(1);
    let mut line = one.source_line.chars();
    let before: String = line.by_ref().take(from).collect();
    let wrong: String = line.by_ref().take(length).collect();
    let behind: String = line.collect();
    html! {
        div.source {
            span.number aria-hidden="true" { (one.line) }
            code {
                (before)
                // Behind the end of a line there is nothing to mark.
                mark { @if wrong.is_empty() { "\u{a0}" } @else { (wrong) } }
                (behind)
            }
        }
    }
}
