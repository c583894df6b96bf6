//! Tells people: what is due is decided after a look, and kept in the state until it was delivered.
//!
//! The decision is [`crate::notices`]'s, one attempt at a delivery is [`crate::delivery`]'s; here
//! is what lies between: a desk for each target, with what it was told and what waits to leave.
//! **Invariants:** what a target was told and the message that tells it are written as one value:
//! after a crash it is either told or still due. No run, look or request waits for a delivery.
//!
//! A daemon decides after each look. `larder apply` decides once, at its end: what one call of it
//! met is one message. Other commands leave it to those two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Zoned};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify as Signal;

use crate::delivery::Content;
use crate::engine::core::Core;
use crate::engine::runs::context::with_causes;
use crate::engine::{Autonomy, NoticeTarget, View};
use crate::model::desired::{Desired, Notify, NotifyTarget};
use crate::model::name::ObjectName;
use crate::model::observed::Observed;
use crate::model::run::Run;
use crate::notices::{self, Facts, Wanted};
use crate::reconcile::Plan;
use crate::state::{State, StateError};
use crate::status::JobVerdict;

mod desk;
mod facts;
mod switches;
mod deliver;
mod message;
mod stored;

pub(crate) use deliver::{deliver, flush, test};
pub(crate) use facts::failed_runs;
pub(crate) use switches::began;

use desk::{Desk, Letter};
use facts::{configuration, failed_backups};
use switches::ping_of;

/// Where the state keeps all desks.
const VALUE: &str = "notices";
/// All desks.
pub(crate) struct Notices {
    desks: Mutex<BTreeMap<ObjectName, Desk>>,
    /// Something waits to leave.
    ready: Signal,
    /// An attempt ended.
    ended: Signal,
}

impl Notices {
    /// What the state remembers; everything may be tried again now.
    pub(crate) fn load(state: &State, now: Timestamp) -> Result<Self, StateError> {
        let desks = state.value(VALUE)?.map(|text| stored::read(&text, now)).unwrap_or_default();
        Ok(Self { desks: Mutex::new(desks), ready: Signal::new(), ended: Signal::new() })
    }

    fn desks(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Desk>> {
        self.desks.lock()
    }
}

/// Which part of the decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Pings,
    All,
}

/// What a look found.
pub(crate) struct Found<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    pub(crate) plan: &'a Plan,
    pub(crate) verdicts: &'a [JobVerdict],
}

/// Decides after a look what is due. Returns when to look again for the sake of it. Blocking.
pub(crate) fn decide(core: &Core, found: &Found) -> Option<Timestamp> {
    match core.options.autonomy {
        Autonomy::Daemon => decide_part(core, found, &found.observed.failed, Part::All),
        Autonomy::Apply => decide_part(core, found, &found.observed.failed, Part::Pings),
        Autonomy::OnRequest => None,
    }
}

/// Decides once more what to tell at the end of `larder apply`, from the last view and from what
/// ended since. Blocking.
pub(crate) fn decide_at_end(core: &Core) {
    let view = core.view.load_full();
    let View { desired, observed, plan, verdicts, .. } = view.as_ref();
    let failed = match failed_runs(core, observed, plan.at.timestamp()) {
        Ok(failed) => failed,
        Err(error) => {
            tracing::warn!(error = %with_causes(&error), "cannot find out whom to tell what");
            return;
        }
    };
    decide_part(core, &Found { desired, observed, plan, verdicts }, &failed, Part::All);
}

