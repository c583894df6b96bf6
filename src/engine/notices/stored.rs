//! The desks as the state keeps them: JSON of structs of their own.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desk::{Desk, Letter};
use crate::delivery::{Content, PingSign};
use crate::model::name::ObjectName;
use crate::model::run::RunId;
use crate::notices::{Episode, Event, Mark, Told};

#[derive(Serialize, Deserialize)]
struct StoredDesk {
    #[serde(default)]
    episodes: BTreeMap<String, StoredEpisode>,
    last_message: Option<Timestamp>,
    #[serde(default)]
    pinged: BTreeMap<String, StoredMark>,
    #[serde(default)]
    outbox: Vec<StoredLetter>,
    next_id: u64,
    last_success: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    last_error: Option<String>,
    #[serde(default)]
    lost: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredEpisode {
    event: String,
    job: Option<String>,
    since: Timestamp,
    told_at: Option<Timestamp>,
    recovers: bool,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct StoredMark {
    success: Option<Timestamp>,
    failed: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredLetter {
    id: u64,
    content: Content,
    queued_at: Timestamp,
    attempts: u32,
}

/// All desks as text.
pub(super) fn write(desks: &BTreeMap<ObjectName, Desk>) -> String {
    let stored: BTreeMap<&str, StoredDesk> =
        desks.iter().map(|(name, desk)| (name.as_str(), store(desk))).collect();
    serde_json::to_string(&stored).expect("strings, numbers and times can be written")
}

/// What was written. What cannot be understood is forgotten, and told again.
pub(super) fn read(text: &str, now: Timestamp) -> BTreeMap<ObjectName, Desk> {
    let stored: BTreeMap<String, StoredDesk> = match serde_json::from_str(text) {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(%error, "cannot understand who was told what: what is wrong is told again");
            return BTreeMap::new();
        }
    };
    let known = |(name, desk): (String, StoredDesk)| Some((name.parse().ok()?, desk_of(desk, now)));
    stored.into_iter().filter_map(known).collect()
}

fn store(desk: &Desk) -> StoredDesk {
    let episodes = desk.told.episodes.iter().map(|(key, episode)| {
        let stored = StoredEpisode {
            event: episode.event.word().to_owned(),
            job: episode.job.as_ref().map(ToString::to_string),
            since: episode.since,
            told_at: episode.told_at,
            recovers: episode.recovers,
            text: episode.text.clone(),
        };
        (key.clone(), stored)
    });
    let pinged = desk.pinged.iter().map(|(job, mark)| {
        let failed = mark.failed.map(|run| run.0);
        (job.to_string(), StoredMark { success: mark.success, failed })
    });
    let outbox = desk.outbox.iter().map(|letter| StoredLetter {
        id: letter.id,
        content: letter.content.clone(),
        queued_at: letter.queued_at,
        attempts: letter.attempts,
    });
    StoredDesk {
        episodes: episodes.collect(),
        last_message: desk.told.last_message,
        pinged: pinged.collect(),
        outbox: outbox.collect(),
        next_id: desk.next_id,
        last_success: desk.last_success,
        failing_since: desk.failing_since,
        last_error: desk.last_error.clone(),
        lost: desk.lost,
    }
}

fn desk_of(stored: StoredDesk, now: Timestamp) -> Desk {
    let episodes = stored.episodes.into_iter().filter_map(|(key, episode)| {
        let known = Episode {
            event: Event::from_word(&episode.event)?,
            job: episode.job.and_then(|job| job.parse().ok()),
            since: episode.since,
            told_at: episode.told_at,
            recovers: episode.recovers,
            text: episode.text,
        };
        Some((key, known))
    });
    let pinged = stored.pinged.into_iter().filter_map(|(job, mark)| {
        let failed = mark.failed.map(RunId);
        Some((job.parse().ok()?, Mark { success: mark.success, failed }))
    });
    let outbox = stored.outbox.into_iter().map(|letter| Letter {
        id: letter.id,
        content: letter.content,
        queued_at: letter.queued_at,
        attempts: letter.attempts,
        next_at: now,
        tried: false,
    });
    // That something began before we did is of no use to anybody.
    let is_of_use = |letter: &Letter| !matches!(&letter.content, Content::Ping(ping) if ping.sign == PingSign::Start);
    Desk {
        told: Told { episodes: episodes.collect(), last_message: stored.last_message },
        pinged: pinged.collect(),
        outbox: outbox.filter(is_of_use).collect(),
        next_id: stored.next_id,
        last_success: stored.last_success,
        failing_since: stored.failing_since,
        last_error: stored.last_error,
        lost: stored.lost,
    }
}
