//! Messages due over simulated days: the decision alone, without a clock.

use std::fmt::Write as _;

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp, Zoned};
use larder::config::{self, Files};
use larder::model::archive::Archive;
use larder::model::desired::Desired;
use larder::model::name::JobName;
use larder::model::observed::{Attempt, Freeze, JobFacts, LocationState, Observed};
use larder::model::run::{Cause, Run, RunId, RunStatus, Work};
use larder::notices::{self, Event, Facts, Pinged, Told, Wanted};
use larder::{reconcile, status};

use crate::support::sample;

const TOML: &str = r#"
[instance]
name = "jerry"
timezone = "Europe/Paris"
[recovery]
configuration = false
[defaults]
schedule = "0 3 * * *"
retention = { mode = "count", value = 7 }
location = "main"
[location.main]
path = "/srv/larder"
[job.web]
type = "custom_dir"
source_path = "/var/www"
[job.db]
type = "custom_dir"
source_path = "/var/db"
"#;

/// A server whose days are played through.
struct Server {
    desired: Desired,
    observed: Observed,
    failed: Vec<Run>,
    configuration: Vec<String>,
    now: Timestamp,
    told: Told,
    pinged: Pinged,
    wanted: Wanted,
    runs: u64,
    /// What was told, with the time.
    log: String,
}

impl Server {
    fn new() -> Self {
        let files = Files::default().with("all.toml", TOML);
        let desired = config::parse(&files, "/etc/larder".as_ref()).desired.unwrap();
        let now = "2026-05-01T02:00:00+02:00".parse().unwrap();
        let mut observed = Observed::nothing(now);
        let main = "main".parse().unwrap();
        observed.locations.insert(main, LocationState::Available { free: 1 << 40, total: 1 << 41 });
        for job in desired.jobs.keys() {
            observed.jobs.insert(job.clone(), fresh(now));
        }
        let wanted = Event::ALL.into_iter().collect();
        let mut server = Self {
            desired,
            observed,
            failed: Vec::new(),
            configuration: Vec::new(),
            now,
            told: Told::default(),
            pinged: Pinged::new(),
            wanted,
            runs: 0,
            log: String::new(),
        };
        server.look();
        server
    }

    /// One look of the daemon.
    fn look(&mut self) -> Option<Timestamp> {
        self.observed.awake_since = self.now;
        let zone = self.desired.instance.timezone.clone();
        let at: Zoned = self.now.to_zoned(zone);
        let plan = reconcile::plan(&self.desired, &self.observed, &at);
        let verdicts = status::judge_with(&self.desired, &self.observed, &plan);
        let facts = Facts {
            desired: &self.desired,
            observed: &self.observed,
            plan: &plan,
            verdicts: &verdicts,
            failed: &self.failed,
            configuration: &self.configuration,
        };
        let conditions = notices::conditions(&facts);
        let step = notices::due(&self.told, &self.wanted, &conditions, &facts);
        self.told = step.told;
        if !step.items.is_empty() {
            let title = notices::title(&self.desired.instance.name, &step.items);
            let when = at.strftime("%m-%d %H:%M");
            writeln!(self.log, "{when} {title}").unwrap();
            for line in notices::text(&step.items, &at).lines() {
                writeln!(self.log, "    {line}").unwrap();
            }
        }
        let (pinged, _) = notices::pings(&self.pinged, &facts);
        self.pinged = pinged;
        step.wake_at
    }

    /// Time goes by; a look every ten minutes.
    fn wait_until(&mut self, day_and_time: &str) {
        let until: Timestamp = format!("2026-{day_and_time}:00+02:00").parse().unwrap();
        while self.now < until {
            self.now = (self.now + SignedDuration::from_mins(10)).min(until);
            self.look();
        }
    }

