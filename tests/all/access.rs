//! Who is let in over the network, and to what: tokens, scopes, peers, guesses, and secrets that
//! show up nowhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use larder::api;
use larder::api::access::{Caller, Gate, KEY_HEADER, Remote};
use larder::engine::{Autonomy, Engine, Handle, Options};
use larder::model::token::Scope;
use larder::model::token::TokenHash;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use crate::support::answers::{Exchange, is_foreseen};
use crate::walk::instance::Instance;

mod matrix;
mod guessing;
mod proxied;
mod revoking;
mod command;
mod local;
mod canaries;
mod speed;

/// An engine in this process, and its API as the network has it.
struct Served {
    handle: Handle,
    router: Router,
}

impl Served {
    async fn start(instance: &Instance) -> Self {
        let config_dir = instance.path("etc");
        let options = Options { config_dir, autonomy: Autonomy::Daemon, only: Vec::new() };
        let handle = Engine::start(options).await.unwrap();
        let router = api::network(handle.clone(), Arc::new(Gate::new()));
        Self { handle, router }
    }

    /// What is answered to a request from an address of its own.
    async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> StatusCode {
        self.ask_from(elsewhere(), method, path, token).await.status
    }

    async fn ask_from(
        &self,
        from: impl Into<Option<IpAddr>>,
        method: Method,
        path: &str,
        token: Option<&str>,
    ) -> Answer {
        let remote = from.into().map_or(Remote::Proxy(None), Remote::Direct);
        let mut request = Request::builder().method(method).uri(path).extension(remote);
        if let Some(token) = token {
            request = request.header(KEY_HEADER, token);
        }
        let request = match body(path) {
            None => request.body(Body::empty()),
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body))
            }
        };
        answered(self.router.clone(), request.unwrap()).await
    }

    /// What is answered to somebody who is known already.
    async fn ask_as(&self, caller: Caller, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let kind = (!body.is_empty()).then_some("application/json");
        let request = match kind {
            Some(kind) => request.header(header::CONTENT_TYPE, kind),
            None => request,
        };
        let request = request.body(Body::from(body.to_owned())).unwrap();
        answered(api::router_for(self.handle.clone(), caller), request).await
    }
}

async fn answered(router: Router, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let retry_after = parts.headers.get(header::RETRY_AFTER);
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    let kind = parts.headers.get(header::CONTENT_TYPE);
    // A stream of events has no end.
    let body = if kind.is_some_and(|kind| kind == "text/event-stream") {
        Vec::new()
    } else {
        axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec()
    };
    let (status, headers) = (parts.status.as_u16(), &parts.headers);
    // Every path below is an operation of the document.
    if path.starts_with("/api/v1/") {
        is_foreseen(&Exchange { method: &method, path: &path, status, headers, body: &body });
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Answer { status: parts.status, retry_after, body }
}

/// The body that a path cannot do without: what it names is looked at first only then.
fn body(path: &str) -> Option<&'static str> {
    if path.ends_with("/held") {
        return Some(
            r#"{"sha256":"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"}"#,
        );
    }
    path.ends_with("/transfer").then_some(r#"{"peer":"main"}"#)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    retry_after: Option<String>,
    body: String,
}

/// An address that nobody had before.
fn elsewhere() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0x0a00_0001);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    IpAddr::V4(Ipv4Addr::from_bits(number))
}

fn sha256(token: &str) -> String {
    TokenHash::Sha256(Sha256::digest(token).into()).to_string()
}

/// The cheapest bcrypt that the configuration takes.
fn bcrypt(token: &str) -> String {
    bcrypt::hash(token, larder::model::token::COST_MIN).unwrap()
}

/// A table for a token.
fn table(name: &str, hash: &str, scopes: &[&str]) -> String {
    format!("[token.{name}]\nhash = \"{hash}\"\nscopes = {scopes:?}\n")
}
