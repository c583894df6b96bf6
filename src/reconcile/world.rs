//! A small world for tests: what is wanted and what is there, said in one line each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, Zoned};
use uuid::Uuid;

use crate::model::archive::{Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Sha256};
use crate::model::contact::{Contact, Holdings, Presence, RemoteCopy};
use crate::model::desired::{Defaults, Desired, Instance, Place};
use crate::model::job::{
    CatchUp, CustomDir, Job, JobSource, JobType, RestoreSteps, SendTo, SourceMount, Via,
};
use crate::model::location::{Codec, Location};
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::observed::{
    Attempt, DrillFacts, DrillOutcome, JobFacts, LastDrill, LocationState, Observed,
};
use crate::model::peer::{Peer, PeerKind};
use crate::model::protect::Protect;
use crate::model::retention::{Mode, Policy};
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};
use crate::model::schedule::Schedule;
use crate::model::size::{Bytes, Percent};

const GIB: u64 = 1 << 30;

/// An instance `jerry` in Paris with one location, `main`, that is there; awake for a week.
pub(crate) struct World {
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
    pub(crate) now: Zoned,
}

/// A time in the zone of the world.
pub(crate) fn time(text: &str) -> Timestamp {
    format!("{text}[Europe/Paris]").parse::<Zoned>().unwrap().timestamp()
}

pub(crate) fn place(name: &str) -> PlaceName {
    name.parse().unwrap()
}

impl World {
    pub(crate) fn at(now: &str) -> Self {
        let now: Zoned = format!("{now}[Europe/Paris]").parse().unwrap();
        let instance = Instance {
            name: "jerry".parse().unwrap(),
            formerly: Vec::new(),
            url: None,
            timezone: now.time_zone().clone(),
            listen: Vec::new(),
            tls: None,
            state_dir: PathBuf::new(),
            publish_dir: PathBuf::new(),
            control_socket: PathBuf::new(),
            page_edits_peers: false,
            page: None,
        };
        let desired = Desired {
            instance,
            defaults: Defaults::default(),
            policies: BTreeMap::new(),
            recovery_recipients: Vec::new(),
            keeps_configuration: false,
            jobs: BTreeMap::new(),
            templates: BTreeMap::new(),
            locations: BTreeMap::new(),
            peers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            notify: BTreeMap::new(),
            hash: String::new(),
        };
        let mut observed = Observed::nothing(now.timestamp());
        observed.awake_since = now.timestamp() - SignedDuration::from_hours(7 * 24);
        Self { desired, observed, now }.location("main", |_| {})
    }

    /// A location that is there.
    pub(crate) fn location(mut self, name: &str, change: impl FnOnce(&mut Location)) -> Self {
        let mut location = Location {
            name: place(name),
            path: PathBuf::from("/srv").join(name),
            codec: Codec::None,
            encrypt_to: Vec::new(),
            removable: false,
            require_mount: false,
            min_free: Bytes(GIB),
            offsite: false,
            identity: None,
            trash: SignedDuration::from_hours(24),
            owner: None,
            place: Place::default(),
        };
        change(&mut location);
        let there = LocationState::Available { free: 100 * GIB, total: 200 * GIB };
        self.observed.locations.insert(location.name.clone(), there);
        self.desired.locations.insert(location.name.clone(), location);
        self
    }

    /// An instance that answers, and holds nothing yet; heard of an hour ago.
    pub(crate) fn peer(
        mut self,
        name: &str,
        change: impl FnOnce(&mut Peer),
        contact: impl FnOnce(&mut Contact),
    ) -> Self {
        let mut peer = Peer {
            name: place(name),
            kind: PeerKind::Instance {
                url: Some(format!("https://{name}.example.org")),
                token: None,
                ssh: None,
                ca: None,
                pin: None,
            },
            accept: None,
            rsync_above: Bytes(GIB),
            bandwidth: None,
            offsite: true,
            fetch_from: Vec::new(),
            prune: false,
            place: Place::default(),
        };
        change(&mut peer);
        let heard = self.now.timestamp() - SignedDuration::from_hours(1);
        let mut known = Contact::new(heard - SignedDuration::from_hours(30 * 24));
        known.presence = Presence::Online;
        (known.last_seen, known.checked_at) = (Some(heard), Some(heard));
        known.check_at = self.now.timestamp() + SignedDuration::from_mins(10);
        known.holdings = Some(Holdings { at: heard, copies: Vec::new() });
        contact(&mut known);
        self.observed.contacts.insert(peer.name.clone(), Arc::new(known));
        self.desired.peers.insert(peer.name.clone(), peer);
        self
    }

