//! An archive of a peer, into a file here, that goes on where it stopped.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use reqwest::header::{IF_RANGE, RANGE};
use reqwest::{Method, StatusCode};

use super::Https;
use crate::model::archive::{ArchiveId, Sha256};
use crate::peer::PeerError;
use crate::progress::Progress;
use crate::stop::Stop;

/// How often in a row nothing may come before it is given up for now.
const ATTEMPTS: u32 = 6;
/// How long is waited after the first of them; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a wait looks whether it is to end.
const LOOK: Duration = Duration::from_millis(200);

/// What is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The archive.
    pub id: ArchiveId,
    /// Bytes of its file there.
    pub size: u64,
    /// SHA-256 of that file, where it is known: another one is not continued.
    pub sha256: Option<Sha256>,
}

impl Https {
    /// Brings a file to the length of an archive, from where it ends now on. A connection that
    /// breaks is made anew; only when nothing at all comes several times, it is given up. Whether
    /// the bytes are right, is for the caller to see.
    ///
    /// # Errors
    /// The peer does not answer or refuses, the file cannot be written, or somebody asked to stop.
    /// What came so far is in the file.
    pub async fn fill(
        &self,
        wanted: Wanted,
        file: &mut File,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        let mut failed = 0;
        loop {
            let before = length(file)?;
            if before == wanted.size {
                return Ok(());
            }
            match self.go_on(wanted, file, stop, progress).await {
                Ok(()) => {}
                Err(error @ (PeerError::Stopped(_) | PeerError::Local { .. })) => {
                    return Err(error);
                }
                Err(error) if !error.is_offline() => return Err(error),
                Err(error) => {
                    failed = if length(file)? > before { 0 } else { failed + 1 };
                    if failed >= ATTEMPTS {
                        return Err(error);
                    }
                    pause(PAUSE * (1 << failed.min(5)), stop).await?;
                }
            }
        }
    }

    /// One connection's worth.
    async fn go_on(
        &self,
        wanted: Wanted,
        file: &mut File,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        let id = wanted.id.to_string();
        let mut at = length(file)?;
        if at > wanted.size {
            restart(file)?;
            at = 0;
        }
        let mut request = self.request(Method::GET, &["archives", &id, "download"]);
        if at > 0 {
            request = request.header(RANGE, format!("bytes={at}-"));
            if let Some(hash) = wanted.sha256 {
                request = request.header(IF_RANGE, format!("\"{hash}\""));
            }
        }
        let mut answer = self.send(request).await?;
        if answer.status() != StatusCode::PARTIAL_CONTENT && at > 0 {
            // It is another file by now, or comes from its beginning.
            restart(file)?;
            at = 0;
        }
        file.seek(SeekFrom::Start(at)).map_err(not_written)?;
        loop {
            stop.check().map_err(PeerError::Stopped)?;
            // A chunk that is dropped here comes again: the file ends before it.
            let chunk = answer.chunk().await.map_err(|error| self.offline(error))?;
            let Some(chunk) = chunk else { break };
            at += chunk.len() as u64;
            if at > wanted.size {
                return Err(self.unintelligible(format!("archive {id} is longer than it says")));
            }
            file.write_all(&chunk).map_err(not_written)?;
            progress.add_bytes(chunk.len() as u64);
        }
        if at < wanted.size {
            let peer = self.peer.clone();
            return Err(PeerError::Offline { peer, why: "the connection ended early".to_owned() });
        }
        Ok(())
    }
}

fn length(file: &File) -> Result<u64, PeerError> {
    file.metadata().map(|found| found.len()).map_err(not_written)
}

fn restart(file: &mut File) -> Result<(), PeerError> {
    file.set_len(0).map_err(not_written)
}

fn not_written(source: std::io::Error) -> PeerError {
    PeerError::Local { what: "what comes from a peer cannot be written".to_owned(), source }
}

async fn pause(time: Duration, stop: &Stop) -> Result<(), PeerError> {
    let mut left = time;
    while !left.is_zero() {
        stop.check().map_err(PeerError::Stopped)?;
        let nap = left.min(LOOK);
        tokio::time::sleep(nap).await;
        left -= nap;
    }
    Ok(())
}
