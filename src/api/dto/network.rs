//! The network: this instance, and what it last knew of each peer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::health::HealthStatus;
use super::{Health, Moment, Run, Shares, Verdict, words};
use crate::engine::View;
use crate::model::archive::{Archive, Condition};
use crate::model::contact::Presence;
use crate::model::name::{InstanceName, PlaceName};
use crate::model::peer::{Peer, PeerKind, shown_host};
use crate::model::run::RunStatus;
use crate::reconcile::watch;
use crate::status;

mod order;

pub use order::{Urgency, troubled, urgent_first};

/// An instance: an entry of `/network`. Of a peer that never answered only the first fields say
/// something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The name that it gives itself, once it told; of a `backup-channel` the host name that it
    /// is a label for.
    #[serde(default)]
    #[schema(required)]
    pub instance: Option<String>,
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
    /// Why a peer is `offline` or `error`, in one line.
    #[serde(default)]
    #[schema(required)]
    pub why: Option<String>,
    /// When a peer told what follows; it may have changed since.
    #[serde(default)]
    #[schema(required)]
    pub known_at: Option<Moment>,
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
    /// Archives that it holds, without those in the trash; of a `backup-channel` those seen here.
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
    /// Its type, as the instance itself names it.
    #[serde(rename = "type")]
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
    /// When its next archive is to be there at the latest; nothing is expected of a disabled one.
    #[serde(default)]
    #[schema(required)]
    pub expected_by: Option<Moment>,
    /// How old its newest archive may get, in seconds.
    #[serde(default)]
    #[schema(required)]
    pub max_age_s: Option<u64>,
    /// Whether that did not come in time; of a peer's job, as far as it is known here.
    #[serde(default)]
    pub overdue: bool,
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
    /// The peer that this instance is known as here.
    #[serde(default)]
    #[schema(required)]
    pub peer: Option<String>,
    /// Whether it is the instance that answers, also under an earlier name.
    #[serde(default)]
    pub own: bool,
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

/// What rests where, of all archives or of those at one location, as somebody sees it: a peer
/// learns the name of no other.
pub(super) fn held(view: &View, only: Option<&PlaceName>, asking: Option<&PlaceName>) -> Vec<Held> {
    let is_there = |archive: &&Archive| !matches!(archive.condition, Condition::Trashed { .. });
    let is_seen = |archive: &&Archive| only.is_none_or(|place| archive.location == *place);
    let mut sums: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for archive in view.observed.archives.iter().filter(is_there).filter(is_seen) {
        let (count, bytes) = sums.entry((&archive.location, &archive.origin)).or_default();
        *count += 1;
        *bytes = bytes.saturating_add(archive.file_size);
    }
    let held = sums.into_iter().map(|((location, origin), (count, size_bytes))| {
        let peer = view.desired.peer_at(location, origin).map(|peer| &peer.name);
        let peer = peer.filter(|peer| asking.is_none_or(|asking| asking == *peer));
        Held {
            location: location.to_string(),
            origin: origin.to_string(),
            peer: peer.map(ToString::to_string),
            own: view.desired.is_ours(location, origin),
            count,
            size_bytes,
        }
    });
    held.collect()
}

