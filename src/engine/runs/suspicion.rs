//! Whether a fresh archive is to be believed: decided once, when it is made, and kept with it.

use jiff::Timestamp;

use crate::archive::Written;
use crate::engine::runs::context::Context;
use crate::model::archive::{Archive, Outcome};
use crate::model::job::Job;
use crate::model::observed::Freeze;
use crate::reconcile::judge::{FUTURE_TOLERANCE, Newcomer, suspicion};

/// How good a fresh archive of a job is.
pub(crate) fn of(cx: &Context, job: &Job, written: &Written, created_at: Timestamp) -> Outcome {
    let is_clock = |freeze: &Freeze| matches!(freeze, Freeze::Clock(_));
    // While that cannot be told, no date is to be trusted.
    let doubted = cx.core.state.freezes().map_or(true, |freezes| freezes.iter().any(is_clock));
    let dates = if doubted { Dates::Doubted } else { Dates::Trusted };
    outcome(job, written, created_at, &cx.core.series_archives(&cx.desired, job), dates)
}

/// Whether the clock that dates a fresh archive is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dates {
    Trusted,
    /// It jumped, and nobody knows which side of the jump was wrong.
    Doubted,
}

/// How good an archive is, beside the earlier ones of its series.
fn outcome(
    job: &Job,
    written: &Written,
    created_at: Timestamp,
    series: &[Archive],
    dates: Dates,
) -> Outcome {
    if let Outcome::Suspect(doubt) = &written.outcome {
        return Outcome::Suspect(doubt.clone());
    }
    let newcomer = Newcomer { content_size: written.content_size, files: written.counts.files };
    if let Some(reason) = suspicion(&newcomer, &usual_sizes(series), job.shrink_alarm) {
        return Outcome::Suspect(reason);
    }
    if let Some(newer) = newer(created_at, series, dates) {
        return Outcome::Suspect(format!(
            "its date lies before that of `{0}`, which was made earlier; if that one is dated wrongly, `larder archive delete {0}` removes it",
            newer.name
        ));
    }
    if written.counts.unreadable > 0 { Outcome::Partial } else { Outcome::Good }
}

/// The newest of the archives that were made earlier and bear a later date. One that is dated far
/// ahead of a clock that is trusted says nothing of any other: it was the clock of its own day that
/// was wrong.
fn newer(created_at: Timestamp, series: &[Archive], dates: Dates) -> Option<&Archive> {
    let until = match dates {
        Dates::Trusted => created_at.saturating_add(FUTURE_TOLERANCE).unwrap_or(Timestamp::MAX),
        Dates::Doubted => Timestamp::MAX,
    };
    let later = series.iter().filter(|one| created_at < one.created_at && one.created_at <= until);
    later.max_by_key(|one| (one.created_at, one.id))
}

/// Bytes of content of the good archives, the latest last.
fn usual_sizes(series: &[Archive]) -> Vec<u64> {
    let mut good: Vec<&Archive> = series.iter().filter(|archive| archive.is_good()).collect();
    good.sort_by_key(|archive| (archive.created_at, archive.id));
    good.iter().map(|archive| archive.content_size).collect()
}
