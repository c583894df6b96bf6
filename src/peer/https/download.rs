//! Files of another instance, taken from where they broke off, and what is said of them.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Https;
use crate::model::archive::{ArchiveId, Sha256};
use crate::model::size::Bytes;
use crate::peer::PeerError;
use crate::peer::attempts::Attempts;
use crate::peer::upload::Pace;
use crate::progress::Progress;

/// What is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The archive.
    pub id: ArchiveId,
    /// Bytes of its file there.
    pub size: u64,
    /// SHA-256 of that file, where it is known: another one is not taken.
    pub sha256: Option<Sha256>,
}

/// Part of a file, as it comes.
#[derive(Debug)]
pub struct Part {
    https: Https,
    answer: Response,
    left: u64,
    pace: Arc<Pace>,
}

impl Https {
    /// What is said of an archive there: its own description, with that of YunoHost in it.
    ///
    /// # Errors
    /// It does not answer, refuses, or says too much.
    pub async fn description(&self, archive: ArchiveId) -> Result<Value, PeerError> {
        let id = archive.to_string();
        self.json(self.request(Method::GET, &["archives", &id, "description"])).await
    }

    /// Brings a file to the length of an archive, from where it ends now on. A connection that
    /// breaks is made anew; only when nothing at all comes several times, it is given up. Whether
    /// the bytes are right, is for the caller to see. May be dropped at any moment.
    ///
    /// # Errors
    /// The peer does not answer, refuses, or has another file; or the file cannot be written
    /// ([`PeerError::Local`]). What came so far is in the file.
    pub async fn fill(
        &self,
        wanted: Wanted,
        file: &File,
        pace: &Arc<Pace>,
        progress: &Progress,
        log: &(dyn Fn(&str) + Sync),
    ) -> Result<(), PeerError> {
        let mut attempts = Attempts::default();
        loop {
            let before = length(file)?;
            let error = match self.go_on(wanted, file, pace, progress).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_offline() => error,
                Err(error) => return Err(error),
            };
            let there = length(file)?;
            if there > before {
                attempts.forward();
            }
            let Some(pause) = attempts.again() else { return Err(error) };
            log(&format!("{}; goes on behind {}", error.line(), Bytes(there)));
            tokio::time::sleep(pause).await;
        }
    }

    /// One connection's worth.
    async fn go_on(
        &self,
        wanted: Wanted,
        mut file: &File,
        pace: &Arc<Pace>,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        let mut there = length(file)?;
        if there > wanted.size {
            file.set_len(0).map_err(not_written)?;
            there = 0;
        }
        if there == wanted.size {
            return Ok(());
        }
        let range = (there, wanted.size - there);
        let mut part = self.part(wanted.id, wanted.sha256, range, pace).await?;
        file.seek(SeekFrom::Start(there)).map_err(not_written)?;
        // A piece that is dropped here comes again: the file ends before it.
        while let Some(piece) = part.next().await? {
            file.write_all(&piece).map_err(not_written)?;
            progress.add_bytes(piece.len() as u64);
        }
        Ok(())
    }

    /// Asks for so many bytes of the file of an archive from `first` on, of the file with this hash
    /// and no other where it is known, no faster than `pace`.
    ///
    /// # Errors
    /// It does not answer, refuses, or has another file.
    pub async fn part(
        &self,
        archive: ArchiveId,
        file: Option<Sha256>,
        (first, length): (u64, u64),
        pace: &Arc<Pace>,
    ) -> Result<Part, PeerError> {
        let last = first + length.saturating_sub(1);
        let mut request = self
            .request(Method::GET, &["archives", &archive.to_string(), "download"])
            .header(header::RANGE, format!("bytes={first}-{last}"));
        if let Some(file) = file {
            request = request.header(header::IF_MATCH, format!("\"{file}\""));
        }
        let answer = self.send(request).await?;
        let range = answer.headers().get(header::CONTENT_RANGE);
        let begins = format!("bytes {first}-{last}/");
        let fits = range
            .and_then(|range| range.to_str().ok())
            .is_some_and(|range| range.starts_with(&begins));
        if answer.status() != StatusCode::PARTIAL_CONTENT || !fits {
            return Err(
                self.unintelligible("it does not send the part of the file that was asked for")
            );
        }
        Ok(Part { https: self.clone(), answer, left: length, pace: Arc::clone(pace) })
    }

    /// Tells it that we hold a copy of one of its archives.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub async fn tell_held(&self, archive: ArchiveId, file: Sha256) -> Result<(), PeerError> {
        let body = json!({ "sha256": file.to_string() });
        let request = self.request(Method::POST, &["archives", &archive.to_string(), "held"]);
        let request = request.json(&body).timeout(Duration::from_mins(1));
        self.send(request).await.map(drop)
    }
}

fn length(file: &File) -> Result<u64, PeerError> {
    file.metadata().map(|found| found.len()).map_err(not_written)
}

fn not_written(source: std::io::Error) -> PeerError {
    PeerError::Local { what: "what comes from a peer cannot be written".to_owned(), source }
}

impl Part {
    /// The next bytes; `None` when all of it came.
    ///
    /// # Errors
    /// It broke off, or there is more than was asked for.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, PeerError> {
        let piece = self.answer.chunk().await.map_err(|error| self.https.offline(error))?;
        let Some(piece) = piece else {
            return match self.left {
                0 => Ok(None),
                _ => Err(self.https.silent("the connection ended early")),
            };
        };
        self.left = self.left.checked_sub(piece.len() as u64).ok_or_else(|| {
            self.https.unintelligible("more of the file comes than was asked for")
        })?;
        let wait = self.pace.take(Instant::now(), piece.len());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(Some(piece.to_vec()))
    }
}
