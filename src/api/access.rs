//! Who asks, and what they may do.
//!
//! Every route names one [`Scope`]; [`guarded`] puts it in front of the handler and into the
//! OpenAPI document, so that the two cannot differ. Who asks is found out by the transport: the
//! control socket and the command line in its own process are [`Caller::Local`]; everything that
//! comes over the network is nobody until its token was looked at ([`Gate`]). What a peer sees is
//! its own name space and a summary of the rest: the view that a handler is given holds nothing
//! else (`seen`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::UtoipaMethodRouter;

use super::App;
use super::problem::{PROBLEM_JSON, Problem};
use crate::model::name::{ObjectName, PlaceName};
use crate::model::token::Scope;

mod gate;
mod presented;
mod known;
mod guesses;
mod line;
mod seen;

pub(super) use gate::authenticate;
pub use gate::{Deposit, Gate, Pass, Refusal};
pub(super) use seen::{narrowed, narrowed_to_orders, narrowed_to_read};

/// The header of the specification that carries a token.
pub const KEY_HEADER: &str = "x-backupmanager-key";

/// Where a proxy says for whom it asks.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An administrator of this host.
    Local,
    /// The holder of a `[token.x]`.
    Token {
        /// Its name.
        name: ObjectName,
        /// What it may do.
        scopes: BTreeSet<Scope>,
    },
    /// A `[peer.x]` with `accept`: it acts in its own name space only.
    Peer {
        /// Its name.
        name: PlaceName,
        /// What it may do there.
        scopes: BTreeSet<Scope>,
    },
}

impl Caller {
    /// Whether it may do what a route does. `admin` is everything, and nothing that a peer can have.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Local => true,
            Self::Token { scopes, .. } => scopes.contains(&scope) || scopes.contains(&Scope::Admin),
            Self::Peer { scopes, .. } => scope != Scope::Admin && scopes.contains(&scope),
        }
    }

    /// The peer that asks, where it is one.
    #[must_use]
    pub fn peer(&self) -> Option<&PlaceName> {
        match self {
            Self::Peer { name, .. } => Some(name),
            Self::Local | Self::Token { .. } => None,
        }
    }
}

/// Where a request of the network comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// The address at the other end of a TCP connection.
    Direct(IpAddr),
    /// A proxy's socket, with the address that the proxy names.
    Proxy(Option<IpAddr>),
}

impl Remote {
    /// The address that asks, where it is known.
    #[must_use]
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Direct(address) => Some(address),
            Self::Proxy(address) => address,
        }
    }

    /// The origin with what a request says of it. Only what comes over a proxy's socket is
    /// believed, and of that only the last element, which the proxy wrote: what stands before it, a
    /// stranger may have.
    #[must_use]
    pub(super) fn named_by(self, headers: &HeaderMap) -> Self {
        let Self::Proxy(_) = self else { return self };
        let last = headers.get_all(FORWARDED_FOR).iter().next_back();
        let last = last.and_then(|line| line.to_str().ok()?.rsplit(',').next());
        Self::Proxy(last.and_then(|address| address.trim().parse().ok()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorized)
    }
}

/// The one answer to everybody who is not known, whatever the reason.
pub(super) fn unauthorized() -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "a valid token is needed")
        .hint("send it in the header `X-BackupManager-Key`, or as `Authorization: Bearer …`");
    let mut response = problem.into_response();
    let scheme = HeaderValue::from_static("Bearer realm=\"larder\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    response
}

/// Puts a scope in front of a route, and into its description.
pub(super) fn guarded(scope: Scope, route: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    let (schemas, mut paths, router) = route;
    let refusals = [
        ("401", "No valid token"),
        ("403", "The token has not the scope for it"),
        ("429", "Too many attempts with wrong tokens"),
    ];
    let problem = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    for item in paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().filter_map(Option::as_mut) {
            operation.security = Some(vec![
                SecurityRequirement::new("key", [scope.word()]),
                SecurityRequirement::new("bearer", [scope.word()]),
            ]);
            for (status, why) in refusals {
                let response =
                    ResponseBuilder::new().description(why).content(PROBLEM_JSON, problem());
                operation.responses.responses.insert(status.into(), RefOr::T(response.build()));
            }
        }
    }
    let demand = move |request, next| demand(scope, request, next);
    (schemas, paths, router.route_layer(middleware::from_fn(demand)))
}

async fn demand(scope: Scope, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        None => unauthorized(),
        Some(caller) if caller.may(scope) => next.run(request).await,
        Some(_) => Problem::new(
            StatusCode::FORBIDDEN,
            format!("this token has not the scope `{}`", scope.word()),
        )
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_proxy_says_who_asks_and_nobody_elses() {
        let named = |remote: Remote, lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
            }
            remote.named_by(&headers).address().map(|address| address.to_string())
        };
        let proxy = Remote::Proxy(None);
        for (lines, expected) in [
            (&["192.0.2.7"][..], Some("192.0.2.7")),
            (&["203.0.113.9, 192.0.2.7"], Some("192.0.2.7")),
            (&["203.0.113.9", "10.0.0.1,2001:db8::7 "], Some("2001:db8::7")),
            (&["192.0.2.7, unix:"], None),
            (&["192.0.2.7,"], None),
            (&["192.0.2.7:80"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(named(proxy, lines).as_deref(), expected, "{lines:?}");
        }
        let direct = Remote::Direct([192, 0, 2, 1].into());
        assert_eq!(named(direct, &["192.0.2.7"]).as_deref(), Some("192.0.2.1"));
    }
}
