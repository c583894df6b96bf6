//! How a command reaches the API: over the control socket, or in its own process.
//!
//! **Invariant:** commands do not know which; whatever they need has a path.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use futures_util::stream::{BoxStream, StreamExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use super::failure::Failure;
use crate::api::problem::Problem;
use crate::engine::Handle;

/// How long a daemon may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A way to the API.
#[derive(Debug)]
pub(super) struct Client {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    /// A daemon's socket.
    Socket(reqwest::Client),
    /// An engine of our own, or a moment without one.
    Local { router: Router, handle: Option<Handle> },
}

/// An answer whose body has not been read yet.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: BoxStream<'static, Result<Bytes, anyhow::Error>>,
}

impl Answer {
    async fn bytes(mut self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.body.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }

    /// The cursor of the next page.
    fn next(&self) -> Option<String> {
        let link = self.headers.get(header::LINK)?.to_str().ok()?;
        let (_, rest) = link.split_once("cursor=")?;
        Some(rest.split('>').next()?.to_owned())
    }
}

impl Client {
    /// A daemon's socket.
    pub(super) fn socket(path: &Path) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            // None is needed here, and a host may have none.
            .tls_certs_only([])
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        Ok(Self { transport: Transport::Socket(http) })
    }

    /// The engine in this process, where there is one.
    pub(super) fn handle(&self) -> Option<&Handle> {
        match &self.transport {
            Transport::Socket(_) => None,
            Transport::Local { handle, .. } => handle.as_ref(),
        }
    }

    /// A router in this process, with the engine behind it.
    pub(super) fn local(router: Router, handle: Option<Handle>) -> Self {
        Self { transport: Transport::Local { router, handle } }
    }

    /// Whether a daemon answers, rather than this process itself.
    pub(super) fn is_daemon(&self) -> bool {
        matches!(self.transport, Transport::Socket(_))
    }

    /// Ends the engine in this process, if there is one: what runs is interrupted, what waits stays.
    pub(super) async fn close(&self) {
        if let Transport::Local { handle: Some(handle), .. } = &self.transport {
            handle.shutdown().await;
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let answer = match &self.transport {
            Transport::Socket(http) => {
                let mut request = http.request(method, format!("http://larder/api/v1{path}"));
                if let Some(body) = body {
                    request = request.json(body);
                }
                let response = request.send().await?;
                Answer {
                    status: response.status(),
                    headers: response.headers().clone(),
                    body: response.bytes_stream().map(|chunk| Ok(chunk?)).boxed(),
                }
            }
            Transport::Local { router, .. } => {
                let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
                let body = match body {
                    None => Body::empty(),
                    Some(value) => {
                        request = request.header(header::CONTENT_TYPE, "application/json");
                        Body::from(serde_json::to_vec(value)?)
                    }
                };
                let response = router.clone().oneshot(request.body(body)?).await?;
                let (parts, body) = response.into_parts();
                Answer {
                    status: parts.status,
                    headers: parts.headers,
                    body: body.into_data_stream().map(|chunk| Ok(chunk?)).boxed(),
                }
            }
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status;
        let bytes = answer.bytes().await?;
        let problem: Problem = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Problem::new(status, String::from_utf8_lossy(&bytes).into_owned()));
        Err(Failure::from(problem).into())
    }

    /// A resource.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let bytes = self.send(Method::GET, path, None).await?.bytes().await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// A text.
    pub(super) async fn get_text(&self, path: &str) -> anyhow::Result<String> {
        let bytes = self.send(Method::GET, path, None).await?.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A list, page after page, up to `limit` entries.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: usize,
    ) -> anyhow::Result<Vec<T>> {
        let mut items: Vec<T> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let wanted = (limit - items.len()).min(1000);
            let mut page = format!("{path}{sign}limit={wanted}");
            if let Some(cursor) = &cursor {
                page.push_str("&cursor=");
                page.push_str(cursor);
            }
            let answer = self.send(Method::GET, &page, None).await?;
            cursor = answer.next();
            let bytes = answer.bytes().await?;
            items.append(&mut serde_json::from_slice(&bytes)?);
            if cursor.is_none() || items.len() >= limit {
                return Ok(items);
            }
        }
    }

    /// A file, chunk by chunk.
    pub(super) async fn download(
        &self,
        path: &str,
    ) -> anyhow::Result<BoxStream<'static, Result<Bytes, anyhow::Error>>> {
        Ok(self.send(Method::GET, path, None).await?.body)
    }

    /// Asks for something; the answer, where there is one.
    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        read(self.send(Method::POST, path, body).await?).await
    }

    /// Asks for a deletion.
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        read(self.send(Method::DELETE, path, None).await?).await
    }
}

async fn read(answer: Answer) -> anyhow::Result<Value> {
    let bytes = answer.bytes().await?;
    if bytes.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&bytes)?) }
}

/// The numbers of the runs that a request was answered with: a job with `*` has many.
pub(super) fn run_ids(answer: &Value) -> anyhow::Result<Vec<u64>> {
    match answer.get("run_ids").and_then(Value::as_array) {
        Some(runs) => Ok(runs.iter().filter_map(Value::as_u64).collect()),
        None => Ok(vec![run_id(answer)?]),
    }
}

/// The number of the run that a request was answered with.
pub(super) fn run_id(answer: &Value) -> anyhow::Result<u64> {
    let id = answer.get("run_id").and_then(Value::as_u64);
    id.ok_or_else(|| Failure::new("the answer names no run").into())
}
