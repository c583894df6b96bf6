//! A client of the uploads that says what it likes: with the token of a peer, and no program of
//! larder behind it.

use serde_json::{Value, json};

use super::http::{Answer, Body, Request};
use super::member::Member;
use crate::support::sample;

/// Who holds the token of a peer.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) to: &'a Member,
    pub(crate) token: &'a str,
}

/// An archive of a member as it lies there.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) info: Value,
}

/// The archives in the location `main` of a member, oldest first.
pub(crate) fn archives_of(member: &Member) -> Vec<Made> {
    let read = |name: &str| std::fs::read(member.path("archives").join(name)).unwrap();
    let mut made: Vec<Made> = member
        .tars()
        .into_iter()
        .map(|file| {
            let name = file.strip_suffix(".tar").unwrap();
            let mut info: Value =
                serde_json::from_slice(&read(&format!("{name}.larder.json"))).unwrap();
            info["info_json"] =
                String::from_utf8(read(&format!("{name}.info.json"))).unwrap().into();
            Made { bytes: read(&file), info, file }
        })
        .collect();
    made.sort_by_key(|made| made.info["created_at"].to_string());
    made
}

impl Sender<'_> {
    /// What the first request says of a file.
    pub(crate) fn announced(file: &str, bytes: &[u8]) -> Value {
        json!({
            "filename": file,
            "total_size": bytes.len(),
            "checksum": sample::sha256(bytes).to_string(),
        })
    }

    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: Body<'_>) -> Answer {
        let path = format!("/api/v1{path}");
        self.to.ask(&Request { method, path: &path, token: Some(self.token), body })
    }

    #[track_caller]
    pub(crate) fn begin(&self, announced: &Value) -> Answer {
        self.ask("POST", "/archives/upload/start", Body::Json(announced))
    }

    #[track_caller]
    pub(crate) fn chunk(&self, id: &str, n: usize, bytes: &[u8]) -> Answer {
        self.ask("POST", &format!("/archives/upload/{id}/chunk/{n}"), Body::Bytes(bytes))
    }

    #[track_caller]
    pub(crate) fn finish(&self, id: &str) -> Answer {
        self.ask("POST", &format!("/archives/upload/{id}/finish"), Body::Empty)
    }

    /// Sends a file in one chunk: the answer to the last request, or to the first that was refused.
    #[track_caller]
    pub(crate) fn upload(&self, announced: &Value, bytes: &[u8]) -> Answer {
        let begun = self.begin(announced);
        if !matches!(begun.status, 200 | 201) {
            return begun;
        }
        let id = begun.ok(begun.status)["upload_id"].as_str().unwrap().to_owned();
        let sent = self.chunk(&id, 0, bytes);
        if sent.status == 200 { self.finish(&id) } else { sent }
    }

    /// Sends an archive of a member with all that it says of it; the number of the upload.
    #[track_caller]
    pub(crate) fn send(&self, made: &Made) -> String {
        let mut announced = Self::announced(&made.file, &made.bytes);
        announced["info"] = made.info.clone();
        let answer = self.upload(&announced, &made.bytes);
        answer.ok(200)["upload_id"].as_str().unwrap().to_owned()
    }
}
