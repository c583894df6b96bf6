//! What a form must bring to be believed: it was sent by a page of this origin, and it carries the
//! token that only a page made for this visitor has.

use std::collections::BTreeMap;

use axum::extract::{Form, FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Site;
use super::entry::Visitor;
use crate::model::hex;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The field that carries the token.
pub(super) const TOKEN_FIELD: &str = "csrf";

/// A form that is believed.
pub(super) struct Order {
    pub(super) visitor: Visitor,
    fields: BTreeMap<String, String>,
}

impl Order {
    /// All of them.
    pub(super) fn fields(&self) -> &BTreeMap<String, String> {
        &self.fields
    }

    /// A field; empty when it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl FromRequest<Site> for Order {
    type Rejection = Response;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::find(&mut parts, site).map_err(|stranger| stranger.refusal())?;
        if !is_from_here(&parts.headers, url(site).as_deref()) {
            return Err(visitor.not_from_here());
        }
        let request = Request::from_parts(parts, body);
        let Ok(Form(fields)) = Form::<Vec<(String, String)>>::from_request(request, &()).await
        else {
            return Err(visitor.not_from_here());
        };
        let fields: BTreeMap<String, String> = fields.into_iter().collect();
        let token = fields.get(TOKEN_FIELD).map_or("", String::as_str);
        if !bool::from(token.as_bytes().ct_eq(visitor.form_token().as_bytes())) {
            return Err(visitor.not_from_here());
        }
        Ok(Self { visitor, fields })
    }
}

/// The public address of this instance.
pub(super) fn url(site: &Site) -> Option<String> {
    site.handle.desired().instance.url.clone()
}

/// Whether a request was sent by a page of this origin, as the browser tells it: no page can write
/// these headers. A browser that says neither is not believed.
pub(super) fn is_from_here(headers: &HeaderMap, url: Option<&str>) -> bool {
    if headers.contains_key(FETCH_SITE) {
        return only(headers, &FETCH_SITE) == Some("same-origin");
    }
    let Some(origin) = only(headers, &header::ORIGIN).and_then(authority) else { return false };
    let host = only(headers, &header::HOST);
    // Behind a proxy the host may be one that nobody typed.
    host.is_some_and(|host| host.eq_ignore_ascii_case(origin))
        || url.and_then(authority).is_some_and(|own| own.eq_ignore_ascii_case(origin))
}

/// The value of a header that is there once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next()
}

/// The token for the forms of one visitor. What goes in has one length, so that no token can be
/// prolonged into another.
pub(super) fn token(secret: &[u8; 32], who: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(secret);
    hash.update(Sha256::digest(who));
    hex::encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn believed(lines: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_from_here(&headers, Some("https://jerry.example.org/larder"))
    }

    #[test]
    fn a_form_is_believed_from_its_own_origin_only() {
        let site = "sec-fetch-site";
        assert!(believed(&[(site, "same-origin")]));
        for other in ["cross-site", "same-site", "none", ""] {
            assert!(!believed(&[(site, other)]), "{other}");
            // The origin does not outweigh it.
            let origin = ("origin", "https://jerry.example.org");
            assert!(!believed(&[(site, other), origin]), "{other}");
        }
        assert!(!believed(&[(site, "same-origin"), (site, "cross-site")]));
        assert!(believed(&[("origin", "https://jerry.example.org")]));
        assert!(believed(&[("origin", "http://127.0.0.1:8470"), ("host", "127.0.0.1:8470")]));
        for other in ["null", "https://evil.example.org", "https://jerry.example.org.evil.org"] {
            assert!(!believed(&[("origin", other), ("host", "127.0.0.1:8470")]), "{other}");
        }
        assert!(!believed(&[("host", "127.0.0.1:8470")]), "a browser that says nothing");
    }

    #[test]
    fn each_visitor_has_a_token_of_its_own() {
        let secret = [7; 32];
        assert_eq!(token(&secret, b"a"), token(&secret, b"a"));
        assert_ne!(token(&secret, b"a"), token(&secret, b"b"));
        assert_ne!(token(&secret, b"a"), token(&[8; 32], b"a"));
    }
}
