//! One way to stop work, for async and for blocking code alike.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why work is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// Somebody cancelled the run.
    #[error("cancelled")]
    Cancelled,
    /// The run took longer than its time-out.
    #[error("timed out")]
    TimedOut,
    /// The daemon ends.
    #[error("the daemon is stopping")]
    Shutdown,
}

/// A request to stop that many can see. Clones share it; a [`child`](Stop::child) also sees its parent's.
#[derive(Debug, Clone)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<Stopped>>,
    parent: Option<Arc<Stop>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self { token: CancellationToken::new(), reason: Arc::default(), parent: None }
    }

    /// A request that its parent's includes, but not the other way round.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            reason: Arc::default(),
            parent: Some(Arc::new(self.clone())),
        }
    }

    /// Asks to stop. The first reason stays.
    pub fn request(&self, reason: Stopped) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Why to stop, if anybody asked.
    #[must_use]
    pub fn reason(&self) -> Option<Stopped> {
        if !self.token.is_cancelled() {
            return None;
        }
        let own = self.reason.get().copied();
        own.or_else(|| self.parent.as_ref().and_then(|parent| parent.reason()))
    }

    /// For blocking code: between members and between chunks.
    ///
    /// # Errors
    /// When somebody asked to stop.
    pub fn check(&self) -> Result<(), Stopped> {
        self.reason().map_or(Ok(()), Err)
    }

    /// For async code: ends when somebody asked. May be dropped at any time.
    pub async fn requested(&self) -> Stopped {
        self.token.cancelled().await;
        self.reason().unwrap_or(Stopped::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_and_not_the_other_way_round() {
        let daemon = Stop::new();
        let (run, other) = (daemon.child(), daemon.child());
        run.request(Stopped::TimedOut);
        assert_eq!(run.check(), Err(Stopped::TimedOut));
        assert_eq!(other.check(), Ok(()));
        assert_eq!(daemon.check(), Ok(()));
        daemon.request(Stopped::Shutdown);
        assert_eq!(other.check(), Err(Stopped::Shutdown));
        assert_eq!(run.check(), Err(Stopped::TimedOut));
    }
}
