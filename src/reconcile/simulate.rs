//! Shows what a policy keeps and why, without touching anything: the pure half of
//! `larder simulate` and `larder why`.
//!
//! **Invariant:** there are no rules here. Everything is asked of the same judge that the daemon
//! obeys, before any brake.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::model::archive::ArchiveId;
use crate::model::retention::Policy;
use crate::model::words::words;
use crate::reconcile::judge::{Candidate, Class, Keep, Verdict, judge};

mod policy;
mod why;

pub use policy::{PolicyError, parse_policy};
pub use why::{Why, when_each_leaves, why};

/// The longest simulation, in days: ten years.
pub const MOST_DAYS: u32 = 3660;

words! {
    /// What an archive of a simulation is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum State {
        /// Good, of a scheduled run.
        #[default]
        Good = "good",
        /// Complete but unlikely.
        Suspect = "suspect",
        /// Some files could not be read.
        Partial = "partial",
        /// Of a manual run.
        Manual = "manual",
        /// Good, and pinned.
        Pinned = "pinned",
    }
}

/// One archive to simulate with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Any text; decides between equal times.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it is.
    pub state: State,
}

/// What becomes of an archive in a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id, as given, or its day.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it is there in the end.
    pub keep: bool,
    /// Why, as the plan would say it.
    pub reasons: Vec<String>,
    /// The day on which it left, in a simulation of days.
    pub left_on: Option<Date>,
}

/// Judges archives once, as of `now` and in its zone; the lines are in the order of the entries.
#[must_use]
pub fn over_archives(policy: &Policy, entries: &[Entry], now: &Zoned) -> Vec<Line> {
    let (candidates, by_rank) = candidates_of(entries, now);
    let mut lines: Vec<Option<Line>> = vec![None; entries.len()];
    for verdict in judge(policy, &Keep::default(), &candidates, now) {
        let rank = usize::try_from(verdict.id.0.as_u128()).ok();
        if let Some(&index) = rank.and_then(|rank| by_rank.get(rank)) {
            let id = &entries[index].id;
            lines[index] = Some(line(id, &candidates[index], &verdict, None));
        }
    }
    // Every archive is judged once, so that none is missing here.
    lines.into_iter().flatten().collect()
}

/// Lives through so many days with one good archive each, the last one on the day of `now`,
/// deleting after each what the policy lets go; the lines are oldest first, and their ids are
/// the days. At most [`MOST_DAYS`].
#[must_use]
pub fn over_days(policy: &Policy, days: u32, now: &Zoned) -> Vec<Line> {
    let keep = Keep::default();
    let mut there: Vec<Candidate> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    for (number, back) in (0..days.min(MOST_DAYS)).rev().enumerate() {
        let Ok(at) = now.checked_sub(i64::from(back).days()) else { continue };
        let id = rank_id(number);
        there.push(Candidate {
            id,
            created_at: at.timestamp(),
            arrived: at.timestamp(),
            day: at.date(),
            class: Class::Good,
            pinned: false,
            received: false,
            holds: Vec::new(),
        });
        let verdicts = judge(policy, &keep, &there, &at);
        for (candidate, verdict) in there.iter().zip(&verdicts) {
            if !verdict.keep {
                lines.push(line(&candidate.day.to_string(), candidate, verdict, Some(at.date())));
            }
        }
        let mut verdicts = verdicts.into_iter();
        there.retain(|_| verdicts.next().is_some_and(|verdict| verdict.keep));
    }
    let verdicts = judge(policy, &keep, &there, now);
    for (candidate, verdict) in there.iter().zip(&verdicts) {
        lines.push(line(&candidate.day.to_string(), candidate, verdict, None));
    }
    lines.sort_by_key(|line| line.created_at);
    lines
}

fn line(id: &str, candidate: &Candidate, verdict: &Verdict, left_on: Option<Date>) -> Line {
    Line {
        id: id.to_owned(),
        created_at: candidate.created_at,
        keep: verdict.keep,
        reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
        left_on,
    }
}

/// The entries as the judge sees them; ids rank as their texts do, so that equal times are
/// ordered by them; with the index of the entry of each rank.
fn candidates_of(entries: &[Entry], now: &Zoned) -> (Vec<Candidate>, Vec<usize>) {
    let mut by_id: Vec<usize> = (0..entries.len()).collect();
    by_id.sort_by(|a, b| entries[*a].id.cmp(&entries[*b].id));
    let mut ranks = vec![0; entries.len()];
    for (rank, &index) in by_id.iter().enumerate() {
        ranks[index] = rank;
    }
    let candidate = |(entry, rank): (&Entry, usize)| Candidate {
        id: rank_id(rank),
        created_at: entry.created_at,
        arrived: entry.created_at,
        day: entry.created_at.to_zoned(now.time_zone().clone()).date(),
        class: match entry.state {
            State::Good | State::Pinned => Class::Good,
            State::Suspect => Class::Suspect,
            State::Partial => Class::Partial,
            State::Manual => Class::Manual,
        },
        pinned: entry.state == State::Pinned,
        received: false,
        holds: Vec::new(),
    };
    (entries.iter().zip(ranks).map(candidate).collect(), by_id)
}

fn rank_id(rank: usize) -> ArchiveId {
    ArchiveId(uuid::Uuid::from_u128(rank as u128))
}
