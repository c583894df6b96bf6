//! An engine that is moved step by step: every step can be the last one before a crash.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use crate::engine::core::{Core, Running};
use crate::engine::look::Looked;
use crate::engine::observe::clock;
use crate::engine::requests::Request;
use crate::engine::runs::executor;
use crate::engine::{Autonomy, Options, RequestError, answer, look, start};
use crate::model::archive::{Archive, Condition, Series};
use crate::model::observed::JobFacts;
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};
use crate::state::StateError;
use crate::stop::Stopped;

mod asking;
mod bringing_back;
mod commanding;
mod dating;
mod deleting;
mod drilling;
mod hanging;
mod listing;
mod making_room;
mod recovering;
mod room;
mod running;
mod starting;
mod verifying;

const JOB: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n";

/// An instance `jerry` with a location `main`, whose engine only moves when it is told.
struct Bench {
    dir: tempfile::TempDir,
    core: Option<Arc<Core>>,
    /// What was asked of the loop that is not there.
    incoming: Option<mpsc::UnboundedReceiver<Request>>,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(toml: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Self { dir: tempfile::tempdir().unwrap(), core: None, incoming: None, runtime };
        for dir in ["etc", "notes"] {
            std::fs::create_dir_all(bench.path(dir)).unwrap();
        }
        std::fs::write(bench.path("notes/a.txt"), b"alpha").unwrap();
        bench.write(
            "base.toml",
            "[instance]\nname = \"jerry\"\ntimezone = \"UTC\"\nstate_dir = \"../state\"\n\
             publish_dir = \"../public\"\ncontrol_socket = \"../control.sock\"\n\
             [recovery]\nconfiguration = false\n[defaults]\nschedule = \"0 2 1 1 *\"\nretention = { mode = \"count\", value = 7 }\nlocation = \"main\"\n\
             [location.main]\npath = \"../archives\"\nmin_free = \"1 MiB\"\n",
        );
        bench.write("jobs.toml", toml);
        bench
    }

    /// With the job `notes`, whose engine has looked once, as in a daemon.
    fn with_job(more: &str) -> Self {
        let mut bench = Self::new(&format!("{JOB}{more}"));
        bench.start(Autonomy::Daemon);
        bench
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn write(&self, name: &str, toml: &str) {
        std::fs::write(self.path("etc").join(name), toml).unwrap();
    }

    /// Starts the engine anew: what it did not write is forgotten, as after a crash.
    fn start(&mut self, autonomy: Autonomy) {
        self.start_for(autonomy, &[]);
    }

    /// Starts it as `larder apply --job` does, for these jobs only.
    fn start_for(&mut self, autonomy: Autonomy, only: &[&str]) {
        self.core = None;
        let (sender, _) = mpsc::unbounded_channel();
        let only = only.iter().map(|job| job.parse().unwrap()).collect();
        let options = Options { config_dir: self.path("etc"), autonomy, only };
        self.core = Some(start::start(options, sender).unwrap());
    }

    /// Lets the engine be awake for an hour.
    fn awake_for_an_hour(&self) {
        let awake = &self.core().awake;
        awake.set_since(awake.since().checked_sub(SignedDuration::from_hours(1)).unwrap());
    }

    fn core(&self) -> &Arc<Core> {
        self.core.as_ref().unwrap()
    }

    fn look(&self) {
        self.try_look().unwrap();
    }

    fn try_look(&self) -> Result<Looked, StateError> {
        self.core().stock_taken.lock().clear();
        look::look_if_needed(self.core(), &mut clock::Clock::start(), true, None, Duration::ZERO)
    }

    /// Executes a run to its end, in the place of the loop.
    fn execute(&self, run: &Run) -> Run {
        self.execute_with(&Running::new(self.core(), run))
    }

    fn execute_with(&self, running: &Running) -> Run {
        self.core().running().insert(running.lane, running.clone());
        self.runtime.block_on(executor::execute(Arc::clone(self.core()), running.clone()));
        self.run(running.run.id)
    }

    fn run(&self, id: RunId) -> Run {
        self.core().state.run(id).unwrap().unwrap()
    }

    fn enqueue(&self, work: Work, cause: Cause) -> Run {
        self.core().state.enqueue(work, cause, self.core().now(), None).unwrap()
    }

    /// Backs the job up, as its schedule would.
    fn back_up(&self) -> Archive {
        let before = self.archives();
        let due = self.core().now();
        let run = self.enqueue(backup(), Cause::Due { due, attempt: 0 });
        let run = self.execute(&run);
        assert!(run.status.is_success(), "{run:?}");
        let mut after = self.archives();
        after.retain(|archive| !before.iter().any(|known| known.id == archive.id));
        after.pop().unwrap()
    }

    fn archives(&self) -> Vec<Archive> {
        self.core().catalogue.archives()
    }

    fn get(&self, archive: &Archive) -> Option<Archive> {
        self.core().catalogue.get(&archive.key())
    }

    fn condition(&self, archive: &Archive) -> Condition {
        self.get(archive).unwrap().condition
    }

    fn set_condition(&self, archive: &Archive, condition: Condition) {
        self.core().catalogue.set_condition(&self.core().state, &archive.key(), condition).unwrap();
    }

    fn open(&self) -> Vec<Run> {
        self.core().state.open_runs().unwrap()
    }

    fn opens(&self, kind: &str) -> bool {
        self.open().iter().any(|run| run.work.word() == kind)
    }

    fn ask<T>(
        &self,
        request: impl FnOnce(crate::engine::requests::Reply<T>) -> Request,
    ) -> Result<T, RequestError> {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        answer::answer(self.core(), request(reply));
        answer.try_recv().unwrap()
    }

    fn cancel(&self, run: RunId) -> Result<(), RequestError> {
        self.ask(|reply| Request::Cancel(run, reply))
    }

    fn queue(&self, work: Work) -> Result<RunId, RequestError> {
        self.ask(|reply| Request::Queue(work, reply))
    }

    fn facts(&self) -> JobFacts {
        self.core().state.job_facts().unwrap().remove(&"notes".parse().unwrap()).unwrap()
    }

    fn set_first_seen(&self, hours_ago: i64) {
        let mut facts = self.facts();
        facts.first_seen = ago(self.core().now(), hours_ago);
        facts.last_due = None;
        self.core().state.put_job_facts(&"notes".parse().unwrap(), &facts).unwrap();
    }
}

fn ago(now: Timestamp, hours: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(hours)).unwrap()
}

fn backup() -> Work {
    Work::Backup { job: "notes".parse().unwrap() }
}

fn expire(archives: &[&Archive]) -> Work {
    let series: Series = archives[0].written_series();
    Work::Expire { series, archives: archives.iter().map(|archive| archive.id).collect() }
}

fn is_trashed(condition: &Condition) -> bool {
    matches!(condition, Condition::Trashed { .. })
}
