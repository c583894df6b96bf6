//! Uploads to another instance, over its API.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream;
use parking_lot::Mutex;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::{Https, Problem, told};
use crate::model::archive::Sha256;
use crate::peer::PeerError;
use crate::peer::upload::{Begun, Chunk, Far, Finished, InTheWay, Offer, Pace, Standing};
use crate::progress::Progress;

/// How long nothing of a chunk may leave this host.
const STALL: Duration = Duration::from_mins(1);
/// How long an answer may take once all of a chunk left: it is in the buffers of a slow line, and
/// then on its way to a disk.
const ANSWER: Duration = Duration::from_mins(5);
/// How many pieces wait to be sent.
const AHEAD: usize = 4;

/// Uploads to one instance at one pace, counted.
#[derive(Debug)]
pub struct Uploads {
    https: Https,
    pace: Arc<Pace>,
    progress: Progress,
    /// How long a peer may take to read all of it back.
    finish: Duration,
    /// The chunk that was last on its way, and how much of it was counted.
    counted: Arc<Mutex<(u32, u64)>>,
    /// What was counted before the first of them.
    before: u64,
    /// Whether it answered, and how many chunks it took.
    answered: AtomicBool,
    taken: AtomicU64,
}

impl Uploads {
    /// The uploads over a connection that was opened for sending.
    #[must_use]
    pub fn new(https: Https, pace: Pace, progress: Progress, finish: Duration) -> Self {
        let counted = Arc::new(Mutex::new((u32::MAX, 0)));
        let before = progress.snapshot().bytes;
        Self {
            https,
            pace: Arc::new(pace),
            progress,
            finish,
            counted,
            before,
            answered: AtomicBool::new(false),
            taken: AtomicU64::new(0),
        }
    }

    /// Whether it answered, and nothing got through all the same.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.answered.load(Ordering::Relaxed) && self.taken.load(Ordering::Relaxed) == 0
    }

    fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let all: Vec<&str> = ["archives", "upload"].iter().chain(segments).copied().collect();
        self.https.request(method, &all)
    }

    /// What is there already counts as done.
    fn count_standing(&self, offer: &Offer, standing: &Standing) {
        let there = standing.chunks_received.len() as u64 * standing.chunk_size;
        let done = self.progress.snapshot().bytes.saturating_sub(self.before);
        self.progress.add_bytes(there.min(offer.size).saturating_sub(done));
    }
}

/// An answer that says what is in the way.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conflict {
    in_the_way: Option<InTheWay>,
}

impl Far for Uploads {
    async fn begin(&self, offer: &Offer) -> Result<Begun, PeerError> {
        let body = json!({
            "filename": offer.file_name,
            "total_size": offer.size,
            "chunk_size": offer.chunk_size,
            "checksum": offer.sha256.to_string(),
            "info": offer.info,
        });
        let request = self.request(Method::POST, &["start"]).json(&body).timeout(ANSWER);
        let answer = request.send().await.map_err(|error| self.https.offline(error))?;
        if answer.status() != StatusCode::CONFLICT {
            let answer = self.https.accepted(answer).await?;
            let standing: Standing = self.https.read(answer).await?;
            self.answered.store(true, Ordering::Relaxed);
            self.count_standing(offer, &standing);
            return Ok(Begun::Upload(standing));
        }
        let said = self.https.body(answer).await?;
        let problem: Problem = serde_json::from_slice(&said).unwrap_or_default();
        let conflict: Conflict = serde_json::from_slice(&said).unwrap_or_default();
        match conflict.in_the_way {
            Some(there) => Ok(Begun::Taken(there, told(&problem.detail, "it is there already"))),
            None => Err(self.https.refused(StatusCode::CONFLICT, problem)),
        }
    }

    async fn standing(&self, upload: &str) -> Result<Standing, PeerError> {
        self.https.json(self.request(Method::GET, &[upload])).await
    }

    async fn chunk(&self, upload: &str, file: &Arc<File>, chunk: &Chunk) -> Result<(), PeerError> {
        let number = chunk.number.to_string();
        let moved = Arc::new(Moved::new(chunk.length));
        let body = self.pieces(file, chunk, &moved);
        let request = self
            .request(Method::POST, &[upload, "chunk", &number])
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, chunk.length)
            .header("content-digest", content_digest(chunk.sha256))
            .body(body);
        tokio::select! {
            // What is dropped half way is sent again as a whole.
            answer = self.https.send(request) => {
                // Read to its end, or the connection could not be used again.
                let answer = answer?;
                self.https.body(answer).await?;
                self.taken.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            why = moved.stalled() => Err(self.https.silent(why)),
        }
    }

