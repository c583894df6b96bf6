//! Who asks over the network, by the token that a request brings.
//!
//! A token that was seen to be somebody's is remembered by its digest together with the hash that
//! it proved to be of, and counts as long as that hash stands in the configuration in force: every
//! request asks anew, so a hash that is removed is of no use from the next request on. A token that
//! is not remembered is compared with every SHA-256, which takes no time worth counting; one that is
//! none of them has its price ([`Guesses`]), and is compared, in turn with others ([`Line`]), with
//! every bcrypt.
//!
//! **Invariants:** whoever is not known is answered the same, whatever the reason; a token that is
//! remembered or has a SHA-256 waits for nobody; no token is logged or kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use parking_lot::{Mutex, MutexGuard};

use super::guesses::{Asker, Guesses, Paid};
use super::known::Known;
use super::line::Line;
use super::presented::{Presented, TokenDigest};
use super::{Caller, Remote, unauthorized};
use crate::api::App;
use crate::api::problem::Problem;
use crate::engine::Handle;
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::token::TokenHash;

/// The one path that is open to everybody.
const OPEN: &str = "/healthz";
/// The one where the secret of a code stands in a token's place; an attempt costs what a wrong token
/// does.
const PAIRING: &str = "/api/v1/pairing";
/// The most of a failure that is logged, in bytes.
const DETAIL_MAX: usize = 4096;

/// Finds out who asks over the network.
#[derive(Default)]
pub struct Gate {
    /// The hashes of the configuration that was in force at the last request.
    known: ArcSwapOption<Known>,
    /// Tokens that were seen to be somebody's. There are never more than hashes in force.
    proven: Mutex<HashMap<TokenDigest, TokenHash>>,
    guesses: Guesses,
    pub(super) line: Line,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// A token that was seen to be somebody's, without the token: what a session rests on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pass(TokenDigest);

#[cfg(test)]
impl Pass {
    pub(crate) fn of_nobody() -> Self {
        Self([0; 32])
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").finish_non_exhaustive()
    }
}

/// What was paid for a token before it came.
#[derive(Debug, Clone, Copy)]
pub struct Deposit(Option<Paid>);

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody knows the token, or there is none.
    Unknown,
    /// Too many were wrong, or too many wait; with the time until it is worth trying again.
    TooMany(Duration),
}

impl Gate {
    /// A gate that knows nobody yet: the configuration in force is looked at with each request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who the holder of a token is that somebody typed, at the same price as one that a request
    /// brings; and what tells later whether it still counts.
    ///
    /// # Errors
    /// Nobody knows it, or too many were wrong.
    pub async fn admit(
        self: &Arc<Self>,
        handle: &Handle,
        remote: Option<IpAddr>,
        token: &str,
    ) -> Result<(Pass, Caller), Refusal> {
        let token = Presented::typed(token).ok_or(Refusal::Unknown)?;
        let pass = Pass(token.digest());
        let caller = self.identify(&App::live_on(handle.clone()), remote, token).await?;
        Ok((pass, caller))
    }

    /// Pays for a token that is still to come, so that whoever sends it slowly pays as well. Who is
    /// unknown behind a proxy pays nothing yet: somebody else may have emptied that bucket.
    ///
    /// # Errors
    /// Too many were wrong.
    pub fn deposit(&self, remote: Option<IpAddr>) -> Result<Deposit, Refusal> {
        let asker = Asker::new(remote);
        if asker == Asker::Proxy {
            return Ok(Deposit(None));
        }
        let paid = self.guesses.pay(asker, Instant::now()).map_err(Refusal::TooMany)?;
        Ok(Deposit(Some(paid)))
    }

    /// Gives back what was paid for a token that has come: now it has its own price.
    pub fn give_back(&self, deposit: Deposit) {
        if let Deposit(Some(paid)) = deposit {
            self.guesses.give_back(paid, Instant::now());
        }
    }

    /// Whose token this was, if its hash is in force now.
    #[must_use]
    pub fn holder(&self, handle: &Handle, pass: &Pass) -> Option<Caller> {
        self.remembered(&self.known(&handle.desired()), &pass.0)
    }

