//! Who looks at the page.
//!
//! There are two ways in. A token with the scope `admin` that somebody typed begins a session
//! ([`super::sessions`]), whose number is in a cookie. Or the proxy says who it is, in the header
//! that `[instance] page` names: that counts on the unix socket only, where nobody but the proxy
//! can write, and only for those whom the configuration lists. Both are asked with every request,
//! so that what the configuration takes away is gone at once.
//!
//! **Invariant:** neither of them opens the API: the paths below `/api` never look at a cookie or
//! at that header.

use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::ask::{Ask, encoded};
use super::sessions::{SessionDigest, digest};
use super::words::Words;
use super::{Site, forms, frame};
use crate::api::access::{Caller, Remote};
use crate::api::problem::Problem;
use crate::model::token::Scope;

/// `__Host-`: no other host, also none below this one, can set it.
const COOKIE_NAME: &str = "__Host-larder";
/// What the script sends: it fetches parts of a page that is open, and nobody opened one.
const FRAGMENT: HeaderName = HeaderName::from_static("x-larder-fragment");

/// Somebody who is let in.
pub(super) struct Visitor {
    pub(super) words: &'static Words,
    /// The name of the token, or of the user.
    pub(super) name: String,
    caller: Caller,
    /// The session, where there is one to end.
    pub(super) session: Option<SessionDigest>,
    form_token: String,
    site: Site,
}

/// Somebody who is not.
pub(super) struct Stranger {
    words: &'static Words,
    is_page: bool,
    /// The page that was asked for.
    wanted: String,
}

impl Visitor {
    /// Who sends a request.
    pub(super) fn find(parts: &mut Parts, site: &Site) -> Result<Self, Stranger> {
        let words = Words::of(&parts.headers);
        let is_fragment = parts.headers.contains_key(&FRAGMENT);
        let known = by_session(&parts.headers, site, !is_fragment)
            .map(|(caller, session)| (caller, Some(session)))
            .or_else(|| by_proxy(parts, site).map(|user| (user, None)));
        let Some(((name, caller), session)) = known else {
            let path = parts.uri.path().trim_start_matches("/ui/");
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            return Err(Stranger {
                words,
                is_page: parts.method == Method::GET,
                wanted: format!("{path}{query}"),
            });
        };
        let form_token = match &session {
            Some(session) => forms::token(&site.secret, &[b"session", &session[..]].concat()),
            None => forms::token(&site.secret, &[b"user", name.as_bytes()].concat()),
        };
        Ok(Self { words, name, caller, session, form_token, site: site.clone() })
    }

    /// Asks the API on behalf of this visitor.
    pub(super) fn ask(&self) -> Ask<'_> {
        Ask::new(&self.site.api, &self.caller)
    }

    /// The day that it is in the instance's zone.
    pub(super) fn today(&self) -> jiff::civil::Date {
        self.site.handle.view().at.date()
    }

    /// What every form carries.
    pub(super) fn form_token(&self) -> &str {
        &self.form_token
    }

    /// A form that was not sent by a page of ours, or by one that is too old.
    pub(super) fn not_from_here(&self) -> Response {
        let problem = Problem::new(StatusCode::FORBIDDEN, self.words.not_from_here)
            .hint(self.words.not_from_here_hint);
        frame::problem(self, &problem)
    }
}

impl FromRequestParts<Site> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        Self::find(parts, site).map_err(|stranger| stranger.refusal())
    }
}

impl Stranger {
    /// The way to the form to log in, which leads back to the page.
    pub(super) fn refusal(&self) -> Response {
        if self.is_page {
            let next = match safe_page(&self.wanted) {
                Some(page) if page != "overview" => format!("login?next={}", encoded(page)),
                Some(_) | None => "login".to_owned(),
            };
            return to(&next);
        }
        (StatusCode::FORBIDDEN, self.words.logged_out).into_response()
    }
}

/// Leads the browser to another page, by its name.
pub(super) fn to(page: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let value = HeaderValue::from_str(page).unwrap_or(HeaderValue::from_static("overview"));
    response.headers_mut().insert(LOCATION, value);
    response
}

