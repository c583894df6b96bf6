//! The configuration in force, and what is known of the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{self, LastGood, Parsed, Severity};
use crate::engine::core::Core;
use crate::engine::observe::wildcards;
use crate::engine::runs::context::with_causes;
use crate::engine::{ConfigReport, StartError, start};
use crate::model::desired::{Desired, SecretRef};
use crate::model::job::{CatchUp, Job};
use crate::model::members::Members;
use crate::model::name::JobName;
use crate::model::observed::Freeze;
use crate::process;
use crate::reconcile::expiry::freeze;
use crate::state::{ConfigRecord, State, StateError};

/// The configuration in force with the report on its files.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// As it is written.
    pub(crate) declared: Arc<Desired>,
    /// With the series of jobs with `*` in their place: what everything else goes by.
    pub(crate) desired: Arc<Desired>,
    pub(crate) report: Arc<ConfigReport>,
    /// The control socket that this process began with.
    control_socket: PathBuf,
}

impl Wanted {
    /// These files with other series in the place of jobs with `*`.
    pub(crate) fn with(&self, desired: Desired) -> Self {
        Self { desired: Arc::new(desired), ..self.clone() }
    }
}

/// Reads the directory, decides what is in force from now on, and records that.
///
/// A broken edit leaves what was last good in force, object by object; a directory that is gone,
/// empty or unreadable changes nothing at all.
pub(crate) fn put_in_force(
    dir: &Path,
    state: &State,
    members: &Members,
    before: Option<&Wanted>,
) -> Result<Wanted, StartError> {
    let gathered = gather(dir, state)?;
    let decision = decide(&gathered, dir, before)?;
    let generation = record(&gathered, &decision, state).map_err(|error| not_kept(&error))?;
    withhold_secrets(&decision.declared);
    let control_socket = before.map_or_else(
        || decision.declared.instance.control_socket.clone(),
        |before| before.control_socket.clone(),
    );
    let mut outdated = decision.outdated;
    if before.is_some() {
        outdated.extend(fixed_at_start(&decision.declared, state.dir(), &control_socket));
    }
    let Gathered { parsed, hash, .. } = gathered;
    let report = ConfigReport {
        dir: dir.to_owned(),
        valid: decision.errors == 0 && outdated.is_empty(),
        hash,
        applied: decision.declared.hash.clone(),
        generation,
        applied_at: applied_at(&decision.declared, before),
        commit: config::commit_of(dir),
        diagnostics: parsed.diagnostics,
        stale: outdated,
    };
    let desired = Arc::new(wildcards::in_force(&decision.declared, members));
    Ok(Wanted { declared: decision.declared, desired, report: Arc::new(report), control_socket })
}

/// What the files and the state say.
struct Gathered {
    parsed: Parsed,
    /// Over what stands in the files; empty where they cannot be read.
    hash: String,
    /// Why the directory cannot be read.
    unreadable: Option<String>,
    /// What was last put in force, whatever directory that was.
    record: Option<ConfigRecord>,
    /// What was last good of this directory.
    last_good: LastGood,
}

fn gather(dir: &Path, state: &State) -> Result<Gathered, StartError> {
    let record = state.config().map_err(|error| not_kept(&error))?;
    // What was last good of another directory is no fallback for a mistyped one.
    let own = record.as_ref().and_then(|record| of_directory(&record.last_good, dir));
    let last_good = match own.map(LastGood::from_json) {
        Some(Ok(last_good)) => last_good,
        Some(Err(error)) => {
            tracing::error!(error = %with_causes(&error), "what was last good of the configuration is not known any more");
            LastGood::default()
        }
        None => LastGood::default(),
    };
    let (parsed, hash, unreadable) = match config::read_dir(dir) {
        Ok((files, mut problems)) => {
            let mut parsed = config::parse_with_last_good(&files, &last_good, dir);
            problems.append(&mut parsed.diagnostics);
            parsed.diagnostics = problems;
            (parsed, files.hash(), None)
        }
        Err(error) => {
            // As if every file were there and none could be read: all that was last good stays.
            let files = config::Files { unread: [String::new()].into(), ..Default::default() };
            let mut parsed = config::parse_with_last_good(&files, &last_good, dir);
            parsed.diagnostics.clear();
            (parsed, String::new(), Some(with_causes(&error)))
        }
    };
    Ok(Gathered { parsed, hash, unreadable, record, last_good })
}

/// What follows from it.
struct Decision {
    declared: Arc<Desired>,
    /// How many mistakes there are in the files.
    errors: usize,
    /// What rests because too much vanished at once.
    freeze: Option<Freeze>,
    /// What is recorded, where it is not known yet: the directory, and what is good of it.
    last_good: Option<String>,
    /// What is not in force as it is written now, and why.
    outdated: Vec<String>,
}

