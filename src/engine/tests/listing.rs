//! Jobs with `*`: their members are listed, remembered, and never in anybody's way.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::*;
use crate::engine::observe::wildcards;
use crate::engine::observe::wildcards::Lister;
use crate::model::name::JobName;
use crate::model::observed::Freeze;
use crate::status::Verdict;

const APPS: &str = "[job.apps]\ntype = \"ynh_app\"\napp_id = \"*\"\nexcept = [\"shop\", \"gone\"]\n\
    schedule = \"0 2 1 1 *\"\n";

/// What the host answers at the moment.
type Answer = Arc<Mutex<Result<Vec<String>, String>>>;

fn set(answer: &Answer, members: &[&str]) {
    *answer.lock() = Ok(members.iter().map(ToString::to_string).collect());
}

fn fail(answer: &Answer, why: &str) {
    *answer.lock() = Err(why.to_owned());
}

impl Bench {
    /// An engine whose host answers as it is told, and the answer.
    fn listing(toml: &str, members: &[&str]) -> (Self, Answer) {
        let answer: Answer = Arc::new(Mutex::new(Ok(Vec::new())));
        set(&answer, members);
        let mut bench = Self::new(toml);
        bench.restart(&answer);
        (bench, answer)
    }

    fn restart(&mut self, answer: &Answer) {
        self.core = None;
        let (sender, receiver) = mpsc::unbounded_channel();
        let options =
            Options { config_dir: self.path("etc"), autonomy: Autonomy::Daemon, only: Vec::new() };
        let mut core = start::start(options, sender).unwrap();
        let answer = Arc::clone(answer);
        let lister: Lister = Arc::new(move |_, _| answer.lock().clone());
        Arc::get_mut(&mut core).unwrap().lister = lister;
        self.core = Some(core);
        self.incoming = Some(receiver);
    }

    /// Begins what is due to be listed, in the place of the loop. Returns whether anything was.
    fn begin_to_list(&self) -> tokio::task::JoinSet<()> {
        let mut workers = tokio::task::JoinSet::new();
        let _inside = self.runtime.enter();
        wildcards::begin_where_due(self.core(), &mut workers);
        workers
    }

    /// Lists what is due, and puts it in force. Returns how many listings there were.
    fn list(&mut self) -> usize {
        let mut workers = self.begin_to_list();
        let count = workers.len();
        self.runtime.block_on(async { while workers.join_next().await.is_some() {} });
        while let Ok(request) = self.incoming.as_mut().unwrap().try_recv() {
            answer::answer(self.core(), request);
        }
        count
    }

    /// Lets the schedule name an instant since the last listing.
    fn age(&mut self, hours: i64) {
        let name: JobName = "apps".parse().unwrap();
        let mut known = self.core().state.members().unwrap();
        let listing = known.get_mut(&name).unwrap();
        let tried = listing.tried.as_mut().unwrap();
        tried.at = ago(tried.at, hours);
        let listing = listing.clone();
        self.core().state.commit(|txn| txn.put_listing(&name, &listing)).unwrap();
    }

    fn series(&self) -> Vec<String> {
        self.core().desired().jobs.keys().map(ToString::to_string).collect()
    }

    fn queued(&self) -> BTreeSet<String> {
        let open = self.open();
        let jobs = open.iter().filter_map(|run| run.work.job());
        jobs.map(ToString::to_string).collect()
    }

    fn verdict(&self, job: &str) -> Option<(Verdict, String)> {
        let view = self.core().view.load_full();
        let found = view.verdicts.iter().find(|verdict| verdict.job.as_str() == job)?;
        let reasons: Vec<_> = found.reasons.iter().map(ToString::to_string).collect();
        Some((found.verdict, reasons.join("; ")))
    }

