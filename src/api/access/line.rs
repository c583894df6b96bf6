//! bcrypt, which takes a third of a second of a processor: one at a time, two a second at most,
//! for everybody together.
//!
//! Attempts stand in line in the order of their coming; one address has a few places in it, and
//! requests that bring the same token share one. An attempt goes on when the request that brought
//! it is gone: what it finds serves the next one, and leaving does not save its price.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use secrecy::zeroize::Zeroizing;
use tokio::sync::watch;
use tokio::time::Instant;

use super::gate::Gate;
use super::guesses::Asker;
use super::presented::TokenDigest;
use crate::api::App;
use crate::model::token::TokenHash;

/// The time from one bcrypt to the next.
const PACE: Duration = Duration::from_millis(500);
/// How many attempts may stand in line.
const PLACES: usize = 16;
/// How many of one address.
const PLACES_EACH: usize = 4;
/// When it is worth trying again where there is no place.
const NO_PLACE: Duration = Duration::from_secs(1);

/// The line.
#[derive(Default)]
pub(super) struct Line {
    /// Held by the attempt whose turn it is: when the last bcrypt began.
    turn: tokio::sync::Mutex<Option<Instant>>,
    attempts: Mutex<HashMap<TokenDigest, Attempt>>,
}

struct Attempt {
    asker: Asker,
    /// Closes when it is over.
    over: watch::Receiver<()>,
}

impl Line {
    fn attempts(&self) -> MutexGuard<'_, HashMap<TokenDigest, Attempt>> {
        self.attempts.lock()
    }
}

/// Takes an attempt out of the line when it is over, however it ended.
struct InLine {
    gate: Arc<Gate>,
    digest: TokenDigest,
    _over: watch::Sender<()>,
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.gate.line.attempts().remove(&self.digest);
    }
}

impl Gate {
    /// Compares a token with every bcrypt; what comes of it is remembered.
    ///
    /// # Errors
    /// There is no place in the line; with the time after which there may be.
    pub(super) async fn look_up(
        self: &Arc<Self>,
        app: &App,
        asker: Asker,
        digest: TokenDigest,
        token: Zeroizing<Vec<u8>>,
    ) -> Result<(), Duration> {
        let mut over = {
            let mut attempts = self.line.attempts();
            if let Some(same) = attempts.get(&digest) {
                same.over.clone()
            } else {
                let own = attempts.values().filter(|attempt| attempt.asker == asker).count();
                if attempts.len() >= PLACES || own >= PLACES_EACH {
                    return Err(NO_PLACE);
                }
                let (sender, over) = watch::channel(());
                attempts.insert(digest, Attempt { asker, over: over.clone() });
                let place = InLine { gate: Arc::clone(self), digest, _over: sender };
                tokio::spawn(place.wait_and_compare(app.clone(), token));
                over
            }
        };
        // An error says that the other side is gone, which is what is waited for.
        let _ = over.changed().await;
        Ok(())
    }
}

impl InLine {
    async fn wait_and_compare(self, app: App, token: Zeroizing<Vec<u8>>) {
        let mut turn = self.gate.line.turn.lock().await;
        // What is in force when it is its turn.
        let known = self.gate.known(&app.desired());
        let token = Arc::new(token);
        for hash in known.bcrypts.iter() {
            if let Some(last) = *turn {
                tokio::time::sleep_until(last + PACE).await;
            }
            *turn = Some(Instant::now());
            let (token, text) = (Arc::clone(&token), hash.clone());
            let compared = tokio::task::spawn_blocking(move || {
                bcrypt::verify(token.as_slice(), &text).unwrap_or(false)
            });
            // A thread that could not be had says nothing about the token.
            let Ok(is_right) = compared.await else { return };
            if is_right {
                return self.gate.prove(self.digest, TokenHash::Bcrypt(hash.clone()));
            }
        }
        known.refute(self.digest);
    }
}
