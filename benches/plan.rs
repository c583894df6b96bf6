//! How long a plan takes: 1 000 jobs with 100 archives each, decided from facts in memory.
//!
//! `cargo bench --bench plan` measures the default size; `cargo bench --bench plan -- JOBS ARCHIVES`
//! another. Time of the wall clock and of the processor are told side by side, since a machine that
//! is shared stretches only the former.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan, Zoned};
use larder::model::archive::{Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Sha256};
use larder::model::desired::{Defaults, Desired, Instance, Place};
use larder::model::job::{
    CatchUp, CustomDir, Job, JobSource, JobType, RestoreSteps, SendTo, SourceMount, Via,
};
use larder::model::location::{Codec, Location};
use larder::model::name::{JobName, PlaceName};
use larder::model::observed::{Attempt, JobFacts, LocationState, Observed, SeriesFacts};
use larder::model::protect::Protect;
use larder::model::run::RunStatus;
use larder::model::schedule::Schedule;
use larder::model::size::{Bytes, Percent};
use larder::reconcile::simulate::parse_policy;
use larder::{reconcile, status};

const REPETITIONS: usize = 15;
/// The day that the situations play on.
const TODAY: Date = date(2026, 5, 8);
/// Each job has one of them.
const POLICIES: [&str; 4] = [
    "mode=gfs,daily=7,weekly=4,monthly=6",
    "mode=count,value=7",
    "mode=daily,value=30",
    "mode=count,value=100",
];
const SCHEDULES: [&str; 4] = ["0 2 * * *", "*/15 * * * *", "30 3 * * 1-5", "0 4 1,15 * *"];

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let jobs = numbers.next().unwrap_or(1_000);
    let archives = numbers.next().unwrap_or(100);
    println!("{jobs} jobs, {archives} archives each; best and median of {REPETITIONS}\n");
    println!("{:<52} {:>9} {:>9} {:>9}", "", "best", "median", "cpu");
    for scenario in [Scenario::Quiet, Scenario::Night, Scenario::Rebuilt, Scenario::Copied] {
        let (desired, observed, now) = situation(jobs, archives, scenario);
        let plan = reconcile::plan(&desired, &observed, &now);
        let what = format!("{}: {} actions", scenario.words(), plan.actions.len());
        measure(&what, || reconcile::plan(&desired, &observed, &now));
        measure("  the verdicts of status, given the plan", || {
            status::judge_with(&desired, &observed, &plan)
        });
        measure("  the plan as text", || plan.to_string());
        measure("  a copy of the facts", || observed.clone());
    }
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Nothing is due: what a daemon decides most of the time.
    Quiet,
    /// Every series has a new archive and every job is due.
    Night,
    /// The state was lost: nothing was judged or read back yet, every deletion waits.
    Rebuilt,
    /// Nothing is due, and half of the archives are copies at a second location.
    Copied,
}

impl Scenario {
    fn words(self) -> &'static str {
        match self {
            Scenario::Quiet => "nothing due",
            Scenario::Night => "every job and every series due",
            Scenario::Rebuilt => "after the loss of the state",
            Scenario::Copied => "nothing due, half of them copies",
        }
    }
}