/// `failed` is what failed beside backups.
fn decide_part(core: &Core, found: &Found, failed: &[Run], part: Part) -> Option<Timestamp> {
    let Found { desired, observed, plan, verdicts } = *found;
    if desired.notify.is_empty() && core.notices.desks().is_empty() {
        return None;
    }
    let now = plan.at.timestamp();
    let failed = match failed_backups(core, desired, observed, now) {
        Ok(backups) => [&backups, failed].concat(),
        Err(error) => {
            tracing::warn!(error = %with_causes(&error), "cannot find out whom to tell what; trying again");
            return None;
        }
    };
    let configuration = configuration(&core.wanted.load().report);
    let facts =
        Facts { desired, observed, plan, verdicts, failed: &failed, configuration: &configuration };
    let conditions = notices::conditions(&facts);
    let mut wake_at: Option<Timestamp> = None;
    let changed = {
        let mut desks = core.notices.desks();
        let before = desks.clone();
        desks.retain(|name, _| desired.notify.contains_key(name));
        for notify in desired.notify.values() {
            let desk = desks.entry(notify.name.clone()).or_default();
            match &notify.target {
                NotifyTarget::PingUrl(_) => {
                    let (pinged, due) = notices::pings(&desk.pinged, &facts);
                    desk.pinged = pinged;
                    for ping in due {
                        let ping = ping_of(core, &ping, &failed, &conditions);
                        desk.push_ping(&notify.name, ping, now);
                    }
                }
                NotifyTarget::Url(_) | NotifyTarget::MailTo(_) if part == Part::Pings => {}
                NotifyTarget::Url(_) | NotifyTarget::MailTo(_) => {
                    let step = notices::due(&desk.told, &wanted(notify), &conditions, &facts);
                    desk.told = step.told;
                    wake_at = [wake_at, step.wake_at].into_iter().flatten().min();
                    if !step.items.is_empty() {
                        let message = message::of(&desired.instance.name, &step.items, &plan.at);
                        desk.push(&notify.name, Content::Message(Box::new(message)), now);
                    }
                }
            }
        }
        *desks != before
    };
    if changed {
        save(core);
        core.notices.ready.notify_one();
    }
    wake_at
}

/// The events that a target wants to hear of.
fn wanted(notify: &Notify) -> Wanted {
    notify.on.iter().copied().collect()
}

/// Writes all desks down. What could not be written is written with the next change.
fn save(core: &Core) {
    let text = stored::write(&core.notices.desks());
    if let Err(error) = core.state.put_value(VALUE, &text) {
        tracing::warn!(error = %with_causes(&error), "cannot write down who was told what");
    }
}

/// How telling goes, for those who show it.
pub(crate) fn targets(core: &Core, desired: &Desired) -> Vec<NoticeTarget> {
    let desks = core.notices.desks();
    let nothing = Desk::default();
    desired
        .notify
        .values()
        .map(|notify| {
            let desk = desks.get(&notify.name).unwrap_or(&nothing);
            NoticeTarget {
                name: notify.name.clone(),
                kind: kind(notify),
                events: match notify.target {
                    NotifyTarget::PingUrl(_) => Vec::new(),
                    NotifyTarget::Url(_) | NotifyTarget::MailTo(_) => notify.on.clone(),
                },
                last_success: desk.last_success,
                failing_since: desk.failing_since,
                last_error: desk.last_error.clone(),
                pending: desk.outbox.len(),
                lost: desk.lost,
            }
        })
        .collect()
}

/// The key of the configuration that makes it what it is.
pub(crate) fn kind(notify: &Notify) -> &'static str {
    match &notify.target {
        NotifyTarget::Url(_) => "url",
        NotifyTarget::PingUrl(_) => "ping_url",
        NotifyTarget::MailTo(_) => "mail_to",
    }
}

/// Shows how telling goes now.
fn show(core: &Core) {
    let targets = Arc::new(targets(core, &core.desired()));
    core.view.rcu(|view| Arc::new(View { notices: Arc::clone(&targets), ..View::clone(view) }));
}

/// A moment in the zone of the instance.
fn zoned(core: &Core, at: Timestamp) -> Zoned {
    at.to_zoned(core.desired().instance.timezone.clone())
}

/// How long the end of `larder apply` waits for deliveries.
const LAST_MINUTE: Duration = Duration::from_mins(1);
