//! What a caller sees of this instance.
//!
//! For a peer, what is not its own is not there at all: a handler looks names up in a view that
//! holds its name space and nothing else, so that what is somebody else's and what never was are
//! answered alike. What a peer learns of the rest (a verdict for each job) is told in types of
//! their own, which a field that is added elsewhere does not reach. **Invariant:** a name space is
//! compared whole, never by how a name begins.

use std::sync::Arc;

use super::Caller;
use crate::engine::{Beat, ConfigReport, Foreseen, View};
use crate::model::archive::{Archive, Condition};
use crate::model::desired::{Defaults, Desired};
use crate::model::name::PlaceName;
use crate::model::observed::Observed;
use crate::model::run::{Run, Work};
use crate::model::token::Scope;
use crate::reconcile::Plan;

/// The part of a view that a caller may change something in.
pub(in crate::api) fn narrowed(view: Arc<View>, caller: &Caller) -> Arc<View> {
    match caller {
        Caller::Local | Caller::Token { .. } => view,
        Caller::Peer { name, .. } => Arc::new(of_peer(&view, name)),
    }
}

/// The part of a view that a caller may read: for a peer that may fetch, also our archives that are
/// for it.
pub(in crate::api) fn narrowed_to_read(view: Arc<View>, caller: &Caller) -> Arc<View> {
    match caller {
        Caller::Local | Caller::Token { .. } => view,
        Caller::Peer { name, scopes } => {
            let mut seen = of_peer(&view, name);
            if scopes.contains(&Scope::Fetch) {
                let all = &view.observed.archives;
                let offered = all.iter().filter(|archive| is_offered(&view.desired, archive, name));
                let mut observed = Observed::clone(&seen.observed);
                observed.archives.extend(offered.cloned());
                seen.observed = Arc::new(observed);
            }
            Arc::new(seen)
        }
    }
}

/// Whether a peer may take an archive of ours: one that is there, and worth a copy.
fn is_offered(desired: &Desired, archive: &Archive, peer: &PlaceName) -> bool {
    archive.condition == Condition::Present && archive.is_good() && desired.offers(archive, peer)
}

/// The part of a view that a caller may order something of: for a peer also the archives that this
/// instance made and keeps itself. Its remote hand reaches those, and nothing that others sent.
pub(in crate::api) fn narrowed_to_orders(view: Arc<View>, caller: &Caller) -> Arc<View> {
    let Some(peer) = caller.peer() else { return view };
    let mut seen = of_peer(&view, peer);
    let mut observed = Observed::clone(&seen.observed);
    let is_ours = |archive: &&Archive| view.desired.owns(archive);
    observed.archives.extend(view.observed.archives.iter().filter(is_ours).cloned());
    seen.observed = Arc::new(observed);
    Arc::new(seen)
}

fn of_peer(view: &View, peer: &PlaceName) -> View {
    let desired = &view.desired;
    let own = desired.name_space(peer);
    let is_own = |place: &PlaceName| own.as_ref() == Some(place);
    let locations = desired.locations.iter().filter(|(name, _)| is_own(name));
    let peers = desired.peers.iter().filter(|(name, _)| *name == peer);
    let seen = Desired {
        instance: desired.instance.clone(),
        defaults: Defaults::default(),
        policies: [].into(),
        recovery_recipients: Vec::new(),
        keeps_configuration: false,
        jobs: [].into(),
        templates: [].into(),
        locations: locations.map(|(name, location)| (name.clone(), location.clone())).collect(),
        peers: peers.map(|(name, peer)| (name.clone(), peer.clone())).collect(),
        tokens: [].into(),
        notify: [].into(),
        hash: String::new(),
    };
    let all = &view.observed;
    let states = all.locations.iter().filter(|(name, _)| is_own(name));
    let series = all.series.iter().filter(|(series, _)| is_own(&series.location));
    let runs = all.open_runs.iter().filter(|run| is_about(&run.work, own.as_ref()));
    let observed = Observed {
        archives: all.archives.iter().filter(|a| is_own(&a.location)).cloned().collect(),
        foreign: all.foreign.iter().filter(|f| is_own(&f.location)).cloned().collect(),
        locations: states.map(|(name, state)| (name.clone(), state.clone())).collect(),
        open_runs: runs.cloned().collect(),
        series: series.map(|(series, facts)| (series.clone(), facts.clone())).collect(),
        ..Observed::nothing(all.awake_since)
    };
    let passes = view.plan.passes.iter().filter(|pass| is_own(&pass.series.location));
    let plan = Plan {
        at: view.plan.at.clone(),
        actions: Vec::new(),
        blocked: Vec::new(),
        notes: Vec::new(),
        passes: passes.cloned().collect(),
        wake_at: None,
    };
    let config = ConfigReport {
        dir: std::path::PathBuf::new(),
        valid: true,
        hash: String::new(),
        applied: String::new(),
        generation: 0,
        applied_at: view.config.applied_at,
        commit: None,
        diagnostics: Vec::new(),
        stale: Vec::new(),
    };
    View {
        at: view.at.clone(),
        started_at: view.started_at,
        desired: Arc::new(seen),
        config: Arc::new(config),
        observed: Arc::new(observed),
        plan: Arc::new(plan),
        verdicts: Arc::default(),
        space: Arc::default(),
        foreseen: Foreseen::default(),
        uncovered: None,
        stalled: None,
        listening: Arc::default(),
        beat: Beat::default(),
        notices: Arc::default(),
    }
}

/// Whether a piece of work is about what rests in a name space.
fn is_about(work: &Work, own: Option<&PlaceName>) -> bool {
    let place = match work {
        Work::Backup { .. } | Work::Prune { .. } => return false,
        Work::Fetch { to, .. } => to,
        Work::Expire { series, .. } => &series.location,
        Work::EmptyTrash { location, .. }
        | Work::Verify { location, .. }
        | Work::Adopt { location, .. }
        | Work::Restore { location, .. }
        | Work::Drill { location, .. } => location,
        Work::Send { from, to, .. } => {
            return own.is_some_and(|own| own == from || own == to);
        }
    };
    own == Some(place)
}

impl Caller {
    /// Whether it sees a run: a peer those about its own archives.
    #[must_use]
    pub fn sees_run(&self, run: &Run, desired: &Desired) -> bool {
        match self {
            Self::Local | Self::Token { .. } => true,
            Self::Peer { name, .. } => is_about(&run.work, desired.name_space(name).as_ref()),
        }
    }
}
