//! What `/events` says beside runs and the configuration.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::health::problems;
use crate::engine::View;
use crate::model::contact::Presence;
use crate::model::run::RunStatus;
use crate::status::Verdict;

/// The instance in numbers: the event `view`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// Counts the configurations that were applied.
    pub generation: u64,
    /// Whether the files as they are now have no error.
    pub config_valid: bool,
    /// Jobs that meet every goal.
    pub protected: usize,
    /// Jobs that miss some goal.
    pub at_risk: usize,
    /// Jobs with nothing to restore from that is worth it.
    pub unprotected: usize,
    /// Jobs whose newest good archive is older than its goal.
    pub overdue: usize,
    /// How many runs wait.
    pub queued: usize,
    /// Numbers of the runs under way.
    pub running: Vec<u64>,
    /// Series whose deletions wait for approval.
    pub blocked: usize,
    /// Peers that answered when they were last asked.
    #[serde(default)]
    pub peers_online: usize,
    /// Peers that cannot be asked now.
    #[serde(default)]
    pub peers_away: usize,
    /// How many lines `problems` of `/health` has.
    pub problems: usize,
}

/// Something is missing between this event and the one before: the event `reset`. Whoever keeps a
/// copy of the state reads all of it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reset {
    /// Why.
    pub reason: String,
}

impl Overview {
    /// The numbers of the view's moment.
    #[must_use]
    pub fn new(view: &View) -> Self {
        let verdicts = view.verdicts.iter();
        let count = |verdict| verdicts.clone().filter(|one| one.verdict == verdict).count();
        let open = view.observed.open_runs.iter();
        let contacts = view.observed.contacts.values();
        let peers = view.desired.peers.keys().filter_map(|name| view.observed.contacts.get(name));
        let is_away = |presence: Presence| match presence {
            Presence::Offline | Presence::Error => true,
            Presence::Unknown | Presence::Online => false,
        };
        let running = open.clone().filter(|run| run.status == RunStatus::Running);
        Self {
            generation: view.config.generation,
            config_valid: view.config.valid,
            protected: count(Verdict::Protected),
            at_risk: count(Verdict::AtRisk),
            unprotected: count(Verdict::Unprotected),
            overdue: verdicts.clone().filter(|one| one.overdue).count(),
            queued: open.filter(|run| run.status == RunStatus::Queued).count(),
            running: running.map(|run| run.id.0).collect(),
            blocked: view.plan.blocked.len(),
            peers_online: contacts.filter(|one| one.presence == Presence::Online).count(),
            peers_away: peers.filter(|peer| is_away(peer.presence)).count(),
            problems: problems(view).len(),
        }
    }
}
