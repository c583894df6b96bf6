//! Whether an archive will fit, before it is begun.

use crate::location::ArchiveStore;
use crate::model::archive::{Archive, Condition};
use crate::model::job::{Job, JobSource};
use crate::model::location::Location;
use crate::model::size::Bytes;

use super::context::{Context, Failure};
use super::{catalogue, expire};

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
    let released = cx.core.released_by_success(&job.name);
    let mut failure = Failure::new(format!(
        "not enough space at `{}`: needs {} and {} to stay free (`min_free`), has {}",
        location.name,
        Bytes(expected),
        location.min_free,
        Bytes(free)
    ));
    failure.hint = Some(if released.is_empty() {
        "make room there, or lower `min_free`; no archive was deleted".to_owned()
    } else {
        format!(
            "make room there, or lower `min_free`; no archive was deleted. A success would release: {}",
            released.join(", ")
        )
    });
    Err(failure)
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
/// deleted archives back.
fn empty_trash_early(
    cx: &Context,
    location: &Location,
    store: &dyn ArchiveStore,
    missing: u64,
) -> Result<bool, Failure> {
    let mut trashed = cx.core.catalogue.select(|archive| {
        archive.location == location.name && matches!(archive.condition, Condition::Trashed { .. })
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
        let key = catalogue::key_of(archive);
        if expire::remove(&cx.core, store, &key, None, is_trashed)?.is_some() {
            freed += archive.file_size;
        }
    }
    Ok(freed >= missing)
}
