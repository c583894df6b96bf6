//! Whether what a peer sent is to be believed: pure, and decided once, when it is received.
//!
//! A sender says itself how much its archives hold, so what it says counts only as far as the file
//! bears it out: otherwise one lie would make every honest archive behind it look small.

use std::mem::discriminant;

use jiff::{Timestamp, Zoned};

use crate::model::archive::{Archive, Outcome};
use crate::model::size::Percent;
use crate::reconcile::judge::{FUTURE_TOLERANCE, Newcomer, suspicion};
use crate::reconcile::show;

/// Content under this share of what is usual is suspect, whatever the job of the sender says.
const SHRINK_ALARM: Percent = Percent(50);

/// How good an archive is that arrives now; `before` are the archives of its series.
pub(super) fn outcome(newcomer: &Archive, before: &[Archive], now: &Zoned) -> Outcome {
    if let Outcome::Suspect(_) = newcomer.outcome {
        return newcomer.outcome.clone();
    }
    match doubt(newcomer, before, now) {
        Some(reason) => Outcome::Suspect(reason),
        None => newcomer.outcome.clone(),
    }
}

fn doubt(newcomer: &Archive, before: &[Archive], now: &Zoned) -> Option<String> {
    let created_at = newcomer.created_at;
    let dated = |at: Timestamp| show::dated(at, now.time_zone());
    let came = now.timestamp();
    if created_at > came.saturating_add(FUTURE_TOLERANCE).unwrap_or(Timestamp::MAX) {
        return Some(format!("it is dated {}, and came at {}", dated(created_at), dated(came)));
    }
    // Files of all kinds, without a word about any: nothing is usual among them.
    if newcomer.is_undescribed() {
        return None;
    }
    let mut good: Vec<&Archive> = before.iter().filter(|archive| archive.is_good()).collect();
    good.sort_by_key(|archive| (archive.received_at, archive.created_at, archive.id));
    let latest = good.iter().map(|archive| archive.created_at).max();
    if let Some(latest) = latest.filter(|latest| *latest > created_at) {
        return Some(format!(
            "it is dated {}, before one that came earlier ({})",
            dated(created_at),
            dated(latest)
        ));
    }
    good.retain(|archive| compares(archive, newcomer));
    let usual: Vec<u64> = good.iter().map(|archive| borne_out(archive)).collect();
    let is_counted = newcomer.counts != crate::model::archive::MemberCounts::default();
    let newcomer = Newcomer {
        content_size: borne_out(newcomer),
        files: if is_counted { newcomer.counts.files } else { 1 },
    };
    suspicion(&newcomer, &usual, SHRINK_ALARM)
}

/// Whether the sizes of two archives say anything about each other: what is encrypted shows its
/// file alone, and how long that is depends on how it is encoded.
fn compares(one: &Archive, other: &Archive) -> bool {
    match (one.recipients.is_empty(), other.recipients.is_empty()) {
        (true, true) => true,
        (false, false) => discriminant(&one.codec) == discriminant(&other.codec),
        _ => false,
    }
}

/// Bytes of content, as far as the file bears them out.
fn borne_out(archive: &Archive) -> u64 {
    let most = if archive.recipients.is_empty() { archive.stream_size } else { archive.file_size };
    archive.content_size.min(most)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod drill;