/// The pages that a person may be led to after logging in.
const PAGES: &[&str] = &[
    "overview",
    "jobs",
    "job",
    "location",
    "new-job",
    "archives",
    "archive",
    "contents",
    "restore",
    "runs",
    "run",
    "peers",
    "add-peer",
    "remove-peer",
    "invite",
    "network",
    "plan",
    "configuration",
];

/// A page of ours with its query; `None` for anything that could lead elsewhere.
pub(super) fn safe_page(wanted: &str) -> Option<&str> {
    let (page, query) = wanted.split_once('?').unwrap_or((wanted, ""));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%&=+".contains(&byte);
    (PAGES.contains(&page) && query.bytes().all(is_plain) && wanted.len() < 1024).then_some(wanted)
}

/// The cookie that carries a session; for a session of the browser.
pub(super) fn cookie(number: &str) -> HeaderValue {
    let text = format!("{COOKIE_NAME}={number}; Path=/; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The end of that cookie.
pub(super) fn no_cookie(response: &mut Response) {
    let text = format!("{COOKIE_NAME}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
}

/// The number of the session that a request brings.
fn number(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    let mut found = pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE_NAME).then_some(value)
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn by_session(
    headers: &HeaderMap,
    site: &Site,
    is_use: bool,
) -> Option<((String, Caller), SessionDigest)> {
    let session = digest(number(headers)?);
    let pass = site.sessions.find(&session, Instant::now(), is_use)?;
    let Some(caller) = site.gate.holder(&site.handle, &pass) else {
        // Its token is not in force any more: it does not come back with it.
        site.sessions.end(&session);
        return None;
    };
    Some((administrator(caller)?, session))
}

/// The holder of a token that may do everything here.
pub(super) fn administrator(caller: Caller) -> Option<(String, Caller)> {
    let name = match &caller {
        Caller::Token { name, .. } if caller.may(Scope::Admin) => name.to_string(),
        Caller::Local | Caller::Token { .. } | Caller::Peer { .. } => return None,
    };
    Some((name, caller))
}

/// Whom the proxy names, where it is believed.
fn by_proxy(parts: &Parts, site: &Site) -> Option<(String, Caller)> {
    let desired = site.handle.desired();
    let page = desired.instance.page.as_ref()?;
    // Over TCP anybody can write a header; the control socket has no page.
    let is_proxy = matches!(parts.extensions.get::<Remote>(), Some(Remote::Proxy(_)));
    let header = HeaderName::from_bytes(page.user_header.as_bytes()).ok()?;
    let user = forms::only(&parts.headers, &header)?.trim();
    if !is_proxy || !page.admits(user) {
        return None;
    }
    // As a token has it: what follows the events is told when the configuration changes.
    let name = "page".parse().ok()?;
    let caller = Caller::Token { name, scopes: [Scope::Admin].into() };
    Some((user.to_owned(), caller))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_logging_in_one_is_led_to_pages_of_ours_only() {
        for good in
            ["overview", "job?name=apps%2Fnextcloud", "archives?job=a&cursor=1.b.c", "run?id=7"]
        {
            assert_eq!(safe_page(good), Some(good));
        }
        for bad in [
            "",
            "//evil.example.org",
            "https://evil.example.org",
            "/\\evil",
            "logout",
            "act",
            "job?name=a/../..",
            "overview#x",
            "overview?a=\r\nset-cookie:x",
            "overview/../..",
            "javascript:alert(1)",
            "\\\\evil",
            "overview?next=//evil",
            "download?id=1",
        ] {
            assert_eq!(safe_page(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cookie_is_ours_by_its_whole_name_and_when_there_is_one() {
        let with = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            number(&headers).map(str::to_owned)
        };
        assert_eq!(with(&["a=b; __Host-larder=12; c=d"]).as_deref(), Some("12"));
        assert_eq!(with(&["a=b", "__Host-larder=12"]).as_deref(), Some("12"));
        assert_eq!(with(&["__Host-larderx=12; x__Host-larder=12; larder=12"]), None);
        assert_eq!(with(&["__Host-larder=12; __Host-larder=13"]), None);
        let cookie = cookie("12");
        let cookie = cookie.to_str().unwrap();
        for word in ["__Host-larder=12; ", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        assert!(!cookie.contains("Domain") && !cookie.contains("Max-Age"), "{cookie}");
    }
}
