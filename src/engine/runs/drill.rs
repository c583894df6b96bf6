//! One drill: a real restore into a scratch place, compared with what was recorded.
//!
//! The whole archive is restored into a directory that only we can enter; what lies there is
//! compared with the manifest, member by member; a dump is loaded into a throw-away server. What
//! that showed is remembered with the job, and with the archive where it is the archive's fault.
//!
//! **Invariants:** nothing outside the scratch place is written; it is gone when the drill is over,
//! whatever came of it; that something cannot be found out here is never told as a failure of the
//! archive, nor as a proof.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::database::Kind;
use crate::engine::locations::doors::Visitor;
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::model::archive::{Archive, Condition, CopyKey};
use crate::model::job::JobType;
use crate::model::name::JobName;
use crate::model::observed::{DrillOutcome, LastDrill};
use crate::restore::restoring_job;
use crate::secret;
use crate::stop::Stopped;

mod tree;
mod databases;
mod yunohost;
mod scratch;

use scratch::Scratch;
pub(crate) use scratch::sweep;

/// The most time that one program may take where the job says nothing.
const TIMEOUT: Duration = Duration::from_hours(6);

/// What a drill showed.
#[derive(Debug)]
enum Shown {
    /// Everything came back as it was.
    Proven { what: String, warned: bool },
    /// It did not.
    Failed { why: String, fault: Fault },
    /// It cannot be found out here as things are.
    Unable { why: String, hint: Option<String> },
}

/// Whose fault it is that a drill failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// What was written cannot be brought back: no copy of it is worth anything.
    Archive,
    /// The bytes of this copy are not those that were written.
    Copy,
    /// Perhaps neither's.
    Elsewhere,
}

impl Shown {
    fn unable(why: impl Into<String>) -> Self {
        Shown::Unable { why: why.into(), hint: None }
    }
}

/// Why a drill goes no further.
#[derive(Debug)]
enum Ended {
    /// What it showed is known.
    Shown(Shown),
    /// Somebody asked to stop.
    Stopped(Stopped),
}

impl From<Shown> for Ended {
    fn from(shown: Shown) -> Self {
        Ended::Shown(shown)
    }
}

impl From<Stopped> for Ended {
    fn from(stopped: Stopped) -> Self {
        Ended::Stopped(stopped)
    }
}

/// Proves that an archive can be restored.
pub(crate) fn drill(cx: &Context, job: &JobName, key: &CopyKey) -> Result<Done, Failure> {
    let archive = cx.archive(key)?;
    let shown = match prove(cx, job, &archive) {
        Err(Ended::Stopped(stopped)) => return Err(stopped.into()),
        Err(Ended::Shown(shown)) | Ok(shown) => shown,
    };
    // What a drill that was stopped in its last moment saw is not what it would have seen.
    cx.stop.check()?;
    remember(cx, job, &archive, &shown)?;
    match shown {
        Shown::Proven { what, warned } => Ok(Done {
            warned,
            summary: format!("proven: `{}` was restored, {what}", archive.name),
            ..Done::default()
        }),
        Shown::Unable { why, hint } => {
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            let summary = format!("`{}` cannot be proved here: {why}{hint}", archive.name);
            Ok(Done { warned: true, summary, ..Done::default() })
        }
        Shown::Failed { why, fault } => {
            let hint = match fault {
                Fault::Archive => {
                    "it fills no retention slot any more; older ones stay: see what is wrong with the source, and make a new archive (`larder run`)"
                }
                Fault::Copy => {
                    "it fills no retention slot any more; make a new archive (`larder run`), and look at the disk"
                }
                Fault::Elsewhere => "the log of this run has the details (`larder log`)",
            };
            Err(Failure::new(format!("`{}` does not restore: {why}", archive.name)).hint(hint))
        }
    }
}

/// Writes down what was shown: in the sidecars of all copies what is true of the archive, in the
/// state what the job's owner wants to know.
fn remember(cx: &Context, job: &JobName, archive: &Archive, shown: &Shown) -> Result<(), Failure> {
    let refuted = match shown {
        Shown::Proven { .. } => Some(None),
        Shown::Failed { why, fault: Fault::Archive } => Some(Some(why.clone())),
        Shown::Failed { fault: Fault::Copy | Fault::Elsewhere, .. } | Shown::Unable { .. } => None,
    };
    let catalogue = &cx.core.catalogue;
    if let Some(refuted) = refuted {
        let changed = |copy: &Archive| copy.id == archive.id && copy.refuted != refuted;
        for copy in catalogue.select(changed) {
            change(cx, &copy, |copy| copy.refuted.clone_from(&refuted))?;
        }
    }
    if matches!(shown, Shown::Failed { fault: Fault::Copy, .. }) {
        change(cx, archive, |copy| copy.condition = Condition::Corrupt)?;
    }
    let now = cx.now();
    let outcome = match shown {
        Shown::Proven { what, .. } => DrillOutcome::Proven(what.clone()),
        Shown::Failed { why, .. } => DrillOutcome::Failed(why.clone()),
        Shown::Unable { why, hint } => {
            let hint = hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
            DrillOutcome::Unable(format!("{why}{hint}"))
        }
    };
    let last = LastDrill {
        run: cx.run.id,
        archive: archive.name.clone(),
        location: archive.location.clone(),
        at: now,
        took: now.duration_since(cx.run.started_at.unwrap_or(now)),
        outcome,
    };
    cx.core.state.commit(|txn| {
        let mut facts = txn.drill_facts(job)?;
        if matches!(last.outcome, DrillOutcome::Proven(_)) {
            facts.proven_at = Some(now);
        }
        facts.last = Some(last);
        txn.put_drill_facts(job, &facts)
    })?;
    Ok(())
}

