//! What stands around every page.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::VERSION;
use super::entry::Visitor;
use super::forms::TOKEN_FIELD;
use super::parts::told;
use super::words::Words;
use crate::api::problem::Problem;

/// Where a page stands in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Jobs,
    Archives,
    Runs,
    Peers,
    Network,
    Plan,
    Configuration,
}

/// A page before its frame.
pub(super) struct Page {
    pub(super) tab: Option<Tab>,
    pub(super) title: String,
    pub(super) content: Markup,
}

impl Page {
    pub(super) fn new(tab: Tab, title: impl Into<String>, content: Markup) -> Self {
        Self { tab: Some(tab), title: title.into(), content }
    }
}

/// A page as an answer, or what is in its way.
pub(super) fn answer(visitor: &Visitor, page: Result<Page, Problem>) -> Response {
    match page {
        Ok(page) => Html(whole(visitor.words, Some(visitor), &page).into_string()).into_response(),
        Err(why) => problem(visitor, &why),
    }
}

/// What could not be done, why, and what to do.
pub(super) fn problem(visitor: &Visitor, problem: &Problem) -> Response {
    let words = visitor.words;
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content = html! {
        div.box.bad role="alert" {
            p { (told(words, &problem.detail)) }
            @if let Some(hint) = &problem.hint { p { (told(words, hint)) } }
            @if let Some(run) = problem.run_id {
                p { a href=(format!("run?id={run}")) { (words.run) " " (run) } }
            }
        }
        @if !problem.candidates.is_empty() {
            ul { @for one in &problem.candidates { li {
                (super::parts::archive_link(&one.id, &one.location, &one.name)) " · " (one.location)
            } } }
        }
        p { a href="overview" { (words.to_overview) } }
    };
    let title = if status == StatusCode::NOT_FOUND { words.not_found } else { words.not_done };
    let page = Page { tab: None, title: title.to_owned(), content };
    (status, Html(whole(words, Some(visitor), &page).into_string())).into_response()
}

/// A page for somebody who is not let in yet.
pub(super) fn outside(words: &'static Words, title: &str, content: Markup) -> Html<String> {
    let page = Page { tab: None, title: title.to_owned(), content };
    Html(whole(words, None, &page).into_string())
}

fn whole(words: &Words, visitor: Option<&Visitor>, page: &Page) -> Markup {
    let tabs = [
        (Tab::Overview, "overview", words.overview),
        (Tab::Jobs, "jobs", words.jobs),
        (Tab::Archives, "archives", words.archives),
        (Tab::Runs, "runs", words.runs),
        (Tab::Peers, "peers", words.peers),
        (Tab::Network, "network", words.network),
        (Tab::Plan, "plan", words.plan),
        (Tab::Configuration, "configuration", words.configuration),
    ];
    let version = VERSION.as_str();
    html! {
        (DOCTYPE)
        html lang=(words.code) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (page.title) " – larder" }
                link rel="icon" type="image/svg+xml" href=(format!("icon.svg?{version}"));
                link rel="stylesheet" href=(format!("style.css?{version}"));
                script defer src=(format!("page.js?{version}")) {}
            }
            body {
                a.skip href="#main" { (words.skip) }
                header { div {
                    a.brand href="overview" {
                        img src=(format!("icon.svg?{version}")) alt="" width="24" height="24"; "larder"
                    }
                    @if let Some(visitor) = visitor {
                        nav aria-label=(words.pages) { ul { @for (tab, href, name) in tabs { li {
                            a href=(href) aria-current=[(page.tab == Some(tab)).then_some("page")] {
                                (name)
                            }
                        } } } }
                        div.who {
                            span { (visitor.name) }
                            @if visitor.session.is_some() {
                                form method="post" action="logout" {
                                    input type="hidden" name=(TOKEN_FIELD)
                                        value=(visitor.form_token());
                                    button.plain { (words.log_out) }
                                }
                            }
                        }
                    }
                } }
                main #main tabindex="-1" { h1 { (page.title) } (page.content) }
                footer { "larder " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}