    async fn finish(&self, upload: &str) -> Result<Finished, PeerError> {
        let request = self.request(Method::POST, &[upload, "finish"]).timeout(self.finish);
        let answer = self.https.send(request).await?;
        self.https.read(answer).await
    }

    async fn abandon(&self, upload: &str) -> Result<(), PeerError> {
        let request = self.request(Method::DELETE, &[upload]).timeout(ANSWER);
        match self.https.send(request).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// RFC 9530.
fn content_digest(sha256: Sha256) -> String {
    format!("sha-256=:{}:", base64(&sha256.0))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for index in 0..4 {
            if index <= three.len() {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * index)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// What of a chunk has left this host.
#[derive(Debug)]
struct Moved {
    length: u64,
    bytes: AtomicU64,
    last: Mutex<Instant>,
}

impl Moved {
    fn new(length: u64) -> Self {
        Self { length, bytes: AtomicU64::new(0), last: Mutex::new(Instant::now()) }
    }

    fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        *self.last.lock() = Instant::now();
    }

    /// Ends when nothing moves any more.
    async fn stalled(&self) -> &'static str {
        loop {
            let (limit, why) = if self.bytes.load(Ordering::Relaxed) < self.length {
                (STALL, "it took nothing for a minute")
            } else {
                (ANSWER, "it got a chunk and did not answer for five minutes")
            };
            let last = *self.last.lock();
            let Some(left) = limit.checked_sub(last.elapsed()) else { return why };
            tokio::time::sleep(left).await;
        }
    }
}

impl Uploads {
    /// The bytes of a chunk, a piece at a time, no faster than they may go.
    fn pieces(&self, file: &Arc<File>, chunk: &Chunk, moved: &Arc<Moved>) -> Body {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (file, from, length) = (Arc::clone(file), chunk.from, chunk.length);
        let piece = self.pace.piece();
        // Ends by itself when nobody takes any more.
        tokio::task::spawn_blocking(move || read_pieces(&file, from, length, piece, &sender));
        let (pace, progress, counted) =
            (Arc::clone(&self.pace), self.progress.clone(), Arc::clone(&self.counted));
        let (number, moved) = (chunk.number, Arc::clone(moved));
        let state = (receiver, 0_u64);
        Body::wrap_stream(stream::unfold(state, move |(mut receiver, mut done)| {
            let (pace, progress, counted, moved) =
                (Arc::clone(&pace), progress.clone(), Arc::clone(&counted), Arc::clone(&moved));
            async move {
                let piece: io::Result<Vec<u8>> = receiver.recv().await?;
                if let Ok(bytes) = &piece {
                    let wait = pace.take(Instant::now(), bytes.len());
                    // A sleep of no time takes a millisecond.
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                    done += bytes.len() as u64;
                    moved.add(bytes.len() as u64);
                    progress.add_bytes(newly(&counted, number, done));
                }
                Some((piece, (receiver, done)))
            }
        }))
    }
}

/// How many of the first `done` bytes of a chunk were not counted before.
fn newly(counted: &Mutex<(u32, u64)>, number: u32, done: u64) -> u64 {
    let mut counted = counted.lock();
    let before = if counted.0 == number { counted.1 } else { 0 };
    *counted = (number, done.max(before));
    done.saturating_sub(before)
}

fn read_pieces(
    file: &File,
    from: u64,
    length: u64,
    most: usize,
    sender: &mpsc::Sender<io::Result<Vec<u8>>>,
) {
    let mut done = 0;
    while done < length {
        let size = usize::try_from(length - done).map_or(most, |left| left.min(most));
        let mut piece = vec![0; size];
        let read = file.read_exact_at(&mut piece, from + done).map(|()| piece);
        let failed = read.is_err();
        if sender.blocking_send(read).is_err() || failed {
            return;
        }
        done += size as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_its_readers_want_it() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"\xff\xfe\xfd", "//79"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn what_is_sent_again_is_counted_once() {
        let counted = Mutex::new((u32::MAX, 0));
        let steps = [(0, 10), (0, 30), (0, 5), (0, 30), (0, 40), (1, 10), (1, 20)];
        let all = steps.map(|(number, done)| newly(&counted, number, done));
        assert_eq!(all, [10, 20, 0, 0, 10, 10, 10]);
    }
}