fn decide(
    gathered: &Gathered,
    dir: &Path,
    before: Option<&Wanted>,
) -> Result<Decision, StartError> {
    let Gathered { parsed, unreadable, record, .. } = gathered;
    let errors = parsed.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let declared = match (&parsed.desired, before) {
        (Some(declared), _) => Arc::new(declared.clone()),
        (None, Some(before)) => Arc::clone(&before.declared),
        (None, None) => {
            return Err(match unreadable {
                Some(error) => StartError::Read(error.clone()),
                None => StartError::Config {
                    dir: dir.to_owned(),
                    errors,
                    diagnostics: parsed.diagnostics.clone(),
                },
            });
        }
    };
    let changed = record.as_ref().is_none_or(|record| record.hash != declared.hash);
    // Also over a restart: a slip is a slip, whoever reads it first.
    let jobs_before: BTreeSet<JobName> = match before {
        Some(before) => {
            let written = before.declared.jobs.values().filter(|job| !job.is_built_in());
            written.map(|job| job.name.clone()).collect()
        }
        None => jobs_of(&gathered.last_good),
    };
    let freeze = changed.then(|| freeze::guards_jobs(&jobs_before, &declared.jobs)).flatten();
    let text = format!("{}\n{}", absolute(dir).display(), parsed.last_good.to_json());
    let is_known = !changed && record.as_ref().is_some_and(|record| record.last_good == text);
    let last_good = (!parsed.last_good.is_empty() && !is_known).then_some(text);
    let whole = unreadable.iter().map(|error| format!("everything: {error}"));
    let parts = parsed.stale.iter().map(|stale| match stale.place.line {
        0 => format!("{}: {}", stale.object, stale.reason),
        _ => format!("{} ({}): {}", stale.object, stale.place, stale.reason),
    });
    let outdated = whole.chain(parts).collect();
    Ok(Decision { declared, errors, freeze, last_good, outdated })
}

/// Writes down what was decided; the generation that is in force.
fn record(gathered: &Gathered, decision: &Decision, state: &State) -> Result<u64, StateError> {
    // First: retention must not run with the new jobs before it rests.
    if let Some(freeze) = &decision.freeze {
        state.put_freeze(freeze)?;
    }
    match &decision.last_good {
        Some(text) => state.put_config(text, &decision.declared.hash),
        None => Ok(gathered.record.as_ref().map_or(0, |record| record.generation)),
    }
}

fn not_kept(error: &StateError) -> StartError {
    StartError::State(with_causes(error))
}

/// Since when this configuration is in force.
fn applied_at(declared: &Desired, before: Option<&Wanted>) -> Timestamp {
    let same = before.filter(|before| before.declared.hash == declared.hash);
    same.map_or_else(Timestamp::now, |before| before.report.applied_at)
}

/// What was last good of this directory, of what the state keeps: the directory stands before it.
fn of_directory<'a>(stored: &'a str, dir: &Path) -> Option<&'a str> {
    let (known, last_good) = stored.split_once('\n')?;
    (Path::new(known) == absolute(dir)).then_some(last_good)
}

fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

/// Reads the directory again and puts it in force. Returns whether anything changed.
pub(crate) fn reload(core: &Arc<Core>) -> Result<bool, StartError> {
    let before = core.wanted.load_full();
    let known = wildcards::known(core);
    let next = put_in_force(&core.options.config_dir, &core.state, &known, Some(&before))?;
    let changed = next.desired.hash != before.desired.hash;
    if changed {
        forget_passed_instants(core, &before.desired, &next.desired)
            .map_err(|error| not_kept(&error))?;
    }
    core.wanted.store(Arc::new(next));
    if changed {
        start::open_locations(core, Some(&before.desired));
    }
    Ok(changed)
}

/// A job that waits for its next instant (`catch_up = "next"`) and was given another schedule, or
/// back to life, must not run at once for one that has passed: that was never an instant of it.
fn forget_passed_instants(
    core: &Core,
    before: &Desired,
    after: &Desired,
) -> Result<(), StateError> {
    let now = core.now();
    let lives = |job: &&Job| job.enabled && job.ended.is_none();
    let is_new_in_time = |job: &&Job| {
        before.jobs.get(&job.name).filter(lives).is_none_or(|known| {
            known.schedule.text() != job.schedule.text()
                || before.instance.timezone != after.instance.timezone
        })
    };
    let jobs = after.jobs.values().filter(|job| job.catch_up == CatchUp::Next);
    let jobs: Vec<&Job> = jobs.filter(lives).filter(is_new_in_time).collect();
    if jobs.is_empty() {
        return Ok(());
    }
    core.state.commit(|txn| {
        for job in &jobs {
            let Some(mut facts) = txn.job_facts(&job.name)? else { continue };
            facts.first_seen = now;
            txn.put_job_facts(&job.name, &facts)?;
        }
        Ok(())
    })
}

/// What cannot change while the process runs, and does not fit what is written now.
fn fixed_at_start(desired: &Desired, state_dir: &Path, control_socket: &Path) -> Vec<String> {
    let instance = &desired.instance;
    let pairs = [
        ("state_dir", instance.state_dir.as_path(), state_dir),
        ("control_socket", instance.control_socket.as_path(), control_socket),
    ];
    pairs
        .into_iter()
        .filter(|(_, written, real)| !is_same_path(written, real))
        .map(|(key, _, real)| {
            format!(
                "[instance] `{key}` was changed: `{}` stays in use until larder is restarted",
                real.display()
            )
        })
        .collect()
}

/// Whether two paths lead to the same place, however they are written.
fn is_same_path(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn jobs_of(last_good: &LastGood) -> BTreeSet<JobName> {
    let jobs = last_good.objects.keys().filter(|id| id.kind.word() == "job");
    jobs.filter_map(|id| id.name.parse().ok()).collect()
}

/// No child inherits a variable that holds a secret, from the moment that the configuration says
/// that it holds one.
pub(crate) fn withhold_secrets(desired: &Desired) {
    for secret in desired.secrets() {
        match secret {
            SecretRef::Env(name) => process::withhold(name),
            SecretRef::File(_) | SecretRef::Credential(_) | SecretRef::Command(_) => {}
        }
    }
}
