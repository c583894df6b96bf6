//! Whether a fresh archive is to be believed: decided once, when it is made, and kept with it.

use jiff::Timestamp;

use crate::archive::Written;
use crate::model::archive::{Archive, Outcome};
use crate::model::job::Job;
use crate::model::size::{Bytes, Percent};

/// How many good archives the usual size is taken from.
const LOOK_BACK: usize = 5;

/// How good an archive is, beside the earlier ones of its series.
pub(crate) fn outcome(
    job: &Job,
    written: &Written,
    created_at: Timestamp,
    series: &[Archive],
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
    if let Some(newer) = series.iter().find(|archive| archive.created_at > created_at) {
        return Outcome::Suspect(format!(
            "its date lies before that of `{}`, which was made earlier",
            newer.name
        ));
    }
    if written.counts.unreadable > 0 { Outcome::Partial } else { Outcome::Good }
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
