//! In with a token, and out.

use std::time::{Duration, Instant};

use axum::extract::{Extension, Form, FromRequest as _, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::entry::{administrator, cookie, no_cookie, safe_page, to};
use super::forms::{Order, is_from_here, url};
use super::words::Words;
use super::{Site, frame};
use crate::api::access::{Refusal, Remote};
use crate::api::serve::read_of_a_stranger;

#[derive(Debug, Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn form(headers: HeaderMap, Query(next): Query<Next>) -> Response {
    let words = Words::of(&headers);
    frame::outside(words, words.log_in, fields(words, &next.next, None)).into_response()
}

fn fields(words: &Words, next: &str, why: Option<&str>) -> Markup {
    html! {
        div.login {
            @if let Some(why) = why { div.box.bad role="alert" { p { (why) } } }
            form method="post" action="login" {
                input type="hidden" name="next" value=(safe_page(next).unwrap_or("overview"));
                label.field { span { (words.token) }
                    input type="password" name="token" required autocomplete="current-password"
                        spellcheck="false" autocapitalize="none";
                }
                button.main { (words.log_in) }
            }
            p.faint { (words.token_hint) " " code { "larder token new NAME --scope admin" } }
        }
    }
}

pub(super) async fn enter(
    State(site): State<Site>,
    remote: Option<Extension<Remote>>,
    request: Request,
) -> Response {
    let words = Words::of(request.headers());
    let refused = |next: &str, status: StatusCode, why: &str| {
        let form = fields(words, next, Some(why));
        (status, frame::outside(words, words.log_in, form)).into_response()
    };
    let too_many = |next: &str, wait: Duration| {
        let mut response = refused(next, StatusCode::TOO_MANY_REQUESTS, words.too_many);
        let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
        response
    };
    // Somebody else's page must not log anybody in as somebody else.
    if !is_from_here(request.headers(), url(&site).as_deref()) {
        return refused("", StatusCode::FORBIDDEN, words.not_from_here);
    }
    let remote = remote.and_then(|Extension(remote)| remote.address());
    let deposit = match site.gate.deposit(remote) {
        Ok(deposit) => deposit,
        Err(Refusal::TooMany(wait)) => return too_many("", wait),
        Err(Refusal::Unknown) => return refused("", StatusCode::FORBIDDEN, words.unknown_token),
    };
    let request = match read_of_a_stranger(request).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    site.gate.give_back(deposit);
    let typed = match Form::<Typed>::from_request(request, &()).await {
        Ok(Form(typed)) => typed,
        Err(unreadable) => return unreadable.into_response(),
    };
    let refused = |status, why: &str| refused(&typed.next, status, why);
    match site.gate.admit(&site.handle, remote, &typed.token).await {
        Ok((pass, caller)) => {
            if administrator(caller).is_none() {
                return refused(StatusCode::FORBIDDEN, words.not_admin);
            }
            let Ok(number) = site.sessions.begin(pass, Instant::now()) else {
                return refused(StatusCode::INTERNAL_SERVER_ERROR, words.not_done);
            };
            let mut response = to(safe_page(&typed.next).unwrap_or("overview"));
            response.headers_mut().insert(header::SET_COOKIE, cookie(&number));
            response
        }
        Err(Refusal::Unknown) => refused(StatusCode::FORBIDDEN, words.unknown_token),
        Err(Refusal::TooMany(wait)) => too_many(&typed.next, wait),
    }
}

pub(super) async fn leave(State(site): State<Site>, order: Order) -> Response {
    if let Some(session) = &order.visitor.session {
        site.sessions.end(session);
    }
    let mut response = to("login");
    no_cookie(&mut response);
    response
}
