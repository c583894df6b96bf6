//! What is in an archive: read from its file while somebody waits for the answer.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::archive::{self, Listing, OpenError, Question, Reader};
use crate::engine::RequestError;
use crate::engine::core::Core;
use crate::engine::runs::context::with_causes;
use crate::model::archive::{Archive, CopyKey};
use crate::restore::read_identity;
use crate::secret;

use super::Handle;
use super::orders::Ends;

/// How many archives are read at a time: each keeps a thread and a disk busy. One for all peers
/// together, and one for everybody else, whom peers cannot keep waiting.
#[derive(Debug)]
pub(crate) struct Turns {
    of_peers: Arc<Semaphore>,
    of_others: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let one = || Arc::new(Semaphore::new(1));
        Self { of_peers: one(), of_others: one() }
    }
}

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A peer, which is told to come again where another one is being answered.
    Peer,
    /// Anybody else, in turn.
    Others,
}

/// What an encrypted archive is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenWith {
    /// Nothing: whoever asks may not read what others encrypted.
    Nothing,
    /// The identity of its location, where it has one.
    Location,
    /// A file of this host with the age identity.
    File(PathBuf),
}

impl Handle {
    /// Lists what is in a copy: a page of it. All members are gone through once.
    ///
    /// # Errors
    /// No such archive, its file is not there or cannot be read, or nothing opens it; `Occupied`.
    pub async fn contents(
        &self,
        key: &CopyKey,
        question: Question,
        with: OpenWith,
        reading: Reading,
    ) -> Result<Listing, RequestError> {
        let Turns { of_peers, of_others } = &self.core.turns;
        let turn = match reading {
            // A closed semaphore would be a mistake here; nobody closes it.
            Reading::Others => Arc::clone(of_others).acquire_owned().await.ok(),
            Reading::Peer => {
                let turn = Arc::clone(of_peers).try_acquire_owned();
                Some(turn.map_err(|_| RequestError::Occupied)?)
            }
        };
        let file = self.open_archive(key).await?;
        let archive = self.core.catalogue.get(key).ok_or_else(|| {
            RequestError::NotFound(format!("there is no archive {} at `{}`", key.id, key.location))
        })?;
        let core = Arc::clone(&self.core);
        let stop = self.core.stop.child();
        // Whoever asked may be gone before a large archive is read.
        let _ends = Ends(stop.clone());
        tokio::task::spawn_blocking(move || {
            // Whoever is gone keeps the turn until the thread is done.
            let _turn = turn;
            let identity = identity(&core, &archive, &with)?;
            let text = identity.as_ref().map(SecretString::expose_secret);
            let mut reader = Reader::open_to_list(file, archive.codec, text, &stop)
                .map_err(|error| unreadable(&archive, &error))?;
            archive::list(&mut reader, &question, &stop)
                .map_err(|error| unreadable(&archive, &error))
        })
        .await
        .map_err(|error| RequestError::Failed(error.to_string()))?
    }
}

/// What opens an archive, where it is encrypted.
fn identity(
    core: &Core,
    archive: &Archive,
    with: &OpenWith,
) -> Result<Option<SecretString>, RequestError> {
    if archive.recipients.is_empty() {
        return Ok(None);
    }
    let name = &archive.name;
    let closed = |why: &str| RequestError::Refused {
        why: format!("`{name}` is encrypted, and {why}: what is in it cannot be listed"),
        hint: Some(format!(
            "name a file with the identity of one of its recipients: `larder archive contents {name} --identity FILE`"
        )),
    };
    let refused = |why: String, hint| RequestError::Refused { why, hint };
    match with {
        OpenWith::Nothing => Err(closed("no identity was given")),
        OpenWith::File(path) => {
            let read = read_identity(path);
            read.map(Some).map_err(|trouble| refused(trouble.why, trouble.hint))
        }
        OpenWith::Location => {
            let desired = core.desired();
            let location = desired.locations.get(&archive.location);
            let Some(reference) = location.and_then(|location| location.identity.as_ref()) else {
                return Err(closed("no identity was given"));
            };
            let read = secret::read(reference);
            read.map(Some).map_err(|error| refused(with_causes(&error), error.hint()))
        }
    }
}

fn unreadable(archive: &Archive, error: &OpenError) -> RequestError {
    let name = &archive.name;
    match error {
        OpenError::Stopped(_) => RequestError::Stopping,
        OpenError::WrongIdentity => RequestError::Refused {
            why: format!("`{name}` is encrypted, and the identity that is there does not open it"),
            hint: Some(format!("it is for {}", archive.recipients.join(", "))),
        },
        error => RequestError::Refused {
            why: format!("what is in `{name}` cannot be listed: {}", with_causes(error)),
            hint: error.hint().map(str::to_owned),
        },
    }
}