    fn ran(&mut self, job: &str, failure: Option<&str>) {
        self.runs += 1;
        let name: JobName = job.parse().unwrap();
        let facts = self.observed.jobs.get_mut(&name).unwrap();
        let status = if failure.is_some() { RunStatus::Error } else { RunStatus::Success };
        facts.last_due = Some(self.now);
        facts.last_attempt = Some(Attempt { number: 0, status, finished_at: self.now });
        facts.last_failure = failure.map(str::to_owned);
        self.failed.retain(|run| run.work != Work::Backup { job: name.clone() });
        match failure {
            None => {
                facts.last_success = Some(self.now);
                self.observed.archives.push(archive(&name, self.now, self.runs));
            }
            Some(why) => self.failed.push(Run {
                id: RunId(self.runs),
                work: Work::Backup { job: name.clone() },
                cause: Cause::Due { due: self.now, attempt: 0 },
                status: RunStatus::Error,
                queued_at: self.now,
                started_at: Some(self.now),
                finished_at: Some(self.now),
                summary: why.to_owned(),
                hint: None,
                archive: None,
                size_bytes: None,
                config_hash: None,
            }),
        }
        self.look();
    }

    fn told(&mut self) -> String {
        std::mem::take(&mut self.log)
    }
}

fn fresh(now: Timestamp) -> JobFacts {
    JobFacts {
        first_seen: now,
        last_due: None,
        last_attempt: None,
        last_success: None,
        last_failure: None,
        table: None,
        source: None,
    }
}

fn archive(job: &JobName, at: Timestamp, number: u64) -> Archive {
    let name = format!("jerry_{job}_2026050{number}");
    Archive { job: job.clone(), created_at: at, ..sample::archive(&name, name.as_bytes()) }
}