/// Changes what is known of a copy, in its sidecar where that is in reach.
fn change(cx: &Context, copy: &Archive, change: impl Fn(&mut Archive)) -> Result<(), Failure> {
    let (catalogue, state) = (&cx.core.catalogue, &cx.core.state);
    let key = copy.key();
    let written = cx.core.store(&copy.location).map(|store| {
        let place = (store.as_ref(), Visitor::Run(&cx.stop));
        catalogue.modify(state, place, &key, &change)
    });
    if matches!(written, Some(Ok(_))) {
        return Ok(());
    }
    let mut changed = catalogue.get(&key).unwrap_or_else(|| copy.clone());
    change(&mut changed);
    catalogue.put(state, changed)?;
    Ok(())
}

fn prove(cx: &Context, job: &JobName, archive: &Archive) -> Result<Shown, Ended> {
    let Some(job) = restoring_job(&cx.desired, job) else {
        return Ok(Shown::unable(format!("job `{job}` is not in the configuration")));
    };
    let file = cx.available(&archive.location).and_then(|(store, _)| Ok(store.open(archive)?));
    let file = file.map_err(|failure| match failure {
        Failure { stopped: Some(stopped), .. } => Ended::Stopped(stopped),
        Failure { summary, hint, .. } => Shown::Unable { why: summary, hint }.into(),
    })?;
    let identity = identity(cx, archive)?;
    let identity = identity.as_ref().map(ExposeSecret::expose_secret);
    let kind = kind_of(archive.job_type);
    let mut scratch = Scratch::make(cx, archive, needed(archive)).map_err(Shown::unable)?;
    let place = scratch.path().display();
    cx.log(&format!("restoring `{}` of `{}` into {place}", archive.name, archive.location));
    // Ends before the scratch place does, since it is started later.
    let server = kind.map(|kind| databases::start(cx, kind, archive, &mut scratch)).transpose()?;
    let root = scratch.path().join("archive");
    let warned = tree::extract(cx, archive, &file, identity, &root)?;
    if is_of_yunohost(archive.job_type) {
        return match yunohost::prove(&root) {
            Ok(Shown::Proven { what, .. }) => Ok(Shown::Proven { what, warned }),
            Ok(other) => Ok(other),
            Err(error) => Ok(Shown::unable(format!("what was restored cannot be read: {error}"))),
        };
    }
    let mut what = tree::compare(cx, archive, &file, identity, &root)?;
    if let (Some(kind), Some(server)) = (kind, &server) {
        let assertions = job.drill.as_ref().map_or(&[][..], |drill| drill.assert.as_slice());
        let timeout = Duration::try_from(job.timeout).unwrap_or(TIMEOUT);
        let loaded = databases::prove(cx, kind, server.as_ref(), &scratch, (assertions, timeout))?;
        what = format!("{what}; {loaded}");
    }
    cx.progress.enter("clearing away");
    Ok(Shown::Proven { what, warned })
}

/// Bytes that a drill takes, as far as that is known before.
fn needed(archive: &Archive) -> u64 {
    let stream = archive.stream_size;
    match kind_of(archive.job_type) {
        Some(_) => stream.saturating_add(databases::needed(archive)),
        None => stream,
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn kind_of(job_type: JobType) -> Option<Kind> {
    match job_type {
        JobType::Mysql => Some(Kind::Mysql),
        JobType::Postgresql => Some(Kind::Postgresql),
        JobType::CustomDir | JobType::YnhApp | JobType::YnhSystem => None,
    }
}

fn is_of_yunohost(job_type: JobType) -> bool {
    match job_type {
        JobType::YnhApp | JobType::YnhSystem => true,
        JobType::CustomDir | JobType::Mysql | JobType::Postgresql => false,
    }
}

/// The identity that opens an encrypted archive: that of the location it rests at.
fn identity(cx: &Context, archive: &Archive) -> Result<Option<secrecy::SecretString>, Shown> {
    if archive.recipients.is_empty() {
        return Ok(None);
    }
    let place = &archive.location;
    let location = cx.desired.locations.get(place);
    let Some(reference) = location.and_then(|location| location.identity.as_ref()) else {
        return Err(Shown::Unable {
            why: format!("it is encrypted, and location `{place}` has no `identity`"),
            hint: Some(format!("`[location.{place}] identity = {{ file = \"…\" }}`")),
        });
    };
    secret::read(reference).map(Some).map_err(|error| Shown::Unable {
        why: format!(
            "the `identity` of location `{place}` cannot be read: {}",
            with_causes(&error)
        ),
        hint: error.hint(),
    })
}
