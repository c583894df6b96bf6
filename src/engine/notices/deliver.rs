//! One task beside the executor: it takes what waits to the targets, each by itself.
//!
//! A target that hangs holds up nobody else; one that cannot be reached is tried again after a
//! minute, five, thirty, and every two hours, for a day.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::desk::back_off;
use super::{Desk, LAST_MINUTE, Letter, message, save, show, zoned};
use crate::delivery::{self, Content, DeliveryError, Ping, PingSign};
use crate::engine::core::Core;
use crate::engine::runs::context::with_causes;
use crate::engine::{RequestError, TestedNotice};
use crate::model::desired::{Notify, NotifyTarget};
use crate::model::name::ObjectName;

/// How long the task sleeps when nothing waits.
const IDLE: Duration = Duration::from_hours(1);
/// What is said to be due later than that was dated by another clock.
const LATEST: SignedDuration = SignedDuration::from_hours(3);

/// Delivers until the engine is asked to stop.
pub(crate) async fn deliver(core: Arc<Core>) {
    let mut workers: JoinSet<ObjectName> = JoinSet::new();
    let mut busy: BTreeSet<ObjectName> = BTreeSet::new();
    loop {
        let now = core.now();
        let mut pause = IDLE;
        for (name, at) in heads(&core) {
            let wait = at.duration_since(now);
            if busy.contains(&name) {
                continue;
            }
            if wait.is_positive() && wait < LATEST {
                pause = pause.min(Duration::try_from(wait).unwrap_or(IDLE));
                continue;
            }
            let target = core.desired().notify.get(&name).cloned();
            let Some(notify) = target else { continue };
            busy.insert(name);
            workers.spawn(empty_outbox(Arc::clone(&core), notify));
        }
        tokio::select! {
            // A permit that is not taken stays.
            () = core.notices.ready.notified() => {}
            // `join_next` is cancel safe: a worker that ended stays in the set.
            Some(ended) = workers.join_next(), if !workers.is_empty() => {
                if let Ok(name) = ended {
                    busy.remove(&name);
                } else {
                    // Which one it was is not known: all are tried again, later.
                    tracing::error!("telling somebody failed by an error in larder itself");
                    workers.abort_all();
                    while workers.join_next().await.is_some() {}
                    busy.clear();
                    give_way(&core);
                }
            }
            // A timer that is dropped is set again.
            () = tokio::time::sleep(pause) => {}
            // Waits for a flag that stays set. What was not delivered is in the state.
            _ = core.stop.requested() => return,
        }
    }
}

/// Puts off whatever waits: after a panic it must not be tried again at once for ever.
fn give_way(core: &Core) {
    let later = core.now().saturating_add(back_off(1)).unwrap_or(Timestamp::MAX);
    for desk in core.notices.desks().values_mut() {
        desk.outbox.iter_mut().for_each(|letter| (letter.next_at, letter.tried) = (later, true));
    }
}

/// What leaves next for each target, and when.
fn heads(core: &Core) -> Vec<(ObjectName, Timestamp)> {
    let desks = core.notices.desks();
    let head =
        |(name, desk): (&ObjectName, &Desk)| Some((name.clone(), desk.outbox.first()?.next_at));
    desks.iter().filter_map(head).collect()
}

/// Delivers what waits for one target, in order, until nothing waits or an attempt fails.
async fn empty_outbox(core: Arc<Core>, notify: Notify) -> ObjectName {
    loop {
        let letter = core.notices.desks().get(&notify.name).and_then(|d| d.outbox.first().cloned());
        let Some(letter) = letter else { break };
        let result = delivery::deliver(&notify, &letter.content, &core.stop).await;
        if core.stop.reason().is_some() && result.is_err() {
            break;
        }
        let went_well = result.is_ok();
        let (shared, name) = (Arc::clone(&core), notify.name.clone());
        let noted = tokio::task::spawn_blocking(move || {
            note(&shared, &name, &letter, result);
            save(&shared);
            show(&shared);
        });
        // What is not written is written with the next change.
        let _ = noted.await;
        core.notices.ended.notify_waiters();
        if !went_well {
            break;
        }
    }
    notify.name
}

