//! Lists what jobs with `*` stand for, and puts their series in force.
//!
//! A listing is made when none is known, at every instant that the job's schedule names, and when
//! somebody asks for all of it; what was listed last stays in force while a listing fails, over a
//! restart too. **Invariants:** it runs beside everything else and no longer than its time limit:
//! only the series of the same job wait for it; only the loop changes what is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::config::show;
use crate::database::{self, DatabaseError};
use crate::engine::core::Core;
use crate::engine::requests::{Reply, Request};
use crate::engine::runs::context::with_causes;
use crate::engine::{Autonomy, RequestError};
use crate::model::desired::Desired;
use crate::model::job::{Job, JobSource};
use crate::model::members::{Found, Listing, Members, Tried, asked};
use crate::model::name::JobName;
use crate::model::observed::Freeze;
use crate::reconcile::expand::expand;
use crate::reconcile::expiry::freeze::guards_members;
use crate::stop::{Stop, Stopped};
use crate::yunohost;

/// The most time that a listing may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long one that was told to stop may take to do so, before nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(5);
/// When a listing that failed is made again.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// How far a clock may go back before what it said is not believed.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// Who lists: the servers themselves, or a test.
pub(crate) type Lister =
    Arc<dyn Fn(&JobSource, &Stop) -> Result<Vec<String>, String> + Send + Sync>;

/// What is known, and who waits to know.
#[derive(Default)]
pub(crate) struct Listings {
    known: Members,
    askers: BTreeMap<JobName, Vec<Reply<()>>>,
}

impl Listings {
    /// With what was known before a restart.
    pub(crate) fn new(known: Members) -> Self {
        Self { known, askers: BTreeMap::new() }
    }
}

fn listings(core: &Core) -> parking_lot::MutexGuard<'_, Listings> {
    core.listings.lock()
}

/// What is known now.
pub(crate) fn known(core: &Core) -> Members {
    listings(core).known.clone()
}

/// Asks the server or YunoHost itself. In one line why it does not answer.
pub(crate) fn ask_the_host(source: &JobSource, stop: &Stop) -> Result<Vec<String>, String> {
    let of_database = |error: DatabaseError| format!("{} ({})", with_causes(&error), error.hint());
    match source {
        JobSource::Mysql(access) => {
            database::list(database::Kind::Mysql, access, stop).map_err(of_database)
        }
        JobSource::Postgresql(access) => {
            database::list(database::Kind::Postgresql, access, stop).map_err(of_database)
        }
        JobSource::YnhApp { .. } => match yunohost::apps(stop) {
            Ok(apps) => Ok(apps.into_iter().map(|app| app.id).collect()),
            Err(error) => Err(with_causes(&error)),
        },
        JobSource::CustomDir(_) | JobSource::YnhSystem { .. } => Ok(Vec::new()),
    }
}

/// The configuration with the series of jobs with `*` in their place, each with its own table for
/// its archives.
pub(crate) fn in_force(declared: &Desired, members: &Members) -> Desired {
    let mut desired = expand(declared, members);
    for job in desired.jobs.values_mut().filter(|job| job.name.is_series()) {
        job.effective_json = show::job_json(job).to_string();
    }
    desired
}

fn templates(core: &Core) -> Vec<Job> {
    let declared = Arc::clone(&core.wanted.load().declared);
    declared.jobs.values().filter(|job| job.is_template()).cloned().collect()
}

/// Whether a job's members are to be listed now.
fn is_due(core: &Core, listings: &Listings, template: &Job, now: Timestamp) -> bool {
    let listing = listings.known.get(&template.name);
    if listing.is_some_and(|listing| listing.is_open) {
        return false;
    }
    if listings.askers.contains_key(&template.name) {
        return true;
    }
    let only = &core.options.only;
    let is_ours =
        only.is_empty() || only.iter().any(|one| one.declared() == template.name.as_str());
    if core.options.autonomy == Autonomy::OnRequest || !template.enabled || !is_ours {
        return false;
    }
    let holds = listing.filter(|listing| listing.of == asked(&template.source));
    let Some(tried) = holds.and_then(|listing| listing.tried.as_ref()) else { return true };
    if tried.at.duration_since(now) > TOLERANCE {
        return true;
    }
    if tried.failure.is_some() && now.duration_since(tried.at) >= AGAIN {
        return true;
    }
    let zoned = now.to_zoned(core.desired().instance.timezone.clone());
    let named = template.schedule.last_at_or_before(&zoned);
    named.is_some_and(|named| named.timestamp() > tried.at)
}

/// Whether anything is being listed, or will be in a moment.
pub(crate) fn is_busy(core: &Core) -> bool {
    let templates = templates(core);
    if templates.is_empty() {
        return false;
    }
    let (listings, now) = (listings(core), core.now());
    templates.iter().any(|template| {
        listings.known.get(&template.name).is_some_and(|listing| listing.is_open)
            || is_due(core, &listings, template, now)
    })
}

/// Begins every listing that is due. What comes of it is a request to the loop.
pub(crate) fn begin_where_due(core: &Arc<Core>, workers: &mut JoinSet<()>) {
    if core.stop.reason().is_some() {
        return;
    }
    let now = core.now();
    for template in templates(core) {
        let mut listings = listings(core);
        if is_due(core, &listings, &template, now) {
            listings.known.entry(template.name.clone()).or_default().is_open = true;
            workers.spawn(list(Arc::clone(core), template, now));
        }
    }
}

