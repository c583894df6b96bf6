//! The network: this instance, and what it last knew of each peer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Health, Moment, Run, Verdict, words};
use crate::engine::View;
use crate::model::archive::{Archive, Condition};
use crate::model::name::PlaceName;
use crate::model::peer::{Peer, PeerKind};

/// An instance: an entry of `/network`. Of a peer that never answered only the first fields say
/// something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Whether it is the instance that answers.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// How a peer is reached.
    #[schema(value_type = Option<words::PeerKind>, required)]
    pub kind: Option<String>,
    /// Its public base URL.
    #[schema(required)]
    pub url: Option<String>,
    /// Its program's version.
    #[schema(required)]
    pub version: Option<String>,
    /// `online` for the instance that answers; otherwise what is known of the peer's presence.
    #[schema(value_type = words::PeerStatus)]
    pub status: String,
    /// When a peer last answered.
    #[schema(required)]
    pub last_seen: Option<Moment>,
    /// `ok`, or `degraded` when somebody should look there.
    #[schema(value_type = Option<words::HealthStatus>, required)]
    pub health: Option<String>,
    /// Why it is degraded, one line each.
    #[schema(required)]
    pub problems: Option<Vec<String>>,
    /// Its jobs.
    #[schema(required)]
    pub jobs: Option<Vec<MemberJob>>,
    /// What it holds, by location and origin.
    #[schema(required)]
    pub archives: Option<Vec<Held>>,
    /// Archives that it holds, without those in the trash.
    #[schema(required)]
    pub archive_count: Option<u64>,
    /// Bytes of their files.
    #[schema(required)]
    pub archive_bytes: Option<u64>,
    /// The last of its backups that came to an end.
    #[schema(required)]
    pub last_run: Option<MemberRun>,
}

/// A job of an instance in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberJob {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = words::JobType)]
    pub job_type: String,
    /// Whether it runs at all.
    pub enabled: bool,
    /// `protected`, `at_risk` or `unprotected`.
    #[schema(value_type = Option<words::VerdictWord>, required)]
    pub verdict: Option<String>,
    /// When a run last succeeded, or when its newest good archive was made.
    #[schema(required)]
    pub last_success: Option<Moment>,
    /// When it will really run.
    #[schema(required)]
    pub next_run: Option<Moment>,
    /// Its newest backup run.
    #[schema(required)]
    pub last_run: Option<MemberRun>,
}

/// A run in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberRun {
    /// Its number.
    pub id: u64,
    /// Its job.
    #[schema(required)]
    pub job_id: Option<String>,
    /// Where it stands.
    #[schema(value_type = words::RunStatus)]
    pub status: String,
    /// When it began.
    #[schema(required)]
    pub started_at: Option<Moment>,
    /// When it ended.
    #[schema(required)]
    pub finished_at: Option<Moment>,
    /// The archive that was made.
    #[schema(required)]
    pub archive_name: Option<String>,
    /// Bytes of that archive's file.
    #[schema(required)]
    pub size_bytes: Option<u64>,
}

/// How much of one origin rests at one location; nothing of what is in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// Where.
    pub location: String,
    /// Who made the archives.
    pub origin: String,
    /// How many.
    pub count: u64,
    /// Bytes of their files.
    pub size_bytes: u64,
}

impl From<&Run> for MemberRun {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id,
            job_id: run.job_id.clone(),
            status: run.status.clone(),
            started_at: run.started_at,
            finished_at: run.finished_at,
            archive_name: run.archive_name.clone(),
            size_bytes: run.size_bytes,
        }
    }
}

/// What rests where, of all archives or of those at one location.
fn held(view: &View, only: Option<&PlaceName>) -> Vec<Held> {
    let is_there = |archive: &&Archive| !matches!(archive.condition, Condition::Trashed { .. });
    let is_seen = |archive: &&Archive| only.is_none_or(|place| archive.location == *place);
    let mut sums: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for archive in view.observed.archives.iter().filter(is_there).filter(is_seen) {
        let (count, bytes) = sums.entry((&archive.location, &archive.origin)).or_default();
        *count += 1;
        *bytes = bytes.saturating_add(archive.file_size);
    }
    let held = sums.into_iter().map(|((location, origin), (count, size_bytes))| Held {
        location: location.to_string(),
        origin: origin.to_string(),
        count,
        size_bytes,
    });
    held.collect()
}

impl Member {
    /// This instance; `last_run` is the newest backup run of a job. A peer that asks is told of
    /// its own name space only, and not what troubles this instance.
    #[must_use]
    pub fn this(
        view: &View,
        asking: Option<&PlaceName>,
        last_run: impl Fn(&str) -> Option<Run>,
    ) -> Self {
        let health = Health::new(view);
        let desired = &view.desired;
        let verdicts: BTreeMap<_, _> =
            view.verdicts.iter().map(|verdict| (&verdict.job, verdict)).collect();
        let jobs: Vec<MemberJob> = desired
            .jobs
            .values()
            .map(|job| {
                let verdict = verdicts.get(&job.name).map(|verdict| Verdict::new(view, verdict));
                MemberJob {
                    name: job.name.to_string(),
                    job_type: job.source.job_type().word().to_owned(),
                    enabled: job.enabled,
                    last_success: verdict.as_ref().and_then(|verdict| verdict.last_success),
                    next_run: verdict.as_ref().and_then(|verdict| verdict.next_run),
                    verdict: verdict.map(|verdict| verdict.verdict),
                    last_run: last_run(job.name.as_str()).as_ref().map(MemberRun::from),
                }
            })
            .collect();
        let archives = match asking {
            None => held(view, None),
            Some(peer) => {
                let place = desired.name_space(peer);
                place.map(|place| held(view, Some(&place))).unwrap_or_default()
            }
        };
        let ended = jobs.iter().filter_map(|job| job.last_run.as_ref());
        let ended = ended.filter(|run| run.finished_at.is_some());
        let last_run = ended.max_by_key(|run| (run.finished_at, run.id)).cloned();
        Self {
            name: health.instance,
            is_self: true,
            kind: None,
            url: desired.instance.url.clone(),
            version: Some(health.version),
            status: "online".to_owned(),
            last_seen: None,
            health: Some(health.status),
            problems: asking.is_none().then_some(health.problems),
            jobs: Some(jobs),
            archive_count: Some(archives.iter().map(|held| held.count).sum()),
            archive_bytes: Some(archives.iter().map(|held| held.size_bytes).sum()),
            archives: Some(archives),
            last_run,
        }
    }

    /// A peer of which nothing is known yet.
    #[must_use]
    pub fn unknown(peer: &Peer) -> Self {
        let url = match &peer.kind {
            PeerKind::Instance { url, .. } => Some(url.clone()),
            PeerKind::BackupChannel { .. } | PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => {
                None
            }
        };
        Self {
            name: peer.name.to_string(),
            is_self: false,
            kind: Some(peer.kind.word().to_owned()),
            url,
            version: None,
            status: "unknown".to_owned(),
            last_seen: None,
            health: None,
            problems: None,
            jobs: None,
            archives: None,
            archive_count: None,
            archive_bytes: None,
            last_run: None,
        }
    }
}
