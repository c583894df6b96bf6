//! The API of another instance, as a client.
//!
//! HTTP/1.1 only (uploads over HTTP/2 are eight times slower), no total time-out on transfers.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url};
use rustls::crypto::CryptoProvider;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::PeerError;
use crate::causes::with_causes;
use crate::model::name::PlaceName;
use crate::model::peer::{Peer, PeerKind};
use crate::secret;

mod ask;
mod download;
mod pin;
mod upload;

pub use ask::{About, Known, Listed};
pub use download::{Part, Wanted};
pub use upload::Uploads;

pub mod pairing;

/// The header of the specification that carries a token.
const KEY_HEADER: &str = "x-backupmanager-key";
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come while something is expected.
const SILENCE: Duration = Duration::from_mins(1);
/// How long nothing may come where something else looks after that.
const NEVER: Duration = Duration::from_hours(24 * 365);
/// How long a question that is answered by JSON may take in all.
const ANSWER: Duration = Duration::from_mins(1);
/// The most bytes of JSON that a peer may answer at once.
const JSON_MAX: usize = 1 << 20;
/// How deep that may be nested.
const DEPTH_MAX: usize = 16;
/// The most bytes of what it says that are told on.
const DETAIL_MAX: usize = 300;

/// Another instance. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Https {
    peer: PlaceName,
    base: Url,
    client: Client,
}

/// What stands in an answer that refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    hint: Option<String>,
}

impl Https {
    /// The instance of a peer's table. Reads its token and certificate authority: blocks.
    ///
    /// # Errors
    /// It has no `url`, or its token, `ca` or `pin` cannot be used.
    pub fn open(peer: &Peer) -> Result<Self, PeerError> {
        Self::open_with(peer, SILENCE)
    }

