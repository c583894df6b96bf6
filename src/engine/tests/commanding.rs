//! The commands around a backup: what is told of one that failed, and to whom.

use super::*;

/// The job `notes` with these keys, backed up once.
fn backed_up(more: &str) -> (Bench, Run) {
    let bench = Bench::with_job(more);
    bench.look();
    let due = bench.core().now();
    let run = bench.enqueue(backup(), Cause::Due { due, attempt: 0 });
    let run = bench.execute(&run);
    (bench, run)
}

fn told(run: &Run) -> String {
    format!("{}\nhint: {}", run.summary, run.hint.as_deref().unwrap_or("none"))
}

fn log(bench: &Bench, run: &Run) -> String {
    bench.core().state.log(run.id).unwrap()
}

#[test]
fn of_several_commands_the_one_that_failed_is_named() {
    let (_bench, run) = backed_up("before = [\"true\", \"test ! -e /\", \"true\"]\n");
    assert_eq!(
        told(&run),
        "command 2 of 3 in `before` (`test`) failed: `/bin/sh` ended with exit status 1\n\
         hint: it said nothing; run it by hand; nothing was read"
    );
    let (_bench, run) = backed_up("before = [[\"false\"]]\nafter = [[\"true\"]]\n");
    assert_eq!(
        told(&run),
        "the command in `before` (`false`) failed: `false` ended with exit status 1\n\
         hint: it said nothing; run it by hand; nothing was read, and the commands `after` were run"
    );
}

#[test]
fn what_a_command_prints_is_in_the_log_of_its_run_and_nowhere_else() {
    for line in ["echo canary >&2; exit 1", "echo canary; exit 1", "PASSWORD=canary false"] {
        for keys in [format!("before = [\"{line}\"]"), format!("after = [\"{line}\"]")] {
            let (bench, run) = backed_up(&format!("{keys}\n"));
            let shown = format!("{} {run:?} {:?}", told(&run), bench.facts());
            assert!(!shown.contains("canary"), "{line}: {shown}");
            let number = format!("`larder log {}` has what it said", run.id);
            let is_there = log(&bench, &run).contains("canary");
            assert_eq!(is_there, line.starts_with("echo"), "{line}");
            if is_there && keys.starts_with("before") {
                assert!(told(&run).contains(&number), "{}", told(&run));
            }
        }
    }
}

#[test]
fn a_line_that_stands_where_a_program_belongs_is_not_repeated() {
    let (bench, run) = backed_up("before = [[\"mysql -u root -pcanary -e x\"]]\n");
    assert_eq!(run.status, RunStatus::Error);
    assert!(told(&run).contains("a string of its own"), "{}", told(&run));
    assert!(!format!("{}{}", told(&run), log(&bench, &run)).contains("canary"));
}

#[test]
fn a_service_that_did_not_start_again_is_told_also_when_the_backup_failed() {
    let after = "after = [\"echo why; exit 3\", \"exit 4\"]\n";
    let not_started = "command 1 of 2 in `after` (`echo`) failed: `/bin/sh` ended with exit status 3; \
        command 2 of 2 in `after` (`exit`) failed: `/bin/sh` ended with exit status 4";
    let hint = "check that what it starts is running again";

    let (_bench, run) = backed_up(&format!("before = [\"exit 2\"]\n{after}"));
    assert_eq!(run.status, RunStatus::Error);
    assert!(run.summary.starts_with("the command in `before`"), "{}", run.summary);
    assert!(run.summary.ends_with(not_started), "{}", run.summary);
    assert!(run.hint.as_deref().unwrap().contains(hint), "{run:?}");

    let bench = Bench::with_job(after);
    bench.look();
    std::fs::remove_dir_all(bench.path("notes")).unwrap();
    let due = bench.core().now();
    let run = bench.enqueue(backup(), Cause::Due { due, attempt: 0 });
    let run = bench.execute(&run);
    assert_eq!(run.status, RunStatus::Error);
    assert!(run.summary.contains("notes") && run.summary.ends_with(not_started), "{run:?}");
    assert!(run.hint.as_deref().unwrap().contains(hint), "{run:?}");

    // The one before it waits until it is cancelled.
    let bench = Bench::with_job(&format!("before = [[\"sleep\", \"60\"]]\n{after}"));
    bench.look();
    let due = bench.core().now();
    let run = bench.enqueue(backup(), Cause::Due { due, attempt: 0 });
    let running = Running::new(bench.core(), &run);
    let (stop, progress) = (running.stop.clone(), running.progress.clone());
    let canceller = std::thread::spawn(move || {
        while progress.snapshot().phase != "before" {
            std::thread::yield_now();
        }
        stop.request(Stopped::Cancelled);
    });
    let run = bench.execute_with(&running);
    canceller.join().unwrap();
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(run.summary.ends_with(not_started), "{run:?}");
}

#[test]
fn a_backup_that_went_well_is_warned_of_what_did_not_start_again() {
    let (_bench, run) = backed_up("after = [\"exit 3\"]\n");
    assert_eq!(run.status, RunStatus::Warning);
    assert!(
        run.summary.ends_with(
            "; the command in `after` (`exit`) failed: `/bin/sh` ended with exit status 3"
        ),
        "{}",
        run.summary
    );
}
