//! Whether a fresh archive is to be believed: decided once, when it is made, and kept with it.

use jiff::Timestamp;

use crate::archive::Written;
use crate::model::archive::{Archive, Outcome};
use crate::model::job::Job;
use crate::model::observed::Freeze;
use crate::model::size::{Bytes, Percent};
use crate::reconcile::judge::FUTURE_TOLERANCE;

use super::context::Context;

/// How many good archives the usual size is taken from.
const LOOK_BACK: usize = 5;

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
    if written.counts.files == 0 {
        return Outcome::Suspect("it has no files at all".to_owned());
    }
    if let Outcome::Suspect(doubt) = &written.outcome {
        return Outcome::Suspect(doubt.clone());
    }
    if let Some(reason) = shrunk(job.shrink_alarm, written.content_size, series) {
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

fn shrunk(alarm: Percent, content_size: u64, series: &[Archive]) -> Option<String> {
    let mut good: Vec<&Archive> = series.iter().filter(|archive| archive.is_good()).collect();
    good.sort_by_key(|archive| std::cmp::Reverse((archive.created_at, archive.id)));
    let mut sizes: Vec<u64> =
        good.iter().take(LOOK_BACK).map(|archive| archive.content_size).collect();
    sizes.sort_unstable();
    let usual = *sizes.get(sizes.len() / 2)?;
    let limit = u128::from(usual) * u128::from(alarm.0) / 100;
    (u128::from(content_size) < limit).then(|| {
        format!("{} of content, under {alarm} of the usual {}", Bytes(content_size), Bytes(usual))
    })
}
