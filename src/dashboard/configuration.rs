//! What is in force, what is wrong with the files, and a place to try TOML. Nothing here writes.

use axum::response::Response;
use maud::{Markup, html};

use super::ask::with_query;
use super::entry::Visitor;
use super::forms::{Order, TOKEN_FIELD};
use super::frame::{self, Page, Tab};
use super::parts::{order, table, tag, told, told_lines};
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
                (diagnostics(words, words.diagnostics, &config.diagnostics))
            }
        }
        div.actions { (order(visitor, "reload", &[], &html! { button { (words.reload) } })) }
        h2 { (words.effective) }
        pre #effective data-live tabindex="0" aria-label=(words.effective) { (config.toml) }
        h2 #try { (words.try_toml) }
        p.faint { (words.try_toml_hint) }
        (try_form(visitor, tried))
    };
    Ok(Page::new(Tab::Configuration, words.configuration, content))
}

fn try_form(visitor: &Visitor, tried: Option<&Tried<'_>>) -> Markup {
    let words = visitor.words;
    html! {
        form method="post" action="configuration" {
            input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
            label.field { span { (words.as_file) }
                input type="text" name="as" value=(tried.map_or("", |tried| tried.place))
                    placeholder="jobs/web.toml" spellcheck="false" autocapitalize="none"; }
            label.field { span { "TOML" }
                textarea name="toml" data-check spellcheck="false" autocapitalize="none" {
                    // The first line break of a text area is not part of it.
                    "\n" (tried.map_or("", |tried| tried.text))
                } }
            p { button.main { (words.check) } }
        }
        div #judged role="status" { @if let Some(tried) = tried { (judged(words, &tried.judged)) } }
    }
}

fn judged(words: &Words, judged: &Result<Checked, Problem>) -> Markup {
    html! {
        @match judged {
            Ok(checked) => {
                p { @if checked.valid { (tag(words, "good")) " " (words.toml_valid) }
                    @else { (tag(words, "error")) " " (words.toml_invalid) } }
                @if !checked.diagnostics.is_empty() {
                    (diagnostics(words, words.try_toml, &checked.diagnostics))
                }
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

fn diagnostics(words: &Words, label: &str, all: &[Diagnostic]) -> Markup {
    table(
        label,
        &html! {
            thead { tr {
                th scope="col" { (words.place) }
                th scope="col" { (words.status) }
                th scope="col" { (words.message) }
            } }
            tbody { @for one in all { tr {
                td { code { (one.file) ":" (one.line) ":" (one.column) } }
                td { (tag(words, &one.severity)) }
                td.text {
                    (told(words, &one.message))
                    @if let Some(hint) = &one.hint { div.faint { (told(words, hint)) } }
                }
            } } }
        },
    )
}
