//! Archives that YunoHost was told to make and that are not in the catalogue yet.
//!
//! When larder ends while YunoHost works, YunoHost may go on. A file of a name that is owed is
//! taken in by a run of its own once it is whole; until then it is foreign, and says whose it is.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::location::folder::Folder;
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::observed::Foreign;
use crate::model::run::{Cause, RunId, Work};
use crate::state::StateError;

use super::{describe, find};
use crate::engine::core::Core;
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::engine::{Autonomy, Event};

/// Where the state keeps them.
const KEY: &str = "owed-by-yunohost";
/// How long something that is not whole is waited for.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// The end of a tar archive: two empty blocks at least.
const END: usize = 1024;

/// Runs end and begin on several threads; the list is changed by one at a time.
static CHANGING: Mutex<()> = Mutex::new(());

/// An archive that YunoHost was told to make.
#[derive(Debug, Clone)]
pub(crate) struct Owed {
    /// By which run.
    pub(crate) run: RunId,
    /// Where it will be.
    pub(crate) location: PlaceName,
    /// Its name.
    pub(crate) name: ArchiveName,
    /// For which job.
    pub(crate) job: JobName,
    /// When YunoHost was told.
    pub(crate) created_at: Timestamp,
    /// Whether somebody asked for it.
    pub(crate) by_hand: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    run: u64,
    location: String,
    name: String,
    job: String,
    created_at: Timestamp,
    by_hand: bool,
}

impl From<&Owed> for Stored {
    fn from(owed: &Owed) -> Self {
        Self {
            run: owed.run.0,
            location: owed.location.to_string(),
            name: owed.name.to_string(),
            job: owed.job.to_string(),
            created_at: owed.created_at,
            by_hand: owed.by_hand,
        }
    }
}

impl Stored {
    fn owed(self) -> Option<Owed> {
        Some(Owed {
            run: RunId(self.run),
            location: self.location.parse().ok()?,
            name: self.name.parse().ok()?,
            job: self.job.parse().ok()?,
            created_at: self.created_at,
            by_hand: self.by_hand,
        })
    }
}

fn all(core: &Core) -> Result<Vec<Owed>, StateError> {
    let text = core.state.value(KEY)?.unwrap_or_default();
    let stored: Vec<Stored> = serde_json::from_str(&text).unwrap_or_default();
    Ok(stored.into_iter().filter_map(Stored::owed).collect())
}

fn change(core: &Core, change: impl FnOnce(&mut Vec<Owed>)) -> Result<(), StateError> {
    let _changing = CHANGING.lock();
    let mut owed = all(core)?;
    change(&mut owed);
    if owed.is_empty() {
        return core.state.drop_value(KEY);
    }
    let stored: Vec<Stored> = owed.iter().map(Stored::from).collect();
    core.state.put_value(KEY, &serde_json::to_string(&stored).expect("strings are JSON"))
}

/// Remembers that YunoHost is about to be told.
pub(super) fn remember(core: &Core, owed: &Owed) -> Result<(), StateError> {
    change(core, |all| all.push(owed.clone()))
}

/// Nothing more is to come of it.
pub(super) fn forget(core: &Core, owed: &Owed) {
    let result = change(core, |all| {
        all.retain(|other| other.location != owed.location || other.name != owed.name);
    });
    if let Err(error) = result {
        // The next look finds it in the catalogue, or gone, and forgets it then.
        tracing::debug!(archive = %owed.name, error = %with_causes(&error), "cannot forget what YunoHost made");
    }
}

/// Whether YunoHost finished the file: its description is there and the archive has an end.
pub(super) fn is_complete(folder: &Folder, owed: &Owed) -> bool {
    let described = folder.open_foreign(&format!("{}.info.json", owed.name)).is_ok();
    let Some((file_name, _)) = find(folder, owed) else { return false };
    // A compressed one shows its end only when it is read: whoever takes it in does.
    described
        && (file_name.ends_with(".tar.gz")
            || folder.open_foreign(&file_name).is_ok_and(|file| has_end(file).unwrap_or(false)))
}

