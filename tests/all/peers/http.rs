//! One request on one connection, in plain blocking code that works inside and outside of any
//! runtime.

use std::io::{ErrorKind, Read, Write};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::support::answers::{Exchange, is_foreseen};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) body: Body<'a>,
}

/// What is sent along.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    Empty,
    Json(&'a Value),
    Bytes(&'a [u8]),
}

impl<'a> Request<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: "GET", path, token: None, body: Body::Empty }
    }

    pub(crate) fn post(path: &'a str, body: Body<'a>) -> Self {
        Self { method: "POST", path, token: None, body }
    }

    pub(crate) fn with_token(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Asks, and reads the whole answer, which must be one that the document foresees.
    pub(crate) fn send(&self, mut stream: impl Read + Write) -> std::io::Result<Answer> {
        let json;
        let (kind, body) = match self.body {
            Body::Empty => ("", [].as_slice()),
            Body::Json(value) => {
                json = value.to_string();
                ("content-type: application/json\r\n", json.as_bytes())
            }
            Body::Bytes(bytes) => ("content-type: application/octet-stream\r\n", bytes),
        };
        let key =
            self.token.map(|token| format!("{}: {token}\r\n", larder::api::access::KEY_HEADER));
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: larder\r\nconnection: close\r\n{kind}{}content-length: {}\r\n\r\n",
            self.method,
            self.path,
            key.unwrap_or_default(),
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        stream.flush()?;
        let mut all = Vec::new();
        // Who sends `connection: close` may close without the last words of TLS.
        match stream.read_to_end(&mut all) {
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
        }
        let answer = Answer::parse(&all).ok_or(ErrorKind::UnexpectedEof)?;
        is_foreseen(&Exchange {
            method: self.method,
            path: self.path,
            status: answer.status,
            headers: &answer.headers,
            body: &answer.body,
        });
        Ok(answer)
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The JSON of an answer that must have this status; null without a body.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).unwrap() }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `None` when it is not whole.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: HeaderMap = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
            })
            .collect::<Option<_>>()?;
        let rest = &bytes[end + 4..];
        let is_chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
        let length = headers.get("content-length").map(|value| value.to_str().unwrap().parse());
        let body = match length {
            _ if is_chunked => unchunked(rest)?,
            Some(length) => rest.get(..length.ok()?)?.to_vec(),
            None => rest.to_vec(),
        };
        Some(Self { status, headers, body })
    }
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        let data = rest.get(end + 2..end + 2 + length)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(data);
        rest = rest.get(end + 4 + length..)?;
    }
}