/// Lists, within the limits.
async fn list(core: Arc<Core>, template: Job, at: Timestamp) {
    let stop = core.stop.child();
    let (lister, source, inner) = (Arc::clone(&core.lister), template.source.clone(), stop.clone());
    let mut thread = tokio::task::spawn_blocking(move || lister(&source, &inner));
    let ended = if let Ok(ended) = tokio::time::timeout(LIMIT, &mut thread).await {
        Some(ended)
    } else {
        stop.request(Stopped::TimedOut);
        tokio::time::timeout(GRACE, &mut thread).await.ok()
    };
    let outcome = match (ended, stop.reason()) {
        (Some(Ok(Ok(members))), _) => Ok(members.into_iter().collect()),
        (_, Some(Stopped::TimedOut)) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        (Some(Ok(Err(failure))), _) => Err(failure),
        (Some(Err(_)), _) => Err("an error in larder itself".to_owned()),
        (None, reason) => Err(reason.map_or_else(String::new, |reason| reason.to_string())),
    };
    if core.stop.reason().is_some() {
        return;
    }
    // A closed channel means that the loop is gone.
    let _ = core.requests.send(Request::Listed(Box::new(Listed { template, at, outcome })));
}

/// What came of a listing.
#[derive(Debug)]
pub(crate) struct Listed {
    template: Job,
    at: Timestamp,
    outcome: Result<BTreeSet<String>, String>,
}

/// Remembers who wants to know what a job stands for now; the next turn begins to list.
pub(crate) fn ask(core: &Core, template: &JobName, reply: Reply<()>) {
    if templates(core).iter().any(|job| job.name == *template) {
        listings(core).askers.entry(template.clone()).or_default().push(reply);
    } else {
        let unknown = RequestError::NotFound(format!("there is no job `{template}` with `*`"));
        // The asker may be gone.
        let _ = reply.send(Err(unknown));
    }
}

/// Tells those who still wait that nobody lists any more.
pub(crate) fn give_up(core: &Core) {
    let askers = std::mem::take(&mut listings(core).askers);
    for asker in askers.into_values().flatten() {
        // The asker may be gone.
        let _ = asker.send(Err(RequestError::Stopping));
    }
}

/// Puts what was listed in force, and remembers it.
pub(crate) fn take_in(core: &Core, listed: Listed) {
    let Listed { template, at, outcome } = listed;
    let name = &template.name;
    let of = asked(&template.source);
    let before = listings(core).known.get(name).cloned().unwrap_or_default();
    let held = before.found.clone().filter(|_| before.of == of);
    let (found, failure) = match outcome {
        Ok(members) => (Some(Found { members, at }), None),
        Err(failure) => {
            tracing::warn!(job = %name, %failure, "what the job stands for cannot be listed");
            (held, Some(failure))
        }
    };
    let frozen = match (&before.found, &found) {
        (Some(before), Some(found)) => guards_members(&template, before, found),
        (None, _) | (_, None) => None,
    };
    let listing = Listing { of, found, tried: Some(Tried { at, failure }), is_open: false };
    if let Err(error) = remember(core, name, &listing, frozen) {
        // It is in force all the same; the next listing is written again.
        tracing::error!(job = %name, error = %with_causes(&error), "cannot remember what a job stands for");
    }
    let answer = match (&listing.found, listing.failure()) {
        (None, failure) => Err(RequestError::Failed(format!(
            "what `{name}` stands for cannot be listed: {}",
            failure.unwrap_or_default()
        ))),
        (Some(_), _) => Ok(()),
    };
    let askers = {
        let mut listings = listings(core);
        listings.known.insert(name.clone(), listing);
        listings.askers.remove(name).unwrap_or_default()
    };
    put_in_force(core);
    for asker in askers {
        // The asker may be gone.
        let _ = asker.send(answer.clone());
    }
}

/// Expands the configuration anew.
fn put_in_force(core: &Core) {
    let wanted = core.wanted.load_full();
    let desired = in_force(&wanted.declared, &known(core));
    if desired != *wanted.desired {
        let series = desired.jobs.keys().filter(|name| name.is_series()).count();
        tracing::info!(series, "the series of jobs with `*` changed");
        core.wanted.store(Arc::new(wanted.with(desired)));
    }
}

fn remember(
    core: &Core,
    name: &JobName,
    listing: &Listing,
    frozen: Option<Freeze>,
) -> Result<(), crate::state::StateError> {
    let frozen = match frozen {
        Some(frozen) => Some(beside(core.state.freezes()?, frozen)),
        None => None,
    };
    core.state.commit(|txn| {
        txn.put_listing(name, listing)?;
        frozen.as_ref().map_or(Ok(()), |frozen| txn.put_freeze(frozen))
    })
}

/// A freeze that takes the place of another of its kind says what that one said, too.
fn beside(known: Vec<Freeze>, frozen: Freeze) -> Freeze {
    let Freeze::JobsVanished(new) = frozen else { return frozen };
    let before = known.into_iter().find_map(|freeze| match freeze {
        Freeze::JobsVanished(reason) => Some(reason),
        Freeze::Clock(_) | Freeze::Recovery(_) => None,
    });
    Freeze::JobsVanished(match before {
        Some(before) if before.contains(&new) => before,
        Some(before) => format!("{before}; {new}"),
        None => new,
    })
}