/// Notes what came of an attempt.
fn note(core: &Core, target: &ObjectName, letter: &Letter, result: Result<(), DeliveryError>) {
    let now = core.now();
    let mut desks = core.notices.desks();
    let Some(desk) = desks.get_mut(target) else { return };
    match result {
        Ok(()) => {
            if desk.failing_since.is_some() {
                tracing::info!(%target, "a notification target can be reached again");
            }
            desk.succeeded(Some(letter.id), now);
        }
        Err(error) => desk.failed(target, letter, &error, now),
    }
}

/// Waits until everything that waits was tried, at the end of `larder apply`.
pub(crate) async fn flush(core: &Core) {
    let all_tried = async {
        loop {
            let ended = core.notices.ended.notified();
            let desired = core.desired();
            let waits = core.notices.desks().iter().any(|(name, desk)| {
                desired.notify.contains_key(name) && desk.outbox.iter().any(|l| !l.tried)
            });
            if !waits {
                return;
            }
            // Between two looks somebody may have been told without our notice.
            let _ = tokio::time::timeout(Duration::from_millis(200), ended).await;
        }
    };
    if tokio::time::timeout(LAST_MINUTE, all_tried).await.is_err() {
        tracing::warn!("not everybody was told within a minute; it is tried again next time");
    }
}

/// Sends a test to one target, or to all, at the same time.
pub(crate) async fn test(
    core: &Arc<Core>,
    only: Option<&ObjectName>,
) -> Result<Vec<TestedNotice>, RequestError> {
    let desired = core.desired();
    let chosen: Vec<&Notify> = desired
        .notify
        .values()
        .filter(|notify| only.is_none_or(|only| *only == notify.name))
        .collect();
    if chosen.is_empty() {
        return Err(match only {
            Some(name) => RequestError::NotFound(format!("there is no `[notify.{name}]`")),
            None => RequestError::Refused {
                why: "nobody is told about failures".to_owned(),
                hint: Some(
                    "write a `[notify.NAME]` with `url`, `ping_url` or `mail_to`".to_owned(),
                ),
            },
        });
    }
    let now = core.now();
    let attempts = chosen.into_iter().map(|notify| async move {
        let began = Instant::now();
        let content = test_content(core, notify, now);
        let result = delivery::deliver(notify, &content, &core.stop).await;
        TestedNotice {
            name: notify.name.clone(),
            kind: super::kind(notify),
            took: began.elapsed(),
            hint: result.as_ref().err().and_then(DeliveryError::hint),
            error: result.err().map(|error| with_causes(&error)),
        }
    });
    let tested = futures_util::future::join_all(attempts).await;
    let well: Vec<ObjectName> =
        tested.iter().filter(|one| one.error.is_none()).map(|one| one.name.clone()).collect();
    let shared = Arc::clone(core);
    let noted = tokio::task::spawn_blocking(move || {
        // What waits for a target that answers need not wait any longer.
        let now = shared.now();
        for (_, desk) in shared.notices.desks().iter_mut().filter(|(name, _)| well.contains(name)) {
            desk.succeeded(None, now);
        }
        save(&shared);
        show(&shared);
        shared.notices.ready.notify_one();
    });
    // A test was made, whether or not it is remembered.
    let _ = noted.await;
    Ok(tested)
}

fn test_content(core: &Core, notify: &Notify, now: Timestamp) -> Content {
    let desired = core.desired();
    match &notify.target {
        NotifyTarget::PingUrl(_) => {
            let job = desired.jobs.values().find(|job| job.enabled && job.ended.is_none());
            Content::Ping(Ping {
                job: job.map_or("test", |job| job.name.as_str()).to_owned(),
                sign: PingSign::Log,
                body: format!("a test of larder on {}", desired.instance.name),
                wrong: Vec::new(),
            })
        }
        NotifyTarget::Url(_) | NotifyTarget::MailTo(_) => {
            let message = message::test(&desired.instance.name, &notify.name, &zoned(core, now));
            Content::Message(Box::new(message))
        }
    }
}
