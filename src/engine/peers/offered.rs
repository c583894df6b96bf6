//! Archives that peers fetch from here: what is said of them, and who holds them now.

use std::sync::Arc;

use serde_json::Value;

use crate::engine::core::Core;
use crate::engine::peers::contacts;
use crate::engine::runs::context::with_causes;
use crate::engine::{Handle, RequestError};
use crate::location::sidecar;
use crate::model::archive::{Archive, Condition, CopyKey};
use crate::model::contact::{Contact, Holdings, RemoteCopy};
use crate::model::name::PlaceName;
use crate::model::peer::PeerKind;

/// The most copies that one peer is known to hold by its own word.
const HELD_MAX: usize = 10_000;

impl Handle {
    /// What stands beside a copy, in the form in which it is sent along with its file.
    ///
    /// # Errors
    /// No such archive, or its descriptions cannot be read.
    pub async fn description(&self, key: &CopyKey) -> Result<Value, RequestError> {
        let key = key.clone();
        self.away(move |core| description(core, &key)).await
    }

    /// Notes that a peer holds a copy of an archive of ours.
    ///
    /// # Errors
    /// No such archive, or it cannot be noted.
    pub async fn note_held(&self, peer: &PlaceName, key: &CopyKey) -> Result<(), RequestError> {
        let (peer, key) = (peer.clone(), key.clone());
        self.away(move |core| {
            let copy = RemoteCopy::of(&present(core, &key)?);
            let now = core.now();
            // One that is asked what it holds says all of it then.
            let known = core.desired();
            let comes_to_us = known
                .peers
                .get(&peer)
                .is_some_and(|peer| !matches!(&peer.kind, PeerKind::Instance { url: Some(_), .. }));
            contacts::change(core, &peer, |contact| {
                if comes_to_us || contact.holdings.is_some() {
                    hold(contact, copy, now);
                }
            })
            .map_err(|error| RequestError::Failed(with_causes(&error)))
        })
        .await?;
        // Whoever asks what it holds should find it there.
        self.looked().await;
        Ok(())
    }

    async fn away<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Core) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, RequestError> {
        let core = Arc::clone(&self.core);
        let done = tokio::task::spawn_blocking(move || body(&core)).await;
        done.unwrap_or_else(|error| Err(RequestError::Failed(error.to_string())))
    }
}

fn present(core: &Core, key: &CopyKey) -> Result<Archive, RequestError> {
    let archive = core.catalogue.get(key).filter(|one| one.condition == Condition::Present);
    archive.ok_or_else(|| {
        RequestError::NotFound(format!("there is no archive {} at `{}`", key.id, key.location))
    })
}

fn description(core: &Core, key: &CopyKey) -> Result<Value, RequestError> {
    let archive = present(core, key)?;
    let failed = |error: &dyn std::error::Error| RequestError::Failed(with_causes(error));
    let folder = core.folder(&key.location).ok_or_else(|| {
        RequestError::NotFound(format!("there is no location `{}`", key.location))
    })?;
    let info_json = folder.info_json(&archive).map_err(|error| failed(&error))?;
    let text = sidecar::to_text(&archive);
    let mut value: Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    if let (Value::Object(table), Ok(info_json)) = (&mut value, String::from_utf8(info_json)) {
        table.insert("info_json".to_owned(), info_json.into());
    }
    Ok(value)
}

/// Adds a copy to what a peer holds; the newest ones are remembered.
fn hold(contact: &mut Contact, copy: RemoteCopy, now: jiff::Timestamp) {
    let holdings = contact.holdings.get_or_insert_with(|| Holdings { at: now, copies: Vec::new() });
    holdings.at = now;
    holdings.copies.retain(|known| known.id != copy.id);
    holdings.copies.push(copy);
    holdings.copies.sort_by_key(|known| (known.created_at, known.id));
    let surplus = holdings.copies.len().saturating_sub(HELD_MAX);
    holdings.copies.drain(..surplus);
}
