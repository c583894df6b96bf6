//! Processes that are killed, bits that flip, disks that are full.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use larder::model::observed::JobFacts;
use larder::model::run::{Cause, RunStatus};
use larder::state::{RunFilter, State, StateError};

use super::{at, backup};

/// A small random number generator, so that a failure can name its seed.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(getrandom::u64().unwrap() | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn times(sample: u64, full: u64) -> u64 {
    if std::env::var_os("LARDER_FULL").is_some() { full } else { sample }
}

/// Starts one of the tests that are marked as a part of another one, in a process of its own.
fn spawn(test: &str, dir: &Path) -> Child {
    child_command(test, dir).spawn().unwrap()
}

fn child_command(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("store::crash::{test}"), "--ignored", "--nocapture", "--quiet"])
        .env("LARDER_TEST_STATE", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn child_dir() -> std::path::PathBuf {
    std::env::var_os("LARDER_TEST_STATE").expect("another test starts this").into()
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// What one commit of the child writes: a finished run and what was learned from it.
fn commit_one(state: &State) -> Result<u64, StateError> {
    let now = at("2026-05-08T03:00:00Z");
    state.commit(|txn| {
        let mut run = txn.enqueue(backup("web"), Cause::Manual, now, None)?;
        run.status = RunStatus::Success;
        run.summary = "x".repeat(usize::try_from(run.id.0 % 3_000).unwrap());
        txn.put_run(&run)?;
        let facts = JobFacts {
            first_seen: now,
            last_due: Some(Timestamp::from_second(i64::try_from(run.id.0).unwrap()).unwrap()),
            last_attempt: None,
            last_success: None,
            last_failure: None,
            table: None,
            source: None,
        };
        txn.put_job_facts(&"web".parse().unwrap(), &facts)?;
        txn.approve(&run.id.to_string(), now)?;
        Ok(run.id.0)
    })
}

/// How many runs there are, once everything that was committed together was found together.
fn consistent(state: &State) -> u64 {
    let runs = state.runs(&RunFilter::default(), None, usize::MAX).unwrap();
    let of_job = RunFilter { job: Some("web".parse().unwrap()), ..RunFilter::default() };
    assert_eq!(state.runs(&of_job, None, usize::MAX).unwrap(), runs);
    let numbers: BTreeSet<u64> = runs.iter().map(|run| run.id.0).collect();
    let newest = numbers.last().copied().unwrap_or(0);
    assert_eq!(numbers, (1..=newest).collect());
    for run in &runs {
        assert_eq!(run.summary.len() as u64, run.id.0 % 3_000);
    }
    let approvals: BTreeSet<u64> =
        state.approvals().unwrap().iter().map(|hash| hash.parse().unwrap()).collect();
    assert_eq!(approvals, numbers);
    let facts = state.job_facts().unwrap();
    let last_due = facts.values().next().and_then(|facts| facts.last_due);
    assert_eq!(last_due.map_or(0, Timestamp::as_second), i64::try_from(newest).unwrap());
    newest
}

#[test]
#[ignore = "part of another test"]
fn child_commits_until_it_is_killed() {
    let (state, opened) = State::open(&child_dir()).unwrap();
    assert!(opened.set_aside.is_none() && !opened.rolled_back);
    loop {
        say(&format!("did {}", commit_one(&state).unwrap()));
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    let seed = random.0;
    let mut total = 0;
    for round in 0..times(20, 300) {
        let mut child = spawn("child_commits_until_it_is_killed", dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = random.below(12);
        let mut acknowledged = 0;
        let mut lines_read = 0;
        let mut killed = false;
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("did ") {
                acknowledged = number.parse().unwrap();
                lines_read += 1;
                if lines_read > wanted && !killed {
                    std::thread::sleep(Duration::from_micros(random.below(3_000)));
                    child.kill().unwrap();
                    killed = true;
                }
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself, seed {seed}");
        let (state, opened) = State::open(dir.path()).unwrap();
        assert!(!opened.fresh || round == 0, "seed {seed}");
        assert_eq!((opened.set_aside, opened.rolled_back), (None, false), "seed {seed}");
        let newest = consistent(&state);
        // The one that was under way may have arrived as well.
        assert!(newest == acknowledged || newest == acknowledged + 1, "seed {seed}");
        total = newest;
    }
    assert!(total > 20);
}

#[test]
#[ignore = "part of another test"]
fn child_opens_and_leaves() {
    say("begins");
    let (state, _) = State::open(&child_dir()).unwrap();
    commit_one(&state).unwrap();
    say("done");
}

#[test]
fn a_kill_during_the_very_first_opening_leaves_a_state_that_opens() {
    let mut random = Random::new();
    let seed = random.0;
    let (mut unfinished, mut finished) = (0, 0);
    for _ in 0..times(40, 400) {
        let dir = tempfile::tempdir().unwrap();
        let mut child = spawn("child_opens_and_leaves", dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "begins"));
        std::thread::sleep(Duration::from_micros(random.below(6_000)));
        child.kill().unwrap();
        let done = lines.any(|line| line == "done");
        child.wait().unwrap();
        let (state, opened) = State::open(dir.path()).unwrap();
        assert_eq!(opened.set_aside, None, "seed {seed}");
        let found = consistent(&state);
        assert!(found == 1 || !done, "seed {seed}");
        if opened.fresh {
            unfinished += 1;
        } else {
            finished += 1;
        }
        assert_eq!(commit_one(&state).unwrap(), found + 1);
    }
    println!("killed before the file had its name: {unfinished}, after: {finished}");
}

#[test]
fn a_flipped_bit_is_never_read_as_truth() {
    let origin = tempfile::tempdir().unwrap();
    let (state, _) = State::open(origin.path()).unwrap();
    for _ in 0..60 {
        commit_one(&state).unwrap();
    }
    drop(state);
    let bytes = std::fs::read(origin.path().join("state.redb")).unwrap();
    // Free space is zeros mostly, and nobody reads it: flip where something is.
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut random = Random::new();
    let seed = random.0;
    let (mut detected, mut harmless) = (0, 0);
    for _ in 0..times(60, 1_000) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        std::fs::write(&path, &bytes).unwrap();
        let place = used[usize::try_from(random.below(used.len() as u64)).unwrap()];
        let flipped = bytes[place] ^ (1 << random.below(8));
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[flipped], place as u64).unwrap();
        drop(file);
        let (state, opened) = State::open(dir.path()).unwrap();
        let found = consistent(&state);
        if opened.set_aside.is_some() {
            assert_eq!(found, 0, "byte {place}, seed {seed}");
            detected += 1;
        } else if opened.rolled_back {
            assert!(found <= 60, "byte {place}, seed {seed}");
            detected += 1;
        } else {
            assert_eq!(found, 60, "byte {place}, seed {seed}");
            harmless += 1;
        }
        // Whatever it was: it can be used.
        commit_one(&state).unwrap();
    }
    println!("flips detected: {detected}, in free space: {harmless}");
    assert!(detected > 0, "seed {seed}");
}

#[test]
fn another_process_is_refused_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = spawn("child_commits_until_it_is_killed", dir.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("did ")));
    let began = std::time::Instant::now();
    let error = State::open(dir.path()).unwrap_err();
    let took = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(error, StateError::InUse { .. }), "{error}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
#[ignore = "part of another test"]
fn child_meets_a_full_disk() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let (state, _) = State::open(&child_dir()).unwrap();
    let mut done = 0;
    let error = loop {
        match commit_one(&state) {
            Ok(number) => done = number,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StateError::Io { .. }), "{error}");
    // It goes on failing, with an error each time and without a panic.
    for _ in 0..5 {
        assert!(matches!(commit_one(&state).unwrap_err(), StateError::Io { .. }));
        // What is there can be read all the same.
        assert_eq!(consistent(&state), done);
    }
    let mut limit = getrlimit(Resource::Fsize);
    limit.current = limit.maximum;
    setrlimit(Resource::Fsize, limit).unwrap();
    let began = std::time::Instant::now();
    while commit_one(&state).is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never recovered");
        std::thread::yield_now();
    }
    assert_eq!(consistent(&state), done + 1);
    say("recovered");
}