fn measure<T>(what: &str, body: impl Fn() -> T) {
    drop(black_box(body()));
    let cpu = processor_time();
    let mut times: Vec<Duration> = (0..REPETITIONS)
        .map(|_| {
            let start = Instant::now();
            let result = black_box(body());
            let time = start.elapsed();
            drop(result);
            time
        })
        .collect();
    let cpu = processor_time().saturating_sub(cpu) / u32::try_from(REPETITIONS).unwrap_or(1);
    times.sort_unstable();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    println!("{what:<52} {:>9} {:>9} {:>9}", ms(times[0]), ms(times[REPETITIONS / 2]), ms(cpu));
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn situation(jobs: usize, archives: usize, scenario: Scenario) -> (Desired, Observed, Zoned) {
    let zone = TimeZone::get("Europe/Paris").expect("the zone is bundled");
    let now = TODAY.at(12, 7, 0, 0).to_zoned(zone).expect("noon is no gap");
    let mut desired = empty(&now);
    let mut observed = Observed::nothing(now.timestamp());
    observed.awake_since = now.timestamp() - SignedDuration::from_hours(7 * 24);
    for name in ["main", "usb"] {
        let location = location(name);
        let there = LocationState::Available { free: 1 << 40, total: 1 << 41 };
        observed.locations.insert(location.name.clone(), there);
        desired.locations.insert(location.name.clone(), location);
    }
    let mut number = 0;
    for nth in 0..jobs {
        let job = job(nth, scenario);
        let last_due = job.schedule.last_at_or_before(&now).expect("it names instants");
        let finished_at = last_due.timestamp() + SignedDuration::from_mins(1);
        let is_due = scenario == Scenario::Night;
        let ended = Attempt { number: 0, status: RunStatus::Success, finished_at };
        let facts = JobFacts {
            first_seen: now.timestamp() - SignedDuration::from_hours(24 * 365),
            last_due: (!is_due).then(|| last_due.timestamp()),
            last_attempt: Some(ended),
            last_success: Some(finished_at),
            last_failure: None,
            table: None,
            source: None,
        };
        observed.jobs.insert(job.name.clone(), facts);
        let (places, days): (&[&str], _) = match scenario {
            Scenario::Quiet | Scenario::Night | Scenario::Rebuilt => (&["main"], archives),
            Scenario::Copied => (&["main", "usb"], archives / 2),
        };
        let mut newest = Vec::new();
        for back in (0..days).rev() {
            number += 1;
            for place in places {
                let day = TODAY - i64::try_from(back).expect("not that many").days();
                let mut archive = archive(&job, number, place, day, &now);
                if scenario != Scenario::Rebuilt {
                    archive.verified_at = Some(now.timestamp() - SignedDuration::from_hours(24));
                }
                newest.push((archive.written_series(), archive.id));
                observed.archives.push(archive);
            }
        }
        for (series, id) in newest.iter().rev().skip(usize::from(is_due)).take(places.len()) {
            let mut facts = SeriesFacts::default();
            match scenario {
                Scenario::Rebuilt => facts.adopted = true,
                Scenario::Quiet | Scenario::Night | Scenario::Copied => {
                    facts.judged = Some((*id, job.retention));
                }
            }
            observed.series.insert(series.clone(), facts);
        }
        desired.jobs.insert(job.name.clone(), job);
    }
    // In the order of the catalogue: by identity, which says nothing about time.
    observed.archives.sort_by_key(|archive| (archive.id, archive.location.clone()));
    (desired, observed, now)
}

fn empty(now: &Zoned) -> Desired {
    Desired {
        instance: Instance {
            name: "jerry".parse().expect("a name"),
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
        },
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
    }
}

fn place(name: &str) -> PlaceName {
    name.parse().expect("a name")
}

fn location(name: &str) -> Location {
    Location {
        name: place(name),
        path: PathBuf::from("/srv").join(name),
        codec: Codec::Zstd(3),
        encrypt_to: Vec::new(),
        removable: false,
        require_mount: false,
        min_free: Bytes(1 << 30),
        offsite: false,
        identity: None,
        trash: SignedDuration::from_hours(24),
        owner: None,
        place: Place::default(),
    }
}

fn job(nth: usize, scenario: Scenario) -> Job {
    let name: JobName = format!("job-{nth:04}").parse().expect("a name");
    let days = |days: i64| SignedDuration::from_hours(days * 24);
    let copy = SendTo { to: place("usb"), via: Via::Auto, retention: None, encrypt_to: Vec::new() };
    Job {
        source: JobSource::CustomDir(CustomDir {
            source_path: PathBuf::from("/opt").join(name.as_str()),
            excludes: Vec::new(),
            one_file_system: true,
            mount: SourceMount::Remembered,
        }),
        label: name.as_str().parse().expect("a label"),
        name,
        schedule: Schedule::parse(SCHEDULES[nth % SCHEDULES.len()]).expect("a schedule"),
        retention: parse_policy(POLICIES[nth % POLICIES.len()]).expect("a policy"),
        location: place("main"),
        send_to: if scenario == Scenario::Copied { vec![copy] } else { Vec::new() },
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
        place: Place { file: "jobs/many.toml".to_owned(), line: 9, column: 1 },
        effective_json: "{}".to_owned(),
    }
}

fn archive(job: &Job, number: u64, place_name: &str, day: Date, now: &Zoned) -> Archive {
    let made = day.at(2, 0, 0, 0).to_zoned(now.time_zone().clone()).expect("a time");
    let how = match place_name {
        "main" => How::Scheduled,
        _ => How::Copied { from: place("main"), manual: false },
    };
    Archive {
        id: ArchiveId(uuid::Uuid::from_u64_pair(
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            number,
        )),
        name: format!("jerry_{}_{}", job.label, day.strftime("%Y%m%d")).parse().expect("a name"),
        origin: "jerry".parse().expect("a name"),
        job: job.name.clone(),
        job_type: JobType::CustomDir,
        label: job.label.clone(),
        location: place(place_name),
        created_at: made.timestamp(),
        day,
        zone: "Europe/Paris".to_owned(),
        content_size: 1 << 20,
        stream_size: 1 << 20,
        file_size: 1 << 20,
        stream_sha256: Some(Sha256([0; 32])),
        file_sha256: Some(Sha256([0; 32])),
        codec: Codec::Zstd(3),
        recipients: Vec::new(),
        outcome: Outcome::Good,
        partial_allowed: false,
        how,
        received_at: None,
        pinned: false,
        condition: Condition::Present,
        verified_at: None,
        refuted: None,
        counts: MemberCounts::default(),
        config_hash: Some("0".repeat(64)),
        config_commit: None,
        job_json: Some(format!(
            "{{\"type\":\"custom_dir\",\"source_path\":\"/opt/{}\"}}",
            job.name
        )),
    }
}