fn has_end(mut file: File) -> std::io::Result<bool> {
    let mut end = [1; END];
    file.seek(SeekFrom::End(-1024))?;
    file.read_exact(&mut end)?;
    Ok(end.iter().all(|byte| *byte == 0))
}

/// Has what YunoHost finished meanwhile taken in, and says of the rest whose it is.
pub(crate) fn settle(
    core: &Core,
    location: &PlaceName,
    folder: &Folder,
    foreign: &mut [Foreign],
) -> Result<(), StateError> {
    for owed in all(core)?.into_iter().filter(|owed| owed.location == *location) {
        if core.given_up().contains_key(&owed.run) {
            continue;
        }
        let is_over = core.now().duration_since(owed.created_at) > PATIENCE;
        let Some((file_name, _)) = find(folder, &owed) else {
            if is_over {
                forget(core, &owed);
            }
            continue;
        };
        if core.catalogue.has_name(location, owed.name.as_str()) {
            forget(core, &owed);
        } else if is_complete(folder, &owed) {
            take_in(core, &owed, file_name)?;
        } else {
            let note = format!(
                "run {} of `{}` was interrupted and left it; it is not whole",
                owed.run, owed.job
            );
            tracing::warn!(
                %location, file = file_name,
                "{note}: delete it with `yunohost backup delete {}` if it stays so", owed.name
            );
            for file in foreign.iter_mut().filter(|file| file.file_name == file_name) {
                file.note = Some(note.clone());
            }
            if is_over {
                forget(core, &owed);
            }
        }
    }
    Ok(())
}

/// Reading it takes long: that is a run of its own.
fn take_in(core: &Core, owed: &Owed, file_name: String) -> Result<(), StateError> {
    if core.options.autonomy == Autonomy::OnRequest || !core.desired().jobs.contains_key(&owed.job)
    {
        return Ok(());
    }
    let work = Work::Adopt { location: owed.location.clone(), file_name, job: owed.job.clone() };
    if core.state.open_runs()?.iter().any(|run| run.work == work) {
        return Ok(());
    }
    let hash = core.desired().hash.clone();
    let run = core.state.enqueue(work, Cause::Reconcile, core.now(), Some(hash))?;
    core.log_line(
        run.id,
        &format!(
            "queued: YunoHost finished `{}` after run {} was interrupted",
            owed.name, owed.run
        ),
    );
    core.tell(Event::Run(Box::new(run)));
    Ok(())
}

/// Whether a file is what YunoHost makes for a run of ours, or may be.
pub(crate) fn is_owed(core: &Core, location: &PlaceName, file_name: &str) -> bool {
    let Ok(all) = all(core) else { return true };
    all.iter().any(|owed| {
        owed.location == *location
            && [".tar", ".tar.gz"].iter().any(|end| file_name == format!("{}{end}", owed.name))
    })
}

/// Takes a file in that a run of ours had YunoHost make; `None` when it is no such file.
pub(crate) fn adopt(
    cx: &Context,
    location: &PlaceName,
    file_name: &str,
    job: &JobName,
) -> Option<Result<Done, Failure>> {
    let owed = all(&cx.core).ok()?.into_iter().find(|owed| {
        owed.location == *location
            && owed.job == *job
            && [".tar", ".tar.gz"].iter().any(|end| file_name == format!("{}{end}", owed.name))
    })?;
    let job = cx.desired.jobs.get(job)?;
    let result = cx
        .available(location)
        .and_then(|(store, _)| describe(cx, job, store.as_ref(), &owed, None))
        .map(|described| described.enter(cx, &owed));
    if result.as_ref().is_err_and(|failure| failure.stopped.is_none()) {
        // It is told once; from now on it is a foreign file like any other.
        forget(&cx.core, &owed);
    }
    Some(result)
}
