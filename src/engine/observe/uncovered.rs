//! What of this host no job covers, looked at now and then: one line for the status.
//!
//! **Invariant:** it runs beside everything else, once an hour at most, and nothing waits for it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::coverage;
use crate::engine::core::Core;
use crate::engine::{Autonomy, View};
use crate::stop::Stopped;

/// How long after a start it is looked at first: there is more urgent work then.
const FIRST: Duration = Duration::from_mins(1);
/// How often.
const AGAIN: Duration = Duration::from_hours(1);
/// The most time that it may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The last look.
#[derive(Debug)]
pub(crate) struct Uncovered {
    next: Instant,
    /// One that hangs somewhere has no second one beside it.
    is_open: bool,
    line: Option<String>,
}

impl Uncovered {
    pub(crate) fn new() -> Self {
        Self { next: Instant::now() + FIRST, is_open: false, line: None }
    }
}

/// What the last look showed.
pub(crate) fn line(core: &Core) -> Option<String> {
    core.uncovered.lock().line.clone()
}

/// Looks, where that is due.
pub(crate) fn begin_where_due(core: &Arc<Core>) {
    if core.options.autonomy != Autonomy::Daemon || core.stop.reason().is_some() {
        return;
    }
    {
        let mut last = core.uncovered.lock();
        if last.next > Instant::now() {
            return;
        }
        if last.is_open {
            return;
        }
        last.is_open = true;
    }
    tokio::spawn(look(Arc::clone(core)));
}

async fn look(core: Arc<Core>) {
    let stop = core.stop.child();
    let (inner, shared) = (stop.clone(), Arc::clone(&core));
    let mut looked = tokio::task::spawn_blocking(move || {
        let facts = coverage::look(Path::new("/"), &inner);
        coverage::summary(&coverage::judge(&facts, &shared.desired()))
    });
    let looked = if let Ok(looked) = tokio::time::timeout(LIMIT, &mut looked).await {
        looked
    } else {
        stop.request(Stopped::TimedOut);
        looked.await
    };
    {
        let mut last = core.uncovered.lock();
        (last.is_open, last.next) = (false, Instant::now() + AGAIN);
    }
    let Ok(line) = looked else { return };
    core.uncovered.lock().line.clone_from(&line);
    core.view.rcu(|view| Arc::new(View { uncovered: line.clone(), ..View::clone(view) }));
}