    fn notes(&self) -> String {
        let view = self.core().view.load_full();
        let notes = view.plan.notes.iter().map(|note| format!("{:?}: {}", note.weight, note.text));
        notes.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn members_become_series_of_their_own_and_are_due_at_once() {
    let (mut bench, _) = Bench::listing(APPS, &["nextcloud", "wiki", "shop"]);
    bench.look();
    assert_eq!(bench.verdict("apps").unwrap().0, Verdict::Unprotected);
    assert!(bench.queued().is_empty());
    assert_eq!(bench.list(), 1);
    assert_eq!(bench.list(), 0, "what is known is not listed again before it is due");
    assert_eq!(bench.series(), ["apps/nextcloud", "apps/wiki"]);
    bench.look();
    assert_eq!(bench.queued(), BTreeSet::from(["apps/nextcloud".into(), "apps/wiki".into()]));
    assert_eq!(bench.verdict("apps"), None);
    assert!(bench.notes().contains("Remark: `apps` leaves `gone` out, which is not there"));
    let job = &bench.core().desired().jobs[&"apps/wiki".parse().unwrap()];
    let table: serde_json::Value = serde_json::from_str(&job.effective_json).unwrap();
    assert_eq!((&table["app_id"], &table["label"]), (&"wiki".into(), &"wiki".into()));
}

#[test]
fn a_listing_is_remembered_over_a_restart_and_while_others_fail() {
    let (mut bench, answer) = Bench::listing(APPS, &["nextcloud", "wiki"]);
    bench.list();
    fail(&answer, "the lock is held");
    bench.restart(&answer);
    assert_eq!(bench.series(), ["apps/nextcloud", "apps/wiki"]);
    assert_eq!(bench.list(), 0);
    bench.age(24 * 370);
    bench.restart(&answer);
    assert_eq!(bench.list(), 1, "its schedule named an instant");
    bench.look();
    assert_eq!(bench.series(), ["apps/nextcloud", "apps/wiki"]);
    let (verdict, reasons) = bench.verdict("apps").unwrap();
    assert_eq!(verdict, Verdict::AtRisk);
    assert!(
        reasons.contains("the lock is held") && reasons.contains("stays in force"),
        "{reasons}"
    );
    assert!(bench.notes().contains("Problem: what `apps` stands for cannot be listed"));
    // It is tried again, and then all is well.
    set(&answer, &["nextcloud", "wiki", "blog"]);
    bench.age(1);
    bench.restart(&answer);
    assert_eq!(bench.list(), 1);
    bench.look();
    assert_eq!(bench.verdict("apps"), None);
    assert!(bench.queued().contains("apps/blog"));
}

#[test]
fn what_was_never_listed_is_unprotected_with_the_reason() {
    let (mut bench, answer) = Bench::listing(APPS, &[]);
    fail(&answer, "`yunohost` is not installed");
    bench.list();
    bench.look();
    let (verdict, reasons) = bench.verdict("apps").unwrap();
    assert_eq!(verdict, Verdict::Unprotected);
    insta::assert_snapshot!(reasons, @"what it stands for cannot be listed: `yunohost` is not installed");
    assert_eq!(bench.series(), ["apps"]);
    assert!(bench.queued().is_empty(), "a job with `*` makes no archive of its own");
    let run = bench.queue(Work::Backup { job: "apps".parse().unwrap() });
    assert!(matches!(run, Err(RequestError::Refused { .. })), "{run:?}");
}

#[test]
fn a_member_that_goes_leaves_its_series_and_most_of_them_freeze_retention() {
    let (mut bench, answer) = Bench::listing(APPS, &["nextcloud", "wiki", "blog"]);
    bench.list();
    bench.look();
    set(&answer, &["nextcloud", "wiki"]);
    bench.age(24 * 370);
    bench.restart(&answer);
    bench.list();
    assert_eq!(bench.series(), ["apps/nextcloud", "apps/wiki"]);
    assert_eq!(bench.core().state.freezes().unwrap(), []);
    set(&answer, &[]);
    bench.age(24 * 370);
    bench.restart(&answer);
    bench.list();
    bench.look();
    assert_eq!(bench.series(), ["apps"]);
    let frozen = bench.core().state.freezes().unwrap();
    assert_eq!(
        frozen,
        [Freeze::JobsVanished(
            "2 of 2 that `apps` stands for went at once: nextcloud, wiki".to_owned()
        )]
    );
    assert_eq!(bench.verdict("apps").unwrap().0, Verdict::Protected);
    assert!(bench.notes().contains("`apps` stands for nothing that is there now"));
}

#[test]
fn only_the_series_of_a_job_wait_while_it_is_listed() {
    let (mut bench, answer) = Bench::listing(&format!("{APPS}{JOB}"), &["nextcloud"]);
    bench.list();
    bench.age(24 * 370);
    bench.restart(&answer);
    let held = answer.lock();
    let mut workers = bench.begin_to_list();
    bench.look();
    assert_eq!(bench.queued(), BTreeSet::from(["notes".to_owned()]));
    assert!(wildcards::is_busy(bench.core()));
    assert!(bench.notes().contains("`apps/nextcloud` waits for the list"), "{}", bench.notes());
    drop(held);
    bench.runtime.block_on(async { while workers.join_next().await.is_some() {} });
    bench.list();
    bench.look();
    assert!(bench.queued().contains("apps/nextcloud"));
    assert!(!wildcards::is_busy(bench.core()));
}

#[test]
fn who_asks_for_all_of_it_has_it_listed_first() {
    let (mut bench, answer) = Bench::listing(APPS, &["nextcloud"]);
    bench.list();
    set(&answer, &["nextcloud", "wiki"]);
    let (reply, mut answered) = tokio::sync::oneshot::channel();
    answer::answer(bench.core(), Request::List("apps".parse().unwrap(), reply));
    assert!(answered.try_recv().is_err());
    assert_eq!(bench.list(), 1);
    assert_eq!(answered.try_recv().unwrap(), Ok(()));
    assert_eq!(bench.series(), ["apps/nextcloud", "apps/wiki"]);
}

#[test]
fn who_waits_for_a_listing_learns_that_the_engine_stops() {
    let (bench, _) = Bench::listing(APPS, &["nextcloud"]);
    let (reply, mut answered) = tokio::sync::oneshot::channel();
    answer::answer(bench.core(), Request::List("apps".parse().unwrap(), reply));
    wildcards::give_up(bench.core());
    assert_eq!(answered.try_recv().unwrap(), Err(RequestError::Stopping));
}

#[test]
fn another_server_has_other_databases() {
    let toml = "[job.dbs]\ntype = \"mysql\"\ndatabase = \"*\"\n";
    let (mut bench, answer) = Bench::listing(toml, &["blog"]);
    bench.list();
    assert_eq!(bench.series(), ["dbs/blog"]);
    bench.write("jobs.toml", &format!("{toml}socket = \"/run/other.sock\"\n"));
    bench.restart(&answer);
    assert_eq!(bench.series(), ["dbs"], "what another server has is not known");
    assert_eq!(bench.list(), 1);
    assert_eq!(bench.series(), ["dbs/blog"]);
}
