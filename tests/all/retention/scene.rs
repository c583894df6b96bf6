//! Builds situations, and prints what is decided in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use larder::model::archive::{
    Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Series, Sha256,
};
use larder::model::desired::{Defaults, Desired, Instance, Place};
use larder::model::job::{
    CatchUp, CustomDir, Job, JobSource, JobType, RestoreSteps, SendTo, SourceMount, Via,
};
use larder::model::location::{Codec, Location};
use larder::model::name::{JobName, PlaceName};
use larder::model::observed::{LocationState, Observed, SeriesFacts};
use larder::model::peer::{Accept, Peer, PeerKind};
use larder::model::protect::Protect;
use larder::model::retention::Policy;
use larder::model::run::{Cause, Run, RunId, RunStatus, Work};
use larder::model::schedule::Schedule;
use larder::model::size::{Bytes, Percent};
use larder::reconcile::expiry::{PassOutcome, Ruling, SeriesPass, expiry};
use larder::reconcile::simulate::parse_policy;

pub(crate) fn policy(text: &str) -> Policy {
    parse_policy(text).unwrap()
}

pub(crate) fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").unwrap()
}

/// 03:00 on a day, in Paris.
pub(crate) fn morning(day: &str) -> Zoned {
    day.parse::<Date>().unwrap().at(3, 0, 0, 0).to_zoned(paris()).unwrap()
}

pub(crate) fn id(number: u128) -> ArchiveId {
    ArchiveId(uuid::Uuid::from_u128(number))
}

/// An instance `jerry` with the locations `main` and `usb`.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
    pub(crate) now: Zoned,
    /// How many archives were made: their ids.
    made: u128,
}

