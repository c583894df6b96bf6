//! What dead-man's switches are told.

use crate::delivery::{Ping, PingSign};
use crate::engine::Autonomy;
use crate::engine::core::Core;
use crate::model::desired::NotifyTarget;
use crate::model::name::JobName;
use crate::model::run::{Run, RunStatus, Work};
use crate::notices::{self, Condition, Event, Sign};
use crate::state::RunFilter;

/// A ping with what there is to say.
pub(super) fn ping_of(
    core: &Core,
    ping: &notices::Ping,
    failed: &[Run],
    conditions: &[Condition],
) -> Ping {
    let (sign, body) = match ping.sign {
        Sign::Start => (PingSign::Start, String::new()),
        Sign::Success => (PingSign::Success, last_success(core, &ping.job)),
        Sign::Fail => {
            let run = failed.iter().find(|run| Some(run.id) == ping.run);
            (PingSign::Fail, run.map_or_else(String::new, |run| run.summary.clone()))
        }
    };
    let is_ill = |event| matches!(event, Event::Failure | Event::Overdue);
    let wrong = conditions.iter().filter(|c| is_ill(c.event) && c.patience.is_zero());
    Ping {
        job: ping.job.to_string(),
        sign,
        body: format!("{}: {}", ping.job, notices::one_line(&body)),
        wrong: wrong.map(|condition| notices::one_line(&condition.text)).collect(),
    }
}

fn last_success(core: &Core, job: &JobName) -> String {
    let newest = |status| {
        let filter = RunFilter {
            job: Some(job.clone()),
            kind: Some("backup".to_owned()),
            status: Some(status),
        };
        core.state.runs(&filter, None, 1).ok().and_then(|mut runs| runs.pop())
    };
    let runs = [newest(RunStatus::Success), newest(RunStatus::Warning)];
    let newest = runs.into_iter().flatten().max_by_key(|run| run.id);
    newest.map_or_else(|| "success".to_owned(), |run| run.summary)
}

/// Tells the dead-man's switches that a backup begins.
pub(crate) fn began(core: &Core, run: &Run) {
    let Work::Backup { job } = &run.work else { return };
    match core.options.autonomy {
        Autonomy::Daemon | Autonomy::Apply => {}
        Autonomy::OnRequest => return,
    }
    let desired = core.desired();
    let switches =
        desired.notify.values().filter(|notify| matches!(notify.target, NotifyTarget::PingUrl(_)));
    let now = core.now();
    let mut desks = core.notices.desks();
    for notify in switches {
        let ping = Ping {
            job: job.to_string(),
            sign: PingSign::Start,
            body: format!("{job}: run {} begins", run.id),
            wrong: Vec::new(),
        };
        desks.entry(notify.name.clone()).or_default().push_ping(&notify.name, ping, now);
    }
    drop(desks);
    core.notices.ready.notify_one();
}