impl Held {
    /// Who made them, as people are shown it.
    #[must_use]
    pub fn maker(&self) -> String {
        shown_host(&self.origin, self.peer.as_deref())
    }
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
        let judged: BTreeMap<_, _> =
            view.verdicts.iter().map(|verdict| (&verdict.job, verdict)).collect();
        let jobs: Vec<MemberJob> = desired
            .jobs
            .values()
            .map(|job| {
                let judged = judged.get(&job.name).copied();
                let verdict = judged.map(|verdict| Verdict::new(view, verdict));
                let by = judged.and_then(|verdict| verdict.expected_by);
                let max_age = judged.map(|verdict| verdict.max_age.as_secs());
                MemberJob {
                    name: job.name.to_string(),
                    job_type: job.source.job_type().word().to_owned(),
                    enabled: job.enabled,
                    last_success: verdict.as_ref().and_then(|verdict| verdict.last_success),
                    next_run: verdict.as_ref().and_then(|verdict| verdict.next_run),
                    expected_by: by.map(|at| Moment::new(at, view.at.time_zone())),
                    max_age_s: max_age.and_then(|seconds| u64::try_from(seconds).ok()),
                    overdue: verdict.as_ref().is_some_and(|verdict| verdict.overdue),
                    verdict: verdict.map(|verdict| verdict.verdict),
                    last_run: last_run(job.name.as_str()).as_ref().map(MemberRun::from),
                }
            })
            .collect();
        let archives = match asking {
            None => held(view, None, None),
            Some(peer) => {
                let place = desired.name_space(peer);
                place.map(|place| held(view, Some(&place), asking)).unwrap_or_default()
            }
        };
        let ended = jobs.iter().filter_map(|job| job.last_run.as_ref());
        let ended = ended.filter(|run| run.finished_at.is_some());
        let last_run = ended.max_by_key(|run| (run.finished_at, run.id)).cloned();
        Self {
            name: health.instance.clone(),
            instance: Some(health.instance),
            is_self: true,
            kind: None,
            url: desired.instance.url.clone(),
            version: Some(health.version),
            status: "online".to_owned(),
            last_seen: None,
            why: None,
            known_at: None,
            health: Some(health.status),
            problems: asking.is_none().then_some(health.problems),
            jobs: Some(jobs),
            archive_count: Some(archives.iter().map(|held| held.count).sum()),
            archive_bytes: Some(archives.iter().map(|held| held.size_bytes).sum()),
            archives: Some(archives),
            last_run,
        }
    }

    /// A peer, as far as it is known here: what it last told about itself, also while it is off.
    #[must_use]
    pub fn of_peer(view: &View, peer: &Peer, shares: &Shares) -> Self {
        let (url, hostname) = match &peer.kind {
            PeerKind::Instance { url, .. } => (url.clone(), None),
            PeerKind::BackupChannel { hostname, .. } => (None, Some(hostname.clone())),
            PeerKind::SshDirect(_) | PeerKind::SshViaRelay(_) => (None, None),
        };
        let moment = |at| Moment::new(at, view.at.time_zone());
        let contact = view.observed.contacts.get(&peer.name);
        let told = contact.and_then(|contact| contact.told.as_ref());
        let holdings = contact.and_then(|contact| contact.holdings.as_ref());
        let mut member = Self {
            name: peer.name.to_string(),
            instance: hostname,
            is_self: false,
            kind: Some(peer.kind.word().to_owned()),
            url,
            version: told.map(|told| told.version.clone()),
            status: contact.map_or(Presence::Unknown, |one| one.presence).word().to_owned(),
            last_seen: contact.and_then(|contact| contact.last_seen).map(moment),
            why: contact.and_then(|contact| contact.why.clone()),
            known_at: told.map(|told| told.at).or(holdings.map(|held| held.at)).map(moment),
            health: None,
            problems: None,
            jobs: None,
            archives: None,
            archive_count: None,
            archive_bytes: None,
            last_run: None,
        };
        let told = told.and_then(|told| serde_json::from_str::<Self>(&told.member_json).ok());
        if let Some(told) = told {
            member.take(view, told);
        } else if let Some(held) = holdings {
            let bytes =
                held.copies.iter().fold(0_u64, |sum, one| sum.saturating_add(one.file_size));
            (member.archive_count, member.archive_bytes) =
                (Some(held.copies.len() as u64), Some(bytes));
        } else if let PeerKind::BackupChannel { .. } = peer.kind {
            // All that is ever known of it is what of it rests here.
            let stored = shares.of_peer(&peer.name);
            (member.archive_count, member.archive_bytes) =
                (Some(stored.archives), Some(stored.bytes));
        }
        member.judge(view, &peer.name);
        member
    }

    /// Takes what a peer told about itself. Words that nobody here knows say nothing.
    fn take(&mut self, view: &View, told: Self) {
        let is_verdict = |word: &String| status::Verdict::from_word(word).is_some();
        let is_run = |run: &MemberRun| RunStatus::from_word(&run.status).is_some();
        self.health = told.health.filter(|word| HealthStatus::from_word(word).is_some());
        self.problems = told.problems;
        self.jobs = told.jobs.map(|jobs| {
            let known = |job: MemberJob| MemberJob {
                verdict: job.verdict.filter(is_verdict),
                last_run: job.last_run.filter(is_run),
                ..job
            };
            jobs.into_iter().map(known).collect()
        });
        self.instance = Some(told.name).filter(|name| !name.is_empty());
        // Whose they are is known here by other names than there.
        self.archives = told.archives.map(|archives| {
            let known = |held: Held| {
                let origin = held.origin.parse::<InstanceName>().ok();
                let origin = origin.as_ref();
                let instance = &view.desired.instance;
                let peer = origin.and_then(|origin| view.desired.peer_of_origin(origin));
                Held {
                    peer: peer.map(|peer| peer.name.to_string()),
                    own: origin.is_some_and(|name| instance.is_or_was(name)),
                    ..held
                }
            };
            archives.into_iter().map(known).collect()
        });
        self.archive_count = told.archive_count;
        self.archive_bytes = told.archive_bytes;
        self.last_run = told.last_run.filter(is_run);
    }

    /// Says which of a peer's jobs are overdue, as it is known here.
    fn judge(&mut self, view: &View, peer: &PlaceName) {
        let now = view.at.timestamp();
        let awaited = watch::awaited(&view.desired, &view.observed);
        let late: BTreeSet<&str> = awaited
            .iter()
            .filter(|one| one.peer == *peer && one.is_overdue(now))
            .map(|one| one.job.as_str())
            .collect();
        for job in self.jobs.iter_mut().flatten() {
            job.overdue = late.contains(job.name.as_str());
        }
    }

    /// What everybody may see of it: without what may name files of this host.
    #[must_use]
    pub fn published(mut self) -> Self {
        if self.status == Presence::Error.word() {
            self.why = None;
        }
        self
    }
}
