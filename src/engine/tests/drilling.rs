//! Drills: what they show, what is remembered of it, and what they leave behind.

use std::fs;

use super::*;
use crate::model::observed::{DrillFacts, DrillOutcome, LastDrill};

const DRILLED: &str = "drill = { schedule = \"0 5 1 1 *\" }\n";

fn work(archive: &Archive) -> Work {
    Work::Drill {
        job: "notes".parse().unwrap(),
        archive: archive.id,
        location: archive.location.clone(),
    }
}

impl Bench {
    fn drill(&self, archive: &Archive) -> Run {
        let run = self.enqueue(work(archive), Cause::Manual);
        let run = self.execute(&run);
        let scratch = self.path("state/drill");
        assert!(!scratch.exists(), "{scratch:?} is still there");
        run
    }

    fn drills(&self) -> DrillFacts {
        let mut facts = self.core().state.drill_facts().unwrap();
        facts.remove(&"notes".parse().unwrap()).unwrap_or_default()
    }

    fn last_drill(&self) -> LastDrill {
        self.drills().last.unwrap()
    }

    /// Puts other bytes into an archive and records their hash, as if they had been written so.
    fn doctor(&self, archive: &Archive, change: impl FnOnce(&mut Vec<u8>)) {
        use sha2::{Digest as _, Sha256 as Hasher};
        let file = self.path("archives").join(format!("{}.tar", archive.name));
        let mut bytes = fs::read(&file).unwrap();
        change(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        let hash = crate::model::archive::Sha256(Hasher::digest(&bytes).into());
        let changed = Archive {
            file_size: bytes.len() as u64,
            file_sha256: Some(hash),
            stream_sha256: Some(hash),
            ..archive.clone()
        };
        self.core().catalogue.put(&self.core().state, changed).unwrap();
    }
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn what_comes_back_as_it_was_is_proven_and_remembered() {
    let bench = Bench::with_job(DRILLED);
    let archive = bench.back_up();
    let run = bench.drill(&archive);
    assert_eq!(run.status, RunStatus::Success, "{run:?}");
    let last = bench.last_drill();
    assert_eq!((last.run, &last.archive), (run.id, &archive.name));
    assert!(matches!(&last.outcome, DrillOutcome::Proven(what) if what.contains("all 2 members")));
    assert_eq!(bench.drills().proven_at, Some(last.at));
    assert!(bench.get(&archive).unwrap().is_good());
}

#[test]
fn content_that_is_not_what_the_manifest_says_fails_and_the_archive_is_good_no_more() {
    let mut bench = Bench::with_job(DRILLED);
    let archive = bench.back_up();
    bench.doctor(&archive, |bytes| replace(bytes, b"alpha", b"aleph"));
    let run = bench.drill(&archive);
    assert_eq!(run.status, RunStatus::Error);
    assert!(run.summary.contains("1 member differ"), "{}", run.summary);
    assert!(run.summary.contains("notes/a.txt` has other content"), "{}", run.summary);
    assert!(matches!(bench.last_drill().outcome, DrillOutcome::Failed(_)));
    assert_eq!(bench.drills().proven_at, None);
    let refuted = bench.get(&archive).unwrap();
    assert!(!refuted.is_good() && refuted.condition == Condition::Present);
    // The sidecar says it as well: it is known after the state was lost.
    fs::remove_dir_all(bench.path("state")).unwrap();
    bench.start(Autonomy::OnRequest);
    bench.look();
    assert!(bench.get(&archive).unwrap().refuted.is_some());
    // Reading its bytes back finds nothing wrong, and makes it no better.
    let verify = Work::Verify { archive: archive.id, location: archive.location.clone() };
    let run = bench.enqueue(verify, Cause::Manual);
    bench.execute(&run);
    assert!(!bench.get(&archive).unwrap().is_good());
    // A drill that succeeds does.
    bench.doctor(&bench.get(&archive).unwrap(), |bytes| replace(bytes, b"aleph", b"alpha"));
    assert!(bench.drill(&archive).status.is_success());
    assert!(bench.get(&archive).unwrap().is_good());
}

#[test]
fn bytes_that_changed_on_the_disk_are_found_before_anything_is_restored() {
    let bench = Bench::with_job(DRILLED);
    let archive = bench.back_up();
    let file = bench.path("archives").join(format!("{}.tar", archive.name));
    let mut bytes = fs::read(&file).unwrap();
    replace(&mut bytes, b"alpha", b"aleph");
    fs::write(&file, bytes).unwrap();
    let run = bench.drill(&archive);
    assert_eq!(run.status, RunStatus::Error, "{run:?}");
    assert_eq!(bench.condition(&archive), Condition::Corrupt);
    assert!(matches!(bench.last_drill().outcome, DrillOutcome::Failed(_)));
}

#[test]
fn what_cannot_be_found_out_here_is_neither_a_failure_nor_a_proof() {
    let bench = Bench::with_job(DRILLED);
    let archive = bench.back_up();
    let plain = bench.path("archives").join(format!("{}.tar", archive.name));
    fs::hard_link(&plain, plain.with_extension("tar.age")).unwrap();
    let encrypted = Archive { recipients: vec!["age1…".to_owned()], ..archive.clone() };
    bench.core().catalogue.put(&bench.core().state, encrypted).unwrap();
    let run = bench.drill(&archive);
    assert_eq!(run.status, RunStatus::Warning);
    assert!(run.summary.contains("location `main` has no `identity`"), "{}", run.summary);
    let facts = bench.drills();
    assert!(matches!(facts.last.unwrap().outcome, DrillOutcome::Unable(_)));
    assert_eq!(facts.proven_at, None);
    assert!(facts.rest_until.is_some());
    assert!(bench.get(&archive).unwrap().is_good());
    // The same for an archive that larger disks than ours could hold.
    let huge = Archive { stream_size: 1 << 60, recipients: Vec::new(), ..archive.clone() };
    bench.core().catalogue.put(&bench.core().state, huge).unwrap();
    let run = bench.drill(&archive);
    assert!(run.summary.contains("no room for a restore"), "{}", run.summary);
}

#[test]
fn a_cancelled_drill_shows_nothing_and_a_failed_beginning_is_told() {
    let bench = Bench::with_job(DRILLED);
    let archive = bench.back_up();
    let run = bench.enqueue(work(&archive), Cause::Manual);
    let running = Running::new(bench.core(), &run);
    running.stop.request(Stopped::Cancelled);
    bench.execute_with(&running);
    assert_eq!(bench.run(run.id).status, RunStatus::Cancelled);
    assert_eq!(bench.drills().last, None);
    assert!(bench.drills().rest_until.is_some());
    assert!(!bench.path("state/drill").exists());
}

#[test]
fn a_drill_that_a_crash_ended_is_swept_and_begun_anew() {
    let mut bench = Bench::with_job(DRILLED);
    let archive = bench.back_up();
    let run = bench.enqueue(work(&archive), Cause::Manual);
    bench.core().state.put_run(&Run { status: RunStatus::Running, ..run.clone() }).unwrap();
    let left = bench.path(&format!("state/drill/{}/archive/data", run.id));
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half"), b"x").unwrap();
    bench.start(Autonomy::Daemon);
    assert_eq!(bench.run(run.id).status, RunStatus::Interrupted);
    assert!(!bench.path("state/drill").exists());
    let facts = bench.drills();
    assert_eq!((facts.interrupted, facts.last), (1, None));
    assert!(facts.rest_until > Some(bench.core().now()));
}

#[test]
fn an_instant_of_the_schedule_is_handled_once() {
    let bench = Bench::with_job("drill = { schedule = \"* * * * *\" }\n");
    let archive = bench.back_up();
    let job = "notes".parse().unwrap();
    let known_since = Some(ago(bench.core().now(), 1));
    let facts = DrillFacts { known_since, ..bench.drills() };
    bench.core().state.commit(|txn| txn.put_drill_facts(&job, &facts)).unwrap();
    bench.awake_for_an_hour();
    bench.look();
    let drill = bench.open().into_iter().find(|run| run.work.word() == "drill").unwrap();
    assert!(matches!(drill.cause, Cause::Due { .. }));
    assert_eq!(drill.work, work(&archive));
    assert!(bench.drills().last_due.is_some());
    bench.look();
    let drills = bench.open().into_iter().filter(|run| run.work.word() == "drill");
    assert_eq!(drills.count(), 1);
    // Another one of the same job is that one.
    assert!(matches!(bench.queue(work(&archive)), Err(RequestError::Busy(id)) if id == drill.id));
}