impl Scene {
    /// On the morning of a day, right after that day's backups.
    pub(crate) fn on(day: &str) -> Self {
        let now = morning(day);
        let instance = Instance {
            name: "jerry".parse().unwrap(),
            formerly: Vec::new(),
            url: None,
            timezone: paris(),
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
        let observed = Observed::nothing(now.timestamp());
        let mut scene = Self { desired, observed, now, made: 0 };
        for name in ["main", "usb"] {
            let name: PlaceName = name.parse().unwrap();
            let state = LocationState::Available { free: 1, total: 1 };
            scene.observed.locations.insert(name.clone(), state);
            let location = Location {
                name: name.clone(),
                path: PathBuf::new(),
                codec: Codec::None,
                encrypt_to: Vec::new(),
                removable: false,
                require_mount: false,
                min_free: Bytes(0),
                offsite: false,
                identity: None,
                trash: SignedDuration::from_hours(24),
                owner: None,
                place: Place::default(),
            };
            scene.desired.locations.insert(name, location);
        }
        scene
    }

    /// Declares a job at `main`, which shall be kept as `policy_text` says.
    pub(crate) fn job(&mut self, name: &str, policy_text: &str) -> &mut Job {
        let name: JobName = name.parse().unwrap();
        let days = |days: i64| SignedDuration::from_hours(days * 24);
        let job = Job {
            name: name.clone(),
            source: JobSource::CustomDir(CustomDir {
                source_path: PathBuf::new(),
                excludes: Vec::new(),
                one_file_system: true,
                mount: SourceMount::Remembered,
            }),
            label: name.declared().parse().unwrap(),
            schedule: Schedule::parse("0 2 * * *").unwrap(),
            retention: policy(policy_text),
            location: "main".parse().unwrap(),
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
            suspect_keep: days(14),
            manual_keep: days(30),
            hold_max: days(7),
            formerly: Vec::new(),
            ended: None,
            protect: Protect::default(),
            drill: None,
            restore: RestoreSteps::default(),
            place: Place::default(),
            effective_json: String::new(),
        };
        self.desired.jobs.insert(name.clone(), job);
        self.desired.jobs.get_mut(&name).unwrap()
    }

    /// Sends copies of a job to `usb`.
    pub(crate) fn copies_to_usb(&mut self, job: &str, copies: u32, policy_text: Option<&str>) {
        let name: JobName = job.parse().unwrap();
        let job = self.desired.jobs.get_mut(&name).unwrap();
        job.protect.copies = copies;
        job.send_to.push(SendTo {
            to: "usb".parse().unwrap(),
            via: Via::Auto,
            retention: policy_text.map(policy),
            encrypt_to: Vec::new(),
        });
    }

    /// Lets `tom` send archives to `usb`.
    pub(crate) fn peer_tom(&mut self, policy_text: &str, immutable_days: i64) {
        let name: PlaceName = "tom".parse().unwrap();
        let accept = Accept {
            token_hash: String::new(),
            location: "usb".parse().unwrap(),
            quota: None,
            retention: policy(policy_text),
            scopes: Vec::new(),
            immutable_for: SignedDuration::from_hours(immutable_days * 24),
            read_only: false,
            max_open_uploads: 4,
            trust_restore: false,
        };
        let kind = PeerKind::Instance { url: None, token: None, ssh: None, ca: None, pin: None };
        let peer = Peer {
            name: name.clone(),
            kind,
            accept: Some(accept),
            rsync_above: Bytes(0),
            bandwidth: None,
            offsite: true,
            fetch_from: Vec::new(),
            prune: false,
            place: Place::default(),
        };
        self.desired.peers.insert(name, peer);
    }

    /// Adds an archive made at 02:00 of a day; its number is the next one.
    pub(crate) fn archive(&mut self, job: &str, location: &str, day: Date) -> &mut Archive {
        self.made += 1;
        let number = self.made;
        let created_at = day.at(2, 0, 0, 0).to_zoned(paris()).unwrap().timestamp();
        let label = job.replace('/', "-");
        self.observed.archives.push(Archive {
            id: id(number),
            name: format!("jerry_{label}_{}", day.strftime("%Y%m%d")).parse().unwrap(),
            origin: "jerry".parse().unwrap(),
            job: job.parse().unwrap(),
            job_type: JobType::CustomDir,
            label: label.parse().unwrap(),
            location: location.parse().unwrap(),
            created_at,
            day,
            zone: "Europe/Paris".to_owned(),
            content_size: 100,
            stream_size: 100,
            file_size: 100,
            stream_sha256: Some(Sha256([0; 32])),
            file_sha256: Some(Sha256([0; 32])),
            codec: Codec::None,
            recipients: Vec::new(),
            outcome: Outcome::Good,
            partial_allowed: false,
            how: How::Scheduled,
            received_at: None,
            pinned: false,
            condition: Condition::Present,
            verified_at: None,
            refuted: None,
            counts: MemberCounts::default(),
            config_hash: None,
            config_commit: None,
            job_json: None,
        });
        self.observed.archives.last_mut().unwrap()
    }

    /// Adds one archive a day, from `days` − 1 days before the last day to that day.
    pub(crate) fn daily(&mut self, job: &str, location: &str, days: i64, last: &str) {
        let last: Date = last.parse().unwrap();
        for back in (0..days).rev() {
            self.archive(job, location, last - back.days());
        }
    }

    /// Changes every archive of a series.
    pub(crate) fn each(&mut self, job: &str, location: &str, change: impl Fn(&mut Archive)) {
        for archive in &mut self.observed.archives {
            if archive.job.as_str() == job && archive.location.as_str() == location {
                change(archive);
            }
        }
    }

    pub(crate) fn facts(&mut self, job: &str, location: &str) -> &mut SeriesFacts {
        self.observed.series.entry(series(job, location)).or_default()
    }

    pub(crate) fn open(&mut self, work: Work, status: RunStatus) {
        let number = self.observed.open_runs.len() as u64 + 1;
        self.observed.open_runs.push(Run {
            id: RunId(number),
            work,
            cause: Cause::Reconcile,
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
    }

    pub(crate) fn passes(&self) -> Vec<SeriesPass> {
        expiry(&self.desired, &self.observed, &self.now)
    }

    /// Carries out what the passes ask for, records what they say, and goes on until nothing is
    /// left to do; answers how many archives left.
    pub(crate) fn settle(&mut self) -> usize {
        let before = self.observed.archives.len();
        for turn in 0.. {
            assert!(turn < 9, "it never comes to rest:\n{}", check(self));
            let mut busy = false;
            for pass in self.passes() {
                if let Some(record) = pass.record {
                    let facts = self.observed.series.entry(pass.series.clone()).or_default();
                    facts.judged = Some(record);
                    facts.adopted = false;
                    busy = true;
                }
                if let PassOutcome::Expire(action) = pass.outcome {
                    let Work::Expire { series, archives } = action.work else { unreachable!() };
                    self.observed.archives.retain(|archive| {
                        archive.location != series.location || !archives.contains(&archive.id)
                    });
                    busy = true;
                }
            }
            if !busy {
                break;
            }
        }
        before - self.observed.archives.len()
    }

    /// How many archives a series has.
    pub(crate) fn count(&self, job: &str, location: &str) -> usize {
        let series = series(job, location);
        self.observed.archives.iter().filter(|archive| archive.written_series() == series).count()
    }
}

pub(crate) fn series(job: &str, location: &str) -> Series {
    Series {
        origin: "jerry".parse().unwrap(),
        job: job.parse().unwrap(),
        location: location.parse().unwrap(),
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Every pass of a situation, as text.
pub(crate) fn check(scene: &Scene) -> String {
    let number = |id: ArchiveId| id.0.as_u128();
    let mut text = String::new();
    for pass in scene.passes() {
        let ruling = match &pass.ruling {
            Ruling::Policy(policy) => policy.to_string(),
            Ruling::Ended => "ended".to_owned(),
            Ruling::Received => "received".to_owned(),
            Ruling::Orphaned(_) => "orphaned".to_owned(),
        };
        let count = pass.verdicts.len();
        write!(text, "{} ({ruling}, {count} archives): ", pass.series).unwrap();
        match &pass.outcome {
            PassOutcome::Rests(reason) => writeln!(text, "rests: {reason}").unwrap(),
            PassOutcome::NothingToDo => writeln!(text, "nothing to do").unwrap(),
            PassOutcome::Expire(action) => {
                writeln!(text, "expire, frees {}", action.frees).unwrap();
                for reason in &action.reasons {
                    writeln!(text, "  {reason}").unwrap();
                }
            }
            PassOutcome::Blocked(blocked) => {
                writeln!(text, "blocked {}: {}", blocked.hash, blocked.reason).unwrap();
                for (_, name, reason) in &blocked.archives {
                    writeln!(text, "  {name} {reason}").unwrap();
                }
            }
        }
        if let Some((judged, policy)) = pass.record {
            writeln!(text, "  record: #{} by {policy}", number(judged)).unwrap();
        }
        if !pass.waiting.is_empty() {
            writeln!(text, "  waiting: {} archives", pass.waiting.len()).unwrap();
        }
        for note in &pass.notes {
            writeln!(text, "  note: {note}").unwrap();
        }
    }
    text
}