    /// A good copy of the archive of a job and time, as a peer holds it.
    pub(crate) fn copy(job: &str, created: &str) -> RemoteCopy {
        let world = World::at("2026-05-08T12:00").archive(job, "main", created, |_| {});
        RemoteCopy::of(&world.observed.archives[0])
    }

    pub(crate) fn state(mut self, location: &str, state: LocationState) -> Self {
        self.observed.locations.insert(place(location), state);
        self
    }

    pub(crate) fn gone(self, location: &str) -> Self {
        self.state(location, LocationState::Unavailable("no marker file".to_owned()))
    }

    /// A job at `main`, known since the first of May 2026.
    pub(crate) fn job(mut self, name: &str, schedule: &str, change: impl FnOnce(&mut Job)) -> Self {
        let line = 9 + u32::try_from(self.desired.jobs.len()).unwrap();
        let mut job = Job {
            name: name.parse().unwrap(),
            source: JobSource::CustomDir(CustomDir {
                source_path: PathBuf::from("/opt").join(name),
                excludes: Vec::new(),
                one_file_system: true,
                mount: SourceMount::Remembered,
            }),
            label: name.replace('/', "_").parse().unwrap(),
            schedule: Schedule::parse(schedule).unwrap(),
            retention: Policy { mode: Mode::Count(3), min_days: 3 },
            location: place("main"),
            send_to: Vec::new(),
            encrypt_to: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            enabled: true,
            timeout: SignedDuration::from_hours(6),
            catch_up: CatchUp::Now,
            retries: 3,
            allow_partial: false,
            shrink_alarm: Percent(50),
            suspect_keep: SignedDuration::from_hours(14 * 24),
            manual_keep: SignedDuration::from_hours(30 * 24),
            hold_max: SignedDuration::from_hours(7 * 24),
            formerly: Vec::new(),
            ended: None,
            protect: Protect::default(),
            drill: None,
            restore: RestoreSteps::default(),
            place: Place { file: "jobs/web.toml".to_owned(), line, column: 1 },
            effective_json: "{}".to_owned(),
        };
        change(&mut job);
        self.desired.jobs.insert(job.name.clone(), job);
        self.facts(name, |_| {})
    }

    pub(crate) fn facts(mut self, job: &str, change: impl FnOnce(&mut JobFacts)) -> Self {
        let name: JobName = job.parse().unwrap();
        let facts = self.observed.jobs.entry(name).or_insert(JobFacts {
            first_seen: time("2026-05-01T00:00"),
            last_due: None,
            last_attempt: None,
            last_success: None,
            last_failure: None,
            table: None,
            source: None,
        });
        change(facts);
        self
    }

    /// The run that was due at `due` made an archive of 1 GiB at `main`.
    pub(crate) fn ran(self, job: &str, due: &str) -> Self {
        let finished_at = time(due) + SignedDuration::from_mins(5);
        self.archive(job, "main", due, |_| {}).facts(job, |facts| {
            facts.last_due = Some(time(due));
            facts.last_attempt =
                Some(Attempt { number: 0, status: RunStatus::Success, finished_at });
            facts.last_success = Some(finished_at);
        })
    }

    /// The run that was due at `due` (`None`: the first one) ended badly in its last attempt.
    pub(crate) fn failed(
        self,
        job: &str,
        due: Option<&str>,
        (number, status): (u32, RunStatus),
        finished: &str,
    ) -> Self {
        self.facts(job, |facts| {
            facts.last_due = due.map(time);
            facts.last_attempt = Some(Attempt { number, status, finished_at: time(finished) });
            facts.last_failure = Some("`/opt` cannot be read".to_owned());
        })
    }