#[test]
fn a_full_disk_fails_each_change_until_there_is_room_again_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let child = child_command("child_meets_a_full_disk", dir.path());
    // A limit on the size of files fails writes for any user, as a full disk does for root.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 6000; exec \"$0\" \"$@\""])
        .arg(child.get_program())
        .args(child.get_args())
        .env("LARDER_TEST_STATE", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("recovered"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "part of another test"]
fn child_goes_on_until_five_commits_arrived() {
    let dir = child_dir();
    let began = std::time::Instant::now();
    let mut done = 0;
    while done < 5 {
        assert!(began.elapsed() < Duration::from_secs(30), "it never recovered");
        let Ok((state, opened)) = State::open(&dir) else {
            say("refused");
            continue;
        };
        assert!(opened.set_aside.is_none(), "an error is no damage");
        while done < 5 && began.elapsed() < Duration::from_secs(30) {
            match commit_one(&state) {
                Ok(number) => {
                    say(&format!("did {number}"));
                    done += 1;
                }
                Err(StateError::Io { .. }) => say("refused"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_call_that_fails_at_any_point_is_neither_success_nor_the_end() {
    let strace = |arguments: &[&str], child: &Command, dir: &Path| {
        Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null"])
            .args(arguments)
            .arg(child.get_program())
            .args(child.get_args())
            .env("LARDER_TEST_STATE", dir)
            .output()
    };
    if !strace(&[], &Command::new("true"), Path::new("/")).is_ok_and(|out| out.status.success()) {
        crate::support::skipped!("`strace` is not there or may not trace");
    }
    let calls = [
        ("pread64", "EIO"),
        ("fsync,fdatasync", "EIO"),
        ("pwrite64", "ENOSPC"),
        ("fsync,fdatasync", "ENOSPC"),
    ];
    let mut random = Random::new();
    let seed = random.0;
    let (mut points, mut hits) = (0, 0);
    for (call, error) in calls {
        // Each point in the long run, a sample of them in the short one.
        let step = times(7, 1);
        let mut point = 1 + random.below(step);
        while point <= 60 {
            let dir = tempfile::tempdir().unwrap();
            let child = child_command("child_goes_on_until_five_commits_arrived", dir.path());
            let inject = format!("inject={call}:error={error}:when={point}");
            let trace = format!("trace={call}");
            let paths = ["", "state.redb", "state.redb.new"].map(|name| dir.path().join(name));
            let mut arguments = vec!["-e", &trace, "-e", &inject];
            for path in &paths {
                arguments.extend(["-P", path.to_str().unwrap()]);
            }
            let output = strace(&arguments, &child, dir.path()).unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            let what = format!("{call} {error} at call {point}, seed {seed}:\n{said}");
            assert!(output.status.success(), "{what}");
            let acknowledged =
                said.lines().filter_map(|line| line.strip_prefix("did ")?.parse::<u64>().ok());
            let (state, opened) = State::open(dir.path()).unwrap();
            assert_eq!((opened.set_aside, opened.rolled_back), (None, false), "{what}");
            let newest = consistent(&state);
            assert!(acknowledged.max() <= Some(newest), "{what}");
            assert!(newest >= 5, "{what}");
            points += 1;
            hits += u32::from(said.contains("refused"));
            point += step;
        }
    }
    println!("an error at {points} points, {hits} of them refused something");
    assert!(hits > 0, "seed {seed}");
}