#[test]
fn a_failing_job_is_told_once_reminded_of_daily_and_told_well_again() {
    let mut server = Server::new();
    server.wait_until("05-01T03:00");
    server.ran("web", None);
    server.ran("db", Some("the disk is full"));
    server.wait_until("05-01T03:15");
    // It is tried again, and fails again: nothing new.
    server.ran("db", Some("the disk is full"));
    server.wait_until("05-02T03:00");
    server.ran("web", None);
    server.ran("db", Some("the disk is full"));
    server.wait_until("05-03T02:00");
    server.ran("db", None);
    server.wait_until("05-03T03:00");
    server.ran("web", None);
    server.ran("db", None);
    server.wait_until("05-03T20:00");
    assert_snapshot!(server.told(), @r"
    05-01 03:00 larder on jerry: failure: `db`
        failure: the backup of `db` failed: the disk is full; it is tried again at 2026-05-01 03:15; `larder log 2` says more
    05-02 03:00 larder on jerry: still failure: `db`
        still failure: the backup of `db` failed: the disk is full; it is tried again now; `larder log 3` says more (since 2026-05-01 03:00, for 1 d)
    05-02 09:10 larder on jerry: overdue: `db`
        overdue: `db`: it has been known for 1 d 7 h and has no good archive; it is tried again now
    05-03 02:00 larder on jerry: recovery: `db`
        recovery: this is over: the backup of `db` failed: the disk is full; `db` is well again (it lasted 1 d 23 h)
    ");
}

#[test]
fn a_fortnight_without_the_daemon_is_told_when_it_is_back_and_nothing_twice() {
    let mut server = Server::new();
    server.wait_until("05-01T03:00");
    server.ran("web", None);
    server.ran("db", None);
    server.now = "2026-05-15T12:00:00+02:00".parse().unwrap();
    server.look();
    let told = server.told();
    // What was told is remembered: a restart, that is another look with the same memory, adds nothing.
    server.look();
    server.wait_until("05-15T13:00");
    assert_eq!(server.told(), "");
    server.ran("web", None);
    server.ran("db", None);
    assert_snapshot!(format!("{told}{}", server.told()), @r"
    05-15 12:00 larder on jerry: 2 × overdue
        overdue: `db`: its newest good archive is 14 d 9 h old, 1 d 7 h is the most; it is tried again now
        overdue: `web`: its newest good archive is 14 d 9 h old, 1 d 7 h is the most; it is tried again now
    05-15 13:00 larder on jerry: recovery: `web`
        recovery: this is over: `web`: its newest good archive is 14 d 10 h old, 1 d 7 h is the most; `web` is well again (it lasted 1 h)
    05-15 13:00 larder on jerry: recovery: `db`
        recovery: this is over: `db`: its newest good archive is 14 d 10 h old, 1 d 7 h is the most; `db` is well again (it lasted 1 h)
    ");
}

#[test]
fn what_waits_for_a_person_is_told_as_blocked() {
    let mut server = Server::new();
    server.wait_until("05-01T03:00");
    server.ran("web", None);
    server.ran("db", None);
    server.observed.freezes.push(Freeze::Recovery("archives of this instance are there".into()));
    server.configuration.push("the configuration has mistakes (1)".to_owned());
    server.look();
    server.wait_until("05-01T03:04");
    let at_once = server.told();
    server.wait_until("05-01T03:20");
    let later = server.told();
    server.observed.freezes.clear();
    server.configuration.clear();
    server.wait_until("05-01T20:00");
    assert_eq!(server.told(), "", "it ends without a word");
    assert_snapshot!(format!("{at_once}--\n{later}"), @r"
    05-01 03:00 larder on jerry: blocked: no backup, expiry or copy: archives of this instance are there; `larder recover` takes back what is there, `larder recov…
        blocked: no backup, expiry or copy: archives of this instance are there; `larder recover` takes back what is there, `larder recover --done` says that there is nothing to take back
    --
    05-01 03:14 larder on jerry: blocked: the configuration has mistakes (1); `larder check` shows the mistakes
        blocked: the configuration has mistakes (1); `larder check` shows the mistakes
    ");
}

#[test]
fn a_mistake_that_is_mended_within_minutes_is_not_told() {
    let mut server = Server::new();
    server.wait_until("05-01T03:00");
    server.ran("web", None);
    server.ran("db", None);
    server.configuration.push("the configuration has mistakes (1)".to_owned());
    server.look();
    server.wait_until("05-01T03:04");
    server.configuration.clear();
    server.wait_until("05-01T12:00");
    assert_eq!(server.told(), "");
}

#[test]
fn a_location_that_is_gone_for_a_moment_is_nobodys_business() {
    let mut server = Server::new();
    server.wait_until("05-01T03:00");
    server.ran("web", None);
    server.ran("db", None);
    let main = || "main".parse().unwrap();
    let gone = LocationState::Unavailable("it is not mounted".to_owned());
    let there = server.observed.locations.insert(main(), gone.clone()).unwrap();
    server.look();
    server.wait_until("05-01T03:10");
    server.observed.locations.insert(main(), there.clone());
    server.wait_until("05-01T04:00");
    assert_eq!(server.told(), "");
    server.observed.locations.insert(main(), gone);
    server.wait_until("05-01T05:00");
    server.observed.locations.insert(main(), there);
    server.wait_until("05-01T06:00");
    assert_snapshot!(server.told(), @r"
    05-01 04:30 larder on jerry: failure: location `main` is not there: it is not mounted
        failure: location `main` is not there: it is not mounted
    05-01 05:10 larder on jerry: recovery: this is over: location `main` is not there: it is not mounted
        recovery: this is over: location `main` is not there: it is not mounted (it lasted 1 h)
    ");
}

#[test]
fn who_wants_to_hear_of_one_event_hears_of_no_other() {
    let mut server = Server::new();
    server.wanted = [Event::Overdue].into();
    server.wait_until("05-01T03:00");
    server.ran("web", Some("no"));
    server.ran("db", None);
    assert_eq!(server.told(), "");
    server.ran("web", None);
    assert_eq!(server.told(), "");
}

#[test]
fn of_a_job_that_is_disabled_or_gone_nothing_is_told_any_more() {
    let mut server = Server::new();
    server.wait_until("05-01T03:00");
    server.ran("web", Some("no"));
    server.ran("db", Some("no"));
    server.wait_until("05-01T03:10");
    assert!(!server.told().is_empty());
    server.desired.jobs.get_mut(&"web".parse().unwrap()).unwrap().enabled = false;
    server.desired.jobs.remove(&"db".parse().unwrap());
    server.wait_until("05-04T03:00");
    assert_eq!(server.told(), "");
}

#[test]
fn a_clock_that_goes_back_silences_nobody_for_longer_than_a_day() {
    let mut server = Server::new();
    server.wait_until("05-01T03:00");
    server.ran("web", Some("no"));
    server.ran("db", None);
    server.wait_until("05-01T03:10");
    server.told();
    let ahead = server.told.episodes.values_mut().next().unwrap();
    ahead.told_at = Some("2031-01-01T00:00:00Z".parse().unwrap());
    server.wait_until("05-02T02:00");
    assert_eq!(server.told(), "");
    server.wait_until("05-02T04:00");
    assert!(server.told().contains("still failure: "));
}