    /// Opens the way to a peer for uploads: while something is sent for longer than a minute,
    /// nothing comes. They look themselves whether anything moves.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_to_send(peer: &Peer) -> Result<Self, PeerError> {
        Self::open_with(peer, NEVER)
    }

    fn open_with(peer: &Peer, silence: Duration) -> Result<Self, PeerError> {
        let unreached =
            |why: &str| PeerError::Unreached { peer: peer.name.clone(), why: why.to_owned() };
        let PeerKind::Instance { url, token, ca, pin, .. } = &peer.kind else {
            return Err(unreached("it is not of kind `instance`"));
        };
        let url = url.as_ref().ok_or_else(|| unreached("it has no `url`: it comes to us"))?;
        let token = token.as_ref().map(secret::read).transpose()?;
        let (ca, pin) = (ca.as_deref(), pin.as_deref());
        Self::connect(&peer.name, url, token.as_ref(), ca, pin, silence)
    }

    /// An instance that is no peer yet, known by its address and the SHA-256 of its certificate.
    ///
    /// # Errors
    /// The address or the hash cannot be read.
    pub fn pinned(name: &PlaceName, url: &str, pin: &str) -> Result<Self, PeerError> {
        Self::connect(name, url, None, None, Some(pin), SILENCE)
    }

    fn connect(
        name: &PlaceName,
        url: &str,
        token: Option<&SecretString>,
        ca: Option<&Path>,
        pin: Option<&str>,
        silence: Duration,
    ) -> Result<Self, PeerError> {
        let unreached = |why: String| PeerError::Unreached { peer: name.clone(), why };
        let mut base =
            Url::parse(url).map_err(|_| unreached("its `url` cannot be read".to_owned()))?;
        if let Ok(mut path) = base.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1", ""]);
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose_secret())
                .map_err(|_| unreached("its token holds what no header may hold".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(KEY_HEADER, value);
        }
        // Whoever uses this as a library may not have chosen one.
        if CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = Client::builder()
            .user_agent(concat!("larder/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT)
            .read_timeout(silence)
            .https_only(base.scheme() == "https");
        if let Some(pin) = pin {
            // The pin alone says who it is: an authority beside it has nothing to add.
            builder = builder.tls_backend_preconfigured(pin::only(pin, name)?);
        } else if let Some(ca) = ca {
            let failed = |source| PeerError::Local {
                what: format!("cannot read the certificate authority `{}`", ca.display()),
                source,
            };
            let pem = std::fs::read(ca).map_err(failed)?;
            let found = Certificate::from_pem_bundle(&pem);
            let found = found.map_err(|error| failed(std::io::Error::other(error)))?;
            builder = builder.tls_certs_only(found);
        }
        let client = builder.build();
        let client = client.map_err(|error| unreached(with_causes(&error.without_url())))?;
        Ok(Self { peer: name.clone(), base, client })
    }

    /// A request to a path below `/api/v1`, each segment as it is.
    pub fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        self.client.request(method, url)
    }

    /// A request with a query.
    ///
    /// # Errors
    /// It is not one that could be sent.
    pub fn with_query(
        &self,
        request: RequestBuilder,
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, PeerError> {
        let (client, request) = request.build_split();
        let mut request = request.map_err(|error| self.unintelligible(error.to_string()))?;
        request.url_mut().query_pairs_mut().extend_pairs(query);
        Ok(RequestBuilder::from_parts(client, request))
    }

    /// Sends a request, and takes an answer of any kind of success.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, PeerError> {
        let answer = request.send().await.map_err(|error| self.offline(error))?;
        self.accepted(answer).await
    }

    /// An answer that is a success.
    async fn accepted(&self, answer: Response) -> Result<Response, PeerError> {
        let status = answer.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        let said = self.body(answer).await.unwrap_or_default();
        Err(self.refused(status, serde_json::from_slice(&said).unwrap_or_default()))
    }

    fn refused(&self, status: StatusCode, problem: Problem) -> PeerError {
        let detail = if problem.detail.is_empty() { problem.title } else { problem.detail };
        PeerError::Refused {
            peer: self.peer.clone(),
            status: status.as_u16(),
            detail: told(&detail, status.canonical_reason().unwrap_or("no reason")),
            hint: problem.hint.map(|hint| told(&hint, "")).filter(|hint| !hint.is_empty()),
        }
    }

    /// Sends a request that is answered with JSON.
    ///
    /// # Errors
    /// It does not answer, refuses, or answers something else or too much.
    pub async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, PeerError> {
        Ok(self.json_page(request).await?.0)
    }

    /// Asks for a page of a list, and where it goes on.
    async fn json_page<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<(T, Option<String>), PeerError> {
        let answer = self.send(request.timeout(ANSWER)).await?;
        let next = ask::next_page(&answer);
        self.read(answer).await.map(|value| (value, next))
    }

    /// The JSON of an answer.
    async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<T, PeerError> {
        let bytes = self.body(answer).await?;
        if is_too_deep(&bytes) {
            return Err(self.unintelligible(format!("it nests deeper than {DEPTH_MAX}")));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.unintelligible(error.to_string()))
    }

    /// A body, as far as it is small.
    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, PeerError> {
        let mut bytes = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(|error| self.offline(error))? {
            bytes.extend_from_slice(&more);
            if bytes.len() > JSON_MAX {
                return Err(self.unintelligible(format!("it says more than {JSON_MAX} bytes")));
            }
        }
        Ok(bytes)
    }

    /// What the network said.
    pub(super) fn offline(&self, error: reqwest::Error) -> PeerError {
        let (peer, is_refused) = (self.peer.clone(), is_refused_certificate(&error));
        let why = with_causes(&error.without_url());
        if is_refused {
            return PeerError::Certificate { peer, why };
        }
        PeerError::Offline { peer, why }
    }

    /// Nothing moves any more.
    fn silent(&self, why: &str) -> PeerError {
        PeerError::Offline { peer: self.peer.clone(), why: why.to_owned() }
    }

    /// An answer that means nothing to us.
    pub(super) fn unintelligible(&self, why: impl Into<String>) -> PeerError {
        PeerError::Unintelligible { peer: self.peer.clone(), why: why.into() }
    }
}

/// What a peer says, for people: one line without control characters.
fn told(text: &str, otherwise: &str) -> String {
    let clean: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_MAX).collect();
    if clean.trim().is_empty() { otherwise.to_owned() } else { clean.trim().to_owned() }
}

/// Whether it was this side that ended the handshake, for the certificate that was shown.
fn is_refused_certificate(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // What an error of the system wraps is not among its sources, and may be another one.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let wrapped = wrapped.map(|inner| inner as &(dyn Error + 'static));
    wrapped.or_else(|| error.source()).is_some_and(is_refused_certificate)
}

/// Whether JSON is nested deeper than anything that is asked for.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}
