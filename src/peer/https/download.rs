//! Files of another instance, taken from where they broke off, and what is said of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Https;
use crate::model::archive::{ArchiveId, Sha256};
use crate::peer::PeerError;
use crate::peer::upload::Pace;

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

    /// Asks for so many bytes of the file of an archive from `first` on, of the file with this hash
    /// and no other, no faster than `pace`.
    ///
    /// # Errors
    /// It does not answer, refuses, or has another file.
    pub async fn part(
        &self,
        archive: ArchiveId,
        file: Sha256,
        (first, length): (u64, u64),
        pace: &Arc<Pace>,
    ) -> Result<Part, PeerError> {
        let last = first + length.saturating_sub(1);
        let request = self
            .request(Method::GET, &["archives", &archive.to_string(), "download"])
            .header(header::RANGE, format!("bytes={first}-{last}"))
            .header(header::IF_MATCH, format!("\"{file}\""));
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
                _ => Err(self.https.unintelligible("the part of the file ends too soon")),
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
