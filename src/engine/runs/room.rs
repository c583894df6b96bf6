//! Whether an archive will fit, before it is begun.

use std::fmt::Write as _;

use crate::engine::observe;
use crate::engine::runs::context::{Context, Failure};
use crate::engine::runs::expire;
use crate::location::ArchiveStore;
use crate::model::archive::{Archive, Condition, How};
use crate::model::job::{Job, JobSource};
use crate::model::location::Location;
use crate::model::name::ArchiveName;
use crate::model::run::Cause;
use crate::model::size::Bytes;
use crate::reconcile::expiry::{AfterSuccess, after_success};
use crate::state::StateError;

/// Fails early when the archive will not fit, judged by the last one of the series.
///
/// The trash is emptied before its time when that is enough; nothing else is ever deleted to make room.
pub(crate) fn make_room(
    cx: &Context,
    job: &Job,
    location: &Location,
    store: &dyn ArchiveStore,
    free: u64,
) -> Result<(), Failure> {
    let last = cx.core.series_archives(&cx.desired, job).into_iter().max_by_key(|a| a.created_at);
    let expected = last.as_ref().map_or(0, |archive| {
        // A dump rests there, as long as it is, while the archive grows beside it.
        let spool = if is_spooled(job) { archive.content_size } else { 0 };
        archive.file_size.saturating_add(spool)
    });
    if let Some(last) = &last {
        cx.progress.expect_bytes(last.content_size);
    }
    let needed = expected.saturating_add(location.min_free.0);
    if free >= needed {
        return Ok(());
    }
    if empty_trash_early(cx, location, store, needed - free)? {
        return Ok(());
    }
    // What cannot be found out is left out: that there is no room is more than that.
    let released = released_by_success(cx, job).unwrap_or_default();
    let failure = Failure::new(format!(
        "not enough space at `{}`: needs {} and {} to stay free (`min_free`), has {}",
        location.name,
        Bytes(expected),
        location.min_free,
        Bytes(free)
    ));
    Err(failure.hint(format!(
        "make room there, or lower `min_free`; no archive was deleted{}",
        in_words(&released)
    )))
}

/// What retention would let go of the job's archives here if this run succeeded.
fn released_by_success(cx: &Context, job: &Job) -> Result<AfterSuccess, StateError> {
    let (desired, now) = (cx.core.desired(), cx.now());
    let observed = observe::observe(&cx.core, &desired, now)?;
    let zoned = now.to_zoned(desired.instance.timezone.clone());
    let made = if cx.run.cause == Cause::Manual { How::Manual } else { How::Scheduled };
    Ok(after_success(&desired, &observed, job, made, &zoned))
}

/// What would be released, as sentences that follow another one.
fn in_words(released: &AfterSuccess) -> String {
    let mut words = String::new();
    let mut say = |what: &str, archives: &[ArchiveName]| {
        if !archives.is_empty() {
            let names: Vec<&str> = archives.iter().map(ArchiveName::as_str).collect();
            // Writing to a `String` cannot fail.
            let _ = write!(words, ". {what}: {}", names.join(", "));
        }
    };
    if let Some((hash, archives)) = &released.waiting {
        say(&format!("`larder approve {hash}` would release"), archives);
    }
    say("A success would release", &released.releases);
    say("A success would ask for approval (`larder plan`) to release", &released.asks_for);
    words
}

/// Whether what is archived is first written to the location in full.
fn is_spooled(job: &Job) -> bool {
    match &job.source {
        JobSource::Mysql(_) | JobSource::Postgresql(_) => true,
        JobSource::CustomDir(_) | JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => false,
    }
}

/// Unlinks what would leave the trash next, no more than frees `missing` bytes. Deletes nothing,
/// and says so, where all of it is not enough, or while anything is odd and people may want
/// deleted archives back. What another instance put into the trash of a shared folder is that
/// one's to take back until its time is over.
fn empty_trash_early(
    cx: &Context,
    location: &Location,
    store: &dyn ArchiveStore,
    missing: u64,
) -> Result<bool, Failure> {
    let desired = cx.core.desired();
    // A name space below a location is a location of its own, and nobody's but ours.
    let is_ours = |archive: &Archive| location.owner.is_some() || desired.owns(archive);
    let mut trashed = cx.core.catalogue.select(|archive| {
        archive.location == location.name
            && is_ours(archive)
            && matches!(archive.condition, Condition::Trashed { .. })
    });
    let in_trash: u64 = trashed.iter().map(|archive| archive.file_size).sum();
    if in_trash < missing || !cx.core.state.freezes()?.is_empty() {
        return Ok(false);
    }
    cx.log(&format!("emptying the trash of `{}` early: space is short", location.name));
    trashed.sort_by_key(|archive| match archive.condition {
        Condition::Trashed { until } => (until, archive.id),
        Condition::Present | Condition::Corrupt | Condition::Lost | Condition::Unavailable => {
            (jiff::Timestamp::MAX, archive.id)
        }
    });
    let mut freed = 0;
    for archive in &trashed {
        if freed >= missing {
            break;
        }
        let is_trashed = |archive: &Archive| matches!(archive.condition, Condition::Trashed { .. });
        let key = archive.key();
        if expire::remove(cx, store, &key, None, is_trashed)?.is_some() {
            freed += archive.file_size;
        }
    }
    Ok(freed >= missing)
}
