//! Reads an archive's file again and compares its SHA-256 with the recorded one.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use crate::archive::{self, OpenError, ReadBack};
use crate::engine::catalogue::CatalogueError;
use crate::engine::core::{Core, GaveWay};
use crate::engine::locations::doors::Visitor;
use crate::engine::runs::context::{Context, Done, Failure, with_causes};
use crate::location::ArchiveStore;
use crate::model::archive::{Archive, Condition, CopyKey, Sha256};
use crate::model::observed::LocationState;
use crate::model::size::Bytes;
use crate::process;
use crate::reconcile::turns;
use crate::state::StateError;

/// How long setting a priority may take.
const A_MOMENT: Duration = Duration::from_secs(5);

/// What a reading came to.
enum Read {
    Whole { intact: bool },
    GaveWay { position: u64 },
}

/// Verifies one copy.
pub(crate) fn verify(cx: &Context, key: &CopyKey) -> Result<Done, Failure> {
    let is_aside = turns::is_aside(&cx.run);
    let archive = match cx.archive(key) {
        // It left while this waited for an idle moment.
        Err(gone) if is_aside => return Ok(Done { summary: gone.summary, ..Done::default() }),
        other => other?,
    };
    let (store, _) = cx.available(&key.location)?;
    let Some(expected) = archive.file_sha256 else {
        return Err(Failure::new(format!("no hash of `{}` was ever recorded", archive.name)));
    };
    cx.progress.enter("verifying");
    cx.progress.expect_bytes(archive.file_size);
    let result = store.open(&archive).map_err(Failure::from).and_then(|file| {
        let read = if is_aside {
            aside(cx, key, &file, expected)
        } else {
            archive::verify(&file, expected, &cx.stop, &cx.progress)
                .map(|intact| Read::Whole { intact })
        };
        read.map_err(|error| match error {
            OpenError::Stopped(stopped) => Failure::from(stopped),
            OpenError::Io(error) => match unreadable(&cx.core, store.as_ref(), &archive, error) {
                Ok(failure) => failure,
                Err(error) => error.into(),
            },
            error => Failure::new(format!(
                "cannot read `{}` at `{}`: {}",
                archive.name,
                key.location,
                with_causes(&error)
            )),
        })
    });
    let intact = match result? {
        Read::Whole { intact } => intact,
        Read::GaveWay { position } => {
            let (read, of) = (Bytes(position), Bytes(archive.file_size));
            let summary = format!("gave way after {read} of {of} of `{}`", archive.name);
            return Ok(Done { summary, goes_on: true, ..Done::default() });
        }
    };
    let now = cx.now();
    cx.core
        .catalogue
        .modify(&cx.core.state, (store.as_ref(), Visitor::Run(&cx.stop)), key, |archive| {
            archive.verified_at = Some(now);
            archive.condition = match (&archive.condition, intact) {
                // Where it rests is one thing, what became of its bytes another.
                (Condition::Trashed { until }, _) => Condition::Trashed { until: *until },
                (_, true) => Condition::Present,
                (_, false) => Condition::Corrupt,
            };
        })
        .map_err(|error| match error {
            CatalogueError::Shut(shut) => shut.into(),
            error => Failure::new(with_causes(&error)),
        })?;
    if intact {
        return Ok(Done {
            summary: format!("`{}` is intact, {}", archive.name, Bytes(archive.file_size)),
            ..Done::default()
        });
    }
    Err(Failure::new(format!(
        "`{}` at `{}` is corrupt: its bytes are not those that were written",
        archive.name, key.location
    ))
    .hint("it fills no retention slot any more; make a new archive (`larder run`), and look at the disk")
    // What it is now is known: a whole copy may come at once.
    .rest(jiff::SignedDuration::ZERO))
}

/// What it means that the file of an archive cannot be read: its place is in doubt, and where the
/// disk cannot give the bytes back, they are as good as wrong, until they are read well once.
pub(crate) fn unreadable(
    core: &Core,
    store: &dyn ArchiveStore,
    archive: &Archive,
    error: io::Error,
) -> Result<Failure, StateError> {
    let is_bad = matches!(Errno::from_io_error(&error), Some(Errno::IO | Errno::UCLEAN));
    let failed = store.failed("read", Path::new(archive.name.as_str()), error);
    let (key, place) = (archive.key(), &archive.location);
    let is_there = !matches!(store.state(), LocationState::Unavailable(_));
    let is_present = |known: Archive| known.condition == Condition::Present;
    if !is_bad || !is_there || !core.catalogue.get(&key).is_some_and(is_present) {
        return Ok(failed.into());
    }
    // Not in its description: a disk in doubt is written as little as possible.
    core.catalogue.set_condition(&core.state, &key, Condition::Corrupt)?;
    Ok(Failure::new(format!(
        "`{}` at `{place}` cannot be read, and counts as damaged: {}",
        archive.name,
        with_causes(&failed)
    ))
    .hint(format!(
        "look at the disk (`dmesg`, `smartctl`); `larder archive verify {} --location {place}` reads it again",
        archive.name
    ))
    // What it is now is known: a whole copy may come at once.
    .rest(jiff::SignedDuration::ZERO))
}

/// Reads a file back while nobody waits for it: by a thread whose reads wait for everybody else's,
/// past the page cache, and only until something else is due. What it came to is remembered, and
/// not read again.
fn aside(cx: &Context, key: &CopyKey, file: &File, expected: Sha256) -> Result<Read, OpenError> {
    let half = cx.core.half_read().remove(key).map(|gave_way| gave_way.half);
    if let Some(half) = &half {
        cx.log(&format!("goes on behind {}", Bytes(half.position())));
    }
    let read = std::thread::scope(|scope| {
        // A thread of its own: the priority would stay with one that is used again.
        let reader = scope.spawn(|| {
            be_idle(cx);
            archive::verify_aside(file, expected, half, &cx.give_way, &cx.progress)
        });
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    match read? {
        ReadBack::Whole { intact } => Ok(Read::Whole { intact }),
        ReadBack::Half(half) => {
            // Whoever stops the run stops this as well.
            cx.stop.check()?;
            let position = half.position();
            let gave_way = GaveWay { half: *half, at: cx.now() };
            cx.core.half_read().insert(key.clone(), gave_way);
            Ok(Read::GaveWay { position })
        }
    }
}

/// Gives the reads of this thread the priority of those that wait for everybody else's.
fn be_idle(cx: &Context) {
    // `PID/task/TID`
    let Ok(own) = std::fs::read_link("/proc/thread-self") else { return };
    let Some(thread) = own.file_name().and_then(|name| name.to_str()) else { return };
    let idle = ["ionice", "-c", "3", "-p", thread].map(str::to_owned);
    if let Err(error) = process::output(&idle, A_MOMENT, 4096, &cx.stop) {
        // It is read all the same, and its place in the queue is that of everybody.
        tracing::debug!(error = %with_causes(&error), "no idle priority for reading back");
    }
}
