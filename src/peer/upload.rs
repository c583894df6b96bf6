//! An upload from this side: begins, asks what is there, sends what is missing in order, finishes.
//!
//! Each request may be repeated, and is: while the connection is bad, a few times with growing
//! pauses, asking before each attempt what has arrived. So an interruption costs one chunk at most,
//! whichever side it hits. **Invariant:** one chunk is on its way at a time, in a few small pieces;
//! the next is hashed meanwhile.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::PeerError;
use super::attempts::{self, Attempts, BackOff};
use crate::model::archive::Sha256;

mod hash;
mod pace;

#[cfg(test)]
mod tests;

pub use pace::Pace;

/// What is sent.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The name of the file there.
    pub file_name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
    /// The bytes of each chunk of a new upload but the last.
    pub chunk_size: u64,
    /// What is said of the archive.
    pub info: Value,
    /// The archive's identity.
    pub archive: String,
}

/// How far an upload is, as the peer says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// Its number.
    pub upload_id: String,
    /// The name of the file.
    #[serde(default)]
    pub filename: String,
    /// Bytes of the whole file.
    #[serde(default)]
    pub total_size: u64,
    /// Bytes of each chunk but the last.
    pub chunk_size: u64,
    /// The chunks that are on its disk.
    #[serde(default)]
    pub chunks_received: BTreeSet<u32>,
    /// The SHA-256 of the whole, in hex.
    #[serde(default)]
    pub checksum: String,
}

/// What an upload has become.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Finished {
    /// The archive's name there.
    #[serde(rename = "archive")]
    pub name: String,
    /// The SHA-256 of its file.
    #[serde(default)]
    pub sha256: String,
}

/// What is in the way of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct InTheWay {
    /// The identity of the archive that is there, or is being uploaded.
    pub archive_id: Option<String>,
    /// Its name there.
    pub name: Option<String>,
    /// The upload, where it is one.
    pub upload_id: Option<String>,
    /// Whether it is there and not known to be damaged.
    pub good: bool,
}

/// The answer to a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It begins, or goes on.
    Upload(Standing),
    /// Something is there already; with what the peer says in words.
    Taken(InTheWay, String),
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The peer has all of it, compared its hash and published it under this name.
    Arrived(String),
    /// It was there already, under this name.
    WasThere(String),
    /// Another archive has its name there.
    NameTaken(String),
    /// What it got is not what was announced: the file here is another one by now, or was damaged.
    /// With the upload that is of no use any more, where it is still there.
    Differs(Option<String>),
    /// It has this archive, in a copy that is damaged or was deleted; with its words.
    Unusable(String),
}

/// A chunk on its way.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Which one.
    pub number: u32,
    /// Where in the file it begins.
    pub from: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Their SHA-256.
    pub sha256: Sha256,
}

/// Who receives: another instance, or one that a test makes up.
pub(crate) trait Far {
    /// Begins an upload, or goes on with the one of the same file.
    async fn begin(&self, offer: &Offer) -> Result<Begun, PeerError>;
    /// How far an upload is.
    async fn standing(&self, upload: &str) -> Result<Standing, PeerError>;
    /// Sends a chunk; returns once it is on the peer's disk.
    async fn chunk(&self, upload: &str, file: &Arc<File>, chunk: &Chunk) -> Result<(), PeerError>;
    /// Lets the whole be compared and published.
    async fn finish(&self, upload: &str) -> Result<Finished, PeerError>;
    /// Drops an upload with everything that was received of it.
    async fn abandon(&self, upload: &str) -> Result<(), PeerError>;
}

/// How often and how long something is tried while a connection is bad.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Attempts after the first, each of which follows no progress.
    pub tries: u32,
    /// The pause before the first of them; doubles each time.
    pub pause: Duration,
    /// How long it may take a peer to read all of an upload back.
    pub finish: Duration,
}

impl Patience {
    /// For a file of this many bytes.
    #[must_use]
    pub fn for_size(size: u64) -> Self {
        // A slow disk reads 10 MB a second.
        let finish = Duration::from_mins(10) + Duration::from_secs(size / 10_000_000);
        Self { tries: Attempts::USUAL, pause: attempts::USUAL.first, finish }
    }
}

/// How often an upload may begin anew within one call.
const BEGINNINGS: u32 = 4;

/// What is done next.
enum Step {
    Begin,
    Look(String),
    Send(Standing),
    Finish(String),
}

/// Sends a file. May be dropped at any moment: what has arrived stays there, and another call goes
/// on with it.
///
/// # Errors
/// The peer cannot be reached for longer than `patience`, refuses, or the file cannot be read.
pub(crate) async fn upload(
    far: &impl Far,
    offer: &Offer,
    file: &Arc<File>,
    patience: Patience,
    log: &(dyn Fn(&str) + Sync),
) -> Result<Sent, PeerError> {
    let back_off = BackOff { first: patience.pause, ..attempts::USUAL };
    let attempts = Attempts::new(back_off, patience.tries);
    let mut run = Run { far, offer, file, log, attempts, patience, beginnings: 0 };
    let begun_at = Instant::now();
    let mut step = Step::Begin;
    let mut clashes = 0;
    loop {
        let upload = match &step {
            Step::Begin => None,
            Step::Look(upload) | Step::Finish(upload) => Some(upload.clone()),
            Step::Send(standing) => Some(standing.upload_id.clone()),
        };
        let is_finishing = matches!(step, Step::Finish(_));
        let is_sending = matches!(step, Step::Send(_));
        let error = match run.take(step).await {
            Ok(Next::Step(next)) => {
                step = next;
                continue;
            }
            Ok(Next::Done(sent)) => return Ok(sent),
            Err(error) => error,
        };
        let again = || upload.clone().map_or(Step::Begin, Step::Look);
        step = match error.status() {
            // Its record is gone: what was received, too.
            Some(404) if upload.is_some() => Step::Begin,
            // What was received is not what was announced: the peer dropped it.
            Some(422) if is_finishing => return Ok(Sent::Differs(None)),
            // Chunks are missing, or it was published meanwhile under an answer that got lost.
            Some(409) if is_finishing || is_sending => {
                clashes += 1;
                if clashes > 2 {
                    return Ok(Sent::Differs(upload));
                }
                again()
            }
            // Read back behind a proxy that does not wait so long.
            Some(504) if is_finishing && begun_at.elapsed() < run.patience.finish => {
                upload.map_or(Step::Begin, Step::Finish)
            }
            // A chunk was damaged on its way, or broke off.
            Some(400 | 422) if is_sending => {
                if !run.pause(&error).await {
                    return if error.status() == Some(422) {
                        Ok(Sent::Differs(upload))
                    } else {
                        Err(error)
                    };
                }
                again()
            }
            _ if error.is_offline() => {
                if !run.pause(&error).await {
                    return Err(error);
                }
                if is_finishing { upload.map_or(Step::Begin, Step::Finish) } else { again() }
            }
            _ => return Err(error),
        };
    }
}