    /// Who the holder of a token is.
    async fn identify(
        self: &Arc<Self>,
        app: &App,
        remote: Option<IpAddr>,
        token: Presented,
    ) -> Result<Caller, Refusal> {
        let digest = token.digest();
        let known = self.known(&app.desired());
        if let Some(caller) = self.remembered(&known, &digest) {
            return Ok(caller);
        }
        // Before anything is paid: whoever guesses empties the bucket of others behind the same
        // address, and must not keep them out.
        if let Some(hash) = known.by_digest(&digest)
            && let Some(caller) = known.holder(&hash)
        {
            self.prove(digest, hash);
            return Ok(caller.clone());
        }
        let asker = Asker::new(remote);
        let paid = self.guesses.pay(asker, Instant::now()).map_err(Refusal::TooMany)?;
        if !known.bcrypts.is_empty()
            && !known.is_refuted(&digest)
            && let Some(token) = token.for_bcrypt()
            && let Err(wait) = self.look_up(app, asker, digest, token).await
        {
            // Nobody looked at it.
            self.guesses.give_back(paid, Instant::now());
            return Err(Refusal::TooMany(wait));
        }
        // As it is now: bcrypt takes its time, and a revocation does not wait for it.
        let Some(caller) = self.remembered(&self.known(&app.desired()), &digest) else {
            tracing::warn!(from = %asker, "a token that nobody knows");
            return Err(Refusal::Unknown);
        };
        self.guesses.give_back(paid, Instant::now());
        Ok(caller)
    }

    /// The hashes of a configuration.
    pub(super) fn known(&self, desired: &Arc<Desired>) -> Arc<Known> {
        if let Some(known) = self.known.load_full()
            && known.is_of(desired)
        {
            return known;
        }
        let known = Arc::new(Known::new(Arc::clone(desired)));
        self.proven().retain(|_, hash| known.holder(hash).is_some());
        self.known.store(Some(Arc::clone(&known)));
        known
    }

    /// The holder of a token that was seen to be somebody's, if its hash is in force.
    pub(super) fn remembered(&self, known: &Known, digest: &TokenDigest) -> Option<Caller> {
        let proven = self.proven();
        known.holder(proven.get(digest)?).cloned()
    }

    /// Remembers whose token this is.
    pub(super) fn prove(&self, digest: TokenDigest, hash: TokenHash) {
        self.proven().insert(digest, hash);
    }

    fn proven(&self) -> MutexGuard<'_, HashMap<TokenDigest, TokenHash>> {
        self.proven.lock()
    }
}

/// Lets [`OPEN`] through, and everybody whose token is known.
pub(in crate::api) async fn authenticate(
    State((gate, app)): State<(Arc<Gate>, App)>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = Presented::take(request.headers_mut());
    if request.uri().path() == OPEN {
        return next.run(request).await;
    }
    let remote = request.extensions().get::<Remote>().and_then(|remote| remote.address());
    if request.uri().path() == PAIRING && request.method() == Method::POST {
        return attempt(&gate, Asker::new(remote), request, next).await;
    }
    let Some(token) = token else { return unauthorized() };
    match gate.identify(&app, remote, token).await {
        Ok(caller) => {
            let peer = caller.peer().cloned();
            if let (Some(peer), Some(handle)) = (&peer, app.live()) {
                handle.peer_came(peer);
            }
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            match peer {
                Some(peer) if response.status() == StatusCode::INTERNAL_SERVER_ERROR => {
                    withheld(&peer, response).await
                }
                Some(_) | None => response,
            }
        }
        Err(Refusal::Unknown) => unauthorized(),
        Err(Refusal::TooMany(wait)) => too_many(wait),
    }
}

/// Lets an attempt to pair through; one that was right costs nothing.
async fn attempt(gate: &Gate, asker: Asker, request: Request, next: Next) -> Response {
    let paid = match gate.guesses.pay(asker, Instant::now()) {
        Ok(paid) => paid,
        Err(wait) => return too_many(wait),
    };
    let response = next.run(request).await;
    if response.status().is_success() {
        gate.guesses.give_back(paid, Instant::now());
    } else {
        tracing::warn!(from = %asker, status = response.status().as_u16(), "an attempt to pair");
    }
    response
}

/// What fails here has paths of this host in it: its log has them, a peer has not.
async fn withheld(peer: &PlaceName, response: Response) -> Response {
    let detail = axum::body::to_bytes(response.into_body(), DETAIL_MAX).await.unwrap_or_default();
    let detail = String::from_utf8_lossy(&detail);
    tracing::warn!(%peer, ?detail, "what a peer asked for failed");
    let told = "this could not be done; the log of this instance says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, told).into_response()
}

fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs().saturating_add(1);
    let problem =
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many tokens were wrong, or wait")
            .hint(format!("wait {seconds} s, and look at the token"));
    let mut response = problem.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_is_not_told_why_something_failed_here() {
        let problem = Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "cannot open `/srv/received/tom/a.tar`",
        );
        let told = withheld(&"tom".parse().unwrap(), problem.into_response()).await;
        assert_eq!(told.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(told.into_body(), usize::MAX).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("/srv"), "{body:?}");
    }
}