    /// A good archive that has been read back; copies have the identity of the same job and time.
    pub(crate) fn archive(
        mut self,
        job: &str,
        location: &str,
        created: &str,
        change: impl FnOnce(&mut Archive),
    ) -> Self {
        let created_at = time(created);
        let day = created.parse::<jiff::civil::DateTime>().unwrap().date();
        let identity = Uuid::from_u128(
            u128::from(created_at.as_second().unsigned_abs()) << 64
                | job.bytes().fold(0, |sum, byte| sum << 8 | u128::from(byte))
                    & u128::from(u64::MAX),
        );
        let label = job.replace('/', "_").parse().unwrap();
        let mut archive = Archive {
            id: ArchiveId(identity),
            name: ArchiveName::build(&"jerry".parse().unwrap(), &label, day, 1).unwrap(),
            origin: "jerry".parse().unwrap(),
            job: job.parse().unwrap(),
            job_type: JobType::CustomDir,
            label,
            location: place(location),
            created_at,
            day,
            zone: "Europe/Paris".to_owned(),
            content_size: GIB,
            stream_size: GIB,
            file_size: GIB,
            stream_sha256: Some(Sha256([1; 32])),
            file_sha256: Some(Sha256([1; 32])),
            codec: Codec::None,
            recipients: Vec::new(),
            outcome: Outcome::Good,
            partial_allowed: false,
            how: How::Scheduled,
            received_at: None,
            pinned: false,
            condition: Condition::Present,
            verified_at: Some(created_at),
            refuted: None,
            counts: MemberCounts::default(),
            config_hash: None,
            config_commit: None,
            job_json: None,
        };
        change(&mut archive);
        self.observed.archives.push(archive);
        self
    }

    /// What is remembered of the drills of a job, whose schedule has been known since the first
    /// of May 2026.
    pub(crate) fn drilled(mut self, job: &str, change: impl FnOnce(&mut DrillFacts)) -> Self {
        let facts = self.observed.drills.entry(job.parse().unwrap()).or_default();
        facts.known_since.get_or_insert(time("2026-05-01T00:00"));
        change(facts);
        self
    }

    /// The last drill of a job, of its archive of that day.
    pub(crate) fn drill_ended(self, job: &str, at: &str, outcome: DrillOutcome) -> Self {
        let day = at.parse::<jiff::civil::DateTime>().unwrap().date();
        let archive =
            ArchiveName::build(&"jerry".parse().unwrap(), &job.parse().unwrap(), day, 1).unwrap();
        let is_proof = matches!(outcome, DrillOutcome::Proven(_));
        self.drilled(job, |facts| {
            facts.proven_at = if is_proof { Some(time(at)) } else { facts.proven_at };
            facts.last = Some(LastDrill {
                run: RunId(7),
                archive,
                location: place("main"),
                at: time(at),
                took: SignedDuration::from_mins(3),
                outcome,
            });
        })
    }

    /// A run that waits or is under way.
    pub(crate) fn open(mut self, work: Work, status: RunStatus) -> Self {
        let id = RunId(1 + self.observed.open_runs.len() as u64);
        self.observed.open_runs.push(Run {
            id,
            work,
            cause: Cause::Manual,
            status,
            queued_at: self.now.timestamp(),
            started_at: None,
            finished_at: None,
            summary: String::new(),
            hint: None,
            archive: None,
            size_bytes: None,
            config_hash: None,
        });
        self
    }

    /// A run that ended in error, and that no success followed.
    pub(crate) fn fails(mut self, work: Work, finished: &str, summary: &str) -> Self {
        let finished_at = Some(time(finished));
        let run = self.observed.failed.len() as u64 + 11;
        self = self.open(work, RunStatus::Error);
        let open = self.observed.open_runs.pop().unwrap();
        let summary = summary.to_owned();
        self.observed.failed.push(Run { id: RunId(run), finished_at, summary, ..open });
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Observed)) -> Self {
        change(&mut self.observed);
        self
    }

    pub(crate) fn plan(&self) -> super::Plan {
        super::plan(&self.desired, &self.observed, &self.now)
    }
}

/// A wanted copy at another location.
pub(crate) fn to(location: &str) -> SendTo {
    SendTo { to: place(location), via: Via::Auto, retention: None, encrypt_to: Vec::new() }
}

pub(crate) fn backup(job: &str) -> Work {
    Work::Backup { job: job.parse().unwrap() }
}