enum Next {
    Step(Step),
    Done(Sent),
}

struct Run<'a, F> {
    far: &'a F,
    offer: &'a Offer,
    file: &'a Arc<File>,
    log: &'a (dyn Fn(&str) + Sync),
    patience: Patience,
    attempts: Attempts,
    beginnings: u32,
}

impl<F: Far> Run<'_, F> {
    async fn take(&mut self, step: Step) -> Result<Next, PeerError> {
        Ok(match step {
            Step::Begin => self.begin().await?,
            Step::Look(upload) => Next::Step(Step::Send(self.far.standing(&upload).await?)),
            Step::Send(standing) => {
                self.send_missing(&standing).await?;
                Next::Step(Step::Finish(standing.upload_id))
            }
            Step::Finish(upload) => Next::Done(Sent::Arrived(self.far.finish(&upload).await?.name)),
        })
    }

    async fn begin(&mut self) -> Result<Next, PeerError> {
        self.beginnings += 1;
        if self.beginnings > BEGINNINGS + self.patience.tries {
            return Ok(Next::Done(Sent::Differs(None)));
        }
        let (there, words) = match self.far.begin(self.offer).await? {
            Begun::Upload(standing) => {
                let count = standing.chunks_received.len();
                if count > 0 {
                    (self.log)(&format!("goes on: {count} chunks are there"));
                }
                return Ok(Next::Step(Step::Send(standing)));
            }
            Begun::Taken(there, words) => (there, words),
        };
        let is_ours = there.archive_id.as_ref() == Some(&self.offer.archive);
        let Some(upload) = there.upload_id.filter(|_| is_ours) else {
            return Ok(Next::Done(match (is_ours, there.name) {
                (true, Some(name)) if there.good => Sent::WasThere(name),
                (true, _) => Sent::Unusable(words),
                (false, _) => Sent::NameTaken(words),
            }));
        };
        // Begun with chunks of another size, or with other bytes that are nowhere any more.
        let standing = self.far.standing(&upload).await?;
        let is_same = standing.filename == self.offer.file_name
            && standing.total_size == self.offer.size
            && standing.checksum == self.offer.sha256.to_string();
        if is_same {
            return Ok(Next::Step(Step::Send(standing)));
        }
        (self.log)("abandons an upload of this archive in another encoding");
        self.far.abandon(&upload).await?;
        Ok(Next::Step(Step::Begin))
    }

    /// Sends the chunks that are missing, in their order.
    async fn send_missing(&mut self, standing: &Standing) -> Result<(), PeerError> {
        let missing = missing(self.offer.size, standing);
        let mut ahead = missing.first().map(|range| self.hash(*range));
        for (index, (number, from, length)) in missing.iter().copied().enumerate() {
            let Some(hash) = ahead.take() else { break };
            let sha256 = hash.await.map_err(io::Error::other).and_then(|hash| hash);
            let sha256 = sha256.map_err(|source| PeerError::Local {
                what: format!("cannot read what is sent as `{}`", self.offer.file_name),
                source,
            })?;
            ahead = missing.get(index + 1).map(|range| self.hash(*range));
            let chunk = Chunk { number, from, length, sha256 };
            self.far.chunk(&standing.upload_id, self.file, &chunk).await?;
            self.attempts.forward();
        }
        Ok(())
    }

    fn hash(&self, (_, from, length): (u32, u64, u64)) -> JoinHandle<io::Result<Sha256>> {
        let file = Arc::clone(self.file);
        tokio::task::spawn_blocking(move || hash::of_range(&file, from, length))
    }

    /// Waits before the next attempt, each time longer; `false` when there is none.
    async fn pause(&mut self, error: &PeerError) -> bool {
        let Some(pause) = self.attempts.again() else { return false };
        (self.log)(&format!("{}; tries again in {:.1} s", error.line(), pause.as_secs_f32()));
        tokio::time::sleep(pause).await;
        true
    }
}

/// Number, place and length of each chunk that a peer lacks.
fn missing(size: u64, standing: &Standing) -> Vec<(u32, u64, u64)> {
    let chunk_size = standing.chunk_size.max(1);
    (0..size.div_ceil(chunk_size))
        .filter_map(|number| Some((u32::try_from(number).ok()?, number * chunk_size)))
        .filter(|(number, _)| !standing.chunks_received.contains(number))
        .map(|(number, from)| (number, from, chunk_size.min(size - from)))
        .collect()
}
